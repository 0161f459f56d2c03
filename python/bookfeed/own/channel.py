"""What ``account.py`` has to know of a venue's private channel, and how its REST is walked.

A walk is a generator: it yields requests and is sent their answers. Who asks, and when, is not its
business.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Final, Protocol, TypeAlias, TypeVar

from bookfeed.catalogue.fields import Fields, Malformed, parse
from bookfeed.own.events import OwnEvent
from bookfeed.own.state import OwnState
from bookfeed.venues.base import RestRequest, Venue
from bookfeed.venues.secret import Secret

# More pages than this are no account but an endless loop.
PAGES_MAX: Final = 10_000

T = TypeVar("T")

Reply: TypeAlias = tuple[int, bytes]
"""Status and body of an answer."""
Steps: TypeAlias = Generator[RestRequest, Reply, T]
"""Yields requests, is sent their answers, and returns what came of them."""
Walk: TypeAlias = Generator[RestRequest, Reply, None]
"""Asks by REST for what is so. It ends when the state agrees with what was answered, and raises
``NotYet`` where it does not yet."""


class NotYet(Exception):
    """REST answers do not fit together, or are older than what is known; ask again in a moment."""


class Taker(Protocol):
    """Where a channel's messages go."""

    def take(self, event: OwnEvent, *, asked_ns: int | None = None) -> None:
        """An event of the account's."""

    def doubt(self, what: str) -> None:
        """Something does not fit; it is to be asked by REST."""

    def acknowledged(self, channel: str) -> None:
        """The venue has confirmed a subscription."""

    def lost(self, reason: str) -> None:
        """The connection is of no use any more."""


class Channel(Protocol):
    """A venue's private channel; it holds the credentials and shows them to nobody."""

    nets: bool
    """Whether a sale of more than is held becomes shares of the other side."""
    channels: tuple[str, ...]
    """The subscriptions that the venue confirms; empty where it confirms none."""

    def venue(self) -> Venue:
        """How to talk to it: addresses, heartbeat, headers of the handshake."""

    def subscription(self) -> tuple[str | Secret, ...]:
        """The frames to send when the connection opens."""

    def probe(self) -> str | None:
        """A frame that is always answered, if the venue has one."""

    def secrets(self) -> set[str]:
        """What must not be shown."""

    def read(self, payload: bytes, ts_recv: int, taker: Taker) -> None:
        """Read a frame. Raises ``Malformed`` for one that is none."""

    def reconnected(self) -> None:
        """A new connection begins: numbers of streams start anew."""

    def sign(self, request: RestRequest, path: str, now_ms: int) -> dict[str, str]:
        """Headers of a request; ``path`` is the whole of the address without its query."""

    def walk(self, state: OwnState, taker: Taker, now_ns: Callable[[], int], since_ns: int) -> Walk:
        """Ask for everything since ``since_ns`` (the venue's time; 0 for all there is)."""


def page(answer: Reply) -> Fields:
    """The object of an answer."""
    return Fields(parse(answer[1]), "answer")


def unread(error: Malformed) -> str:
    """What could not be read, by its name alone: what stood there may be a piece of a secret."""
    return error.key or "it is no JSON"


def rows(found: Fields, key: str, taker: Taker) -> Iterator[Fields]:
    """The objects of a list; one that cannot be read is a doubt, and none of its neighbours'."""
    for raw in found.items(key):
        try:
            yield Fields(raw, key)
        except Malformed as error:
            taker.doubt(f"an answer could not be read: {unread(error)}")
