"""What Enter opens: the ladder of a book, the legs of an opportunity, a pair side by side."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from textual.geometry import Size

from bookfeed.errors import SessionError
from bookfeed.monitor.text import (
    Line,
    Span,
    Style,
    shown_duration,
    shown_price,
    shown_qty,
)
from bookfeed.records import Signal
from bookfeed.records.objects import BELIEVED
from bookfeed.rules.why import SENTENCES
from bookfeed.top.cells import Column, Layout, as_many, cut_cells, head_line, row_line, wrap_cells
from bookfeed.top.desk import Desk
from bookfeed.top.look import Look
from bookfeed.top.near import Followed
from bookfeed.top.pairs import PairRow, pair_rows, shown_sum
from bookfeed.top.tabs import SignalLine, clock_time, price_text, state_style, state_text, usd
from bookfeed.web.world import OVER

LADDER_MAX: Final = 200
"""Levels a side that are asked for, however tall the terminal is."""
_WIDE: Final = 60
_NUMBER_WIDTH: Final = 12
_ENDS: Final = {
    "edge": "the edge went",
    "removed": "its rule was removed",
    "refused": "not accepted any more",
}


# The ladder.


class Ladder(Look):
    """A book with its levels, asked of the feed again and again while it is shown."""

    def __init__(self, desk: Desk, remote: Followed, instrument: int, every_s: float) -> None:
        super().__init__()
        self._desk: Final = desk
        self._remote: Final = remote
        self._instrument: Final = instrument
        self._every_s: Final = every_s
        self._book: Mapping[str, Any] | None = None
        self._trouble = "asking the feed for its levels"

    def on_mount(self) -> None:
        """Ask now, and from now on."""
        self.set_interval(max(self._every_s, 0.05), self.ask)
        self.call_later(self.ask)

    async def ask(self) -> None:
        """Ask for as many levels as there is room for."""
        depth = min(max(self.size.height, 10), LADDER_MAX)
        try:
            self._book = await self._remote.book(self._instrument, depth)
            self._trouble = "" if self._book else "the feed has no such book any more"
        except SessionError as error:
            # What was shown is over: no price stays behind.
            self._book, self._trouble = None, str(error)
        self.draw()

    def lines(self, size: Size) -> Sequence[Line]:
        """Its name and state, then its levels: asks above, bids below."""
        line = self._desk.books.get(self._instrument)
        if line is None:
            return [(Span(f" {self._trouble or 'the book is gone'}", "warn"),)]
        touch = line.touch
        name = " ".join(part for part in (touch["title"], touch["outcome"]) if part)
        state = state_text(touch)
        title = cut_cells(name, max(size.width - len(state) - len(touch["venue"]) - 5, 8))
        late = [
            Span(f" average {_ms(line.mean_ns)}", "dim"),
            Span(f"  p95 {_ms(line.p95_ns)}", "dim"),
            Span(f"  {line.rate:.1f} updates/s", "dim"),
        ]
        lines: list[Line] = [
            (Span(f" {title}", "bold"), Span(f"  {touch['venue']} ", "dim"),
             Span(f" {state}", state_style(touch["state"]))),
            as_many(late, size.width),
        ]  # fmt: skip
        worth = self._desk.world.worth(self._instrument)
        if worth is not None:
            lines.append(as_many(_worth_spans(worth), size.width))
        book = self._book
        if book is None or touch["state"] not in BELIEVED:
            over = touch["cause"] in OVER
            told = self._trouble or (
                "no price: its market is over" if over else "no price: the book may not be believed"
            )
            return [*lines, (Span(f" {told}", "warn"),)]
        room = max(size.height - len(lines) - 2, 2)
        asks, bids = _shared(book["asks"], book["bids"], room)
        levels = [*asks, *bids]
        # A number is never cut: it would be another one.
        widths = _Widths(
            max([_NUMBER_WIDTH, *(len(price_text(price)) for price, _ in levels)]),
            max([_NUMBER_WIDTH, *(len(qty) for _, qty in levels)]),
            max((float(qty) for _, qty in levels), default=0.0),
            size.width,
        )
        lines.append(widths.head())
        lines += [widths.level(price, qty, "bad") for price, qty in reversed(asks)]
        lines.append(_middle(book))
        return [*lines, *(widths.level(price, qty, "good") for price, qty in bids)]


def _worth_spans(worth: Mapping[str, Any]) -> list[Span]:
    """What its contract is worth, and why."""
    return [
        Span(f" worth {worth['price']:.3f}", "bold"),
        Span(f"  from {worth['low']:.3f} to {worth['high']:.3f}", "dim"),
        Span(f"  expected {worth['expected']:,.2f}", "dim"),
    ]


def _ms(ns: float | None) -> str:
    return "-" if ns is None else shown_duration(round(ns))


def _shared(asks: Sequence[Any], bids: Sequence[Any], room: int) -> tuple[Any, Any]:
    """The best levels of either side; what one side does not need the other has."""
    half = room // 2
    above = min(len(asks), max(half, room - len(bids)))
    return asks[:above], bids[: room - above]


class _Widths(NamedTuple):
    """How the levels of one ladder are drawn."""

    price: int
    size: int
    largest: float
    width: int

    def head(self) -> Line:
        """The titles of the columns."""
        dollars = f" {'dollars':>{_NUMBER_WIDTH}}" if self.width >= _WIDE else ""
        return (Span(f" {'price':>{self.price}} {'size':>{self.size}}{dollars}", "dim"),)

    def level(self, price: str, qty: str, style: Style) -> Line:
        """One level, and a bar as long as its size is beside the largest."""
        worth = float(price) * float(qty)
        dollars = f" {worth:>{_NUMBER_WIDTH},.2f}" if self.width >= _WIDE else ""
        text = f" {price_text(price):>{self.price}} {qty:>{self.size}}{dollars} "
        room = max(self.width - len(text) - 1, 0)
        bar = "█" * round(room * float(qty) / self.largest) if self.largest else ""
        return (Span(text), Span(bar, style))


def _middle(book: Mapping[str, Any]) -> Line:
    bid, ask = book["bid"], book["ask"]
    if bid is None or ask is None:
        return (Span(f" {'one side is empty':>25}", "warn"),)
    spread, mid = float(ask) - float(bid), (float(ask) + float(bid)) / 2
    return (Span(f" mid {mid:.6g}   spread {spread:.6g}", "dim"),)


# An opportunity.


class Legs(Look):
    """What an opportunity is made of."""

    def __init__(self, desk: Desk, line: SignalLine) -> None:
        super().__init__()
        self._desk: Final = desk
        self._line: Final = line

    def lines(self, size: Size) -> Sequence[Line]:
        """Its sums, then its legs; as it is now, where it still is open."""
        now = (*self._desk.world.open_signals(), *self._desk.world.closed_signals())
        signal = next((one for one in now if one.id == self._line.signal.id), self._line.signal)
        if signal.phase == "close":
            state: Span = Span(f"closed: {_end(signal.reason)}", "dim")
        elif any(one.id == signal.id for one in self._desk.world.open_signals()):
            state = Span("open", "good")
        else:
            state = Span("the feed is not heard", "bad")
        name = cut_cells(self._line.name, max(size.width - len(signal.rule) - 4, 8))
        lines: list[Line] = [
            (Span(f" {name}", "bold"), Span(f"  {signal.rule}", "dim")),
            (Span(" "), state, Span(f", lasted {shown_duration(self._line.life_ns)}", "dim")),
        ]
        legs = [line for leg in signal.legs for line in _leg_lines(leg, self._desk, size.width)]
        sums = _sums(signal)
        table: list[Line] = [(Span(f" {key:<19}", "dim"), Span(value)) for key, value in sums]
        if len(lines) + len(table) + 1 + len(legs) > size.height:
            table = _flowed(sums, size.width)
        return [*lines, *table, (), *legs]


def _end(reason: str) -> str:
    return _ENDS.get(reason) or SENTENCES.get(reason) or reason.replace("_", " ")


def _sums(signal: Signal) -> list[tuple[str, str]]:
    ratio = signal.roi
    return [
        ("net", usd(signal.net_total)),
        ("return", "-" if ratio is None else f"{100 * ratio:.2f}%"),
        ("shares", shown_qty(signal.qty_e8)),
        ("edge a share, net", shown_price(signal.net_edge_e9)),
        ("gross", shown_price(signal.gross_edge_e9)),
        ("if made, not taken", shown_price(signal.maker_edge_e9)),
        ("fees", usd(signal.fee)),
        ("binds", usd(signal.capital)),
    ]


def _flowed(sums: Sequence[tuple[str, str]], width: int) -> list[Line]:
    """As many on a line as there is room for."""
    lines: list[list[Span]] = [[]]
    left = width
    for key, value in sums:
        spans = [Span(f" {key} ", "dim"), Span(f"{value} ")]
        needed = sum(len(span.text) for span in spans)
        if needed > left and lines[-1]:
            lines.append([])
            left = width
        lines[-1] += spans
        left -= needed
    return [tuple(line) for line in lines]


def _leg_lines(leg: Any, desk: Desk, width: int) -> list[Line]:
    title = desk.title(leg.instrument) or leg.symbol
    what = f"{leg.side} {leg.outcome} {leg.venue}"
    age = "-" if leg.age_ns is None else shown_duration(leg.age_ns)
    numbers = [
        Span(f"   {shown_qty(leg.qty_e8)} @ {shown_price(leg.avg_price_e9)}", "dim"),
        Span(f", worst {shown_price(leg.worst_price_e9)}", "dim"),
        Span(f", fee {usd(leg.fee)}", "dim"),
        Span(f", evidence {age} old", "dim"),
    ]
    state = f"  {leg.state}"
    return [
        (Span(f" {cut_cells(what, width - 2 - len(state))}", "bold"),
         Span(state, state_style(leg.state))),
        (Span(f"   {cut_cells(title, max(width - 4, 4))}"),),
        as_many(numbers, width),
    ]  # fmt: skip


# A pair, or another rule of several books.


class _Leg(NamedTuple):
    """A leg of a rule with its book as it stands; ``None`` if it has none."""

    leg: Mapping[str, Any]
    touch: Mapping[str, Any] | None

    def of(self, key: str) -> Any:
        return None if self.touch is None else self.touch[key]


def _price_of(key: str) -> Column:
    return Column(
        key, 6, lambda r: price_text(r.of(key)), lambda r: r.of(key), align=">", fitted=True
    )


def _size_of(title: str, key: str) -> Column:
    return Column(title, 8, lambda r: r.of(key) or "-", lambda r: r.of(key), lambda _: "dim", ">",
                  spared=2, fitted=True)  # fmt: skip


_LEGS: Final = (
    Column("market", 16, lambda r: r.of("title") or r.leg["symbol"], lambda _: 0, flex=True),
    Column("outcome", 7, lambda r: r.leg["outcome"], lambda _: 0, lambda _: "dim", narrow=4,
           brief="out", fitted=True),
    Column("venue", 10, lambda r: r.leg["venue"], lambda _: 0, lambda _: "dim", narrow=4,
           brief="at", short=lambda r: r.leg["venue"][:4]),
    _size_of("bid size", "bid_qty"),
    _price_of("bid"),
    _price_of("ask"),
    _size_of("ask size", "ask_qty"),
    Column("state", 7, lambda r: "no book" if r.touch is None else state_text(r.touch),
           lambda _: 0, lambda r: "bad" if r.touch is None else state_style(r.touch["state"]),
           spared=1, fitted=True),
)  # fmt: skip


class Pair(Look):
    """The legs of a rule side by side: what each book pays, what all of them come to."""

    def __init__(self, desk: Desk, number: str) -> None:
        super().__init__()
        self._desk: Final = desk
        self._number: Final = number
        self._layout: Final = Layout(_LEGS)

    def lines(self, size: Size) -> Sequence[Line]:
        """Its sums, its legs, what it has found and refused, and what sets the legs apart."""
        row = next((one for one in pair_rows(self._desk) if one.number == self._number), None)
        if row is None:
            return [(Span(" the feed has no such rule any more", "warn"),)]
        legs = [_Leg(leg, touch) for leg, touch in zip(row.rule["legs"], row.touches, strict=True)]
        self._layout.learn(legs)
        fitted = self._layout.fit(size.width)
        return [
            as_many(
                [Span(f" {cut_cells(row.name, max(size.width - 14, 8))}", "bold"),
                 Span(f"  {row.rule['rule']}", "dim")], size.width,
            ),
            as_many(
                [Span(" buy all ", "dim"), Span(shown_sum(row.cost)),
                 Span("  sell all ", "dim"), Span(shown_sum(row.proceeds)),
                 Span(f"  {row.live}/{len(legs)} live",
                      "good" if row.live == len(legs) else "warn")], size.width,
            ),
            head_line(fitted, "", backwards=False),
            *(row_line(fitted, leg) for leg in legs),
            (),
            *self._found(size.width),
            *self._refused(size.width),
            *_basis(row, size.width),
        ]  # fmt: skip

    def _found(self, width: int) -> list[Line]:
        """What is open of it, else when the last one was."""
        world, number = self._desk.world, int(self._number)
        lines: list[Line] = [
            as_many(
                [Span(f" open {usd(one.net_total)}", "good"),
                 Span(f"  edge {shown_price(one.net_edge_e9)}"),
                 Span(f"  since {clock_time(one.ts_open)}", "dim")], width,
            )
            for one in world.open_signals() if one.rule_id == number
        ]  # fmt: skip
        if lines:
            return lines
        last = next((one for one in world.closed_signals() if one.rule_id == number), None)
        if last is None:
            return [(Span(" none was open yet", "dim"),)]
        told = f" last open until {clock_time(last.ts_recv)}: {_end(last.reason)}"
        return [(Span(cut_cells(told, width), "dim"),)]

    def _refused(self, width: int) -> list[Line]:
        refused = self._desk.world.pieces.get("why", {}).get("why", [])
        own = [one for one in refused if str(one["rule_id"]) == self._number]
        return [
            (Span(f" why not {one['count']:>7,}  ", "dim"),
             Span(cut_cells(one["text"], max(width - 19, 8))))
            for one in sorted(own, key=lambda one: -one["count"])
        ]  # fmt: skip


def _basis(row: PairRow, width: int) -> list[Line]:
    basis = row.rule.get("basis") or []
    told = f"not the same contract: {'; '.join(basis)}" if basis else ""
    return [(Span(f" {line}", "warn"),) for line in wrap_cells(told, max(width - 2, 8))]
