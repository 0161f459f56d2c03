"""What a server knows of its feed, from records that are made up."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson

from bookfeed import SIGNAL_DTYPE, UPDATE_DTYPE, Batch
from bookfeed._bookfeed import CAUSES, SIGNAL_PHASES, STATES, UPDATE_KINDS
from bookfeed.names import Names
from bookfeed.rules.terms import FAIR_AGE_MAX_NS
from bookfeed.web.channels import Channels, Subscription
from bookfeed.web.clients import Client
from bookfeed.web.metrics import families
from bookfeed.web.world import FRESH_MAX, OVER_KEPT, World


def test_open_signals_come_by_the_dollars_they_would_leave() -> None:
    """Neither by their edge nor by the measure of their own that a rule gives."""
    rows = np.zeros(3, SIGNAL_DTYPE)
    rows["seq"] = rows["id"] = (1, 2, 3)
    rows["net_edge_e9"] = (900_000_000, 10_000_000, 20_000_000)
    rows["qty_e8"] = (100_000_000, 50_000_000_000, 100_000_000)
    rows["value_e9"] = (2, 1, 3)
    world = World()
    world.stand("heard")
    world.take(Batch(b"", rows.tobytes(), b""))
    assert [one.net_total for one in world.open_signals()] == [5.0, 0.9, 0.02]
    world.stand("lost")
    assert world.open_signals() == []


def test_a_spot_book_is_told_as_one_and_an_outcome_under_its_market() -> None:
    world = World()
    for number, (venue, symbol, market, outcome) in enumerate(
        [("kraken", "BTC/USD", "BTC-USD", "spot"), ("kalshi", "KXBTC", "KXBTC", "Yes")]
    ):
        world.names.learn(
            number, venue=venue, symbol=symbol, market=market, outcome=outcome, title=""
        )
    world.stand("heard")
    rows = np.zeros(2, UPDATE_DTYPE)
    rows["instrument"] = (0, 1)
    world.take(Batch(rows.tobytes(), b"", b""))
    told = world.arbitrage()
    assert [one["symbol"] for one in told["spot"]] == ["BTC/USD"]
    assert [one["market"] for one in told["markets"]] == ["KXBTC"]


def test_of_books_that_are_over_a_bounded_number_is_kept_and_of_others_all() -> None:
    """Windows roll for months: their books, symbols and markets do not gather."""
    world = World()
    world.stand("heard")
    rows = np.zeros(1, UPDATE_DTYPE)

    def told(number: int, state: str, cause: str) -> None:
        market = f"m{number // 2}"
        world.names.learn(
            number, venue="v", symbol=f"s{number}", market=market, outcome="Yes", title=""
        )
        world.take_piece({"part": "markets", "markets": [{"venue": "v", "market": market}]})
        rows["instrument"], rows["state"] = number, STATES.index(state)
        rows["cause"] = CAUSES.index(cause)
        world.take(Batch(rows.tobytes(), b"", b""))

    live, over = 300, 2 * OVER_KEPT + 1
    for number in range(live):
        told(number, "live", "snapshot")
    for number in range(live, live + over):
        told(number, "live", "snapshot")
        told(number, "stale", "resolved")
    assert len(world) == live + OVER_KEPT
    assert all(number in world for number in range(live))
    kept = [number for number in world.instruments() if number >= live]
    assert kept == list(range(live + over - OVER_KEPT, live + over))
    assert world.instrument("v", f"s{live}") is None
    assert world.instrument("v", f"s{kept[0]}") == kept[0]
    assert ("v", f"m{live // 2}") not in world.markets
    assert len(world.markets) == live // 2 + (OVER_KEPT + 2) // 2
    # One that comes to life again is none of them.
    told(kept[0], "live", "snapshot")
    told(10_000, "stale", "resolved")
    assert kept[0] in world and kept[1] in world
    told(10_001, "stale", "resolved")
    assert kept[0] in world and kept[1] not in world


def signal_rows(count: int, phase: str = "open") -> bytes:
    """Signals with the numbers 1, 2, …"""
    rows = np.zeros(count, SIGNAL_DTYPE)
    rows["id"] = rows["seq"] = range(1, count + 1)
    rows["phase"] = SIGNAL_PHASES.index(phase)
    return rows.tobytes()


def test_what_was_told_of_another_feed_is_gone_with_it() -> None:
    """What has closed, and what nobody was told yet: its numbers are those of other books now."""
    world = World()
    world.stand("heard")
    rows = np.zeros(1, UPDATE_DTYPE)
    rows["kind"] = UPDATE_KINDS.index("trade")
    world.take(Batch(rows.tobytes(), signal_rows(2, "close"), b""))
    world.take_piece({"part": "alerts", "alerts": [{"number": 1, "when": "price"}]})
    assert len(world.closed_signals()) == 2
    world.begin(Names())
    assert not (world.closed_signals() or world.trades() or world.alerts())
    assert world.fresh() == (set(), [], []) and world.fresh_alerts() == []


def test_what_a_contract_is_worth_is_not_told_once_its_reference_is_silent() -> None:
    world = World()
    world.names.learn(1, venue="kalshi", symbol="K", market="K", outcome="Yes", title="")
    world.stand("heard")
    rows = np.zeros(1, UPDATE_DTYPE)
    rows["instrument"] = 1
    world.take(Batch(rows.tobytes(), b"", b""))
    fair = {"ts": 100, "reference_ts": 90, "price": 0.5, "low": 0.4, "high": 0.6, "expected": 7.0}

    def told(now_ns: int) -> Any:
        world.take_piece({"part": "feed", "ts": now_ns})
        # The feed goes on telling what it was worth last.
        world.take_piece({"part": "fair", "fair": {"1": fair}})
        (market,) = world.arbitrage()["markets"]
        return market["books"][0]["fair"]

    assert told(100) == fair
    assert told(90 + FAIR_AGE_MAX_NS) == fair
    assert told(91 + FAIR_AGE_MAX_NS) is None
    fair["reference_ts"] += 10**9
    assert told(91 + FAIR_AGE_MAX_NS) == fair
    world.stand("silent")
    assert told(91 + FAIR_AGE_MAX_NS) is None


def test_a_connection_that_polls_is_up_and_one_that_is_not_begun_is_not_down() -> None:
    world = World()
    states = ("connected", "polling", "idle", "reconnecting", "down")
    for number, state in enumerate(states):
        connection = {"venue": "v", "conn": number, "state": state, "reconnects": 0}
        world.take_piece(
            {"part": "connection", "key": number, "delay_s": None, **connection},
        )
    (up,) = [one for one in families(world, {}) if one.name == "bookfeed_connection_up"]
    assert {labels["conn"]: value for _, labels, value in up.samples} == {0: 1, 1: 1, 3: 0, 4: 0}


class Transport:
    """Takes whatever is written."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def write(self, frame: bytes) -> None:
        self.said.append(orjson.loads(frame[frame.index(b"{") :]))


def test_who_missed_a_close_among_too_many_signals_is_told_of_all_that_are_open() -> None:
    """More between two ticks than are told one by one: none of them stays open for ever."""
    world = World()
    world.stand("heard")
    channels, transport = Channels(world), Transport()
    socket: Any = SimpleNamespace(compress=0)
    channels.subscribe(Client(socket, transport, 0.0), Subscription("signals"))
    count = FRESH_MAX + 7
    world.take(Batch(b"", signal_rows(count), b""))
    world.take(Batch(b"", signal_rows(count - 1, "close"), b""))
    channels.tick(stands=True)
    told = transport.said[-1]
    assert told["type"] == "snapshot" and [one["id"] for one in told["signals"]] == [count]
    assert world.signals_dropped == 2 * count - 1 - FRESH_MAX
    world.take(Batch(b"", signal_rows(1), b""))
    channels.tick(stands=True)
    assert transport.said[-1]["type"] == "signals"


def test_what_is_told_of_a_market_is_told_although_no_book_changes() -> None:
    """Its strike, what it is worth, and that nobody knows that any more."""
    world = World()
    world.names.learn(1, venue="kalshi", symbol="K", market="K", outcome="Yes", title="")
    world.stand("heard")
    rows = np.zeros(1, UPDATE_DTYPE)
    rows["instrument"] = 1
    world.take(Batch(rows.tobytes(), b"", b""))
    channels, transport = Channels(world), Transport()
    socket: Any = SimpleNamespace(compress=0)
    channels.subscribe(Client(socket, transport, 0.0), Subscription("arbitrage"))

    def told(*pieces: dict[str, Any]) -> Any:
        for piece in pieces:
            world.take_piece(piece)
        for _ in range(3):
            channels.tick(stands=True)
        (market,) = transport.said[-1]["markets"]
        return market["strike"], market["books"][0]["fair"]

    fair = {"ts": 1, "reference_ts": 1, "price": 0.5, "low": 0.4, "high": 0.6, "expected": 7.0}
    now = {"part": "feed", "ts": 1}
    market = {"venue": "kalshi", "market": "K", "strike": 5.0}
    assert told({"part": "markets", "markets": [market]}) == (5.0, None)
    assert told(now, {"part": "fair", "fair": {"1": fair}}) == (5.0, fair)
    assert told(now | {"ts": 2 + FAIR_AGE_MAX_NS}) == (5.0, None)
    count = len(transport.said)
    told({"part": "why", "why": []})
    assert len(transport.said) == count
