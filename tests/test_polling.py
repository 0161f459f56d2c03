"""Books kept by REST where nothing streams: against simulated venues that fail in every way.

A polled book is held to its age: it must be one that its venue truly had at some time since its
evidence. A live one is held to the usual. Nobody ever shows the one as the other.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from itertools import pairwise
from typing import Any

import pytest
from test_feed_sim import RULES, markets_of
from test_session_replay import Output, Tape
from waiting import PATIENCE_S, until

from bookfeed._bookfeed import Batch, Engine
from bookfeed.audit import Auditor
from bookfeed.audit.model import Waits
from bookfeed.feed.feed import Endpoint, Feed, SessionOptions
from bookfeed.market import Market, Outcome
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.records import Signal, Update
from bookfeed.rules.rule import Rule
from bookfeed.scorecard.witness import EngineWitness
from bookfeed.sim.kalshi import KalshiSimConfig, KalshiSimServer
from bookfeed.sim.kalshi import serve as serve_kalshi
from bookfeed.sim.polymarket import SimConfig, SimServer, serve
from bookfeed.venues.kalshi import kalshi

OPTIONS = SessionOptions(
    backoff_min_s=0.02,
    backoff_max_s=0.1,
    connect_stagger_s=0.0,
    advance_s=0.01,
    poll_interval_s=0.05,
    poll_after_s=0.05,
)
AGE_S = 0.6


class Watch:
    """Holds every book that is shown against what the venue truly had, and when."""

    def __init__(self, server: SimServer | KalshiSimServer) -> None:
        self.server = server
        self.feed: Feed | None = None
        self.polled = self.live = 0
        self.wrong: list[str] = []
        self.states: dict[str, list[str]] = {}
        self.signals: list[Signal] = []
        self.told = Output()
        # When each version of a book was first seen to be there, by symbol.
        self.since: dict[str, dict[int, int]] = {}

    def look(self, symbols: list[str]) -> None:
        """Notes which version of each book is true now."""
        for symbol in symbols:
            versions = self.since.setdefault(symbol, {})
            versions.setdefault(self.server.truth.version(symbol), time.time_ns())

    def on_update(self, update: Update) -> None:
        if update.kind == "state":
            self.states.setdefault(update.symbol, []).append(update.state)

    def on_batch(self, batch: Batch) -> None:
        assert self.feed is not None
        self.told.keep(batch)
        for instrument in set(batch.updates["instrument"].tolist()):
            view = self.feed.book(instrument)
            if view.live or view.polled:
                self.check(view)

    def check(self, view: Any) -> None:
        assert not (view.live and view.polled)
        levels = view.levels_exact("bid").tolist(), view.levels_exact("ask").tolist()
        version = self.server.truth.version_of(view.symbol, *levels)
        self.live += view.live
        self.polled += view.polled
        if version is None:
            self.wrong.append(f"{view.symbol} {view.state}: never was like this")
        elif view.polled:
            versions = self.since.get(view.symbol, {})
            replaced = [ns for v, ns in versions.items() if v > version]
            if replaced and min(replaced) < view.ts_evidence:
                self.wrong.append(f"{view.symbol}: was so only before its evidence")


def engine() -> Engine:
    return Engine(hash_check="always", poll_age_s=AGE_S)


def kalshi_markets(server: KalshiSimServer) -> list[Market]:
    specs = [market.spec for market in server.venue.markets]
    return [Market(s.ticker, (Outcome("Yes", s.ticker),), venue="kalshi") for s in specs]


@asynccontextmanager
async def running(
    server: SimServer | KalshiSimServer, **more: Any
) -> AsyncIterator[tuple[Feed, Watch]]:
    """A feed without a key, where one is needed; markets move whoever listens."""
    watch = Watch(server)
    if isinstance(server, SimServer):
        markets = markets_of(server)
        arguments: dict[str, Any] = {"url": server.url, "rest_url": server.rest_url}
    else:
        markets = kalshi_markets(server)
        arguments = {"endpoints": {"kalshi": Endpoint(kalshi(), server.url, server.rest_url)}}
    arguments |= {
        "rules": RULES,
        "options": OPTIONS,
        "engine": engine(),
        "seed": 1,
    }
    feed = Feed(
        markets,
        on_batch=watch.on_batch,
        on_update=watch.on_update,
        on_signal=watch.signals.append,
        **arguments | more,
    )
    watch.feed = feed
    server.rouse()
    symbols = [symbol for market in markets for symbol in market.symbols]
    looking = asyncio.create_task(_look(watch, symbols))
    try:
        async with feed:
            yield feed, watch
            assert watch.wrong == []
            assert feed.counters()["callback_errors"] == feed.counters()["handler_errors"] == 0
    finally:
        looking.cancel()
        await server.close()


async def _look(watch: Watch, symbols: list[str]) -> None:
    while True:
        watch.look(symbols)
        await asyncio.sleep(0.001)


def all_are(feed: Feed, state: str) -> bool:
    return all(book.state == state for book in feed.status().books)


async def polymarket(**more: Any) -> SimServer:
    return await serve(SimConfig(markets=3, rate=200, seed=5, **more))


async def test_a_venue_that_is_away_is_polled_and_streams_again_by_itself() -> None:
    async with running(await polymarket()) as (feed, watch):
        server = watch.server
        await feed.wait_live(PATIENCE_S)
        polls = feed.counters()["polls"]
        assert polls == 0
        server.block(HTTPStatus.SERVICE_UNAVAILABLE)
        await until(lambda: all_are(feed, "live_poll"))
        status = feed.status()
        assert [(c.state, c.live, c.polled) for c in status.connections] == [("polling", 0, 6)]
        await until(lambda: "503" in feed.status().connections[0].cause)
        assert all(book.polled and not book.live for book in status.books)
        book = feed.book(status.books[0].symbol)
        assert book.ask is not None and not book.trusted() and book.ts_evidence is not None
        polled = watch.polled
        await until(lambda: watch.polled > polled + 60)
        server.refusing = None
        await feed.wait_live(PATIENCE_S)
        polls = feed.counters()["polls"]
        await asyncio.sleep(0.3)
        assert feed.counters()["polls"] == polls
        assert [c.state for c in feed.status().connections] == ["connected"]
        # Never both: between the two nobody has a say.
        for states in watch.states.values():
            assert "live_poll" in states and states[-1] == "live"
            assert ("live_poll", "live") not in pairwise(states)
        opened = [signal for signal in watch.signals if signal.phase != "close"]
        assert all(leg.state == "live" for signal in opened for leg in signal.legs)


async def test_who_is_refused_need_not_wait_and_see() -> None:
    options = replace(OPTIONS, poll_after_s=3600.0)
    async with running(await polymarket(), options=options) as (feed, watch):
        await feed.wait_live(PATIENCE_S)
        watch.server.block(HTTPStatus.FORBIDDEN)
        await until(lambda: all_are(feed, "live_poll"))
        assert feed.status().connections[0].cause == "denied: refused with HTTP 403"


async def test_without_a_key_books_are_polled() -> None:
    server = await serve_kalshi(KalshiSimConfig(seed=4, rate=200))
    async with running(server, rules=()) as (feed, watch):
        await until(lambda: all_are(feed, "live_poll"))
        await until(lambda: watch.polled > 100)
        assert watch.live == 0 and not any("live" in states for states in watch.states.values())
        (connection,) = feed.status().connections
        assert connection.state == "polling" and "no API key" in connection.cause
        assert feed.unreached() == {}


async def test_where_a_key_is_needed_nobody_tries_without_one() -> None:
    server = await serve_kalshi(KalshiSimConfig(seed=4, rate=200))
    # Somewhere else, as far as the session can tell.
    there = Endpoint(kalshi(), "wss://kalshi.invalid/trade-api/ws/v2", server.rest_url)
    async with running(server, rules=(), endpoints={"kalshi": there}) as (feed, _):
        await until(lambda: all_are(feed, "live_poll"))
        (connection,) = feed.status().connections
        assert (connection.state, connection.reconnects) == ("polling", 0)
        assert connection.cause.startswith("no API key: set KALSHI_API_KEY_ID")
        assert feed.counters()["connect_failures"] == 0


@pytest.mark.parametrize("kind", ["limit", "away", "page", "hang"])
async def test_a_venue_that_does_not_answer_is_left_alone_and_its_books_expire(kind: Any) -> None:
    async with running(await polymarket()) as (feed, watch):
        server = watch.server
        server.block(HTTPStatus.SERVICE_UNAVAILABLE)
        await until(lambda: all_are(feed, "live_poll"))
        server.rest_faults.begin(kind, hang_s=0.3)
        await until(lambda: all_are(feed, "stale"))
        assert {book.cause for book in feed.status().books} == {"expired"}
        await asyncio.sleep(0.5)
        # Backed off: far fewer than one in every interval.
        assert server.rest_faults.hits[kind] < 15
        server.rest_faults.end(kind)
        await until(lambda: all_are(feed, "live_poll"))


async def test_retry_after_is_kept() -> None:
    async with running(await polymarket()) as (feed, watch):
        server = watch.server
        server.block()
        await until(lambda: all_are(feed, "live_poll"))
        server.rest_faults.begin("limit", retry_after_s=2)
        await until(lambda: server.rest_faults.hits.get("limit"))
        server.rest_faults.end("limit")
        asked, begun_s = server.rest_requests, time.monotonic()
        await until(lambda: server.rest_requests > asked)
        assert time.monotonic() - begun_s > 1.8
        await until(lambda: all_are(feed, "live_poll"))


async def test_one_symbol_poisons_no_batch_for_others() -> None:
    async with running(await polymarket()) as (feed, watch):
        server = watch.server
        bad = feed.status().books[2].symbol
        server.rest_faults.begin("poison", symbol=bad)
        server.block()
        others = [b.symbol for b in feed.status().books if b.symbol != bad]
        await until(lambda: all(feed.book(symbol).polled for symbol in others))
        assert not feed.book(bad).polled
        polled = watch.polled
        await until(lambda: watch.polled > polled + 40)
        assert all(feed.book(symbol).polled for symbol in others)
        server.rest_faults.end("poison")
        await until(lambda: feed.book(bad).polled)


async def test_answers_that_are_clamped_reach_every_book() -> None:
    async with running(await polymarket()) as (feed, watch):
        watch.server.rest_faults.begin("clamp", count=2)
        watch.server.block()
        await until(lambda: all_are(feed, "live_poll"))
        polled = watch.polled
        await until(lambda: watch.polled > polled + 60)
        assert all_are(feed, "live_poll")
        assert watch.server.rest_faults.hits["clamp"] > 5


async def test_a_book_that_is_not_known_yet_is_waited_for() -> None:
    async with running(await polymarket()) as (feed, watch):
        late = feed.status().books[0].symbol
        watch.server.rest_faults.begin("hidden", symbol=late)
        watch.server.block()
        await until(lambda: all(b.polled for b in feed.status().books if b.symbol != late))
        await asyncio.sleep(1.0)
        assert not feed.book(late).polled
        # Asked for ever more rarely, and not with every poll.
        assert watch.server.rest_faults.hits["hidden"] < 20
        watch.server.rest_faults.end("hidden")
        await until(lambda: feed.book(late).polled)


async def test_what_a_cache_keeps_grows_old() -> None:
    engine = Engine(hash_check="always", poll_age_s=3.0)
    async with running(await polymarket(), engine=engine) as (feed, watch):
        server = watch.server
        server.block()
        await until(lambda: all_are(feed, "live_poll"))
        server.rest_faults.begin("stale")
        # A cache says so in whole seconds, and what it keeps is no news.
        await until(lambda: all_are(feed, "stale"))
        assert server.rest_faults.hits["stale"] > 1
        server.rest_faults.end("stale")
        await until(lambda: all_are(feed, "live_poll"))


async def test_a_ghost_is_not_accepted_against_the_prices() -> None:
    async with running(await polymarket()) as (feed, watch):
        server = watch.server
        server.block()
        await until(lambda: all_are(feed, "live_poll"))
        server.rest_faults.begin("ghost")
        await until(lambda: server.rest_faults.hits["ghost"] > 30)
        # Not one was shown; what was there expires.
        await until(lambda: all_are(feed, "stale"))
        server.rest_faults.end("ghost")
        await until(lambda: all_are(feed, "live_poll"))
        assert sum(feed.book(b.symbol).evidence["rest_mismatch"] for b in feed.status().books) > 0


async def test_rules_signal_on_polled_books_only_if_they_ask_to() -> None:
    asks = [Rule(r.kind, {**r.params, "allow_poll": "on"}, name="asks") for r in RULES]
    async with running(await polymarket(unmirrored=2), rules=[*RULES, *asks]) as (feed, watch):
        watch.server.block()
        await until(lambda: any(s.legs[0].state == "live_poll" for s in watch.signals))
        polled = [s for s in watch.signals if any(leg.state == "live_poll" for leg in s.legs)]
        assert {s.name for s in polled if s.phase != "close"} == {"asks"}
        assert feed.counters()["callback_errors"] == 0


async def test_a_polled_session_replays_byte_for_byte_and_the_auditor_agrees() -> None:
    tape = Tape()
    asks = [Rule(r.kind, {**r.params, "allow_poll": "on"}) for r in RULES]
    more: Any = {"recorder": tape, "rules": [*RULES, *asks]}
    async with running(await polymarket(unmirrored=2), **more) as (feed, watch):
        await feed.wait_live(PATIENCE_S)
        watch.server.block(HTTPStatus.SERVICE_UNAVAILABLE)
        await until(lambda: all_are(feed, "live_poll"))
        watch.server.rest_faults.begin("ghost")
        await until(lambda: all_are(feed, "stale"))
        watch.server.rest_faults.end("ghost")
        await until(lambda: all_are(feed, "live_poll"))
        watch.server.refusing = None
        await feed.wait_live(PATIENCE_S)
    assert Kind.POLL in {record[0] for record in tape.records}
    again, replayed = EngineInput(engine()), Output()
    for kind, ts, conn, _, payload in tape.records:
        assert again.apply(kind, ts, conn, payload)
    replayed.keep(again.engine.drain())
    assert replayed == watch.told
    waits = Waits(poll_age_s=AGE_S)
    report = Auditor(EngineWitness(engine()), waits=waits).run(tape.records)
    assert report.findings == []
    assert report.polled > 20 and report.agreed > 0
