"""The tabs: of each its columns, its rows as a ``Desk`` has them, and its filters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from bookfeed._bookfeed import format_price
from bookfeed.clock import NS_PER_S
from bookfeed.monitor.text import (
    Line,
    Span,
    Style,
    printable,
    shown_duration,
    shown_price,
    shown_qty,
    shown_usd,
)
from bookfeed.monitor.text import shown_rate as rate
from bookfeed.names import name_of
from bookfeed.records import Signal, Update
from bookfeed.top.cells import Column
from bookfeed.top.desk import BookLine, Desk, worth_usd
from bookfeed.venues.spot import OUTCOME as SPOT
from bookfeed.web.world import OVER

_STATE_STYLES: Final[dict[str, Style]] = {"live": "good", "stale": "bad", "gone": "bad"}


@dataclass(frozen=True, slots=True)
class Tab:
    """One list: what it is called, and where there is less room, and what is in it."""

    name: str
    short: str
    columns: Sequence[Column]
    rows: Callable[[Desk], list[Any]]
    key: Callable[[Any], object]
    """What a row is known by, so that the one that is chosen stays so while others come."""
    words: Callable[[Any], str]
    """What a search looks through."""
    choices: Sequence[tuple[str, Callable[[Any], bool]]] = field(default_factory=list)
    """Filters besides none: of each its name, and which rows it leaves."""
    note: Callable[[Desk], Line] | None = None
    """What stands above the list, the most important part first."""
    empty: str = "nothing yet"
    opens: str = "all of it"
    """What Enter shows of a row."""
    book: Callable[[Any], int | None] = lambda _: None
    """The instrument whose ladder a row opens; ``None`` if it has none."""


def clock_time(ts: int) -> str:
    """The time of day, UTC."""
    return f"{datetime.fromtimestamp(ts / NS_PER_S, UTC):%H:%M:%S}"


def usd(value: float | None) -> str:
    """Dollars and cents."""
    return "-" if value is None else f"${value:,.2f}".replace("$-", "-$")


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def price_text(text: str | None) -> str:
    """A price as the venue has it, with cents at least."""
    if text is None:
        return "-"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<2}"


def state_style(state: str) -> Style:
    """What may be believed is green, what may never again is red."""
    return _STATE_STYLES.get(state, "warn")


def state_text(touch: Any) -> str:
    """A state, and why where it is not a good one; of a market that is over, how it came to that:
    there is nothing to be put right.
    """
    state, cause = touch["state"], touch["cause"]
    if cause in OVER:
        return str(cause)
    return state if state == "live" or cause == "none" else f"{state} {cause}".replace("_", " ")


def _state_word(touch: Any) -> str:
    if touch["cause"] in OVER:
        return "over"
    return "polled" if touch["state"] == "live_poll" else str(touch["state"])


# Books.


class BookRow(NamedTuple):
    """A book as it is listed."""

    line: BookLine
    desk: Desk

    @property
    def silence_ns(self) -> int:
        """How long it has had no update."""
        return self.desk.silence_ns(self.line)

    @property
    def over(self) -> bool:
        """Whether its market has ended, or nobody wants it any more."""
        return self.line.touch["cause"] in OVER

    @property
    def spread_e9(self) -> int | None:
        """Best ask less best bid, in 1e-9."""
        bid, ask = self.line.touch["bid"], self.line.touch["ask"]
        return None if bid is None or ask is None else round((float(ask) - float(bid)) * 1e9)


def _book_rows(desk: Desk) -> list[BookRow]:
    """Those that are over come last."""
    rows = [BookRow(line, desk) for line in desk.books.values()]
    return sorted(rows, key=lambda row: row.over)


def _book_state_style(row: BookRow) -> Style:
    return "dim" if row.over else state_style(row.line.touch["state"])


def _quiet(row: BookRow) -> bool:
    return not row.over and row.silence_ns >= row.desk.thresholds.quiet_s * NS_PER_S


def _quiet_style(row: BookRow) -> Style:
    return "dim" if row.over else row.desk.thresholds.quiet(row.silence_ns)


def _last_update(row: BookRow) -> str:
    """How long ago its last update was; in words once that is long."""
    silence = row.silence_ns
    if _quiet(row):
        return f"no update for {_whole(silence)}"
    return "-" if row.line.updated is None else _brief(silence)


def _brief(silence_ns: int) -> str:
    return f"{silence_ns / NS_PER_S:.1f} s" if silence_ns < 10 * NS_PER_S else _whole(silence_ns)


def _whole(ns: int) -> str:
    seconds = ns // NS_PER_S
    if seconds < 100:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes}m{seconds % 60:02d}s" if minutes < 100 else f"{minutes // 60}h{minutes % 60}m"


def _touch(key: str) -> Callable[[BookRow], Any]:
    return lambda row: row.line.touch[key]


def _told_apart(outcome: str, venue: str) -> str:
    """An outcome where there is little room, and none for the venue by which spot books differ."""
    return venue[:_NARROW] if outcome == SPOT else outcome


def _as_number(key: str) -> Callable[[BookRow], float | None]:
    return lambda row: _number(row.line.touch[key])


def _price_column(key: str) -> Column:
    return Column(
        key,
        6,
        lambda row: price_text(row.line.touch[key]),
        _as_number(key),
        lambda row: "" if row.line.touch["live"] else "dim",
        ">",
        fitted=True,
    )


def _size_column(title: str, key: str) -> Column:
    return Column(
        title,
        8,
        lambda row: row.line.touch[key] or "-",
        _as_number(key),
        lambda _: "dim",
        ">",
        spared=8,
        fitted=True,
    )


def _delay_column(title: str, spared: int, delay: Callable[[BookLine], float | None]) -> Column:
    return Column(
        title,
        7,
        lambda row: _ms(delay(row.line)),
        lambda row: delay(row.line),
        lambda row: row.desk.thresholds.late(delay(row.line)),
        ">",
        spared=spared,
    )


def _ms(ns: float | None) -> str:
    return "-" if ns is None else shown_duration(round(ns))


_NARROW: Final = 4
_LIVE: Final = ("live", lambda row: row.line.touch["live"])
_NOT_LIVE: Final = ("not live", lambda row: not (row.line.touch["live"] or row.over))

BOOKS: Final = Tab(
    "books",
    "books",
    (
        Column("market", 22, lambda r: r.line.touch["title"], _touch("title"), flex=True),
        Column(
            "outcome", 7, lambda r: r.line.touch["outcome"], _touch("outcome"), lambda _: "dim",
            narrow=_NARROW, fitted=True, brief="out",
            short=lambda r: _told_apart(r.line.touch["outcome"], r.line.touch["venue"]),
        ),
        Column(
            "venue", 10, _touch("venue"), _touch("venue"), lambda _: "dim", spared=1,
            narrow=_NARROW, brief="at", short=lambda r: r.line.touch["venue"][:_NARROW],
        ),
        _size_column("bid size", "bid_qty"),
        _price_column("bid"),
        _price_column("ask"),
        _size_column("ask size", "ask_qty"),
        Column(
            "spread", 6, lambda r: _spread(r), lambda r: r.spread_e9, lambda _: "dim", ">",
            spared=6, fitted=True,
        ),
        Column(
            "state", 7, lambda r: state_text(r.line.touch), _touch("state"), _book_state_style,
            narrow=7, short=lambda r: _state_word(r.line.touch), fitted=True,
        ),
        _delay_column("average", 4, lambda line: line.mean_ns),
        _delay_column("p95", 3, lambda line: line.p95_ns),
        Column(
            "updated", 7, _last_update, lambda r: r.silence_ns, _quiet_style, ">", spared=2,
            narrow=7, short=lambda r: _brief(r.silence_ns), fitted=True,
        ),
        Column("upd/s", 5, lambda r: rate(r.line.rate), lambda r: r.line.rate, lambda _: "dim",
               ">", spared=7),
    ),
    _book_rows,
    lambda row: row.line.touch["instrument"],
    lambda row: " ".join(row.line.touch[k] for k in ("title", "outcome", "venue", "symbol")),
    (_NOT_LIVE, _LIVE, ("quiet", _quiet), ("over", lambda row: row.over)),
    opens="ladder",
    book=lambda row: row.line.touch["instrument"],
    empty="no books: the feed follows none, or has not told of them yet",
)  # fmt: skip


def _spread(row: BookRow) -> str:
    spread = row.spread_e9
    return "-" if spread is None else price_text(format_price(spread))


# Opportunities, and spreads.


class SignalLine(NamedTuple):
    """A signal as it is listed."""

    signal: Signal
    name: str
    desk: Desk
    closed: bool

    @property
    def life_ns(self) -> int:
        """How long it has lasted, or had."""
        end = self.signal.ts_recv if self.closed else self.desk.now_ns
        return max(end - self.signal.ts_open, 0)


def _signal_lines(desk: Desk, *, taken: bool) -> list[SignalLine]:
    wanted = desk.wanted
    return [
        SignalLine(one, desk.about(one), desk, closed)
        for closed, found in (
            (False, desk.world.open_signals()),
            (True, desk.world.closed_signals()),
        )
        for one in found
        if (one.direction is not None) == taken and wanted(one)
    ]


def _opportunities(desk: Desk) -> list[SignalLine]:
    """Open ones first, those that leave most dollars before others; then what was, newest first."""
    lines = _signal_lines(desk, taken=True)
    return sorted(lines, key=lambda one: (one.closed, 0 if one.closed else -_dollars(one)))


def _dollars(line: SignalLine) -> float:
    return line.signal.net_total or 0.0


def _venues(signal: Signal) -> str:
    return "+".join(dict.fromkeys(leg.venue for leg in signal.legs if leg.venue))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}%"


def _open_style(line: SignalLine) -> Style:
    return "dim" if line.closed else "bold"


_RULE: Final = Column("rule", 11, lambda r: r.signal.rule, lambda r: r.signal.rule, spared=3)
_NAME: Final = Column("market", 18, lambda r: r.name, lambda r: r.name, _open_style, flex=True)
_LIFE: Final = Column(
    "life", 6, lambda r: shown_duration(r.life_ns), lambda r: r.life_ns, lambda _: "dim", ">",
    spared=2,
)  # fmt: skip
_PHASE: Final = Column(
    "state", 6, lambda r: f"closed: {r.signal.reason}" if r.closed else "open", lambda r: r.closed,
    lambda r: "dim" if r.closed else "good", narrow=6, fitted=True,
    short=lambda r: "closed" if r.closed else "open",
)  # fmt: skip
_OPENED: Final = Column(
    "opened", 8, lambda r: clock_time(r.signal.ts_open), lambda r: r.signal.ts_open,
    lambda _: "dim", spared=9,
)  # fmt: skip
_WHERE: Final = Column(
    "venues", 10, lambda r: _venues(r.signal), lambda r: _venues(r.signal), lambda _: "dim",
    spared=7, fitted=True,
)  # fmt: skip
_OPEN: Final = (("open", lambda row: not row.closed), ("closed", lambda row: row.closed))


def _signal_words(line: SignalLine) -> str:
    legs = (f"{leg.venue} {leg.market} {leg.outcome} {leg.symbol}" for leg in line.signal.legs)
    return " ".join((line.name, line.signal.rule, *legs))


OPPORTUNITIES: Final = Tab(
    "opportunities",
    "opps",
    (
        _OPENED,
        _RULE,
        _NAME,
        _WHERE,
        Column("take", 4, lambda r: r.signal.direction, lambda r: r.signal.direction, spared=6),
        Column("shares", 8, lambda r: shown_qty(r.signal.qty_e8), lambda r: r.signal.qty_e8,
               align=">", spared=5, fitted=True),
        Column("edge", 7, lambda r: shown_price(r.signal.net_edge_e9),
               lambda r: r.signal.net_edge_e9, _open_style, ">", fitted=True),
        Column("dollars", 8, lambda r: usd(r.signal.net_total), lambda r: r.signal.net_total,
               _open_style, ">", fitted=True),
        Column("return", 7, lambda r: _percent(r.signal.roi),
               lambda r: r.signal.roi, _open_style, ">", spared=1),
        Column("fees", 7, lambda r: usd(r.signal.fee), lambda r: r.signal.fee_e9,
               lambda _: "dim", ">", spared=8, fitted=True),
        _LIFE,
        _PHASE,
    ),
    _opportunities,
    lambda row: row.signal.id,
    _signal_words,
    _OPEN,
    opens="legs",
    empty="no opportunity so far: `why not` says what rules refused",
)  # fmt: skip

SPREADS: Final = Tab(
    "spreads",
    "spreads",
    (
        _OPENED,
        _NAME,
        _WHERE,
        Column("spread", 7, lambda r: shown_price(r.signal.value_e9),
               lambda r: r.signal.value_e9, _open_style, ">", fitted=True),
        _LIFE,
        _PHASE,
    ),
    lambda desk: _signal_lines(desk, taken=False),
    lambda row: row.signal.id,
    _signal_words,
    _OPEN,
    opens="ladder",
    empty="no spread is wide, or no rule of kind spread asks for them",
    book=lambda row: row.signal.legs[0].instrument if row.signal.legs else None,
)  # fmt: skip


# Trades.


def _trade_rows(desk: Desk) -> list[tuple[Update, Desk]]:
    return [(trade, desk) for trade in reversed(desk.world.trades())]


def _trade_style(row: tuple[Update, Desk]) -> Style:
    return "bold" if worth_usd(row[0]) >= row[1].thresholds.large_usd else ""


def _side_style(row: tuple[Update, Desk]) -> Style:
    styles: dict[str | None, Style] = {"buy": "good", "sell": "bad"}
    return styles.get(row[0].aggressor, "dim")


def _flow(desk: Desk) -> Line:
    flow = desk.flow()
    large = desk.thresholds.large_usd
    return (
        Span(f" {flow.trades:,}/min"),
        Span(f"  bought {shown_usd(flow.bought)}", "good"),
        Span(f"  sold {shown_usd(flow.sold)}", "bad"),
        Span(f"  largest {shown_usd(flow.largest)}"),
        Span(f"  {flow.large:,} of {shown_usd(large)} or more", "bold" if flow.large else "dim"),
        Span(f"  side unknown {shown_usd(flow.other)}" if flow.other else "", "dim"),
    )


def _title(row: tuple[Update, Desk]) -> str:
    return row[1].title(row[0].instrument)


def _name(part: str) -> Callable[[tuple[Update, Desk]], str]:
    return lambda row: getattr(name_of(row[1].world.names, row[0].instrument), part)


TRADES: Final = Tab(
    "trades",
    "trades",
    (
        Column("time", 8, lambda r: clock_time(r[0].ts_recv), lambda r: r[0].ts_recv,
               lambda _: "dim", spared=3),
        Column("market", 22, _title, _title, _trade_style, flex=True),
        Column("outcome", 7, _name("outcome"), _name("outcome"), lambda _: "dim",
               narrow=_NARROW, fitted=True, brief="out",
               short=lambda r: _told_apart(_name("outcome")(r), _name("venue")(r))),
        Column("venue", 10, _name("venue"), _name("venue"), lambda _: "dim", spared=2,
               narrow=_NARROW, brief="at", short=lambda r: _name("venue")(r)[:_NARROW]),
        Column("side", 4, lambda r: r[0].aggressor or "-", lambda r: r[0].aggressor, _side_style),
        Column("price", 6, lambda r: "-" if r[0].price_e9 is None
               else price_text(format_price(r[0].price_e9)), lambda r: r[0].price_e9,
               _trade_style, ">", fitted=True),
        Column("size", 8, lambda r: shown_qty(r[0].qty_e8), lambda r: r[0].qty_e8,
               _trade_style, ">", spared=1, fitted=True),
        Column("dollars", 8, lambda r: usd(worth_usd(r[0])), lambda r: worth_usd(r[0]),
               _trade_style, ">", fitted=True),
    ),
    _trade_rows,
    lambda row: row[0].seq,
    lambda row: " ".join((_title(row), *(_name(p)(row) for p in ("outcome", "venue", "symbol")))),
    (
        ("large", lambda row: worth_usd(row[0]) >= row[1].thresholds.large_usd),
        ("bought", lambda row: row[0].aggressor == "buy"),
        ("sold", lambda row: row[0].aggressor == "sell"),
    ),
    _flow,
    opens="ladder",
    empty="no trade so far",
    book=lambda row: row[0].instrument,
)  # fmt: skip


# The log.


LOG: Final = Tab(
    "log",
    "log",
    (
        Column("time", 8, lambda r: clock_time(r.ts), lambda r: r.ts, lambda _: "dim"),
        Column(
            "what", 20, lambda r: printable(r.text), lambda r: r.text, lambda r: r.style, flex=True
        ),
    ),
    lambda desk: list(reversed(desk.log)),
    lambda row: row.number,
    lambda row: row.text,
    (("odd", lambda row: row.style in ("warn", "bad")),),
    empty="nothing has changed",
)
