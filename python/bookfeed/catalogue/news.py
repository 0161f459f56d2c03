"""News of a market: it is known, new, changed, decided; the same live and replayed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from bookfeed.catalogue.changes import Change, changes, merged
from bookfeed.catalogue.listing import Listing

NewsKind = Literal["known", "new", "changed", "strike", "decided", "expired", "disagreement"]
"""
known         what a market is, for who replays; nobody is called
new           the venue lists it, and did not before
changed       terms of it are others: rules, end, tick size, fees, …
strike        what its price is compared with is known, or known better
decided       how it ended
expired       it has ended, and nobody says how
disagreement  two witnesses say different things of it
"""


QUIET: Final[NewsKind] = "known"
"""The kind of which nobody is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketNews:
    """One piece of news of a market."""

    kind: NewsKind
    """What kind of news it is."""
    listing: Listing
    """The market as it is known now."""
    changes: tuple[Change, ...] = ()
    """What is no longer as it was."""
    tags: tuple[str, ...] = ()
    """The tags of its event, where the venue has some and told them."""
    witness: str = ""
    """Who says so, where several may; of a ``disagreement`` who says otherwise."""
    provisional: bool = False
    """Whether it may still turn out otherwise."""
    remark: str = ""
    """What is at odds, in words."""

    def line(self) -> str:
        """The same in one line for people."""
        one = self.listing
        who = ", ".join(filter(None, [self.witness, "provisional" if self.provisional else ""]))
        by = f" ({who})" if who else ""
        strike = "" if one.strike is None else f"strike {one.strike}"
        told = {
            "strike": f"{strike}{by}",
            "decided": f"{one.result or 'shared out'}{by}",
            "expired": "nobody says how it ended",
            "disagreement": f"{self.witness} differs: {self.remark}",
            "changed": f"changed: {', '.join(change.field for change in self.changes)}",
            "new": "is new",
        }
        return f"{one.called}: {told.get(self.kind, 'is known')}"


def news_since(
    before: Listing | None, after: Listing, tags: Sequence[str] = ()
) -> MarketNews | None:
    """What is new about a market since it was last listed; ``None`` if nothing is.

    Of one that nobody knew: what it is.
    """
    told = tuple(tags)
    if before is None:
        return MarketNews(kind=QUIET, listing=after, tags=told)
    found = changes(before, after)
    whole = merged(before, after)
    if not found:
        # What is told of it for the first time is no news, but worth knowing.
        more = whole.title != before.title or (after.market and not before.market)
        return MarketNews(kind=QUIET, listing=whole, tags=told) if more else None
    decided = whole.status == "settled" and before.status != "settled"
    kind: NewsKind = "decided" if decided else "changed"
    return MarketNews(kind=kind, listing=whole, changes=found, tags=told, witness="listing")


class Wanted(NamedTuple):
    """Of which markets news are wanted; what is ``None`` does not matter."""

    venue: str | None = None
    tag: str | None = None
    series: str | None = None
    text: str | None = None
    """Words that its title or slug must hold, in whatever case."""

    def fits(self, news: MarketNews) -> bool:
        """Whether news are of such a market."""
        one = news.listing
        if self.venue not in (None, one.venue) or self.series not in (None, one.series):
            return False
        if self.tag is not None and self.tag not in news.tags:
            return False
        told = f"{one.title} {one.subtitle} {one.slug}".lower()
        return all(word in told for word in (self.text or "").lower().split())
