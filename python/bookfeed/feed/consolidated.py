"""Several venues' books of one thing, read as one: best prices with their venues, one ladder,
sweeps across venues, where they cross, how far and how early each is, and who is out, and why.

The numbers are the compiled core's; here is only which books there are, and which may be believed.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Literal, Self

from bookfeed._bookfeed import (
    BookView,
    ConsolidatedFill,
    ConsolidatedLevel,
    Consolidation,
    LeadLag,
    VenueCrossing,
    VenueLead,
)
from bookfeed.errors import ConfigError
from bookfeed.feed.source import BookSource
from bookfeed.hints import closest
from bookfeed.rules.pairs import Pair
from bookfeed.venues import VENUES

Find = Callable[[], BookView | None]


class Consolidated:
    """The books that ``source`` (``Feed`` or ``Replay``) has of ``pair`` at ``venues``, as one::

        btc = Consolidated(venues, "BTC-USD", feed)
        print(btc.bid, btc.ask, btc.out)

    Every answer is of the moment it is asked, and only from books that may be relied on:
    ``max_age_s`` and ``proof`` demand of each what they demand of it in ``BookView.trusted``.
    ``out`` says who is left out, and why. Currencies are never equated: a pair in USDT is another
    pair. Prices are before fees. What a sweep pays of them stands beside it, where it is known:
    ``taker_bps`` says what venues take of the money that changes hands, in basis points.

    Raises ``ConfigError`` (a ``ValueError``) for a venue that is unknown or named twice, and for a
    fee of one that is not among them.
    """

    def __init__(
        self,
        venues: Iterable[str],
        pair: str,
        source: BookSource,
        *,
        max_age_s: float | timedelta | None = None,
        proof: Literal["hash", "checksum", "sequence", "touch", "rest", "venue"] | None = None,
        taker_bps: Mapping[str, float] | None = None,
    ) -> None:
        names = tuple(venues)
        for name in names:
            if name not in VENUES:
                problem = f'must be names of venues, not "{name}"{closest(name, VENUES)}'
                raise ConfigError("", "venues", problem)
            if names.count(name) > 1:
                raise ConfigError("", "venues", f'must differ, but "{name}" is there twice')
        for name in taker_bps or {}:
            if name not in names:
                raise ConfigError("", "taker_bps", f'"{name}" is none of the venues')
        self._begin({name: _by_pair(source, name, pair) for name in names}, pair, max_age_s, proof)
        self._taker_bps |= taker_bps or {}

    def _begin(
        self,
        find: Mapping[str, Find],
        name: str,
        max_age_s: float | timedelta | None,
        proof: Literal["hash", "checksum", "sequence", "touch", "rest", "venue"] | None,
    ) -> None:
        self.name = name
        self.facts: tuple[str, ...] = ()
        self._find = dict(find)
        self._max_age_s = max_age_s
        self._proof = proof
        self._taker_bps: dict[str, float] = {}
        self._leads = LeadLag(list(find))

    @classmethod
    def of_pair(
        cls,
        pair: Pair,
        source: BookSource,
        *,
        max_age_s: float | timedelta | None = None,
        proof: Literal["hash", "checksum", "sequence", "touch", "rest", "venue"] | None = None,
    ) -> Self:
        """The two legs of a pair of contracts as one book of its event: the best YES of both.

        ``facts`` says how what decides them differs: where it is not empty, their prices need not
        be the same, and a crossing is a basis trade.
        """
        venues = [leg.venue for leg in pair.legs]
        apart = len(set(venues)) == len(venues)
        find = {}
        for leg in pair.legs:
            name = leg.venue if apart else f"{leg.venue} {leg.symbol}"
            other = (leg.view == "no") != (leg.polarity == "inverted")
            find[name] = _by_symbol(source, leg.venue, leg.symbol, other=other)
        new = cls.__new__(cls)
        new._begin(find, pair.name, max_age_s, proof)  # noqa: SLF001 - its own
        new.facts = tuple(pair.basis())
        return new

    @property
    def venues(self) -> tuple[str, ...]:
        """Who is asked, in the order in which equal prices are told."""
        return tuple(self._find)

    @property
    def out(self) -> dict[str, str]:
        """Who is left out now, and why: ``"no_book"``, or ``Untrusted.reason``."""
        return self._sorted()[1]

    def now(self) -> Consolidation:
        """The books that may be relied on now."""
        return Consolidation(self._sorted()[0], taker_bps=self._taker_bps)

    def _sorted(self) -> tuple[dict[str, BookView], dict[str, str]]:
        """Books that may be relied on, and why others may not."""
        books: dict[str, BookView] = {}
        out: dict[str, str] = {}
        for name, find in self._find.items():
            view = find()
            if view is None:
                out[name] = "no_book"
                continue
            answer = view.trusted(max_age_s=self._max_age_s, proof=self._proof)
            if isinstance(answer, BookView):
                books[name] = answer
            else:
                out[name] = answer.reason
        return books, out

    @property
    def bid(self) -> ConsolidatedLevel | None:
        """The best bid of all, with its size and its venues; ``None`` if there is none."""
        return next(iter(self.ladder("bid", 1)), None)

    @property
    def ask(self) -> ConsolidatedLevel | None:
        """The best ask of all, likewise. It may be below the best bid: see ``crossing``."""
        return next(iter(self.ladder("ask", 1)), None)

    def ladder(
        self, side: Literal["bid", "ask"], depth: int | None = None
    ) -> list[ConsolidatedLevel]:
        """The best ``depth`` prices of a side, or all, each with the size of each venue."""
        return self.now().ladder(side, depth)

    def sweep(self, side: Literal["buy", "sell"], qty: float | str) -> ConsolidatedFill | None:
        """What taking ``qty`` from all venues would execute, where, and for which fees; ``None`` if
        nothing. The best prices before fees come first.
        """
        return self.now().sweep(side, qty)

    def sweep_notional(
        self, side: Literal["buy", "sell"], notional: float | str
    ) -> ConsolidatedFill | None:
        """As ``sweep``, for at most so much money."""
        return self.now().sweep_notional(side, notional)

    def crossing(self) -> VenueCrossing:
        """What could be bought at one venue and sold at another for more."""
        return self.now().crossing()

    @property
    def mid(self) -> float | None:
        """The median of the venues' mids; ``None`` if none has both sides."""
        return self.now().mid

    def basis(self) -> dict[str, float]:
        """How far each venue's mid is above ``mid``."""
        return self.now().basis()

    def basis_bps(self) -> dict[str, float]:
        """The same in basis points."""
        return self.now().basis_bps()

    def look(self, ts: int) -> None:
        """Remember the mids as they are at ``ts`` (Unix nanoseconds), for ``leads``.

        To be called ten times a second: by a timer, or at each update with its ``ts_recv``, which
        says the same of a replay.
        """
        self._leads.look(ts, self.now())

    def leads(self) -> dict[str, VenueLead]:
        """How far each venue was ahead of the others together over the last minute; one that moved
        too little, or not as they did, is not in it.
        """
        found = {name: self._leads.lead(name) for name in self._find}
        return {name: lead for name, lead in found.items() if lead is not None}


def _by_pair(source: BookSource, venue: str, pair: str) -> Find:
    """Finds the book of a pair of currencies, as soon as there is one."""

    def find() -> BookView | None:
        for number, name in source.names.items():
            if name.venue == venue and pair in (name.market, name.symbol):
                return _book(source, number)
        return None

    return find


def _by_symbol(source: BookSource, venue: str, symbol: str, *, other: bool) -> Find:
    """Finds a contract's book, or the other side of it."""

    def find() -> BookView | None:
        number = source.engine.instrument(venue, symbol)
        view = None if number is None else _book(source, number)
        return view.complement if view is not None and other else view

    return find


def _book(source: BookSource, number: int) -> BookView | None:
    try:
        return source.book(number)
    except KeyError:
        return None
