"""``Outside``: what a process beside the feed is told of it, in pieces that hold nobody up.

It is asked on the feed's loop. So whatever grows with the number of books comes a part at a time,
and who asks lets the loop go on between two of them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from bookfeed._bookfeed import Histogram
from bookfeed.catalogue.listing import Listing
from bookfeed.clock import Clock
from bookfeed.feed.worth import reference_ts
from bookfeed.names import name_of, short
from bookfeed.own.events import OwnEvent, OwnFill
from bookfeed.own.view import Account
from bookfeed.recordings.pace import Pace
from bookfeed.records.objects import book_object
from bookfeed.records.update import touch_record
from bookfeed.rules.alerts import Alerted

if TYPE_CHECKING:
    from bookfeed.feed.feed import Feed

# Books at once: some three hundred microseconds.
_SLICE: Final = 128
# Contracts whose worth is asked at once.
_WORTH_SLICE: Final = 512
_PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}
# From a microsecond to two minutes. The engine counts exactly what is below a power of two.
_BOUNDS_NS: Final = [2**power for power in range(10, 38)]
_NOBODY: Final = 0xFFFF_FFFF
"""Instead of a connection, for books that the user pushes."""


class Outside:
    """Answers for one feed; ``sinks.base.Source`` says what to whom."""

    def __init__(self, feed: "Feed", clock: Clock) -> None:
        self._feed: Final = feed
        self._clock: Final = clock
        self._told_listings: Final[dict[tuple[str, str], Listing]] = {}

    def touches(self) -> Iterator[bytes]:
        """How every book stands, as packed updates, some hundred books at a time."""
        conn_of = self._feed.conn_of()
        numbers = [view.instrument for view in self._feed.books()]
        for at in range(0, len(numbers), _SLICE):
            now_ns = self._clock.now_ns()
            records = []
            for number in numbers[at : at + _SLICE]:
                try:
                    view = self._feed.book(number)
                except KeyError:
                    continue  # it went while others were told of
                records.append(touch_record(view, now_ns, conn_of.get(number, _NOBODY)))
            yield b"".join(records)

    def pieces(self, *, whole: bool) -> Iterator[Mapping[str, Any]]:
        """How the feed is doing, piece by piece: ``part`` says of what, ``key`` of which.

        Unless it shall be the ``whole``, markets that are as they were are left out.
        """
        yield {
            "part": "feed",
            "ts": self._clock.now_ns(),
            "running": self._feed.failure is None,
            "failure": None if self._feed.failure is None else str(self._feed.failure),
            "latency_ns": {k: _histogram(h) for k, h in self._feed.latency().items()},
            "counters": self._feed.counters(),
            "sinks": [asdict(one) for one in self._feed.sink_status()],
        }
        yield {"part": "why", "why": [asdict(one) for one in self._feed.why()]}
        yield {
            "part": "rules",
            "rules": {
                number: {"rule": rule.kind, "name": rule.name, **rule.about}
                for number, rule in self._feed.rules.items()
            },
        }
        connections = []
        for status in self._feed.connection_statuses():
            connections.append(status.conn)
            yield {"part": "connection", "key": status.conn, **asdict(status)}
        yield {"part": "connections", "connections": connections}
        if accounts := self._feed.accounts():
            yield {"part": "own", "accounts": [_account(one) for one in accounts]}
        if alerts := self._feed.alerts():
            yield {"part": "alerts", "alerts": [asdict(one) for one in alerts]}
        yield from self._markets(whole)
        yield from self._worth()

    def book(self, instrument: int, depth: int) -> Mapping[str, Any] | None:
        """One book with ``depth`` levels a side; ``None`` if there is no such book."""
        try:
            view = self._feed.book(instrument)
        except KeyError:
            return None
        name = name_of(self._feed.names, instrument)
        return book_object(view.freeze(), name, depth)

    def fills(self, take: Callable[[Mapping[str, Any]], None]) -> None:
        """Have ``take`` called with each fill of the user's own, whenever its status changes."""

        def heard(event: OwnEvent) -> None:
            if isinstance(event, OwnFill):
                take(_fill(event))

        self._feed.on_own(heard)

    def alerts(self, take: Callable[[Mapping[str, Any]], None]) -> None:
        """Have ``take`` called with each alert that is told."""
        self._feed.on_alert(lambda told: take(_alert(told)))

    def _markets(self, whole: bool) -> Iterator[Mapping[str, Any]]:
        """What is known of each market, where it is another than was told before."""
        if whole:
            self._told_listings.clear()
        fresh = [
            (key, one)
            for key, one in self._feed.listings.items()
            if self._told_listings.get(key) is not one
        ]
        for at in range(0, len(fresh), _SLICE):
            part = fresh[at : at + _SLICE]
            self._told_listings.update(part)
            told = [_market(one, self._feed.pace) for _, one in part]
            yield {"part": "markets", "markets": told}
        for gone in self._told_listings.keys() - self._feed.listings.keys():
            del self._told_listings[gone]

    def _worth(self) -> Iterator[Mapping[str, Any]]:
        """What contracts on a price are worth, of those whose reference ticks."""
        numbers = list(self._feed.names)
        for at in range(0, len(numbers), _WORTH_SLICE):
            found = {}
            for number in numbers[at : at + _WORTH_SLICE]:
                try:
                    value = self._feed.fair_value(number)
                except KeyError:
                    continue
                if value is not None:
                    found[number] = {
                        "ts": value.ts,
                        "reference_ts": reference_ts(value),
                        "price": value.price,
                        "low": value.low_e9 / 1e9,
                        "high": value.high_e9 / 1e9,
                        "expected": value.expected_e18 / 1e18,
                    }
            if found:
                yield {"part": "fair", "fair": found}


def _account(account: Account) -> dict[str, Any]:
    """The user's own positions on a venue: nobody but readers of the socket is told of them."""
    return {
        "venue": account.venue,
        "state": account.state,
        "cause": account.cause,
        "orders": len(account.orders),
        "holdings": [
            {
                "symbol": one.position.symbol,
                "market": one.position.market,
                "qty_e8": one.position.qty_e8,
                "pending_e8": one.position.pending_e8,
                "cost_e17": one.position.cost_e17,
                "realised_e17": one.position.realised_e17,
                "value_e17": one.value_e17,
                "unrealised_e17": one.unrealised_e17,
                "why": one.why,
            }
            for one in account.holdings
        ],
    }


def _alert(told: Alerted) -> dict[str, Any]:
    return {
        "ts_recv_ns": told.ts,
        "kind": told.when,
        "name": told.name,
        "about": told.about,
        "text": told.text,
        "sent": told.sent,
    }


def _histogram(histogram: Histogram) -> dict[str, Any]:
    named = {name: histogram.percentile(p) for name, p in _PERCENTILES.items()}
    return {
        "count": histogram.count,
        "min": histogram.min,
        **named,
        "max": histogram.max,
        "mean": histogram.mean,
        "below": list(zip(_BOUNDS_NS, histogram.below(_BOUNDS_NS), strict=True)),
    }


def _fill(fill: OwnFill) -> dict[str, Any]:
    return {
        "ts_recv_ns": fill.ts_recv,
        "ts_event_ns": fill.ts_event,
        "venue": fill.venue,
        "market": fill.market,
        "symbol": fill.symbol,
        "trade_id": fill.key.trade_id,
        "order_id": fill.key.order_id,
        "ordinal": fill.key.ordinal,
        "side": fill.side,
        "price_e9": fill.price_e9,
        "qty_e8": fill.qty_e8,
        "fee_e9": fill.fee_e9,
        "maker": fill.maker,
        "status": fill.status,
        "source": fill.source,
    }


def _market(listing: Listing, pace: Pace | None) -> dict[str, Any]:
    strike = listing.strike
    window = (listing.open_ts, listing.close_ts)
    # A simulated window may be played in haste: those who count it down go by that.
    played = None
    if pace is not None and window[0] is not None and window[1] is not None:
        played = pace.played(window[0], window[1])
    return {
        "venue": listing.venue,
        "market": listing.market or listing.slug,
        "slug": listing.slug,
        "title": short(listing.called),
        "series": listing.series,
        "status": listing.status,
        "open_ts": listing.open_ts,
        "close_ts": listing.close_ts,
        "played_ts": played,
        "strike": None if strike is None else _number(strike.floor),
        "strike_cap": None if strike is None else _number(strike.cap),
        "result": listing.result,
        "outcomes": [{"outcome": o.name, "symbol": o.symbol} for o in listing.outcomes],
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
