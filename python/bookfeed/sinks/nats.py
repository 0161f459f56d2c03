"""``nats``: books, trades, states and signals on the subjects of a NATS server, and kept in it.

Everything is published on subjects that say what it is about. With JetStream the newest of each
book is kept in a key-value bucket, where it ends by itself some seconds after the feed has, and
trades, states and signals in a stream. A book that leaves ``live`` is told in the next write,
without prices. Of several changes of a book in one write the newest alone is told.

A write has come through when the server has acknowledged all of it; one that has not is counted as
dropped and not sent again, so nothing comes twice. How books stand is then told anew.
``docs/sinks.md`` lists the subjects and what is promised.
"""

import asyncio
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import orjson

from bookfeed._bookfeed import UPDATE_KINDS, Batch
from bookfeed.errors import ConfigError
from bookfeed.names import Names, name_of
from bookfeed.records import Update, signals, updates
from bookfeed.records.objects import book_object, signal_object, update_object
from bookfeed.schema import Range, Text, Url
from bookfeed.sinks.base import Books, SinkSection
from bookfeed.sinks.nats_door import Door, NatsTls, door
from bookfeed.words import State

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext
    from nats.js.api import PubAck

PREFIX: Final = "bf.v1"
DEPTH: Final = 10
STREAM_MAX: Final = 100_000
BOOK_S: Final = 5.0
# How long NATS may take to acknowledge; then the write has failed and a connection is made anew.
TIMEOUT_S: Final = 1.0
# A book is told again when so much of its time is over.
RENEWED_AFTER: Final = 1 / 3
# So many messages wait for being acknowledged at most: what the client has room for, and more.
PIECE: Final = 256
RECORDED: Final = ("trade", "state", "signal")

_UNSAFE: Final = re.compile(rb"[^A-Za-z0-9_-]")
_PREFIX: Final = r"[a-z0-9-]{1,32}(\.[a-z0-9-]{1,32}){0,3}"
_PREFIX_WORDS: Final = "1 to 4 words of a-z 0-9 -, with dots between them"
# What says to a bucket that a key is gone.
_GONE: Final = {"KV-Operation": "DEL"}
# How a server says that there is a stream of that name, with another configuration.
_IS_THERE: Final = 10_058
_TOLD: Final = [UPDATE_KINDS.index(kind) for kind in ("trade", "state")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsSection(SinkSection):
    """``[[sink]]`` with ``kind = "nats"``: books, trades, states and signals in a NATS server."""

    kind: Literal["nats"]
    url: Annotated[str, Url(("nats", "tls"))] = "nats://127.0.0.1:4222"
    ca: str = ""
    cert: str = ""
    cert_key: str = ""
    tls_first: bool = False
    prefix: Annotated[str, Text(_PREFIX, _PREFIX_WORDS)] = PREFIX
    depth: Annotated[int, Range(0, 5_000)] = DEPTH
    allow_poll: bool = False
    jetstream: bool = True
    book_s: Annotated[float, Range(1, 86_400)] = BOOK_S
    stream_max: Annotated[int, Range(1, 1_000_000_000)] = STREAM_MAX

    def __post_init__(self) -> None:
        if "@" in urlsplit(self.url).netloc:
            problem = "must not hold a password: export NATS_PASSWORD or NATS_PASSWORD_FILE"
            raise ConfigError("", "url", problem)
        self._tls.check(self.url)

    @property
    def _tls(self) -> NatsTls:
        return NatsTls(self.ca, self.cert, self.cert_key, self.tls_first)

    def sink(self) -> "NatsSink":
        """The sink itself, not open yet."""
        return NatsSink(
            self.url,
            tls=self._tls,
            prefix=self.prefix,
            depth=self.depth,
            allow_poll=self.allow_poll,
            jetstream=self.jetstream,
            book_s=self.book_s,
            stream_max=self.stream_max,
        )


def token(text: str) -> str:
    """``text`` as one part of a subject, which may hold neither dots nor blanks, ``*`` or ``>``.

    Letters, digits, ``_`` and ``-`` stay; each other byte of its UTF-8 becomes ``=`` and two
    digits, and no text ``=``: two texts are never one token. Keys of a bucket are made the same.
    """
    encoded = _UNSAFE.sub(lambda byte: b"=%02X" % byte.group()[0], text.encode())
    return encoded.decode() or "="


class NatsSink:
    """Publishes below ``prefix`` in the NATS server at ``url``, and keeps books and a stream there.

    Who it is is said by ``NATS_USERNAME`` and ``NATS_PASSWORD``, ``NATS_TOKEN``, ``NATS_NKEY`` or
    ``NATS_CREDS``, each with ``_FILE`` for a file that holds it. With ``tls://`` it is TLS or
    nothing; ``tls`` says how. ``depth`` is how many levels a side a book has; ``book_s`` how long,
    in seconds, a book is kept after it was told last. ``allow_poll`` counts books as good
    that are polled. The stream keeps the newest ``stream_max`` messages. Without ``jetstream``
    nothing is kept: who is not subscribed misses it.

    Raises ``ValueError`` if the package nats-py is not installed; ``open`` raises its errors if
    NATS is not there, refuses, or has no JetStream.
    """

    def __init__(
        self,
        url: str,
        *,
        tls: NatsTls | None = None,
        prefix: str = PREFIX,
        depth: int = DEPTH,
        allow_poll: bool = False,
        jetstream: bool = True,
        book_s: float = BOOK_S,
        stream_max: int = STREAM_MAX,
    ) -> None:
        if not re.fullmatch(_PREFIX, prefix):
            raise ValueError(f"prefix must be {_PREFIX_WORDS}, not {prefix!r}")
        entrance = door(url, tls or NatsTls())
        self._link: Final = _Link(entrance, prefix, book_s, stream_max, jetstream=jetstream)
        self._depth: Final = depth
        self._told: Final[frozenset[State]] = frozenset(
            ("live", "live_poll") if allow_poll else ("live",)
        )
        self._book_s: Final = book_s
        self._names = Names()
        self._books: Books = lambda _: None
        # When each book was told last: monotonic.
        self._written_s: Final[dict[int, float]] = {}
        # Whether NATS was not told something.
        self._behind = True

    def read_books(self, books: Books) -> None:
        """Remember how books are read."""
        self._books = books

    def open(self, names: Names) -> None:
        """Connect, and make the stream and the bucket if they are not there."""
        self._names = names
        self._link.open()

    def write(self, batch: Batch) -> None:
        """Tell what happened: states first, then books as they stand, trades and signals."""
        rows = batch.updates
        told = rows[[kind in _TOLD for kind in rows["kind"].tolist()]]
        happened = list(updates(Batch(told.tobytes()), self._names)) if len(told) else []
        books = self._all() if self._behind else dict.fromkeys(rows["instrument"].tolist())
        self._send(self._messages(happened, books, batch))

    def beat(self) -> None:
        """Tell books again whose time is a third over, and all of them if NATS was away."""
        due_s = time.monotonic() - self._book_s * RENEWED_AFTER
        due = [one for one, written_s in self._written_s.items() if written_s <= due_s]
        # Also when there is nothing to say, so that the server's questions are answered.
        self._send(self._messages([], self._all() if self._behind else due, None))

    def close(self) -> None:
        """Let go of the connection; books in the bucket end by their own time."""
        self._link.close()

    def _send(self, messages: "Iterator[_Message]") -> None:
        """Send them all; whatever of them is not known to have come is told again."""
        self._behind = True
        self._link.send(messages)
        self._behind = False

    def _all(self) -> Iterable[int]:
        # Those that are gone as well: their keys may still be there.
        return dict.fromkeys([*self._written_s, *self._names])

    # What is said.

    def _messages(
        self, happened: list[Update], books: Iterable[int], batch: Batch | None
    ) -> "Iterator[_Message]":
        for kind in ("state", None, "trade"):
            if kind is None:
                for instrument in books:
                    yield from self._book(instrument)
                continue
            for update in happened:
                if update.kind == kind:
                    name = name_of(self._names, update.instrument)
                    subject = f"{kind}.{token(name.venue)}.{token(name.symbol)}"
                    yield _Message(subject, update_object(update, name))
        if batch is not None:
            for signal in signals(batch, self._names):
                called = token(signal.name or str(signal.rule_id))
                yield _Message(f"signal.{token(signal.rule)}.{called}", signal_object(signal))

    def _book(self, instrument: int) -> "Iterator[_Message]":
        name, book = name_of(self._names, instrument), self._books(instrument)
        if not name.symbol:
            return
        key = f"{token(name.venue)}.{token(name.symbol)}"
        if book is None:
            self._written_s.pop(instrument, None)
            yield _Message(f"book.{key}", None, key)
        else:
            self._written_s[instrument] = time.monotonic()
            yield _Message(f"book.{key}", book_object(book, name, self._depth, self._told), key)


class _Message(NamedTuple):
    """Something to say on a subject below the prefix."""

    subject: str
    told: Mapping[str, Any] | None
    """What is said; ``None`` says that a book is gone, to the bucket alone."""
    key: str | None = None
    """The key in the bucket under which it is kept; ``None``: in the stream."""


class _Link:
    """A connection in a loop of its own, which runs while something is sent."""

    def __init__(
        self, entrance: Door, prefix: str, book_s: float, stream_max: int, *, jetstream: bool
    ) -> None:
        self._door: Final = entrance
        self._prefix: Final = prefix
        self._named: Final = prefix.replace(".", "_")
        self._book_s: Final = book_s
        self._stream_max: Final = stream_max
        self._jetstream: Final = jetstream
        self._runner: asyncio.Runner | None = None
        self._client: Client | None = None
        self._kept: JetStreamContext | None = None

    def open(self) -> None:
        """Connect."""
        self._runner = asyncio.Runner()
        try:
            self._runner.run(self._connect())
        except BaseException:
            self.close()
            raise

    def send(self, messages: Iterator[_Message]) -> None:
        """Send messages and wait until the server has acknowledged them; connects if it must."""
        assert self._runner is not None, "open comes first"
        self._runner.run(self._send(messages))

    def close(self) -> None:
        """Let go."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.run(self._let_go())
            runner.close()

    async def _connect(self) -> None:
        problems: list[Exception] = []

        async def heard(problem: Exception) -> None:
            problems.append(problem)

        client = self._door.client()
        try:
            async with asyncio.timeout(self._door.timeout_s or TIMEOUT_S):
                await client.connect(
                    self._door.url,
                    name="bookfeed",
                    error_cb=heard,
                    # A message that waited in the client while it reconnects would be told late.
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    **self._door.arguments(),
                )
        except Exception as error:
            # Half a connection would stay open: one that was accepted and never answered.
            await _end(client)
            # That no server is left says less than why.
            raise (problems[0] if problems else error) from None
        self._client = client
        if self._jetstream:
            self._kept = client.jetstream(timeout=TIMEOUT_S)
            try:
                await self._prepare(self._kept)
            except BaseException:
                await self._let_go()
                raise

    async def _prepare(self, kept: "JetStreamContext") -> None:
        """Make stream and bucket, or have them as they are configured now."""
        from nats.js.api import DiscardPolicy, StorageType, StreamConfig
        from nats.js.errors import BadRequestError, ServiceUnavailableError

        recorded = [f"{self._prefix}.{kind}.>" for kind in RECORDED]
        configs = [
            StreamConfig(
                name=self._named,
                subjects=recorded,
                max_msgs=self._stream_max,
                storage=StorageType.FILE,
            ),
            # What clients take for a bucket. In memory: what a server knew before it died is old.
            StreamConfig(
                name=f"KV_{self.bucket}",
                subjects=[f"$KV.{self.bucket}.>"],
                max_msgs_per_subject=1,
                max_age=self._book_s,
                duplicate_window=min(self._book_s, 120),
                discard=DiscardPolicy.NEW,
                storage=StorageType.MEMORY,
                allow_rollup_hdrs=True,
                allow_direct=True,
                deny_delete=True,
            ),
        ]
        for config in configs:
            try:
                await kept.add_stream(config)
            except BadRequestError as error:
                if error.err_code != _IS_THERE:
                    raise
                await kept.update_stream(config)
            except ServiceUnavailableError:
                problem = "NATS runs without JetStream: start it with -js, or say jetstream = false"
                raise ValueError(problem) from None

    @property
    def bucket(self) -> str:
        """What the bucket of books is called."""
        return f"{self._named}_book"

    async def _send(self, messages: Iterator[_Message]) -> None:
        try:
            if self._client is None or self._client.is_closed:
                await self._connect()
            while piece := list(islice(messages, PIECE)):
                await self._send_piece(piece)
                # Others may want to compute.
                time.sleep(0)  # noqa: ASYNC251 - of threads: this loop has nothing else to do
            assert self._client is not None
            await self._client.flush(round(TIMEOUT_S))
        except BaseException:
            await self._let_go()
            raise

    async def _send_piece(self, piece: list[_Message]) -> None:
        assert self._client is not None
        waiting: list[asyncio.Future[PubAck]] = []
        for message in piece:
            subject = f"{self._prefix}.{message.subject}"
            data = b""
            if message.told is not None:
                data = orjson.dumps({**message.told, "ts_written": time.time_ns()})
            if data and (self._kept is None or message.key is not None):
                await self._client.publish(subject, data)
            if self._kept is not None:
                if message.key is not None:
                    subject = f"$KV.{self.bucket}.{message.key}"
                headers = _GONE if message.told is None else None
                waiting.append(await self._kept.publish_async(subject, data, headers=headers))
        if waiting:
            done, late = await asyncio.wait(waiting, timeout=TIMEOUT_S)
            for one in late:
                one.cancel()
            for one in done:
                one.result()
            if late:
                raise TimeoutError(f"NATS has not acknowledged {len(late)} messages")

    async def _let_go(self) -> None:
        client, self._client, self._kept = self._client, None, None
        if client is not None:
            await _end(client)


async def _end(client: "Client") -> None:
    """Close a client's connection, however far it came."""
    with suppress(Exception):
        async with asyncio.timeout(TIMEOUT_S):
            await client.close()
