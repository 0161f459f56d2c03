"""What became of a listed market since it was last looked at: the fields that matter to a trader.

Prices, volumes and the like change all the time and are no news here.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final, NamedTuple

from bookfeed.catalogue.fields import plain
from bookfeed.catalogue.listing import ListedOutcome, Listing

WATCHED: Final = (
    "rules", "resolution_source", "open_ts", "start_ts", "close_ts", "tick_size", "price_bands",
    "min_order_size", "fee", "neg_risk", "strike", "status", "result", "outcomes",
)  # fmt: skip
"""The fields of a listing whose change is news."""


class Change(NamedTuple):
    """One field of a listing that is no longer what it was, both values as text."""

    field: str
    before: str
    """Empty where it was absent."""
    after: str


def changes(before: Listing, after: Listing) -> tuple[Change, ...]:
    """The watched fields that differ; what ``after`` leaves out is not known to have changed."""
    found = []
    for field in WATCHED:
        old, new = getattr(before, field), getattr(after, field)
        if new != old and new not in (None, "", (), "unknown"):
            found.append(Change(field, shown(old), shown(new)))
    return tuple(found)


def merged(before: Listing, after: Listing) -> Listing:
    """``after``, and what it leaves out as ``before`` had it: not every answer tells everything.

    A market that was settled stays so until another result is told.
    """
    kept: dict[str, object] = {}
    for field in ("market", "event", "series", "subtitle", "rules", "resolution_source"):
        kept[field] = getattr(after, field) or getattr(before, field)
    for field in (*WATCHED, "decided_by", "reference", "listed_ts", "closed_ts", "rewards"):
        new = getattr(after, field)
        kept[field] = getattr(before, field) if new in (None, "", ()) else new
    kept["outcomes"] = _outcomes(before.outcomes, after.outcomes)
    kept["more"] = {**before.more, **after.more}
    found = replace(after, **kept)  # type: ignore[arg-type]
    if before.status == "settled" and after.status != "settled":
        found = replace(found, status="settled", result=before.result, closed_ts=before.closed_ts)
    return found


def shown(value: object) -> str:
    """A value of a field as text; empty for one that is absent."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, tuple):
        return " ".join(filter(None, map(shown, value)))
    told = getattr(value, "text", None)
    return str(told()) if callable(told) else str(value)


def _outcomes(
    before: Sequence[ListedOutcome], after: Sequence[ListedOutcome]
) -> tuple[ListedOutcome, ...]:
    """Symbols and payouts that are known stay known as long as the outcomes are the same ones."""
    if [one.name for one in before] != [one.name for one in after]:
        return tuple(after) or tuple(before)
    return tuple(
        ListedOutcome(
            new.name, new.symbol or old.symbol, old.payout if new.payout is None else new.payout
        )
        for old, new in zip(before, after, strict=True)
    )
