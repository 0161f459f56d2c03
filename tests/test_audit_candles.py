"""Candles as the auditor reads them: opening, closing and who has won, from the trades of a
journal; and that an engine which says something else is found out.
"""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from audit_journals import audited
from test_settling import E18, T0, S
from test_settling_rules import DAY, HOUR, MS, Trades

from bookfeed._bookfeed import Engine
from bookfeed.audit import Auditor, fair
from bookfeed.audit.windows import Said
from bookfeed.recordings.kinds import Kind
from bookfeed.scorecard.witness import EngineWitness

END: Final = T0 + 3_600 * S


def played() -> Trades:
    """An hour whose price crosses its opening a few times and closes above it."""
    world = Trades(HOUR)
    world.trade(T0 - 1 * S, "83990")
    for second in range(0, 3_600, 25):
        world.trade(T0 + second * S + 3 * MS, str(84_000 + second % 11 - second % 3))
    world.trade(END - 1 * MS, "84001")
    world.trade(END + 2 * S, "83000")
    return world


def test_what_is_said_of_an_hour_is_computed_from_its_trades() -> None:
    world = played()
    assert (world.window.strike_e18, world.window.closing_e18) == (84_000 * E18, 84_001 * E18)
    report = audited(world.tape.records, {})
    assert report.findings == []
    assert report.windows > 100 and report.fair_values == report.windows


Lie = Callable[[Said], Said]
LIES: Final[dict[str, Lie]] = {
    "opening": lambda said: said._replace(opening=None if said.opening is None else 83_990 * E18),
    "strike": lambda said: said._replace(strike=None if said.strike is None else said.strike + 1),
    "closing": lambda said: said._replace(closing=None if said.closing is None else 83_000 * E18),
    "too early": lambda said: said._replace(closing=84_001 * E18),
    "outcome": lambda said: said._replace(outcome="no" if said.outcome == "yes" else said.outcome),
    "undecided": lambda said: said._replace(outcome="open"),
    "told": lambda said: said._replace(told=(False, said.closing is not None)),
}


class Lying(EngineWitness):
    """An engine that says something else of its windows."""

    lie: Lie

    def window(self, number: int) -> Said | None:
        said = super().window(number)
        return None if said is None else self.lie(said)


@pytest.mark.parametrize("name", LIES)
def test_a_lie_about_a_candle_is_found(name: str) -> None:
    witness = Lying(Engine())
    witness.lie = LIES[name]
    report = Auditor(witness).run(played().tape.records)
    assert {finding.kind for finding in report.findings} == {"window"}


def test_a_window_that_is_not_there_is_found() -> None:
    class Silent(EngineWitness):
        def window(self, number: int) -> Said | None:
            return None

    report = Auditor(Silent(Engine())).run(played().tape.records)
    assert {finding.kind for finding in report.findings} == {"window"}


def test_trades_that_an_engine_did_not_get_are_found() -> None:
    """The journal has the trade that closes the hour; the engine was told another price."""

    class Deaf(EngineWitness):
        def apply(self, kind: int, ts: int, conn: int, payload: bytes) -> bool:
            return super().apply(kind, ts, conn, payload.replace(b'"84001"', b'"83001"'))

    report = Auditor(Deaf(Engine())).run(played().tape.records)
    assert {"trade", "window"} <= {finding.kind for finding in report.findings}


@pytest.mark.parametrize("lost_before", [0, 1, -2, -1])
def test_both_know_what_may_have_been_missed(lost_before: int) -> None:
    """A hole in the numbers before the first, second, last but one and last trade of those that
    follow: the value is unknown where the hole lies on the boundary.
    """
    world = Trades(HOUR)
    ats = [T0 - 1 * S, T0 + 1 * S, T0 + 2 * S, END - 1 * S, END + 1 * S]
    hole = ats[lost_before + 1] if lost_before >= 0 else ats[lost_before]
    for at in ats:
        world.id += at == hole
        world.trade(at, "84000")
    unknown = lost_before in (0, -1)
    assert (world.window.outcome == "unknown") is unknown
    report = audited(world.tape.records, {})
    assert report.findings == [] and report.windows > 1


def test_one_that_comes_late_does_not_make_up_for_those_that_were_lost() -> None:
    world = Trades(HOUR)
    for at in (T0 - 2 * S, T0 - 1 * S):
        world.trade(at, "84000")
    world.id += 3
    world.trade(T0 + 1 * S, "84005")
    late, world.id = world.id, world.id - 3
    world.trade(T0 - 1 * MS, "84001")
    world.id = late
    world.trade(T0 + 2 * S, "84006")
    assert world.window.opening_e18 is None
    assert audited(world.tape.records, {}).findings == []


def test_an_hour_that_is_joined_late_has_no_opening() -> None:
    """Neither by the first contract on the trades, nor by one that learns of those kept lately."""
    world = Trades(DAY)
    for second in range(1_200, 1_260):
        world.trade(T0 + second * S, "84100")
    world.settling.look(HOUR)
    world.trade(T0 + 1_260 * S, "84100")
    stated = [one.instrument for one in world.settling.stated.values()]
    windows = [world.inputs.engine.window(number) for number in stated]
    assert windows and all(one is not None and one.opening_e18 is None for one in windows)
    assert audited(world.tape.records, {}).findings == []


def test_two_trades_in_one_frame_are_both_ticks() -> None:
    """Coinbase tells several at once: the last one is compared, and those before it count."""
    world = Trades(HOUR)
    pairs = b"trades binance BTCUSDT", b"trades coinbase BTC-USD"
    world.tape.records = [(*head, payload.replace(*pairs)) for *head, payload in world.tape.records]  # type: ignore[misc]  # of five fields, as before
    ts = world.ts
    subscribed = b'{"venue": "coinbase", "symbol": "BTC-USD"}'
    world.tape.records += [
        (int(Kind.CONNECTED), ts, 2, 0, b"coinbase"),
        (int(Kind.SUBSCRIBE), ts, 2, 0, subscribed),
    ]
    name = 0

    def frame(number: int, *trades: tuple[str, str]) -> None:
        nonlocal name
        listed: list[dict[str, Any]] = []
        for time, price in trades:
            name += 1
            listed.insert(0, {
                "trade_id": str(name), "product_id": "BTC-USD", "price": price, "size": "0.1",
                "side": "BUY", "time": time,
            })  # fmt: skip
        told = {
            "channel": "market_trades", "timestamp": trades[-1][0], "sequence_num": number,
            "events": [{"type": "update", "trades": listed}],
        }  # fmt: skip
        at = fair.S * number + T0
        world.tape.records.append((int(Kind.FRAME), at, 2, 0, json.dumps(told).encode()))

    day = "2026-09-21T"
    frame(0, (f"{day}14:14:58Z", "83990"))
    frame(1, (f"{day}14:14:59Z", "83991"), (f"{day}14:15:00.5Z", "84000"))
    frame(2, (f"{day}14:15:01Z", "84010"), (f"{day}14:15:02Z", "84020"), (f"{day}14:15:02Z", "1"))
    report = audited(world.tape.records, {})
    assert report.findings == []
    assert report.trades == 6 and report.windows >= 2
