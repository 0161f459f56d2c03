"""pykalshi: its messages and its ``OrderbookManager``, put together as its documentation says."""

import json
from decimal import Decimal
from importlib.metadata import version as version_of

from pykalshi.feed import OrderbookDeltaMessage, OrderbookSnapshotMessage
from pykalshi.orderbook import OrderbookManager

from benches.versus.judge import Case, Levels

NAME = "pykalshi"


def version() -> str:
    """Its version."""
    return version_of("pykalshi")


class Client:
    """A manager for the market."""

    def __init__(self, case: Case) -> None:
        self._book = OrderbookManager(case.symbols[0])
        self._whole = False

    def connected(self, ts_ns: int) -> None:
        """A connection begins; nothing in its book code hears of it."""

    def disconnected(self, ts_ns: int) -> None:
        """It ends; likewise."""

    def frame(self, payload: bytes, ts_ns: int) -> None:
        """A frame. One that is no JSON raises here, where its feed logs a warning."""
        told = json.loads(payload)
        if told.get("type") == "orderbook_snapshot":
            whole = OrderbookSnapshotMessage.model_validate(told["msg"])
            self._book.apply_snapshot(whole.yes_dollars_fp, whole.no_dollars_fp)
            self._whole = True
        elif told.get("type") == "orderbook_delta":
            change = OrderbookDeltaMessage.model_validate(told["msg"])
            self._book.apply_delta(change.side, change.price_dollars, change.delta_fp)

    def rest(self, payload: bytes, ts_ns: int) -> None:
        """Nothing is asked of REST."""

    def book(self) -> tuple[Levels, Levels] | None:
        """What it shows; an ask is a dollar less the bid for NO."""
        if not self._whole:
            return None
        yes, no = (
            [(_units(price, 9), _units(qty, 8)) for price, qty in side.items()]
            for side in (self._book.yes, self._book.no)
        )
        asks = sorted((10**9 - price, qty) for price, qty in no)
        return sorted(yes, reverse=True), asks

    def said(self) -> str:
        """It has no way to say that a book is not good."""
        return ""


def _units(text: str, places: int) -> int:
    return int(Decimal(text).scaleb(places))


CLIENTS = {"kalshi": Client}
