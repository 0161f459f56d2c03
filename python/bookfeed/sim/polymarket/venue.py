"""The whole simulated venue under a clock of the caller's: markets, lateness, truth.

``SimVenue`` is what the in-process stream and the socket server share. It is seeded, reads no
clock and sends nothing: ``step`` says what happens next, ``due`` what was waiting for its time.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

from bookfeed.sim.chance import seeded
from bookfeed.sim.polymarket import wire
from bookfeed.sim.polymarket.ladder import PIPS, PRICE_TEXT
from bookfeed.sim.polymarket.market import Late, Market, MarketSpec
from bookfeed.sim.polymarket.truth import Truth
from bookfeed.sim.polymarket.wire import Asset, Message

_FINE_TICK_SHARE: Final = 0.3
# Starting prices are drawn from so many pips around one half.
_FAIR_SPAN: Final = 7_000
_SUBJECTS: Final = ("rain falls", "the launch holds", "the bill passes", "the home side wins")


@dataclass(frozen=True, slots=True)
class VenueConfig:
    """What is traded. Counts of 0 for ``*_every`` mean never; the others are mean step counts."""

    markets: int = 4
    seed: int = 1
    unmirrored: int = 0
    """How many of the markets, the last ones, have a book of their own for each outcome."""
    windows: int = 0
    """Markets besides, after the others: each is for a window of a rolling series."""
    one_sided: int = 0
    """How many, the first ones, start without asks for the first outcome."""
    tick_size: str | None = None
    """One tick size for all; by default three in ten are 0.001 and the others 0.01."""
    levels_min: int = 10
    levels_max: int = 100
    min_order_size: str = "5"
    neg_risk: bool = False
    fee_rate: str = "0.07"
    fee_exponent: int = 1
    valid_hashes: bool = True
    """False prints random digits where hashes belong: faster, for load tests only."""
    new_market_every: int = 5_000
    tick_change_every: int = 0
    resolve_every: int = 0
    dislocation_every_s: float = 2.0
    """Mean quiet time between dislocations of one unmirrored market, seconds."""
    off_half: int = 0
    """No market starts closer to one half than this, pips."""

    def __post_init__(self) -> None:
        if self.markets < 1:
            raise ValueError(f"markets must be at least 1, not {self.markets}")
        if self.windows < 0:
            raise ValueError(f"windows must be at least 0, not {self.windows}")
        if not 0 <= self.unmirrored <= self.markets:
            raise ValueError(f"unmirrored must be from 0 to markets, not {self.unmirrored}")
        if not 0 <= self.one_sided <= self.markets - self.unmirrored:
            raise ValueError("one_sided must be from 0 to markets less unmirrored")
        if not 5 <= self.levels_min <= self.levels_max:
            raise ValueError("levels_min must be at least 5 and at most levels_max")
        if self.tick_size is not None and self.tick_size not in _TICKS:
            raise ValueError(f"tick_size must be one of {', '.join(_TICKS)}, not {self.tick_size}")
        if self.dislocation_every_s <= 0:
            raise ValueError("dislocation_every_s must be above 0")
        if not 0 <= self.off_half <= _FAIR_SPAN // 2:
            raise ValueError(f"off_half must be from 0 to {_FAIR_SPAN // 2}")


_TICKS: Final = {PRICE_TEXT[pips]: pips for pips in (1, 10, 25, 50, 100, 1000)}


class SimVenue:
    """Every market, what waits for its time, and the truth; times in Unix milliseconds."""

    def __init__(self, config: VenueConfig, now_ms: int) -> None:
        self.config = config
        self._rng = seeded("venue", config.seed)
        self.truth = Truth()
        self.markets: list[Market] = []
        self.assets: dict[str, Asset] = {}
        self._market_of: dict[str, Market] = {}
        self._waiting: list[tuple[int, int, Message | Market]] = []
        self._serial = 0
        self._unresolved = config.markets + config.windows
        for spec in self._specs():
            rng = seeded("market", config.seed, spec.index)
            market = Market(spec, rng, now_ms, valid_hashes=config.valid_hashes)
            self.markets.append(market)
            for asset in market.assets:
                self.assets[asset.asset_id] = asset
                self._market_of[asset.asset_id] = market
                self.truth.start(asset.levels())
            if not spec.mirrored:
                self._await_dislocation(market, now_ms)

    def _specs(self) -> list[MarketSpec]:
        config, rng = self.config, self._rng
        specs = []
        for index in range(config.markets + config.windows):
            tick = 10 if rng.random() < _FINE_TICK_SHARE else 100
            spread = config.levels_max - config.levels_min
            specs.append(
                MarketSpec(
                    index=index,
                    condition_id=self._condition_id(),
                    asset_ids=(self._asset_id(), self._asset_id()),
                    question=f"Will it be that {rng.choice(_SUBJECTS)}? ({index + 1})",
                    tick=_TICKS[config.tick_size] if config.tick_size else tick,
                    levels=config.levels_min + int(spread * rng.random() ** 2),
                    fair=self._fair(),
                    min_order_size=config.min_order_size,
                    neg_risk=config.neg_risk,
                    fee_rate=config.fee_rate,
                    fee_exponent=config.fee_exponent,
                    mirrored=not 0 < config.markets - index <= config.unmirrored,
                    one_sided=index < config.one_sided,
                )
            )
        return specs

    def _fair(self) -> int:
        fair = (PIPS - _FAIR_SPAN) // 2 + int(self._rng.random() * _FAIR_SPAN)
        if abs(fair - PIPS // 2) >= self.config.off_half:
            return fair
        return PIPS // 2 + (self.config.off_half if fair > PIPS // 2 else -self.config.off_half)

    def _asset_id(self) -> str:
        """A decimal of 76 to 78 digits, as token ids are."""
        bits = self._rng.choice((252, 255, 256))
        return str(self._rng.getrandbits(bits) | 1 << (bits - 1))

    def _condition_id(self) -> str:
        return f"0x{self._rng.getrandbits(256):064x}"

    def market_of(self, asset_id: str) -> Market | None:
        """The market of an asset, ``None`` if there is no such asset."""
        return self._market_of.get(asset_id)

    def withdraw(self, asset_ids: Iterable[str]) -> None:
        """From now on there are no books of these assets, for anybody."""
        for asset_id in asset_ids:
            self._market_of.pop(asset_id, None)
            self.assets.pop(asset_id, None)

    def mask(self, message: Message) -> int:
        """The outcomes of which a message speaks, without those of which there are no books."""
        if not message.mask:
            return 0
        outcomes = self.markets[message.market].assets
        return message.mask & sum(a.bit for a in outcomes if a.asset_id in self.assets)

    def initial_books(self, asset_ids: Sequence[str]) -> bytes:
        """The array a new subscription is answered with; unknown assets are left out."""
        books = [
            wire.initial_book(self.assets[asset_id], self._market_of[asset_id].terms)
            for asset_id in asset_ids
            if asset_id in self.assets
        ]
        return f"[{', '.join(books)}]".encode()

    def rest_book(self, asset_id: str) -> str:
        """What ``/book`` answers for an asset; ``KeyError`` if there is no such asset."""
        asset = self.assets[asset_id]
        return asset.rest_text(asset.ts_ms, asset.hash)

    def touch(self, asset_id: str) -> tuple[str, str]:
        """Best bid and ask of an asset as printed; ``KeyError`` if there is no such asset."""
        asset = self.assets[asset_id]
        return PRICE_TEXT[asset.best_bid], PRICE_TEXT[asset.best_ask]

    def ghost_book(self, asset_id: str) -> str:
        """A stale answer of ``/book``, ten minutes old; ``KeyError`` as for ``rest_book``."""
        asset = self.assets[asset_id]
        return wire.ghost_book(asset, self._market_of[asset_id].terms, asset.ts_ms - 600_000)

    def newest_ghost(self, asset_id: str) -> str:
        """The same with the time of the newest book; ``KeyError`` as for ``rest_book``."""
        asset = self.assets[asset_id]
        return wire.ghost_book(asset, self._market_of[asset_id].terms, asset.ts_ms)

    def fresh_ghost(self, asset_id: str) -> str | None:
        """The same as of now, as the stream or REST tells it; ``None`` if outcomes trade apart."""
        market = self._market_of[asset_id]
        if not market.spec.mirrored:
            return None
        asset = self.assets[asset_id]
        text = wire.ghost_book(asset, market.terms, asset.ts_ms)
        return f'{text[:-1]},"event_type":"book"}}'

    @property
    def active(self) -> bool:
        """Whether any market still trades."""
        return self._unresolved > 0

    def next_due_ms(self) -> int | None:
        """When ``due`` will next have something."""
        return self._waiting[0][0] if self._waiting else None

    def due(self, now_ms: int) -> list[Message]:
        """Late messages and dislocations whose time has come, in order of time."""
        messages: list[Message] = []
        while self._waiting and self._waiting[0][0] <= now_ms:
            when_ms, _, what = heapq.heappop(self._waiting)
            if isinstance(what, Message):
                messages.append(what)
            else:
                messages += self._toggle(what, when_ms)
        return messages

    def step(self, now_ms: int, among: Sequence[Market] = ()) -> list[Message]:
        """One step of a random market of ``among`` (of all by default).

        Returns what it sends, first to last; nothing if the market is over.
        """
        market = self._rng.choice(among or self.markets)
        if not market.active:
            return []
        config = self.config
        if config.new_market_every and self._chance(config.new_market_every):
            return [self._announce_market(now_ms)]
        if config.tick_change_every and self._chance(config.tick_change_every):
            return market.change_tick(now_ms)
        if config.resolve_every and self._chance(config.resolve_every):
            return self.resolve(market, now_ms)
        messages, late = market.step(now_ms)
        self._keep(late, now_ms)
        return messages

    def resolve(self, market: Market, now_ms: int, winner: int | None = None) -> list[Message]:
        """Ends a market that has not ended, by chance unless a ``winner`` is given; nothing more
        will come from it.
        """
        self._unresolved -= 1
        return market.resolve(now_ms, winner)

    def _chance(self, every: int) -> bool:
        return self._rng.random() * every < 1

    def _keep(self, late: Late | None, now_ms: int) -> None:
        if late:
            self._wait(now_ms + late.delay_ms, late.message)

    def _wait(self, when_ms: int, what: Message | Market) -> None:
        self._serial += 1
        heapq.heappush(self._waiting, (when_ms, self._serial, what))

    def _await_dislocation(self, market: Market, now_ms: int) -> None:
        quiet_ms = -log(1 - self._rng.random()) * self.config.dislocation_every_s * 1000
        self._wait(now_ms + 1 + int(quiet_ms), market)

    def _toggle(self, market: Market, now_ms: int) -> list[Message]:
        if not market.active:
            return []
        if market.dislocated:
            messages, late = market.restore(now_ms)
            self._await_dislocation(market, now_ms)
        else:
            messages, late, lasts_ms = market.dislocate(now_ms)
            if lasts_ms:
                self._wait(now_ms + lasts_ms, market)
            else:
                self._await_dislocation(market, now_ms)
        self._keep(late, now_ms)
        return messages

    def _announce_market(self, now_ms: int) -> Message:
        self._serial += 1
        ids = (self._asset_id(), self._asset_id())
        question = f"Will it be that {self._rng.choice(_SUBJECTS)}? (new {self._serial})"
        return wire.new_market(self._serial, self._condition_id(), ids, question, now_ms)
