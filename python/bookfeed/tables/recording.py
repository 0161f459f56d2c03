"""``open_recording``: a recording as tables for research, without a loop in Python.

    import bookfeed

    recording = bookfeed.open_recording("recordings")
    updates = recording.updates(market="…").to_polars()
    trades = recording.trades(start="2026-11-30T18:00Z").to_pandas()

Every table is what the engine says again when it is given the recording: the same records that the
live process saw, to the last digit.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from bookfeed.errors import RecordingError
from bookfeed.recordings.opened import RecordSource, engine_of, open_source
from bookfeed.tables.makers import CHANGE, Shape, Table, maker
from bookfeed.tables.rows import Rows, needed
from bookfeed.tables.slices import Moment, Slice

if TYPE_CHECKING:
    from bookfeed.tables.columns import Prices
    from bookfeed.tables.passing import Maker, Pass, Stepping

Several = str | Iterable[str] | None
HashCheck = Literal["always", "sampled", "off"]


class Recording:
    """A recording, and its tables; made by ``bookfeed.open_recording``, which says more.

    Every table takes the same arguments. ``start`` and ``end`` bound the receive time (from
    ``start`` on, before ``end``): Unix nanoseconds, a ``datetime`` that has a zone, or text of ISO
    8601, UTC if it names no zone. ``market`` is a venue's id of one, or the symbol of a book;
    ``venue`` a name; several of either in a list. ``prices`` says what prices and sizes are:
    ``"decimal"``, exact decimals in dollars and shares, or ``"scaled"``, the integers of records
    (``bid_e9`` of 1e-9, ``bid_qty_e8`` of 1e-8).

    Each raises ``RecordingError`` for an argument that cannot be meant.
    """

    def __init__(
        self, path: str | Path, *, mode: str | None = None, hash_check: HashCheck | None = None
    ) -> None:
        needed("pyarrow")
        self.path: Final = Path(path)
        """Where it is."""
        self._mode: Final = mode
        source = self._source()
        options = source.engine | ({} if hash_check is None else {"hash_check": hash_check})
        self._options: Final = options
        engine_of(source, str(path), options)
        self.venues: Final = source.venues
        """Whose frames are in it, as far as it says so."""
        self._problems: list[str] = []

    @property
    def engine_options(self) -> Mapping[str, Any]:
        """The keyword arguments of the ``Engine`` by which its records are had again."""
        return MappingProxyType(self._options)

    @property
    def problems(self) -> list[str]:
        """What of it is missing or could not be used, in words; known once a table was read."""
        return list(self._problems)

    def updates(
        self,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        market: Several = None,
        venue: Several = None,
        prices: "Prices" = "decimal",
    ) -> Rows:
        """Return everything that happened to books: one row an ``Update``."""
        return self._rows("updates", Slice.of(start, end, market, venue), Shape.of(prices))

    def trades(
        self,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        market: Several = None,
        venue: Several = None,
        prices: "Prices" = "decimal",
    ) -> Rows:
        """Return the trades, with the touch as it was published last."""
        return self._rows("trades", Slice.of(start, end, market, venue), Shape.of(prices))

    def states(
        self,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        market: Several = None,
        venue: Several = None,
        prices: "Prices" = "decimal",
    ) -> Rows:
        """Return every change of a book's state, and why."""
        return self._rows("states", Slice.of(start, end, market, venue), Shape.of(prices))

    def levels(
        self,
        depth: int = 10,
        every: str = CHANGE,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        market: Several = None,
        venue: Several = None,
        prices: "Prices" = "decimal",
    ) -> Rows:
        """Return the best ``depth`` levels of both sides: ``bid_1``, ``bid_qty_1``, ``ask_1``, ….

        A row is how a book stood after one record of the recording, never in the middle of a
        message. With ``every="change"`` there is one where its best levels, its state or its epoch
        have changed; with ``"100ms"``, ``"1s"`` or ``"5m"`` at those instants (multiples of that in
        Unix time) before which they did. Levels that there are not, or that are not known, are
        null.
        """
        shape = Shape.of(prices, depth, every)
        return self._rows("levels", Slice.of(start, end, market, venue), shape)

    def signals(
        self,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        market: Several = None,
        venue: Several = None,
        prices: "Prices" = "decimal",
    ) -> Rows:
        """Return the signals, one row a record, each with its legs in a list.

        With ``market`` or ``venue``, those of which a leg is there.
        """
        return self._rows("signals", Slice.of(start, end, market, venue), Shape.of(prices))

    def markets(
        self, *, market: Several = None, venue: Several = None, prices: "Prices" = "decimal"
    ) -> Rows:
        """Return the books, one row each: what is known of their markets, since when, and how they
        ended.
        """
        return self._rows("markets", Slice.of(None, None, market, venue), Shape.of(prices))

    def own(
        self,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        market: Several = None,
        venue: Several = None,
        prices: "Prices" = "decimal",
    ) -> Rows:
        """Return what of the user's own rested in books, one row a level, each time it was said.

        What was said last of a book stands in place of all before; where nothing rests any more,
        there is one row without a side. Private channels are not recorded.
        """
        return self._rows("own", Slice.of(start, end, market, venue), Shape.of(prices))

    def begin(self, wanted: Slice) -> "Pass":
        """A pass through it that nobody has made yet, for several tables at once."""
        from bookfeed.tables.passing import Pass

        return Pass(self._source(), str(self.path), self._options, wanted)

    def ended(self, run: "Pass") -> None:
        """Take note of what a pass came to."""
        self._problems = run.problems()

    def _source(self) -> RecordSource:
        """It anew: each is read once."""
        return open_source(self.path, self._mode)

    def _rows(self, table: Table, wanted: Slice, shape: Shape) -> Rows:
        def making() -> "tuple[Pass, Maker, tuple[Stepping, ...]]":
            run = self.begin(wanted)
            return run, *maker(table, run, shape)

        return Rows(making, self.ended)


def open_recording(
    path: str | Path, *, mode: str | None = None, hash_check: HashCheck | None = None
) -> Recording:
    """Open a recording for research; it knows engine options, books, rules and results by itself.

    ``path`` is a journal (a segment, a directory of them, or the beginning of file names) or a
    capture. ``mode`` is how the venue of a capture was asked to speak, where it does not say.
    ``hash_check`` is another way of checking books against the venue's hashes than the one it was
    recorded with: ``"off"`` is faster, and may call books live that were not.

    Raises ``RecordingError`` if there is no recording, it cannot be replayed here, or the package
    pyarrow is missing; ``JournalError`` or ``CaptureError`` if it cannot be read.
    """
    if hash_check not in (None, "always", "sampled", "off"):
        raise RecordingError(f'hash_check: "always", "sampled" or "off", not {hash_check!r}')
    return Recording(path, mode=mode, hash_check=hash_check)
