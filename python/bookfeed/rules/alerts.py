"""``Alert``: of what somebody wants to be told when it happens, and where; a ``[[alert]]``.

Nothing here watches or sends: ``bookfeed.feed.alerts`` does.
"""

import re
import string
from dataclasses import dataclass, fields
from datetime import time
from typing import Annotated, ClassVar, Final, Literal

from bookfeed.errors import ConfigError
from bookfeed.rules.gates import QTY
from bookfeed.schema import DecimalText, OneOf, Range, Text
from bookfeed.venues import VENUES

When = Literal[
    "signal",
    "price",
    "spread",
    "trade",
    "not_live",
    "connection",
    "delay",
    "tick_size",
    "strike",
    "resolved",
    "disagreement",
    "new_market",
    "rules_changed",
    "fill",
    "position",
    "loss",
]
"""
signal         a rule opened an opportunity
price          the mid of a live book came to ``above`` or to ``below``
spread         the spread of a live book came to ``above``
trade          a trade of ``min_qty`` or more
not_live       a book could not be believed for ``for_s`` seconds
connection     a connection was not up for ``for_s`` seconds
delay          messages of a connection came ``above`` seconds late
tick_size      a market has another tick size
strike         what a market's price is compared with is known
resolved       a market ended, and how
disagreement   two witnesses say different things of a market, or of a book
new_market     a venue lists a market that it did not
rules_changed  a market has another text of rules
fill           an order of the user's own was filled
position       the user holds ``above`` shares or more of a book, of either side
loss           what the user holds on a venue is worth ``above`` USD less than it cost
"""

OF_ACCOUNT: Final = frozenset({"fill", "position", "loss"})
"""Those that tell of the user's own account."""

_OF: Final[dict[str, tuple[str, ...]]] = {
    "signal": ("rule", "min_edge", "min_profit"),
    "price": ("venue", "symbol", "above", "below"),
    "spread": ("venue", "symbol", "above"),
    "trade": ("venue", "symbol", "min_qty"),
    "not_live": ("venue", "symbol", "for_s"),
    "connection": ("venue", "for_s"),
    "delay": ("venue", "above"),
    "tick_size": ("venue", "symbol"),
    "strike": ("venue", "text", "tag"),
    "resolved": ("venue", "text", "tag"),
    "disagreement": ("venue", "text", "tag"),
    "new_market": ("venue", "text", "tag"),
    "rules_changed": ("venue", "text", "tag"),
    "fill": ("venue", "symbol"),
    "position": ("venue", "symbol", "above"),
    "loss": ("venue", "above"),
}
_NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "price": ("symbol",),
    "spread": ("above",),
    "trade": ("min_qty",),
    "delay": ("above",),
    "position": ("above",),
    "loss": ("above",),
}
_QUIET: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")

Target = Annotated[
    str,
    Text(
        r"bell|command:.+|env:[A-Za-z_][A-Za-z0-9_]*|file:.+",
        '"bell", "command:PROGRAM …", "env:VARIABLE" or "file:PATH"; the address of a service has '
        "a key in it, so a variable or a file of your own holds it",
        hidden=True,
    ),
]
Number = Annotated[str, DecimalText("0", "1000000000")]
FOR_S: Final = 10.0
"""So long a book or a connection may be away before anybody is told, unless stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerted:
    """What an alert told, as targets get it; also what they did not get, in quiet hours."""

    number: int
    """1 for the first of a feed, and so on."""
    ts: int
    """When, Unix nanoseconds."""
    when: When
    name: str
    """What the alert is called."""
    about: str
    """The book, market, connection or account that it is about."""
    text: str
    """The message, in one line."""
    sent: bool
    """Whether targets were to get it: not in quiet hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """``[[alert]]``: what to tell, where, and how often. Numbers are decimal text."""

    SECRETS: ClassVar[tuple[str, ...]] = ("to",)

    when: When
    to: tuple[Target, ...]
    name: Annotated[str | None, Text(r"[^\x00-\x1f]{1,100}", "a name of 1 to 100 characters")] = (
        None
    )
    rule: str | None = None
    """A rule by its name or kind; any, if it is left out."""
    venue: Annotated[str | None, OneOf(tuple(VENUES))] = None
    """A venue by its name; any, if it is left out. Two venues may spell a symbol alike."""
    symbol: str | None = None
    """A book by its venue's string for it; any, if it is left out."""
    min_edge: Number | None = None
    """Least net edge, USD a share."""
    min_profit: Number | None = None
    """Least net profit, USD."""
    above: Number | None = None
    below: Number | None = None
    min_qty: Annotated[str | None, QTY] = None
    for_s: Annotated[float | None, Range(0, 86_400)] = None
    text: str | None = None
    """Words of a market's title."""
    tag: str | None = None
    cooldown_s: Annotated[float, Range(0, 604_800)] = 60.0
    """How long the same about the same is not told again."""
    quiet: str | None = None
    """Hours of the day, by this machine's clock, in which nothing is told: ``"22:00-07:30"``."""
    template: str | None = None
    """What is sent, with ``$name``, ``$about``, ``$what`` in it."""

    def __post_init__(self) -> None:
        if not self.to:
            raise ConfigError("", "to", 'is empty: say where to, such as ["bell"]')
        allowed = _OF[self.when]
        shared = {"when", "to", "name", "cooldown_s", "quiet", "template"}
        for field in fields(self):
            stated = getattr(self, field.name) is not None
            if stated and field.name not in shared and field.name not in allowed:
                goes = ", ".join(allowed)
                raise ConfigError("", field.name, f'does not go with "{self.when}", only {goes}')
        for key in _NEEDS.get(self.when, ()):
            if getattr(self, key) is None:
                raise ConfigError("", key, f'is required with "{self.when}"')
        if self.when == "price" and (self.above is None) == (self.below is None):
            raise ConfigError("", "above", 'is required with "price", or below: one of them')
        if self.quiet is not None and not _QUIET.fullmatch(self.quiet):
            raise ConfigError("", "quiet", 'must be hours such as "22:00-07:30"')
        if self.template is not None and not string.Template(self.template).is_valid():
            raise ConfigError("", "template", "has a $ without a name: write $$ for a dollar")

    def is_of(self, venue: str, symbol: str) -> bool:
        """Whether it is about a book of this venue and symbol."""
        return self.venue in (None, venue) and self.symbol in (None, symbol)

    @property
    def called(self) -> str:
        """Its name, or else what it is about."""
        return self.name or self.when

    def is_quiet(self, now: time) -> bool:
        """Whether nothing is told at a time of the day."""
        if self.quiet is None:
            return False
        begin, end = (time.fromisoformat(part) for part in self.quiet.split("-"))
        return begin <= now < end if begin <= end else now >= begin or now < end

    def message(self, about: str, what: str) -> str:
        """What is sent of something that happened to a book, a market or a connection."""
        template = string.Template(self.template or "$name: $about: $what")
        return template.safe_substitute(name=self.called, about=about, what=what)
