"""``Rows``: a table of a recording, made as it is read, in as little memory as that takes."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from bookfeed.errors import RecordingError

if TYPE_CHECKING:
    from bookfeed.tables.passing import Maker, Pass, Stepping

Making = "Callable[[], tuple[Pass, Maker, tuple[Stepping, ...]]]"


class Rows:
    """One table of a recording, such as ``recording.updates()``.

    Iterating yields ``pyarrow.RecordBatch`` after record batch, and goes through the recording once
    more each time. It is an Arrow stream (``__arrow_c_stream__``), which pyarrow, Polars, DuckDB
    and others take as it is. Raises ``RecordingError`` where the recording has nothing of what is
    wanted; what is missing in a damaged one is logged, and in ``Recording.problems``.
    """

    def __init__(
        self,
        making: "Callable[[], tuple[Pass, Maker, tuple[Stepping, ...]]]",
        done: "Callable[[Pass], object]",
    ) -> None:
        self._making: Final = making
        self._done: Final = done

    @property
    def schema(self) -> Any:
        """The ``pyarrow.Schema`` of its columns."""
        return self._making()[1].schema

    def __iter__(self) -> Iterator[Any]:
        """Go through the recording, and iterate its record batches."""
        run, maker, steps = self._making()
        return self._batches(run, maker, steps)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand it out as an Arrow stream; for libraries, which call it themselves."""
        return self.reader().__arrow_c_stream__(requested_schema)

    def reader(self) -> Any:
        """Return a ``pyarrow.RecordBatchReader``, which streams it once."""
        pa = needed("pyarrow")
        run, maker, steps = self._making()
        return pa.RecordBatchReader.from_batches(maker.schema, self._batches(run, maker, steps))

    def to_arrow(self) -> Any:
        """Return all of it as a ``pyarrow.Table``."""
        return self.reader().read_all()

    def to_pandas(self) -> Any:
        """Return all of it as a ``pandas.DataFrame`` over the same memory.

        Its columns have the types of Arrow, so that nulls stay nulls and decimals exact.
        """
        pandas = needed("pandas")
        return self.to_arrow().to_pandas(types_mapper=pandas.ArrowDtype)

    def to_polars(self) -> Any:
        """Return all of it as a ``polars.DataFrame``."""
        return needed("polars").from_arrow(self.to_arrow())

    def to_duckdb(self, connection: Any = None) -> Any:
        """Return a DuckDB relation, each query of which goes through the recording once more.

        ``connection`` is one of DuckDB's; its common one without.
        """
        duckdb = needed("duckdb")
        return (duckdb if connection is None else connection).from_arrow(self)

    def _batches(self, run: "Pass", maker: "Maker", steps: "tuple[Stepping, ...]") -> Iterator[Any]:
        for _ in run.run((maker,), steps):
            yield from maker.ready()
        yield from maker.ready(end=True)
        self._done(run)


def needed(package: str) -> Any:
    """A package that tables need; ``RecordingError`` that says how it is had, if it is not here."""
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError as error:
        extra = "bookfeed[frames]" if package == "pyarrow" else package
        raise RecordingError(f"this needs the package {package}: pip install '{extra}'") from error
