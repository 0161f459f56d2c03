"""``Signal`` and its ``Leg``s: an opportunity at one moment, read from the engine's bytes.

Prices are integers of 1e-9 (``*_e9``), quantities integers of 1e-8 (``*_e8``), money integers of
1e-9 USD, times Unix nanoseconds; the properties without a suffix are the same numbers as floats,
for display and arithmetic that tolerates rounding. Absent is ``None``.
"""

from dataclasses import dataclass
from datetime import timedelta
from struct import Struct
from typing import Final, Literal

from bookfeed._bookfeed import CLOSE_REASONS, PRICE_SCALE, QTY_SCALE, RULES, SIGNAL_PHASES, STATES
from bookfeed.names import NOTHING_KNOWN, Known, Names, name_of
from bookfeed.records.values import NS_PER_S, USD_SCALE, known, ratio
from bookfeed.words import CloseReason, RuleKind, SignalPhase, State

SIGNAL_BYTES: Final = 144
LEG_BYTES: Final = 64

_SIGNAL: Final = Struct("<qqQQqqqqqqqqqIIBBBBB3xqqii")
_LEG: Final = Struct("<IIqqqqqBBB5xq")

_PPM: Final = 1_000_000
_NS_PER_US: Final = 1_000

_DIRECTIONS: Final[tuple[Literal["buy", "sell"] | None, ...]] = (None, "buy", "sell")
_SIDES: Final[tuple[Literal["buy", "sell"], ...]] = ("buy", "sell")
_VIEWS: Final[tuple[Literal["yes", "no"], ...]] = ("yes", "no")
_OPPOSITE: Final = {"yes": "no", "no": "yes", "Yes": "No", "No": "Yes", "YES": "NO", "NO": "YES"}


def opposite(outcome: str) -> str:
    """What the other side of a contract is called: ``"No"`` for ``"Yes"``, ``"not Ada"``."""
    return _OPPOSITE.get(outcome, f"not {outcome}")


def _traded(outcome: str, view: Literal["yes", "no"]) -> str:
    """What a leg trades: the instrument's own outcome, or its opposite."""
    return outcome if view == "yes" or not outcome else opposite(outcome)


@dataclass(frozen=True, slots=True)
class Leg:
    """One book of a signal: what would be executed there, and how far it can be believed."""

    instrument: int
    """The engine's number of the book; ``Feed.names`` says which one that is."""
    epoch: int
    """The number of the book's unbroken run."""
    side: Literal["buy", "sell"]
    """Whether the leg is bought or sold."""
    view: Literal["yes", "no"]
    """``"no"``: the other side of the instrument's contract is traded, at one less its price."""
    avg_price_e9: int | None
    """Average price over ``qty_e8``, before fees, in 1e-9; ``None`` if nothing is taken."""
    worst_price_e9: int | None
    """Price of the last level that is used, in 1e-9; ``None`` if nothing is taken."""
    qty_e8: int | None
    """Size, in 1e-8; ``None`` if nothing is taken."""
    fee_e9: int | None
    """Fee of the leg, in 1e-9 USD; ``None`` if it is not known."""
    maker_fee_e9: int | None
    """Fee of ``qty_e8`` if it rested at the best price of its own side, in 1e-9 USD; ``None`` if
    there is no such price or the fee is not known.
    """
    age_ns: int | None
    """How old the book's newest evidence was, in nanoseconds; ``None`` if it had none."""
    state: State
    """The book's state: ``"live"``, but where the signal closes because it no longer is."""
    symbol: str
    """The venue's symbol of the book; empty if it is not known."""
    venue: str = ""
    """The venue's name; empty if it is not known."""
    market: str = ""
    """The venue's id of the market; empty if it is not known."""
    outcome: str = ""
    """What is traded, in words: the instrument's own outcome, or with the view ``"no"`` its
    opposite (``"No"`` for ``"Yes"``, ``"not Ada"`` for ``"Ada"``); empty if it is not known.
    """

    @classmethod
    def from_bytes(cls, data: bytes, offset: int = 0, names: Known = NOTHING_KNOWN) -> "Leg":
        """Read the record at ``offset``; ``struct.error`` if there are not enough bytes."""
        (
            instrument, epoch, avg, worst, qty, fee, age, state, side, view, maker_fee,
        ) = _LEG.unpack_from(data, offset)  # fmt: skip
        name = name_of(names, instrument)
        return cls(
            instrument=instrument,
            epoch=epoch,
            side=_SIDES[side],
            view=_VIEWS[view],
            avg_price_e9=known(avg),
            worst_price_e9=known(worst),
            qty_e8=known(qty),
            fee_e9=known(fee),
            maker_fee_e9=known(maker_fee),
            age_ns=known(age),
            state=STATES[state],
            symbol=name.symbol,
            venue=name.venue,
            market=name.market,
            outcome=_traded(name.outcome, _VIEWS[view]),
        )

    @property
    def age_s(self) -> float | None:
        """Seconds since the newest evidence for the leg's book; ``None`` if there was none."""
        return ratio(self.age_ns, NS_PER_S)

    @property
    def avg_price(self) -> float | None:
        """Average executable price in USD a share, before fees."""
        return ratio(self.avg_price_e9, PRICE_SCALE)

    @property
    def worst_price(self) -> float | None:
        """Price of the last level used, in USD a share."""
        return ratio(self.worst_price_e9, PRICE_SCALE)

    @property
    def qty(self) -> float | None:
        """Shares."""
        return ratio(self.qty_e8, QTY_SCALE)

    @property
    def fee(self) -> float | None:
        """Fee of the leg in USD."""
        return ratio(self.fee_e9, USD_SCALE)

    @property
    def maker_fee(self) -> float | None:
        """Fee of the leg in USD if it rested and was taken."""
        return ratio(self.maker_fee_e9, USD_SCALE)


@dataclass(frozen=True, slots=True)
class Signal:
    """One moment in the life of an opportunity: it opens, is updated, and closes for a reason."""

    ts_recv: int
    """When the frame that caused it was received, in Unix nanoseconds."""
    ts_open: int
    """When the opportunity opened, in Unix nanoseconds."""
    seq: int
    """The record's number in order of emission, without gaps; updates and signals share it."""
    id: int
    """The number of the opportunity, the same through its whole life."""
    rule: RuleKind
    """The kind of rule that found it."""
    rule_id: int
    """The number of the rule; ``Feed.rules`` has them."""
    phase: SignalPhase
    """Where in its life it is."""
    reason: CloseReason
    """Why it closed; ``"none"`` before."""
    direction: Literal["buy", "sell"] | None
    """Whether every leg is bought or every leg is sold; ``None`` if nothing is taken."""
    qty_e8: int | None
    """Size that can be executed at the stated edge, in 1e-8; ``None`` if nothing is taken."""
    gross_edge_e9: int | None
    """Edge before fees, in 1e-9 USD a share, averaged over ``qty_e8``; ``None`` if nothing is
    taken.
    """
    net_edge_e9: int | None
    """The same after fees."""
    fee_e9: int | None
    """Fees of all legs together, in 1e-9 USD; ``None`` if nothing is taken."""
    capital_e9: int | None
    """What the legs would bind, fees included, in 1e-9 USD; ``None`` if nothing is taken."""
    peak_edge_e9: int | None
    """Largest net edge of this life so far, in 1e-9 USD a share; ``None`` if nothing is taken."""
    qty_open_e8: int | None
    """Size at which it opened, in 1e-8; ``None`` if nothing is taken."""
    value_e9: int | None
    """The rule's own measure, in 1e-9; ``None`` if there is none."""
    skew_ns: int | None
    """How far apart the receipts of the legs' newest evidence are, in nanoseconds; ``None`` if a
    leg has none.
    """
    lag_ns: int | None
    """How much later one leg's venue delivered its newest message than another's, in nanoseconds;
    ``None`` if a venue states no times.
    """
    maker_edge_e9: int | None
    """What one unit would leave if every leg rested at the best price of its own side, after maker
    fees, in 1e-9 USD; ``None`` if there is no such price.
    """
    legs: tuple[Leg, ...]
    """What would be executed in each book."""
    both_lose_ppm: int | None = None
    """How likely both legs of ``strike_gap`` lose at most, in millionths, rounded up; ``None`` of
    any other rule.
    """
    both_win_ppm: int | None = None
    """How likely both win at most, likewise."""
    name: str = ""
    """What the rule is called; empty if it is not."""

    @classmethod
    def from_bytes(
        cls, data: bytes, legs: bytes, offset: int = 0, names: Known = NOTHING_KNOWN
    ) -> "Signal":
        """Read the record at ``offset`` and its legs out of the same batch's ``legs``.

        Raises ``struct.error`` if either holds too few bytes.
        """
        (
            ts_recv, ts_open, seq, ident, qty, gross, net, fee, capital, peak, qty_open, value,
            skew, rule_id, leg_start, rule, phase, reason, direction, leg_count, maker_edge, lag,
            both_lose, both_win,
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
            qty_e8=known(qty),
            gross_edge_e9=known(gross),
            net_edge_e9=known(net),
            fee_e9=known(fee),
            capital_e9=known(capital),
            peak_edge_e9=known(peak),
            qty_open_e8=known(qty_open),
            value_e9=known(value),
            skew_ns=known(skew),
            lag_ns=known(lag),
            maker_edge_e9=known(maker_edge),
            legs=tuple(
                Leg.from_bytes(legs, (leg_start + index) * LEG_BYTES, names)
                for index in range(leg_count)
            ),
            both_lose_ppm=None if both_lose < 0 else both_lose,
            both_win_ppm=None if both_win < 0 else both_win,
            name=names.rules.get(rule_id, "") if isinstance(names, Names) else "",
        )

    @property
    def qty(self) -> float | None:
        """Shares that can be executed at the stated edge."""
        return ratio(self.qty_e8, QTY_SCALE)

    @property
    def gross_edge(self) -> float | None:
        """Edge in USD a share before fees."""
        return ratio(self.gross_edge_e9, PRICE_SCALE)

    @property
    def net_edge(self) -> float | None:
        """Edge in USD a share after fees."""
        return ratio(self.net_edge_e9, PRICE_SCALE)

    @property
    def maker_edge(self) -> float | None:
        """Edge in USD a share if every leg rested and was taken, after maker fees."""
        return ratio(self.maker_edge_e9, PRICE_SCALE)

    @property
    def both_lose(self) -> float | None:
        """How likely both legs of ``strike_gap`` lose at most; ``None`` of any other rule."""
        return ratio(self.both_lose_ppm, _PPM)

    @property
    def both_win(self) -> float | None:
        """How likely both legs of ``strike_gap`` win at most; ``None`` of any other rule."""
        return ratio(self.both_win_ppm, _PPM)

    @property
    def peak_edge(self) -> float | None:
        """Largest net edge of this life so far, in USD a share."""
        return ratio(self.peak_edge_e9, PRICE_SCALE)

    @property
    def fee(self) -> float | None:
        """Fees of all legs together in USD."""
        return ratio(self.fee_e9, USD_SCALE)

    @property
    def capital(self) -> float | None:
        """Capital the opportunity would bind, in USD."""
        return ratio(self.capital_e9, USD_SCALE)

    @property
    def value(self) -> float | None:
        """The rule's own measure, in USD a share."""
        return ratio(self.value_e9, PRICE_SCALE)

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
        return ratio(self.net_total_e9, USD_SCALE)

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
        return (self.ts_recv - self.ts_open) / NS_PER_S

    @property
    def skew_s(self) -> float | None:
        """How many seconds the receipts of the legs' newest evidence are apart; ``None`` if
        a leg has none.
        """
        return ratio(self.skew_ns, NS_PER_S)

    @property
    def lag_s(self) -> float | None:
        """How many seconds the venue times last heard of for the legs are apart; ``None`` if
        a venue states none.
        """
        return ratio(self.lag_ns, NS_PER_S)
