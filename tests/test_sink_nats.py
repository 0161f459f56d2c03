"""``nats``: what a subscriber hears, what is kept and for how long, and kills of the server."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services import KILLS, LOOPBACK, Service, free_port
from session_server import MARKET, NO, YES, Server, book_frame
from sink_records import TRADE, Records
from waiting import PATIENCE_S, until

from bookfeed import Feed, Names, Rule, SessionError, SessionOptions, SinkOptions
from bookfeed.config import load
from bookfeed.errors import ConfigError
from bookfeed.sinks.nats import NatsSection, NatsSink, token

nats = pytest.importorskip("nats")

# So much longer than a book is kept it may be believed after it left ``live``: the machine's.
SLACK_S: Final = 2.0
KEY: Final = f"polymarket.{YES}"
TRADED: Final = (
    '[{"event_type":"last_trade_price","asset_id":"%s","market":"0xabc","price":"0.5",'
    '"size":"7","side":"BUY","timestamp":"%d","fee_rate_bps":"0"}]'
)


@pytest.fixture
async def client(nats_server: Service) -> AsyncIterator[Any]:
    """A client of its own, as a bot has."""
    made = await nats.connect(nats_server.url)
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookfeed.sinks.sink_set.BEAT_S", 0.05)


async def held(client: Any, key: str = KEY) -> dict[str, Any] | None:
    """What the bucket has of a book."""
    with suppress(nats.js.errors.NotFoundError):
        entry = await (await client.jetstream().key_value("bf_v1_book")).get(key)
        told: dict[str, Any] = json.loads(entry.value)
        return told
    return None


async def heard(subscription: Any) -> list[dict[str, Any]]:
    """What has come until now."""
    found = []
    with suppress(nats.errors.TimeoutError):
        while True:
            message = await subscription.next_msg(0.2)
            found.append({"subject": message.subject, **json.loads(message.data)})
    return found


@given(st.text(max_size=20), st.text(max_size=20))
def test_two_texts_are_never_one_token(one: str, other: str) -> None:
    assert (token(one) == token(other)) is (one == other)
    assert token(one) and not set(token(one)) & set(". *>\t\r\n$/")
    assert token(one).isascii()


def test_a_token_of_a_ticker_can_be_read() -> None:
    assert token("KXBTCD-26OCT0117-T84999.99") == "KXBTCD-26OCT0117-T84999=2E99"
    assert (token("BTC/USD"), token("="), token("")) == ("BTC=2FUSD", "=3D", "=")


async def test_a_bot_hears_books_and_finds_them(
    nats_server: Service, server: Server, client: Any
) -> None:
    books = await client.subscribe("bf.v1.book.polymarket.*")
    rest = await client.subscribe("bf.v1.*.polymarket.>")
    sink = NatsSink(nats_server.url, depth=1, book_s=2)
    async with Feed([MARKET], url=server.url, sinks=[sink]) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        peer.text(book_frame(YES, "0.45", "0.47"))
        peer.text((TRADED % (YES, time.time_ns() // 1_000_000)).encode())

        async def there() -> bool:
            told = await held(client)
            return told is not None and told["bid"] == "0.45"

        await eventually(there)
        told = await held(client)
        assert told is not None and told["state"] == "live" and told["symbol"] == YES
        assert told["epoch"] == feed.book(YES).epoch and len(told["bids"]) == 1
        # Nothing comes for longer than a book is kept, and it is as good as before.
        await asyncio.sleep(2.5)
        again = await held(client)
        assert again is not None and again["ts_written"] > told["ts_written"]
    gone = await held(client)
    assert gone is not None
    assert (gone["state"], gone["bid"], gone["asks"]) == ("stale", None, [])
    assert {one["symbol"] for one in await heard(books)} == {YES, NO}
    said = [(one["record"], one["state"]) for one in await heard(rest) if one["symbol"] == YES]
    assert said.index(("update", "stale")) < said.index(("book", "stale")), "states come first"
    await asyncio.sleep(2.1)
    assert await held(client) is None, "a feed that has ended leaves no book behind"


async def test_what_happened_is_kept_for_who_comes_later(
    nats_server: Service, server: Server, client: Any
) -> None:
    rules = [Rule("spread", {"open": "0.01", "min_qty": "0"}, name="wide one")]
    sinks = [NatsSink(nats_server.url)]
    async with Feed([MARKET], url=server.url, sinks=sinks, rules=rules) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        peer.text(book_frame(YES, "0.45", "0.47"))
        peer.text((TRADED % (YES, time.time_ns() // 1_000_000)).encode())
        await until(lambda: feed.sink_status()[0].queued == 0)
    assert feed.sink_status()[0].dropped == 0
    late = await client.jetstream().subscribe("bf.v1.>", ordered_consumer=True)
    found = await heard(late)
    assert {one["subject"].split(".")[2] for one in found} == {"state", "trade", "signal"}
    (trade,) = [one for one in found if one.get("kind") == "trade"]
    assert (trade["subject"], trade["qty"]) == (f"bf.v1.trade.polymarket.{YES}", "7")
    opened = next(one for one in found if one["record"] == "signal")
    assert (opened["subject"], opened["phase"]) == ("bf.v1.signal.spread.wide=20one", "open")
    assert opened["legs"][0]["venue"] == "polymarket"


async def test_the_stream_is_bounded_and_follows_its_configuration(
    nats_server: Service, client: Any
) -> None:
    def play(stream_max: int) -> None:
        sink = NatsSink(nats_server.url, stream_max=stream_max, book_s=stream_max)
        sink.open(Names())
        sink.write(Records().batch([(TRADE, 1)] * 600))
        sink.close()

    for stream_max in (500, 20):
        await asyncio.to_thread(play, stream_max)
        state = (await client.jetstream().stream_info("bf_v1")).state
        assert state.messages == stream_max
        assert (await client.jetstream().stream_info("KV_bf_v1_book")).config.max_age == stream_max


async def test_without_jetstream_all_is_told_and_nothing_kept(
    nats_server: Service, server: Server, client: Any
) -> None:
    rest = await client.subscribe("mine.>")
    sink = NatsSink(nats_server.url, prefix="mine", jetstream=False)
    async with Feed([MARKET], url=server.url, sinks=[sink]) as feed:
        await feed.wait_live(PATIENCE_S)
    said = await heard(rest)
    assert {one["subject"].split(".")[1] for one in said} == {"book", "state"}
    assert said[-1]["state"] == "stale"
    assert await client.jetstream().streams_info() == []


async def eventually(condition: Any) -> None:
    """Wait until a question about the server has a good answer."""
    until_s = time.monotonic() + PATIENCE_S
    while not await condition():
        assert time.monotonic() < until_s
        await asyncio.sleep(0.02)


class Watcher:
    """A bot that reads a book all the time; it dies and comes back with the server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.bad_since_s: float | None = None
        """Since when the book may not be believed; the test says so."""
        self.reads = 0
        self.believed_wrongly_s = 0.0
        """How long at most after that it was read as good."""
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        async def ignore(_: Exception) -> None:
            pass

        while True:
            client = nats.aio.client.Client()
            try:
                options = {"allow_reconnect": False, "max_reconnect_attempts": 1}
                await client.connect(self._url, reconnect_time_wait=0, error_cb=ignore, **options)
                while not client.is_closed:
                    since_s, asked_s = self.bad_since_s, time.monotonic()
                    book = await asyncio.wait_for(held(client), 0.5)
                    if book is not None:
                        self.reads += 1
                        bad = since_s is not None and since_s == self.bad_since_s
                        if since_s is not None and bad and book["state"] == "live":
                            late_s = asked_s - since_s
                            self.believed_wrongly_s = max(self.believed_wrongly_s, late_s)
                    await asyncio.sleep(0.005)
            except (OSError, TimeoutError, nats.errors.Error):
                await asyncio.sleep(0.02)
            finally:
                await client.close()

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


async def test_nats_dies_and_no_bot_believes_what_it_must_not(
    nats_server: Service, server: Server
) -> None:
    rng = random.Random(7)
    sink = NatsSink(nats_server.url, book_s=1)
    watcher = Watcher(nats_server.url)
    quick = SessionOptions(backoff_min_s=0.02, backoff_max_s=0.1)
    given_sinks = [(sink, SinkOptions(close_timeout_s=10))]
    async with Feed([MARKET], url=server.url, sinks=given_sinks, options=quick) as feed:

        @feed.on_update
        def changed(update: Any) -> None:
            if update.kind == "state" and update.symbol == YES:
                watcher.bad_since_s = None if update.live else time.monotonic()

        for number in range(KILLS):
            await feed.wait_live(PATIENCE_S)
            server.peers[-1].text(book_frame(YES, f"0.{100 + number % 400}", "0.9"))
            await asyncio.sleep(rng.random() * 0.3)
            if number % 2:
                server.peers[-1].abort()
                await asyncio.sleep(rng.random() * 0.05)
            await asyncio.to_thread(nats_server.kill)
            await asyncio.sleep(rng.random() * 0.3)
            server.peers[-1].abort()
            await asyncio.to_thread(nats_server.start)
        await feed.wait_live(PATIENCE_S)
        reader = await nats.connect(nats_server.url)

        async def back() -> bool:
            book = await held(reader)
            return book is not None and book["state"] == "live"

        await eventually(back)
        await reader.close()
        status = feed.sink_status()[0]
        assert status.received == status.written + status.dropped + status.conflated + status.queued
    # However slow the machine: it has looked, or it could not have seen anything.
    await until(lambda: watcher.reads > 5)
    await watcher.close()
    assert watcher.believed_wrongly_s < 1.0 + SLACK_S


async def test_what_a_hanging_nats_was_not_told_it_is_told_when_it_goes_on(
    nats_server: Service, server: Server, client: Any
) -> None:
    sink = NatsSink(nats_server.url, book_s=600)
    async with Feed([MARKET], url=server.url, sinks=[sink]) as feed:
        await feed.wait_live(PATIENCE_S)

        async def state_told() -> bool:
            book = await held(client)
            return book is not None and book["state"] == feed.book(YES).state

        await eventually(state_told)
        nats_server.pause()
        server.refuses = True
        (await server.peer(0)).abort()
        await until(lambda: feed.book(YES).state != "live")
        await until(lambda: feed.sink_status()[0].errors > 0)
        nats_server.resume()
        await eventually(state_told)


async def test_a_nats_that_cannot_serve_is_seen_at_once(
    nats_server: Service, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = NatsSink(f"nats://{LOOPBACK}:{free_port()}")
    with pytest.raises(SessionError, match=r"nats_sink cannot be opened.*refused|Connect call"):
        await Feed([MARKET], url=server.url, sinks=[nowhere]).open()
    nats_server.stop()
    config = nats_server.home / "auth.conf"
    config.write_text('authorization { user: me, password: "right" }\n')
    nats_server.arguments.extend(["-c", str(config)])
    nats_server.start()
    monkeypatch.setenv("NATS_USERNAME", "me")
    monkeypatch.setenv("NATS_PASSWORD", "wrong-7391")
    with pytest.raises(SessionError, match="nats_sink cannot be opened") as refused:
        await Feed([MARKET], url=server.url, sinks=[NatsSink(nats_server.url)]).open()
    assert "uthorization" in str(refused.value)
    assert "wrong-7391" not in f"{refused.value} {refused.value.__cause__!r}"
    monkeypatch.setenv("NATS_PASSWORD", "right")
    async with Feed([MARKET], url=server.url, sinks=[NatsSink(nats_server.url)]) as feed:
        await feed.wait_live(PATIENCE_S)


async def test_a_nats_without_jetstream_is_seen_at_once(
    nats_server: Service, server: Server
) -> None:
    nats_server.stop()
    nats_server.arguments.append("-js=false")
    nats_server.start()
    with pytest.raises(SessionError, match="start it with -js, or say jetstream = false"):
        await Feed([MARKET], url=server.url, sinks=[NatsSink(nats_server.url)]).open()


def test_what_is_configured(tmp_path: Any) -> None:
    path = tmp_path / "nats.toml"
    path.write_text('[[sink]]\nkind = "nats"\nprefix = "a.b-c"\nbook_s = 2.5\n')
    (section,) = load(path).sink
    assert isinstance(section, NatsSection) and isinstance(section.sink(), NatsSink)
    for line, problem in (
        ('url = "nats://me:secret-1@host"', "NATS_PASSWORD"),
        ('url = "http://host"', "nats://"),
        ('prefix = "a..b"', "words of a-z"),
        ('prefix = "a.*"', "words of a-z"),
        ("book_s = 0", "1 to 86400"),
    ):
        path.write_text(f'[[sink]]\nkind = "nats"\n{line}\n')
        with pytest.raises(ConfigError) as refused:
            load(path)
        assert problem in str(refused.value)
        assert "secret-1" not in str(refused.value)
    with pytest.raises(ValueError, match="prefix must be"):
        NatsSink("nats://host", prefix="A b")
