"""The tabs of pairs and the like, of connections, of latency and of refusals."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from bookfeed.monitor.text import Line, Span, Style, shown_duration
from bookfeed.top.cells import Column
from bookfeed.top.desk import Desk
from bookfeed.top.tabs import Tab, price_text

# Pairs, baskets and ladders: rules whose legs are told.


_PAIRS: Final = ("box", "strike_gap")


class PairRow(NamedTuple):
    """A rule with its legs' books as they stand; ``None`` for one that is not there."""

    number: str
    rule: Mapping[str, Any]
    touches: list[Mapping[str, Any] | None]

    @property
    def name(self) -> str:
        """What it is called; without a name its number."""
        return str(self.rule["name"] or self.number)

    @property
    def cost(self) -> float | None:
        """What that costs now of which exactly one pays; ``None`` unless all may be believed."""
        return self._all(buys=True)

    @property
    def proceeds(self) -> float | None:
        """What the same brings now."""
        return self._all(buys=False)

    @property
    def live(self) -> int:
        """How many of the legs may be believed."""
        return sum(one is not None and one["live"] for one in self.touches)

    def _all(self, *, buys: bool) -> float | None:
        """Of a basket all legs; of a pair the event on one leg, and that it does not happen on the
        other, whichever way is better. Steps of a ladder pay together: their sum says nothing.
        """
        kind = self.rule["rule"]
        if kind == "basket":
            return _sum([self._price(at, buys=buys) for at in range(len(self.touches))])
        if kind not in _PAIRS:
            return None
        prices = [(self._event(at, buys=buys), self._event(1 - at, buys=not buys)) for at in (0, 1)]
        ways = [happens + 1 - other for happens, other in prices
                if happens is not None and other is not None]  # fmt: skip
        return (min if buys else max)(ways, default=None)

    def _event(self, at: int, *, buys: bool) -> float | None:
        """The price of the pair's event, on a leg that may pay when it does not happen."""
        inverted = self.rule["legs"][at]["polarity"] == "inverted"
        price = self._price(at, buys=buys != inverted)
        return 1 - price if inverted and price is not None else price

    def _price(self, at: int, *, buys: bool) -> float | None:
        """Of an outcome that has no book of its own: the other one's, from the other side."""
        touch, leg = self.touches[at], self.rule["legs"][at]
        if touch is None:
            return None
        opposite = leg["outcome"] == "no" and touch["outcome"].lower() != "no"
        text = touch["ask" if buys != opposite else "bid"]
        if text is None:
            return None
        return 1 - float(text) if opposite else float(text)


def _sum(prices: list[float | None]) -> float | None:
    known = [price for price in prices if price is not None]
    return sum(known) if known and len(known) == len(prices) else None


def pair_rows(desk: Desk) -> list[PairRow]:
    """The rules that have legs, as their books stand now."""
    rules: Mapping[str, Any] = desk.world.pieces.get("rules", {}).get("rules", {})
    rows = []
    for number, rule in rules.items():
        legs = rule.get("legs")
        if not legs:
            continue
        numbers = [desk.world.instrument(leg["venue"], leg["symbol"]) for leg in legs]
        lines = [None if one is None else desk.books.get(one) for one in numbers]
        rows.append(PairRow(number, rule, [None if o is None else o.touch for o in lines]))
    return rows


def shown_sum(value: float | None) -> str:
    """What all legs cost, or bring."""
    return "-" if value is None else f"{value:.4f}"


def _legs(row: PairRow) -> str:
    return " ".join(f"{leg['venue']} {leg['outcome']}" for leg in row.rule["legs"])


def _leg(row: PairRow, at: int, venue_width: int | None = None) -> str:
    """One leg and its prices: of the first two, which stand side by side."""
    legs = row.rule["legs"]
    if at >= len(legs):
        return "-"
    touch = row.touches[at]
    bid, ask = (None, None) if touch is None else (touch["bid"], touch["ask"])
    where = legs[at]["venue"][:venue_width]
    return f"{where} {legs[at]['outcome']} {price_text(bid)}/{price_text(ask)}"


def _leg_column(title: str, at: int) -> Column:
    return Column(
        title, 25, lambda r: _leg(r, at), lambda r: _leg(r, at),
        lambda r: "" if at < len(r.touches) and r.touches[at] and r.touches[at]["live"] else "dim",
        spared=2, narrow=18, short=lambda r: _leg(r, at, 4), fitted=True,
    )  # fmt: skip


def _live_style(row: PairRow) -> Style:
    return "good" if row.live == len(row.touches) else "warn"


PAIRS: Final = Tab(
    "pairs",
    "pairs",
    (
        Column("pair", 14, lambda r: r.name, lambda r: r.name, flex=True),
        Column("rule", 10, lambda r: r.rule["rule"], lambda r: r.rule["rule"], spared=3),
        _leg_column("first leg", 0),
        _leg_column("second leg", 1),
        Column("buy all", 7, lambda r: shown_sum(r.cost), lambda r: r.cost, align=">"),
        Column("sell all", 8, lambda r: shown_sum(r.proceeds), lambda r: r.proceeds, align=">",
               spared=1),
        Column("live", 5, lambda r: f"{r.live}/{len(r.touches)}", lambda r: r.live, _live_style,
               ">"),
    ),
    pair_rows,
    lambda row: row.number,
    lambda row: f"{row.rule['name']} {row.rule['rule']} {_legs(row)}",
    (("not live", lambda row: row.live < len(row.touches)),),
    opens="side by side",
    empty="no pair, basket or ladder is configured: [[pair]], [[basket]] and [[ladder]] make one",
)  # fmt: skip


# Connections.


class ConnectionRow(NamedTuple):
    """A connection as the feed told of it."""

    told: Mapping[str, Any]
    desk: Desk

    @property
    def delay_ns(self) -> float | None:
        """Receipt less venue time of its newest message."""
        delay_s = self.told["delay_s"]
        return None if delay_s is None else delay_s * 1e9

    @property
    def heard(self) -> bool:
        """Whether what was told holds now."""
        return self.desk.world.feed == "heard"


def _told(key: str) -> Callable[[ConnectionRow], Any]:
    return lambda row: row.told[key]


def _connection_state(row: ConnectionRow) -> str:
    state = row.told["state"] if row.heard else "not heard"
    return f"{state}: {row.told['cause']}" if row.told["cause"] else state


def _connection_style(row: ConnectionRow) -> Style:
    if not row.heard:
        return "bad"
    styles: dict[str, Style] = {"connected": "good", "polling": "warn", "connecting": "warn"}
    return styles.get(row.told["state"], "bad")


CONNECTIONS: Final = Tab(
    "connections",
    "conns",
    (
        Column("venue", 10, _told("venue"), _told("venue")),
        Column("no.", 3, lambda r: str(r.told["conn"]), _told("conn"), lambda _: "dim", ">",
               spared=4),
        Column("state", 12, _connection_state, _told("state"), _connection_style, flex=True),
        Column("live", 9, lambda r: f"{r.told['live']}/{r.told['books']}", _told("live"),
               align=">"),
        Column("delay", 7, lambda r: "-" if r.delay_ns is None else
               shown_duration(round(r.delay_ns)), lambda r: r.delay_ns,
               lambda r: r.desk.thresholds.late(r.delay_ns), ">"),
        Column("freshness", 9, _told("freshness"), _told("freshness"), lambda _: "dim", spared=3),
        Column("for", 7, lambda r: shown_duration(r.desk.now_ns - r.told["since_ns"])
               if r.told["since_ns"] else "-", _told("since_ns"), lambda _: "dim", ">", spared=2),
        Column("reconnects", 10, lambda r: str(r.told["reconnects"]), _told("reconnects"),
               lambda r: "warn" if r.told["reconnects"] else "dim", ">", spared=1, narrow=5,
               brief="again"),
    ),
    lambda desk: [ConnectionRow(one, desk) for one in desk.world.connections.values()],
    lambda row: row.told["conn"],
    lambda row: f"{row.told['venue']} {row.told['state']} {row.told['cause']}",
    (("not connected", lambda row: row.told["state"] != "connected"),),
    empty="no connection was told of",
)  # fmt: skip


# Latency.


class LatencyRow(NamedTuple):
    """One latency: its name and its percentiles."""

    name: str
    told: Mapping[str, Any]
    desk: Desk


def _latency_rows(desk: Desk) -> list[LatencyRow]:
    told = desk.world.pieces.get("feed", {}).get("latency_ns", {})
    return [LatencyRow(name.replace("_to_", " → "), one, desk) for name, one in told.items()]


def _latency(title: str, key: str, spared: int = 0) -> Column:
    return Column(
        title,
        7,
        lambda row: "-" if row.told[key] is None else shown_duration(round(row.told[key])),
        lambda row: row.told[key],
        lambda row: row.desk.thresholds.late(row.told[key]),
        ">",
        spared=spared,
    )


_TROUBLE: Final = {
    "decode_errors": "bad frames",
    "malformed": "malformed",
    "resyncs": "resyncs",
    "reconnects": "reconnects",
    "loop_stalls": "stalls",
}


def _trouble(desk: Desk) -> Line:
    counters = desk.world.pieces.get("feed", {}).get("counters", {})
    told = (f"{word} {counters[name]:,}" for name, word in _TROUBLE.items() if counters.get(name))
    listed = tuple(Span(f" {one} ", "warn") for one in told)
    return listed or (Span(" nothing went wrong", "dim"),)


LATENCY: Final = Tab(
    "latency",
    "latency",
    (
        Column("stage", 14, lambda r: r.name, lambda r: r.name, flex=True),
        Column("count", 10, lambda r: f"{r.told['count']:,}", lambda r: r.told["count"],
               lambda _: "dim", ">", spared=5),
        _latency("average", "mean", 3),
        _latency("p50", "p50"),
        _latency("p90", "p90", 4),
        _latency("p99", "p99"),
        _latency("p99.9", "p999", 2),
        _latency("max", "max", 1),
    ),
    _latency_rows,
    lambda row: row.name,
    lambda row: row.name,
    note=_trouble,
    empty="nothing was measured so far",
)  # fmt: skip


# Refusals.


REFUSALS: Final = Tab(
    "why not",
    "why",
    (
        Column("name", 14, lambda r: r["name"] or r["rule"], lambda r: r["name"] or r["rule"],
               narrow=16, fitted=True),
        Column("rule", 10, lambda r: r["rule"], lambda r: r["rule"], lambda _: "dim", spared=2),
        Column("reason", 11, lambda r: r["reason"], lambda r: r["reason"], lambda _: "warn"),
        Column("count", 9, lambda r: f"{r['count']:,}", lambda r: r["count"], align=">"),
        Column("in words", 20, lambda r: r["text"], lambda r: r["text"], lambda _: "dim",
               spared=1, flex=True),
    ),
    lambda desk: list(desk.world.pieces.get("why", {}).get("why", [])),
    lambda row: (row["rule_id"], row["reason"]),
    lambda row: f"{row['name']} {row['rule']} {row['reason']} {row['text']}",
    empty="no rule has refused anything",
)  # fmt: skip
