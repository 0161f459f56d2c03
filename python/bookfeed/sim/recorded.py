"""A recording served in the protocol of its venues: what that takes whatever is spoken.

A server is handed the frames of its venue in the order and at the pace in which they were received,
and asks the past for whole books. Whoever subscribes in the middle is told the book of that moment
first; from then on he *has* it, and is told its frames byte for byte. A book that may not be
believed at a moment is told nobody until it is whole again, and then whole.

What was recorded, and what may be believed of it, is somebody else's knowledge: ``Past``.
"""

import asyncio
import logging
import ssl
import time
from abc import abstractmethod
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeVar

from bookfeed.sim.faults import Injector, Mishap
from bookfeed.sim.peer import Peer
from bookfeed.sim.server import RestService, VenueServer, check_listening

NORMAL: Final = 1000
GOING_AWAY: Final = 1001

# Steps between two turns of the loop, however late it is.
_STEPS_PER_TURN: Final = 64
_GOODBYE_S: Final = 1.0
_RETURN_S: Final = 5.0
"""How long whoever was cut off has to come back, where nothing else sets the pace."""
_E9: Final = 1_000_000_000

_log = logging.getLogger("bookfeed.sim")


class Whole(Protocol):
    """A whole book; levels best first, prices 1e-9, sizes 1e-8, times Unix ns."""

    @property
    def bids(self) -> Sequence[tuple[int, int]]:
        """Price and size of each."""

    @property
    def asks(self) -> Sequence[tuple[int, int]]:
        """Price and size of each."""

    @property
    def ts_event(self) -> int | None:
        """The venue's time of the newest message in it."""

    @property
    def update_id(self) -> int | None:
        """The venue's number of the newest update in it."""

    @property
    def tick_size_e9(self) -> int | None:
        """The distance of its prices."""


class Listed(Protocol):
    """What the recording says a book is; decimals as text, empty where it says nothing."""

    @property
    def symbol(self) -> str:
        """The venue's name for it."""

    @property
    def market(self) -> str:
        """The venue's id of its market."""

    @property
    def outcome(self) -> str:
        """Of the market."""

    @property
    def tick_size(self) -> str:
        """As listed."""

    @property
    def min_order_size(self) -> str:
        """As listed."""

    @property
    def fee(self) -> str:
        """``venue:terms``."""

    @property
    def hints(self) -> str:
        """What a proof of the venue has to know."""


class Step(Protocol):
    """One record; see ``bookfeed.recordings.playback.Step``."""

    @property
    def ts(self) -> int:
        """When it was received, Unix ns."""

    @property
    def venue(self) -> str:
        """Whose frame it is."""

    @property
    def conn(self) -> int:
        """The number of its connection."""

    @property
    def epoch(self) -> int:
        """Which attempt of that connection it is."""

    @property
    def mode(self) -> str:
        """How the venue was asked to speak."""

    @property
    def frame(self) -> bytes | None:
        """The frame, if it is one."""

    @property
    def lost(self) -> Sequence[tuple[str, str]]:
        """Venue and symbol of books that may not be believed any more."""

    @property
    def gained(self) -> Sequence[tuple[str, str]]:
        """Those that may be from here on."""

    @property
    def cut(self) -> bool:
        """Whether a connection ended."""

    @property
    def news(self) -> frozenset[str] | None:
        """Of which symbols the frame says something new, if not of all."""


class Past(Protocol):
    """The recording."""

    @property
    def begin_ns(self) -> int:
        """The time of the first record that has one, Unix ns."""

    @property
    def now_ns(self) -> int:
        """The time that was reached."""

    def book(self, venue: str, symbol: str) -> Whole | None:
        """A book as it stands; ``None`` if it may not be believed."""

    @property
    def next_ns(self) -> int | None:
        """The time of the record that comes next; ``None`` at the end."""

    def take(self) -> Sequence[Step]:
        """Goes on by one record; what it brought."""


@dataclass(frozen=True, slots=True)
class RecordedConfig:
    """Where a recording is served. ``ValueError`` for what cannot be."""

    host: str = "127.0.0.1"
    port: int = 0
    """WebSocket port; 0 picks a free one."""
    rest_port: int = 0
    """REST port; 0 picks a free one."""
    rest: bool = True
    """Whether to serve REST, if aiohttp is installed."""
    tls: ssl.SSLContext | None = None
    rate: float = 0.0
    faults: tuple[Mishap, ...] = ()

    def __post_init__(self) -> None:
        check_listening(self)


class RecordedPeer(Peer):
    """The server's end of one connection, which knows what its client has."""

    def __init__(self, hub: Any) -> None:
        super().__init__(hub)
        self.has: set[str] = set()
        """The symbols of whose books the client has been told the whole, and every change since."""

    @abstractmethod
    def follows(self) -> Iterable[str]:
        """The symbols whose books the client subscribed."""


C = TypeVar("C", bound=RecordedPeer)


class RecordedServer(VenueServer[C]):
    """Serves what was recorded of one venue."""

    VENUE: str

    def __init__(self, config: RecordedConfig, past: Past, listed: Sequence[Listed]) -> None:
        super().__init__(config)
        self.injector = Injector[Mishap, Any]((), 0, 0)
        self.asked = asyncio.Event()
        """Set while somebody has subscribed to something."""
        self.books_sent = 0
        """Whole books told so far, by REST aside."""
        self.withheld = 0
        """How often a book that somebody had could not be believed any more."""
        self._past = past
        self._listed = listed
        self._audience: dict[str, list[C]] = {}

    # what happened

    def take(self, step: Step) -> None:
        """Tells the clients what a step has for them."""
        lost = [symbol for venue, symbol in step.lost if venue == self.VENUE]
        if lost:
            self._lose(lost, cut=step.cut)
        if step.frame is not None and step.venue == self.VENUE:
            self.frames_sent += self._carry(step, step.frame)
        for venue, symbol in step.gained:
            if venue == self.VENUE:
                self._gain(symbol)

    def _lose(self, symbols: Sequence[str], *, cut: bool) -> None:
        """Takes books away from whoever has them. Who had one over a connection that ended is told
        so by the end of his own: nobody can hear otherwise that he misses something.
        """
        had = {id(one): one for name in symbols for one in self._audience.get(name, ())
               if name in one.has}  # fmt: skip
        for symbol in symbols:
            _log.info("%s %s may not be believed: not served until it is whole again",
                      self.VENUE, symbol)  # fmt: skip
        self.withheld += len(symbols) if had else 0
        for client in had.values():
            client.has.difference_update(symbols)
            if cut:
                client.close(GOING_AWAY, b"the recorded connection ended here")

    def _gain(self, symbol: str) -> None:
        for client in self._audience.get(symbol, ()):
            if symbol not in client.has and client.open:
                _log.debug("%s %s is whole again for connection %d",
                           self.VENUE, symbol, client.conn)  # fmt: skip
                self._tell_whole(client, symbol)

    def stands(self, symbol: str) -> Whole | None:
        """A book as it stands; ``None`` if it may not be believed."""
        return self._past.book(self.VENUE, symbol)

    def flush(self) -> None:
        """Hands everything queued to the sockets."""
        for client in list(self._clients.values()):
            client.flush()

    async def wait_writable(self) -> None:
        """Returns when no client reads too slowly."""
        await self._writable.wait()

    async def end(self) -> None:
        """Says goodbye to everybody in good order, and takes nobody in any more."""
        self.refusing = HTTPStatus.SERVICE_UNAVAILABLE
        for client in list(self._clients.values()):
            client.close(NORMAL, b"the recording ends here")
        deadline_s = time.monotonic() + _GOODBYE_S
        while self._clients and time.monotonic() < deadline_s:  # noqa: ASYNC110 - it rings no bell
            await asyncio.sleep(0.01)

    # what each venue does in its own way

    @abstractmethod
    def _carry(self, step: Step, frame: bytes) -> int:
        """Tells a frame to whoever is to hear it; returns how many frames that made."""

    @abstractmethod
    def _tell_whole(self, client: C, symbol: str) -> None:
        """Tells a client a whole book that he follows and can be believed; he has it then."""

    @abstractmethod
    def ready(self) -> dict[str, Any]:
        """What a client needs to know."""

    # the hub of the connections

    def _follow(self) -> None:
        self._audience = {}
        for client in self._clients.values():
            for symbol in client.follows():
                self._audience.setdefault(symbol, []).append(client)
        if self._audience:
            self.asked.set()
        else:
            self.asked.clear()

    def _welcome(self, conn: int) -> None:
        self.injector.connected(conn)

    def _make_rest(self) -> RestService:
        raise ModuleNotFoundError("no REST side", name="nothing: this venue's books are streamed")

    # a recording has its own pace

    async def _run(self) -> None:
        await asyncio.Event().wait()

    @property
    def _active(self) -> bool:
        return False

    def _due(self, now_ms: int) -> int:
        return 0

    def _step(self, now_ms: int) -> int:
        return 0


class Rerun:
    """Servers of the venues of one recording, and its pace.

    It begins at ``begin_ns``, Unix ns, as soon as anybody has subscribed to something, and goes
    ``speed`` times as fast as it was received; at 0 as fast as the clients read, and while nobody
    is there it waits for ``_RETURN_S``.
    """

    def __init__(
        self,
        past: Past,
        servers: Mapping[str, RecordedServer[Any]],
        *,
        speed: float = 1.0,
        begin_ns: int | None = None,
    ) -> None:
        self.servers: Final = servers
        self.ended = False
        """Whether it came to its end."""
        self._past = past
        self._speed = speed
        self._begin_ns: Final = past.begin_ns if begin_ns is None else begin_ns
        self._playing: asyncio.Task[None] | None = None
        self._skip()

    def _skip(self) -> None:
        """Goes to where it begins, with nobody listening yet.

        What was recorded before there was a time, such as how a venue is spoken to, has none.
        """
        while (next_ns := self._past.next_ns) is not None and next_ns < self._begin_ns:
            self._go_on()

    def _go_on(self) -> None:
        for step in self._past.take():
            for server in self.servers.values():
                server.take(step)

    async def start(self) -> None:
        """Listens; ``OSError`` if it cannot."""
        for server in self.servers.values():
            await server.start()
        self._playing = asyncio.create_task(self._play(), name="bookfeed-sim-recording")

    async def close(self) -> None:
        """Stops where it is, closes every connection and stops listening."""
        if self._playing is not None:
            self._playing.cancel()
            with suppress(asyncio.CancelledError):
                await self._playing
        for server in self.servers.values():
            await server.close()

    async def wait(self) -> None:
        """Returns at the end of the recording, or raises what broke it."""
        if self._playing is not None:
            await asyncio.wait([self._playing])
            if not self._playing.cancelled():
                self._playing.result()

    async def _play(self) -> None:
        await self._somebody()
        loop = asyncio.get_running_loop()
        begin_s, taken = loop.time(), 0
        while (next_ns := self._past.next_ns) is not None:
            due_s = begin_s
            if self._speed:
                due_s += (next_ns - self._begin_ns) / _E9 / self._speed
            wait_s = due_s - loop.time()
            taken += 1
            if wait_s > 0 or taken % _STEPS_PER_TURN == 0:
                for server in self.servers.values():
                    server.flush()
                    if not self._speed:
                        await server.wait_writable()
                if not self._speed:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._somebody(), _RETURN_S)
                await asyncio.sleep(max(0.0, wait_s))
            # Only now: a book that is asked for meanwhile must be without what comes next.
            self._go_on()
        for server in self.servers.values():
            server.flush()
        for server in self.servers.values():
            await server.end()
        self.ended = True

    async def _somebody(self) -> None:
        """Returns when somebody has subscribed to something."""
        if not any(server.asked.is_set() for server in self.servers.values()):
            await _first(server.asked.wait() for server in self.servers.values())


async def _first(waits: Iterable[Awaitable[Any]]) -> None:
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
