"""A feed against the simulated Bitstamp over sockets: never wrong while live, and back in time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from spot_live import Running, audited, following, replayed
from waiting import until

from bookfeed.market import Market
from bookfeed.sim.bitstamp import BitstampSimConfig, BitstampSimServer, serve
from bookfeed.sim.bitstamp.faults import BitstampFault
from bookfeed.venues import Endpoint
from bookfeed.venues.bitstamp import BitstampMarket, BitstampSection

pytest.importorskip("aiohttp")


def markets_of(server: BitstampSimServer) -> list[Market]:
    names = [spec.name for spec in server.venue.listed.values()]
    return [BitstampMarket("bitstamp", name).to_market(None) for name in names]


def endpoint_of(server: BitstampSimServer) -> Endpoint:
    return BitstampSection(ws_url=server.url, rest_url=server.rest_url or "").endpoint("test")


@asynccontextmanager
async def running(
    followed: int | None = None, **settings: Any
) -> AsyncIterator[Running[BitstampSimServer]]:
    settings = {"markets": 2, "levels": 60, "rate": 300.0, **settings}
    server = await serve(BitstampSimConfig(**settings))
    one = Running("bitstamp", server, markets_of(server)[:followed], BitstampFault)
    async with following(one, endpoint_of(server)):
        yield one


async def test_books_become_live_and_are_the_truth() -> None:
    async with running() as one:
        await one.live()
        await one.checked()
        view = one.feed.book("btcusd")
        assert (view.base, view.quote, view.payout_e9) == ("BTC", "USD", None)
        assert view.depth_known("bid") is view.depth_known("ask") is None
        await until(lambda: view.evidence.get("snapshot_match", 0) > 2)
        assert one.feed.counters()["resyncs"] >= 2


async def test_a_recording_replays_to_the_same_records_and_the_audit_agrees() -> None:
    async with running() as one:
        await one.live()
        await one.checked()
        one.watcher.truths.clear()  # a change that was lost shows a while later
        one.inject("malformed", "bad_number", asset="ethusd")
        for _ in range(6):
            one.inject("drop", asset="btcusd")
        await one.lost("btcusd", "withheld")
        await one.lost("ethusd", "malformed")
        await one.live()
    assert replayed(one.tape.records) == b"".join(one.watcher.emitted)
    report = audited(one.tape.records)
    assert report.findings == []
    assert report.frames == len(one.frames())


async def test_a_change_that_was_lost_is_found_by_the_best_levels() -> None:
    async with running(levels=40, rate=60.0) as one:
        await one.live()
        one.watcher.truths.clear()  # a wrong book looks right until then
        for _ in range(6):
            one.inject("drop", asset="btcusd")
        await one.lost("btcusd", "withheld")
        await until(lambda: one.feed.book("btcusd").live)
        assert one.feed.counters()["reconnects"] == 0


async def test_a_stream_whose_times_stay_behind_is_given_up() -> None:
    async with running(levels=40, rate=60.0) as one:
        await one.live()
        one.watcher.truths.clear()  # what a book says of when it is, is wrong now
        one.inject("stamp", "behind")
        await one.lost("btcusd", "out_of_order")
        await one.lost("btcusd", "withheld")
        await until(lambda: one.feed.counters()["reconnects"] >= 1)
        await one.live()
        one.watcher.truths |= {"bitstamp": one.server.truth}
        await one.checked()


async def test_what_cannot_be_read_costs_its_own_book_which_comes_back_on_the_connection() -> None:
    async with running() as one:
        await one.live()
        one.inject("malformed", "bad_number", asset="btcusd")
        await one.lost("btcusd", "malformed")
        await one.live()
        await one.checked()
        assert one.feed.counters()["reconnects"] == 0
        assert "malformed" not in one.watcher.causes("ethusd")


async def test_an_answer_that_is_of_no_use_is_asked_for_again() -> None:
    faults = (
        BitstampFault("rest_error", variant="500", asset="btcusd"),
        BitstampFault("rest_stale", asset="btcusd"),
        BitstampFault("rest_malformed", variant="truncated", asset="ethusd"),
    )
    async with running(faults=faults) as one:
        await one.live()
        await one.checked()
        assert one.feed.counters()["reconnects"] == 0


async def test_a_book_that_moves_before_its_request_begins_is_asked_for_where_it_is() -> None:
    async with running() as one:
        await one.live()
        (supervisor,) = one.feed._supervisors  # noqa: SLF001
        mender: Any = supervisor._mender  # noqa: SLF001
        book = one.feed.book("ethusd")
        shard = supervisor.shard_of(book.instrument)
        assert shard is not None
        mender._begin(book.instrument, mender._seeds.request)  # noqa: SLF001
        question = mender._question  # noqa: SLF001
        assert supervisor.move(shard, [book.instrument], "moved by a test") is not None
        await until(lambda: not question.pending)
        await until(lambda: book.live and one.server.connections_seen == 2)
        await one.checked()


async def test_a_subscription_that_ends_unasked_takes_its_book() -> None:
    async with running() as one:
        await one.live()
        one.server.end_subscription("ethusd")
        await one.lost("ethusd", "channel")
        assert one.feed.book("btcusd").live


async def test_markets_come_and_go_on_the_open_connection() -> None:
    async with running(markets=4, followed=2) as one:
        await one.live()
        first, second, third, fourth = markets_of(one.server)
        await one.feed.add_markets([third, fourth])
        await one.live()
        await one.feed.remove_markets([first, third])
        gone = [f'_{market.symbols[0]}"'.encode() for market in (first, third)]
        await until(lambda: not any(name in f for f in one.frames()[-40:] for name in gone))
        await one.checked()
        assert [view.symbol for view in one.feed.books() if view.live] == [
            *second.symbols, *fourth.symbols,
        ]  # fmt: skip
        assert one.feed.counters()["connects"] == 1


@pytest.mark.parametrize("kind", ["disconnect", "reset", "shutdown"])
async def test_a_new_connection_begins_its_books_anew(kind: str) -> None:
    async with running() as one:
        await one.live()
        one.inject(kind)
        await one.lost("btcusd", "disconnected")
        await one.live()
        await one.checked()
