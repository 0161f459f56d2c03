"""Typed records: ``Update``, ``Signal`` and ``Leg`` read from the engine's fixed-width bytes.

A batch is fastest as a numpy array; these objects are for code that wants names and exact
numbers. Prices are integers of 1e-9 (``*_e9``), quantities integers of 1e-8 (``*_e8``), money
integers of 1e-9 USD, times Unix nanoseconds; the properties without a suffix are the same numbers
as floats, for display and arithmetic that tolerates rounding. Absent is ``None``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from struct import Struct
from typing import Final, Literal

from bookfeed._bookfeed import (
    ABSENT,
    CAUSES,
    CLOSE_REASONS,
    PRICE_SCALE,
    QTY_SCALE,
    RULES,
    SIGNAL_PHASES,
    STATES,
    UPDATE_KINDS,
    Batch,
)
from bookfeed.names import Known, Name, Names, symbols_of
from bookfeed.words import Cause, CloseReason, RuleKind, SignalPhase, State, UpdateKind

UPDATE_BYTES: Final = 96
SIGNAL_BYTES: Final = 144
LEG_BYTES: Final = 64

# Where dispatching looks without decoding a whole record.
UPDATE_INSTRUMENT_OFFSET: Final = 80
UPDATE_KIND_OFFSET: Final = 92
KIND_BOOK: Final = UPDATE_KINDS.index("book")
KIND_STATE: Final = UPDATE_KINDS.index("state")

_UPDATE: Final = Struct("<qqqQqqqqqqIIIBBBB")
_SIGNAL: Final = Struct("<qqQQqqqqqqqqqIIBBBBB3xqq8x")
_LEG: Final = Struct("<IIqqqqqBBB5xq")

_TOUCH_CHANGED: Final = 1
_AGGRESSOR_BUY: Final = 2
_AGGRESSOR_SELL: Final = 4
_HASH_VERIFIED: Final = 8
_OFF_BOOK: Final = 16
_CAUSE_GAP: Final = "gap"

_USD_SCALE: Final = 1_000_000_000
_NS_PER_S: Final = 1_000_000_000
_NS_PER_US: Final = 1_000

_DIRECTIONS: Final[tuple[Literal["buy", "sell"] | None, ...]] = (None, "buy", "sell")
_SIDES: Final[tuple[Literal["buy", "sell"], ...]] = ("buy", "sell")
_VIEWS: Final[tuple[Literal["yes", "no"], ...]] = ("yes", "no")
_OPPOSITE: Final = {"yes": "no", "no": "yes", "Yes": "No", "No": "Yes", "YES": "NO", "NO": "YES"}

_NOTHING_KNOWN: Final[Known] = {}
_NAMELESS: Final = Name("", "", "", "", "")


def _name(names: Known, instrument: int) -> Name:
    if isinstance(names, Names):
        return names.get(instrument, _NAMELESS)
    symbol = names.get(instrument, "")
    return Name("", "", "", symbol, symbol)


def _renamed(old: object) -> None:
    """``symbols`` is called ``names``; the old word is answered until the next version."""
    if old is not None:
        raise TypeError("the argument symbols is called names now: give feed.names to it")


def _known(value: int) -> int | None:
    return None if value == ABSENT else value


def _ratio(value: int | None, scale: int) -> float | None:
    return None if value is None else value / scale


def _decimal(value: int | None, scale: int) -> Decimal | None:
    return None if value is None else Decimal(value) / scale


@dataclass(frozen=True, slots=True)
class Update:
    """One thing that happened to one book.

    ``kind`` is one of ``UPDATE_KINDS``: a changed book, a trade, a change of state, a new tick
    size, a resolution. Every kind carries the touch and the state as they are after it.
    ``price_e9`` and ``qty_e8`` are the trade's, or the new tick size in ``price_e9``. A book lost
    to a hole in its numbered stream says in ``gap`` which number was expected and which one came.
    """

    ts_recv: int
    ts_event: int | None
    ts_evidence: int | None
    seq: int
    bid_e9: int | None
    bid_qty_e8: int | None
    ask_e9: int | None
    ask_qty_e8: int | None
    price_e9: int | None
    qty_e8: int | None
    instrument: int
    epoch: int
    conn: int
    kind: UpdateKind
    state: State
    cause: Cause
    touch_changed: bool
    hash_verified: bool
    aggressor: Literal["buy", "sell"] | None
    off_book: bool
    gap: tuple[int, int] | None
    symbol: str

    @classmethod
    def from_bytes(cls, data: bytes, offset: int = 0, names: Known = _NOTHING_KNOWN) -> "Update":
        """Read the record at ``offset``; ``struct.error`` if there are not enough bytes."""
        symbols = names if type(names) is dict else symbols_of(names)
        (
            ts_recv, ts_event, ts_evidence, seq, bid, bid_qty, ask, ask_qty, price, qty,
            instrument, epoch, conn, kind, state, cause, flags,
        ) = _UPDATE.unpack_from(data, offset)  # fmt: skip
        aggressor: Literal["buy", "sell"] | None = None
        if flags & (_AGGRESSOR_BUY | _AGGRESSOR_SELL):
            aggressor = "buy" if flags & _AGGRESSOR_BUY else "sell"
        gap: tuple[int, int] | None = None
        if CAUSES[cause] == _CAUSE_GAP and kind == KIND_STATE:
            gap, price, qty = (price, qty), ABSENT, ABSENT
        return cls(
            ts_recv=ts_recv,
            ts_event=_known(ts_event),
            ts_evidence=_known(ts_evidence),
            seq=seq,
            bid_e9=_known(bid),
            bid_qty_e8=_known(bid_qty),
            ask_e9=_known(ask),
            ask_qty_e8=_known(ask_qty),
            price_e9=_known(price),
            qty_e8=_known(qty),
            instrument=instrument,
            epoch=epoch,
            conn=conn,
            kind=UPDATE_KINDS[kind],
            state=STATES[state],
            cause=CAUSES[cause],
            touch_changed=bool(flags & _TOUCH_CHANGED),
            hash_verified=bool(flags & _HASH_VERIFIED),
            aggressor=aggressor,
            off_book=bool(flags & _OFF_BOOK),
            gap=gap,
            symbol=symbols.get(instrument, ""),
        )

    @property
    def live(self) -> bool:
        """Whether the book may be believed after this record."""
        return self.state == "live"

    @property
    def bid(self) -> float | None:
        """Best bid in USD a share."""
        return _ratio(self.bid_e9, PRICE_SCALE)

    @property
    def ask(self) -> float | None:
        """Best ask in USD a share."""
        return _ratio(self.ask_e9, PRICE_SCALE)

    @property
    def bid_qty(self) -> float | None:
        """Shares at the best bid."""
        return _ratio(self.bid_qty_e8, QTY_SCALE)

    @property
    def ask_qty(self) -> float | None:
        """Shares at the best ask."""
        return _ratio(self.ask_qty_e8, QTY_SCALE)

    @property
    def price(self) -> float | None:
        """Trade price, or new tick size, in USD a share."""
        return _ratio(self.price_e9, PRICE_SCALE)

    @property
    def qty(self) -> float | None:
        """Shares traded."""
        return _ratio(self.qty_e8, QTY_SCALE)

    @property
    def price_decimal(self) -> Decimal | None:
        """Trade price, or new tick size, exactly."""
        return _decimal(self.price_e9, PRICE_SCALE)

    @property
    def qty_decimal(self) -> Decimal | None:
        """Shares traded, exactly."""
        return _decimal(self.qty_e8, QTY_SCALE)


def _traded(outcome: str, view: Literal["yes", "no"]) -> str:
    """What a leg trades: the instrument's own outcome, or its opposite."""
    if view == "yes" or not outcome:
        return outcome
    return _OPPOSITE.get(outcome, f"not {outcome}")


@dataclass(frozen=True, slots=True)
class Leg:
    """One book of a signal: what would be executed there, and how far it can be believed.

    ``view`` ``"no"`` means the other side of the instrument's contract: prices are one less its
    own. ``market`` is the venue's id of the market and ``outcome`` what is traded, in words: the
    instrument's own outcome, or with the view ``"no"`` its opposite (``"No"`` for ``"Yes"``,
    ``"not Ada"`` for ``"Ada"``). With ``venue`` they are empty where they are not known.
    ``age_ns`` is how old the book's newest evidence was, ``None`` if it had none.
    ``maker_fee_e9`` is the fee of ``qty_e8`` if it rested at the best price of its own side.
    """

    instrument: int
    epoch: int
    side: Literal["buy", "sell"]
    view: Literal["yes", "no"]
    avg_price_e9: int | None
    worst_price_e9: int | None
    qty_e8: int | None
    fee_e9: int | None
    maker_fee_e9: int | None
    age_ns: int | None
    state: State
    symbol: str
    venue: str = ""
    market: str = ""
    outcome: str = ""

    @classmethod
    def from_bytes(cls, data: bytes, offset: int = 0, names: Known = _NOTHING_KNOWN) -> "Leg":
        """Read the record at ``offset``; ``struct.error`` if there are not enough bytes."""
        (
            instrument, epoch, avg, worst, qty, fee, age, state, side, view, maker_fee,
        ) = _LEG.unpack_from(data, offset)  # fmt: skip
        name = _name(names, instrument)
        return cls(
            instrument=instrument,
            epoch=epoch,
            side=_SIDES[side],
            view=_VIEWS[view],
            avg_price_e9=_known(avg),
            worst_price_e9=_known(worst),
            qty_e8=_known(qty),
            fee_e9=_known(fee),
            maker_fee_e9=_known(maker_fee),
            age_ns=_known(age),
            state=STATES[state],
            symbol=name.symbol,
            venue=name.venue,
            market=name.market,
            outcome=_traded(name.outcome, _VIEWS[view]),
        )

    @property
    def age_s(self) -> float | None:
        """Seconds since the newest evidence for the leg's book; ``None`` if there was none."""
        return _ratio(self.age_ns, _NS_PER_S)

    @property
    def avg_price(self) -> float | None:
        """Average executable price in USD a share, before fees."""
        return _ratio(self.avg_price_e9, PRICE_SCALE)

    @property
    def worst_price(self) -> float | None:
        """Price of the last level used, in USD a share."""
        return _ratio(self.worst_price_e9, PRICE_SCALE)

    @property
    def qty(self) -> float | None:
        """Shares."""
        return _ratio(self.qty_e8, QTY_SCALE)

    @property
    def fee(self) -> float | None:
        """Fee of the leg in USD."""
        return _ratio(self.fee_e9, _USD_SCALE)

    @property
    def maker_fee(self) -> float | None:
        """Fee of the leg in USD if it rested and was taken."""
        return _ratio(self.maker_fee_e9, _USD_SCALE)


@dataclass(frozen=True, slots=True)
class Signal:
    """One moment in the life of an opportunity: it opens, is updated, and closes for a reason.

    ``id`` is the same through the whole life. ``rule`` is the kind of rule and ``name`` what it was
    called, empty if it was not. Edges are USD a share of 1e-9, averaged over
    ``qty_e8``; ``net_edge_e9`` is after fees. ``value_e9`` is the rule's own measure.
    ``maker_edge_e9`` is what one unit would leave if every leg rested at the best price of its own
    side.
    """

    ts_recv: int
    ts_open: int
    seq: int
    id: int
    rule: RuleKind
    rule_id: int
    phase: SignalPhase
    reason: CloseReason
    direction: Literal["buy", "sell"] | None
    qty_e8: int | None
    gross_edge_e9: int | None
    net_edge_e9: int | None
    fee_e9: int | None
    capital_e9: int | None
    peak_edge_e9: int | None
    qty_open_e8: int | None
    value_e9: int | None
    skew_ns: int | None
    lag_ns: int | None
    maker_edge_e9: int | None
    legs: tuple[Leg, ...]
    name: str = ""

    @classmethod
    def from_bytes(
        cls, data: bytes, legs: bytes, offset: int = 0, names: Known = _NOTHING_KNOWN
    ) -> "Signal":
        """Read the record at ``offset`` and its legs out of the same batch's ``legs``.

        Raises ``struct.error`` if either holds too few bytes.
        """
        (
            ts_recv, ts_open, seq, ident, qty, gross, net, fee, capital, peak, qty_open, value,
            skew, rule_id, leg_start, rule, phase, reason, direction, leg_count, maker_edge, lag,
        ) = _SIGNAL.unpack_from(data, offset)  # fmt: skip
        return cls(
            ts_recv=ts_recv,
            ts_open=ts_open,
            seq=seq,
            id=ident,
            rule=RULES[rule],
            rule_id=rule_id,
            phase=SIGNAL_PHASES[phase],
            reason=CLOSE_REASONS[reason],
            direction=_DIRECTIONS[direction],
            qty_e8=_known(qty),
            gross_edge_e9=_known(gross),
            net_edge_e9=_known(net),
            fee_e9=_known(fee),
            capital_e9=_known(capital),
            peak_edge_e9=_known(peak),
            qty_open_e8=_known(qty_open),
            value_e9=_known(value),
            skew_ns=_known(skew),
            lag_ns=_known(lag),
            maker_edge_e9=_known(maker_edge),
            legs=tuple(
                Leg.from_bytes(legs, (leg_start + index) * LEG_BYTES, names)
                for index in range(leg_count)
            ),
            name=names.rules.get(rule_id, "") if isinstance(names, Names) else "",
        )

    @property
    def qty(self) -> float | None:
        """Shares that can be executed at the stated edge."""
        return _ratio(self.qty_e8, QTY_SCALE)

    @property
    def gross_edge(self) -> float | None:
        """Edge in USD a share before fees."""
        return _ratio(self.gross_edge_e9, PRICE_SCALE)

    @property
    def net_edge(self) -> float | None:
        """Edge in USD a share after fees."""
        return _ratio(self.net_edge_e9, PRICE_SCALE)

    @property
    def maker_edge(self) -> float | None:
        """Edge in USD a share if every leg rested and was taken, after maker fees."""
        return _ratio(self.maker_edge_e9, PRICE_SCALE)

    @property
    def peak_edge(self) -> float | None:
        """Largest net edge of this life so far, in USD a share."""
        return _ratio(self.peak_edge_e9, PRICE_SCALE)

    @property
    def fee(self) -> float | None:
        """Fees of all legs together in USD."""
        return _ratio(self.fee_e9, _USD_SCALE)

    @property
    def capital(self) -> float | None:
        """Capital the opportunity would bind, in USD."""
        return _ratio(self.capital_e9, _USD_SCALE)

    @property
    def value(self) -> float | None:
        """The rule's own measure, in USD a share."""
        return _ratio(self.value_e9, PRICE_SCALE)

    @property
    def net_total_e9(self) -> int | None:
        """What the whole size would leave after fees: net edge times ``qty``, in 1e-9 USD.

        Rounded down to a whole number, so never stated too high. ``None`` if the rule has no net
        edge, or there is no size.
        """
        if self.net_edge_e9 is None or self.qty_e8 is None:
            return None
        return self.net_edge_e9 * self.qty_e8 // QTY_SCALE

    @property
    def net_total(self) -> float | None:
        """What the whole size would leave after fees, in USD; ``None`` as ``net_total_e9`` is."""
        return _ratio(self.net_total_e9, _USD_SCALE)

    @property
    def roi(self) -> float | None:
        """Net total by the capital it would bind: 0.01 is one per cent.

        ``None`` if there is no net total, or no capital to compare it with.
        """
        net_total_e9 = self.net_total_e9
        if net_total_e9 is None or not self.capital_e9:
            return None
        return net_total_e9 / self.capital_e9

    @property
    def duration(self) -> timedelta:
        """How long the opportunity has been open at this moment, to the microsecond."""
        return timedelta(microseconds=(self.ts_recv - self.ts_open) // _NS_PER_US)

    @property
    def duration_s(self) -> float:
        """How long the opportunity has been open at this moment, in seconds."""
        return (self.ts_recv - self.ts_open) / _NS_PER_S

    @property
    def skew_s(self) -> float | None:
        """How many seconds the receipts of the legs' newest evidence are apart; ``None`` if
        a leg has none.
        """
        return _ratio(self.skew_ns, _NS_PER_S)

    @property
    def lag_s(self) -> float | None:
        """How many seconds the venue times last heard of for the legs are apart; ``None`` if
        a venue states none.
        """
        return _ratio(self.lag_ns, _NS_PER_S)


def updates(
    batch: Batch, names: Known = _NOTHING_KNOWN, *, symbols: None = None
) -> Iterator[Update]:
    """Iterate the updates of a batch as typed objects; ``names`` is ``Feed.names``.

    A plain mapping of symbols by instrument number does as well.
    """
    _renamed(symbols)
    known, data = symbols_of(names), batch.update_bytes
    return (Update.from_bytes(data, at, known) for at in range(0, len(data), UPDATE_BYTES))


def signals(
    batch: Batch, names: Known = _NOTHING_KNOWN, *, symbols: None = None
) -> Iterator[Signal]:
    """Iterate the signals of a batch as typed objects; ``names`` is ``Feed.names``.

    With a plain mapping of symbols by instrument number, rules and legs have no names.
    """
    _renamed(symbols)
    data, legs = batch.signal_bytes, batch.leg_bytes
    return (Signal.from_bytes(data, legs, at, names) for at in range(0, len(data), SIGNAL_BYTES))
