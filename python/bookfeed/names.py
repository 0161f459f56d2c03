"""What numbers in records stand for: ``Names`` tells of every instrument which book it is.

Records carry small numbers, since those are quick to write and to compare. Names are looked up
when a record becomes an object, a line or a row. A number is never given twice, and the names of
those that went last are kept, so that a reader who is behind still finds them.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

# So many names of books that are gone are kept.
GONE_MAX: Final = 10_000
TITLE_MAX: Final = 300
"""Characters of a title: it comes from strangers, and goes to everybody."""


@dataclass(frozen=True, slots=True)
class Name:
    """What one instrument is called; every part is text, empty where it is not known."""

    venue: str
    """The venue's name, as in a configuration."""
    market: str
    """The venue's id of the market."""
    outcome: str
    """The outcome in words, such as ``"Yes"``."""
    symbol: str
    """The venue's symbol of the book."""
    title: str
    """What to show people: the market's name, or else its id, or else the symbol."""


def short(title: str) -> str:
    """A title as it is, or its beginning if it is too long for one."""
    return title if len(title) <= TITLE_MAX else title[: TITLE_MAX - 1] + "…"


class IndexName(NamedTuple):
    """What one estimated index is called, and of what it is."""

    name: str
    asset: str
    """Such as ``"BTC"``."""
    books: tuple[tuple[str, str], ...]
    """Venue and symbol of each of its constituents."""
    tick_ms: int
    """Milliseconds between two of its effective times."""

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues of its books, in their order."""
        return tuple(venue for venue, _ in self.books)


class Names(Mapping[int, Name]):
    """Names of books by instrument number, and of rules by theirs.

    A mapping that grows with them: ``names[update.instrument].title``. An instrument that it does
    not know raises ``KeyError``; ``names.get(number)`` is ``None`` then. ``names.rules`` has the
    name of each rule by its number, empty for a rule without one.
    """

    def __init__(self) -> None:
        self._names: Final[dict[int, Name]] = {}
        self._symbols: Final[dict[int, str]] = {}
        self._rules: Final[dict[int, str]] = {}
        self._indices: Final[dict[int, IndexName]] = {}
        self._titles: Final[dict[tuple[str, str], str]] = {}
        self._gone: Final[deque[int]] = deque()
        self._changes = 0

    def __getitem__(self, instrument: int) -> Name:
        """Return the name of an instrument; ``KeyError`` if it is not known."""
        return self._names[instrument]

    def __iter__(self) -> Iterator[int]:
        """Iterate the instrument numbers, in the order in which they came."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return how many instruments are known."""
        return len(self._names)

    @property
    def symbols(self) -> Mapping[int, str]:
        """The symbol of each instrument by its number; grows with the names."""
        return self._symbols

    @property
    def rules(self) -> Mapping[int, str]:
        """The name of each rule by its number, empty if it has none; grows with the rules."""
        return self._rules

    @property
    def indices(self) -> Mapping[int, IndexName]:
        """What each estimated index is called, and of what it is, by its number."""
        return self._indices

    @property
    def changes(self) -> int:
        """How often something was learnt; who has seen this number knows all that there is."""
        return self._changes

    def learn(
        self, instrument: int, *, venue: str, symbol: str, market: str, outcome: str, title: str
    ) -> None:
        """Add an instrument, or tell more of one; empty text is what is not known."""
        shown = title or self._titles.get((venue, market)) or market or symbol
        self._names[instrument] = Name(venue, market, outcome, symbol, short(shown))
        self._symbols[instrument] = symbol
        self._changes += 1

    def entitle(self, venue: str, market: str, title: str) -> None:
        """Tell the title of a market, whose instruments may be known already."""
        title = short(title)
        if not title or self._titles.get((venue, market)) == title:
            return
        self._titles[venue, market] = title
        self._changes += 1
        if len(self._titles) > GONE_MAX:
            del self._titles[next(iter(self._titles))]
        for instrument, name in self._names.items():
            if (name.venue, name.market) == (venue, market):
                self._names[instrument] = replace(name, title=title)

    def forget(self, instrument: int) -> None:
        """A book is gone; its name is kept until those of many others are."""
        self._gone.append(instrument)
        if len(self._gone) > GONE_MAX:
            oldest = self._gone.popleft()
            self._names.pop(oldest, None)
            self._symbols.pop(oldest, None)

    def learn_rule(self, number: int, name: str) -> None:
        """Add a rule, or tell its name."""
        self._rules[number] = name
        self._changes += 1

    def learn_index(self, number: int, name: IndexName) -> None:
        """Add an index that is estimated."""
        self._indices[number] = name


Known = Names | Mapping[int, str]
"""What is known of instruments by number: ``Feed.names``, or their symbols alone."""

NOTHING_KNOWN: Final[Known] = {}
_NAMELESS: Final = Name("", "", "", "", "")


def name_of(names: Known, instrument: int) -> Name:
    """Return the name of an instrument, of which every part is empty that is not known."""
    if isinstance(names, Names):
        return names.get(instrument, _NAMELESS)
    symbol = names.get(instrument, "")
    return Name("", "", "", symbol, symbol)


def symbols_of(names: Known) -> Mapping[int, str]:
    """Return the symbols by instrument number."""
    return names.symbols if isinstance(names, Names) else names
