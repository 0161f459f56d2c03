"""Two simulated venues under one clock: what an arbitrage engine sees, and what is really there.

Pairs are quoted on both venues around one fair price, baskets and strike ladders on Kalshi alone.
Left to themselves they offer nothing. Episodes make them: genuine opportunities, and traps that
only look like one. Whether there is one at any time is not taken from the script but worked out
from the true books and fees of that time::

    run = TwoVenueRun(TwoVenueConfig(seed=3, episodes=(Episode("genuine", "pair0", at_s=2),)))
    for item in run.items(5000):
        ...  # feed item.payload of item.venue to an engine
    run.real("pair0", ts_ns)  # the opportunities of that time

A frame that is not held up arrives at the very time its venue sent it.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from bookfeed.sim.chance import seeded
from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.events import Event
from bookfeed.sim.kalshi.rest_text import orderbook
from bookfeed.sim.kalshi.session import BOOK_CHANNEL, KalshiSession, Out
from bookfeed.sim.kalshi.venue import SimKalshi
from bookfeed.sim.kalshi.wire import Message as KalshiMessage
from bookfeed.sim.kalshi.wire import dump
from bookfeed.sim.polymarket import wire
from bookfeed.sim.polymarket.truth import Truth
from bookfeed.sim.polymarket_kalshi.episodes import Episode, Label
from bookfeed.sim.polymarket_kalshi.listing import (
    DEFAULT_CLOSE_S,
    basket,
    combinations,
    ladder,
    pair,
)
from bookfeed.sim.polymarket_kalshi.quotes import KalshiQuoted, PolymarketQuoted
from bookfeed.sim.polymarket_kalshi.truth import Fees, Leg, Offer, Opportunity, Venue
from bookfeed.sim.truth import BookTruth
from bookfeed.sim.virtual import NS_PER_MS, NS_PER_S, START_NS, VirtualRun

KALSHI_CHANNELS: Final = (BOOK_CHANNEL, "market_lifecycle_v2")
CONN_OF: Final[dict[Venue, int]] = {"polymarket": 0, "kalshi": 1}
_VENUE_OF: Final[dict[int, Venue]] = {0: "polymarket", 1: "kalshi"}
_OTHER: Final[dict[Venue, Venue]] = {"polymarket": "kalshi", "kalshi": "polymarket"}

_APART: Final = 900
_DEARER: Final = 6.0
_THIN: Final = 600
"""How far a basket's quotes move to stand apart, by less than the fees of a series."""
_FAIR_MOVES: Final = 0.25


@dataclass(frozen=True, slots=True)
class TwoVenueConfig:
    """What there is. ``ValueError`` for what cannot be."""

    seed: int = 1
    pairs: int = 3
    inverted: int = 0
    """How many pairs, the last ones, are really opposite: YES here is NO there."""
    baskets: int = 1
    basket_markets: int = 3
    augmented: int = 0
    """How many baskets, the last ones, lack an outcome: all their YES may lose."""
    ladders: int = 1
    ladder_markets: int = 4
    rate: float = 100.0
    """Mean number of steps a second of virtual time, over everything."""
    min_order_size: str = "5"
    """Sets below this are not worth trading, on either venue."""
    valid_hashes: bool = True
    use_yes_price: bool = True
    episodes: tuple[Episode, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.inverted <= self.pairs or not 0 <= self.augmented <= self.baskets:
            raise ValueError("inverted must be at most pairs, augmented at most baskets")
        if self.basket_markets < 2 or self.ladder_markets < 2:
            raise ValueError("a basket or a ladder needs at least 2 markets")
        names = {f"pair{n}" for n in range(self.pairs)}
        others = {f"basket{n}" for n in range(self.baskets)}
        others |= {f"ladder{n}" for n in range(self.ladders)}
        for episode in self.episodes:
            alone = episode.kind in ("genuine", "fee_change", "override", "tiny")
            if episode.target not in (names | others if alone else names):
                raise ValueError(f"no episode {episode.kind} can happen to {episode.target!r}")
            if episode.kind == "override" and not episode.target.startswith("basket"):
                raise ValueError(f"an override can end for a basket alone, not {episode.target!r}")
            if episode.target in others and episode.venue != "kalshi":
                raise ValueError(f"{episode.target!r} is quoted on Kalshi alone")


class TwoVenueItem(NamedTuple):
    """One thing that happens to a client; ``ping`` is a heartbeat of Kalshi's."""

    kind: Literal["frame", "lost", "ping", "connected", "disconnected"]
    ts_ns: int
    """Receive time, Unix ns; never decreases."""
    venue: Venue
    conn: int
    payload: bytes
    symbols: tuple[str, ...] = ()
    """The books it speaks of."""
    sent_ns: int = 0
    """When the venue sent it."""
    settled: bool = False
    """Whether it is the last item of its instant: now the truth is what a reader must have."""


def taker_fees(venue: Venue, price: Decimal, qty: Decimal, multiplier: Decimal) -> Decimal:
    """The plain formula of either venue at 7 %, unrounded."""
    return Decimal("0.07") * multiplier * qty * price * (1 - price)


class TwoVenueRun(VirtualRun[TwoVenueItem]):
    """A seeded run. Connection 0 is Polymarket's, connection 1 Kalshi's."""

    def __init__(self, config: TwoVenueConfig, fees: Fees = taker_fees) -> None:
        super().__init__(seeded("two venues", config.seed), 2, config.rate)
        self.config = config
        self.fees = fees
        self.labels: list[Label] = []
        """The episodes that are over, in order of their ends."""
        closes = {e.target: e.at_s for e in config.episodes if e.kind == "closed"}
        self._build(closes)
        self._frozen_until: dict[int, int] = {}
        self._delays: dict[int, tuple[int, int]] = {}
        """By connection: until when frames are held up, and for how long."""
        self._last_ns = {0: START_NS, 1: START_NS}
        self._under_way: list[tuple[int, int, TwoVenueItem]] = []
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = 0
        self._hands_on: Counter[str] = Counter()
        """Episodes under way, by target."""
        self._said: list[str] = []
        self._ids = 0
        for episode in config.episodes:
            self._at(START_NS + int(episode.at_s * NS_PER_S), partial(self._begin, episode))

    def _build(self, closes: dict[str, float]) -> None:
        config, rng = self.config, self._rng
        start_ms = START_NS // NS_PER_MS
        events: dict[str, Event] = {}
        for n in range(config.pairs):
            close_s = closes.get(f"pair{n}", DEFAULT_CLOSE_S)
            events[f"pair{n}"] = pair(n, start_ms, int(close_s * 1000), rng)
        for n in range(config.baskets):
            exhaustive = n < config.baskets - config.augmented
            events[f"basket{n}"] = basket(n, config.basket_markets, start_ms, rng, exhaustive)
        for n in range(config.ladders):
            events[f"ladder{n}"] = ladder(n, config.ladder_markets, start_ms, rng)
        venue_config = KalshiVenueConfig(seed=config.seed, indices=())
        for name in {e.target for e in self.config.episodes if e.kind == "override"}:
            events[name].fee_type_override = events[name].series.fee_type
            events[name].fee_multiplier_override = 0.0
        self.events = events
        """Kalshi's events by the names that episodes use."""
        self._standing = {name: event.fee_multiplier_override for name, event in events.items()}
        self.kalshi = SimKalshi(venue_config, start_ms, list(events.values()))
        self.quoted: dict[str, list[KalshiQuoted]] = {
            name: [
                KalshiQuoted(rng, self.kalshi.by_ticker[spec.ticker], spec.fair)
                for spec in event.markets
            ]
            for name, event in events.items()
        }
        """Kalshi's markets by the same names."""
        self.tokens: dict[str, PolymarketQuoted] = {}
        """Polymarket's markets by the names of pairs."""
        self.polymarket_truth = Truth()
        for n in range(config.pairs):
            fair = self.quoted[f"pair{n}"][0].fair
            self.tokens[f"pair{n}"] = PolymarketQuoted(
                rng,
                n,
                10_000 - fair if self.is_inverted(f"pair{n}") else fair,
                valid_hashes=config.valid_hashes,
                min_order_size=config.min_order_size,
            )
        self._session = KalshiSession(self.kalshi, 1)
        self.combinations = combinations(events, self.tokens, self.is_inverted)
        for token in self.tokens.values():
            token.quote(start_ms)
            for asset in token.assets:
                self.polymarket_truth.start(asset.levels())
        for quoted in self.quoted.values():
            for one in quoted:
                one.quote(start_ms)
                self.kalshi.truth.start(one.market.spec.ticker, one.market.levels())

    # what tests ask

    def is_inverted(self, name: str) -> bool:
        """Whether a pair's YES on Kalshi is the second outcome on Polymarket."""
        return int(name.removeprefix("pair")) >= self.config.pairs - self.config.inverted

    @property
    def now_ns(self) -> int:
        """The time of the last item, Unix ns."""
        return self._now_ns

    def truth(self, venue: Venue, symbol: str) -> BookTruth:
        """The true book as of the last ``settled`` item; ``KeyError`` if there is none."""
        return (self.polymarket_truth if venue == "polymarket" else self.kalshi.truth)(symbol)

    def real(self, name: str, ts_ns: int) -> list[Opportunity]:
        """The opportunities that a pair, basket or ladder really offered at a time."""
        found = [combination.at(ts_ns) for combination in self.combinations[name]]
        return [one for one in found if one is not None]

    def opportunities(self) -> list[Opportunity]:
        """Every opportunity so far, in order of time."""
        every = (one for group in self.combinations.values() for c in group for one in c.history)
        return sorted(every, key=lambda one: one.start_ns)

    def rest_book(self, venue: Venue, symbol: str) -> bytes:
        """What REST would answer now; ``KeyError`` if there is no such book."""
        if venue == "kalshi":
            return orderbook(self.kalshi.by_ticker[symbol]).encode()
        assets = {asset.asset_id: asset for t in self.tokens.values() for asset in t.assets}
        return assets[symbol].rest_text(assets[symbol].ts_ms, assets[symbol].hash).encode()

    def get_snapshot(self, tickers: Iterable[str]) -> int:
        """Asks Kalshi for fresh books in the stream; returns the command's id, 0 if it cannot."""
        sub = self._session.subscriptions.get(BOOK_CHANNEL)
        if sub is None:
            return 0
        params = {"sid": sub.sid, "action": "get_snapshot", "market_tickers": list(tickers)}
        return self._command("update_subscription", params)

    def _command(self, cmd: str, params: dict[str, Any]) -> int:
        self._ids += 1
        self._said.append(dump({"id": self._ids, "cmd": cmd, "params": params}))
        return self._ids

    # the clock

    def _at(self, when_ns: int, action: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._agenda, (when_ns, self._serial, action))

    def _moment(self) -> Iterator[TwoVenueItem]:
        before_ns = self._now_ns
        self._pass_time()
        until_ns = self._now_ns
        while self._agenda and self._agenda[0][0] <= until_ns:
            when_ns, _, action = heapq.heappop(self._agenda)
            yield from self._deliveries(when_ns)
            self._now_ns = max(before_ns, when_ns)
            action()
        yield from self._deliveries(until_ns)
        self._now_ns = until_ns
        self._connections()
        self._answers()
        self._clockwork()
        self._step()
        yield from self._deliveries(until_ns)

    def _deliveries(self, until_ns: int) -> Iterator[TwoVenueItem]:
        """What has come by then, in order."""
        while self._under_way and self._under_way[0][0] <= until_ns:
            ts_ns, _, item = heapq.heappop(self._under_way)
            self._now_ns = max(self._now_ns, ts_ns)
            more = bool(self._under_way) and self._under_way[0][0] == ts_ns
            yield item._replace(settled=not more)

    # the wire

    def _send(
        self,
        conn: int,
        payload: bytes,
        symbols: tuple[str, ...] = (),
        kind: Literal["frame", "ping", "connected", "disconnected"] = "frame",
    ) -> None:
        """Puts something on its way, late or never if an episode says so, never out of order."""
        now_ns = self._now_ns
        arrives_ns = now_ns
        if kind in ("frame", "ping"):
            held_until_ns, delay_ns = self._delays.get(conn, (0, 0))
            arrives_ns = now_ns + (delay_ns if now_ns < held_until_ns else 0)
        heartbeat = kind == "ping" or payload == b"PONG"
        lost = kind == "frame" and not heartbeat and now_ns < self._frozen_until.get(conn, 0)
        self._last_ns[conn] = arrives_ns = max(arrives_ns, self._last_ns[conn])
        item = TwoVenueItem(
            "lost" if lost else kind,
            arrives_ns,
            _VENUE_OF[conn],
            conn,
            b"" if lost else payload,
            symbols,
            now_ns,
        )
        self._serial += 1
        heapq.heappush(self._under_way, (arrives_ns, self._serial, item))

    def _connections(self) -> None:
        for conn in self._departures():
            self._send(conn, b"", kind="disconnected")
        for conn in self._arrivals():
            self._frozen_until.pop(conn, None)
            self._send(conn, b"", kind="connected")
            if conn == CONN_OF["kalshi"]:
                self._session = KalshiSession(self.kalshi, conn)
                params = {
                    "channels": list(KALSHI_CHANNELS),
                    "market_tickers": list(self.kalshi.by_ticker),
                    "use_yes_price": self.config.use_yes_price,
                }
                self._said.clear()
                self._command("subscribe", params)
            elif self.tokens:
                books = [
                    wire.initial_book(asset, token.terms)
                    for token in self.tokens.values()
                    for asset in token.assets
                ]
                self._send(conn, f"[{', '.join(books)}]".encode())
        for conn in self._heartbeats():
            if conn == CONN_OF["kalshi"]:
                self._send(conn, b"heartbeat", kind="ping")
            else:
                self._send(conn, b"PONG")

    def _answers(self) -> None:
        said, self._said = self._said, []
        if CONN_OF["kalshi"] in self._back_ns:
            return
        for text in said:
            for out in self._session.receive(text, self._now_ns // NS_PER_MS):
                self._carry_out(out)

    def _carry_out(self, out: Out) -> None:
        if CONN_OF["kalshi"] not in self._back_ns:
            self._send(CONN_OF["kalshi"], out.payload, out.tickers)

    def _say(self, messages: Sequence[KalshiMessage]) -> None:
        """Kalshi's messages: to the truth, and to the connection."""
        for message in messages:
            self.kalshi.truth.apply(message)
            out = self._session.carry(message, self._now_ns // NS_PER_MS)
            if out is not None:
                self._carry_out(out)

    def _say_tokens(self, messages: Sequence[wire.Message]) -> None:
        """Polymarket's messages: to the truth, and to the connection."""
        for message in messages:
            self.polymarket_truth.apply(message)
            if CONN_OF["polymarket"] not in self._back_ns:
                token = self.tokens[f"pair{message.market}"]
                ids = tuple(asset.asset_id for asset in token.assets)
                self._send(CONN_OF["polymarket"], message.text(3), ids)

    # the markets

    def _clockwork(self) -> None:
        """Kalshi's markets by the clock: closings, determinations, ends of pauses."""
        messages = self.kalshi.due(self._now_ns // NS_PER_MS)
        if messages:
            self._say(messages)
            for name in self.events:
                self._judge(name)

    def _step(self) -> None:
        """Something ordinary happens somewhere."""
        names = list(self.events)
        name = names[int(self._rng.random() * len(names))]
        if self._rng.random() < _FAIR_MOVES and not self._busy(name):
            self._wander(name)
            return
        now_ms = self._now_ns // NS_PER_MS
        quoted = self.quoted[name]
        if name in self.tokens and self._rng.random() < 0.5:
            self._say_tokens(self.tokens[name].flicker(now_ms))
        else:
            self._say(quoted[int(self._rng.random() * len(quoted))].flicker(now_ms))
        self._judge(name)

    def _busy(self, name: str) -> bool:
        """Whether an episode has its hands on it."""
        return self._hands_on[name] > 0

    def _wander(self, name: str) -> None:
        """The fair price moves by a cent; in a basket from one market to another."""
        up = 100 if self._rng.random() < 0.5 else -100
        if name in self.tokens:
            if 3_000 <= self.quoted[name][0].fair + up <= 7_000:
                self._move(name, up)
        elif name.startswith("basket"):
            first, second = self._rng.sample(range(len(self.quoted[name])), 2)
            fairs = [quoted.fair for quoted in self.quoted[name]]
            if min(fairs[first] + up, fairs[second] - up) >= 1_200:
                self._shift(name, first, up)
                self._shift(name, second, -up)
        self._judge(name)

    def _move(self, name: str, by: int) -> None:
        """Moves a pair's fair price on both venues."""
        self._shift_tokens(name, by)
        self._shift(name, 0, by)

    def _shift_tokens(self, name: str, by: int) -> None:
        token = self.tokens[name]
        token.fair += -by if self.is_inverted(name) else by
        self._say_tokens(token.quote(self._now_ns // NS_PER_MS))

    def _shift(self, name: str, index: int, by: int) -> None:
        quoted = self.quoted[name][index]
        quoted.fair += by
        self._say(quoted.quote(self._now_ns // NS_PER_MS))

    # episodes

    def _begin(self, episode: Episode) -> None:
        name, now_ns = episode.target, self._now_ns
        self._hands_on[name] += 1
        lasts_ns = int(episode.lasts_s * NS_PER_S)
        conn = CONN_OF[episode.venue]
        apart = -_THIN if episode.kind == "override" else self._apart(name)
        match episode.kind:
            case "override":
                for multiplier in (_DEARER, None):
                    self._set_fee(name, multiplier)
                self._displace(name, episode.venue, apart)
            case "genuine" | "fee_change":
                self._displace(name, episode.venue, apart)
            case "lagging":
                self._displace(name, _OTHER[episode.venue], apart)
            case "tiny":
                self._set_tiny(name, True)
                self._displace(name, episode.venue, apart)
            case "lead_lag":
                self._delays[conn] = (now_ns + lasts_ns, int(episode.delay_s * NS_PER_S))
                self._move(name, apart)
            case "frozen":
                self._frozen_until[conn] = now_ns + lasts_ns
                self._move(name, apart)
            case "torn":
                self._flash(episode)
            case "paused":
                self._say(self.quoted[name][0].market.pause(now_ns // NS_PER_MS))
                self._shift_tokens(name, apart)
            case "closed":
                self.quoted[name][0].market.status = "closed"
                self._shift_tokens(name, apart)
        self._judge(name)
        if episode.kind == "fee_change":
            self._at(now_ns + lasts_ns // 2, lambda: self._set_fee(name, _DEARER))
        self._at(now_ns + lasts_ns, lambda: self._finish(episode, now_ns, apart))

    def _finish(self, episode: Episode, start_ns: int, apart: int) -> None:
        name = episode.target
        self._hands_on[name] -= 1
        match episode.kind:
            case "genuine" | "fee_change" | "override" | "tiny":
                self._set_tiny(name, False)
                self._displace(name, episode.venue, -apart)
            case "lagging":
                self._displace(name, episode.venue, apart)
            case "paused":
                quoted = self.quoted[name][0]
                self._say(quoted.market.unpause(self._now_ns // NS_PER_MS))
                self._shift(name, 0, apart)
            case "closed":
                market, now_ms = self.quoted[name][0].market, self._now_ns // NS_PER_MS
                self._say([*market.empty(now_ms), *market.determine(now_ms)])
        if episode.kind in ("fee_change", "override"):
            self._set_fee(name, self._standing[name])
        self._judge(name)
        self.labels.append(Label(episode, start_ns, self._now_ns))

    def _apart(self, name: str) -> int:
        """By how much an episode moves a price: a pair's away from the edge that is nearer."""
        if name.startswith("ladder"):
            return -3 * _APART  # the lowest strike, below the one above it
        if name.startswith("basket"):
            return -_APART
        return _APART if self.quoted[name][0].fair <= 5_000 else -_APART

    def _displace(self, name: str, venue: Venue, by: int) -> None:
        """Moves quotes of one venue away from where they belong, or back."""
        if venue == "polymarket":
            self._shift_tokens(name, by)
        else:
            self._shift(name, 0, by)

    def _set_tiny(self, name: str, tiny: bool) -> None:
        for quoted in self.quoted[name]:
            quoted.tiny = tiny
        if name in self.tokens:
            self.tokens[name].tiny = tiny
            self._shift_tokens(name, 0)

    def _flash(self, episode: Episode) -> None:
        now_ms = self._now_ns // NS_PER_MS
        name = episode.target
        if episode.venue == "polymarket":
            self._say_tokens(self.tokens[name].flash(now_ms))
        else:
            self._say(self.quoted[name][0].flash(now_ms))

    def _set_fee(self, name: str, multiplier: float | None) -> None:
        now_ms = self._now_ns // NS_PER_MS
        self._say(self.kalshi.set_fee(self.events[name].ticker, multiplier, now_ms))
        self._judge(name)

    # what is really there

    def _judge(self, name: str) -> None:
        """Looks whether anything is to be earned now; called when an instant is over."""
        min_qty = Decimal(self.config.min_order_size)
        combinations = self.combinations[name]
        legs = dict.fromkeys(leg for one in combinations for leg in one.legs)
        offers = {leg: self._offer(name, leg) for leg in legs}
        for one in combinations:
            one.judge([offers[leg] for leg in one.legs], self.fees, min_qty, self._now_ns)

    def _offer(self, name: str, leg: Leg) -> Offer:
        if leg.venue == "polymarket":
            token = self.tokens[name]
            index = [asset.asset_id for asset in token.assets].index(leg.symbol)
            return Offer(token.asks(index), Decimal(1))
        (quoted,) = [q for q in self.quoted[name] if q.market.spec.ticker == leg.symbol]
        multiplier = Decimal(str(self.events[name].fee_multiplier))
        asks = quoted.asks(0 if leg.outcome == "yes" else 1) if quoted.market.trading else []
        return Offer(asks, multiplier)
