"""``redis``: what a bot reads there, how soon it is told what not to believe, and kills."""

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, get_args

import pytest
from services import KILLS, LOOPBACK, Service, free_port
from session_server import MARKET, NO, YES, Server, book_frame
from waiting import PATIENCE_S, until

import bookfeed.redis as reading
from bookfeed import Feed, SessionError, SessionOptions, SinkOptions, Update
from bookfeed.config import load
from bookfeed.errors import ConfigError
from bookfeed.sinks.redis import Lifetimes, RedisSection, RedisSink
from bookfeed.sinks.templates import PRESETS, Preset, Templates

redis = pytest.importorskip("redis")

# So long a book may be read as good that has left ``live``: what the machine has besides to do.
SLACK_S: Final = 2.0
# So long after that a payload may be written that was made before.
WRITTEN_SLACK_NS: Final = 100_000_000

TRADE: Final = (
    '[{"event_type":"last_trade_price","asset_id":"%s","market":"0xabc","price":"0.5",'
    '"size":"7","side":"BUY","timestamp":"%d","fee_rate_bps":"0"}]'
)


@pytest.fixture
def client(redis_server: Service) -> Iterator[Any]:
    """A client of its own, as a bot has."""
    made = redis.Redis.from_url(redis_server.url)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookfeed.sinks.sink_set.BEAT_S", 0.05)


def held(client: Any, key: str) -> dict[str, Any] | None:
    data = client.get(key)
    return None if data is None else json.loads(data)


async def test_a_bot_finds_books_with_their_state(
    redis_server: Service, server: Server, client: Any
) -> None:
    states = client.pubsub()
    states.subscribe(f"bf:v1:state:polymarket:{YES}", f"bf:v1:book:polymarket:{YES}")
    sink = RedisSink(redis_server.url, lifetimes=Lifetimes(book_s=2), depth=1)
    async with Feed([MARKET], url=server.url, sinks=[sink]) as feed:
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).text(book_frame(YES, "0.45", "0.47"))
        key = f"bf:v1:book:polymarket:{YES}"
        await until(lambda: (told := held(client, key)) and told["bid"] == "0.45")
        book = reading.get_book(client, "polymarket", YES)
        assert book is not None and book.live and book.epoch == feed.book(YES).epoch
        assert (book.bid, book.ask, len(book.bids)) == (Decimal("0.45"), Decimal("0.47"), 1)
        assert 0 < client.pttl(key) <= 2_000
        await until(lambda: client.exists("bf:v1:price:polymarket:0xabc"))
        price = reading.get_price(client, "polymarket", "0xabc")
        assert price is not None and price.live
        assert (price.yes, price.no) == (Decimal("0.47"), Decimal("0.55"))
        # A feed that is killed leaves no price that says that it is live for longer than a book.
        assert 0 < client.pttl("bf:v1:price:polymarket:0xabc") <= 2_000
        market = held(client, "bf:v1:market:polymarket:0xabc")
        assert market is not None and market["title"] == "Will it?"
        assert 0 <= time.time_ns() - market["ts_recv"] < 60 * 10**9
        assert [one["symbol"] for one in market["outcomes"]] == [YES, NO]
        # Nothing comes for longer than the key is there, and the book is as good as before.
        first = book.ts_written
        await asyncio.sleep(2.5)
        again = reading.get_book(client, "polymarket", YES)
        assert again is not None and again.live and again.ts_written > first
        price = reading.get_price(client, "polymarket", "0xabc")
        assert price is not None and price.live and price.ts_written > first
    gone = reading.get_book(client, "polymarket", YES)
    assert gone is not None
    assert (gone.state, gone.cause, gone.bid, gone.asks) == ("stale", "disconnected", None, ())
    price = reading.get_price(client, "polymarket", "0xabc")
    assert price is not None and (price.state, price.yes, price.no) == ("stale", None, None)
    said = []
    while message := states.get_message(timeout=0.2):
        if message["type"] == "message":
            said.append(json.loads(message["data"]))
    told = [(one["record"], one["state"]) for one in said]
    assert told.index(("update", "stale")) < told.index(("book", "stale")), "states come first"
    entries = client.xrange("bf:v1:stream:state")
    assert json.loads(entries[-1][1][b"data"])["state"] == "stale"
    await asyncio.sleep(2.1)
    assert client.get(key) is None, "a feed that has ended leaves no book behind"


async def test_bots_that_are_there_find_what_they_know(
    redis_server: Service, server: Server, client: Any
) -> None:
    channel = client.pubsub()
    channel.subscribe(f"polymarket:orderbook:{YES}", f"polymarket:trade:{YES}")
    sink = RedisSink(redis_server.url, preset="classic")
    async with Feed([MARKET], url=server.url, sinks=[sink]) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        peer.text(book_frame(YES, "0.45", "0.47"))
        peer.text((TRADE % (YES, time.time_ns() // 1_000_000)).encode())
        await until(lambda: (client.get("price:polymarket:0xabc") or b"").startswith(b"0.47|0.55|"))
        iso = client.get("price:polymarket:0xabc").split(b"|")[2].decode()
        assert iso.endswith("+00:00") and "T" in iso
        assert 50_000 < client.pttl("price:polymarket:0xabc") <= 60_000
        assert 0 < client.pttl(f"orderbook:polymarket:{YES}") <= 5_000
        assert 290_000 < client.pttl("market:polymarket:0xabc") <= 300_000
        await until(lambda: client.llen(f"trades:polymarket:{YES}") == 1)
        (trade,) = client.lrange(f"trades:polymarket:{YES}", 0, -1)
        assert json.loads(trade)["qty"] == "7"
        assert 3_590_000 < client.pttl(f"trades:polymarket:{YES}") <= 3_600_000
        kept: list[dict[str, Any]] = []
        while message := channel.get_message(timeout=0.2):
            if message["type"] == "message":
                kept.append(json.loads(message["data"]))
        assert {one["record"] for one in kept} == {"book", "update"}
        assert all("state" in one and "epoch" in one and "ts_recv" in one for one in kept)
    assert client.get(f"orderbook:polymarket:{YES}") is None, "deleted, not left to its time"
    assert client.get("price:polymarket:0xabc") is None


async def test_what_redis_was_not_told_it_is_told_when_it_is_back(
    redis_server: Service, server: Server, client: Any
) -> None:
    sink = RedisSink(redis_server.url, lifetimes=Lifetimes(book_s=600, price_s=600))
    async with Feed([MARKET], url=server.url, sinks=[sink]) as feed:
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).text(book_frame(YES, "0.45", "0.47"))
        await until(lambda: held(client, f"bf:v1:book:polymarket:{YES}"))
        # Redis neither dies nor answers, so that its keys are as they were when it goes on.
        redis_server.pause()
        (await server.peer(0)).abort()
        await until(lambda: feed.book(YES).state != "live")
        await until(lambda: feed.sink_status()[0].errors > 0)
        server.refuses = True
        redis_server.resume()

        def told() -> bool:
            book = reading.get_book(client, "polymarket", YES, max_age_s=600)
            return book is not None and book.state == feed.book(YES).state

        await until(told)
        status = feed.sink_status()[0]
        assert status.received == status.written + status.dropped + status.conflated + status.queued


class Watcher:
    """A bot that reads a book and its price in both presets, all the time, and hears its channels.

    It remembers for how long it read as good what was not, and when each payload was written that
    said so.
    """

    def __init__(self, url: str) -> None:
        self._url: Final = url
        self._stop = threading.Event()
        self._since: tuple[float, int] | None = None
        self._bad: Final[list[tuple[int, int]]] = []
        self.reads: Final[Counter[str]] = Counter()
        """How often something was read as good, by what it was."""
        self.believed_wrongly_s = 0.0
        """How long at most after the book was not that it was read as good."""
        self._written: Final[set[int]] = set()
        watching = (self._watch, self._listen)
        self._threads = [threading.Thread(target=one, daemon=True) for one in watching]
        for thread in self._threads:
            thread.start()

    def told(self, *, live: bool) -> None:
        """What the feed says of the book from now on."""
        if self._since is not None and live:
            self._bad.append((self._since[1], time.time_ns()))
        if live:
            self._since = None
        elif self._since is None:
            self._since = (time.monotonic(), time.time_ns())

    def written_wrongly(self, slack_ns: int) -> list[int]:
        """When payloads were written that say that it is live, although it was not for so long."""
        return [
            at
            for at in self._written
            if any(begin + slack_ns < at < end for begin, end in self._bad)
        ]

    def _watch(self) -> None:
        client = redis.Redis.from_url(self._url, socket_timeout=0.5)
        while not self._stop.is_set():
            for what, read in self._reads(client).items():
                since, asked_s = self._since, time.monotonic()
                with suppress(redis.RedisError):
                    if not read():
                        continue
                    self.reads[what] += 1
                    if since is not None and since == self._since:
                        late_s = asked_s - since[0]
                        self.believed_wrongly_s = max(self.believed_wrongly_s, late_s)
            time.sleep(0.002)
        client.close()

    def _reads(self, client: Any) -> dict[str, Callable[[], bool]]:
        """What bots read, and whether they take it as good."""
        return {
            "book": lambda: self._good(reading.get_book(client, "polymarket", YES)),
            "price": lambda: self._good(reading.get_price(client, "polymarket", "0xabc")),
            "classic book": lambda: bool(client.exists(f"orderbook:polymarket:{YES}")),
            "classic price": lambda: bool(client.exists("price:polymarket:0xabc")),
        }

    def _good(self, found: reading.CachedBook | reading.CachedPrice | None) -> bool:
        if found is None or not found.live:
            return False
        self._written.add(found.ts_written)
        return True

    def _listen(self) -> None:
        client = redis.Redis.from_url(self._url, socket_timeout=0.5)
        channels = (f"bf:v1:book:polymarket:{YES}", f"polymarket:orderbook:{YES}")
        while not self._stop.is_set():
            with suppress(redis.RedisError), client.pubsub() as heard:
                heard.subscribe(*channels)
                while not self._stop.is_set():
                    message = heard.get_message(timeout=0.1)
                    if message is not None and message["type"] == "message":
                        told = json.loads(message["data"])
                        if told["state"] == "live":
                            self.reads[message["channel"].decode()] += 1
                            self._written.add(told["ts_written"])
            time.sleep(0.01)
        client.close()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


async def play_kills(service: Service, server: Server, kills: int, life_s: float) -> Watcher:
    """Redis dies so often at random moments, while the book comes and goes."""
    rng = random.Random(7)
    lives = Lifetimes(book_s=life_s, price_s=life_s)
    given = [
        (RedisSink(service.url, preset=preset, lifetimes=lives), SinkOptions(close_timeout_s=10))
        for preset in get_args(Preset)
    ]
    watcher = Watcher(service.url)
    try:
        quick = SessionOptions(backoff_min_s=0.02, backoff_max_s=0.1)
        async with Feed([MARKET], url=server.url, sinks=given, options=quick) as feed:
            await feed.wait_live(PATIENCE_S)

            @feed.on_update
            def changed(update: Update) -> None:
                if update.kind == "state" and update.symbol == YES:
                    watcher.told(live=update.live)

            for number in range(kills):
                await feed.wait_live(PATIENCE_S)
                server.peers[-1].text(book_frame(YES, f"0.{100 + number % 400}", "0.9"))
                await asyncio.sleep(rng.random() * 0.2)
                if rng.random() < 0.5:
                    server.peers[-1].abort()
                    await asyncio.sleep(rng.random() * 0.05)
                await asyncio.to_thread(service.kill)
                await asyncio.sleep(rng.random() * 0.2)
                if rng.random() < 0.5:
                    server.peers[-1].abort()
                await asyncio.to_thread(service.start)
            await feed.wait_live(PATIENCE_S)

            def back() -> bool:
                book = reading.get_book(sink_client, "polymarket", YES)
                return book is not None and book.live

            sink_client = redis.Redis.from_url(service.url)
            await until(back)
            sink_client.close()
    finally:
        watcher.close()
    return watcher


async def test_redis_dies_and_no_bot_believes_what_it_must_not(
    redis_server: Service, server: Server
) -> None:
    """Keys live for so long that they would show it: what is told in time does not rest on that."""
    watcher = await play_kills(redis_server, server, kills=KILLS, life_s=600.0)
    assert len(watcher.reads) == 6 and min(watcher.reads.values()) > 2, watcher.reads
    assert watcher.believed_wrongly_s < SLACK_S
    assert not watcher.written_wrongly(WRITTEN_SLACK_NS)


async def test_reading_takes_less_than_a_millisecond(
    redis_server: Service, server: Server, client: Any
) -> None:
    """Of many reads a tenth are quicker than that whatever else the machine has to do."""
    async with Feed([MARKET], url=server.url, sinks=[RedisSink(redis_server.url)]) as feed:
        await feed.wait_live(PATIENCE_S)
        await until(lambda: client.exists("bf:v1:price:polymarket:0xabc"))
        for read, name in ((reading.get_book, YES), (reading.get_price, "0xabc")):
            took_s = []
            for _ in range(500):
                began_s = time.perf_counter()
                assert read(client, "polymarket", name)
                took_s.append(time.perf_counter() - began_s)
            assert sorted(took_s)[50] < 0.001


async def test_a_redis_that_refuses_is_seen_at_once(
    redis_server: Service, server: Server, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.config_set("requirepass", "right")
    monkeypatch.setenv("REDIS_PASSWORD", "wrong-7391")
    with pytest.raises(SessionError, match="sink redis_sink cannot be opened") as refused:
        await Feed([MARKET], url=server.url, sinks=[RedisSink(redis_server.url)]).open()
    assert "wrong-7391" not in f"{refused.value} {refused.value.__cause__!r}"
    monkeypatch.setenv("REDIS_PASSWORD", "right")
    async with Feed([MARKET], url=server.url, sinks=[RedisSink(redis_server.url)]) as feed:
        await feed.wait_live(PATIENCE_S)
    with pytest.raises(SessionError, match="redis_sink"):
        nowhere = RedisSink(f"redis://{LOOPBACK}:{free_port()}")
        await Feed([MARKET], url=server.url, sinks=[nowhere]).open()


async def test_streams_are_bounded(redis_server: Service, server: Server, client: Any) -> None:
    templates = Templates(book_stream="books:{venue}", trade_stream="")
    sink = RedisSink(redis_server.url, templates=templates, stream_max=100)
    async with Feed([MARKET], url=server.url, sinks=[sink]) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        for number in range(400):
            peer.text(book_frame(YES, f"0.{100 + number % 200}", "0.9"))
            await asyncio.sleep(0.006)
        await until(lambda: feed.sink_status()[0].queued == 0)
    # Whole blocks are cut off: 100 entries each, unless it is configured otherwise.
    assert 100 <= client.xlen("books:polymarket") <= 201
    assert not client.exists("bf:v1:stream:trade")


def test_what_is_configured(tmp_path: Any) -> None:
    path = tmp_path / "redis.toml"
    path.write_text(
        '[[sink]]\nkind = "redis"\npreset = "classic"\ndepth = 5\n'
        '[sink.templates]\nbook_key = "b:{symbol}"\n[sink.lifetimes]\nbook_s = 2.5\n'
    )
    (section,) = load(path).sink
    assert isinstance(section, RedisSection)
    assert isinstance(section.sink(), RedisSink)
    assert section.templates.over(PRESETS["classic"]).book_key == "b:{symbol}"
    assert section.lifetimes.book_s == 2.5
    for line, problem in (
        ('url = "redis://me:secret-1@host"', "REDIS_PASSWORD"),
        ('url = "http://host"', "redis://"),
        ('templates = { book_key = "{asset}" }', "{symbol}"),
        ('templates = { signal_channel = "{symbol}" }', "{rule}"),
        ("lifetimes = { book_s = 0 }", "1 to 86400"),
    ):
        path.write_text(f'[[sink]]\nkind = "redis"\n{line}\n')
        with pytest.raises(ConfigError) as refused:
            load(path)
        assert problem in str(refused.value)
        assert "secret-1" not in str(refused.value)
    with pytest.raises(ValueError, match="book_key must be"):
        Templates(book_key="{venue")


def test_a_reader_does_not_take_anything_for_a_book(client: Any) -> None:
    assert reading.get_book(client, "polymarket", YES) is None
    key = f"bf:v1:book:polymarket:{YES}"
    for strange in ("0.4|0.6|now", "[]", '{"record": "trade"}'):
        client.set(key, strange)
        with pytest.raises(ValueError, match="holds no book"):
            reading.get_book(client, "polymarket", YES)
    with pytest.raises(ValueError, match="book_key is empty"):
        reading.get_book(client, "polymarket", YES, templates=Templates(book_key=""))
