"""nautilus_trader: its schemas of Polymarket's messages and its ``OrderBook``."""

from importlib.metadata import version as version_of
from typing import TypeAlias

import msgspec
from nautilus_trader.adapters.polymarket.schemas.book import (
    PolymarketBookSnapshot,
    PolymarketQuotes,
)
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.currencies import USDC
from nautilus_trader.model.enums import AssetClass, BookType
from nautilus_trader.model.identifiers import InstrumentId, Symbol
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Price, Quantity

from benches.versus.judge import Case, Levels

NAME = "nautilus_trader"


Message: TypeAlias = PolymarketBookSnapshot | PolymarketQuotes


def version() -> str:
    """Its version."""
    return version_of("nautilus_trader")


def _instrument(token: str) -> BinaryOption:
    tick, lot = Price.from_str("0.0001"), Quantity.from_str("0.000001")
    return BinaryOption(
        instrument_id=InstrumentId.from_str(f"{token}.POLYMARKET"), raw_symbol=Symbol(token),
        outcome="Yes", description=None, asset_class=AssetClass.ALTERNATIVE, currency=USDC,
        price_precision=tick.precision, price_increment=tick, size_precision=lot.precision,
        size_increment=lot, activation_ns=0, expiration_ns=0, ts_event=0, ts_init=0,
    )  # fmt: skip


def _messages(payload: bytes) -> list[Message]:
    if payload.lstrip().startswith(b"["):
        return msgspec.json.decode(payload, type=list[Message])
    return [msgspec.json.decode(payload, type=Message)]


class Client:
    """A book that is given the deltas of its own outcome."""

    def __init__(self, case: Case) -> None:
        self._token = case.symbols[0]
        self._instrument = _instrument(self._token)
        self._book = OrderBook(self._instrument.id, BookType.L2_MBP)
        self._whole = False

    def connected(self, ts_ns: int) -> None:
        """A connection begins; nothing in its book code hears of it."""

    def disconnected(self, ts_ns: int) -> None:
        """It ends; likewise."""

    def frame(self, payload: bytes, ts_ns: int) -> None:
        """A frame: one message or several."""
        if b'"book"' not in payload and b'"price_change"' not in payload:
            return
        for message in _messages(payload):
            self._take(message, ts_ns)

    def _take(self, message: Message, ts_ns: int) -> None:
        if isinstance(message, PolymarketBookSnapshot):
            if message.asset_id != self._token:
                return
            deltas = message.parse_to_snapshot(self._instrument, ts_ns)
            self._whole = True
        else:
            mine = [one for one in message.price_changes if one.asset_id == self._token]
            if not mine:
                return
            own = msgspec.structs.replace(message, price_changes=mine)
            deltas = own.parse_to_deltas(self._instrument, ts_ns)
        if deltas is not None:
            self._book.apply_deltas(deltas)

    def rest(self, payload: bytes, ts_ns: int) -> None:
        """Nothing is asked of REST."""

    def book(self) -> tuple[Levels, Levels] | None:
        """What it shows."""
        if not self._whole:
            return None
        bids, asks = (
            [(round(float(level.price) * 1e9), round(level.size() * 1e6) * 100) for level in side]
            for side in (self._book.bids(), self._book.asks())
        )
        return bids, asks

    def said(self) -> str:
        """Nothing: its check of a book's integrity is for users to call, and a book that crosses
        within a batch fails it on clean streams, too."""
        return ""


CLIENTS = {"polymarket": Client}
