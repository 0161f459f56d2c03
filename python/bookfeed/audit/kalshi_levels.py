"""Levels of Kalshi's books, in every spelling they were ever sent in, as prices of YES."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from bookfeed.audit.books import Side
from bookfeed.audit.numbers import ONE, plain, price

# How the sides of a whole book are called, from the newest spelling on.
_SPELLINGS: Final = ("_dollars_fp", "_dollars", "")
_KNOWN: Final = {f"{side}{suffix}" for side in ("yes", "no") for suffix in _SPELLINGS} | {
    "market_ticker",
    "market_id",
    "ts",
    "ts_ms",
}


def speaks_of_a_book(content: Mapping[str, Any]) -> bool:
    """Whether a message that does not say what it is has levels, or a change of one."""
    ladders = (f"{side}{suffix}" for side in ("yes", "no") for suffix in _SPELLINGS)
    changes = (content.get(key) is not None for key in ("delta_fp", "delta"))
    return any(key in content for key in ladders) or any(changes)


def sides(content: Mapping[str, Any], *, yes_prices: bool) -> list[dict[Decimal, Decimal]]:
    """Both sides, in the newest spelling of which there is any; an omitted side is empty."""
    spelt = [
        suffix
        for suffix in _SPELLINGS
        if any(content.get(f"{side}{suffix}") is not None for side in ("yes", "no"))
    ]
    best, others = (spelt[0], spelt[1:]) if spelt else ("", [])
    strange = any(isinstance(content[key], list | dict) for key in content.keys() - _KNOWN)
    for side in ("yes", "no"):
        left_out = content.get(f"{side}{best}") is None
        if left_out and strange:
            raise ValueError("a side is missing, and something unknown is there")
        if left_out and any(content.get(f"{side}{suffix}") for suffix in others):
            raise ValueError("sides in different spellings")
    return [_side(content, side, best, yes_prices=yes_prices) for side in ("yes", "no")]


def _side(
    content: Mapping[str, Any], side: str, suffix: str, *, yes_prices: bool
) -> dict[Decimal, Decimal]:
    name = f"{side}{suffix}"
    listed, cents = content.get(name), not suffix
    if listed is None:
        return {}
    if not isinstance(listed, list):
        raise ValueError("levels are not an array")
    levels: dict[Decimal, Decimal] = {}
    for pair in listed:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError("a level is not a pair")
        at, qty = _price(side, pair[0], cents=cents, yes_prices=yes_prices), plain(pair[1], 8)
        if qty and at in levels:
            raise ValueError("a price stands twice in one side")
        if qty:
            levels[at] = qty
    return levels


def _price(side: str, value: object, *, cents: bool, yes_prices: bool) -> Decimal:
    """A level's price in YES terms."""
    at = price(format(plain(value, 0) / 100, "f") if cents else value)
    return ONE - at if side == "no" and not yes_prices else at


def delta(content: Mapping[str, Any], *, yes_prices: bool) -> tuple[Side, Decimal, Decimal]:
    side = content.get("side")
    if side not in ("yes", "no"):
        raise ValueError("a delta without a side")
    if content.get("price_dollars") is not None:
        at = _price(side, content["price_dollars"], cents=False, yes_prices=yes_prices)
    elif content.get("delta_fp") is not None:
        raise ValueError("size in one spelling, price in another")
    else:
        at = _price(side, content.get("price"), cents=True, yes_prices=yes_prices)
    change = content.get("delta_fp")
    change = content.get("delta") if change is None else change
    return ("bid" if side == "yes" else "ask"), at, plain(change, 8, signed=True)
