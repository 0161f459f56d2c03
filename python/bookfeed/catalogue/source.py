"""What a venue's way of asking for its listings offers; each venue's folder has one."""

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from bookfeed.catalogue.client import Budget, Client, Query
from bookfeed.catalogue.deciding import Verdict
from bookfeed.catalogue.history import Candle, PricePoint
from bookfeed.catalogue.listing import ListedEvent, ListedTrade, Listing, Skipped
from bookfeed.errors import CatalogueError
from bookfeed.market import Fee

Measure = Literal["volume_24h", "volume", "liquidity"]
"""By what markets are the foremost."""

_log: Final = logging.getLogger(__name__)


class Filter(NamedTuple):
    """Which events are asked for; what is ``None`` does not matter."""

    series: str | None = None
    tag: str | None = None
    ends_before_ts: int | None = None
    """Unix nanoseconds."""
    closed: bool = False
    """Those that are no longer traded, in place of those that are."""


class Source(ABC):
    """Asks one venue what it lists. What cannot be read is logged, and left out.

    Raises ``NotListed`` for a name that the venue does not know, and ``CatalogueError`` for what
    brings no answer.
    """

    venue: ClassVar[str]
    urls: ClassVar[Mapping[str, str]]
    """Where the venue is asked, unless told otherwise, by what for: ``"listings"`` at least."""
    ranks: ClassVar[bool]
    """Whether the venue sorts its markets and filters them by end, all of them at once."""
    budget: ClassVar[Budget]
    """How often it may be asked at each of them."""
    fee: ClassVar[type[Fee]]
    """What its listings say trading costs."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._clients: Final = clients

    async def ask(self, path: str, query: Query = (), *, at: str = "listings") -> Any:
        """What is answered at one of the venue's addresses."""
        return await self._clients[at].get(path, query)

    @staticmethod
    @abstractmethod
    def name_in(target: str) -> str | None:
        """The venue's name in what people paste: an address, a name; ``None``: another's."""

    @abstractmethod
    async def markets(self, name: str) -> tuple[Listing, ...]:
        """The markets that a name stands for: one, or all of an event."""

    @abstractmethod
    async def event(self, name: str) -> ListedEvent:
        """The event of this name, or that of the market of this name."""

    @abstractmethod
    async def search(self, text: str, limit: int) -> tuple[ListedEvent, ...]:
        """Events that a text finds, the best first, as far as the venue tells which those are."""

    @abstractmethod
    async def top(self, count: int, by: Measure) -> tuple[Listing, ...]:
        """The foremost markets that are traded."""

    @abstractmethod
    def events(self, wanted: Filter) -> AsyncIterator[ListedEvent]:
        """Every event that is wanted, in the venue's order, page by page."""

    @abstractmethod
    async def ending(self, series: str, end_ts: int) -> tuple[Listing, ...]:
        """What ends at that time and may be of a rolling series, whatever it is called."""

    @abstractmethod
    async def has_books(self, listing: Listing) -> bool:
        """Whether the books of a listed market are there already."""

    @abstractmethod
    async def verdicts(self, listing: Listing) -> tuple[Verdict, ...]:
        """How a market ended, as each witness of the venue tells it that tells it by now."""

    @abstractmethod
    async def trades(
        self, listing: Listing, count: int, since_ts: int = 0
    ) -> tuple[ListedTrade, ...]:
        """The newest trades of a market since ``since_ts``, newest first, at most ``count``."""

    @abstractmethod
    async def candles(
        self, listing: Listing, outcome: str, minutes: int, since_ts: int, until_ts: int
    ) -> tuple[Candle, ...]:
        """The candles of an outcome that end in a time, the earliest first."""

    @abstractmethod
    async def prices(
        self, listing: Listing, outcome: str, minutes: int, since_ts: int, until_ts: int
    ) -> tuple[PricePoint, ...]:
        """The prices of an outcome in a time, about so many minutes apart, the earliest first."""

    @staticmethod
    @abstractmethod
    def table(listing: Listing) -> Mapping[str, object]:
        """The ``[[market]]`` of a configuration that follows a listed market."""

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()

    def tell(self, skipped: Iterable[Skipped]) -> None:
        """Log what cannot be read."""
        for name, problem in skipped:
            _log.warning("%s: %s is left out: %s", self.venue, name or "a nameless object", problem)


class Paged(Protocol):
    """An answer that says where the next one begins."""

    @property
    def cursor(self) -> str:
        """Empty at the end."""


P = TypeVar("P", bound=Paged)


async def pages(
    ask: Callable[[str], Awaitable[P]], venue: str, pages_max: int = 500
) -> AsyncIterator[P]:
    """One page after the other, each asked for by the cursor of the one before, to the end.

    ``CatalogueError`` for a cursor that comes again, and for more pages than can be meant.
    """
    seen: set[str] = {""}
    cursor = ""
    while len(seen) <= pages_max:
        page = await ask(cursor)
        yield page
        cursor = page.cursor
        if not cursor:
            return
        if cursor in seen:
            raise CatalogueError(f"{venue} gives the same page again and again: ask for less")
        seen.add(cursor)
    raise CatalogueError(f"{venue} gives more than {pages_max} pages: ask for less")


class Rows(NamedTuple):
    """Some trades of a record of them, newest first, and where older ones begin."""

    trades: tuple[ListedTrade, ...]
    cursor: str


async def newest(found: AsyncIterator[Rows], count: int, since_ts: int) -> tuple[ListedTrade, ...]:
    """The trades of pages until there are enough, or they are too old."""
    trades: list[ListedTrade] = []
    async for page in found:
        trades += page.trades
        if len(trades) >= count or (page.trades and page.trades[-1].ts < since_ts):
            break
    return tuple(one for one in trades[:count] if one.ts >= since_ts)


def address(target: str) -> tuple[str, tuple[str, ...]] | None:
    """Host and steps of the path of an address; ``None`` for what is none."""
    if "://" not in target:
        return None
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    return (parts.hostname or ""), tuple(step for step in parts.path.split("/") if step)


def is_host(host: str, domain: str) -> bool:
    """Whether a host is a domain or in it."""
    return host == domain or host.endswith(f".{domain}")


def one_of(markets: Sequence[Listing], name: str) -> tuple[Listing, ...]:
    """Those markets of an event that have this name, else all of them."""
    return tuple(one for one in markets if name in (one.slug, one.market)) or tuple(markets)
