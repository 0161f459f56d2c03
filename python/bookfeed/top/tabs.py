"""The tabs: of each its columns, its rows as a ``Desk`` has them, and its filters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from bookfeed._bookfeed import format_price
from bookfeed.clock import NS_PER_S
from bookfeed.monitor.text import Line, Span, Style, shown_duration, shown_price, shown_qty
from bookfeed.monitor.text import shown_rate as rate
from bookfeed.names import name_of
from bookfeed.records import Signal, Update
from bookfeed.top.cells import Column
from bookfeed.top.desk import BookLine, Desk, worth_usd
from bookfeed.venues.spot import OUTCOME as SPOT

_STATE_STYLES: Final[dict[str, Style]] = {"live": "good", "stale": "bad", "gone": "bad"}
_QUIET_WIDTH: Final = len("no update for 99m59s")


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
    """What stands above the list."""
    empty: str = "nothing yet"
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
    """A state, and why where it is not a good one."""
    state, cause = touch["state"], touch["cause"]
    return state if state == "live" or cause == "none" else f"{state} {cause}"


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
    def spread_e9(self) -> int | None:
        """Best ask less best bid, in 1e-9."""
        bid, ask = self.line.touch["bid"], self.line.touch["ask"]
        return None if bid is None or ask is None else round((float(ask) - float(bid)) * 1e9)


def _book_rows(desk: Desk) -> list[BookRow]:
    return [BookRow(line, desk) for line in desk.books.values()]


def _last_update(row: BookRow) -> str:
    """How long ago its last update was; in words once that is long."""
    silence = row.silence_ns
    if silence >= row.desk.thresholds.quiet_s * NS_PER_S:
        return f"no update for {_whole(silence)}"
    return "-" if row.line.updated is None else _brief(silence)


def _brief(silence_ns: int) -> str:
    return f"{silence_ns / NS_PER_S:.1f} s" if silence_ns < 10 * NS_PER_S else _whole(silence_ns)


def _whole(ns: int) -> str:
    seconds = ns // NS_PER_S
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60}m{seconds % 60:02d}s"


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
_NOT_LIVE: Final = ("not live", lambda row: not row.line.touch["live"])

BOOKS: Final = Tab(
    "books",
    "books",
    (
        Column("market", 22, lambda r: r.line.touch["title"], _touch("title"), flex=True),
        Column(
            "outcome", 7, lambda r: r.line.touch["outcome"], _touch("outcome"), lambda _: "dim",
            narrow=_NARROW, fitted=True,
            short=lambda r: _told_apart(r.line.touch["outcome"], r.line.touch["venue"]),
        ),
        Column("venue", 10, _touch("venue"), _touch("venue"), lambda _: "dim", spared=5),
        _size_column("bid size", "bid_qty"),
        _price_column("bid"),
        _price_column("ask"),
        _size_column("ask size", "ask_qty"),
        Column(
            "spread", 6, lambda r: _spread(r), lambda r: r.spread_e9, lambda _: "dim", ">",
            spared=6, fitted=True,
        ),
        Column(
            "state", 20, lambda r: state_text(r.line.touch), _touch("state"),
            lambda r: state_style(r.line.touch["state"]), narrow=7,
        ),
        _delay_column("average", 4, lambda line: line.mean_ns),
        _delay_column("p95", 3, lambda line: line.p95_ns),
        Column(
            "updated", _QUIET_WIDTH, _last_update, lambda r: r.silence_ns,
            lambda r: r.desk.thresholds.quiet(r.silence_ns), ">", spared=2,
            narrow=7, short=lambda r: _brief(r.silence_ns),
        ),
        Column("upd/s", 5, lambda r: rate(r.line.rate), lambda r: r.line.rate, lambda _: "dim",
               ">", spared=7),
    ),
    _book_rows,
    lambda row: row.line.touch["instrument"],
    lambda row: " ".join(row.line.touch[k] for k in ("title", "outcome", "venue", "symbol")),
    (_NOT_LIVE, _LIVE, ("quiet", lambda r: r.silence_ns >= r.desk.thresholds.quiet_s * NS_PER_S)),
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


def signal_name(signal: Signal, desk: Desk) -> str:
    """What the rule is called, or else what its first book is about."""
    if signal.name or not signal.legs:
        return signal.name or signal.rule
    return desk.title(signal.legs[0].instrument) or signal.legs[0].symbol


def _signal_lines(desk: Desk, *, taken: bool) -> list[SignalLine]:
    wanted = desk.wanted
    return [
        SignalLine(one, signal_name(one, desk), desk, closed)
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
    "state", 12, lambda r: r.signal.reason if r.closed else "open", lambda r: r.closed,
    lambda r: "dim" if r.closed else "good", narrow=5,
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
        Column("fees", 7, lambda r: shown_price(r.signal.fee_e9), lambda r: r.signal.fee_e9,
               lambda _: "dim", ">", spared=8, fitted=True),
        _LIFE,
        _PHASE,
    ),
    _opportunities,
    lambda row: row.signal.id,
    _signal_words,
    _OPEN,
    empty="no opportunity so far",
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
    empty="no spread is wide",
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
    return (
        Span(" last minute ", "dim"),
        Span(f"{flow.trades:,} trades"),
        Span(f"  bought {usd(flow.bought)}", "good"),
        Span(f"  sold {usd(flow.sold)}", "bad"),
        Span(f"  largest {usd(flow.largest)}"),
        Span(f"  unknown {usd(flow.other)}" if flow.other else "", "dim"),
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
               lambda _: "dim", spared=2),
        Column("market", 22, _title, _title, _trade_style, flex=True),
        Column("outcome", 7, _name("outcome"), _name("outcome"), lambda _: "dim", spared=3,
               narrow=_NARROW, fitted=True,
               short=lambda r: _told_apart(_name("outcome")(r), _name("venue")(r))),
        Column("venue", 10, _name("venue"), _name("venue"), lambda _: "dim", spared=4),
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
    empty="no trade so far",
    book=lambda row: row[0].instrument,
)  # fmt: skip


# The log.


LOG: Final = Tab(
    "log",
    "log",
    (
        Column("time", 8, lambda r: clock_time(r.ts), lambda r: r.ts, lambda _: "dim"),
        Column("what", 20, lambda r: r.text, lambda r: r.text, lambda r: r.style, flex=True),
    ),
    lambda desk: list(reversed(desk.log)),
    lambda row: row.number,
    lambda row: row.text,
    (("odd", lambda row: row.style in ("warn", "bad")),),
    empty="nothing has changed",
)
