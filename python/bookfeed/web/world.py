"""``World``: what a server knows of the feed it is attached to, and what of it is new.

Records are conflated as they come: of each book the newest is kept, so that a burst costs what its
books cost, not what its messages would. A book is shown as live only while the feed is heard.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np

from bookfeed._bookfeed import STATES, UPDATE_KINDS, Batch
from bookfeed.names import Names, name_of
from bookfeed.records import UPDATE_BYTES, Signal, Update, signals
from bookfeed.records.objects import BELIEVED, signal_object, update_object
from bookfeed.rules.alerts import OF_ACCOUNT
from bookfeed.rules.terms import FAIR_AGE_MAX_NS
from bookfeed.venues.spot import OUTCOME as SPOT

FeedState = Literal["heard", "silent", "lost"]
"""Whether the feed is attached and speaks, is attached and does not, or is not attached."""

TRADES_KEPT: Final = 500
CLOSED_KEPT: Final = 200
ALERTS_KEPT: Final = 200
FRESH_MAX: Final = 2_000
"""Trades or signals between two ticks; what is more is counted as dropped."""
OVER: Final = frozenset({"resolved", "unsubscribed"})
"""Why a book has come to its end, as it should."""
OVER_KEPT: Final = 200
"""So many books that are over are kept: windows that roll leave some every few minutes."""
_TRADE: Final = UPDATE_KINDS.index("trade")
_LEFT_OUT: Final = ("kind", "price", "qty", "aggressor", "off_book", "touch_changed", "gap")
_PRICES: Final = ("bid", "bid_qty", "ask", "ask_qty")


class World:
    """Books, signals and trades of one feed, as they were told last."""

    def __init__(self) -> None:
        self.names = Names()
        self.feed: FeedState = "lost"
        self._books: Final[dict[int, Update]] = {}
        self._symbols: Final[dict[tuple[str, str], int]] = {}
        self._signals: Final[dict[int, Signal]] = {}
        self._closed: Final[deque[Signal]] = deque(maxlen=CLOSED_KEPT)
        self._trades: Final[deque[Update]] = deque(maxlen=TRADES_KEPT)
        self.pieces: Final[dict[str, Mapping[str, Any]]] = {}
        self.connections: Final[dict[int, Mapping[str, Any]]] = {}
        self.markets: Final[dict[tuple[str, str], Mapping[str, Any]]] = {}
        self.fair: Final[dict[int, Mapping[str, Any]]] = {}
        self.updates = 0
        """Updates taken in."""
        self.trades_dropped = 0
        """Trades that came in so thick that they were not told one by one."""
        self.signals_dropped = 0
        """Signals likewise; who follows signals is told of all that are open instead."""
        self.signals_cut = False
        """Whether there were such signals since the last ``fresh``."""
        self.markets_changed = False
        """Whether something was told since of markets besides their books."""
        self._over: Final[dict[int, None]] = {}
        self._siblings: Final[dict[tuple[str, str], set[int]]] = {}
        self._changed: set[int] = set()
        self._fresh_trades: list[Update] = []
        self._fresh_signals: list[Signal] = []
        self._alerts: Final[deque[Mapping[str, Any]]] = deque(maxlen=ALERTS_KEPT)
        self._alert = 0
        self._fresh_alerts: list[Mapping[str, Any]] = []

    # What the feed tells.

    def begin(self, names: Names) -> None:
        """Another feed is attached, or the same one again: what was known is over."""
        self.names = names
        for known in (self._books, self._symbols, self._signals, self.pieces, self.fair):
            known.clear()
        for more in (self._over, self._siblings, self.connections, self.markets):
            more.clear()
        for told in (self._closed, self._trades, self._alerts):
            told.clear()
        # Numbers in what was not told yet are those of the feed before.
        self.fresh()
        self._fresh_alerts = []
        self._alert = 0

    def stand(self, feed: FeedState) -> bool:
        """The feed is heard, or not: if that is new, so is every book."""
        if feed == self.feed:
            return False
        self.feed = feed
        self._changed.update(self._books)
        return True

    def take(self, batch: Batch) -> None:
        """Take records in."""
        updates = batch.updates
        self.updates += len(updates)
        if len(updates):
            data = batch.update_bytes
            # The first of each from the end is its newest.
            found, from_end = np.unique(updates["instrument"][::-1], return_index=True)
            for instrument, back in zip(found.tolist(), from_end.tolist(), strict=True):
                at = (len(updates) - 1 - back) * UPDATE_BYTES
                self._take_book(instrument, Update.from_bytes(data, at, self.names))
            trades = np.flatnonzero(updates["kind"] == _TRADE)
            self.trades_dropped += max(len(trades) + len(self._fresh_trades) - FRESH_MAX, 0)
            room = max(FRESH_MAX - len(self._fresh_trades), 0)
            for row in trades[-room:].tolist() if room else ():
                trade = Update.from_bytes(data, row * UPDATE_BYTES, self.names)
                self._trades.append(trade)
                self._fresh_trades.append(trade)
        for signal in signals(batch, self.names) if batch.signal_bytes else ():
            self._take_signal(signal)

    def _take_book(self, instrument: int, update: Update) -> None:
        self._books[instrument] = update
        self._changed.add(instrument)
        name = name_of(self.names, instrument)
        self._symbols[name.venue, name.symbol] = instrument
        self._siblings.setdefault((name.venue, name.market), set()).add(instrument)
        if update.cause in OVER:
            self._over.setdefault(instrument)
            if len(self._over) > OVER_KEPT:
                self._forget(next(iter(self._over)))
        elif instrument in self._over:
            del self._over[instrument]

    def _forget(self, instrument: int) -> None:
        """Let go of a book, and of its market if that has no other."""
        del self._books[instrument], self._over[instrument]
        self._changed.discard(instrument)
        self.fair.pop(instrument, None)
        name = name_of(self.names, instrument)
        if self._symbols.get((name.venue, name.symbol)) == instrument:
            del self._symbols[name.venue, name.symbol]
        market = (name.venue, name.market)
        siblings = self._siblings.get(market, set())
        siblings.discard(instrument)
        if not siblings:
            self._siblings.pop(market, None)
            self.markets.pop(market, None)

    def _take_signal(self, signal: Signal) -> None:
        if signal.phase == "close":
            self._signals.pop(signal.id, None)
            self._closed.append(signal)
        else:
            self._signals[signal.id] = signal
        if len(self._fresh_signals) < FRESH_MAX:
            self._fresh_signals.append(signal)
        else:
            self.signals_dropped += 1
            self.signals_cut = True

    def take_piece(self, piece: Mapping[str, Any]) -> None:
        """Take in how the feed is doing."""
        part = piece["part"]
        # What contracts were worth ends by the feed's clock, if nothing else happens.
        ends = part == "feed" and bool(self.fair)
        self.markets_changed |= ends or part in ("markets", "fair")
        if part == "connection":
            self.connections[piece["key"]] = piece
        elif part == "connections":
            for gone in self.connections.keys() - set(piece["connections"]):
                del self.connections[gone]
        elif part == "markets":
            for market in piece["markets"]:
                self.markets[market["venue"], market["market"]] = market
        elif part == "alerts":
            self._take_alerts(piece["alerts"])
        elif part == "fair":
            self.fair.update({int(key): value for key, value in piece["fair"].items()})
        else:
            self.pieces[part] = piece

    def _take_alerts(self, newest: Sequence[Mapping[str, Any]]) -> None:
        """The feed tells its newest again and again; each has a number."""
        fresh = [one for one in newest if one["number"] > self._alert]
        if fresh:
            self._alert = fresh[-1]["number"]
            self._alerts.extend(fresh)
            self._fresh_alerts = [*self._fresh_alerts, *fresh][-ALERTS_KEPT:]

    # What is new.

    def fresh(self) -> tuple[set[int], list[Update], list[Signal]]:
        """Books that changed, trades and signals since the last call."""
        found = (self._changed, self._fresh_trades, self._fresh_signals)
        self._changed, self._fresh_trades, self._fresh_signals = set(), [], []
        self.signals_cut = self.markets_changed = False
        return found

    def fresh_alerts(self, *, own: bool = False) -> list[Mapping[str, Any]]:
        """Alerts since the last call; those about the user's ``own`` account for him alone."""
        found, self._fresh_alerts = self._fresh_alerts, []
        return [one for one in found if own or one["when"] not in OF_ACCOUNT]

    # What is asked for.

    def instrument(self, venue: str, symbol: str) -> int | None:
        """The number of a book; ``None`` if there is none."""
        return self._symbols.get((venue, symbol))

    def instruments(self) -> Iterator[int]:
        """The numbers of all books."""
        return iter(tuple(self._books))

    def __len__(self) -> int:
        """How many books are known."""
        return len(self._books)

    def __contains__(self, instrument: object) -> bool:
        """Whether a book is known; of those that are over the oldest are forgotten."""
        return instrument in self._books

    def believed(self, update: Update) -> bool:
        """Whether prices of a book are to be told."""
        return self.feed == "heard" and update.state in BELIEVED

    def touch(self, instrument: int) -> dict[str, Any]:
        """How a book stands: its state, and its best levels if it may be believed.

        While the feed is not heard no book is: each is ``stale``, ``disconnected``.
        """
        update = self._books[instrument]
        name = name_of(self.names, instrument)
        told = update_object(update, name) | {"record": "touch", "title": name.title}
        for key in _LEFT_OUT:
            del told[key]
        if self.feed != "heard":
            told |= {"state": "stale", "cause": "disconnected"}
        if not self.believed(update):
            told |= dict.fromkeys(_PRICES)
        told["live"] = told["state"] == "live"
        return told

    def worth(self, instrument: int) -> Mapping[str, Any] | None:
        """What the contract of a book is worth: ``None`` if that is not known, or not any more.

        By the feed's own clock: its reference may have fallen silent while all else goes on.
        """
        told, now_ns = self.fair.get(instrument), self.pieces.get("feed", {}).get("ts")
        if told is None or now_ns is None or self.feed != "heard":
            return None
        return told if now_ns - told["reference_ts"] <= FAIR_AGE_MAX_NS else None

    def trade(self, update: Update) -> dict[str, Any]:
        """A trade."""
        return update_object(update, name_of(self.names, update.instrument))

    def trades(self) -> list[Update]:
        """The newest trades, the oldest of them first."""
        return list(self._trades)

    def open_signals(self) -> list[Signal]:
        """Signals that are open, worth most dollars first; none while the feed is not heard."""
        if self.feed != "heard":
            return []
        return sorted(self._signals.values(), key=lambda one: -(one.net_total_e9 or 0))

    def closed_signals(self) -> list[Signal]:
        """Signals that have closed, the newest first."""
        return list(reversed(self._closed))

    def alerts(self) -> list[Mapping[str, Any]]:
        """What alerts told last, the oldest first; without those about the user's own account."""
        return [one for one in self._alerts if one["when"] not in OF_ACCOUNT]

    def signal(self, signal: Signal) -> dict[str, Any]:
        """A signal."""
        return signal_object(signal)

    def states(self) -> dict[tuple[str, str, str], int]:
        """How many books of a venue are in which state for which cause."""
        counts: dict[tuple[str, str, str], int] = {}
        for instrument, update in self._books.items():
            heard = self.feed == "heard"
            state, cause = (update.state, update.cause) if heard else ("stale", "disconnected")
            key = (name_of(self.names, instrument).venue, state, cause)
            counts[key] = counts.get(key, 0) + 1
        return counts

    def standing(self) -> dict[str, Any]:
        """The feed in a few numbers."""
        counts: dict[str, int] = dict.fromkeys(STATES, 0)
        for (_, state, _), count in self.states().items():
            counts[state] += count
        feed = self.pieces.get("feed", {})
        return {
            "feed": self.feed,
            "ts": feed.get("ts"),
            "failure": feed.get("failure"),
            "states": {state: count for state, count in counts.items() if count},
            "signals_open": len(self.open_signals()),
            "latency_ns": feed.get("latency_ns", {}),
            "connections": list(self.connections.values()),
            "why": self.pieces.get("why", {}).get("why", []),
            "rules": self.pieces.get("rules", {}).get("rules", {}),
        }

    def arbitrage(self) -> dict[str, Any]:
        """Everything at once: spot prices, markets with strikes and prices, signals with lives."""
        spot: list[dict[str, Any]] = []
        grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for instrument in self._books:
            touch = self.touch(instrument)
            if touch["outcome"] in ("", SPOT):
                spot.append(touch)
                continue
            grouped.setdefault((touch["venue"], touch["market"]), []).append(
                touch | {"fair": self.worth(instrument)}
            )
        return {
            "feed": self.feed,
            "spot": spot,
            "markets": [
                self.market(venue, market) | {"books": books}
                for (venue, market), books in grouped.items()
            ],
            "signals": [self.signal(one) for one in self.open_signals()],
        }

    def market(self, venue: str, market: str) -> dict[str, Any]:
        """What is known of a market besides its books."""
        known = self.markets.get((venue, market), {})
        names = ("title", "series", "strike", "open_ts", "close_ts", "played_ts", "result")
        nothing = dict.fromkeys(names)
        return nothing | dict(known) | {"venue": venue, "market": market}
