"""Looking at one row: the ladder of a book, the legs of an opportunity, or the keys.

Each is a screen above the lists, and goes with Escape.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeAlias

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from bookfeed.errors import SessionError
from bookfeed.monitor.text import Line, Span, Style, shown_duration, shown_price, shown_qty
from bookfeed.records import Signal
from bookfeed.records.objects import BELIEVED
from bookfeed.top.cells import cut_cells, pad_cells
from bookfeed.top.desk import Desk
from bookfeed.top.near import Followed
from bookfeed.top.sheet import strip_of
from bookfeed.top.tabs import SignalLine, price_text, state_style, state_text, usd

LADDER_MAX: Final = 200
"""Levels a side that are asked for, however tall the terminal is."""
_WIDE: Final = 60


Lines: TypeAlias = Callable[[Size], Sequence[Line]]
"""Makes the lines of a page of that size."""


class Page(Widget, can_focus=True):
    """Lines that are made anew whenever it is drawn."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._made: Final = lines

    def render_lines(self, crop: Any) -> list[Strip]:
        """Draw what there is room for."""
        width, height = self.size.width, self.size.height
        lines = [strip_of(line, width) for line in self._made(self.size)[:height]]
        lines += [Strip.blank(width)] * (height - len(lines))
        return [line.crop(crop.x, crop.right) for line in lines[crop.y : crop.bottom]]


class Look(Screen[None]):
    """One page."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "dismiss_look", "back"),
    ]

    def compose(self) -> ComposeResult:
        """The page."""
        yield Page(self.lines)

    def lines(self, size: Size) -> Sequence[Line]:
        """What it shows."""
        raise NotImplementedError

    def draw(self) -> None:
        """Show what is now."""
        for page in self.query(Page):
            page.refresh()

    def action_dismiss_look(self) -> None:
        """Back to the lists."""
        self.dismiss()


class Whole(Look):
    """All of it at a glance; the lists are below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,tab,right,l", "dismiss_look", "lists"),
        Binding("q,ctrl+c", "app.quit", "end"),
    ]

    def __init__(self, made: Lines) -> None:
        super().__init__()
        self._lines: Final = made

    def lines(self, size: Size) -> Sequence[Line]:
        """As they are made."""
        return self._lines(size)


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
        late = f"average {_ms(line.mean_ns)}, p95 {_ms(line.p95_ns)}, {line.rate:.1f} updates/s"
        lines: list[Line] = [
            (Span(f" {title}", "bold"), Span(f"  {touch['venue']} ", "dim"),
             Span(f" {state}", state_style(touch["state"]))),
            (Span(f" {late}", "dim"),),
        ]  # fmt: skip
        book = self._book
        if book is None or touch["state"] not in BELIEVED:
            told = self._trouble or "no price: the book may not be believed"
            return [*lines, (Span(f" {told}", "warn"),)]
        room = max(size.height - len(lines) - 3, 2)
        asks, bids = book["asks"][: room // 2], book["bids"][: room - room // 2]
        largest = max((float(qty) for _, qty in (*asks, *bids)), default=0.0)
        lines.append(_ladder_head(size.width))
        lines += [_level(price, qty, largest, size.width, "bad") for price, qty in reversed(asks)]
        lines.append(_middle(book))
        lines += [_level(price, qty, largest, size.width, "good") for price, qty in bids]
        return [*lines, (Span(" Escape: back", "dim"),)]


def _ms(ns: float | None) -> str:
    return "-" if ns is None else shown_duration(round(ns))


def _ladder_head(width: int) -> Line:
    dollars = f" {'dollars':>12}" if width >= _WIDE else ""
    return (Span(f" {'price':>12} {'size':>12}{dollars}", "dim"),)


def _level(price: str, qty: str, largest: float, width: int, style: Style) -> Line:
    worth = float(price) * float(qty)
    dollars = f" {worth:>12,.2f}" if width >= _WIDE else ""
    text = f" {price_text(price):>12} {cut_cells(qty, 12):>12}{dollars} "
    room = max(width - len(text) - 1, 0)
    bar = "█" * round(room * float(qty) / largest) if largest else ""
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
            state: Span = Span(f"closed: {signal.reason}", "dim")
        elif any(one.id == signal.id for one in self._desk.world.open_signals()):
            state = Span("open", "good")
        else:
            state = Span("the feed is not heard", "bad")
        name = cut_cells(self._line.name, max(size.width - 30, 8))
        lines: list[Line] = [
            (Span(f" {name}", "bold"), Span(f"  {signal.rule}  ", "dim"), state),
            *_sums(signal),
            (),
        ]
        for leg in signal.legs:
            lines += _leg_lines(leg, self._desk, size.width)
        return [*lines, (), (Span(" Escape: back", "dim"),)]


def _sums(signal: Signal) -> list[Line]:
    ratio = signal.roi
    told = {
        "net": usd(signal.net_total),
        "return": "-" if ratio is None else f"{100 * ratio:.2f}%",
        "shares": shown_qty(signal.qty_e8),
        "edge a share, net": shown_price(signal.net_edge_e9),
        "gross": shown_price(signal.gross_edge_e9),
        "if made, not taken": shown_price(signal.maker_edge_e9),
        "fees": shown_price(signal.fee_e9),
        "binds": shown_price(signal.capital_e9),
    }
    return [(Span(f" {key:<19}", "dim"), Span(value)) for key, value in told.items()]


def _leg_lines(leg: Any, desk: Desk, width: int) -> list[Line]:
    title = desk.title(leg.instrument) or leg.symbol
    what = f"{leg.side} {leg.outcome} {leg.venue}"
    numbers = f"{shown_qty(leg.qty_e8)} @ {shown_price(leg.avg_price_e9)}"
    details = f"{numbers}, worst {shown_price(leg.worst_price_e9)}, fee {shown_price(leg.fee_e9)}"
    age = "-" if leg.age_ns is None else shown_duration(leg.age_ns)
    return [
        (Span(f" {cut_cells(what, width - 2)}", "bold"),
         Span(f"  {leg.state}", state_style(leg.state))),
        (Span(f"   {cut_cells(title, max(width - 4, 4))}"),),
        (Span(f"   {details}, evidence {age} old", "dim"),),
    ]  # fmt: skip


# The keys.

KEYS: Final = (
    ("1 … 9, Tab", "another list"),
    ("↑ ↓ j k", "another row"),
    ("PgUp PgDn", "a page of rows"),
    ("Home End g G", "the first, the last"),
    ("Enter", "the ladder, the legs"),
    ("s S", "sort by the next column"),
    ("r", "sort the other way"),
    ("f", "another filter"),
    ("/", "search: all words count"),
    ("Escape", "no search, no filter"),
    ("0", "the first page, in `run`"),
    ("p", "pause, and go on"),
    ("q, Ctrl-C", "end"),
)


class Keys(Look):
    """What each key does."""

    def lines(self, size: Size) -> Sequence[Line]:
        """In two columns where there are too few lines for one."""
        cells = [(Span(f" {pad_cells(key, 13)}", "bold"), Span(what)) for key, what in KEYS]
        if len(cells) < size.height or size.width < 2 * 42:
            return cells
        half = (len(cells) + 1) // 2
        lines: list[Line] = []
        for at in range(half):
            left, right = cells[at], cells[at + half] if at + half < len(cells) else ()
            gap = " " * max(42 - 14 - len(left[1].text), 1)
            lines.append((*left, Span(gap), *right))
        return lines
