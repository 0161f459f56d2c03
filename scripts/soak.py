"""Ten million frames through one engine, whose memory must stay flat: ``make soak``.

A seeded stream of the simulator is recorded once and then replayed again and again, each time as a
new connection, with every rule on and every hash check of the sampled policy. After the warm-up,
resident memory may grow by ``GROWTH_MIB_MAX``; more ends with exit code 1.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bookfeed import Engine
from bookfeed.sim.stream import Stream
from bookfeed.sim.venue import VenueConfig

GROWTH_MIB_MAX: Final = 5.0
WARM_UP_SHARE: Final = 0.2
MARKETS: Final = 20
FRAMES_RECORDED: Final = 50_000
DRAIN_EVERY: Final = 64
"""Frames between two drains, as when a socket read brings many."""
GAP_NS: Final = 1_000_000_000
"""Pause between two connections."""
CONN: Final = 0


class Recording(NamedTuple):
    """Frames of one connection with their receive times in Unix ns, and the stream they are of."""

    frames: list[bytes]
    ts_recv: list[int]
    stream: Stream


def record() -> Recording:
    """A seeded stream: books that live and move, trades, mirrored changes, valid hashes."""
    stream = Stream(VenueConfig(markets=MARKETS, seed=1, unmirrored=MARKETS // 4), rate=2_000)
    frames: list[bytes] = []
    times: list[int] = []
    for item in stream.frames(FRAMES_RECORDED):
        if item.kind == "frame":
            frames.append(item.payload)
            times.append(item.ts_ns)
    return Recording(frames, times, stream)


def build_engine(recording: Recording) -> Engine:
    """An engine with every book of the recording and both rules."""
    engine = Engine()
    engine.add_rule("spread", {"mode": "absolute", "open": "0.03", "close": "0.02"})
    engine.add_rule("complement", {"min_edge": "0.001"})
    config = recording.stream.venue.config
    for market in recording.stream.venue.markets:
        for asset in market.assets:
            engine.subscribe(
                "polymarket",
                asset.asset_id,
                CONN,
                recording.ts_recv[0],
                market=market.spec.condition_id,
                min_order_size=config.min_order_size,
                neg_risk=config.neg_risk,
                fee_rate=config.fee_rate,
                fee_exponent=config.fee_exponent,
            )
    return engine


def resident_mib() -> float:
    """Resident memory of this process in MiB; Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no VmRSS")


def play(engine: Engine, recording: Recording, offset_ns: int) -> tuple[int, int]:
    """One connection's worth of frames; returns counts of updates and signals."""
    updates = signals = 0
    engine.connected(CONN, "polymarket", recording.ts_recv[0] + offset_ns)
    for index, (frame, ts) in enumerate(zip(recording.frames, recording.ts_recv, strict=True)):
        engine.ingest(CONN, frame, ts + offset_ns)
        if index % DRAIN_EVERY == 0:
            batch = engine.drain(ts + offset_ns)
            updates += len(batch.updates)
            signals += len(batch.signals)
    engine.advance(recording.ts_recv[-1] + offset_ns)
    engine.disconnected(CONN, recording.ts_recv[-1] + offset_ns)
    engine.drain(recording.ts_recv[-1] + offset_ns)
    return updates, signals


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python scripts/soak.py", description=__doc__)
    parser.add_argument("--frames", type=int, default=10_000_000, help="(default: %(default)s)")
    options = parser.parse_args(argv)
    recording = record()
    engine = build_engine(recording)
    length_ns = recording.ts_recv[-1] - recording.ts_recv[0] + GAP_NS
    done = updates = signals = passes = 0
    warm_mib = 0.0
    peak_mib = 0.0
    begun = time.perf_counter()
    while done < options.frames:
        more_updates, more_signals = play(engine, recording, passes * length_ns)
        passes += 1
        done += len(recording.frames)
        updates += more_updates
        signals += more_signals
        now_mib = resident_mib()
        if done <= options.frames * WARM_UP_SHARE or passes == 1:
            warm_mib = now_mib
        peak_mib = max(peak_mib, now_mib)
    grown_mib = peak_mib - warm_mib
    summary = {
        "frames": done,
        "updates": updates,
        "signals": signals,
        "malformed": engine.counters()["malformed"],
        "elapsed_s": round(time.perf_counter() - begun, 1),
        "warm_mib": round(warm_mib, 1),
        "grown_mib": round(grown_mib, 1),
        "grown_mib_max": GROWTH_MIB_MAX,
    }
    print(json.dumps(summary))
    return int(grown_mib > GROWTH_MIB_MAX)


if __name__ == "__main__":
    sys.exit(main())
