"""Which part of a recording is wanted: from when to when, of which venues, of which markets."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from bookfeed._bookfeed import VENUES
from bookfeed.clock import NS_PER_S
from bookfeed.errors import RecordingError
from bookfeed.hints import one_of
from bookfeed.recordings.bounds import TS_MAX

Moment = int | str | datetime
"""Unix nanoseconds, a ``datetime`` that has a zone, or text of ISO 8601 (UTC if it names none)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a recording; ``None`` for what does not matter."""

    start_ns: int | None = None
    """The earliest receive time, in Unix nanoseconds."""
    end_ns: int | None = None
    """The receive time before which it ends, in Unix nanoseconds."""
    markets: frozenset[str] | None = None
    """Ids of markets, or symbols of books."""
    venues: frozenset[str] | None = None

    @classmethod
    def of(
        cls,
        start: Moment | None = None,
        end: Moment | None = None,
        market: str | Iterable[str] | None = None,
        venue: str | Iterable[str] | None = None,
    ) -> "Slice":
        """The part that arguments state; ``RecordingError`` for one that cannot be meant."""
        venues = _texts("venue", venue)
        for name in venues or ():
            if name not in VENUES:
                raise RecordingError(f"venue: no venue {name!r}: {one_of(VENUES)}")
        found = cls(_ns("start", start), _ns("end", end), _texts("market", market), venues)
        if (
            found.start_ns is not None
            and found.end_ns is not None
            and found.end_ns <= found.start_ns
        ):
            raise RecordingError(f"end: {end!r} is not later than start: {start!r}")
        return found

    @property
    def whole(self) -> bool:
        """Whether it is everything."""
        return self == Slice()

    @property
    def of_books(self) -> bool:
        """Whether it leaves out books."""
        return self.markets is not None or self.venues is not None

    def has(self, ts: int) -> bool:
        """Whether a receive time lies in it."""
        early = self.start_ns is not None and ts < self.start_ns
        return not early and (self.end_ns is None or ts < self.end_ns)


def _texts(name: str, given: str | Iterable[str] | None) -> frozenset[str] | None:
    if given is None:
        return None
    texts = frozenset((given,) if isinstance(given, str) else given)
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise RecordingError(f"{name}: it must be text, or several: {given!r}")
    return texts


def _ns(name: str, moment: Moment | None) -> int | None:
    if moment is None:
        return None
    if isinstance(moment, bool) or not isinstance(moment, int | str | datetime):
        kind = "a date has no hour" if isinstance(moment, date) else type(moment).__name__
        raise RecordingError(f"{name}: Unix nanoseconds, a datetime or text, not {kind}")
    found = moment if isinstance(moment, int) else _ns_of_datetime(name, moment)
    if abs(found) > TS_MAX:
        raise RecordingError(f"{name}: {moment} is no time: nanoseconds between 1823 and 2116")
    return found


def _ns_of_datetime(name: str, moment: str | datetime) -> int:
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            example = "2026-11-30T18:00:00Z"
            raise RecordingError(f"{name}: {moment!r} is no time such as {example}") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
    if moment.tzinfo is None:
        raise RecordingError(f"{name}: {moment!r} has no zone: give tzinfo=datetime.UTC")
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * NS_PER_S + passed.microseconds * 1_000
