"""The public face of a live session: opening, listening, asking, closing."""

import asyncio
import time
from typing import Any

import numpy as np
import orjson
import pytest
from session_server import (
    MARKET,
    NO,
    YES,
    FailingEngine,
    Server,
    book_frame,
    book_message,
    serving,
)
from tls import tls_at
from waiting import PATIENCE_S, until

from bookfeed._bookfeed import Batch, Engine
from bookfeed.errors import EngineError, SessionError
from bookfeed.feed.feed import Endpoint, Feed, SessionOptions
from bookfeed.market import Market, Outcome
from bookfeed.records import Signal, Update
from bookfeed.rules.rule import Rule
from bookfeed.venues import Venue
from bookfeed.venues.polymarket import polymarket

SPREAD = Rule("spread", {"mode": "bps", "open": "20", "close": "10"})


async def test_updates_signals_callbacks_and_books(server: Server) -> None:
    batches: list[Batch] = []
    updates: list[Update] = []
    signals: list[Signal] = []
    feed = Feed(
        [MARKET],
        url=server.url,
        rules=[SPREAD],
        on_batch=batches.append,
        on_update=updates.append,
        on_signal=signals.append,
    )
    async with feed:
        stream, shouts = feed.updates(), feed.signals()
        assert (await anext(shouts)).phase == "open"
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).text(book_frame(YES, "0.45"))
        async for update in stream:
            if update.bid == 0.45:
                break
        assert (update.symbol, update.kind, update.live) == (YES, "book", True)
        assert feed.book(YES).bid == feed.book(update.instrument).bid == 0.45
        assert [view.symbol for view in feed.books()] == [YES, NO]
        assert sum(len(batch.updates) for batch in batches) == len(updates)
        assert isinstance(batches[0].updates, np.ndarray)
        assert {signal.rule for signal in signals} == {"spread"}
        assert signals[0].legs[0].symbol in (YES, NO)
        counters = feed.counters()
        assert counters["frames"] == 2
        assert (counters["connects"], counters["callback_errors"]) == (1, 0)
        assert feed.latency()["recv_to_emit"].count > 0
    assert [u.cause async for u in stream][-1] == "disconnected"


async def test_the_feed_itself_iterates_over_updates(server: Server) -> None:
    async with Feed([MARKET], url=server.url) as feed:
        async for update in feed:
            if update.kind == "book":
                break
        assert update.symbol in (YES, NO)


async def test_a_callback_that_raises_is_counted_and_harmless(server: Server) -> None:
    def fail(_update: Update) -> None:
        raise RuntimeError("mine")

    async with Feed([MARKET], url=server.url, on_update=fail) as feed:
        await feed.wait_live(PATIENCE_S)
        assert feed.counters()["callback_errors"] >= 4
        assert feed.counters()["listener_errors"] == 0
        assert feed.book(YES).live


async def test_listeners_of_every_form_hear_an_open_feed(server: Server) -> None:
    ran: list[Update] = []
    frames: list[tuple[int, bytes, int]] = []

    async def noted(update: Update) -> None:
        await asyncio.sleep(0)
        ran.append(update)

    feed = Feed([MARKET], url=server.url, on_update=noted, on_raw=lambda *f: frames.append(f))
    late: list[str] = []
    async with feed:
        await feed.wait_live(PATIENCE_S)
        # Asked for once frames come: the tap takes hold on connections that are open.
        with feed.on_raw(lambda *_: late.append("raw"), venue="polymarket"):
            feed.on_raw(lambda *_: late.append("wrong venue"), venue="kalshi")
            feed.on_update(lambda update: late.append(update.symbol), symbols=[YES])
            (await server.peer(0)).text(book_frame(YES, "0.45"))
            (await server.peer(0)).text(book_frame(NO, "0.55", "0.60"))
            await server.until(lambda: feed.book(NO).bid == 0.55)
        last = book_frame(YES, "0.46")
        (await server.peer(0)).text(last)
        await server.until(lambda: feed.book(YES).bid == 0.46)
        counters = feed.counters()
    assert (late[0], late.count("raw"), set(late)) == ("raw", 2, {"raw", YES})
    assert (counters["callback_errors"], counters["callbacks_dropped"]) == (0, 0)
    # Closing waited for those that had not had their turn: the last ones say the feed is gone.
    assert [update.cause for update in ran][-2:] == ["disconnected"] * 2
    assert [conn for conn, _, _ in frames] == [0] * counters["frames"]
    assert frames[-1][1] == last
    assert frames[-1][2] == max(update.ts_recv for update in ran if update.kind == "book")


async def test_a_rule_that_the_feed_has_not_is_no_filter(server: Server) -> None:
    feed = Feed([MARKET], url=server.url, rules=[Rule("spread", {"open": "0.02"}, name="wide")])
    for ask in (
        feed.on_signal(print, rule="wide"),
        feed.signals(rule="spread"),
        feed.signals(rule=3),
    ):
        ask.close()
    for wrong in ("Wide", "sread"):
        with pytest.raises(ValueError, match=rf"{wrong}.*wide"):
            feed.on_signal(print, rule=wrong)
        with pytest.raises(ValueError, match=rf"{wrong}.*wide"):
            feed.signals(rule=wrong)


async def test_a_slow_reader_does_not_slow_the_books(server: Server) -> None:
    async with Feed([MARKET], url=server.url) as feed:
        stream = feed.updates()
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        for n in range(500):
            peer.text(book_frame(YES, f"0.{100 + n % 300}", "0.9"))
        peer.text(book_frame(YES, "0.123", "0.9"))
        await server.until(lambda: feed.book(YES).bid == 0.123)
        bids: list[float | None] = []
        while not bids or bids[-1] != 0.123:
            bids.append((await anext(stream)).bid)
        assert len(bids) < 20
        assert stream.conflated > 400


async def test_a_stalled_loop_is_noticed(server: Server) -> None:
    async with Feed([MARKET], url=server.url) as feed:
        await feed.wait_live(PATIENCE_S)
        time.sleep(0.4)  # noqa: ASYNC251 - the stall is the point
        await server.until(lambda: feed.counters()["loop_stalls"] >= 1)
        assert feed.counters()["loop_stall_ns_max"] > 150_000_000
        assert feed.book(YES).live


async def test_wait_live_names_what_is_missing(server: Server) -> None:
    server.on_subscribe = lambda peer, symbols: peer.text(orjson.dumps([book_message(YES)]))
    async with Feed([MARKET], url=server.url) as feed:
        await server.until(lambda: feed.book(YES).live)
        with pytest.raises(TimeoutError, match=rf"1 books are not live.*{NO} \(syncing"):
            await feed.wait_live(0.02)
        await feed.close()
        with pytest.raises(SessionError, match="closed"):
            await feed.wait_live(PATIENCE_S)


async def test_a_failed_engine_ends_the_feed_with_its_error(server: Server) -> None:
    engine: Any = FailingEngine()
    async with Feed([MARKET], url=server.url, engine=engine) as feed:
        await feed.wait_live(PATIENCE_S)
        stream = feed.updates()
        engine.error = EngineError("the engine failed")
        (await server.peer(0)).text(book_frame(YES))
        with pytest.raises(EngineError):
            async for _ in stream:
                pass
        with pytest.raises(EngineError):
            await anext(feed.updates())
        assert isinstance(feed.failure, EngineError)


async def test_opening_twice_and_closing_twice(server: Server) -> None:
    feed = Feed([MARKET], url=server.url)
    with pytest.raises(SessionError, match="not open"):
        await feed.wait_live(1)
    async with feed:
        await feed.wait_live(PATIENCE_S)
        with pytest.raises(SessionError, match="once"):
            await feed.__aenter__()
    await feed.close()
    with pytest.raises(SessionError, match="once"):
        await feed.__aenter__()


async def test_a_bad_rule_is_refused_on_opening_and_nothing_is_left(server: Server) -> None:
    before = asyncio.all_tasks()
    with pytest.raises((ValueError, EngineError)):
        async with Feed([MARKET], url=server.url, rules=[Rule("no such rule", {})]):
            pass
    assert asyncio.all_tasks() == before
    assert server.peers == []


@pytest.mark.parametrize("steps", range(12))
async def test_cancelling_at_any_await_leaves_nothing(server: Server, steps: int) -> None:
    before = asyncio.all_tasks()

    async def use() -> None:
        async with Feed([MARKET], url=server.url) as feed:
            stream = feed.updates()
            await feed.wait_live(PATIENCE_S)
            async for _ in stream:
                pass

    task = asyncio.ensure_future(use())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: asyncio.all_tasks() == before)


def test_an_unknown_book_is_a_key_error() -> None:
    feed = Feed([MARKET], url="ws://127.0.0.1:1/")
    for key in (0, -1, "77"):
        with pytest.raises(KeyError):
            feed.book(key)


@pytest.mark.parametrize(
    ("markets", "options", "problem"),
    [
        ([MARKET, MARKET], {}, "two markets"),
        ([Market("x", (Outcome("a", "1"),), venue="nowhere")], {}, "unknown venue"),
        ([MARKET], {"url": "ws://x", "endpoints": {"polymarket": None}}, "one venue"),
        ([], {"url": "ws://x"}, "one venue"),
    ],
)
def test_contradictions_are_refused(
    markets: list[Market], options: dict[str, object], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        Feed(markets, **options)  # type: ignore[arg-type]


def test_markets_need_distinct_symbols() -> None:
    with pytest.raises(ValueError, match="twice"):
        Market("x", (Outcome("Yes", "1"), Outcome("No", "1")))
    with pytest.raises(ValueError, match="symbol"):
        Market("x", ())
    with pytest.raises(ValueError, match="symbol"):
        Market("x", (Outcome("Yes", ""),))


async def test_too_many_symbols_on_a_connection_are_refused(server: Server) -> None:
    options = SessionOptions(symbols_per_connection=451)
    with pytest.raises(SessionError, match="1 to 450"):
        async with Feed([MARKET], url=server.url, options=options):
            pass


async def test_an_endpoint_of_one_s_own(server: Server) -> None:
    venue: Venue = polymarket(custom_features=False)
    endpoints = {"polymarket": Endpoint(venue, server.url)}
    async with Feed([MARKET], endpoints=endpoints, engine=Engine(hash_check="off")) as feed:
        await feed.wait_live(PATIENCE_S)
        first = orjson.loads(server.peers[0].received[0][1])
        assert first["custom_feature_enabled"] is False


async def test_busy_polling_feed_works_and_lets_go(server: Server) -> None:
    async with Feed([MARKET], url=server.url, busy_poll=True) as feed:
        await feed.wait_live(PATIENCE_S)
    begin = time.thread_time()
    await asyncio.sleep(0.2)
    assert time.thread_time() - begin < 0.05


async def test_a_certificate_nobody_vouches_for_is_refused() -> None:
    ours, theirs = tls_at("127.0.0.1")
    async with serving(theirs) as server:
        url = server.url.replace("ws:", "wss:")
        async with Feed([MARKET], url=url) as feed:
            await server.until(lambda: feed.counters()["connect_failures"] >= 1)
            assert not feed.book(YES).live
        async with Feed([MARKET], url=url, ssl_context=ours) as feed:
            await feed.wait_live(PATIENCE_S)
            assert feed.book(YES).bid == 0.4
