"""The compiled engine: bytes in, books and fixed-width records out.

Units everywhere: prices are integers of 1e-9 (``*_e9``), quantities integers of 1e-8
(``*_e8``), times Unix nanoseconds. Absent is ``None`` in objects and ``ABSENT``
(``-2**63``) in records; never NaN and never 0.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Literal, Never, Self, TypeAlias, final, overload

import numpy as np
import numpy.typing as npt

from bookfeed.market import Market
from bookfeed.words import (
    Cause,
    CloseReason,
    Freshness,
    IndexStanding,
    RefusalReason,
    RuleKind,
    SignalPhase,
    State,
    UpdateKind,
)

__all__ = [
    "ABSENT",
    "CAUSES",
    "CLOSE_REASONS",
    "FRESHNESS",
    "INDEX_DTYPE",
    "INDEX_STANDINGS",
    "LEG_DTYPE",
    "LEVEL_DTYPE",
    "MARKET_STATUSES",
    "MODES",
    "ORIGINS",
    "POINT_DTYPE",
    "PRICE_SCALE",
    "QTY_SCALE",
    "REFUSALS",
    "RELAYS",
    "RELAY_EVENTS",
    "RELAY_TOPICS",
    "RULES",
    "SIGNAL_DTYPE",
    "SIGNAL_PHASES",
    "STATES",
    "UPDATE_DTYPE",
    "UPDATE_KINDS",
    "VENUES",
    "Answers",
    "Batch",
    "BookView",
    "BookfeedError",
    "BoundaryMeasure",
    "ConsolidatedFill",
    "ConsolidatedLevel",
    "Consolidation",
    "DecimalError",
    "Depth",
    "Engine",
    "EngineError",
    "FairValue",
    "Fill",
    "FrameDoor",
    "FrameIntake",
    "Gap",
    "Histogram",
    "Index",
    "JournalEncoder",
    "JournalError",
    "JournalReader",
    "LeadLag",
    "LevelRows",
    "Notice",
    "PaperFill",
    "RelayBatch",
    "Relays",
    "SettlementWindow",
    "SpotBook",
    "SpotIndex",
    "SpotIndexValue",
    "TradeWindow",
    "Untrusted",
    "VenueCrossing",
    "VenueLead",
    "Volatility",
    "WindowStanding",
    "__version__",
    "fair_value",
    "format_price",
    "format_qty",
    "json_check",
    "parse_price",
    "parse_qty",
    "payoff_probability",
]

__version__: Final[str]
"""Version of the package."""
PRICE_SCALE: Final[int]
"""Units of a price to 1: 1_000_000_000."""
QTY_SCALE: Final[int]
"""Units of a quantity to 1: 100_000_000."""
ABSENT: Final[int]
"""What stands in records for a number that is not there: -2**63."""

# Layouts for numpy.dtype(); of the package itself they are dtypes already. docs/records.md
# explains each column; a test in the core pins them.

UPDATE_DTYPE: Final[dict[str, Any]]
"""Layout of an update, 96 bytes."""
SIGNAL_DTYPE: Final[dict[str, Any]]
"""Layout of a signal, 144 bytes."""
LEG_DTYPE: Final[dict[str, Any]]
"""Layout of a leg of a signal, 64 bytes."""
LEVEL_DTYPE: Final[dict[str, Any]]
"""Layout of a change of a level, 48 bytes."""
INDEX_DTYPE: Final[dict[str, Any]]
"""Layout of a value of an index, 96 bytes."""
POINT_DTYPE: Final[dict[str, Any]]
"""Layout of a value of a reference, 72 bytes."""

RELAYS: Final[tuple[str, ...]]
"""Sockets that tell prices, trades and comments beside books."""
RELAY_TOPICS: Final[tuple[str, ...]]
"""What relays tell of, in the order of the codes in ``POINT_DTYPE``."""
RELAY_EVENTS: Final[dict[str, tuple[str, ...]]]
"""The fields of each kind of event of a relay that is no value of a reference."""
ORIGINS: Final[tuple[str, ...]]
"""Who states a value; the empty one where nobody says."""
MARKET_STATUSES: Final[tuple[str, ...]]
"""Whether the market of a value trades; the empty one where nobody says."""

VENUES: Final[dict[str, dict[str, str | int | None]]]
"""What the core knows of each venue, by name: how it notices a missing message
(``"continuity"``), what proves a book (``"proof"``), what a share and its opposite pay together
(``"payout_e9"``, ``None`` where nothing is paid out), whether two connections may carry the same
books (``"lines"``), and whether another interface of it may check them (``"second"``)."""

MODES: Final[dict[str, tuple[str, ...]]]
"""How each venue may be asked to speak, where that changes what its frames mean, by the venue's
name: the modes of ``Engine.connected``, the one without a name first."""

# Names of the small integers in records, in order of their codes.

STATES: Final[tuple[State, ...]]
"""Whether a book may be believed; only ``"live"`` says yes."""
CAUSES: Final[tuple[Cause, ...]]
"""Why a book is in its state."""
FRESHNESS: Final[tuple[Freshness, ...]]
"""What is thought of how long somebody has said nothing."""
INDEX_STANDINGS: Final[tuple[IndexStanding, ...]]
"""How a constituent of an index stands."""
UPDATE_KINDS: Final[tuple[UpdateKind, ...]]
"""What an update tells."""
SIGNAL_PHASES: Final[tuple[SignalPhase, ...]]
"""Where in its life a signal is."""
RULES: Final[tuple[RuleKind, ...]]
"""What a rule looks for."""
CLOSE_REASONS: Final[tuple[CloseReason, ...]]
"""Why a signal closed; ``"none"`` while it is open."""
REFUSALS: Final[tuple[RefusalReason, ...]]
"""Why an opportunity that was there at the touch was not signalled."""

_Duration: TypeAlias = float | timedelta
_HashCheck: TypeAlias = Literal["always", "sampled", "off"]

class BookfeedError(Exception):
    """Root of every error that bookfeed raises on purpose."""

class EngineError(BookfeedError):
    """A call that the engine cannot carry out; the message says why."""

class DecimalError(BookfeedError):
    """A text or number that is not a plain decimal within range."""

class JournalError(BookfeedError):
    """A journal that cannot be written or read."""

def parse_price(text: str | bytes) -> int:
    """The price that a text prints, in 1e-9, exactly. Plain decimals only: ``"0.48"``, ``".48"``.

    Raises ``DecimalError`` for anything else, more digits than 1e-9 has, or a number too
    large.
    """

def parse_qty(text: str | bytes) -> int:
    """The quantity that a text prints, in 1e-8, exactly. Raises ``DecimalError`` as
    ``parse_price``.
    """

def format_price(value: int) -> str:
    """A price in 1e-9 as its shortest exact decimal text."""

def format_qty(value: int) -> str:
    """A quantity in 1e-8 as its shortest exact decimal text."""

def json_check(data: bytes) -> None:
    """Raises ``DecimalError`` with the byte offset unless `data` is one RFC 8259 text."""

@final
class Batch:
    """Records handed over together, by one ``Engine.drain()`` or made by hand; owns its bytes.

    Its length is the number of updates, signals and level changes. Arrays are numpy structured
    arrays of shape ``(n,)`` over the bytes, without a copy and read-only; their columns carry
    units, and absent numbers in them are ``ABSENT`` (-2**63): ``bookfeed.columns()`` masks
    those.

    Made by hand it raises ``ValueError`` for bytes that are no whole number of records, and
    for a signal whose legs are not in ``leg_bytes``.
    """

    def __new__(
        cls,
        update_bytes: bytes = b"",
        signal_bytes: bytes = b"",
        leg_bytes: bytes = b"",
        level_bytes: bytes = b"",
        index_bytes: bytes = b"",
    ) -> Self: ...
    @property
    def updates(self) -> npt.NDArray[np.void]:
        """What happened to books, in order: an array of ``UPDATE_DTYPE``."""
    @property
    def signals(self) -> npt.NDArray[np.void]:
        """What rules found, in order: an array of ``SIGNAL_DTYPE``."""
    @property
    def legs(self) -> npt.NDArray[np.void]:
        """The legs of the signals, ``legs`` of them from ``leg_start`` on: an array of
        ``LEG_DTYPE``.
        """
    @property
    def levels(self) -> npt.NDArray[np.void]:
        """Changes of levels, in order: an array of ``LEVEL_DTYPE``; empty unless
        ``Engine.watch_levels`` asked for them.
        """
    @property
    def indices(self) -> npt.NDArray[np.void]:
        """Values of the indices that are estimated (``Engine.add_index``), in order: an array of
        ``INDEX_DTYPE``. They do not count in the batch's length, and sinks do not get them.
        """

    @property
    def update_bytes(self) -> bytes:
        """The bytes of ``updates``."""
    @property
    def signal_bytes(self) -> bytes:
        """The bytes of ``signals``."""
    @property
    def leg_bytes(self) -> bytes:
        """The bytes of ``legs``."""
    @property
    def level_bytes(self) -> bytes:
        """The bytes of ``levels``."""
    @property
    def index_bytes(self) -> bytes:
        """The bytes of ``indices``."""

    def __len__(self) -> int: ...

@final
class Fill:
    """What sweeping one side of a book would execute; made by ``BookView.sweep``. All but ``fee``
    is before fees.

    Where it is not ``complete``, the rest is not in the book; or, where it is ``truncated``
    too, the book is not known so deep.
    """

    @property
    def complete(self) -> bool:
        """Whether the book holds all that was asked for."""
    @property
    def truncated(self) -> bool:
        """Whether knowledge of the side ends before all was had (see ``BookView.depth_known``)."""
    @property
    def qty(self) -> float:
        """Quantity that would execute."""
    @property
    def qty_e8(self) -> int:
        """Quantity that would execute, in 1e-8, exactly."""
    @property
    def avg_price(self) -> float:
        """Average price: ``notional / qty``."""
    @property
    def worst_price(self) -> float:
        """Price of the last level used."""
    @property
    def worst_price_e9(self) -> int:
        """Price of the last level used, in 1e-9, exactly."""
    @property
    def notional(self) -> float:
        """Money that changes hands: the sum of price times quantity over the levels used."""
    @property
    def notional_e17(self) -> int:
        """The notional in 1e-17, exactly; it may need more than 64 bits."""
    @property
    def fee(self) -> float | None:
        """What the venue charges a taker for it, in dollars. ``None`` where the fees are not known,
        or are of a type that cannot be computed.
        """
    @property
    def fee_e9(self) -> int | None:
        """The fee in 1e-9 dollars, exactly; ``None`` as ``fee``."""
    @property
    def levels(self) -> int:
        """How many levels it uses."""
    @property
    def slippage_bps(self) -> float | None:
        """How much worse than the mid the average price is, in basis points of the mid; negative
        if it is better. ``None`` without a touch, and where the mid is 0.
        """
    @property
    def slippage_touch_bps(self) -> float | None:
        """How much worse than the best price of the side swept the average price is, in basis
        points of that price. ``None`` where it is 0.
        """

@final
class Depth:
    """What stands on the best levels of one side, or on those inside a band around the mid.

    Where ``truncated``, levels that belong here may be missing: the book is not known so deep.
    """

    @property
    def qty(self) -> float:
        """Sum of the sizes."""
    @property
    def notional(self) -> float:
        """Sum of price times size."""
    @property
    def levels(self) -> int:
        """How many levels were counted."""
    @property
    def truncated(self) -> bool:
        """Whether levels that belong here may be missing, because the book is not known so deep."""

@final
class TradeWindow:
    """The trades of a window of time before the newest message about a book, by receive time."""

    @property
    def count(self) -> int:
        """How many trades."""
    @property
    def vwap(self) -> float | None:
        """Average price weighted by size, ``sum(price * qty) / sum(qty)``; ``None`` without a
        trade.
        """
    @property
    def volume(self) -> float:
        """Sum of the sizes."""
    @property
    def signed_flow(self) -> float:
        """Sum of the sizes, those of sellers who crossed the spread subtracted; trades whose
        aggressor is not known count 0.
        """
    @property
    def truncated(self) -> bool:
        """Whether older trades of the window are not remembered any more; the sums lack them."""

_Side: TypeAlias = Literal["bid", "ask"]
_Aggressor: TypeAlias = Literal["buy", "sell"]
_Proof: TypeAlias = Literal["hash", "sequence", "checksum", "touch", "rest", "venue"]

@final
class BookView:
    """One book: a live view, of which every property reads the engine's current state, or a
    frozen copy of one moment.

    Prices are in the money of the market (USD a share for contracts), quantities in shares or
    in the base currency. Names ending in ``_e9`` and ``_e8`` are the exact integers of 1e-9
    and 1e-8; those without are the nearest floats. Times are Unix nanoseconds.

    The touch, the metrics and the fills are ``None`` unless the book may be believed
    (``live``), or was so when it was last polled (``polled``). Levels, trades, ``state`` and
    ``cause`` are always there. Every read raises ``EngineError`` if the engine no longer has
    the book. Views come from ``Engine.book()`` and ``Feed.book()``.
    """

    @property
    def instrument(self) -> int:
        """Number of the instrument in its engine, the same as in records."""
    @property
    def complement(self) -> BookView:
        """The same book as the other side of its contract, for example the NO of a YES.

        Bids stand at the payout less the asks, asks at the payout less the bids; sizes, state
        and evidence are the same. It is a view as well and costs no copy, whatever the depth.
        The complement's complement is the book as it is. Raises ``EngineError`` if the
        instrument pays nothing out.
        """
    @property
    def is_complement(self) -> bool:
        """Whether this is the other side of the instrument's contract (see ``complement``)."""
    @property
    def gap(self) -> tuple[int, int] | None:
        """The hole in its numbered stream that the book was last lost to: the number that was
        due, and the one that came. ``None`` if there was none since it was last whole.
        """
    @property
    def update_id(self) -> int | None:
        """The venue's number of the newest update in the book; ``None`` where the venue does not
        number the updates of each book, and before the first.
        """
    @property
    def event(self) -> str | None:
        """The venue's id of the event that the market belongs to, or ``None``."""
    @property
    def open_ts(self) -> int | None:
        """When the market opens, Unix nanoseconds, or ``None`` if that is not known."""
    @property
    def close_ts(self) -> int | None:
        """When the market closes, Unix nanoseconds, or ``None`` if that is not known."""
    def trading(self, ts: int) -> Literal["open", "before_open", "paused", "unknown", "closed"]:
        """Whether the market can be traded in at ``ts`` (Unix nanoseconds): ``"open"``,
        ``"before_open"``, ``"paused"`` by the venue, ``"closed"``, or ``"unknown"`` after news was
        lost.
        """
    @property
    def venue(self) -> str:
        """Name of the venue, as in ``VENUES`` and the configuration."""
    @property
    def symbol(self) -> str:
        """The venue's own string for the book."""
    @property
    def market(self) -> str | None:
        """The venue's id of the market that this is an outcome of, or ``None`` if it is not
        known.
        """
    @property
    def outcome(self) -> str | None:
        """The outcome in words, such as ``"Yes"``, or ``None`` if none was given."""
    @property
    def payout_e9(self) -> int | None:
        """What a share and its complement pay out together, in 1e-9; ``None`` where nothing is
        paid out, as on spot venues.
        """
    @property
    def base(self) -> str | None:
        """The currency that is traded, such as ``"BTC"``; ``None`` where shares are."""
    @property
    def quote(self) -> str | None:
        """The currency it is priced in, such as ``"USDT"``, or ``None`` if that was not stated.
        One currency is never taken for another.
        """
    @property
    def state(self) -> State:
        """Whether the book may be believed: one of ``STATES``. Only ``"live"`` says yes;
        ``"live_poll"`` says that it was so at ``ts_evidence``.
        """
    @property
    def cause(self) -> Cause:
        """Why it is in that state: one of ``CAUSES``; ``docs/states.md`` explains each."""
    @property
    def live(self) -> bool:
        """Whether the book may be believed. The same as ``state == "live"``."""
    @property
    def polled(self) -> bool:
        """Whether nothing streams the book, and it is as the venue told it when it was last
        asked, at ``ts_evidence``. The same as ``state == "live_poll"``.
        """
    @property
    def verified(self) -> bool:
        """Whether the venue's own hash or checksum vouches for the book exactly as it stands.
        ``False`` where the venue gives neither, and after every change until it is checked.
        """
    @property
    def epoch(self) -> int:
        """Number of the unbroken run the book is in; grows whenever it is recovered, 0 before the
        first whole book.
        """
    @property
    def ts_event(self) -> int | None:
        """The venue's time of the newest message applied, Unix nanoseconds, or ``None``."""
    @property
    def ts_recv(self) -> int | None:
        """When the newest message applied was received, Unix nanoseconds, or ``None``."""
    @property
    def ts_evidence(self) -> int | None:
        """When the newest evidence for the book was received, Unix nanoseconds, or ``None``. It
        may be newer than the book: a numbered stream proves its quiet books as well.
        """
    @property
    def freshness(self) -> Freshness:
        """What is thought of how long the book has said nothing, at the newest ``advance``: one of
        ``FRESHNESS``. ``"fresh"``, it spoke lately; ``"quiet"``, it never says much, or a witness
        vouched for its silence; ``"suspect"``, by its own rhythm it should have spoken, and nobody
        has vouched, or it falls behind (``delay_grows``); ``"frozen"``, a witness knows of changes
        that its stream kept back; ``"none"``, there is nothing to be heard. None is a state.
        """
    @property
    def delay_grows(self) -> bool:
        """Whether what is said of the book is later and later, and not so of its connection: it
        waits somewhere where its siblings do not. Judged where messages bear times, at ``advance``.
        """
    @property
    def evidence(self) -> dict[str, int]:
        """How often each kind of evidence spoke for or against the book since it was subscribed."""
    @property
    def tick_size_e9(self) -> int | None:
        """Smallest step between two prices, in 1e-9, or ``None`` if it is not known."""
    @property
    def bid(self) -> float | None:
        """Best bid; ``None`` without one, or if the book may not be believed."""
    @property
    def ask(self) -> float | None:
        """Best ask; ``None`` without one, or if the book may not be believed."""
    @property
    def bid_qty(self) -> float | None:
        """Size at the best bid; ``None`` as ``bid``."""
    @property
    def ask_qty(self) -> float | None:
        """Size at the best ask; ``None`` as ``ask``."""
    @property
    def bid_e9(self) -> int | None:
        """Best bid in 1e-9, exactly; ``None`` as ``bid``."""
    @property
    def ask_e9(self) -> int | None:
        """Best ask in 1e-9, exactly; ``None`` as ``ask``."""
    @property
    def bid_qty_e8(self) -> int | None:
        """Size at the best bid in 1e-8, exactly; ``None`` as ``bid``."""
    @property
    def ask_qty_e8(self) -> int | None:
        """Size at the best ask in 1e-8, exactly; ``None`` as ``ask``."""
    @property
    def spread(self) -> float | None:
        """Best ask less best bid; 0 where they are equal. ``None`` if a side is empty, if they
        cross, or if the book may not be believed.
        """
    @property
    def spread_bps(self) -> float | None:
        """The spread in basis points of the mid: ``10_000 * (ask - bid) / mid``. ``None`` as
        ``spread``, and where the mid is 0.
        """
    @property
    def mid(self) -> float | None:
        """``(bid + ask) / 2``; ``None`` as ``spread``."""
    @property
    def weighted_mid(self) -> float | None:
        """``(ask * bid_qty + bid * ask_qty) / (bid_qty + ask_qty)``: a large bid pulls it towards
        the ask. Often called micro-price. ``None`` as ``spread``.
        """
    @property
    def last_price(self) -> float | None:
        """Price of the newest trade, whatever the book's state; ``None`` before the first."""
    @property
    def last_qty(self) -> float | None:
        """Size of the newest trade; ``None`` before the first."""
    @property
    def last_aggressor(self) -> Literal["buy", "sell"] | None:
        """Who crossed the spread in the newest trade, ``"buy"`` or ``"sell"``; ``None`` before
        the first, and where the venue does not say.
        """
    def imbalance(self, levels: int = 1) -> float | None:
        """``(bids - asks) / (bids + asks)`` of the sizes of the best ``levels`` of each side, -1
        to 1.

        ``None`` without a touch, for 0 levels, where a side is not known for so many levels,
        and if the book may not be believed. A side that has fewer levels counts those it has.
        """
    @property
    def buy(self) -> Never:
        """Gone: use ``sweep("buy", qty)``."""
    @property
    def sell(self) -> Never:
        """Gone: use ``sweep("sell", qty)``."""
    @property
    def buy_notional(self) -> Never:
        """Gone: use ``sweep_notional("buy", notional)``."""
    @property
    def sell_notional(self) -> Never:
        """Gone: use ``sweep_notional("sell", notional)``."""
    def sweep(self, side: _Aggressor, qty: float | str) -> Fill | None:
        """What taking ``qty`` out of the book would execute: ``"buy"`` walks the asks, ``"sell"``
        the bids, best level first. Nothing is ordered, and ``Fill.fee`` stands beside the money.

        ``qty`` is a number, or decimal text to be exact. ``None`` if nothing would execute (no
        level that is known, a quantity of 0) or the book may not be believed. Raises
        ``DecimalError`` for a quantity that is none, ``EngineError`` for another side.
        """
    def sweep_notional(self, side: _Aggressor, notional: float | str) -> Fill | None:
        """As ``sweep``, for at most so much money: it spends (``"buy"``) or raises (``"sell"``)
        never more than ``notional``, before fees.

        ``None`` also where the money does not buy 1e-8.
        """
    def depth_within(self, side: _Side, bps: float) -> Depth | None:
        """What stands on ``side`` (``"bid"`` or ``"ask"``) within ``bps`` basis points of the
        mid, the edge included.

        ``None`` without a touch, or if the book may not be believed. Raises ``DecimalError``
        for a band that is negative or beyond 4e7.
        """
    def depth(self, side: _Side, levels: int) -> Depth | None:
        """What stands on the best ``levels`` of ``side`` (``"bid"`` or ``"ask"``); ``None`` if
        the book may not be believed.
        """
    def depth_known(self, side: _Side) -> float | None:
        """Price of the last level that knowledge of a side reaches, whatever the book's state.

        ``None`` if the whole side is known. ``levels`` may list levels beyond: they are there
        because they changed, others beside them may be missing, and no metric counts them.
        """
    def trades(self, window_s: _Duration) -> TradeWindow:
        """The trades of the last ``window_s`` seconds (a number or a ``timedelta``) before the
        newest message received about the book, whatever its state.

        Raises ``EngineError`` for a negative window, NaN, or one of more than 366 days.
        """
    def levels(self, side: _Side, depth: int | None = None) -> npt.NDArray[np.float64]:
        """The levels of ``side`` (``"bid"`` or ``"ask"``), best first, at most ``depth`` of them,
        whatever the book's state: float64 of shape ``(n, 2)``, price and size.
        """
    def levels_exact(self, side: _Side, depth: int | None = None) -> npt.NDArray[np.int64]:
        """As ``levels``, exactly: int64 of shape ``(n, 2)``, prices in 1e-9 and sizes in 1e-8."""
    def as_strings(self, side: _Side) -> list[list[str]]:
        """All levels of ``side``, best first, as decimal text: ``[price, size]`` each, the
        shortest text that is exact.
        """
    def trusted(
        self, max_age_s: _Duration | None = None, proof: _Proof | None = None
    ) -> BookView | Untrusted:
        """The book itself if it may be relied on, else an ``Untrusted``, which is falsy and says
        why::

            if book := feed.book(symbol).trusted(max_age_s=2.0, proof="hash"):
                price = book.ask

        It must be live. ``max_age_s`` (seconds or a ``timedelta``) bounds the age of its
        newest evidence, ``ts_evidence``, against the newest time the engine was told.
        ``proof`` names what must vouch for the book exactly as it stands, with no change
        since:

        * ``"hash"``: the venue's hash of the whole book. Polymarket only. With the engine's
          ``hash_check="sampled"`` a change is unproven until its check, with ``"always"`` only
          if its message had no hash.
        * ``"checksum"``: the venue's checksum of the best levels. Kraken only, with every
          message.
        * ``"sequence"``: the venue numbers its messages, and none is missing. Kalshi and
          Binance only: there every live book meets it.
        * ``"touch"``: the venue's own best bid and best ask, both stated and equal to the
          book's. Polymarket with every change; Kalshi and Binance when their ticker speaks of
          the book as it stands.
        * ``"rest"``: a whole book fetched by REST beside the stream was the same.
        * ``"venue"``: whichever of the first three its venue gives. Prices of
          ``Feed.push_quote`` stand by themselves until they expire.

        A proof that the venue never gives is never met. Each refusal is counted
        (``Engine.untrusted()``, and ``untrusted_reads`` among the counters). Raises ``EngineError``
        for another proof, and for a ``max_age_s`` that is no duration.
        """
    def freeze(self) -> BookView:
        """A copy of the book as it stands, which does not change any more: the same class, with
        every metric, level, trade window, state and age of this moment. ``frozen`` is true.

        It copies all levels and the trades that are remembered; a frozen book is its own copy.
        """
    @property
    def frozen(self) -> bool:
        """Whether this is a copy of one moment (see ``freeze``); a live view reads the book of
        now.
        """
    def to_dict(self, depth: int | None = None) -> dict[str, Any]:
        """The book as a dictionary of plain values, for JSON and the like.

        ``bids`` and ``asks`` list at most ``depth`` levels each (all of them if ``None``),
        best first, as ``[price, size]`` in floats, whatever the book's state, which is beside
        them in ``state``, ``cause``, ``live`` and ``polled``. ``bid``, ``ask``, their sizes,
        ``spread`` and ``mid`` are ``None`` unless one of the two is true. Times are Unix
        nanoseconds or ``None``.
        """
    def _repr_html_(self) -> str:
        """The ladder as an HTML table, for notebooks."""

@final
class Untrusted:
    """The answer of ``BookView.trusted`` where the book is not to be relied on. It is falsy."""

    @property
    def reason(self) -> str:
        """Why: state and cause of a book that is not live, such as ``"stale:gap"``; else
        ``"no_evidence"`` (nothing has vouched for it), ``"too_old"`` (its newest evidence is
        older than was asked for) or ``"unproven"`` (the proof asked for does not cover it as
        it stands).
        """
    @property
    def book(self) -> BookView:
        """The book that was asked about, whose levels and state can still be looked at."""
    def __bool__(self) -> Literal[False]: ...

@final
class Histogram:
    """Counts of durations in nanoseconds, in log-linear buckets.

    A percentile is never below the true value and at most 1/64 above it. Negative durations
    are counted apart, in ``negative``, and enter no other statistic: receivers' clocks may be
    behind.
    """

    def __new__(cls) -> Histogram: ...
    def record(self, value_ns: int) -> None:
        """Counts one duration in nanoseconds."""
    def percentile(self, p: float) -> int | None:
        """The duration that ``p`` percent do not exceed, in nanoseconds: 0 is the minimum, 100
        the maximum. ``None`` while empty, and for a ``p`` that is not from 0 to 100.
        """
    def below(self, bounds_ns: Sequence[int]) -> list[int]:
        """For each of ``bounds_ns``, in ascending order, how many durations are below it. Exact for
        powers of two; of others those within 1/64 below may be missing.
        """
    @property
    def count(self) -> int:
        """How many durations were counted; negative ones are not."""
    @property
    def negative(self) -> int:
        """How many durations were negative."""
    @property
    def min(self) -> int | None:
        """The shortest, exactly, in nanoseconds; ``None`` while empty."""
    @property
    def max(self) -> int | None:
        """The longest, exactly, in nanoseconds; ``None`` while empty."""
    @property
    def mean(self) -> float | None:
        """The mean, in nanoseconds; ``None`` while empty."""
    def reset(self) -> None:
        """Forgets everything."""

@final
class LevelRows:
    """The best ``depth`` levels a side of an engine's books as rows of int64.

    A row is ``5 + 4 * depth`` numbers: time, instrument, epoch, places in ``STATES`` and
    ``CAUSES``; then for each level price and size of the bid, price and size of the ask,
    ``ABSENT`` where there is none, or none is known of. There is one where a book differs from
    the row before it.
    """

    def __new__(cls, depth: int) -> LevelRows: ...
    def note(self, update_bytes: bytes) -> None:
        """Notes which books the packed updates of a batch are about."""
    def look(self, engine: Engine, ts: int) -> None:
        """Rows of the books that were noted, as they are now; ``ts`` is their time."""
    def look_waiting(self, engine: Engine, ts: int) -> None:
        """The same for the books that updates are about which wait in the engine and were not
        looked at; ``drained`` has to be told once they were handed over.
        """
    def drained(self) -> None:
        """No update waits in the engine any more."""
    def __len__(self) -> int:
        """How many rows have come together."""
    def take(self) -> bytes:
        """Hands the rows over, packed."""

@final
class Notice:
    """A venue's reply to a command, or its word that something ends or failed. Numbers that it
    does not state are 0, texts empty.
    """

    @property
    def conn(self) -> int:
        """Number of the connection it came on."""
    @property
    def kind(self) -> Literal["subscribed", "ok", "unsubscribed", "error", "ending", "asks"]:
        """What it is: ``"subscribed"``, ``"ok"``, ``"unsubscribed"``, ``"error"``, ``"ending"``, or
        ``"asks"``, which the venue does to hear whether anybody is there.
        """
    @property
    def id(self) -> int:
        """Number of the command it answers."""
    @property
    def sid(self) -> int:
        """The venue's number of the subscription."""
    @property
    def code(self) -> int:
        """The venue's number of the error."""
    @property
    def channel(self) -> str:
        """Name of the channel."""
    @property
    def text(self) -> str:
        """The venue's own words."""
    @property
    def ts(self) -> int:
        """When it was received, Unix nanoseconds."""

@final
class Relays:
    """Everything that relays tell beside books: prices of references, trades, comments, quotes.

    It reads no clock and opens nothing: times are arguments (Unix nanoseconds), and the same
    calls give the same records. It knows no book, and no ``Engine`` knows it. If it fails (a
    defect), each further call raises ``EngineError``.
    """

    def __new__(cls) -> Self: ...
    def connected(self, conn: int, relay: str) -> None:
        """A connection to ``relay`` (``RELAYS``) is open; the numbers of its frames begin anew.
        Raises ``EngineError`` for a relay that there is not.
        """
    def disconnected(self, conn: int) -> None:
        """A connection is gone."""
    def ingest(self, conn: int, payload: bytes, ts: int) -> int:
        """Takes one frame of a connection, received at ``ts`` (Unix nanoseconds); returns how many
        records wait. Bad frames are counted and told as an event, ``lost``.
        """
    @property
    def pending(self) -> int:
        """Records that wait to be drained."""
    def drain(self) -> RelayBatch:
        """Hands over the records that wait."""
    def symbol(self, number: int) -> str | None:
        """What a symbol is called, by the number that points carry; ``None`` if there is none."""
    def counters(self) -> dict[str, int]:
        """What happened, counted, by name."""
    def last_error(self) -> str | None:
        """The newest complaint about a frame: connection, time, place and what was wrong;
        ``None`` before the first.
        """

@final
class RelayBatch:
    """Records handed over together, by one ``Relays.drain()``; its length is their number."""

    @property
    def points(self) -> npt.NDArray[np.void]:
        """Values of references, in order: an array of ``POINT_DTYPE`` over the bytes, read-only.
        The value is ``value_e18_high * 2**64 + value_e18_low``.
        """
    @property
    def point_bytes(self) -> bytes:
        """The bytes of ``points``."""
    @property
    def events(self) -> list[tuple[Any, ...]]:
        """Everything else, in order, each as kind, topic, type, connection, receive time, time,
        time sent (Unix nanoseconds, ``None`` where it is not told), and the fields that
        ``RELAY_EVENTS`` names.
        """
    @property
    def heard(self) -> list[tuple[int, str, str]]:
        """Connections, topics and symbols of which values came, other than of the past; also such
        as had been told, for they show that the stream lives.
        """
    def __len__(self) -> int: ...

@final
class Gap:
    """A hole in a numbered stream: the number that should have come, and the one that came."""

    @property
    def conn(self) -> int:
        """Number of the connection."""
    @property
    def sid(self) -> int:
        """The venue's number of the stream."""
    @property
    def expected(self) -> int:
        """The number that should have come."""
    @property
    def got(self) -> int:
        """The number that came."""
    @property
    def ts(self) -> int:
        """When that was received, Unix nanoseconds."""

@final
class Index:
    """The newest value of a reference index, in dollars of 1e-9."""

    @property
    def value_e9(self) -> int:
        """Its value, in 1e-9."""
    @property
    def ts_event(self) -> int | None:
        """The venue's time of it, Unix nanoseconds, or ``None``."""
    @property
    def ts_recv(self) -> int:
        """When it was received, Unix nanoseconds."""
    @property
    def mean_60s_e9(self) -> int | None:
        """The venue's mean of the last 60 seconds, in 1e-9, or ``None`` if it states none."""
    @property
    def closing_mean_e9(self) -> tuple[int, int] | None:
        """The venue's mean that a market is going to be settled at, in 1e-9, and how many values
        are in it so far; ``None`` outside its window.
        """

@final
class SpotBook:
    """A spot venue's book at one moment, as levels.

    ``ts`` is when the venue last vouched for it (any frame or heartbeat), Unix nanoseconds.
    Levels are pairs of a price in 1e-9 and a size in 1e-8, in any order. ``believed`` says
    whether the book may be believed; one that may not is left out of an index.
    """

    def __new__(
        cls,
        ts: int,
        bids: Sequence[tuple[int, int]],
        asks: Sequence[tuple[int, int]],
        *,
        believed: bool = True,
    ) -> Self: ...

@final
class SpotIndex:
    """An index of spot books by its administrator's published method: an estimate of our own, never
    the administrator's value.

    ``asset`` chooses the published parameters: ``"BTC"``, ``"ETH"``, ``"SOL"`` or ``"XRP"``.
    Where public sources disagree about the method there is a switch:

    * ``spacing``: ``"integral"``, over each step of the curve; ``"published"``, multiples of the
      size that was published until June 2026; ``"hundredth"``, hundredths of the depth that is
      used; or a size in 1e-8.
    * ``sample``: which orders the size cap is computed from: ``("at_least", n)``, all within 5 %
      of the best price, but n of each side; ``("at_most", n)``, the best n of those.
    * ``order``: what is capped as one order: a venue's ``"level"``, or all of a ``"price"``.
    * ``crossed``: whether bids above asks of other venues are ``"kept"`` or ``"matched"``.
    * ``median``: whether mids are compared with the median of those that are not excluded
      (``"valid"``) or of ``"all"``.
    * ``lag_max_s``: how old a book's newest sign of life may not be, seconds or ``timedelta``.
    * ``half_spread_ppm``, ``erroneous_ppm``: how wide half the spread may become, and how far a
      mid may stray, in parts per million.

    Raises ``EngineError`` for what is none of these.
    """

    def __new__(
        cls,
        asset: Literal["BTC", "ETH", "SOL", "XRP"],
        *,
        spacing: Literal["integral", "published", "hundredth"] | int | None = None,
        sample: tuple[Literal["at_least", "at_most"], int] | None = None,
        order: Literal["level", "price"] = "level",
        crossed: Literal["kept", "matched"] = "kept",
        median: Literal["valid", "all"] = "valid",
        lag_max_s: _Duration | None = None,
        half_spread_ppm: int | None = None,
        erroneous_ppm: int | None = None,
    ) -> Self: ...
    def tick(self, ts: int, books: dict[str, BookView | SpotBook]) -> SpotIndexValue | None:
        """The index at the effective time ``ts`` (Unix nanoseconds), from the books of its
        constituents by name: ``BookView`` or ``SpotBook``. A view counts while it is live; its
        newest evidence is its sign of life. A constituent that was given before and is not now
        is delayed.

        ``None`` if no book is left after the screening: nothing is carried forward.
        """
    @property
    def standings(self) -> dict[str, str]:
        """How each constituent stood at the last tick, by name: ``"included"``, ``"delayed"``,
        ``"erroneous"`` (cannot be read or believed, lacks a side, or crosses itself) or
        ``"potentially_erroneous"`` (too far from the others, until it is well back).
        """

@final
class SpotIndexValue:
    """An index of spot books at one effective time."""

    @property
    def ts(self) -> int:
        """The effective time, Unix nanoseconds."""
    @property
    def value(self) -> float:
        """The value."""
    @property
    def value_e9(self) -> int:
        """The value, in 1e-9."""
    @property
    def published_e9(self) -> int:
        """The value, rounded half up to the decimal places it is published with, in 1e-9."""
    @property
    def utilised_depth(self) -> float:
        """Size up to which the merged book is tight enough to count."""
    @property
    def utilised_depth_e8(self) -> int:
        """The same in 1e-8."""
    @property
    def cap_e8(self) -> int:
        """Size above which an order counts no more, in 1e-8."""
    @property
    def crossed_e8(self) -> int:
        """Size that the books of different venues would match with each other, in 1e-8."""
    @property
    def touch_e9(self) -> tuple[int, int]:
        """Best bid and best ask of the merged book, in 1e-9."""
    @property
    def included(self) -> int:
        """How many constituents are in it."""

@final
class Consolidation:
    """The books of several venues read as one: made by ``Consolidated.now()``, or of ``BookView``
    and ``SpotBook`` by name.

    Each answer is of the moment it is asked, and only from books that may be believed then.
    Prices are before fees; what a sweep pays of them stands beside it. ``taker_bps`` are what
    venues take of the money that changes hands, in basis points by name, such as your tier of a
    spot venue: what is stated counts before a market's own schedule. Raises ``DecimalError``
    for one that is negative or above 10,000.
    """

    def __new__(
        cls,
        books: dict[str, BookView] | dict[str, SpotBook],
        *,
        taker_bps: dict[str, float] | None = None,
    ) -> Self: ...
    @property
    def included(self) -> list[str]:
        """Names of the books that may be believed now; no others are in any answer."""
    def ladder(self, side: _Side, depth: int | None = None) -> list[ConsolidatedLevel]:
        """The levels of ``side`` (``"bid"`` or ``"ask"``) of all venues, the best first: the best
        ``depth`` prices, or all.
        """
    def depth_known(self, side: _Side) -> float | None:
        """Whether some venue does not tell ``side`` as deep as another does: ``ladder`` may miss
        levels of it from this price on. ``None`` if all are known in whole.
        """
    def sweep(self, side: _Aggressor, qty: float | str) -> ConsolidatedFill | None:
        """What taking ``qty`` from all venues would execute: ``"buy"`` walks the asks, ``"sell"``
        the bids, the best price first, and of one price the venues in their order.

        ``None`` if nothing would. Raises as ``BookView.sweep`` does.
        """
    def sweep_notional(self, side: _Aggressor, notional: float | str) -> ConsolidatedFill | None:
        """As ``sweep``, for at most so much money."""
    def crossing(self) -> VenueCrossing:
        """What could be bought at one venue and sold at another for more: how far books overlap."""
    @property
    def mid(self) -> float | None:
        """The median of the venues' mids; ``None`` if none has both sides."""
    def basis(self) -> dict[str, float]:
        """How far each venue's mid is above ``mid``; a venue without both sides is not in it."""
    def basis_bps(self) -> dict[str, float]:
        """The same in basis points of ``mid``."""

@final
class ConsolidatedLevel:
    """All that venues have at one price."""

    @property
    def price(self) -> float:
        """The price."""
    @property
    def price_e9(self) -> int:
        """The price in 1e-9, exactly."""
    @property
    def qty(self) -> float:
        """Size of all venues."""
    @property
    def qty_e8(self) -> int:
        """Size of all venues in 1e-8, exactly."""
    @property
    def venues(self) -> dict[str, int]:
        """Size of each venue that is there, in 1e-8, in their order."""

@final
class ConsolidatedFill:
    """What a sweep of all venues would execute."""

    @property
    def whole(self) -> Fill:
        """The whole of it: its average price is the VWAP across venues, its fee the sum of theirs;
        ``None`` if one of them is not known.
        """
    @property
    def venues(self) -> dict[str, Fill]:
        """What each venue does of it, of those that do anything."""

@final
class VenueCrossing:
    """How far books of several venues overlap."""

    @property
    def qty(self) -> float:
        """Size that bids above asks of other venues would match."""
    @property
    def qty_e8(self) -> int:
        """The same in 1e-8, exactly."""
    @property
    def gain(self) -> float:
        """What that would gain, before fees."""
    @property
    def gain_e17(self) -> int:
        """The same in 1e-17, exactly."""
    @property
    def last_bid_e9(self) -> int | None:
        """The last bid matched, in 1e-9; ``None`` if nothing crosses."""
    @property
    def last_ask_e9(self) -> int | None:
        """The last ask matched, in 1e-9; ``None`` if nothing crosses."""
    @property
    def sold_e8(self) -> dict[str, int]:
        """Size that would be sold to each venue, in 1e-8."""
    @property
    def bought_e8(self) -> dict[str, int]:
        """Size that would be bought at each venue, in 1e-8."""
    @property
    def truncated(self) -> bool:
        """Whether more may cross behind what is known of a book."""

@final
class LeadLag:
    """Which of several venues moves first: their mids, looked at on a grid of time.

    ``venues`` are names. ``step_s`` is the time between two looks, ``window_s`` how far back they
    are remembered, ``reach_s`` how far a venue may be ahead or behind: seconds or ``timedelta``.
    Raises ``EngineError`` for a step of 0, and for more than 10,000 steps in the window.
    """

    def __new__(
        cls,
        venues: list[str],
        *,
        step_s: _Duration | None = None,
        window_s: _Duration | None = None,
        reach_s: _Duration | None = None,
    ) -> Self: ...
    def look(self, ts: int, books: Consolidation) -> None:
        """Looks at the mids as they are at ``ts``, Unix nanoseconds. The first look in each step
        counts, and a step without one is unknown. A venue that may not be believed is unknown, too.
        """
    def lead(self, venue: str) -> VenueLead | None:
        """How far a venue is ahead of the others together.

        ``None`` while it, or the others, moved fewer than 20 times in the window, where nothing
        goes together, and for another name.
        """

@final
class VenueLead:
    """How far a venue is ahead of others."""

    @property
    def lead_ns(self) -> int:
        """Nanoseconds by which its moves come before theirs; negative if they come behind."""
    @property
    def correlation_ppm(self) -> int:
        """How well they go together then, in millionths: 1,000,000 is the same moves."""
    @property
    def moves(self) -> int:
        """How many moves of its own that rests on."""

@final
class BoundaryMeasure:
    """How the value at a boundary of a window is had.

    ``BoundaryMeasure("mean")`` is the mean of the 60 one-second samples before it; ``samples``,
    ``step_s`` and ``endpoints`` change that: whether the beginning of the stretch has a sample
    (``"start"``) or its end has one (``"end"``). ``"tick"`` is the tick stamped with that very
    time, ``"first"`` the first one at that time or after (the open of a candle), ``"last"`` the
    last one before it (the close of a candle).
    """

    def __new__(
        cls,
        kind: Literal["mean", "tick", "first", "last"],
        *,
        samples: int = 60,
        step_s: _Duration | None = None,
        endpoints: Literal["start", "end"] = "start",
    ) -> Self: ...

@final
class SettlementWindow:
    """A window of a rolling market: what it opens and closes with by its market's own rule, and how
    much of that is known.

    ``start`` and ``end`` are Unix nanoseconds, ``opening`` and ``closing`` say how their values
    are had. ``tie`` says what a closing value equal to the strike means: ``"yes"``, or
    ``"half"`` each. Values are integers of 1e-18, as in ``PricePoint.value_e18``. Ticks come in
    any order, late and repeated; the first value of a time stays. One that is missing is never
    made up: without it the outcome is ``"unknown"``.

    Raises ``EngineError`` for times and samples that make no sense.
    """

    def __new__(
        cls,
        start: int,
        end: int,
        opening: BoundaryMeasure,
        closing: BoundaryMeasure,
        *,
        tie: Literal["yes", "half"] = "yes",
    ) -> Self: ...
    def tick(self, ts: int, value_e18: int) -> None:
        """Takes a tick of the reference: the venue's time of it, Unix nanoseconds, and its value in
        1e-18.
        """
    def tell_strike(self, strike_e18: int) -> None:
        """Takes the strike that the venue states, in 1e-18: it overrules what was read at the
        start. Raises ``EngineError`` if it is not positive.
        """
    @property
    def strike_e18(self) -> int | None:
        """The strike, in 1e-18: as the venue states it, else as it was read at the start. ``None``
        until it is known.
        """
    @property
    def opening_e18(self) -> int | None:
        """The value at the start, in 1e-18, a mean rounded down; ``None`` until it is known, and if
        a tick of it is missing.
        """
    @property
    def closing_e18(self) -> int | None:
        """The value at the end, in the same way."""
    @property
    def outcome(self) -> Literal["open", "yes", "no", "half", "unknown"]:
        """Who has won: ``"open"``, ``"yes"``, ``"no"``, ``"half"``, or ``"unknown"`` if a tick that
        it takes to say so was not heard. Compared exactly.
        """
    @property
    def banked(self) -> int | None:
        """How many samples of the closing mean are known; ``None`` if it closes with no mean."""
    @property
    def missing(self) -> int | None:
        """How many of them passed and were not heard."""
    @property
    def left(self) -> int | None:
        """How many of them are to come."""
    @property
    def mean_of_banked_e18(self) -> int | None:
        """Mean of the known samples, in 1e-18, rounded down; ``None`` before the first."""
    @property
    def needed_e18(self) -> int | None:
        """The least average of the samples to come that makes it a yes, in 1e-18. ``None`` where no
        sample is to come, or the strike is not known.
        """
    @property
    def expected_e18(self) -> int | None:
        """What is expected of the closing value at the newest tick, in 1e-18; ``None`` before the
        first. Samples that were missed lie on a line between their neighbours.
        """
    @property
    def variance_s(self) -> float | None:
        """How far it may still move: seconds of the reference's own variance."""
    @property
    def newest_ts(self) -> int | None:
        """The venue's time of the newest tick, Unix nanoseconds."""

@final
class Volatility:
    """How much a reference moves a second lately: an exponentially weighted mean of squared moves
    of its logarithm, over unequal times.

    What is ``half_life_s`` old counts half; ticks nearer to each other than ``step_s`` are left
    out. Durations are seconds or ``timedelta``. The reference must be the raw one: a mean of a
    minute moves by a seventh of it. Raises ``EngineError`` unless 0 < ``step_s`` <
    ``half_life_s``.
    """

    def __new__(cls, half_life_s: _Duration, *, step_s: _Duration | None = None) -> Self: ...
    def tick(self, ts: int, value_e18: int) -> None:
        """Takes a tick: Unix nanoseconds, and a value in 1e-18."""
    @property
    def variance(self) -> float | None:
        """Variance of the logarithm a second; ``None`` until nine tenths of all weights are had, or
        as much as 20 moves that count alike.
        """
    @property
    def sigma(self) -> float | None:
        """Units of the reference a root second, at its newest value; ``None`` as ``variance``."""
    @property
    def relative_error(self) -> float:
        """Standard deviation of the estimate, as a part of it."""

@final
class FairValue:
    """The probability that a contract pays, and what it rests on."""

    @property
    def ts(self) -> int:
        """When it was worth that, Unix nanoseconds."""
    @property
    def price(self) -> float:
        """Probability of yes: what a share is worth."""
    @property
    def price_e9(self) -> int:
        """The same in 1e-9."""
    @property
    def low_e9(self) -> int:
        """The least probability that the doubts allow, in 1e-9."""
    @property
    def high_e9(self) -> int:
        """The greatest probability that the doubts allow, in 1e-9."""
    @property
    def expected_e18(self) -> int:
        """The expected closing value, in 1e-18."""
    @property
    def sd_e18(self) -> int:
        """Its standard deviation, in 1e-18."""
    @property
    def reference_age_ns(self) -> int:
        """How old the newest tick of the reference is, nanoseconds."""
    @property
    def volatility_age_ns(self) -> int:
        """How old the newest move is that the volatility was measured by, nanoseconds."""
    @property
    def books_age_ns(self) -> int:
        """How old the newest evidence was for the oldest book that the newest tick of the reference
        was made of, nanoseconds; 0 of a reference that is told.
        """
    @property
    def books(self) -> int:
        """Of how many books it was made; 0 of a reference that is told."""

@final
class Answers:
    """How the book of a contract answers when its reference moves."""

    @property
    def moves(self) -> int:
        """Moves of the reference that were seen so far."""
    @property
    def half_life_ns(self) -> int | None:
        """How long the book takes to come half of the way, in nanoseconds: the median of the
        newest 64 answers, from tick to tick of the reference; ``None`` before the first.
        """
    @property
    def waited_ns(self) -> int | None:
        """How long a move has not been answered, in nanoseconds, by the newest tick; ``None`` while
        nothing is waited for.
        """
    @property
    def up(self) -> bool | None:
        """Whether it became worth more by that; ``None`` while nothing is waited for."""

@final
class WindowStanding:
    """What is known of the window that a contract settles by."""

    @property
    def strike_e18(self) -> int | None:
        """The strike, in 1e-18: as it was told, else as it was read at the start; ``None`` until
        it is known.
        """
    @property
    def opening_e18(self) -> int | None:
        """What was read at its start, in 1e-18; ``None`` until known, and if a tick is missing."""
    @property
    def closing_e18(self) -> int | None:
        """What was read at its end, in 1e-18, likewise."""
    @property
    def opening_told(self) -> bool:
        """Whether ``opening_e18`` is what the stream that decides told for that very time
        (``decided_by`` of the terms); if not, it is computed from what the reference told.
        """
    @property
    def closing_told(self) -> bool:
        """The same of ``closing_e18``."""
    @property
    def needed_e18(self) -> int | None:
        """What the samples to come must average at least for yes, in 1e-18; ``None`` where it
        closes with no mean, none is to come, or the strike is not known.
        """
    @property
    def banked(self) -> int | None:
        """How many samples of the closing mean are known; ``None`` where it closes with no mean."""
    @property
    def missing(self) -> int | None:
        """How many of them passed and were not heard; ``None`` where it closes with no mean."""
    @property
    def samples(self) -> int | None:
        """How many there are in all; ``None`` where it closes with no mean."""
    @property
    def outcome(self) -> Literal["open", "yes", "no", "half", "unknown"]:
        """Who has won by the window's own question: ``"open"``, ``"yes"``, ``"no"``, ``"half"`` or
        ``"unknown"``.
        """

def fair_value(
    window: SettlementWindow,
    volatility: Volatility,
    ts: int,
    *,
    at_least_e18: int | None = None,
    below_e18: int | None = None,
    half_on_tie: bool = False,
    freedom: int | None = None,
    scale: float = 1.0,
    reference_doubt_e18: int = 0,
    volatility_doubt: float = 2.0,
) -> FairValue | None:
    """What a contract on the closing value of a window is worth at ``ts`` (Unix nanoseconds).

    It pays 1 if that value is at least ``at_least_e18`` and below ``below_e18``; with neither it
    is the window's own question, at least its strike. ``half_on_tie`` says that a value equal to
    the lower bound pays half. ``freedom`` is degrees of freedom of Student's t, 3 to 100, or
    ``None`` for normal moves; ``scale`` multiplies their deviation. The interval allows for a
    reference that is off by ``reference_doubt_e18`` and a volatility that is off by
    ``volatility_doubt`` standard deviations of its estimate.

    ``None`` before the first tick, while the strike or the volatility is not known. Raises
    ``EngineError`` for tails that make no sense.
    """

def payoff_probability(
    expected_e18: int,
    sd: float,
    *,
    at_least_e18: int | None = None,
    below_e18: int | None = None,
    freedom: int | None = None,
    scale: float = 1.0,
) -> int:
    """Probability, in 1e-9, that a value with an expectation (in 1e-18) and a standard deviation
    (in whole units) is at least one bound and below another. ``freedom`` and ``scale`` as in
    ``fair_value``. Raises ``EngineError`` for tails and deviations that make no sense.
    """

@final
class PaperFill:
    """What an order that arrived a latency after a signal would have captured of it."""

    @property
    def signal(self) -> int:
        """Id of the signal."""
    @property
    def rule(self) -> RuleKind:
        """Kind of the rule, one of ``RULES``."""
    @property
    def rule_id(self) -> int:
        """Number of the rule."""
    @property
    def ts(self) -> int:
        """When the order arrived, Unix nanoseconds."""
    @property
    def qty_e8(self) -> int:
        """Size that the signal claimed, in 1e-8."""
    @property
    def captured_e8(self) -> int:
        """Size that every leg still gave, in 1e-8."""
    @property
    def unhedged_e8(self) -> int:
        """Size that one leg gave and another did not, in 1e-8."""
    @property
    def net_claimed_e9(self) -> int:
        """What the signal claimed in all, after fees, in 1e-9 USD."""
    @property
    def net_captured_e9(self) -> int:
        """What the captured size came to, after fees, in 1e-9 USD."""

@final
class Engine:
    """Every book of a process, and the rules that watch them.

    It reads no clock and opens nothing: times are arguments (Unix nanoseconds), and the same
    calls give the same records. It is not thread-safe by design: one event loop owns it. If it
    fails (a defect), every book is ``stale(poisoned)`` and each further call raises
    ``EngineError``.

    Durations are seconds, as numbers or ``timedelta``, from 0 to 366 days; ``EngineError`` for
    others.

    * ``hash_check``: when book hashes are checked: ``"always"``, at the end of every message;
      ``"sampled"``, every changed book within ``hash_interval_s`` and before a signal opens;
      ``"off"``, never.
    * ``batch_grace_s``: how long a batch of messages of one venue time may contradict itself.
    * ``suspect_grace_s``: how long a book stays suspect before it is given up.
    * ``silence_s``: how long a connection may bring nothing; 0 switches the check off.
    * ``odd_silence_s``: from how long on the silence of a book or connection may be odd
      (``BookView.freshness``), at the earliest; 0, never.
    * ``poll_age_s``: how old a book may be that is kept by polling.
    * ``max_delay_s``: how much later than its fastest messages a connection may deliver; 0
      switches the check off.
    * ``witness_grace_s``: how long a book may take to come to the touch another channel has of
      it.
    * ``unheard_s``: how long trading and fees that lost news may have changed are unknown where
      nobody can say; 0, until they are said again.
    * ``calendar``: whether venues pause when their calendars say so.
    * ``auto_subscribe``: whether a whole book of an unknown symbol subscribes it; for
      recordings.
    * ``books_max``: how many books there may be; ``EngineError`` for one more.
    * ``digest``: whether ``digest()`` is kept over all records.
    * ``paper_latency_s``: how long orders of the paper ledger take to arrive; several, in a list or
      tuple, are several ledgers; ``None``, no ledger.
    * ``fast_frames``: whether frames that are spelled as their venue spells them are read the fast
      way; the records are the same either way.
    * ``ask_always``: whether rules are asked at every frame about what they refused; the records
      are the same either way.
    """

    def __new__(
        cls,
        *,
        hash_check: _HashCheck = "sampled",
        hash_interval_s: _Duration = 0.25,
        batch_grace_s: _Duration = 0.25,
        suspect_grace_s: _Duration = 1.0,
        silence_s: _Duration = 30.0,
        max_delay_s: _Duration = 3.0,
        witness_grace_s: _Duration = 2.0,
        odd_silence_s: _Duration = 3.0,
        poll_age_s: _Duration = 10.0,
        unheard_s: _Duration = 300.0,
        calendar: bool = True,
        auto_subscribe: bool = False,
        books_max: int = 100_000,
        digest: bool = False,
        paper_latency_s: _Duration | list[_Duration] | tuple[_Duration, ...] | None = None,
        fast_frames: bool = True,
        ask_always: bool = False,
    ) -> Engine: ...
    # Control inputs. Each is one journal record, so that a replay is exact.
    @overload
    def subscribe(self, venue: Market, conn: int, ts: int) -> dict[str, int]: ...
    @overload
    def subscribe(
        self,
        venue: str,
        symbol: str,
        conn: int,
        ts: int,
        *,
        market: str | None = None,
        outcome: str | None = None,
        tick_size: str | None = None,
        min_order_size: str | None = None,
        event: str | None = None,
        open_ts: int | None = None,
        close_ts: int | None = None,
        fee: str | None = None,
        hints: str | None = None,
        base: str | None = None,
        quote: str | None = None,
        depth: int | None = None,
    ) -> int:
        """Adds books, each waiting for its first whole book from the venue.

        ``subscribe(market, conn, ts)`` adds one for every outcome of a ``Market`` and returns
        their instrument numbers by symbol. ``subscribe(venue, symbol, conn, ts, …)`` adds a
        single one and returns its number; what is known of it is given by keyword: ids of its
        ``market`` and ``event``, the ``outcome`` in words, ``tick_size`` and
        ``min_order_size`` as decimal text, ``open_ts`` and ``close_ts`` in Unix nanoseconds,
        ``fee`` as ``"<venue>:<terms>"``, ``hints`` for hashes (``"neg_risk=true"``),
        currencies ``base`` and ``quote``, and ``depth``, the levels a side that are
        subscribed. A symbol that is known moves to ``conn``.

        Raises ``EngineError`` for an unknown venue, a number that is none, or a connection of
        another venue; ``TypeError`` for arguments that are missing.
        """
    def unsubscribe(self, instrument: int, ts: int) -> None:
        """Gives up a book: it is ``stale(unsubscribed)`` from now on. Raises ``EngineError`` if
        there is no such instrument.
        """
    def forget(self, instrument: int, ts: int) -> None:
        """Lets go of a book that was given up, with all its memory: its number means nothing any
        more, and its symbol, subscribed anew, is another instrument.

        Raises ``EngineError`` if there is no such instrument, or it was not given up.
        """
    def connected(self, conn: int, venue: str, ts: int, *, mode: str = "") -> None:
        """A connection to ``venue`` is open; ``mode`` is how the venue was asked to speak, if it
        speaks in more ways than one.

        Its books wait for whole books. Raises ``EngineError`` for an unknown venue or mode,
        and for a connection whose books are another venue's.
        """
    def add_line(self, conn: int, beside: int, ts: int) -> None:
        """Makes ``conn`` a second line of ``beside``: a connection that is subscribed to the same
        books. What comes first counts, on either; the books rest on one of the two, and on the
        other one once that loses something (``docs/lines.md``).

        Raises ``EngineError`` if there is no connection ``beside``, if either is one of two
        lines, if ``conn`` has books, or where the venue's messages cannot be told apart.
        """
    def end_line(self, conn: int, ts: int) -> None:
        """Ends a line, before its connection is closed: the other one carries all books that it is
        in step with, the others are ``stale(line)``. Does nothing for a connection that is none
        of two.
        """
    def disconnected(self, conn: int, ts: int) -> None:
        """A connection is lost: every book of it is ``stale(disconnected)``, and frames of it
        that still come are counted as ``late_frames`` and left out.
        """
    def invalidate(self, conn: int, cause: str, ts: int) -> None:
        """Something was lost on a connection: every book of it is stale for ``cause``, one of
        ``CAUSES``. Raises ``EngineError`` for another.
        """
    def resync_begin(self, instrument: int, ts: int, *, asked: bool = False) -> None:
        """A whole book of ``instrument`` is being fetched: what the stream says meanwhile is kept
        for it. A book that is live stays so, unless somebody ``asked`` for it because he
        doubts it: then it is not live until the whole book is there.

        Raises ``EngineError`` if there is no such instrument.
        """
    def add_rule(self, kind: str, params: Mapping[str, object]) -> int:
        """Adds a signal rule, which watches all instruments, those to come as well, and returns
        its number.

        ``kind`` is one of ``RULES``, ``params`` are the rule's own
        (``docs/configuration.md``); numbers are best given as decimal text. Raises
        ``EngineError`` for an unknown rule or parameter, and for a value that is not allowed.
        """
    def add_index(self, name: str, params: Mapping[str, object], ts: int) -> int:
        """Estimates an index of spot books from here on, at every effective time after ``ts`` (Unix
        nanoseconds), and returns its number. Each value is a record (``Batch.indices``).

        An effective time is a whole multiple of ``tick_ms``. Its value rests on what was received
        before it, and is computed when the first input of that time or a later one comes.
        ``params`` are ``asset``, ``constituents`` and the switches of ``SpotIndex``
        (``docs/metrics.md``). Raises ``EngineError`` for an unknown parameter, for a value that is
        not allowed, and for a ``name`` that there is already.
        """
    def add_terms(self, instrument: int, params: Mapping[str, object], ts: int) -> None:
        """Says what an instrument's contract settles on, and how; its fair value is renewed at
        every tick of that reference (``fair_value``). What was said before is forgotten.

        ``params`` are ``reference``, ``end_ts`` and the others of ``docs/metrics.md``. Ticks of the
        last 20 minutes are looked at, if another contract rested on the reference by then. Raises
        ``EngineError`` if there is no such instrument, for an unknown parameter, and for a value
        that is not allowed.
        """
    def tell_strike(self, instrument: int, strike_e18: int, ts: int) -> None:
        """Says the strike of a contract, in 1e-18, as its venue states it: it overrules what was
        read at the start. Raises ``EngineError`` if there is no such instrument, it has no
        terms, or the strike makes no sense.
        """
    def tell_reference(
        self, name: str, ts_event: int, value_e18: int, ts: int, *, of: int = 0
    ) -> int:
        """Tells a value of the reference ``"told NAME"``, in 1e-18, and the time it is of (Unix
        nanoseconds); ``of`` has a bit for each constituent that it was estimated from. Returns the
        number of records that wait.
        """
    def tell_touch(
        self,
        instrument: int,
        bid_e9: int | None,
        ask_e9: int | None,
        ts: int,
        *,
        hash: str | None = None,
        ts_event: int | None = None,
        ts_sent: int | None = None,
    ) -> int:
        """Tells the touch of a book as a relay of its venue tells it: best prices in 1e-9, the
        hash as printed, the time it is of and when it was sent (Unix nanoseconds); ``None`` for
        what is not told. Without a price what was told before is void. Returns the number of
        records that wait; raises ``EngineError`` if there is no such instrument.
        """
    def remove_rule(self, rule: int, ts: int) -> None:
        """Removes a signal rule; what is open of it is closed (``removed``). Its number is not
        given again. Raises ``EngineError`` if there is no such rule.
        """
    def own_resting(
        self,
        instrument: int,
        bids: Sequence[tuple[int, int]],
        asks: Sequence[tuple[int, int]],
        ts: int,
    ) -> None:
        """Says what of the user's own rests in a book from now on: price in 1e-9 and size in 1e-8
        of each level, in place of what was said before.

        Rules walk the book without it. What is open is asked about at once, and closes where it
        is not there any more (``refused``); what does not open for this is counted (``own``).
        Raises ``EngineError`` if there is no such instrument, and for levels that are none.
        """
    # Data inputs; each returns the number of records pending.
    def ingest(self, conn: int, payload: bytes | bytearray | memoryview, ts_recv: int) -> int:
        """Takes one frame of a connection, received at ``ts_recv`` (Unix nanoseconds), and
        returns the number of records that wait to be drained.

        The payload is read during the call only. A bad frame is never an error: it is counted,
        and the books it may concern leave ``live``. Raises ``EngineError`` if the engine
        itself failed.
        """
    def ingest_rest(
        self,
        conn: int,
        payload: bytes | bytearray | memoryview,
        ts_recv: int,
        *,
        instrument: int | None = None,
        stands_at: int | None = None,
    ) -> int:
        """Takes the answer to a request for whole books, received at ``ts_recv``, and returns the
        number of records that wait.

        ``instrument`` says which book it is, and ``stands_at`` at which of the venue's updates
        it stands, where the body does not say so itself. A bad answer is counted, never an
        error.
        """
    def ingest_poll(
        self,
        conn: int,
        payload: bytes | bytearray | memoryview,
        ts_recv: int,
        *,
        asked: int,
        instrument: int | None = None,
    ) -> int:
        """Takes the answer to a poll, received at ``ts_recv``: whole books that nothing streams,
        which are ``live_poll`` from then on. Returns the number of records that wait.

        ``asked`` is when it was asked for (Unix nanoseconds), earlier if a cache answered: that
        is how old the books are. ``instrument`` says which book it is where the body does not.
        Books of a connection that is open, and answers that are older than what is known, are
        left alone and counted. A bad answer is counted, never an error.
        """
    def watch_levels(self, on: bool) -> None:
        """Whether each change of a level is a record from here on (``Batch.levels``).

        Then whoever applies ``new_qty_e8`` to his copy has ``BookView.levels_exact`` after
        every call, whatever the book's state. His copy begins with the levels as they are now.
        It is a way of looking: no other record and no digest depends on it, and recordings do
        not know of it.
        """

    def advance(self, ts: int) -> int:
        """Lets time pass until ``ts`` (Unix nanoseconds) without data: graces end, silence is
        noticed, checks and holds that are due are done. Returns the number of records that
        wait.
        """
    # Outputs.
    def drain(self, ts_emit: int = 0) -> Batch:
        """Hands over the records that wait. With ``ts_emit`` (Unix nanoseconds, now) the time
        since the oldest of them was received is counted in ``latency()["recv_to_emit"]``.
        """
    def fair_value(self, instrument: int) -> FairValue | None:
        """What the contract of an instrument was worth when its reference last ticked; ``None``
        before that, and while its strike or the volatility is not known. Raises ``EngineError``
        if there is no such instrument.
        """
    def answers(self, instrument: int) -> Answers | None:
        """How the book of an instrument answers when its contract's reference moves; ``None``
        without terms. Raises ``EngineError`` if there is no such instrument.
        """
    def window(self, instrument: int) -> WindowStanding | None:
        """What is known of the window that the contract of an instrument settles by; ``None``
        without terms (``add_terms``). Raises ``EngineError`` if there is no such instrument.
        """
    @property
    def next_estimate(self) -> int | None:
        """The next effective time of the indices that are estimated (Unix nanoseconds), at which
        time should be let pass; ``None`` without one.
        """
    @property
    def pending(self) -> int:
        """Records that wait to be drained."""
    def book(self, instrument: int) -> BookView:
        """The live view of a book. Raises ``EngineError`` if there is no such instrument."""
    def instrument(self, venue: str, symbol: str) -> int | None:
        """Number of the instrument that a venue calls ``symbol``, or ``None`` if there is none.
        Raises ``EngineError`` for an unknown venue.
        """
    def lines(self) -> dict[int, dict[str, int]]:
        """What connections told that are one of two lines, by connection: messages that it told
        ``first``, ``later`` than the other, or that it told and the other never did (``only``),
        and how many books it had ``left`` to the other because it lost something.
        """
    def second_sources(self) -> dict[int, dict[str, int]]:
        """How the second sources of books stand to them, by the book's number: ``conn``, the
        connection; ``whole`` (1 or 0), whether it has a whole book; ``wanted``, whether it has to
        begin anew so that its difference can be believed; and what came of comparisons: ``agreed``,
        ``settled``, ``differed``, ``refuted``, ``convicted``, ``disbelieved``
        (``docs/lines.md``).
        """
    def told_by(self, instrument: int) -> int | None:
        """The connection that told the newest change of a book with two lines; ``None`` for any
        other book. Raises ``EngineError`` if there is no such instrument.
        """
    def in_step(self, conn: int, instrument: int) -> bool:
        """Whether a connection carries a running book, or could carry it on if the other line lost
        something. Raises ``EngineError`` if there is no such instrument.
        """
    def poll_doubts(self, conn: int) -> list[int]:
        """The books of a connection whose polled answers say next to nothing, and which wait until
        the venue, asked for their best prices alone, says so as well: their instrument numbers.
        """
    def unstreamed(self, conn: int, ts: int) -> list[int]:
        """The books of an open connection that are not believed, and of which its stream has said
        nothing for five seconds by ``ts``: their instrument numbers. They may be polled
        (``ingest_poll``). Empty where whole books come on the stream.
        """
    def suspects(self, conn: int) -> list[int]:
        """The live books of a connection that somebody else should be asked about, because they say
        nothing although by their rhythm they should, or for so long that silence will soon take
        them out: their instrument numbers, the busiest first, then those that were proved the
        longest ago. Where the whole connection is silent beyond its rhythm, its busiest books are
        among them. The more books it has, the sooner: they are asked about one after the other.
        """
    def probes(self, conn: int) -> list[int]:
        """The live books of a connection of which a whole one by REST is wanted beside their
        stream, given to ``ingest_rest``: their instrument numbers. Half of what is known of such a
        book is used up; or its stream numbers nothing, and it was not held against a whole one for
        a minute.
        """
    def freshness(self, conn: int) -> Freshness:
        """What is thought of the silence of a connection as a whole: as ``BookView.freshness``."""
    def books(self) -> Sequence[BookView]:
        """The live views of all books, in the order of their numbers."""
    def counters(self) -> dict[str, int]:
        """What happened, counted, by name."""
    def witnesses(self, conn: int) -> dict[str, dict[str, int]]:
        """What each source of evidence said about the books of a connection, counted. ``"rest"``:
        whole books by REST, held against live ones, ``agreed``, ``differed``, ``older`` than
        ours, ``ghosts`` (next to nothing), ``refuted`` (our book was right). ``"relay"``: the
        same of the touch as a relay tells it, of which only what the stream did not come to
        differs. The others are what ``evidence()`` counts, as ``agreed`` and ``differed``:
        ``"change"``, best prices beside a change; ``"touch"``, the channel of best prices or
        the ticker; ``"hash"``; ``"checksum"``; ``"mirror"``, the sibling outcome;
        ``"snapshot"``, whole books in the stream that were asked for; ``"sequence"``, numbers.
        A heartbeat is none.
        """
    def senses(self) -> dict[str, dict[str, int]]:
        """How the aggressors of a spot venue's trades agree with its books: trades apart from the
        mid before them (``decided``), those on their aggressor's side of it (``agreed``), and how
        often less than 40 of 100 were (``alarms``). Venues without such trades are left out.
        """
    def untrusted(self) -> dict[str, int]:
        """How often ``BookView.trusted`` refused a book, by reason (``Untrusted.reason``);
        reasons that were never given are left out.
        """
    def messages(self) -> dict[str, int]:
        """Messages by the venue's own type, counted over all venues."""
    def evidence(self) -> dict[str, int]:
        """Evidence for and against, by kind, counted over all books."""
    def refusals(self, rule: int | None = None) -> dict[RefusalReason, int]:
        """Opportunities that were there at the touch and not signalled, counted by reason
        (``REFUSALS``), of one rule or of all. Raises ``EngineError`` if there is no such rule.
        """
    def sid(self, conn: int, channel: str) -> int | None:
        """The venue's number of the subscription to ``channel`` on a connection, or ``None``."""
    def questions(self, conn: int) -> list[tuple[str, str]]:
        """What the venue should be asked about the markets of a connection, as kind and name:
        ``"market"`` with a symbol, ``"event"`` or ``"series"`` with its name. Their standing or
        their fees may have changed without its being heard, or their news has just begun to come.
        """
    def delay_ns(self, conn: int) -> int | None:
        """Receive time less venue time of the newest message of a connection that stated one, in
        nanoseconds; negative where the receiver's clock is behind, ``None`` before there was
        one.
        """
    def delay_grows(self, conn: int) -> bool:
        """Whether what a connection brings is later and later: it waits in a queue somewhere."""

    def notices(self, conn: int) -> list[Notice]:
        """Takes the venue's replies on a connection that nobody has taken yet, oldest first."""
    def notices_pending(self, conn: int) -> int:
        """How many replies on a connection wait to be taken."""
    def gaps(self) -> list[Gap]:
        """The holes found lately in numbered streams, oldest first."""
    def indices(self) -> dict[str, Index]:
        """The newest value of each reference index heard of, by the venue's name for it."""
    def paper(self) -> dict[str, int] | None:
        """Sums of the paper ledger by name, money in 1e-9 (``_e9``); ``None`` without one
        (``paper_latency_s``). ``papers`` has those of several.
        """
    def papers(self) -> list[dict[str, int]]:
        """Sums of each paper ledger, in the order in which they were asked for."""
    def paper_fills(self, ledger: int = 0) -> list[PaperFill]:
        """The newest fills of a paper ledger, by its place in ``papers``, oldest first; empty
        without one.
        """
    def latency(self) -> dict[str, Histogram]:
        """Histograms of latency in nanoseconds: ``"venue_to_recv"``, from the venue's time to
        receive time, and ``"recv_to_emit"``, from there to ``drain``.
        """
    def digest(self) -> str:
        """SHA-256 over all records drained so far, in hexadecimal: equal for equal inputs,
        whatever the chunking, run or platform. Raises ``EngineError`` unless built with
        ``digest=True``.
        """
    def last_error(self) -> str | None:
        """The newest complaint about a frame: connection, time, place and what was wrong;
        ``None`` before the first.
        """

@final
class FrameDoor:
    """Where the frames of all connections go in: an engine, and the encoder that records them.

    ``attend`` is called when the recorder has something to do. ``open`` is whether frames may come
    in this way: not while somebody wants to see each of them.
    """

    def __new__(
        cls,
        engine: Engine,
        *,
        encoder: JournalEncoder | None = None,
        attend: Callable[[], object] | None = None,
        kind: int = 0,
    ) -> FrameDoor: ...
    open: bool

@final
class FrameIntake:
    """Takes the frames of one listener; see ``live/native.py``.

    ``now`` gives the receive time of a socket read (Unix nanoseconds), ``flush(conn)`` hands
    records over. The attributes are the listener's state, which its own methods share: ``direct``,
    whether frames are taken here at all; ``plain``, whether the next whole text frame is a message;
    ``epoch``, which attempt of the connection it is; ``ts``, the receive time of the socket read in
    progress, 0 between reads; ``pending``, how many records wait; ``data_ns``, when market data
    came last; ``frames``, how many frames were taken here.
    """

    def __new__(
        cls,
        door: FrameDoor,
        conn: int,
        now: Callable[[], int],
        flush: Callable[[int], object],
    ) -> FrameIntake: ...
    BARE_TEXT_BYTES_MAX: Final[int]
    """Text messages up to this long, in bytes, are not taken here."""
    DRAIN_RECORDS_MAX: Final[int]
    """How many records may wait while a socket read goes on."""
    DRAIN_AFTER_NS: Final[int]
    """How long they may, in nanoseconds."""
    direct: bool
    plain: bool
    epoch: int
    ts: int
    pending: int
    data_ns: int
    @property
    def frames(self) -> int: ...
    @staticmethod
    def learn(slotted: type, frame_type: type) -> str | None:
        """Compares the layout of picows' types with the one that is known, and says what differs.

        ``slotted`` is derived from ``WSListener`` and adds one slot, ``frame_type`` is ``WSFrame``.
        To be called once the published declarations were compared.
        """
    def install(self, listener: object) -> str | None:
        """Has ``listener``, in whose slot this is, hand its frames to it; says what differs.

        Raises ``TypeError`` for a listener of another class.
        """
    @staticmethod
    def agrees(frame: object) -> bool:
        """Whether what is read of ``frame`` is what its getters say; only during its callback."""

@final
class JournalEncoder:
    """Packs records into checksummed, compressed journal blocks; it opens no file.

    ``level`` is zstd's. Once ``bytes_max`` wait, each frame that comes without a call of Python
    has its owner called. ``append`` and ``take_block`` may be called from two threads:
    compression holds neither the GIL nor the lock that ``append`` needs. Errors are
    ``JournalError``.
    """

    def __new__(cls, *, level: int = 3, bytes_max: int | None = None) -> JournalEncoder: ...
    direct: bool
    """Whether frames may be added without a call of Python (``FrameDoor``)."""
    @property
    def appended(self) -> int:
        """Records added since the beginning."""
    def header(self, metadata: bytes) -> bytes:
        """The first bytes of a segment, with ``metadata`` inside; ``JournalError`` if it is too
        long.
        """
    def append(
        self, kind: int, ts: int, conn: int, epoch: int, payload: bytes | bytearray | memoryview
    ) -> int:
        """Adds a record and returns the bytes that wait. ``ts`` is Unix nanoseconds.
        ``JournalError`` for a payload that is too long.
        """
    @property
    def pending(self) -> int:
        """Bytes that wait to be packed."""
    def end_block(self) -> bytes:
        """The last block of a recording, which says that nothing is to follow; take all others
        first.
        """
    def take_block(self, *, partial: bool = True) -> bytes:
        """The next block, empty bytes if there is none: a full one, or with ``partial`` what
        there is.
        """

@final
class JournalReader:
    """Iterates ``(kind, ts, conn, epoch, payload)`` over the longest valid part of a segment that
    is held in memory, and says what is missing.

    ``recover`` hands out valid blocks behind damage, too; ``after`` is the number of the block
    before the first that is wanted. Raises ``JournalError`` if ``data`` is no journal, or of a
    newer format.
    """

    def __new__(
        cls, data: bytes, *, recover: bool = False, after: int | None = None
    ) -> JournalReader: ...
    @property
    def metadata(self) -> bytes:
        """What the segment was begun with."""
    def __iter__(self) -> Iterator[tuple[int, int, int, int, bytes]]: ...
    def __next__(self) -> tuple[int, int, int, int, bytes]: ...
    def report(self) -> dict[str, Any]:
        """What was read and what is missing, by name: ``records``, ``blocks``, ``valid_bytes``,
        ``total_bytes``, ``clean``, ``missing`` (a list of offset, bytes and reason), ``ended``
        (whether the recording ends here; ``None`` if its format does not say), and more.
        """
