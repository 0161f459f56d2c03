"""What a venue is to the rest of the program: to sessions, to configurations, to rules.

A venue is two code files: its decoder in the core, which reads market data, and one module beside
this one, which fills in a ``Venue`` (how to talk to it) and a ``Row`` (what it is called, how it is
configured, what serves it in tests). Nothing here reads market data.
"""

import re
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final
from urllib.parse import urlsplit, urlunsplit

from bookfeed.market import Market
from bookfeed.schema import Text, Url

if TYPE_CHECKING:
    from bookfeed.venues.relay import Relay

WsUrl = Annotated[str, Url(("ws", "wss"))]
RestUrl = Annotated[str, Url(("http", "https"), optional=True)]
Name = Annotated[str, Text(r"(?s).{1,200}", "a name of 1 to 200 characters")]
AnyName = Annotated[str, Text(r"(?s).{0,200}", "a name of at most 200 characters")]


# How to talk to a venue.


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One HTTP request, relative to the venue's REST address; ``body`` is JSON.

    ``answers`` are the status codes with which an answer is one.
    """

    method: str
    path: str
    body: bytes | None = None
    answers: frozenset[int] = frozenset((200,))


@dataclass(frozen=True, slots=True)
class RestNews:
    """How a venue is asked by REST for what its stream of news may have left out.

    The bodies of the answers are such that the engine's ``ingest_rest`` understands.
    """

    market: Callable[[Sequence[str]], RestRequest]
    """(symbols): how markets stand, at most ``markets_max`` of them."""
    event: Callable[[str], RestRequest]
    """(name): the fees of an event's markets."""
    series: Callable[[str], RestRequest]
    """(name): the fees of a series."""
    status: RestRequest
    """Whether the venue trades as a whole."""
    schedule: RestRequest
    """When it will not."""
    markets_max: int = 100


@dataclass(frozen=True, slots=True)
class HandshakeRefusal:
    """A handshake that was answered with 401 or 403.

    ``code`` is the error code in the answer's body, ``skew_s`` how many seconds our clock is
    ahead of the server's; ``None`` where the answer did not say.
    """

    status: int
    code: str | None = None
    skew_s: int | None = None


class Fault(Enum):
    """What an error of a venue means for a connection."""

    DEAD = auto()
    """The stream has ended; it has to be subscribed again."""
    OVERFLOW = auto()
    """The same, because we read too slowly or asked for too much."""
    FULL = auto()
    """More markets than a stream may have."""
    BUSY = auto()
    """Too many commands."""


@dataclass(frozen=True, slots=True)
class Commands:
    """Frames for an open connection, where the venue numbers its streams.

    In the calls, the first argument is the number that the venue's reply will carry, ``sid``
    the number the venue gave to a stream. ``channels`` are those that carry markets, the one
    with the books first. Numbers below ``first_id`` are used by ``Venue.subscription``.
    """

    channels: tuple[str, ...]
    beside: Callable[[Sequence[str]], tuple[str, ...]]
    """(symbols): the channels that a connection with them has besides that of the books."""
    subscribe: Callable[[int, str, Sequence[str]], str]
    """(id, channel, symbols): begins the stream, or adds to it if there is one."""
    unsubscribe: Callable[[int, int], str]
    """(id, sid): ends the stream."""
    add: Callable[[int, int, Sequence[str]], str]
    """(id, sid, symbols)"""
    delete: Callable[[int, int, Sequence[str]], str]
    """(id, sid, symbols)"""
    snapshot: Callable[[int, int, Sequence[str]], str]
    """(id, sid, symbols): whole books, in their place in the stream."""
    hello: Callable[[int], str]
    """(id): anything that is always answered."""
    faults: Mapping[int, Fault] = field(default_factory=dict)
    snapshot_symbols_max: int = 100
    first_id: int = 100


@dataclass(frozen=True, slots=True)
class RestBooks:
    """Whole books by REST, of at most ``symbols_max`` symbols a request.

    The body of the answer is one that the engine's ``ingest_rest`` understands.
    """

    request: Callable[[Sequence[str]], RestRequest]
    symbols_max: int = 1


@dataclass(frozen=True, slots=True)
class Membership:
    """Frames by which symbols come onto an open connection and leave it.

    ``join`` and ``leave`` are called with a number that the venue's reply will carry, from
    ``first_id`` on, and at most ``symbols_max`` symbols. At most ``burst`` frames are sent at once,
    and one more every ``interval_s`` seconds; it leaves room for pongs, where those count.
    """

    join: Callable[[int, Sequence[str]], tuple[str, ...]]
    leave: Callable[[int, Sequence[str]], tuple[str, ...]]
    symbols_max: int
    burst: int
    interval_s: float
    first_id: int = 100


@dataclass(frozen=True, slots=True)
class RestWitness:
    """A book by REST that is held against one of the stream whose silence is odd, or will soon have
    lasted too long; it replaces none.

    ``request`` asks for one symbol, every ``interval_s`` seconds at most and once more at first;
    the engine's ``ingest_rest`` understands the answer.
    """

    request: Callable[[str], RestRequest]
    interval_s: float


@dataclass(frozen=True, slots=True)
class RestSeeds:
    """Whole books by REST, which the numbered updates of a stream follow; one symbol a request.

    The answer does not name its symbol, so the engine is told. Without them no book is ever whole:
    such a venue needs REST. At most ``burst`` requests are sent at once, and one more every
    ``interval_s`` seconds. ``witness`` asks for less of a book, where a whole one costs so much
    that silent ones could not be asked about in time.
    """

    request: Callable[[str], RestRequest]
    members: Membership
    burst: int
    interval_s: float
    witness: RestWitness | None = None


@dataclass(frozen=True, slots=True)
class RestPoll:
    """Whole books by REST, asked for again and again where nothing streams.

    ``books`` asks for at most ``symbols_max`` symbols, each of which the answer names, in a form
    that the engine's ``ingest_poll`` understands; unless it is not ``named``, which takes requests
    for one symbol. A book is asked for every ``every_s`` seconds, unless the user says otherwise.
    At most ``burst`` requests are sent at once, and one more every ``interval_s`` seconds.
    ``witness`` asks for the best prices of symbols alone, where answers may hold books that are
    none; ``None`` where they do not.
    """

    books: Callable[[Sequence[str]], RestRequest]
    symbols_max: int
    burst: int
    interval_s: float
    witness: Callable[[Sequence[str]], RestRequest] | None = None
    named: bool = True
    every_s: float = 1.5


@dataclass(frozen=True, slots=True)
class Resubscription:
    """Whole books come with a subscription: a symbol's book is given up and subscribed again.

    ``leave`` and ``join`` are called with a number that the venue's reply will carry. ``hello`` is
    anything that is always answered; ``None``: nothing is known to be. ``is_busy`` says of the text
    of an error that there were too many commands. ``confirms`` says that an answer carries the
    number of its command, so that a book is subscribed again once it is given up; else both are
    sent, and the venue takes them in order. ``answer`` is what the venue is told when it asks
    whether anybody is there, with the number of its question; ``None``: it does not ask.
    """

    members: Membership
    join: Callable[[int, str], str]
    leave: Callable[[int, str], str]
    hello: Callable[[int], str] | None
    is_busy: Callable[[str], bool]
    confirms: bool = True
    answer: Callable[[int], str] | None = None


Recovery = Commands | RestBooks | RestSeeds | Resubscription | None
"""How a book is fetched anew; ``None``: only by a new connection."""


def _never_pong(_text: bytes) -> bool:
    return False


def _refused(refusal: HandshakeRefusal) -> str:
    return f"refused with HTTP {refusal.status}"


@dataclass(frozen=True, slots=True)
class Venue:
    """How to talk to a venue. Times in seconds, sizes in bytes.

    ``subscription`` returns the frames to send at once when a connection opens. ``recovery`` is how
    whole books are fetched anew. Where that is by commands or by subscribing again, a stream that
    says nothing is asked for a sign of life after ``probe_interval_s`` (0: never). A connection is
    replaced a little before it is ``lifetime_s`` old (0: never). ``depth`` is how many levels a
    side a subscription tells (``None``: all). ``mode`` tells the venue's decoder how the venue was
    asked to speak; it is recorded with every connection.

    ``poll`` is how books are kept where nothing streams, ``unstreamed`` why that is so for whoever
    is not on this machine; empty if it is not.

    ``handshake_headers`` is called with the wall clock's milliseconds for every attempt to
    connect; ``explain_refusal`` says what to do when they were refused. ``check_url`` raises
    ``ConfigError`` for an address the venue cannot be used at as it is.
    """

    name: str
    """Its name in configuration, records and output."""
    ws_url: str
    """Address of its WebSocket."""
    rest_url: str | None
    """Address of its REST interface; ``None`` if none is used."""
    subscription: Callable[[Sequence[str]], tuple[str, ...]]
    recovery: Recovery = None
    witness: RestWitness | None = None
    """Who is asked about silent books, where ``recovery`` does not ask by REST anyway."""
    news: RestNews | None = None
    """How it is asked for news by REST; ``None`` if it is not."""
    time: RestRequest | None = None
    """A question by REST that costs little: any answer has its date, and some the venue's time."""
    poll: RestPoll | None = None
    unstreamed: str = ""
    members: Membership | None = None
    """How symbols come and go on an open connection; ``None`` where ``recovery`` says so, or they
    cannot."""
    ping_text: str | None = None
    """Text that is sent as a heartbeat; ``None``: WebSocket pings are enough."""
    is_pong: Callable[[bytes], bool] = field(default=_never_pong)
    """Whether a text answers the heartbeat."""
    ping_interval_s: float = 10.0
    """Time between two heartbeats."""
    pong_timeout_s: float = 30.0
    """How long an answer may take."""
    symbols_per_connection: int = 200
    """How many symbols a connection carries unless told otherwise."""
    symbols_per_connection_max: int = 450
    """The most that a connection may carry."""
    connections_max: int | None = None
    """The most connections at once; ``None``: no limit is known."""
    connect_stagger_s: float = 0.1
    """Least time between two attempts to connect."""
    frame_bytes_max: int = 64 * 1024 * 1024
    """Longest frame that is taken unless told otherwise; a longer one ends the connection."""
    probe_interval_s: float = 0.0
    lifetime_s: float = 0.0
    subscribe_after_s: float = 0.0
    """How long after opening a connection says its first word."""
    depth: int | None = None
    mode: str = ""
    handshake_headers: Callable[[int], Mapping[str, str]] | None = None
    explain_refusal: Callable[[HandshakeRefusal], str] = field(default=_refused)
    check_url: Callable[[str], None] | None = None
    hidden: Callable[[], Iterable[str]] = tuple
    """What must not be shown of what its peer says, besides headers and addresses."""

    @property
    def needs_rest(self) -> bool:
        """Whether no book is ever whole without REST."""
        return isinstance(self.recovery, RestSeeds)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where a venue has the same books for those that its main addresses turn away."""

    url: str
    """Address of its WebSocket there."""
    rest_url: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A venue and where it is to be found; without ``rest_url`` nothing is fetched by REST.
    Where it answers 403 or 451, its ``mirror`` is asked instead, if it has one. ``second`` is
    another interface of the venue that tells the same books, which are held against those of this
    one; its venue has the mode ``second``.

    ``headers`` are sent with every handshake of the WebSocket, but not with REST requests; those
    by which the venue recognises a key replace them. Their values are secrets: they are neither
    logged nor shown, and neither are a name, a password or a query in the addresses.
    Raises ``ValueError`` for a header that cannot be sent.
    """

    venue: Venue
    """How to talk to it."""
    url: str
    """Address of its WebSocket."""
    rest_url: str | None = None
    ssl_context: ssl.SSLContext | None = None
    """TLS settings of the WebSocket; ``None``: the system's."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    mirror: Mirror | None = None
    second: "Endpoint | None" = None

    def __post_init__(self) -> None:
        if not isinstance(self.headers, Mapping):
            raise TypeError("headers must be a mapping of names to values")
        for name, value in self.headers.items():
            _check_header(name, value)

    @property
    def unstreamed(self) -> str:
        """Why nothing streams from there, in words; empty if it may."""
        here = is_loopback(urlsplit(self.url).hostname or "")
        return "" if here else self.venue.unstreamed

    def __repr__(self) -> str:
        url, rest_url = (text and _without_secrets(text) for text in (self.url, self.rest_url))
        return (
            f"Endpoint({self.venue.name}, url={url!r}, rest_url={rest_url!r}, "
            f"headers={sorted(self.headers)})"
        )


def is_loopback(host: str) -> bool:
    """Whether a host, by its name or number, is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _without_secrets(url: str) -> str:
    """An address without what may say whose it is."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "…"  # no address at all: whatever it is stays hidden
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


# RFC 9110: what a header may be called, and what its value may hold.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e\t]*")


def _check_header(name: object, value: object) -> None:
    """Raise ``ValueError`` naming the header, never its value."""
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        # Not repeated: a value may have been written where the name belongs.
        raise ValueError("headers: a name must be letters, digits and hyphens, nothing else")
    lower = name.lower()
    if lower in ("host", "upgrade", "connection") or lower.startswith("sec-websocket-"):
        raise ValueError(f"header {name!r} belongs to the handshake itself: leave it out")
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
        raise ValueError(
            f"header {name!r}: its value must be one line of printable ASCII "
            "(no line breaks; strip what was read from a file)"
        )


# How a venue is configured.

# In place of a key: none at all, whatever is configured or in the environment.
NO_KEY: Final = object()


class Section(ABC):
    """``[<venue>]`` of a configuration: a dataclass, every field of which has a default."""

    __slots__ = ()

    SECRETS: ClassVar[tuple[str, ...]] = ()
    """Fields that say whose key is used: neither shown nor part of a fingerprint."""

    @abstractmethod
    def endpoint(self, source: str, key: Any = None) -> Endpoint:
        """The venue as it is configured, with the address of its REST or without one.

        ``source`` is what errors call the configuration, ``key`` replaces the key that is
        configured or in the environment; ``NO_KEY`` means none. Raises ``ConfigError`` for a key
        that cannot be used.
        """


class MarketSection(ABC):
    """``[[market]]`` of a configuration: a dataclass with the field ``venue``."""

    __slots__ = ()

    SYMBOL: ClassVar[tuple[str, str]]
    """The key that holds the symbols, and the word for one of them."""

    venue: str

    @abstractmethod
    def to_market(self, section: Any) -> Market:
        """The same as the feed knows it; ``section`` is the venue's ``Section``."""


# What everybody else knows of a venue.


@dataclass(frozen=True, slots=True)
class Legs:
    """What the legs of pairs, baskets and ladders are on a venue.

    ``symbol`` says in words what their symbol is, ``outcomes`` what they may be called; without
    names of its own, a leg's outcome is called as in its market. ``augmented`` is what a basket has
    to state where outcomes may be added to a set that is followed; empty where none ever are.
    """

    symbol: str
    outcomes: tuple[str, ...] = ()
    augmented: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A venue in the registry.

    ``section`` and ``market`` are its parts of a configuration; ``section`` is ``None`` where there
    is nothing to connect to. ``target`` makes a ``[[market]]`` table of what follows ``<name>:`` on
    a command line. ``simulator`` is the module that serves it in tests and demos, empty where
    nothing does. ``legs`` is ``None`` where markets pay nothing out, so that no bundle can be made
    of them. ``moved`` has keys that once stood elsewhere, by where they stood, as
    ``"section.key"``: their name in ``section`` now. ``credentials`` finds a key in variables of an
    environment, which errors call by the name given; ``None`` where none is needed. ``doubt`` says
    what of a market is worth a warning; empty if nothing is. ``relays`` tell prices, trades and
    comments beside the books.
    """

    name: str
    section: type[Section] | None
    market: type[MarketSection]
    target: Callable[[str], Mapping[str, object]]
    simulator: str
    legs: Legs | None = None
    moved: Mapping[str, str] = field(default_factory=dict)
    credentials: Callable[[Mapping[str, str], str], Any] | None = None
    doubt: Callable[[Market], str] = lambda _market: ""
    relays: "tuple[Relay, ...]" = ()
