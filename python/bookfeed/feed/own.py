"""The user's own orders and positions on an open feed: ``own``, ``on_own``, ``account``.

The base of ``Feed`` that keeps private channels. They have connections of their own, so that books
do not wait for them. Of what they tell, only the sizes that rest in books are recorded, since rules
go by them.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, Final, Literal, overload

from bookfeed._bookfeed import BookView
from bookfeed.clock import Clock
from bookfeed.dispatch.fanout import FanOut
from bookfeed.dispatch.listeners import Listener
from bookfeed.dispatch.streams import QUEUE_MAX, Stream
from bookfeed.live.options import SessionOptions
from bookfeed.market import Market
from bookfeed.own.account import OwnAccount
from bookfeed.own.endpoint import OwnEndpoint
from bookfeed.own.events import OnOwn, OwnEvent
from bookfeed.own.view import (
    Account,
    exposures,
    holdings,
    net_levels,
    resting_in,
    taken_of_own,
)
from bookfeed.records import Signal

_log: Final = logging.getLogger("bookfeed.own")

COUNTED: Final = ("walks", "walk_failures", "missed", "unreadable")


def _nothing() -> None:
    """What is done with news before there is an account."""


class OwnChannels:
    """The private channels of one feed."""

    def __init__(self, endpoints: Iterable[OwnEndpoint]) -> None:
        self._endpoints: Final = tuple(endpoints)
        names = [endpoint.channel.venue().name for endpoint in self._endpoints]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"{twice[0]} has two private channels; one is enough")
        self.outlet: Final[FanOut[OwnEvent]] = FanOut("on_own", _log)
        self._heard: Callable[[], None] = _nothing
        self.accounts: Final[dict[str, OwnAccount]] = {}

    def make(
        self,
        clock: Clock,
        rng: random.Random,
        options: SessionOptions,
        conns: "count[int]",
        heard: Callable[[], None],
    ) -> None:
        """Have an account for each; ``heard`` is called when something new is known.

        Raises ``SessionError`` or ``ConfigError`` for what cannot be.
        """
        self._heard = heard
        for endpoint in self._endpoints:
            account = OwnAccount(
                endpoint,
                clock=clock,
                rng=rng,
                options=options,
                conn=next(conns),
                deliver=self._deliver,
                wall_ms=lambda: time.time_ns() // 1_000_000,
            )
            self.accounts[account.venue] = account

    def _deliver(self, event: OwnEvent) -> None:
        self._heard()
        self.outlet.deliver(event)

    def begin(self) -> None:
        """Begin connecting."""
        for account in self.accounts.values():
            account.start()

    def beat(self, now_ns: int) -> None:
        """Time has passed."""
        for account in self.accounts.values():
            account.beat(now_ns)

    async def end(self) -> None:
        """Close them all."""
        await asyncio.gather(*(account.stop() for account in self.accounts.values()))
        self.outlet.end()

    def counters(self) -> dict[str, int]:
        """What they count."""
        if not self.accounts:
            return {}
        accounts = self.accounts.values()
        found = {f"own_{name}": sum(getattr(one, name) for one in accounts) for name in COUNTED}
        found["own_duplicates"] = sum(one.state.duplicates for one in accounts)
        found["own_callback_errors"] = self.outlet.callback_errors
        return found


class OwnFace:
    """What a user asks of private channels; the base of ``Feed``."""

    @property
    def _private(self) -> OwnChannels:
        """The channels."""
        raise NotImplementedError

    @property
    def markets(self) -> tuple[Market, ...]:
        """The markets that are followed."""
        raise NotImplementedError

    def book(self, key: int | str) -> BookView:
        """A book."""
        raise NotImplementedError

    @overload
    def on_own(self, fn: OnOwn) -> Listener: ...

    @overload
    def on_own(self) -> Callable[[OnOwn], Listener]: ...

    def on_own(self, fn: Any = ...) -> Listener | Callable[[OnOwn], Listener]:
        """Call ``fn(event)`` with every ``OwnEvent``: an order, a fill, a venue's claim, a status.

        Each is handed over once, however often the venue told it, and again when it changed. What
        happened before the feed was opened is in ``account``, and is no event.
        Raises ``TypeError`` if ``fn`` cannot be called.
        """
        if fn is ...:
            return lambda fn: self.on_own(fn)
        return self._private.outlet.add(fn)

    def own(self, *, queue_max: int = QUEUE_MAX) -> Stream[OwnEvent]:
        """Return an async iterator over the user's own events from now on, as ``on_own`` has them.

        At most ``queue_max`` wait; then the oldest are dropped and the reader gets ``Lagged`` once.
        Raises ``ValueError`` if ``queue_max`` is below 1.
        """
        return self._private.outlet.stream(queue_max)

    def account(self, venue: str) -> Account:
        """Return the user's orders and positions on a venue as they are now; never waits.

        Believe it only while its ``state`` is ``live``. Raises ``KeyError`` for a venue whose
        private channel is not followed, and before the feed is open.
        """
        account = self._private.accounts.get(venue)
        if account is None:
            raise KeyError(f"no private channel of {venue!r} is followed")
        events = {symbol: market.event for market in self.markets for symbol in market.symbols}
        status, state = account.status, account.state
        held = holdings(state, self._book_or_none, events.get)
        orders = state.open_orders()
        return Account(
            venue=venue,
            state=status.state,
            cause=status.cause,
            evidence_age_s=account.evidence_age_s,
            orders=orders,
            holdings=held,
            exposures=exposures(orders, held, events.get),
        )

    def accounts(self) -> list[Account]:
        """Return the orders and positions on every venue whose private channel is followed."""
        return [self.account(venue) for venue in self._private.accounts]

    def own_resting(self, symbol: str) -> dict[tuple[str, int], int]:
        """Return what of the user's own rests in a book, in 1e-8 shares by side and price in 1e-9.

        Where a market has two books that mirror each other, what was ordered in the other one is
        in it, as this book shows it. Empty where no private channel is followed; believe it as
        ``account``. Raises ``KeyError`` if the feed does not follow the book.
        """
        market = next((one for one in self.markets if symbol in one.symbols), None)
        if market is None:
            raise KeyError(f"no book {symbol!r} in this feed")
        account = self._private.accounts.get(market.venue)
        return {} if account is None else resting_in(account.state.resting_e8(), market, symbol)

    def levels_net(self, symbol: str, side: Literal["bid", "ask"]) -> list[tuple[int, int]]:
        """Return a side of a book without what is the user's own, best level first.

        Each level is its price in 1e-9 and its size in 1e-8; what is all the user's own is left
        out. Raises ``KeyError`` if the feed does not follow the book.
        """
        return net_levels(self.book(symbol), side, self.own_resting(symbol))

    def takes_own(self, signal: Signal) -> dict[str, int]:
        """Return how much of the user's own a signal would take, in 1e-8 shares by symbol.

        Only books of which it would take some: a signal for which this is not empty trades with
        oneself. Rules that know of an order take none of it (``net_own``). Raises ``KeyError`` if
        the feed does not follow a book of it.
        """
        found: dict[str, int] = {}
        for leg in signal.legs:
            own_e8 = taken_of_own(leg, self.own_resting(leg.symbol))
            if own_e8:
                found[leg.symbol] = found.get(leg.symbol, 0) + own_e8
        return found

    def _book_or_none(self, symbol: str) -> BookView | None:
        try:
            return self.book(symbol)
        except KeyError:
            return None
