"""Memory stays flat: as a program it feeds ``--frames`` (10000000) to one engine.

One process, one engine, both rules on. After a warm-up the resident set may not grow by more
than 5 MiB, the bound that CONTRIBUTING states. Prints one JSON line; exits with 1 if it grew more.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bookfeed._bookfeed import Engine

GROWTH_MAX_BYTES: Final = 5 * 1024 * 1024
MARKETS: Final = 50
STEPS: Final = 400
START_MS: Final = 1_790_000_000_000
_TIME: Final = b"@@@@@@@@@@@@@"


def resident_bytes() -> int:
    """Resident set of this process, bytes (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def asset(market: int, outcome: int) -> str:
    """A symbol of the length the venue uses."""
    return f"{market * 2 + outcome + 1:077d}".replace("0", "7", 70)


def book(market: int, outcome: int) -> bytes:
    """A whole book of 40 levels a side around 0.5, the two outcomes mirroring each other."""
    bids = ",".join(f'{{"price":"0.{cents:02d}","size":"100"}}' for cents in range(10, 50))
    asks = ",".join(f'{{"price":"0.{cents:02d}","size":"100"}}' for cents in range(91, 51, -1))
    if outcome:
        bids = ",".join(f'{{"price":"0.{cents:02d}","size":"100"}}' for cents in range(9, 49))
        asks = ",".join(f'{{"price":"0.{cents:02d}","size":"100"}}' for cents in range(90, 50, -1))
    text = (
        f'{{"event_type":"book","market":"0x{market:064x}","asset_id":"{asset(market, outcome)}",'
    )
    text += f'"timestamp":"{_TIME.decode()}","hash":"","bids":[{bids}],"asks":[{asks}]}}'
    return text.encode()


def change(market: int, step: int) -> bytes:
    """A level of both outcomes changes size; every third step removes or restores it."""
    cents, size = 10 + step % 30, "0" if step % 3 == 0 else str(50 + step % 97)
    yes, no = asset(market, 0), asset(market, 1)
    text = f'{{"market":"0x{market:064x}","price_changes":['
    text += f'{{"asset_id":"{yes}","price":"0.{cents:02d}","size":"{size}","side":"BUY",'
    text += '"hash":"","best_bid":"0.49","best_ask":"0.52"},'
    text += f'{{"asset_id":"{no}","price":"0.{100 - cents:02d}","size":"{size}","side":"SELL",'
    text += '"hash":"","best_bid":"0.48","best_ask":"0.51"}],'
    text += f'"timestamp":"{_TIME.decode()}","event_type":"price_change"}}'
    return text.encode()


def trade(market: int, step: int) -> bytes:
    """A print, now and then."""
    text = f'{{"event_type":"last_trade_price","market":"0x{market:064x}",'
    text += f'"asset_id":"{asset(market, 0)}","price":"0.5","size":"{1 + step % 9}","side":"BUY",'
    text += f'"fee_rate_bps":"0","timestamp":"{_TIME.decode()}"}}'
    return text.encode()


def templates() -> list[bytes]:
    """One round of frames, their times to be filled in."""
    frames = [book(market, outcome) for market in range(MARKETS) for outcome in (0, 1)]
    for step in range(STEPS):
        frames += [change(market, step) for market in range(MARKETS)]
        if step % 20 == 0:
            frames += [trade(market, step) for market in range(MARKETS)]
    return frames


def stream() -> Iterator[tuple[bytes, int]]:
    """Frames for ever, with rising venue times; yields (frame, receive time in ns)."""
    pattern, now_ms = templates(), START_MS
    while True:
        for frame in pattern:
            now_ms += 1
            yield frame.replace(_TIME, b"%d" % now_ms), now_ms * 1_000_000


def soak(frames: int, warm_up: int) -> dict[str, object]:
    """Feeds the frames; returns the figures."""
    engine = Engine(hash_check="sampled", silence_s=0)
    for market in range(MARKETS):
        for outcome in (0, 1):
            engine.subscribe(
                "polymarket",
                asset(market, outcome),
                0,
                1,
                market=f"0x{market:064x}",
                fee="polymarket:0.07;1",
            )
    engine.add_rule("spread", {"open": "0.02"})
    engine.add_rule("complement", {"min_edge": "0.01"})
    baseline = peak = 0
    begun = time.perf_counter()
    source = stream()
    for count in range(1, frames + 1):
        frame, ts = next(source)
        if engine.ingest(0, frame, ts) > 256:
            engine.drain()
        if count == warm_up:
            gc.collect()
            baseline = resident_bytes()
        if count % 100_000 == 0 and count > warm_up:
            peak = max(peak, resident_bytes())
    counters = engine.counters()
    return {
        "frames": counters["frames"],
        "updates": counters["updates"],
        "errors": counters["decode_errors"] + counters["malformed"],
        "live": sum(view.live for view in engine.books()),
        "baseline_mib": round(baseline / 2**20, 2),
        "growth_mib": round((peak - baseline) / 2**20, 2),
        "elapsed_s": round(time.perf_counter() - begun, 1),
    }


SOAK: Final = soak
"""What the scorecard plays."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Feeds many frames and watches memory.")
    parser.add_argument("--frames", type=int, default=10_000_000, help="frames (default 10^7)")
    parser.add_argument(
        "--warm-up", type=int, default=1_000_000, help="before the baseline is taken"
    )
    options = parser.parse_args(argv)
    figures = soak(options.frames, options.warm_up)
    print(json.dumps(figures))
    grew = float(str(figures["growth_mib"])) * 2**20 > GROWTH_MAX_BYTES
    return 1 if grew or figures["errors"] or figures["live"] != 2 * MARKETS else 0


if __name__ == "__main__":
    sys.exit(main())
