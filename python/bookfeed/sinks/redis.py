"""``redis``: books, prices and trades in a Redis, for bots that read them there.

A key holds a book with its state and ends by itself a few seconds after the feed has: it is renewed
as long as the feed lives. A book that leaves ``live`` is marked, or its keys deleted, in the next
write, not when its time is over; no price is written of a book that may not be believed. Of several
changes of a book in one write the newest alone is written. What Redis could not be told is told as
it stands when Redis is back.

``docs/sinks.md`` lists keys, channels and what they hold; ``bookfeed.redis`` reads them.
"""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import orjson

from bookfeed._bookfeed import UPDATE_KINDS, Batch, BookView, format_price
from bookfeed.errors import ConfigError
from bookfeed.names import Name, Names, name_of
from bookfeed.records import Update, signals, updates
from bookfeed.records.objects import book_object, signal_object, update_object
from bookfeed.schema import Range, Url
from bookfeed.sinks.base import Books, SinkSection
from bookfeed.sinks.templates import PRESETS, Preset, Templates, of_book, of_signal
from bookfeed.venues.secret import found_in
from bookfeed.words import State

if TYPE_CHECKING:
    from redis.client import Pipeline, Redis

PriceOf = Literal["ask", "mid", "bid"]

DEPTH: Final = 10
STREAM_MAX: Final = 100_000
TRADES_MAX: Final = 1_000
# How long Redis may take to answer; then the write has failed and the next one is tried.
TIMEOUT_S: Final = 1.0
# A key is renewed when so much of its time is over.
RENEWED_AFTER: Final = 1 / 3
# So many books are written at once at most; between two such writes others may go first.
PIECE: Final = 256

_TOLD: Final = [UPDATE_KINDS.index(kind) for kind in ("trade", "state")]
_NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long keys are there after they were written last, in seconds."""

    book_s: Annotated[float, Range(1, 86_400)] = 5.0
    price_s: Annotated[float | None, Range(1, 86_400)] = None
    """As of books, unless stated; in ``classic``, whose prices have no state to read, 60."""
    market_s: Annotated[float, Range(1, 86_400)] = 300.0
    trade_s: Annotated[float, Range(1, 86_400)] = 3_600.0


CLASSIC_PRICE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSection(SinkSection):
    """``[[sink]]`` with ``kind = "redis"``: books, prices and trades in a Redis."""

    kind: Literal["redis"]
    url: Annotated[str, Url(("redis", "rediss"))] = "redis://127.0.0.1:6379/0"
    preset: Preset = "v1"
    depth: Annotated[int, Range(0, 5_000)] = DEPTH
    price_of: PriceOf = "ask"
    allow_poll: bool = False
    stream_max: Annotated[int, Range(1, 1_000_000_000)] = STREAM_MAX
    templates: Templates = field(default_factory=Templates)
    lifetimes: Lifetimes = field(default_factory=Lifetimes)

    def __post_init__(self) -> None:
        if "@" in urlsplit(self.url).netloc:
            problem = "must not hold a password: export REDIS_PASSWORD or REDIS_PASSWORD_FILE"
            raise ConfigError("", "url", problem)

    def sink(self) -> "RedisSink":
        """The sink itself, not open yet."""
        return RedisSink(
            self.url,
            preset=self.preset,
            templates=self.templates,
            lifetimes=self.lifetimes,
            depth=self.depth,
            price_of=self.price_of,
            allow_poll=self.allow_poll,
            stream_max=self.stream_max,
        )


class RedisSink:
    """Writes books, prices, trades, states and signals into the Redis at ``url``.

    User and password are those of ``REDIS_USERNAME`` and ``REDIS_PASSWORD``, each with ``_FILE``
    for a file that holds it. ``templates`` replace those of ``preset``; ``depth`` is how many
    levels a side a book has there; ``price_of`` which price of an outcome ``price_key`` holds.
    ``allow_poll`` counts books as good that are polled. Streams keep about ``stream_max`` entries.

    Raises ``ValueError`` if the package redis is not installed; ``open`` raises its errors if Redis
    is not there or refuses.
    """

    def __init__(
        self,
        url: str,
        *,
        preset: Preset = "v1",
        templates: Templates | None = None,
        lifetimes: Lifetimes | None = None,
        depth: int = DEPTH,
        price_of: PriceOf = "ask",
        allow_poll: bool = False,
        stream_max: int = STREAM_MAX,
    ) -> None:
        self._url: Final = url
        self._classic: Final = preset == "classic"
        self._templates: Final = (templates or Templates()).over(PRESETS[preset])
        self._lifetimes: Final = lifetimes or Lifetimes()
        book_s, price_s = self._lifetimes.book_s, self._lifetimes.price_s
        # A price says whether it is live, and outlives a feed that is killed as little as a book.
        self._price_s: Final = price_s or (CLASSIC_PRICE_S if self._classic else book_s)
        self._renewed_s: Final = min(book_s, self._price_s) * RENEWED_AFTER
        self._depth: Final = depth
        self._price_of: Final = price_of
        self._told: Final[frozenset[State]] = frozenset(
            ("live", "live_poll") if allow_poll else ("live",)
        )
        self._stream_max: Final = stream_max
        self._redis: Final = _client(url)
        self._names = Names()
        self._books: Books = lambda _: None
        # When each book, and each market, was written last: monotonic.
        self._written_s: Final[dict[int, float]] = {}
        self._markets_s: Final[dict[tuple[str, str], float]] = {}
        # The book of each market whose prices are those of the market: its first.
        self._first: Final[dict[tuple[str, str], int]] = {}
        # Whether Redis was not told something.
        self._behind = True

    def read_books(self, books: Books) -> None:
        """Remember how books are read."""
        self._books = books

    def open(self, names: Names) -> None:
        """Ask whether Redis is there and lets us in."""
        self._names = names
        self._redis.ping()

    def write(self, batch: Batch) -> None:
        """Tell what happened: states first, then books as they stand, trades and signals."""
        pipeline = self._redis.pipeline(transaction=False)
        rows = batch.updates
        told = batch.updates[[kind in _TOLD for kind in rows["kind"].tolist()]]
        happened = list(updates(Batch(told.tobytes()), self._names)) if len(told) else []
        for update in happened:
            if update.kind == "state":
                self._put_state(pipeline, update)
        changed = self._all() if self._behind else dict.fromkeys(rows["instrument"].tolist())
        self._put_books(pipeline, changed)
        for update in happened:
            if update.kind == "trade":
                self._put_trade(pipeline, update)
        for signal in signals(batch, self._names):
            data = self._json(signal_object(signal))
            name = signal.name or str(signal.rule_id)
            self._publish(
                pipeline, of_signal(self._templates.signal_channel, signal.rule, name), data
            )
            self._append(
                pipeline, of_signal(self._templates.signal_stream, signal.rule, name), data
            )
        self._send(pipeline)
        self._behind = False

    def beat(self) -> None:
        """Renew keys whose time is a third over, and tell everything if Redis was away."""
        pipeline = self._redis.pipeline(transaction=False)
        if self._behind:
            self._put_books(pipeline, self._all())
        else:
            due_s = time.monotonic() - self._renewed_s
            due = [one for one, written_s in self._written_s.items() if written_s <= due_s]
            self._put_books(pipeline, due)
        self._send(pipeline)
        self._behind = False

    def close(self) -> None:
        """Let go of the connection; keys end by their own time."""
        self._redis.close()

    # What is sent.

    def _send(self, pipeline: "Pipeline") -> None:
        """Send what is in the pipeline; whatever of it is not known to have come is told again."""
        if not len(pipeline):
            return
        try:
            pipeline.execute()
        except BaseException:
            self._behind = True
            raise

    def _all(self) -> Iterable[int]:
        # Those that are gone as well: their keys may still be there.
        return dict.fromkeys([*self._written_s, *self._names])

    def _put_books(self, pipeline: "Pipeline", instruments: Iterable[int]) -> None:
        rest: Iterator[int] = iter(instruments)
        while piece := list(islice(rest, PIECE)):
            for instrument in piece:
                self._put_book(pipeline, instrument)
            if len(piece) == PIECE:
                self._send(pipeline)
                time.sleep(0)

    def _put_book(self, pipeline: "Pipeline", instrument: int) -> None:
        name, book = name_of(self._names, instrument), self._books(instrument)
        if not name.symbol:
            return
        key = of_book(self._templates.book_key, name)
        believed = book is not None and book.state in self._told
        if book is None:
            self._written_s.pop(instrument, None)
            self._markets_s.pop((name.venue, name.market), None)
            self._delete(pipeline, key)
        else:
            self._written_s[instrument] = time.monotonic()
            data = self._json(book_object(book, name, self._depth, self._told))
            if believed or not self._classic:
                self._set(pipeline, key, data, self._lifetimes.book_s)
            else:
                # Who reads a key of these has never looked for a state in it.
                self._delete(pipeline, key)
            self._publish(pipeline, of_book(self._templates.book_channel, name), data)
            self._append(pipeline, of_book(self._templates.book_stream, name), data)
            self._put_market(pipeline, name, book)
        if self._first.setdefault((name.venue, name.market), instrument) == instrument:
            self._put_price(pipeline, name, book, believed)
            if book is None:
                del self._first[name.venue, name.market]

    def _put_price(
        self, pipeline: "Pipeline", name: Name, book: BookView | None, believed: bool
    ) -> None:
        key = of_book(self._templates.price_key, name)
        if key is None or (book is not None and book.payout_e9 is None):  # no contract: a currency
            return
        yes = _price(book, self._price_of) if book is not None and believed else None
        no = _price(book.complement, self._price_of) if book is not None and believed else None
        if book is None or ((yes is None or no is None) and self._classic):
            self._delete(pipeline, key)
        elif self._classic:
            heard = datetime.fromtimestamp((book.ts_recv or 0) / _NS_PER_S, UTC).isoformat()
            self._set(pipeline, key, f"{yes}|{no}|{heard}".encode(), self._price_s)
        else:
            told = {
                "record": "price",
                "ts_recv": book.ts_recv,
                "ts_evidence": book.ts_evidence,
                "venue": name.venue,
                "market": name.market,
                "epoch": book.epoch,
                "state": book.state,
                "cause": book.cause,
                "of": self._price_of,
                "yes": yes,
                "no": no,
            }
            self._set(pipeline, key, self._json(told), self._price_s)

    def _put_market(self, pipeline: "Pipeline", name: Name, book: BookView) -> None:
        key, now_s = of_book(self._templates.market_key, name), time.monotonic()
        if key is None:
            return
        market = (name.venue, name.market)
        written_s = self._markets_s.get(market, -float("inf"))
        if now_s - written_s < self._lifetimes.market_s * RENEWED_AFTER:
            return
        self._markets_s[market] = now_s
        same = [
            {"outcome": one.outcome, "symbol": one.symbol, "instrument": number}
            for number, one in list(self._names.items())
            if (one.venue, one.market) == market
        ]
        told = {
            "record": "market",
            "ts_recv": book.ts_recv,
            "venue": name.venue,
            "market": name.market,
            "title": name.title,
            "outcomes": same,
        }
        self._set(pipeline, key, self._json(told), self._lifetimes.market_s)

    def _put_state(self, pipeline: "Pipeline", update: Update) -> None:
        name = name_of(self._names, update.instrument)
        data = self._json(update_object(update, name))
        self._publish(pipeline, of_book(self._templates.state_channel, name), data)
        self._append(pipeline, of_book(self._templates.state_stream, name), data)

    def _put_trade(self, pipeline: "Pipeline", update: Update) -> None:
        name = name_of(self._names, update.instrument)
        data = self._json(update_object(update, name))
        self._publish(pipeline, of_book(self._templates.trade_channel, name), data)
        self._append(pipeline, of_book(self._templates.trade_stream, name), data)
        key = of_book(self._templates.trade_key, name)
        if key is not None:
            pipeline.lpush(key, data)
            pipeline.ltrim(key, 0, TRADES_MAX - 1)
            pipeline.pexpire(key, int(self._lifetimes.trade_s * 1_000))

    # The commands.

    def _json(self, told: dict[str, Any]) -> bytes:
        return orjson.dumps({**told, "ts_written": time.time_ns()})

    def _set(self, pipeline: "Pipeline", key: str | None, data: bytes, life_s: float) -> None:
        if key is not None:
            pipeline.set(key, data, px=int(life_s * 1_000))

    def _delete(self, pipeline: "Pipeline", key: str | None) -> None:
        if key is not None:
            pipeline.delete(key)

    def _publish(self, pipeline: "Pipeline", channel: str | None, data: bytes) -> None:
        if channel is not None:
            pipeline.publish(channel, data)

    def _append(self, pipeline: "Pipeline", stream: str | None, data: bytes) -> None:
        if stream is not None:
            pipeline.xadd(stream, {"data": data}, maxlen=self._stream_max, approximate=True)


def _price(book: BookView, of: PriceOf) -> str | None:
    """The price of one outcome as decimal text; ``None`` if there is none on that side."""
    ask, bid = (
        int(levels[0][0]) if len(levels) else None
        for levels in (book.levels_exact("ask", 1), book.levels_exact("bid", 1))
    )
    if of == "mid":
        return None if ask is None or bid is None else format_price((ask + bid) // 2)
    price_e9 = ask if of == "ask" else bid
    return None if price_e9 is None else format_price(price_e9)


def _client(url: str) -> "Redis":
    """A client of its own, which tries nothing twice: a message would be told twice."""
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        from bookfeed.sinks.redis_answers import BoundedParser
    except ImportError:
        raise ValueError(
            "a sink for Redis needs the package redis: pip install 'bookfeed[redis]'"
        ) from None
    secrets = {}
    for key, variable in (("username", "REDIS_USERNAME"), ("password", "REDIS_PASSWORD")):
        _, secret = found_in(os.environ, [variable])
        if secret is not None:
            secrets[key] = secret.reveal()
    return redis.Redis.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        client_name="bookfeed",
        parser_class=BoundedParser,
        **secrets,
    )
