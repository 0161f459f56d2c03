"""What a venue is to the session: addresses, frames to send, limits. And what is watched on it.

A venue is two code files: its decoder in the core, which reads market data, and one module beside
this one, which fills in a ``Venue``. Nothing here reads market data.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Taker fee of a market: ``shares * rate * (price * (1 - price)) ** exponent`` USD.

    ``rate`` is a decimal string, exactly as the venue states it (``"0.07"``).
    """

    rate: str
    exponent: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome of a market: its name and the venue's symbol for its book."""

    name: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Market:
    """One market and its outcomes, each of which has a book.

    ``market`` is the venue's id of the market (Polymarket: the condition id), ``name`` is for
    people. ``tick_size`` and ``min_order_size`` are decimal strings; ``None`` where unknown.
    Raises ``ValueError`` if there is no outcome or a symbol is empty or repeated.
    """

    market: str
    outcomes: tuple[Outcome, ...]
    name: str = ""
    venue: str = "polymarket"
    tick_size: str | None = None
    min_order_size: str | None = None
    neg_risk: bool | None = None
    fee: FeeSchedule | None = None

    def __post_init__(self) -> None:
        symbols = [outcome.symbol for outcome in self.outcomes]
        if not symbols or not all(symbols):
            raise ValueError(f"market {self.market!r} needs outcomes, each with a symbol")
        if len(set(symbols)) != len(symbols):
            raise ValueError(f"market {self.market!r} names a symbol twice")

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of all outcomes, in order."""
        return tuple(outcome.symbol for outcome in self.outcomes)


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One HTTP request, relative to the venue's REST address; ``body`` is JSON."""

    method: str
    path: str
    body: bytes | None = None


def _never_pong(_text: bytes) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Venue:
    """How to talk to a venue. Times in seconds, sizes in bytes.

    ``subscription`` returns the frames to send at once when a connection opens.
    ``books_request`` asks for whole books of at most ``rest_symbols_max`` symbols, in a body the
    engine's ``ingest_rest`` understands; ``None`` where the venue has no such call.
    """

    name: str
    ws_url: str
    rest_url: str | None
    subscription: Callable[[Sequence[str]], tuple[str, ...]]
    books_request: Callable[[Sequence[str]], RestRequest] | None = None
    rest_symbols_max: int = 1
    ping_text: str | None = None
    is_pong: Callable[[bytes], bool] = field(default=_never_pong)
    ping_interval_s: float = 10.0
    pong_timeout_s: float = 30.0
    symbols_per_connection: int = 200
    symbols_per_connection_max: int = 450
    connect_stagger_s: float = 0.1
    frame_bytes_max: int = 16 * 1024 * 1024
