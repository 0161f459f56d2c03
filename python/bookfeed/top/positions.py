"""The tab of the user's own positions: what is held, what it cost, what its book pays for it."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from bookfeed.monitor.text import Line, Span, Style, shown_qty
from bookfeed.names import name_of
from bookfeed.top.cells import Column
from bookfeed.top.desk import Desk
from bookfeed.top.tabs import Tab, usd

_USD_E17: Final = 1e17


class PositionRow(NamedTuple):
    """A position as the feed told of it."""

    told: Mapping[str, Any]
    account: Mapping[str, Any]
    desk: Desk

    @property
    def believed(self) -> bool:
        """Whether it is as the venue has it, and the feed is heard."""
        return self.account["state"] == "live" and self.desk.world.feed == "heard"

    def name(self, part: str) -> str:
        """Title or outcome of its book; its symbol where that is not followed."""
        number = self.desk.world.instrument(self.account["venue"], self.told["symbol"])
        if number is None:
            return str(self.told["symbol"]) if part == "title" else ""
        return str(getattr(name_of(self.desk.world.names, number), part))

    def usd(self, key: str) -> float | None:
        """An amount in dollars; ``None`` where it is not known, or may not be believed."""
        amount = self.told[key]
        if amount is None or (key in _VALUES and not self.believed):
            return None
        return float(amount / _USD_E17)


# What a book pays is known while it is believed alone.
_VALUES: Final = frozenset({"value_e17", "unrealised_e17"})


def _accounts(desk: Desk) -> list[Mapping[str, Any]]:
    return list(desk.world.pieces.get("own", {}).get("accounts", []))


def _rows(desk: Desk) -> list[PositionRow]:
    return [
        PositionRow(held, account, desk)
        for account in _accounts(desk)
        for held in account["holdings"]
    ]


def _gain_style(row: PositionRow, key: str) -> Style:
    gain = row.usd(key)
    return "dim" if not gain else "good" if gain > 0 else "bad"


def _amount(title: str, key: str, spared: int = 0, *, gain: bool = False) -> Column:
    return Column(
        title,
        8,
        lambda row: usd(row.usd(key)),
        lambda row: row.usd(key),
        (lambda row: _gain_style(row, key)) if gain else (lambda _: ""),
        ">",
        spared=spared,
        fitted=True,
    )


def _named(part: str) -> Callable[[PositionRow], str]:
    return lambda row: row.name(part)


def _state(row: PositionRow) -> str:
    if not row.believed:
        heard = row.desk.world.feed == "heard"
        return str(row.account["cause"] or row.account["state"]) if heard else "not heard"
    return str(row.told["why"] or ("settling" if row.told["pending_e8"] else "live"))


def _state_style(row: PositionRow) -> Style:
    return "bad" if not row.believed else "warn" if row.told["why"] else "good"


def _sums(desk: Desk) -> Line:
    """Of each account its state and its open orders, and what all positions would gain."""
    rows = _rows(desk)
    gains = [row.usd("unrealised_e17") for row in rows if row.told["qty_e8"]]
    known = [gain for gain in gains if gain is not None]
    heard = desk.world.feed == "heard"
    parts = [
        Span(
            f" {one['venue']} {one['state'] if heard else 'not heard'}, {one['orders']} orders ",
            "good" if heard and one["state"] == "live" else "bad",
        )
        for one in _accounts(desk)
    ]
    if known:
        parts.append(Span(f" open gain {usd(sum(known))}"))
    if len(known) < len(gains):
        parts.append(Span(f" without {len(gains) - len(known)} not known", "warn"))
    return tuple(parts) or (Span(" no account", "dim"),)


POSITIONS: Final = Tab(
    "positions",
    "pos",
    (
        Column("market", 14, _named("title"), _named("title"), flex=True),
        Column("outcome", 7, _named("outcome"), _named("outcome"), lambda _: "dim", narrow=4,
               fitted=True, brief="out"),
        Column("venue", 10, lambda r: r.account["venue"], lambda r: r.account["venue"],
               lambda _: "dim", spared=6),
        Column("shares", 8, lambda r: shown_qty(r.told["qty_e8"]), lambda r: r.told["qty_e8"],
               align=">", spared=3, fitted=True),
        _amount("cost", "cost_e17", 4),
        _amount("value", "value_e17"),
        _amount("gain", "unrealised_e17", gain=True),
        _amount("realised", "realised_e17", 5, gain=True),
        Column("state", 8, _state, _state, _state_style, spared=2, fitted=True),
    ),
    _rows,
    lambda row: (row.account["venue"], row.told["symbol"]),
    lambda row: f"{row.name('title')} {row.name('outcome')} {row.account['venue']}",
    (
        ("held", lambda row: row.told["qty_e8"] != 0),
        ("not held any more", lambda row: row.told["qty_e8"] == 0),
    ),
    _sums,
    opens="ladder",
    empty="no position is known: nothing is held, or no account is followed; [own] in the "
    "configuration says which are",
    book=lambda row: row.desk.world.instrument(row.account["venue"], row.told["symbol"]),
)  # fmt: skip
