"""The whole simulated Kalshi under a clock of the caller's: markets, their lives, the truth.

``SimKalshi`` is what the in-process stream and the socket server share. It is seeded, reads no
clock and sends nothing: ``step`` says what happens next, ``due`` what was waiting for its time.
Whoever takes messages from it must show each of them to ``truth`` as it goes out.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from bookfeed.sim.chance import seeded
from bookfeed.sim.kalshi import wire
from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.events import Event, Listing, Series
from bookfeed.sim.kalshi.grid import PIPS, PRICE_E9_PER_PIP, QTY_E8_PER_LOT
from bookfeed.sim.kalshi.index import FIVE_HZ_MS, Index
from bookfeed.sim.kalshi.market import Market
from bookfeed.sim.kalshi.wire import Levels, Message
from bookfeed.sim.truth import Books

_DETERMINED_AFTER_MS: Final = 1_000
_SETTLED_AFTER_MS: Final = 6_000
_STRIKE_AFTER_MS: Final = 300
_INDEX_PAST_MS: Final = 61_000
_FOR_GOOD_MS: Final = 1_000_000_000
_PAUSED_MS: Final = (200, 2_000)
_FEE_MULTIPLIERS: Final = (0.5, 1, 2)

What = Literal["list", "open", "strike", "close", "unpause", "determine", "settle", "index"]


class KalshiTruth(Books):
    """The true books by ticker, in YES terms: yes bids, and no bids as asks at 1 less."""

    def __init__(self, past_max: int = 1024) -> None:
        super().__init__(PRICE_E9_PER_PIP, QTY_E8_PER_LOT, past_max)

    def start(self, ticker: str, levels: Levels) -> None:
        """Version 0 of a book."""
        book = self._book(ticker)
        book.replace(levels.yes, _asks(levels))
        book.past.append((0, book.fingerprint, False))

    def apply(self, message: Message) -> None:
        """Takes in the next message of the venue, whatever became of it on the way."""
        change = message.change
        if change is None:
            return
        book = self._book(message.ticker)
        if isinstance(change, Levels):
            book.replace(change.yes, _asks(change))
        else:
            price = PIPS - change.price if change.side else change.price
            there = (book.asks if change.side else book.bids).get(price, 0)
            book.put(not change.side, price, there + change.delta)
        self._close_version(message.ticker, message.torn)


def _asks(levels: Levels) -> dict[int, int]:
    return {PIPS - price: lots for price, lots in levels.no.items()}


class SimKalshi:
    """Every market, what waits for its time, and the truth; times in Unix milliseconds."""

    def __init__(
        self, config: KalshiVenueConfig, now_ms: int, events: Sequence[Event] | None = None
    ) -> None:
        """``events`` is what there is to trade, by default what the configuration draws."""
        self.config = config
        self.truth = KalshiTruth()
        self.markets: list[Market] = []
        """Those that are listed by now, in order of listing."""
        self.events: dict[str, Event] = {}
        self.series: dict[str, Series] = {}
        self.by_ticker: dict[str, Market] = {}
        self.absent: set[str] = set()
        """Markets of which there are no books, for anybody."""
        self.by_id: dict[str, Market] = {}
        self.indices = [
            Index(index_id, seeded("index", config.seed, number))
            for number, index_id in enumerate(config.indices)
        ]
        self._rng = seeded("kalshi venue", config.seed)
        self._waiting: list[tuple[int, int, What, Market | None]] = []
        self._serial = 0
        self._now_ms = now_ms
        self._halted_until_ms = now_ms
        for event in Listing(config, self._rng, now_ms).draw() if events is None else events:
            self._enter(event, now_ms)
        if self.indices:
            self._wait(-(-now_ms // FIVE_HZ_MS) * FIVE_HZ_MS, "index", None)

    def _enter(self, event: Event, now_ms: int) -> None:
        for spec in event.markets:
            rng = seeded("kalshi market", self.config.seed, spec.index)
            market = Market(spec, rng, now_ms)
            if spec.listed_ms:
                self._wait(spec.listed_ms, "list", market)
            else:
                self._list(market)
            if spec.open_ms > now_ms:
                self._wait(spec.open_ms, "open", market)
                if spec.strike_at_open:
                    self._wait(spec.open_ms + _STRIKE_AFTER_MS, "strike", market)
            self._wait(spec.close_ms, "close", market)
        self.events[event.ticker] = event
        self.series[event.series.ticker] = event.series

    def _list(self, market: Market) -> None:
        self.markets.append(market)
        self.by_ticker[market.spec.ticker] = market
        self.by_id[market.spec.market_id] = market
        self.truth.start(market.spec.ticker, market.levels())

    # time

    @property
    def active(self) -> bool:
        """Whether any market trades now."""
        return any(market.trading for market in self.markets)

    @property
    def halted(self) -> bool:
        """Whether the exchange as a whole has stopped trading, as of the newest time told."""
        return self._now_ms < self._halted_until_ms

    def halt(self, now_ms: int, lasts_s: float | None) -> None:
        """Stops trading as a whole, for a while or for good; no message says so."""
        lasts_ms = _FOR_GOOD_MS if lasts_s is None else int(lasts_s * 1_000)
        self._halted_until_ms = max(self._halted_until_ms, now_ms + lasts_ms)

    def next_due_ms(self) -> int | None:
        """When ``due`` will next have something."""
        return self._waiting[0][0] if self._waiting else None

    def _wait(self, when_ms: int, what: What, market: Market | None) -> None:
        self._serial += 1
        heapq.heappush(self._waiting, (when_ms, self._serial, what, market))

    def due(self, now_ms: int) -> list[Message]:
        """What happens by the clock, in order of time: openings, closings, index values."""
        messages: list[Message] = []
        self._now_ms = max(self._now_ms, now_ms)
        while self._waiting and self._waiting[0][0] <= now_ms:
            when_ms, _, what, market = heapq.heappop(self._waiting)
            if market is not None:
                messages += self._live_on(what, market, when_ms)
                continue
            for index in self.indices:
                messages += index.tick(when_ms)
            # After a long sleep only the last minute counts: no average looks further back.
            asleep = now_ms - when_ms - _INDEX_PAST_MS
            skipped = max(0, asleep // FIVE_HZ_MS)
            self._wait(when_ms + (1 + skipped) * FIVE_HZ_MS, "index", None)
        return messages

    def _live_on(self, what: What, market: Market, now_ms: int) -> list[Message]:
        match what:
            case "list":
                self._list(market)
                return [self._announce(market, now_ms), *market.created(now_ms)]
            case "open":
                return market.open()
            case "strike":
                return market.publish_strike(now_ms)
            case "unpause":
                return market.unpause(now_ms)
            case "close":
                return self._close(market, now_ms)
            case "determine":
                self._wait(now_ms + _SETTLED_AFTER_MS, "settle", market)
                return market.determine(now_ms)
            case "settle":
                return market.settle(now_ms)
            case "index":
                raise ValueError("indices belong to no market")

    def _close(self, market: Market, now_ms: int) -> list[Message]:
        if market.over:
            return []  # it has closed early
        self._wait(now_ms + _DETERMINED_AFTER_MS, "determine", market)
        return market.close(now_ms)

    def _announce(self, market: Market, now_ms: int) -> Message:
        event = self.events[market.spec.event_ticker]
        members = {
            "event_ticker": event.ticker,
            "exchange_index": market.spec.exchange_index,
            "title": event.title,
            "subtitle": market.spec.yes_sub_title,
            "collateral_return_type": "MECNET" if event.mutually_exclusive else "",
            "series_ticker": event.series.ticker,
        }
        return wire.event_message("event_lifecycle", now_ms, members)

    # what happens

    def step(self, now_ms: int, among: Sequence[Market] = ()) -> list[Message]:
        """One step of a random market of ``among`` (of all by default), first message to last.

        Nothing if that market does not trade at the moment.
        """
        self._now_ms = max(self._now_ms, now_ms)
        market = self._rng.choice(among or self.markets)
        if not market.trading:
            return []
        if self.halted:
            return market.cancel(now_ms)
        config = self.config
        if config.pause_every and self._chance(config.pause_every):
            return self.pause(market, now_ms)
        if config.early_close_every and self._chance(config.early_close_every):
            return market.move_close(now_ms) + self._close(market, now_ms)
        if config.fee_change_every and self._chance(config.fee_change_every):
            return self.change_fee(market.spec.event_ticker, now_ms)
        if config.structure_change_every and self._chance(config.structure_change_every):
            other = "linear_cent" if market.structure != "linear_cent" else "tapered_deci_cent"
            return market.restructure(other, now_ms)
        return market.step(now_ms)

    def _chance(self, every: int) -> bool:
        return self._rng.random() * every < 1

    def pause(self, market: Market, now_ms: int) -> list[Message]:
        """Pauses a market for up to two seconds."""
        low, high = _PAUSED_MS
        self._wait(now_ms + low + int(self._rng.random() * (high - low)), "unpause", market)
        return market.pause(now_ms)

    def change_fee(self, event_ticker: str, now_ms: int) -> list[Message]:
        """Overrides an event's fee multiplier by chance, or takes the override back."""
        overridden = self.events[event_ticker].fee_multiplier_override is not None
        multiplier = None if overridden else self._rng.choice(_FEE_MULTIPLIERS)
        return self.set_fee(event_ticker, multiplier, now_ms)

    def set_fee(self, event_ticker: str, multiplier: float | None, now_ms: int) -> list[Message]:
        """Overrides an event's fee multiplier; ``None`` takes the override back."""
        event = self.events[event_ticker]
        event.fee_multiplier_override = multiplier
        event.fee_type_override = None if multiplier is None else event.series.fee_type
        members = {
            "event_ticker": event_ticker,
            "fee_type_override": event.fee_type_override,
            "fee_multiplier_override": multiplier,
        }
        return [wire.event_message("event_fee_update", now_ms, members)]

    # what is asked

    def given(self, ticker: str) -> Market:
        """The market of a book; ``KeyError`` if there is none."""
        if ticker in self.absent:
            raise KeyError(ticker)
        return self.by_ticker[ticker]

    def known(self, tickers: Iterable[str]) -> Iterator[Market]:
        """The markets among ``tickers`` that have books."""
        listed, absent = self.by_ticker, self.absent
        return (listed[one] for one in tickers if one in listed and one not in absent)
