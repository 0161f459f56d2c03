"""``Topic``: one thing that a relay is asked to tell of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Self

from bookfeed._bookfeed import RELAYS

TopicState = Literal["waiting", "live", "silent", "refused", "down"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_TYPE: Final = re.compile(r"\*|[a-z][a-z0-9_]{0,63}")
_SYMBOL: Final = re.compile(r"[A-Za-z0-9./_-]{0,80}")
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
    """Of what; empty for everything there is. For ``price.polymarket``, the id of a token."""
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
class TopicStatus:
    """How a topic is at one moment."""

    topic: Topic
    """The topic."""
    state: TopicState
    """``waiting`` until the first data, ``live`` while they come, ``silent`` when none came for too
    long, ``refused`` when the relay does not give it, ``down`` without a connection."""
    cause: str
    """Why, in words; empty if nothing is wrong."""
    heard_ns: int | None
    """When data last came, in Unix nanoseconds; ``None`` if they never did."""
    conn: int
    """The number of its connection."""
