"""The mode of a capture: as it is stated, or as its frames show it, or not known and refused."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bookfeed import replay
from bookfeed.cli import main
from bookfeed.errors import CaptureError, ExitCode
from bookfeed.recordings.capture import Capture
from bookfeed.recordings.kinds import Kind

MARKET = "KXMODE-26"
START_MS = 1_786_398_368_844
YES_PRICES = "use_yes_price"


class Told:
    """A market of Kalshi's, told frame by frame in one of the two modes."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.frames: list[dict[str, Any]] = []
        self._seqs = {1: 0, 2: 0}

    def _say(self, kind: str, sid: int, msg: dict[str, Any], *, numbered: bool = True) -> None:
        frame: dict[str, Any] = {"type": kind, "sid": sid}
        if numbered:
            self._seqs[sid] += 1
            frame["seq"] = self._seqs[sid]
        self.frames.append(frame | {"msg": {"market_ticker": MARKET} | msg})

    @property
    def _ms(self) -> int:
        return START_MS + 100 * len(self.frames)

    def book(self, bid: str, ask: str) -> "Told":
        no = ask if self.mode else str(1 - Decimal(ask))
        sides = {"yes_dollars_fp": [[bid, "10.00"]], "no_dollars_fp": [[no, "10.00"]]}
        self._say("orderbook_snapshot", 1, sides)
        for _ in range(30):
            change = {"price_dollars": "0.0100", "delta_fp": "1.00", "side": "yes"}
            self._say("orderbook_delta", 1, change | {"ts_ms": self._ms})
        return self

    def ticker(self, bid: str, ask: str) -> "Told":
        touch = {"yes_bid_dollars": bid, "yes_ask_dollars": ask, "ts_ms": self._ms + 1}
        self._say("ticker", 3, touch, numbered=False)
        return self

    def bought(self, price: str) -> "Told":
        paid = {"yes_price_dollars": price, "no_price_dollars": str(1 - Decimal(price))}
        trade = {"trade_id": f"t{len(self.frames)}", "count_fp": "1.00", "taker_side": "yes"}
        self._say("trade", 2, paid | trade | {"ts_ms": self._ms})
        return self

    def capture(self, path: Path, **header: object) -> Path:
        lines: list[dict[str, Any]] = [{"capture": 1, "venue": "kalshi"} | header]
        for n, frame in enumerate(self.frames):
            ts = (START_MS + 100 * n) * 1_000_000
            lines.append({"ts_recv": ts, "conn": "a", "frame": json.dumps(frame)})
        path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        return path


@pytest.fixture(params=["", YES_PRICES], ids=["no-prices", "yes-prices"])
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    """Nothing told yet."""
    yield Told(request.param)


def touch(path: Path, **options: Any) -> tuple[bool, str | None, str | None]:
    """Of its one book, at the end: whether it is live, best bid, best ask."""
    run = replay(path, **options)
    run.run()
    (view,) = run.books()
    bids, asks = view.as_strings("bid"), view.as_strings("ask")
    return view.live, bids[0][0], asks[0][0]


RIGHT = (True, "0.3", "0.34")


@pytest.mark.parametrize("stated", ["header", "option"])
def test_a_stated_mode_is_the_mode(tmp_path: Path, told: Told, stated: str) -> None:
    header = {"mode": told.mode} if stated == "header" else {}
    options = {"mode": told.mode} if stated == "option" else {}
    path = told.book("0.30", "0.34").capture(tmp_path / "c", **header)
    assert touch(path, **options) == RIGHT


def test_nothing_is_live_while_both_readings_are_possible(tmp_path: Path, told: Told) -> None:
    path = told.book("0.30", "0.34").capture(tmp_path / "c")
    with pytest.raises(CaptureError, match=r'in more than one way.*"" or "use_yes_price"'):
        replay(path).run()


@pytest.mark.parametrize("shown", ["crossed", "ticker", "trades"])
def test_the_frames_may_show_it(tmp_path: Path, told: Told, shown: str) -> None:
    if shown == "crossed":
        told.book("0.70", "0.74")
    told.book("0.30", "0.34")
    for _ in range(3):
        if shown == "ticker":
            told.ticker("0.30", "0.34").book("0.30", "0.34")
        elif shown == "trades":
            told.bought("0.34")
    path = told.capture(tmp_path / "c")
    capture = Capture(path)
    assert capture.mode == told.mode
    announced = [record.payload for record in capture if record.kind == Kind.CONNECTED]
    assert announced == [f"kalshi {told.mode}".rstrip().encode()]
    assert touch(path) == RIGHT


def test_a_mode_the_venue_does_not_have_is_refused(tmp_path: Path) -> None:
    path = Told("").book("0.30", "0.34").capture(tmp_path / "c", mode="backwards")
    with pytest.raises(CaptureError, match=r'kalshi has no mode "backwards": it is ""'):
        Capture(path)
    path = Told("").book("0.30", "0.34").capture(tmp_path / "c", mode=7)
    with pytest.raises(CaptureError, match='"mode" must be text, found int'):
        Capture(path)


@pytest.mark.parametrize("command", ["replay", "audit"])
def test_commands_take_the_mode(
    tmp_path: Path, told: Told, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = told.book("0.30", "0.34").capture(tmp_path / "c")
    assert main([command, str(path)]) == ExitCode.DATA
    assert "`--mode`" in capsys.readouterr().err
    assert main([command, str(path), f"--mode={told.mode}"]) == ExitCode.OK
