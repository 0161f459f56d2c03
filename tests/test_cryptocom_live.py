"""A feed and the simulated Crypto.com over sockets: never wrong while live, and back in time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from spot_live import Running, audited, following, replayed
from waiting import until

from bookfeed.market import Market
from bookfeed.sim.cryptocom import CryptocomSimConfig, CryptocomSimServer, serve, server, session
from bookfeed.sim.cryptocom.faults import CryptocomFault
from bookfeed.venues.cryptocom import CryptocomMarket, CryptocomSection


def section_of(one: CryptocomSimServer, **settings: Any) -> CryptocomSection:
    return CryptocomSection(ws_url=one.url, **settings)


def markets_of(one: CryptocomSimServer) -> list[Market]:
    names = [spec.name for spec in one.venue.specs]
    return [CryptocomMarket("cryptocom", name).to_market(None) for name in names]


@asynccontextmanager
async def running(
    followed: int | None = None, depth: int = 10, **settings: Any
) -> AsyncIterator[Running[CryptocomSimServer]]:
    settings = {"markets": 2, "levels": 60, "rate": 300.0, **settings}
    sim = await serve(CryptocomSimConfig(**settings))
    one = Running("cryptocom", sim, markets_of(sim)[:followed], CryptocomFault)
    async with following(one, section_of(sim, depth=depth).endpoint("test")):
        yield one


@pytest.mark.parametrize("seed", [1, 2])
async def test_books_become_live_and_are_the_truth(seed: int) -> None:
    async with running(seed=seed) as one:
        await one.live()
        await one.checked()
        view = one.feed.book("BTC_USD")
        assert (view.base, view.quote, view.payout_e9) == ("BTC", "USD", None)
        assert len(view.levels("bid")) == 10 and view.depth_known("bid") is not None
        assert one.feed.counters()["connects"] == 1


async def test_a_recording_replays_to_the_same_records_and_the_audit_agrees() -> None:
    async with running(seed=2) as one:
        await one.live()
        await one.checked()
        one.inject("malformed", "bad_number", asset="ETH_USD")
        one.inject("drop", asset="BTC_USD")
        await one.lost("BTC_USD", "gap")
        await one.lost("ETH_USD", "malformed")
        await one.live()
        await one.checked()
    assert replayed(one.tape.records) == b"".join(one.watcher.emitted)
    report = audited(one.tape.records)
    assert report.findings == []
    assert report.frames == len(one.frames())


@pytest.mark.parametrize("variant", ["earlier", "later"])
async def test_a_lost_book_is_subscribed_again_and_costs_no_other(variant: str) -> None:
    async with running() as one:
        await one.live()
        one.inject("chain", variant, asset="BTC_USD")
        await one.lost("BTC_USD", "gap" if variant == "earlier" else "malformed")
        await one.live()
        await one.checked()
        assert one.feed.counters()["reconnects"] == 0
        assert one.watcher.causes("ETH_USD") == ["subscribed", "snapshot"]


async def test_a_refused_command_is_begun_again() -> None:
    async with running() as one:
        await one.live()
        one.inject("refused", asset="BTC_USD")
        one.inject("drop", asset="BTC_USD")
        await one.lost("BTC_USD", "gap")
        await one.live()
        await one.checked()


async def test_the_venues_question_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "ASKS_EVERY_NS", 300_000_000)
    monkeypatch.setattr(session, "ANSWER_NS", 600_000_000)
    monkeypatch.setattr(server, "_LOOK_S", 0.1)
    async with running() as one:
        await one.live()
        asked = b'"method":"public/heartbeat"'
        await until(lambda: sum(asked in frame for frame in one.frames()) > 4)
        assert one.feed.counters()["disconnects"] == 0
        await one.checked()


async def test_markets_come_and_go() -> None:
    async with running(markets=4, followed=2) as one:
        await one.live()
        first, second, third, fourth = markets_of(one.server)
        await one.feed.add_markets([third, fourth])
        await one.live()
        await one.feed.remove_markets([first])
        await one.checked()
        live = {view.symbol for view in one.feed.books() if view.live}
        assert live == {market.symbols[0] for market in (second, third, fourth)}


@pytest.mark.parametrize("kind", ["disconnect", "reset"])
async def test_a_new_connection_begins_its_books_anew(kind: str) -> None:
    async with running() as one:
        await one.live()
        one.inject(kind, asset="BTC_USD")
        await one.lost("BTC_USD", "disconnected")
        await one.live()
        await one.checked()
