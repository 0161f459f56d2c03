"""Recordings of either kind, opened: what is in them, and an engine like the one that made them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bookfeed._bookfeed import Engine
from bookfeed.errors import BookfeedError, JournalError, RecordingError
from bookfeed.recordings.bounds import books_max
from bookfeed.recordings.capture import CAPTURE_ENGINE, Capture
from bookfeed.recordings.kinds import JOURNAL_MAGIC
from bookfeed.recordings.listing import recorded_engine
from bookfeed.recordings.reader import Journal
from bookfeed.recordings.replay import Record
from bookfeed.recordings.upkeep import SUFFIX

# What an imported capture says of where it came from.
CAPTURE_SOURCE: Final = "capture"


@dataclass(slots=True)
class RecordSource:
    """A journal or a capture, opened: venues, engine options, records."""

    venues: tuple[str, ...]
    engine: dict[str, Any]
    records: Iterable[Record]
    journal: Journal | None
    keeps_time: bool
    """Whether it says when time was let pass; one that came from a capture does not."""

    def problems(self, refused: int = 0, *, whole: bool = True) -> list[str]:
        """What was left out, in words: ``refused`` records, and if it was read as a ``whole``, what
        is missing from it.
        """
        problems: list[str] = []
        if refused:
            problems.append(f"{refused} records could not be applied and were left out")
        if self.journal is not None and whole:
            report = self.journal.report()
            problems += map(str, report.missing)
            if report.records_behind:
                problems.append(f"{report.records_behind} records behind the damage were not read")
        return problems


def open_source(path: Path, mode: str | None = None) -> RecordSource:
    """Opens a journal (a segment, a directory or the beginning of file names) or a capture.

    ``mode`` is how the venue of a capture was asked to speak, where the capture does not say it; a
    journal says it itself. Raises ``RecordingError`` if it is neither, ``JournalError`` or
    ``CaptureError`` if it is one that cannot be read.
    """
    if path.is_file() and not _is_journal(path):
        return opened(Capture(path, mode))
    try:
        journal = Journal(path)
    except JournalError as error:
        if path.exists():
            raise
        raise RecordingError(f"{path}: no journal and no capture there") from error.__cause__
    return opened(journal)


def opened(records: Journal | Capture) -> RecordSource:
    """What a journal or a capture says of itself, beside its records."""
    if isinstance(records, Capture):
        options = CAPTURE_ENGINE | {"books_max": books_max([records.path])}
        return RecordSource((records.venue,), options, records, None, keeps_time=False)
    notes = records.metadata.get("notes")
    notes = notes if isinstance(notes, dict) else {}
    given = notes.get("engine")
    options = recorded_engine(given) if isinstance(given, dict) else {}
    return RecordSource(
        venues=_venues(notes),
        engine=options | {"books_max": books_max(records.segments)},
        records=records,
        journal=records,
        keeps_time=notes.get("source") != CAPTURE_SOURCE,
    )


def _venues(notes: Mapping[str, object]) -> tuple[str, ...]:
    """Of a journal; one written by another program may say nothing, or name one alone."""
    found = notes.get("venues")
    if isinstance(found, list) and found:
        return tuple(dict.fromkeys(map(str, found)))
    return (str(notes["venue"]),) if "venue" in notes else ()


def _is_journal(path: Path) -> bool:
    """By its first bytes; what is named like one is taken for a damaged one."""
    with path.open("rb") as file:
        return path.suffix == SUFFIX or file.read(len(JOURNAL_MAGIC)) == JOURNAL_MAGIC


def engine_of(
    recording: RecordSource, source: str, options: Mapping[str, Any] | None = None
) -> Engine:
    """An engine like the one ``recording`` was made with, or one with other ``options``.

    ``source`` is what errors call the recording. Raises ``RecordingError`` if there is no such
    engine here, or no such venue.
    """
    try:
        engine = Engine(**(recording.engine if options is None else options))
    except (TypeError, ValueError, OverflowError, BookfeedError) as error:
        raise RecordingError(f"{source}: recorded with an engine unknown here ({error})") from error
    for venue in recording.venues:
        try:
            Engine().connected(0, venue, 0)
        except BookfeedError as error:
            raise RecordingError(f"{source}: {error}") from error
    return engine
