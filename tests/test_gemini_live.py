"""A feed against the simulated Gemini over sockets: never wrong while live, and back in time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from spot_live import Running, audited, following, replayed
from waiting import until

from bookfeed.market import Market
from bookfeed.sim.gemini import GeminiSimConfig, GeminiSimServer, serve
from bookfeed.sim.gemini.faults import GeminiFault
from bookfeed.venues import Endpoint
from bookfeed.venues.gemini import GeminiMarket, GeminiSection


def section_of(server: GeminiSimServer, **settings: Any) -> GeminiSection:
    return GeminiSection(
        api=server.config.api, ws_url=server.url, rest_url=server.rest_url or "", **settings
    )


def markets_of(server: GeminiSimServer) -> list[Market]:
    names = [spec.name for spec in server.venue.listed.values()]
    return [GeminiMarket("gemini", name).to_market(section_of(server)) for name in names]


@asynccontextmanager
async def running(
    followed: int | None = None, together: int = 1, **settings: Any
) -> AsyncIterator[Running[GeminiSimServer]]:
    settings = {"markets": 2, "levels": 60, "rate": 300.0, **settings}
    server = await serve(GeminiSimConfig(**settings))
    one = Running("gemini", server, markets_of(server)[:followed], GeminiFault)
    endpoint: Endpoint = section_of(server, symbols_per_connection=together).endpoint("test")
    async with following(one, endpoint):
        yield one


@pytest.mark.parametrize("seed", [1, 2])
async def test_books_become_live_and_are_the_truth(seed: int) -> None:
    async with running(seed=seed) as one:
        await one.live()
        await one.checked()
        view = one.feed.book("btcusd")
        assert (view.base, view.quote, view.payout_e9) == ("BTC", "USD", None)
        assert view.depth_known("bid") is view.depth_known("ask") is None
        await until(lambda: view.evidence.get("touch_match", 0) > 2)
        assert one.feed.counters()["connects"] == 2


async def test_a_recording_replays_to_the_same_records_and_the_audit_agrees() -> None:
    async with running(seed=2) as one:
        await one.live()
        await one.checked()
        one.inject("malformed", "bad_number", asset="ethusd")
        one.inject("drop", asset="btcusd")
        await one.lost("btcusd", "gap")
        await one.lost("ethusd", "malformed")
        await one.live()
        await one.checked()
    assert replayed(one.tape.records) == b"".join(one.watcher.emitted)
    report = audited(one.tape.records)
    assert report.findings == []
    assert report.frames == len(one.frames())


async def test_a_lost_book_comes_with_a_new_connection_and_costs_no_other() -> None:
    async with running() as one:
        await one.live()
        one.inject("gap", asset="btcusd")
        await one.lost("btcusd", "gap")
        await one.live()
        await one.checked()
        assert one.feed.counters()["reconnects"] == 1
        assert one.watcher.causes("ethusd") == ["subscribed", "snapshot"]


async def test_changes_that_stop_while_best_prices_move_are_found() -> None:
    async with running() as one:
        await one.live()
        one.watcher.truths.clear()  # a frozen book looks right until then
        one.inject("freeze", "symbol", asset="btcusd", duration_s=60.0)
        await one.lost("btcusd", "bbo_mismatch")
        one.watcher.truths["gemini"] = one.server.truth
        await one.live()
        await one.checked()
        assert "bbo_mismatch" not in one.watcher.causes("ethusd")


async def test_books_share_a_connection_where_that_is_wanted() -> None:
    async with running(together=2) as one:
        await one.live()
        await one.checked()
        assert one.feed.counters()["connects"] == 1
        one.inject("drop", asset="ethusd")
        await one.lost("ethusd", "gap")
        await one.live()
        await one.checked()


async def test_markets_come_and_go() -> None:
    async with running(markets=4, followed=2, together=3) as one:
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
        one.inject(kind, asset="btcusd")
        await one.lost("btcusd", "disconnected")
        await one.live()
        await one.checked()


async def test_version_2_is_followed_the_same_way() -> None:
    async with running(api="v2", seed=2) as one:
        await one.live()
        await one.checked()
        assert one.feed.book("BTCUSD").update_id is None
        one.inject("malformed", "bad_number", asset="ETHUSD")
        await one.lost("ETHUSD", "malformed")
        await one.live()
        await one.checked()
    report = audited(one.tape.records)
    assert report.findings == []
