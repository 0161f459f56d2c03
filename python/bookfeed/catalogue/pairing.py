"""Markets of two venues that may be about the same, and how they are related.

A candidate names a relation, and every fact on which its two markets differ or say nothing. It is
for a person to read: nothing here says that two contracts are the same, only that nothing in their
fields says otherwise.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Final, Literal
from urllib.parse import urlsplit

from bookfeed.catalogue.claims import Claim, claim
from bookfeed.catalogue.fields import plain, time_text
from bookfeed.catalogue.listing import Listing
from bookfeed.clock import NS_PER_S
from bookfeed.errors import CatalogueError

Relation = Literal["same", "complement", "implies", "implied", "other reference", "alike"]
"""
same             nothing that is stated differs
complement       one comes true if the other does not
implies          the first comes true only if the second does
implied          the second comes true only if the first does
other reference  the same window or number, but another price decides
alike            something that decides differs, or is not stated
"""

FACTS: Final = ("oracle", "strike", "cut-off")
"""What decides a contract."""

_SCORE_MIN: Final = 80
_SCORE_MAX: Final = 100
_OTHER_NUMBERS: Final = 10
_OTHER_WORD: Final = 10
# Prices are told in cents: above 79,999.99 is 80,000 or above.
_CENT: Final = Decimal("0.01")
_NEAR_NS: Final = 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two markets that may be about the same."""

    first: Claim
    second: Claim
    relation: Relation
    score: int
    """How alike they are, 0 to 100; 100 where their fields alone say so."""
    would_be: Relation | None = None
    """How they were related if one oracle decided both, where that is not so, or not stated."""

    @property
    def sides(self) -> tuple[Claim, Claim]:
        """Both markets."""
        return self.first, self.second

    @property
    def inverted(self) -> bool:
        """Whether the first outcome of one is the second of the other."""
        return "complement" in (self.relation, self.would_be)

    def differs(self) -> tuple[str, ...]:
        """The facts on which they differ."""
        return tuple(fact for fact in FACTS if _compared(self, fact) is False)

    def unknown(self) -> tuple[str, ...]:
        """The facts that one of them does not state in its fields."""
        return tuple(fact for fact in FACTS if _compared(self, fact) is None)


def fact(one: Claim, name: str) -> str:
    """What a market states of a fact, in words; empty if nothing."""
    listing = one.listing
    if name == "oracle":
        return listing.resolution_source
    if name == "cut-off":
        return "" if listing.close_ts is None else time_text(listing.close_ts)
    if one.is_window:
        floor = None if listing.strike is None else listing.strike.floor
        return "" if floor is None else plain(floor)
    if one.strike is None:
        return ""
    return f"{one.direction} {plain(one.strike)}" if one.direction else plain(one.strike)


def candidates(first: Iterable[Listing], second: Iterable[Listing]) -> list[Candidate]:
    """Every pair of a market of the first and one of the second that may be about the same.

    The surest come first. Titles are compared by rapidfuzz; ``CatalogueError`` without it.
    """
    ours, theirs = (list(map(claim, listings)) for listings in (first, second))
    found = [*_windows(ours, theirs), *_strikes(ours, theirs), *_questions(ours, theirs)]
    return sorted(found, key=_order)


_RANKS: Final[Sequence[Relation]] = (
    "same", "complement", "implies", "implied", "other reference", "alike",
)  # fmt: skip


def _order(one: Candidate) -> tuple[object, ...]:
    close_ts = one.first.listing.close_ts
    names = one.first.listing.slug, one.second.listing.slug
    return (-one.score, _RANKS.index(one.relation), close_ts is None, close_ts or 0, names)


def _windows(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Candidate]:
    """Windows of one asset that begin and end together."""
    for one, other in product(_only_windows(ours), _only_windows(theirs)):
        if one.asset == other.asset and _window(one) == _window(other) != (None, None):
            yield _named(one, other, "same", _SCORE_MAX)


def _only_windows(claims: Sequence[Claim]) -> list[Claim]:
    return [one for one in claims if one.is_window]


def _window(one: Claim) -> tuple[int | None, int | None]:
    """When a window begins and ends; where only trading is listed, it begins with that."""
    listing = one.listing
    start_ts = listing.open_ts if listing.start_ts is None else listing.start_ts
    return start_ts, listing.close_ts


def _strikes(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Candidate]:
    """Numbers on one price at one time: the same one, and for those without, the nearest ones."""
    mine, yours = ([one for one in c if one.is_strike and one.asset] for c in (ours, theirs))
    pairs = [(a, b) for a, b in product(mine, yours) if a.asset == b.asset and _together(a, b)]
    equal = [(a, b) for a, b in pairs if abs(_gap(a, b)) <= _CENT]
    settled = {id(one) for pair in equal for one in pair}
    others = [
        (a, b) for a, b in pairs if a.direction == b.direction and not settled & {id(a), id(b)}
    ]
    for a, b in (*equal, *_nearest(others)):
        yield _named(a, b, _of_strikes(a, b), _SCORE_MAX)


def _nearest(pairs: Iterable[tuple[Claim, Claim]]) -> Iterator[tuple[Claim, Claim]]:
    """Of the pairs of each market, the nearest one above and the nearest one below."""
    found: dict[tuple[int, bool], tuple[Claim, Claim]] = {}
    for a, b in sorted(pairs, key=lambda pair: abs(_gap(*pair))):
        found.setdefault((id(a), _gap(a, b) > 0), (a, b))
    yield from found.values()


def _gap(one: Claim, other: Claim) -> Decimal:
    return (other.strike or Decimal(0)) - (one.strike or Decimal(0))


def _of_strikes(one: Claim, other: Claim) -> Relation:
    if one.direction != other.direction:
        return "complement"
    gap = _gap(one, other)
    if abs(gap) <= _CENT:
        return "same"
    # Above the higher number implies above the lower one; below, the other way round.
    return "implied" if (gap > 0) == (one.direction == "above") else "implies"


def _named(one: Claim, other: Claim, relation: Relation, score: int) -> Candidate:
    """The relation, if one oracle decides both; what is not stated is not taken for granted."""
    same = _same_oracle(one, other)
    if same or relation == "alike":
        return Candidate(one, other, relation, score)
    price_decides = same is False and one.asset is not None and one.direction is not None
    return Candidate(one, other, "other reference" if price_decides else "alike", score, relation)


def _questions(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Candidate]:
    """What is neither: titles with the same words."""
    mine, yours = ([one for one in claims if _is_question(one)] for claims in (ours, theirs))
    for one, other, score in _alike(mine, yours):
        if one.years and other.years and one.years.isdisjoint(other.years):
            continue
        yield _named(one, other, _of_questions(one, other), score)


def _is_question(one: Claim) -> bool:
    return bool(one.words) and not (one.is_window or (one.is_strike and one.asset))


def _alike(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[tuple[Claim, Claim, int]]:
    if not ours or not theirs:
        return
    try:
        from rapidfuzz import fuzz, process
    except ImportError as error:
        needed = "titles are compared by rapidfuzz: pip install 'bookfeed[pairs]'"
        raise CatalogueError(needed) from error
    subjects = [other.subject for other in theirs]
    for one in ours:
        found = process.extract(
            one.subject, subjects, scorer=fuzz.token_sort_ratio, score_cutoff=_SCORE_MIN, limit=10
        )
        scored = [
            (round(score) - _unlike(one, theirs[at], fuzz.ratio), theirs[at])
            for _, score, at in found
        ]
        best = max((score for score, _ in scored), default=0)
        yield from ((one, other, score) for score, other in scored if score == best >= _SCORE_MIN)


def _unlike(one: Claim, other: Claim, likeness: Callable[[str, str], float]) -> int:
    """What other numbers, and other words in place of some, take from the likeness of two titles:
    one name in place of another is another question.
    """
    both = one.numbers and other.numbers
    numbers = _OTHER_NUMBERS if both and one.numbers.isdisjoint(other.numbers) else 0

    def without(words: frozenset[str], among: frozenset[str]) -> list[str]:
        return [w for w in words if all(likeness(w, other) < _SCORE_MIN for other in among)]

    ours, theirs = without(one.words, other.words), without(other.words, one.words)
    if not (one.names.isdisjoint(ours) or other.names.isdisjoint(theirs)):
        return _SCORE_MAX
    return numbers + _OTHER_WORD * min(len(ours), len(theirs))


def _of_questions(one: Claim, other: Claim) -> Relation:
    if one.strike is not None and other.strike is not None:
        if abs(_gap(one, other)) > _CENT:
            return "alike"
        if {one.direction, other.direction} == {"above", "below"}:
            return "complement"
    if not _together(one, other):
        if one.deadline and other.deadline and one.negated == other.negated:
            earlier = (one.listing.close_ts or 0) < (other.listing.close_ts or 0)
            # What has happened by an earlier time has by a later one.
            return "implies" if earlier != one.negated else "implied"
        return "alike"
    return "same" if one.negated == other.negated else "complement"


def _together(one: Claim, other: Claim) -> bool:
    """Whether both close at one time."""
    close, other_close = one.listing.close_ts, other.listing.close_ts
    return close is not None and other_close is not None and abs(close - other_close) < _NEAR_NS


def _compared(candidate: Candidate, name: str) -> bool | None:
    """Whether both state the same; ``None`` if one states nothing."""
    one, other = candidate.sides
    if name == "oracle":
        return _same_oracle(one, other)
    if not fact(one, name) and not fact(other, name):
        # Neither has a number, and needs none; a time everything needs.
        return True if name == "strike" and not one.is_window else None
    if not fact(one, name) or not fact(other, name):
        return None
    if name == "cut-off":
        return _together(one, other)
    if one.is_window:
        return fact(one, name) == fact(other, name)
    return abs(_gap(one, other)) <= _CENT


def _same_oracle(one: Claim, other: Claim) -> bool | None:
    ours, theirs = (_source(claim.listing.resolution_source) for claim in (one, other))
    return None if not ours or not theirs else ours == theirs


def _source(text: str) -> str:
    """What a source is called, without how its address is spelled."""
    parts = urlsplit(text.strip())
    host = (parts.hostname or "").removeprefix("www.")
    return f"{host}{parts.path.rstrip('/')}" if host else text.strip().casefold()
