"""Feeds against both simulated prediction markets, with what can happen on any connection.

A title that is cut, a PONG that never comes, a reset behind unread data, a book that is not given:
none of it costs a book that it does not concern.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from test_feed_resync import Site
from test_feed_sim import markets_of
from test_session_absent import QUICK
from waiting import PATIENCE_S, PatientClock, until

from bookfeed.clock import NS_PER_S
from bookfeed.feed.feed import Feed
from bookfeed.live.recovery import commands
from bookfeed.market import Market, Outcome
from bookfeed.records import Update
from bookfeed.sim import kalshi, polymarket
from bookfeed.sim.faults import OF_ANY
from bookfeed.sim.kalshi.faults import KalshiFault
from bookfeed.sim.polymarket.faults import Fault
from bookfeed.venues import Endpoint
from bookfeed.venues.kalshi import Credentials
from bookfeed.venues.kalshi import kalshi as kalshi_venue
from bookfeed.venues.kalshi_keys import parse_key
from bookfeed.venues.polymarket import polymarket as polymarket_venue
from bookfeed.venues.secret import Secret

AT = 40
# Patience with a book that does not come, and with a PONG.
SHORT_NS = NS_PER_S // 4
PING_S, PONG_S = 0.05, 0.2


async def polymarket_site(kind: str, variant: str) -> Site:
    at_frame = None if kind == "absent" else AT
    fault = Fault(kind, at_frame=at_frame, variant=variant)  # type: ignore[arg-type]
    server = await polymarket.serve(
        polymarket.SimConfig(markets=3, rate=300, faults=(fault,), new_market_every=0)
    )
    venue = replace(polymarket_venue(ping_interval_s=PING_S), pong_timeout_s=PONG_S)
    there = Endpoint(venue, server.url, server.rest_url if kind == "absent" else None)
    return Site(server, there, markets_of(server))


async def kalshi_site(kind: str, variant: str) -> Site:
    at_frame = None if kind == "absent" else AT
    fault = KalshiFault(kind, at_frame=at_frame, variant=variant)  # type: ignore[arg-type]
    server = await kalshi.serve(
        kalshi.KalshiSimConfig(rate=300, faults=(fault,), heartbeat_s=PING_S, pause_every=0)
    )
    assert server.key is not None
    key = Credentials(server.key.key_id, parse_key(Secret(server.key.private_pem), "test"))
    tickers = [market.spec.ticker for market in server.venue.markets[:3]]
    markets = [Market(ticker, (Outcome("Yes", ticker),), venue="kalshi") for ticker in tickers]
    return Site(server, Endpoint(kalshi_venue(credentials=key), server.url), markets)


SITES = [polymarket_site, kalshi_site]
Begin = Callable[[str, str], Awaitable[Site]]


@dataclass
class Followed:
    """A feed that runs, its simulator, and the states its books went through."""

    server: Any
    feed: Feed
    clock: PatientClock
    states: list[Update] = field(default_factory=list)

    def on_update(self, update: Update) -> None:
        if update.kind == "state":
            self.states.append(update)

    async def sent(self, frames: int) -> None:
        """Returns when so many more frames were sent and the fault has struck."""
        end = self.server.frames_sent + frames
        await until(lambda: self.server.fault_log and self.server.frames_sent >= end)

    def wrong(self) -> list[str]:
        """The live books that the venue's book never was like."""
        return [
            view.symbol
            for view in self.feed.books()
            if view.live
            and self.server.truth.version_of(
                view.symbol, view.levels_exact("bid").tolist(), view.levels_exact("ask").tolist()
            )
            is None
        ]


@asynccontextmanager
async def followed(begin: Begin, kind: str, variant: str) -> AsyncIterator[Followed]:
    site, clock = await begin(kind, variant), PatientClock()
    feed = Feed(
        site.markets,
        endpoints={site.endpoint.venue.name: site.endpoint},
        options=QUICK,
        clock=clock,
        on_update=lambda update: run.on_update(update),
        seed=1,
    )
    run = Followed(site.server, feed, clock)
    try:
        async with feed:
            yield run
            assert feed.counters()["callback_errors"] == 0
    finally:
        await site.server.close()


@pytest.mark.parametrize("begin", SITES)
@pytest.mark.parametrize(
    ("kind", "variant"),
    [(kind, variant) for kind in ("broadcast", "pong") for variant in OF_ANY[kind]],
)
async def test_what_concerns_no_book_changes_none(begin: Begin, kind: str, variant: str) -> None:
    async with followed(begin, kind, variant) as run:
        await run.feed.wait_live(PATIENCE_S)
        before = len(run.states)
        await run.sent(150)
        await run.clock.passed(3 * PONG_S)
        changes = [update for update in run.states[before:] if update.cause != "resolved"]
        counters = run.feed.counters()
        assert [(u.symbol, u.state, u.cause) for u in changes] == []
        assert counters["disconnects"] == 0
        assert counters["decode_errors"] == (variant == "broken"), "it is counted, no more"
        assert run.wrong() == []


@pytest.mark.parametrize("begin", SITES)
async def test_a_reset_behind_unread_data_is_noticed_and_mended(begin: Begin) -> None:
    async with followed(begin, "reset-behind-data", "") as run:
        await run.feed.wait_live(PATIENCE_S)
        await run.sent(0)
        await until(lambda: run.feed.counters()["disconnects"] == 1)
        assert {u.cause for u in run.states if u.state == "stale"} == {"disconnected"}
        await run.feed.wait_live(PATIENCE_S)
        await run.sent(100)
        assert run.feed.counters()["disconnects"] == 1
        assert run.wrong() == []


@pytest.mark.parametrize("begin", SITES)
async def test_an_asset_that_is_not_given_costs_no_other(
    monkeypatch: pytest.MonkeyPatch, begin: Begin
) -> None:
    monkeypatch.setattr(commands, "ANSWER_NS", SHORT_NS)
    monkeypatch.setattr(commands, "JOIN_NS", SHORT_NS)
    async with followed(begin, "absent", "asset") as run:
        await until(lambda: any(view.cause == "absent" for view in run.feed.books()))
        await run.sent(150)
        (gone,) = run.server.fault_log[0].assets
        others = [view for view in run.feed.books() if view.symbol != gone]
        assert (run.feed.book(gone).state, run.feed.book(gone).cause) == ("stale", "absent")
        assert len(others) >= 2
        assert all(view.live and view.epoch == 1 for view in others)
        assert run.feed.counters()["reconnects"] == 0
        with pytest.raises(TimeoutError, match=f"no book for {gone}"):
            await run.feed.wait_live(0.05)
        assert run.wrong() == []
