"""What the auditor keeps of Kalshi's numbered streams, and of the books that are on them."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bookfeed.audit.reading import Heard, Message


class Numbered(NamedTuple):
    """A message and its place in its stream."""

    sid: int | None
    seq: int | None
    requested: bool
    content: Any
    market_id: object = None
    ticker: object = None


@dataclass(slots=True)
class Stream:
    """A numbered stream of a connection: a subscription, ``sid``."""

    seq: int | None = None
    ended: bool = False
    """Whether the venue has ended it; what still comes on it is of no use."""
    heard: Heard = field(default_factory=Heard)
    """Newest venue time heard on it."""
    news: bool = False
    """Whether it carries news of markets."""
    channel: str = ""
    """What it is of, once the venue has said so."""
    withholds: bool = False
    """Whether it kept changes back, and has brought none since."""
    restart: "Restart | None" = None
    """Numbers that may have begun anew."""


@dataclass(slots=True)
class Restart:
    """A run of numbers that came before: copies, or a new beginning that nobody announced."""

    above: int
    """The newest number when it began."""
    seq: int
    """The newest of the run."""
    whole: dict[int, Message] = field(default_factory=dict)
    """The newest whole book of each market in it."""


@dataclass(slots=True)
class Names:
    """What a book is known by besides its ticker."""

    sid: int | None = None
    """The numbered stream it is on, once a snapshot came on one."""
    market_id: object = None
    """The venue's second name of the market, as its first snapshot stated it."""
