"""Two lines over sockets: what happens to one of them costs no book its ``live``."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from lengths import TIMES
from spot_live import OPTIONS, Running, Tape, Watcher, audited, following, replayed
from waiting import PATIENCE_S, PatientClock, until

from bookfeed._bookfeed import Engine
from bookfeed.errors import EngineError
from bookfeed.feed.feed import Feed
from bookfeed.live import lines
from bookfeed.market import Market, Outcome
from bookfeed.recordings.kinds import Kind
from bookfeed.sim import binance, coinbase, kalshi, kraken, polymarket
from bookfeed.sim.binance.faults import BinanceFault
from bookfeed.sim.coinbase.faults import CoinbaseFault
from bookfeed.sim.kalshi.faults import KalshiFault
from bookfeed.sim.kraken.faults import KrakenFault
from bookfeed.sim.polymarket.faults import Fault
from bookfeed.venues import Endpoint
from bookfeed.venues.binance import BinanceMarket, BinanceSection
from bookfeed.venues.coinbase import CoinbaseMarket, CoinbaseSection
from bookfeed.venues.kalshi import Credentials
from bookfeed.venues.kalshi import kalshi as kalshi_venue
from bookfeed.venues.kalshi_keys import parse_key
from bookfeed.venues.kraken import KrakenMarket, KrakenSection
from bookfeed.venues.polymarket import polymarket as polymarket_venue
from bookfeed.venues.secret import Secret

S = 1_000_000_000
TWO = replace(OPTIONS, lines=2)


class Untold(Running[Any]):
    """Of a venue whose simulator keeps no books by update: the audit alone holds its books."""

    def __init__(self, venue: str, server: Any, markets: list[Market], fault: Any) -> None:
        self.venue, self.server, self.markets = venue, server, markets
        self.watcher, self.tape = Watcher({}), Tape()
        self._fault = fault

    async def checked(self, more: int = 30) -> None:
        enough = len(self.watcher.emitted) + more
        await until(lambda: len(self.watcher.emitted) >= enough)


class Way(NamedTuple):
    """How a venue is simulated and followed."""

    serve: Callable[..., Any]
    fault: Any
    market: Callable[[Any], list[Market]]
    endpoint: Callable[[Any], Endpoint]
    running: Callable[..., Running[Any]] = Running


def _binance(server: Any) -> Endpoint:
    section = BinanceSection(ws_url=server.url, rest_url=server.rest_url, depth=100)
    return section.endpoint("test")


def _kraken(server: Any) -> Endpoint:
    section = KrakenSection(ws_url=server.url, rest_url="", depth=10, probe_interval_s=0.2)
    return section.endpoint("test")


def _kalshi(server: Any) -> Endpoint:
    key = Credentials(server.key.key_id, parse_key(Secret(server.key.private_pem), "test"))
    return Endpoint(kalshi_venue(credentials=key), server.url)


def _coinbase(server: Any) -> Endpoint:
    section = CoinbaseSection(ws_url=server.url, rest_url="", probe_interval_s=0.2)
    return section.endpoint("test")


WAYS = {
    "binance": Way(
        lambda **how: binance.serve(binance.BinanceSimConfig(**how)),
        BinanceFault,
        lambda server: [
            BinanceMarket("binance", f"{one.base}-{one.quote}").to_market(None)
            for one in server.venue.specs
        ],
        _binance,
    ),
    "kraken": Way(
        lambda **how: kraken.serve(kraken.KrakenSimConfig(**how)),
        KrakenFault,
        lambda server: [
            KrakenMarket("kraken", f"{one.base}-{one.quote}").to_market(None)
            for one in server.venue.specs
        ],
        _kraken,
    ),
    "coinbase": Way(
        lambda **how: coinbase.serve(coinbase.CoinbaseSimConfig(**how)),
        CoinbaseFault,
        lambda server: [
            CoinbaseMarket("coinbase", name).to_market(None) for name in server.venue.symbols
        ],
        _coinbase,
    ),
    "polymarket": Way(
        lambda markets, levels, rate: polymarket.serve(
            polymarket.SimConfig(markets=markets, rate=rate)
        ),
        Fault,
        lambda server: [
            Market(
                one.condition_id,
                tuple(map(Outcome, one.outcomes, one.asset_ids)),
                tick_size=one.tick_size,
                min_order_size=one.min_order_size,
                neg_risk=one.neg_risk,
            )
            for one in server.markets
        ],
        lambda server: Endpoint(polymarket_venue(), server.url, server.rest_url),
        Untold,
    ),
    "kalshi": Way(
        lambda markets, levels, rate: kalshi.serve(
            kalshi.KalshiSimConfig(rate=rate, pause_every=0)
        ),
        KalshiFault,
        lambda server: [
            Market(one.spec.ticker, (Outcome("Yes", one.spec.ticker),), venue="kalshi")
            for one in server.venue.markets[:2]
        ],
        _kalshi,
        Untold,
    ),
}
VENUES = sorted(WAYS)
KINDS = ("reset", "disconnect", "drop", "delay")
# What happens to one line of each venue. In the short form each happens to one of them, to the
# first of some venues and to the second of others.
HAPPENS = [
    (venue, line, kind)
    for at, venue in enumerate(VENUES)
    for number, kind in enumerate(KINDS)
    for line in (0, 1)
    if TIMES > 1 or line == (at + number) % 2
]


@asynccontextmanager
async def running(venue: str) -> AsyncIterator[Running[Any]]:
    """Two markets on two lines, live, and each line in step with the other."""
    way = WAYS[venue]
    server = await way.serve(markets=2, levels=60, rate=300.0)
    one = way.running(venue, server, way.market(server), way.fault)
    async with following(one, way.endpoint(server), options=TWO):
        await one.live()
        await in_step(one)
        yield one
    assert replayed(one.tape.records) == b"".join(one.watcher.emitted)
    report = audited(one.tape.records)
    assert report.findings == []
    assert report.lined > 50


def conns(one: Running[Any]) -> list[int]:
    return [each.conn for each in one.feed.status().connections]


async def in_step(one: Running[Any]) -> None:
    engine = one.feed.engine

    def all_in_step() -> bool:
        books = [book.instrument for book in engine.books()]
        return all(engine.in_step(conn, book) for conn in conns(one) for book in books)

    await until(all_in_step)


def stayed_live(one: Running[Any], before: int) -> None:
    """No book left live since; ``before`` is how many states there were."""
    left = [state for state in one.watcher.states[before:] if state[1] != "live"]
    assert left == []


@pytest.mark.parametrize("venue", VENUES)
async def test_two_lines_tell_one_book(venue: str) -> None:
    async with running(venue) as one:
        before = len(one.watcher.states)
        await one.checked(100)
        stayed_live(one, before)
        told = one.feed.engine.lines()
        assert sorted(told) == conns(one)
        for counts in told.values():
            assert counts["first"] + counts["later"] > 50
        status = one.feed.status()
        assert [each.books for each in status.connections] == [len(one.symbols)] * 2


@pytest.mark.parametrize(("venue", "line", "kind"), HAPPENS)
async def test_what_happens_to_one_line_costs_no_book_its_live(
    venue: str, line: int, kind: str
) -> None:
    async with running(venue) as one:
        before = len(one.watcher.states)
        late = kind == "delay" and venue in ("kalshi", "polymarket")
        one.inject("late" if late else kind, conn=line)
        await until(lambda: one.server.fault_log)
        await one.checked(100)
        await in_step(one)
        await one.checked()
        stayed_live(one, before)
        # One that does not come into step again, in a quiet market, is replaced in time.
        lost = kind in ("reset", "disconnect")
        assert one.feed.counters()["reconnects"] in (lost, 1)


@pytest.mark.parametrize("venue", VENUES)
async def test_a_line_that_is_frozen_costs_no_book_its_live(venue: str) -> None:
    async with running(venue) as one:
        before = len(one.watcher.states)
        one.inject("freeze", conn=0)
        await one.checked(100)
        stayed_live(one, before)


async def spoil_often(one: Running[Any], kind: str, *lines: int) -> None:
    """One frame in a hundred of these lines goes wrong, for three hundred frames of each."""
    for _ in range(3 * TIMES):
        for line in lines:
            one.inject(kind, conn=line)
        sent = one.server.frames_sent
        await until(lambda before=sent: one.server.frames_sent >= before + 200)  # type: ignore[misc]


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("kind", ["drop", "swap"])
async def test_a_line_that_spoils_one_frame_in_a_hundred_costs_no_book_its_live(
    venue: str, kind: str
) -> None:
    async with running(venue) as one:
        before = len(one.watcher.states)
        await spoil_often(one, kind, 0)
        assert len(one.server.fault_log) >= 3 * TIMES - 1
        await one.checked()
        stayed_live(one, before)


@pytest.mark.parametrize("venue", VENUES)
async def test_where_both_lines_swap_frames_no_book_is_wrong_and_all_come_back(venue: str) -> None:
    async with running(venue) as one:
        await spoil_often(one, "swap", 0, 1)
        assert {event.conn for event in one.server.fault_log} == {0, 1}
        await one.live()
        await one.checked()


async def test_what_is_no_second_line_says_so() -> None:
    engine = Engine()
    with pytest.raises(EngineError, match="no connection beside which"):
        engine.add_line(1, 0, 1)
    engine.subscribe("kalshi", "A", 0, 1)
    engine.add_line(1, 0, 1)
    with pytest.raises(EngineError, match="of two connections, of no others"):
        engine.add_line(2, 0, 1)
    assert (engine.told_by(0), engine.in_step(1, 0), engine.lines()) == (None, False, {})
    engine.end_line(1, 2)
    engine.add_line(2, 0, 3)


async def test_a_recording_says_which_connections_are_lines() -> None:
    async with running("coinbase") as one:
        await one.checked()
        kinds = one.tape.kinds()
        assert kinds.count(Kind.LINE) == 1
        assert kinds.index(Kind.LINE) < kinds.index(Kind.CONNECTED)


async def test_without_a_second_line_there_is_none() -> None:
    way = WAYS["coinbase"]
    server = await way.serve(markets=1, levels=20, rate=50.0)
    try:
        feed = Feed(
            way.market(server),
            endpoints={"coinbase": way.endpoint(server)},
            options=OPTIONS,
            clock=PatientClock(),
        )
        async with feed:
            await feed.wait_live(PATIENCE_S)
            assert len(feed.status().connections) == 1
            assert feed.engine.lines() == {}
    finally:
        await server.close()


@pytest.mark.parametrize(("warned", "silent"), [(True, False), (False, False), (True, True)])
async def test_a_planned_end_costs_no_book_its_live(
    warned: bool, silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one line: another one relieves it, before the venue ends it, whether markets move or
    not."""
    monkeypatch.setattr(lines, "LOOK_NS", S // 50)
    monkeypatch.setattr(lines, "SETTLED_NS", S // 2)
    settings: dict[str, Any] = {"lifetime_s": 4.0, "warning_s": 3.0} if warned else {}
    server = await binance.serve(
        binance.BinanceSimConfig(markets=2, levels=60, rate=300.0, **settings)
    )
    way = WAYS["binance"]
    one: Running[Any] = Running("binance", server, way.market(server), way.fault)
    endpoint = way.endpoint(server)
    if not warned:
        monkeypatch.setattr(lines, "RELIEF_NS", 3 * S)
        endpoint = replace(endpoint, venue=replace(endpoint.venue, lifetime_s=5.0))
    async with following(one, endpoint):
        await one.live()
        if silent:
            await server.stop_markets()
        before = len(one.watcher.states)
        assert len(conns(one)) == 1
        await until(lambda: len(conns(one)) == 2)
        await until(lambda: one.feed.counters()["reconnects"] == 1)
        await until(lambda: len(conns(one)) == 1)
        if not silent:
            await one.checked()
        stayed_live(one, before)
    assert replayed(one.tape.records) == b"".join(one.watcher.emitted)
    assert audited(one.tape.records).findings == []
