"""What of the user's own rested in books, as rows: one a level, each time that it was said anew.

What was said last of a book stands in place of all before; a book in which nothing rests any more
has one row without a side.
"""

from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from bookfeed._bookfeed import Batch
from bookfeed.recordings.bounds import control_object
from bookfeed.recordings.kinds import Kind
from bookfeed.tables import books
from bookfeed.tables.columns import PRICE_PLACES, QTY_PLACES, TIME, WORD, Prices, number_field
from bookfeed.tables.passing import ROWS, Pass


class OwnRows:
    """The rows of the table of the user's own."""

    def __init__(self, run: Pass, prices: Prices) -> None:
        self._run: Final = run
        self._price: Final = number_field("price", PRICE_PLACES, prices)
        self._qty: Final = number_field("qty", QTY_PLACES, prices)
        self._exact: Final = prices == "decimal"
        self._rows: list[dict[str, Any]] = []
        names = [("ts_recv", TIME), *books.FIELDS, ("instrument", pa.uint32()), ("side", WORD)]
        self.schema: Final = pa.schema([*names, self._price, self._qty])

    def take(self, batch: Batch) -> None:
        """Nothing of it is a row."""

    def control(self, kind: int, ts: int, conn: int, payload: bytes) -> None:
        """Take what is said of the user's own; what cannot be read was refused."""
        if kind != Kind.OWN or not self._run.wanted.has(ts):
            return
        with suppress(ValueError, TypeError, KeyError):
            told = control_object(payload)
            self._told(ts, told["instrument"], {"bid": told["bids"], "ask": told["asks"]})

    def ready(self, *, end: bool = False) -> Iterator[Any]:
        """Hand out what has come together."""
        if len(self._rows) >= ROWS or (end and self._rows):
            rows, self._rows = self._rows, []
            yield pa.RecordBatch.from_pylist(rows, schema=self.schema)

    def _told(self, ts: int, instrument: int, sides: dict[str, list[list[int]]]) -> None:
        self._run.words.learn()
        name = self._run.words.name(instrument)
        wanted = self._run.wanted
        if wanted.of_books and (name is None or not self._run.of_books()[instrument]):
            return
        parts = {part: getattr(name, part, None) or None for part in books.PARTS}
        head = {"ts_recv": ts, **parts, "instrument": instrument}
        levels = [(side, *level) for side, found in sides.items() for level in found]
        for side, price, qty in levels or [(None, None, None)]:
            price, qty = self._number(price, PRICE_PLACES), self._number(qty, QTY_PLACES)
            self._rows.append({**head, "side": side, self._price.name: price, self._qty.name: qty})

    def _number(self, value: Any, places: int) -> int | Decimal | None:
        return value if value is None or not self._exact else Decimal(value).scaleb(-places)
