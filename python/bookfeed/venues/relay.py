"""What a relay of a venue is to those who talk to it, and ``Topic``: what it is asked to tell of.

A relay tells prices, trades or comments beside books: its frames, its limits, how long silence is
borne. Each is a module beside this one, named in the ``Row`` of its venue.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from bookfeed._bookfeed import RELAYS
from bookfeed.venues.base import Venue

if TYPE_CHECKING:
    from bookfeed.venues.secret import Secret

_NAME: Final = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_TYPE: Final = re.compile(r"\*|[a-z][a-z0-9_]{0,63}")
_SYMBOL: Final = re.compile(r"[A-Za-z0-9./_-]{0,80}")
TOUCHES: Final = 64
"""Of how many books a relay is asked for the touch unless told otherwise: one connection."""
TOUCHES_MAX: Final = 512
"""Of how many at most: eight connections."""

_RETIRED: Final = ("clob_market", "clob_user")


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing that a relay is asked to tell of.

    As text it is ``relay:name``, ``relay:name/type``, and with ``:symbol`` behind either:
    ``rtds:activity/trades``, ``rtds:crypto_prices_twap_sixty:btc/usd``,
    ``polybolt:price.crypto:btcusd``. Raises ``ValueError`` for one that cannot be asked for.
    """

    relay: str
    """Which relay, one of ``RELAYS``."""
    name: str
    """The topic or channel, as the relay calls it."""
    type: str = ""
    """The type within the topic; empty for the usual one."""
    symbol: str = ""
    """Of what; empty for everything there is. Of a touch, the id of a token."""
    filter: Mapping[str, str | int] = field(default_factory=dict, hash=False)
    """Any other filter, as the relay calls its members: ``{"event_slug": "…"}``."""

    def __post_init__(self) -> None:
        if self.relay not in RELAYS:
            raise ValueError(f"no relay {self.relay!r}: there are {', '.join(RELAYS)}")
        if self.name in _RETIRED:
            raise ValueError(f"{self.name} is retired: only recordings hold it")
        for what, text, pattern in (
            ("topic", self.name, _NAME),
            ("type", self.type or "*", _TYPE),
            ("symbol", self.symbol, _SYMBOL),
        ):
            if not pattern.fullmatch(text):
                raise ValueError(f"{text!r} cannot be a {what} of a relay")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The topic that a text names; ``ValueError`` if it names none."""
        relay, _, rest = text.partition(":")
        name, _, symbol = rest.partition(":")
        name, _, of_type = name.partition("/")
        return cls(relay, name, of_type, symbol)

    def __str__(self) -> str:
        of_type = f"/{self.type}" if self.type else ""
        symbol = f":{self.symbol}" if self.symbol else ""
        return f"{self.relay}:{self.name}{of_type}{symbol}"

    def covers(self, name: str, symbol: str) -> bool:
        """Whether what is told of a symbol is of this topic."""
        return name == self.name and self.symbol.lower() in ("", symbol)


@dataclass(frozen=True, slots=True)
class Relay:
    """How to talk to a relay; durations in seconds."""

    venue: Venue
    """Its address, its heartbeat."""
    subscribe: Callable[[Topic, str], str]
    """(topic, rid): asks for one topic, and for no other in the same frame."""
    unsubscribe: Callable[[Topic, str], str]
    """(topic, rid): gives it up."""
    patience_s: Callable[[Topic], float | None]
    """How long a topic may say nothing; ``None`` where nothing may be to be said."""
    needs_key: Callable[[Topic], bool]
    """Whether a topic is told to those alone who have a key."""
    authenticate: "Callable[[Any, str], Secret] | None"
    """(credentials, rid): the frame that shows the key, which nobody else is to see."""
    credentials: Callable[[], Any]
    """The key that is in the environment, ``None`` without one; ``ConfigError`` if it cannot be."""
    no_key: str
    """What to do without a key, in words."""
    topics_max: int
    """The most topics on a connection."""
    frames_burst: int
    """How many frames may be sent at once."""
    frame_interval_s: float
    """Least time between two frames beyond those."""
    silence_s: float
    """How long a connection may bring nothing of topics that are never quiet."""
    touch_topic: str = ""
    """The topic that tells everybody the touch of books, by symbol; empty if none does."""
    denied_codes: frozenset[int] = frozenset()
    """Close codes after which coming back soon is wrong."""
    draining_codes: frozenset[int] = frozenset()
    """Close codes after which everybody is to come back, each at a time of its own."""
    backoff_max_s: float = 30.0
    """Longest wait before an attempt to reconnect."""
