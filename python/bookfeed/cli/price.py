"""``bookfeed price``: what a size would really cost now, fee included, and whether to believe it.

The walk through the book and the fee are the engine's, in exact integers. What must be rounded is
rounded against who trades.
"""

import argparse
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

from bookfeed._bookfeed import BookView, DecimalError, Fill
from bookfeed.cli import exact
from bookfeed.cli.once import Asked, asked, vouched
from bookfeed.errors import ConfigError, ExitCode
from bookfeed.monitor.output import write_json, write_line, write_pairs
from bookfeed.monitor.text import printable

_AMOUNT: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,8})?) ?([a-z]{2,12})", re.ASCII)
_BPS: Final = 10_000
_BPS_PLACES: Final = 2
# Digits behind the point that people are shown.
_SHOWN_PLACES: Final = 6
_SHARES: Final = ("sh", "share", "shares")
_DOLLARS: Final = "usd"


def execute(args: argparse.Namespace) -> ExitCode:
    """Shows the price; fails if it may not be believed, or the book does not hold so much."""
    number, unit = _amount(args.amount)
    found = asked(args)
    quoted = _quoted(found, args.side, number, unit)
    if args.output == "json":
        write_json(quoted.to_dict())
    elif args.output == "ndjson":
        write_line({"type": "price", **quoted.to_dict()})
    else:
        write_pairs(quoted.lines())
    return ExitCode.FAILURE if quoted.doubts() else ExitCode.OK


def _amount(text: str) -> tuple[str, str]:
    found = _AMOUNT.fullmatch(text.strip().lower())
    if found is None or not exact.parse(found[1]):
        raise ConfigError("AMOUNT", "", f"must be such as 500usd or 200sh, not {text!r}")
    return found[1], found[2]


def _units(book: BookView) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What sizes and what money of a book are called; one currency is never another."""
    if book.payout_e9 is not None:
        return _SHARES, (_DOLLARS,)
    return _called(book.base), _called(book.quote)


def _called(currency: str | None) -> tuple[str, ...]:
    return () if currency is None else (currency.lower(),)


def _quoted(found: Asked, side: Literal["buy", "sell"], number: str, unit: str) -> "Quoted":
    sizes, money = _units(found.book)
    if unit not in (*sizes, *money):
        known = " or ".join(f"{number}{name}" for name in (*sizes[:1], *money))
        raise ConfigError("AMOUNT", "", f"must be {known}, not {number}{unit}")
    sweep = found.book.sweep if unit in sizes else found.book.sweep_notional
    try:
        fill = sweep(side, number)
    except DecimalError as error:
        raise ConfigError("AMOUNT", "", str(error)) from error
    units = next(iter(sizes), ""), next(iter(money), "")
    return Quoted(found, side, f"{number}{unit}", units, fill)


@dataclass(frozen=True, slots=True)
class Quoted:
    """What an amount would execute; ``units`` are those of sizes and of money."""

    asked: Asked
    side: Literal["buy", "sell"]
    amount: str
    units: tuple[str, str]
    fill: Fill | None
    """``None``: nothing would be, or the book is not believed."""

    @property
    def complete(self) -> bool:
        """Whether the book holds all that was asked for."""
        return self.fill is not None and self.fill.complete

    def doubts(self) -> list[str]:
        """Why the price is not to be relied on; empty if it is."""
        doubts = [doubt] if (doubt := self.asked.doubt()) else []
        if not self.complete and (self.asked.book.live or self.asked.book.polled):
            deep = self.fill is not None and self.fill.truncated
            doubts.append(
                "the book is not known so deep" if deep else "the book does not hold so much"
            )
        least, fill = self.asked.market.min_order_size or "0", self.fill
        if fill is not None and exact.qty(fill.qty_e8) < exact.parse(least):
            doubts.append(f"the smallest order is of {least} {self.units[0]}")
        return doubts

    def _numbers(self) -> dict[str, Fraction | None]:
        """All that is told of the fill, exactly; ``None`` for what is not known."""
        fill, book = self.fill, self.asked.book
        if fill is None:
            return dict.fromkeys(_NAMES)
        size, paid = exact.qty(fill.qty_e8), exact.money(fill.notional_e17)
        best_e9 = book.ask_e9 if self.side == "buy" else book.bid_e9
        best = None if best_e9 is None else exact.price(best_e9)
        mid = None
        if book.spread is not None and book.bid_e9 is not None and book.ask_e9 is not None:
            mid = exact.price(book.bid_e9 + book.ask_e9) / 2
        sign = 1 if self.side == "buy" else -1
        average = paid / size
        fee = None if fill.fee_e9 is None else exact.price(fill.fee_e9)
        total = None if fee is None else paid + sign * fee
        return {
            "qty": size,
            "average": average,
            "worst": exact.price(fill.worst_price_e9),
            "best": best,
            "mid": mid,
            "slippage": None if mid is None else sign * (average - mid),
            "slippage_bps": None if not mid else sign * (average - mid) / mid * _BPS,
            "money": paid,
            "fee": fee,
            "total": total,
            "total_each": None if total is None else total / size,
        }

    def _texts(self, places: int = exact.PRICE_PLACES) -> dict[str, str | None]:
        """The same as text; prices are rounded against who trades."""
        dear = self.side == "buy"
        texts = {}
        for name, value in self._numbers().items():
            if name == "slippage_bps":
                texts[name] = exact.text(value, _BPS_PLACES, up=True)
            else:
                texts[name] = exact.text(value, places, up=dear or name == "slippage")
        return texts

    def to_dict(self) -> dict[str, Any]:
        """All of it for programs; numbers are exact text, money is the currency's."""
        fill = self.fill
        return self.asked.to_dict() | {
            "side": self.side,
            "amount": self.amount,
            "complete": self.complete,
            "levels": None if fill is None else fill.levels,
            **self._texts(),
            "doubts": self.doubts(),
        }

    def lines(self) -> list[tuple[str, object]]:
        """All of it for people."""
        texts, (each, money) = self._texts(_SHOWN_PLACES), self.units
        named = self.asked.market.name or self.asked.book.symbol
        doubts = self.doubts()
        head: list[tuple[str, object]] = [
            ("market", printable(f"{named}: {self.asked.outcome} ({self.asked.book.venue})")),
            ("believe it?", f"no: {'; '.join(doubts)}" if doubts else vouched(self.asked)),
        ]
        if self.fill is None:
            return head
        fee = f"{texts['fee']} {money}" if texts["fee"] else "unknown, and unknown is not zero"
        levels = f"{self.fill.levels} level{'' if self.fill.levels == 1 else 's'}"
        slippage = f"{texts['slippage']} from the mid ({texts['slippage_bps']} bps)"
        rows = [
            (self.side, f"{texts['qty']} {each} for {texts['money']} {money}, {levels}"),
            ("average", texts["average"]),
            ("worst", texts["worst"]),
            ("slippage", slippage if texts["slippage"] else None),
            ("fee", fee),
        ]
        if texts["total"]:
            word = "with fee" if self.side == "buy" else "after fee"
            rows.append((word, f"{texts['total']} {money}, {texts['total_each']} each"))
        return [*head, *rows]


_NAMES: Final = (
    "qty", "average", "worst", "best", "mid", "slippage", "slippage_bps", "money", "fee", "total",
    "total_each",
)  # fmt: skip
