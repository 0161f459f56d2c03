"""Markets as rows, one for each book: what it was subscribed as, what is known of it, how it ended.

A row says when it became known and when its result did, so that nobody takes for known then what
was known only later.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa

from bookfeed._bookfeed import ABSENT, UPDATE_KINDS, Batch, EngineError, parse_price
from bookfeed.catalogue.listing import Listing
from bookfeed.catalogue.stored import news_of
from bookfeed.errors import BookfeedError, DecimalError
from bookfeed.recordings.bounds import control_object
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.listing import listing as listed_options
from bookfeed.tables import books
from bookfeed.tables.columns import PRICE_PLACES, QTY_PLACES, TIME, Prices, number_field
from bookfeed.tables.passing import Pass

_RESOLVED: Final = UPDATE_KINDS.index("resolved")
_TEXTS: Final = ("event", "fee", "base", "quote")


@dataclass(slots=True)
class _Book:
    """What is known of one book."""

    known_ts: int
    options: dict[str, Any]
    gone_ts: int | None = None
    payout_e9: int | None = None
    payout_ts: int | None = None


class MarketRows:
    """The rows of the table of markets; they are handed out at the end, when all is known."""

    def __init__(self, run: Pass, prices: Prices) -> None:
        self._run: Final = run
        self._prices: Final = prices
        self._books: Final[dict[int, _Book]] = {}
        self._listings: Final[dict[tuple[str, str], Listing]] = {}
        self._results: Final[dict[tuple[str, str], tuple[int, str]]] = {}
        self.schema: Final = pa.schema(
            [
                *books.FIELDS,
                ("instrument", pa.uint32()),
                ("title", pa.string()),
                *((name, pa.string()) for name in _TEXTS),
                number_field("tick_size", PRICE_PLACES, prices),
                number_field("min_order_size", QTY_PLACES, prices),
                ("depth", pa.int64()),
                ("open_ts", TIME),
                ("close_ts", TIME),
                ("known_ts", TIME),
                ("gone_ts", TIME),
                ("status", pa.string()),
                ("strike", pa.string()),
                ("result", pa.string()),
                ("result_ts", TIME),
                number_field("payout", PRICE_PLACES, prices),
                ("payout_ts", TIME),
            ]
        )

    def take(self, batch: Batch) -> None:
        """Take note of books that came by themselves, and of what markets paid."""
        updates = batch.updates
        found, first = np.unique(updates["instrument"], return_index=True)
        for instrument, at in zip(found.tolist(), first.tolist(), strict=True):
            self._book(instrument, int(updates["ts_recv_ns"][at]))
        paid = (updates["kind"] == _RESOLVED) & (updates["price_e9"] != ABSENT)
        for record in updates[paid]:
            book = self._books[int(record["instrument"])]
            book.payout_e9 = int(record["price_e9"])
            book.payout_ts = int(record["ts_recv_ns"])

    def control(self, kind: int, ts: int, conn: int, payload: bytes) -> None:
        """Take note of what is said of books and markets; what cannot be read was refused."""
        with suppress(ValueError, TypeError, KeyError, BookfeedError):
            if kind == Kind.SUBSCRIBE:
                self._subscribed(control_object(payload), ts)
            elif kind == Kind.UNSUBSCRIBE:
                self._book(control_object(payload)["instrument"], ts).gone_ts = ts
            elif kind == Kind.MARKET:
                self._heard(payload, ts)

    def ready(self, *, end: bool = False) -> Iterator[Any]:
        """Hand out all rows at the end."""
        if end:
            rows = [self._row(number) for number in sorted(self._books) if self._wanted(number)]
            if rows:
                yield pa.RecordBatch.from_pylist(rows, schema=self.schema)

    def _book(self, instrument: int, ts: int) -> _Book:
        return self._books.setdefault(instrument, _Book(ts, {}))

    def _subscribed(self, options: dict[str, Any], ts: int) -> None:
        venue, symbol = options.pop("venue"), options.pop("symbol")
        instrument = self._run.engine.instrument(venue, symbol)
        if instrument is not None:
            book = self._book(instrument, ts)
            book.gone_ts = None
            book.options |= listed_options(venue, options)

    def _heard(self, payload: bytes, ts: int) -> None:
        told = news_of(payload).listing
        for key in {told.market, told.slug, *(one.symbol for one in told.outcomes)} - {""}:
            self._listings[told.venue, key] = told
            if told.result is not None:
                self._results.setdefault((told.venue, key), (ts, told.result))

    def _wanted(self, instrument: int) -> bool:
        wanted, name = self._run.wanted, self._run.words.name(instrument)
        if name is None:
            return False
        of_market = wanted.markets is None or bool({name.market, name.symbol} & wanted.markets)
        return of_market and (wanted.venues is None or name.venue in wanted.venues)

    def _row(self, instrument: int) -> dict[str, Any]:
        book, name = self._books[instrument], self._run.words.name(instrument)
        assert name is not None
        options, key = book.options, (name.venue, name.market or name.symbol)
        listing = self._listings.get(key)
        result = self._results.get(key, (None, None))
        payout = self._payout(book, listing, name.symbol)
        row = {
            **{part: getattr(name, part) or None for part in books.PARTS},
            "instrument": instrument,
            "title": (listing.called if listing else "") or None,
            **{text: options.get(text) for text in _TEXTS},
            "depth": options.get("depth"),
            "open_ts": options.get("open_ts"),
            "close_ts": options.get("close_ts", listing.close_ts if listing else None),
            "known_ts": book.known_ts,
            "gone_ts": book.gone_ts,
            "status": listing.status if listing else None,
            "strike": str(listing.strike) if listing and listing.strike else None,
            "result": result[1],
            "result_ts": result[0],
            "payout_ts": book.payout_ts if book.payout_e9 is not None else result[0],
        }
        if payout is None:
            row["payout_ts"] = None
        numbers = {
            "tick_size": (_e9(options.get("tick_size"), self._tick(instrument)), PRICE_PLACES),
            "min_order_size": (_e8(options.get("min_order_size")), QTY_PLACES),
            "payout": (payout, PRICE_PLACES),
        }
        for column, (value, places) in numbers.items():
            field = number_field(column, places, self._prices)
            scaled = value is None or self._prices == "scaled"
            row[field.name] = value if scaled else Decimal(value or 0).scaleb(-places)
        return row

    def _tick(self, instrument: int) -> int | None:
        """The newest step between prices, where no subscription said one."""
        with suppress(EngineError):
            return self._run.engine.book(instrument).tick_size_e9
        return None

    @staticmethod
    def _payout(book: _Book, listing: Listing | None, symbol: str) -> int | None:
        """What a share paid: the stream says it, or else the listing."""
        if book.payout_e9 is not None or listing is None:
            return book.payout_e9
        paid = (one.payout for one in listing.outcomes if one.symbol == symbol)
        found = next(paid, None)
        return None if found is None else _e9(format(found, "f"), None)


def _e9(text: str | None, otherwise: int | None) -> int | None:
    with suppress(DecimalError):
        return otherwise if text is None else parse_price(text)
    return otherwise


def _e8(text: str | None) -> int | None:
    found = _e9(text, None)
    return None if found is None else found // 10
