"""What keys, channels and streams of Redis are called: templates, and the two presets of them.

A template is text with ``{venue}``, ``{market}``, ``{outcome}`` and ``{symbol}`` in it, or
``{rule}`` and ``{name}`` where it is a signal's; an empty one switches its kind of output off. The
sink writes by them and ``bookfeed.redis`` reads by them.
"""

from dataclasses import dataclass, fields
from typing import Annotated, Final, Literal

from bookfeed.names import Name
from bookfeed.schema import Text

Preset = Literal["v1", "classic"]

_BOOK: Final = Text(
    r"(?:[^{}\x00-\x20]|\{(?:venue|market|outcome|symbol)\})*",
    'text without spaces, with {venue}, {market}, {outcome}, {symbol} in it, or "" for none',
)
_SIGNAL: Final = Text(
    r"(?:[^{}\x00-\x20]|\{(?:rule|name)\})*",
    'text without spaces, with {rule}, {name} in it, or "" for none',
)
_OfBook = Annotated[str | None, _BOOK]
_OfSignal = Annotated[str | None, _SIGNAL]


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """What each kind of output is called; ``None`` is as the preset has it."""

    book_key: _OfBook = None
    """Holds a book, as JSON."""
    book_channel: _OfBook = None
    """Is told a book each time it changes, or its state does."""
    price_key: _OfBook = None
    """Holds what both outcomes of a market cost."""
    trade_key: _OfBook = None
    """Holds the newest trades, the newest first."""
    trade_channel: _OfBook = None
    market_key: _OfBook = None
    """Holds what a market is called, and its outcomes."""
    state_channel: _OfBook = None
    signal_channel: _OfSignal = None
    book_stream: _OfBook = None
    trade_stream: _OfBook = None
    state_stream: _OfBook = None
    signal_stream: _OfSignal = None

    def __post_init__(self) -> None:
        for one in fields(self):
            text, rule = getattr(self, one.name), _SIGNAL if "signal" in one.name else _BOOK
            if text is not None and not rule.fits(text):
                raise ValueError(f"{one.name} must be {rule.words}, not {text!r}")

    def over(self, preset: "Templates") -> "Templates":
        """These, and those of ``preset`` where there is none."""
        return Templates(
            **{
                one.name: getattr(preset if getattr(self, one.name) is None else self, one.name)
                for one in fields(self)
            }
        )


PRESETS: Final[dict[str, Templates]] = {
    "v1": Templates(
        book_key="bf:v1:book:{venue}:{symbol}",
        book_channel="bf:v1:book:{venue}:{symbol}",
        price_key="bf:v1:price:{venue}:{market}",
        trade_key="bf:v1:trades:{venue}:{symbol}",
        trade_channel="bf:v1:trade:{venue}:{symbol}",
        market_key="bf:v1:market:{venue}:{market}",
        state_channel="bf:v1:state:{venue}:{symbol}",
        signal_channel="bf:v1:signal:{rule}",
        book_stream="",
        trade_stream="bf:v1:stream:trade",
        state_stream="bf:v1:stream:state",
        signal_stream="bf:v1:stream:signal",
    ),
    # What bots that are there already read.
    "classic": Templates(
        book_key="orderbook:{venue}:{symbol}",
        book_channel="{venue}:orderbook:{symbol}",
        price_key="price:{venue}:{market}",
        trade_key="trades:{venue}:{symbol}",
        trade_channel="{venue}:trade:{symbol}",
        market_key="market:{venue}:{market}",
        state_channel="",
        signal_channel="",
        book_stream="",
        trade_stream="",
        state_stream="",
        signal_stream="",
    ),
}


def of_book(template: str | None, name: Name) -> str | None:
    """What the output of a book is called; ``None`` if there is none."""
    if not template:
        return None
    return template.format(
        venue=name.venue,
        market=name.market or name.symbol,
        outcome=name.outcome,
        symbol=name.symbol,
    )


def of_signal(template: str | None, rule: str, name: str) -> str | None:
    """What the output of a signal is called; ``None`` if there is none."""
    return template.format(rule=rule, name=name) if template else None
