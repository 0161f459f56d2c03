"""polymarket-apis: its ``LocalOrderBookStore``, which its WebSocket client keeps from raw text."""

from importlib.metadata import version as version_of

from polymarket_apis.clients.websockets_client import LocalOrderBookStore

from benches.versus.judge import Case, Levels

NAME = "polymarket-apis"


def version() -> str:
    """Its version."""
    return version_of("polymarket-apis")


class Client:
    """A store, invalidated with its connection as its client does."""

    def __init__(self, case: Case) -> None:
        self._token = case.symbols[0]
        self._store = LocalOrderBookStore()
        self._was_valid = False

    def connected(self, ts_ns: int) -> None:
        """A connection begins."""
        self._was_valid = False

    def disconnected(self, ts_ns: int) -> None:
        """It ends."""
        self._store.invalidate("disconnected")
        self._was_valid = False

    def frame(self, payload: bytes, ts_ns: int) -> None:
        """A frame, as text."""
        self._store.apply_message_text(payload.decode())

    def rest(self, payload: bytes, ts_ns: int) -> None:
        """Nothing is asked of REST."""

    def book(self) -> tuple[Levels, Levels] | None:
        """What it shows."""
        shown = self._store.snapshot(self._token)
        if not shown.valid:
            return None
        return _exact(shown.sorted_bids()), _exact(shown.sorted_asks())

    def said(self) -> str:
        """Whether it calls its book valid, once it did."""
        valid = self._store.snapshot(self._token).valid
        self._was_valid |= valid
        return "" if valid or not self._was_valid else str(self._store.invalid_reason)


def _exact(levels: list[tuple[float, float]]) -> Levels:
    return [(round(price * 1e9), round(size * 1e6) * 100) for price, size in levels]


CLIENTS = {"polymarket": Client}
