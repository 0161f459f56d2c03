"""``Update``: one thing that happened to one book, read from the engine's 96 bytes.

Prices are integers of 1e-9 (``*_e9``), quantities integers of 1e-8 (``*_e8``), money integers of
1e-9 USD, times Unix nanoseconds; the properties without a suffix are the same numbers as floats,
for display and arithmetic that tolerates rounding. Absent is ``None``.
"""

from dataclasses import dataclass
from decimal import Decimal
from struct import Struct
from typing import Any, Final, Literal, cast

from bookfeed._bookfeed import (
    ABSENT,
    CAUSES,
    PRICE_SCALE,
    QTY_SCALE,
    STATES,
    UPDATE_KINDS,
    BookView,
)
from bookfeed.names import NOTHING_KNOWN, Known, symbols_of
from bookfeed.records.values import decimal, known, ratio, unfrozen
from bookfeed.words import Cause, State, UpdateKind

UPDATE_BYTES: Final = 96

# Where dispatching looks without decoding a whole record.
UPDATE_INSTRUMENT_OFFSET: Final = 80
UPDATE_KIND_OFFSET: Final = 92
KIND_BOOK: Final = UPDATE_KINDS.index("book")
KIND_STATE: Final = UPDATE_KINDS.index("state")

_UPDATE: Final = Struct("<qqqQqqqqqqIIIBBBB")

TOUCH_CHANGED: Final = 1
AGGRESSOR_BUY: Final = 2
AGGRESSOR_SELL: Final = 4
HASH_VERIFIED: Final = 8
OFF_BOOK: Final = 16
_CAUSE_GAP: Final = "gap"


@dataclass(frozen=True, slots=True)
class Update:
    """One thing that happened to one book.

    Every kind carries the touch and the state as they are after it.
    """

    ts_recv: int
    """When the frame that caused it was received, in Unix nanoseconds."""
    ts_event: int | None
    """The venue's own time of the message, in Unix nanoseconds; ``None`` if it states none."""
    ts_evidence: int | None
    """When the newest evidence for the book was received, in Unix nanoseconds; ``None`` if it
    has none.
    """
    seq: int
    """The record's number in order of emission, without gaps; updates and signals share it."""
    bid_e9: int | None
    """Best bid as last published, in 1e-9; ``None`` if nobody bids or the book is not known."""
    bid_qty_e8: int | None
    """Size at the best bid, in 1e-8; ``None`` with it."""
    ask_e9: int | None
    """Best ask as last published, in 1e-9; ``None`` if nobody asks or the book is not known."""
    ask_qty_e8: int | None
    """Size at the best ask, in 1e-8; ``None`` with it."""
    price_e9: int | None
    """The trade's price, the new tick size, or what a share pays (``"resolved"``), in 1e-9;
    ``None`` for other kinds.
    """
    qty_e8: int | None
    """The trade's size, or one share (``"resolved"``), in 1e-8; ``None`` for other kinds."""
    instrument: int
    """The engine's number of the book; ``Feed.names`` says which one that is."""
    epoch: int
    """The number of the book's unbroken run."""
    conn: int
    """The number of the connection that carries the book."""
    kind: UpdateKind
    """What happened."""
    state: State
    """The book's state after it; only ``"live"`` may be believed."""
    cause: Cause
    """Why the book is in that state."""
    touch_changed: bool
    """Whether best bid or ask, or a size there, is another one than before."""
    hash_verified: bool
    """Whether a hash or checksum of the venue vouches for the book as it stands."""
    aggressor: Literal["buy", "sell"] | None
    """Who took what was offered in a trade; ``None`` for other kinds, or if it is not known."""
    off_book: bool
    """Whether a trade was agreed outside the book."""
    gap: tuple[int, int] | None
    """The number that was expected in a numbered stream and the one that came; ``None`` unless that
    is why the book was lost.
    """
    symbol: str
    """The venue's symbol of the book; empty if it is not known."""

    @classmethod
    def from_bytes(cls, data: bytes, offset: int = 0, names: Known = NOTHING_KNOWN) -> "Update":
        """Read the record at ``offset``; ``struct.error`` if there are not enough bytes."""
        symbols = names if type(names) is dict else symbols_of(names)
        (
            ts_recv, ts_event, ts_evidence, seq, bid, bid_qty, ask, ask_qty, price, qty,
            instrument, epoch, conn, kind, state, cause, flags,
        ) = _UPDATE.unpack_from(data, offset)  # fmt: skip
        aggressor: Literal["buy", "sell"] | None = None
        if flags & (AGGRESSOR_BUY | AGGRESSOR_SELL):
            aggressor = "buy" if flags & AGGRESSOR_BUY else "sell"
        gap: tuple[int, int] | None = None
        if CAUSES[cause] == _CAUSE_GAP and kind == KIND_STATE:
            gap, price, qty = (price, qty), ABSENT, ABSENT
        update: Any = _Unfrozen()
        update.ts_recv = ts_recv
        update.ts_event = known(ts_event)
        update.ts_evidence = known(ts_evidence)
        update.seq = seq
        update.bid_e9 = known(bid)
        update.bid_qty_e8 = known(bid_qty)
        update.ask_e9 = known(ask)
        update.ask_qty_e8 = known(ask_qty)
        update.price_e9 = known(price)
        update.qty_e8 = known(qty)
        update.instrument = instrument
        update.epoch = epoch
        update.conn = conn
        update.kind = UPDATE_KINDS[kind]
        update.state = STATES[state]
        update.cause = CAUSES[cause]
        update.touch_changed = bool(flags & TOUCH_CHANGED)
        update.hash_verified = bool(flags & HASH_VERIFIED)
        update.aggressor = aggressor
        update.off_book = bool(flags & OFF_BOOK)
        update.gap = gap
        update.symbol = symbols.get(instrument, "")
        update.__class__ = cls
        return cast(Update, update)

    @property
    def live(self) -> bool:
        """Whether the book may be believed after this record."""
        return self.state == "live"

    @property
    def bid(self) -> float | None:
        """Best bid in USD a share."""
        return ratio(self.bid_e9, PRICE_SCALE)

    @property
    def ask(self) -> float | None:
        """Best ask in USD a share."""
        return ratio(self.ask_e9, PRICE_SCALE)

    @property
    def bid_qty(self) -> float | None:
        """Shares at the best bid."""
        return ratio(self.bid_qty_e8, QTY_SCALE)

    @property
    def ask_qty(self) -> float | None:
        """Shares at the best ask."""
        return ratio(self.ask_qty_e8, QTY_SCALE)

    @property
    def price(self) -> float | None:
        """Trade price, or new tick size, in USD a share."""
        return ratio(self.price_e9, PRICE_SCALE)

    @property
    def qty(self) -> float | None:
        """Shares traded."""
        return ratio(self.qty_e8, QTY_SCALE)

    @property
    def price_decimal(self) -> Decimal | None:
        """Trade price, or new tick size, exactly."""
        return decimal(self.price_e9, PRICE_SCALE)

    @property
    def qty_decimal(self) -> Decimal | None:
        """Shares traded, exactly."""
        return decimal(self.qty_e8, QTY_SCALE)


_Unfrozen: Final = unfrozen(Update)


_STATE_CODES: Final = {word: code for code, word in enumerate(STATES)}
_CAUSE_CODES: Final = {word: code for code, word in enumerate(CAUSES)}


def touch_record(view: BookView, ts: int, conn: int) -> bytes:
    """How a book stands at ``ts`` as the bytes of a ``"book"`` update that no message caused.

    Its ``seq`` is 0. It is for who comes late: what was emitted before ``ts`` is in it.
    """
    return _UPDATE.pack(
        ts, _packed(view.ts_event), _packed(view.ts_evidence), 0,
        _packed(view.bid_e9), _packed(view.bid_qty_e8),
        _packed(view.ask_e9), _packed(view.ask_qty_e8), ABSENT, ABSENT,
        view.instrument, view.epoch, conn,
        KIND_BOOK, _STATE_CODES[view.state], _CAUSE_CODES[view.cause],
        HASH_VERIFIED if view.verified else 0,
    )  # fmt: skip


def _packed(number: int | None) -> int:
    return ABSENT if number is None else number
