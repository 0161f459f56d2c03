"""Windows of rolling series as a feed follows them, and what is told of one that is over."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from bookfeed.catalogue.fields import plain
from bookfeed.catalogue.listing import Listing
from bookfeed.catalogue.series import Series
from bookfeed.catalogue.windows import Window
from bookfeed.market import Market


class Ended(NamedTuple):
    """How one market of a window came out."""

    title: str
    strike: Decimal | None
    """What the price was compared with; ``None`` where the listing does not say."""
    decided_by: Decimal | None
    """The price that decided it."""
    result: str | None
    """What came true, in the venue's word; ``None`` if nobody has said."""


@dataclass(frozen=True, slots=True)
class WindowEnd:
    """A window that is followed no more."""

    venue: str
    """Name of the venue."""
    window: Window
    """The window that ended."""
    markets: tuple[Ended, ...]
    """Its markets, and how they ended."""
    following: str | None
    """The venue's name of the window that is on now; ``None`` if it is not followed."""

    def line(self) -> str:
        """The same in one line for people."""
        then = "no other is followed" if self.following is None else f"next {self.following}"
        if len(self.markets) == 1:
            (one,) = self.markets
            return f"{one.title} ended: {_came_out(one)}; {then}"
        results = [one.result for one in self.markets]
        told = [f"{results.count(word)} {word}" for word in dict.fromkeys(results) if word]
        unknown = [f"{results.count(None)} not known"] if None in results else []
        counts = ", ".join(told + unknown)
        return f"{self.window.event} ended: {len(self.markets)} markets, {counts}; {then}"


def _came_out(one: Ended) -> str:
    result = one.result or "result not known"
    numbers = [
        f"{word} {plain(number)}"
        for word, number in (("strike", one.strike), ("decided by", one.decided_by))
        if number is not None
    ]
    return ", ".join((result, *numbers))


@dataclass(slots=True)
class Held:
    """A window that is followed."""

    window: Window
    listings: tuple[Listing, ...]
    """Its markets as they were listed last."""
    markets: list[Market]
    asked_ns: int = 0
    """When its strike was asked for last."""

    @property
    def strike_known(self) -> bool:
        """Whether every market's listing says what the price is compared with."""
        return all(one.strike is not None for one in self.listings)


@dataclass(slots=True)
class Followed:
    """A series, its windows that are followed by their ends, and those that could not be had."""

    series: Series
    windows: dict[int, Held] = field(default_factory=dict)
    lacking: dict[int, "Lacking"] = field(default_factory=dict)
    """By their ends."""
    missed: int = 0
    """How many windows were over before they could be followed."""


@dataclass(slots=True)
class Lacking:
    """A window that is due and cannot be followed yet."""

    window: Window
    named_in_vain: bool = False
    """Whether nothing was listed under its name, which is not tried again."""
    told: bool = False
    due_ns: int = 0


def ended(listings: Sequence[Listing]) -> tuple[Ended, ...]:
    """How markets came out, as far as their listings say."""
    return tuple(
        Ended(
            one.called,
            None if one.strike is None else one.strike.floor or one.strike.cap,
            one.decided_by,
            one.result,
        )
        for one in listings
    )
