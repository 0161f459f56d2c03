"""One book for commands that ask once: found by its target, followed until it is live, frozen."""

import argparse
import asyncio
import time
from dataclasses import dataclass, replace
from typing import Any, Final

from bookfeed import config
from bookfeed._bookfeed import BookView, Engine
from bookfeed.cli.places import Places, places
from bookfeed.cli.targets import is_symbol, one_looked_up
from bookfeed.clock import NS_PER_S, AnchoredClock
from bookfeed.config import Config, RulesConfig
from bookfeed.errors import ConfigError, SessionError
from bookfeed.feed.feed import Feed
from bookfeed.loops import run
from bookfeed.market import Market
from bookfeed.venues import VENUES

_BATCH_S: Final = 0.01
# How often a book is looked at that is not live: it may be polled.
_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Asked:
    """A book at one moment, and what it is a book of."""

    book: BookView
    """Frozen; in terms of the outcome that was asked about."""
    market: Market
    outcome: str
    now_ns: int

    @property
    def trading(self) -> str:
        """Whether the market can be traded in."""
        return self.book.trading(self.now_ns)

    @property
    def believed(self) -> bool:
        """Whether the book may be believed, and what it says can be had."""
        return self.book.live and self.trading == "open"

    @property
    def evidence_age_ns(self) -> int | None:
        """How long ago something last vouched for the book; ``None``: nothing ever did."""
        proved_ns = self.book.ts_evidence
        return None if proved_ns is None else max(0, self.now_ns - proved_ns)

    @property
    def age_text(self) -> str:
        """How long ago that was, for people; empty if nothing ever vouched for it."""
        age_ns = self.evidence_age_ns
        return "" if age_ns is None else f"{age_ns / NS_PER_S:.1f} s"

    def doubt(self) -> str:
        """Why it is not believed; empty if it is."""
        if self.book.polled:
            return f"{self.book.state}: nothing streams, so it is as it was {self.age_text} ago"
        if not self.book.live:
            return f"{self.book.state} ({self.book.cause})"
        return "" if self.believed else f"the market is {self.trading.replace('_', ' ')}"

    def to_dict(self) -> dict[str, Any]:
        """What and whether, for programs; times are Unix nanoseconds."""
        book = self.book
        return {
            "venue": book.venue,
            "market": self.market.market,
            "name": self.market.name,
            "outcome": self.outcome,
            "symbol": book.symbol,
            "believed": self.believed,
            "state": book.state,
            "cause": book.cause,
            "trading": self.trading,
            "verified": book.verified,
            "epoch": book.epoch,
            "ts_event": book.ts_event,
            "ts_recv": book.ts_recv,
            "ts_evidence": book.ts_evidence,
            "evidence_age_ns": self.evidence_age_ns,
        }


def asked(args: argparse.Namespace) -> Asked:
    """The book of ``args.target``, as soon as it is live or ``args.wait`` seconds are over.

    Raises ``ConfigError`` for a target or an outcome that there is not, ``CatalogueError`` for a
    name that nobody lists or that has several markets, ``SessionError`` if its venue was never
    reached.
    """
    with places(args) as there:
        followed = _followed(args, there)
        there.check(followed)
        return run(_book(args, followed, there))


def _followed(args: argparse.Namespace, there: Places) -> Config:
    """The settings of ``--config``, and the one market of the target in place of its markets."""
    target: str = args.target
    settings = config.load(args.config, there.environ)
    if is_symbol(target):
        wanted = config.load(None, {}, targets=[target])
    else:
        wanted = config.load(None, {}, found=[one_looked_up(target, there.lookup)])
    return replace(
        settings, market=wanted.market, pair=(), basket=(), ladder=(), sink=(), rules=RulesConfig()
    )


async def _book(args: argparse.Namespace, followed: Config, there: Places) -> Asked:
    (market,) = followed.markets()
    symbol, turned, outcome = _outcome(market, args.outcome)
    # There is time for it, and one book costs little.
    engine = Engine(**followed.engine.arguments() | {"hash_check": "always"})
    clock = AnchoredClock()
    feed = Feed.from_config(
        followed, source=args.config or args.target, keys=there.keys, engine=engine, clock=clock
    )
    async with feed:
        book = await live_book(feed, symbol, args.wait)
        now_ns = clock.now_ns()
    return Asked(book.complement if turned else book, market, outcome, now_ns)


async def live_book(feed: Feed, symbol: str, wait_s: float) -> BookView:
    """The book as it stands when it is live, or polled, or when the time is up."""
    end_s = time.monotonic() + wait_s
    while True:
        left_s = max(0.0, end_s - time.monotonic())
        missing = await feed.wait_live(min(left_s, _LOOK_S), symbols=[symbol])
        book = feed.book(symbol).freeze()
        # One that is inside a batch, of which no record tells, is neither.
        if book.live or book.polled:
            return book
        if time.monotonic() < end_s:
            await asyncio.sleep(_BATCH_S)
        elif missing and (causes := feed.unreached()):
            told = "; ".join(f"{venue}: {cause}" for venue, cause in causes.items())
            raise SessionError(f"never connected to {told}")
        else:
            return book


def _outcome(market: Market, wanted: str | None) -> tuple[str, bool, str]:
    """The book of an outcome, whether it is the book turned round, and what the outcome is called.

    By default the first one; ``ConfigError`` for one that the market does not have.
    """
    first = market.outcomes[0]
    if wanted is None:
        return first.symbol, False, first.name
    for outcome in market.outcomes:
        if outcome.name.casefold() == wanted.casefold():
            return outcome.symbol, False, outcome.name
    names = [outcome.name for outcome in market.outcomes]
    legs = VENUES[market.venue].legs
    if legs is not None and len(names) == 1:
        # Its other side is the same book.
        others = [name for name in legs.outcomes if name != first.name.casefold()]
        if wanted.casefold() in others:
            return first.symbol, True, wanted.capitalize()
        names += [name.capitalize() for name in others]
    raise ConfigError("--outcome", "", f"must be {' or '.join(names)}, not {wanted!r}")


def vouched(found: Asked) -> str:
    """Whether to believe it, in a line for people."""
    age = f"proved {found.age_text} ago" if found.age_text else "nothing has vouched for it"
    proof = ", hash or checksum equal" if found.book.verified else ""
    return f"no: {found.doubt()}" if not found.believed else f"yes: live, {age}{proof}"
