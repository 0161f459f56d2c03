"""Fair values in simulated worlds, whose prices and outcomes are known: are they right, and do they
say more than the books of makers who are late?

A world is a recording: a relay tells a price, windows of five minutes end one after the other, and
each has a book that stands around what the window was worth a little while ago. It is read as any
recording is (``bookfeed calibrate``).

``python -m bookfeed.scorecard.campaigns.polymarket_fair --seeds 6`` prints what they came to.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from random import Random
from typing import Any, Final

import orjson

from bookfeed._bookfeed import Engine
from bookfeed.catalogue.listing import ListedOutcome, Listing, Strike
from bookfeed.catalogue.news import MarketNews
from bookfeed.catalogue.regime import Regime
from bookfeed.catalogue.stored import news_text
from bookfeed.fair.estimates import Volatilities
from bookfeed.fair.recorded import Recorded
from bookfeed.fair.scores import Bucket, Forecast, Score, Tails, buckets, score
from bookfeed.market import Market, Outcome
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import RecordTuple
from bookfeed.sim.chance import seeded
from bookfeed.sim.polymarket import wire
from bookfeed.sim.polymarket.ladder import PIPS
from bookfeed.sim.polymarket_kalshi.btc.world import Slot, WindowClock, World
from bookfeed.sim.polymarket_kalshi.quotes import PolymarketQuoted

WINDOWS: Final = 24
LEFTS_S: Final = (120, 60, 30, 10)
OFF_MAX: Final = 0.03
NOISES_MAX: Final = 3.0
"""How far what came true may be from what was said in a bucket: so much, and so many of the
deviations that chance alone makes.
"""

_S: Final = 10**9
_MS: Final = 10**6
_T0_S: Final = 1_790_000_100
_LENGTH_S: Final = 300
_LEAD_S: Final = 600
"""Seconds before the first window, in which the volatility is learned."""
_RELAY_LATE_NS: Final = 1_400 * _MS
_MAKERS_LATE_S: Final = (2.0, 6.0)
_VOLATILITY: Final = Volatilities(half_life_s=150, step_s=5)
_SOURCE: Final = "https://data.chain.link/streams/btc-usd-twap-60s-streams"
_EDGE: Final = 200
"""No quote stands nearer to 0 or 1, in pips."""
_VENUE: Final = "polymarket"
_CONN, _RELAY_CONN = 0, 1


class _Records:
    """A recorder that keeps everything."""

    def __init__(self) -> None:
        self.kept: list[RecordTuple] = []

    def append(self, kind: int, ts: int, conn: int, epoch: int, payload: bytes) -> None:
        self.kept.append((kind, ts, conn, epoch, bytes(payload)))

    def poll(self, now_ns: int) -> None:
        """Nothing waits."""

    def close(self, timeout_s: float) -> None:
        """Nothing is open."""


class _Window:
    """One window: its listing, and its makers."""

    def __init__(self, world: World, slot: Slot, rng: Random) -> None:
        self.slot: Final = slot
        self.strike: Final = world.strike(slot)
        self._world, self._rng = world, rng
        self.quoted: Final = PolymarketQuoted(
            rng, slot.number, 5_000, valid_hashes=True, min_order_size="5"
        )
        symbols = [asset.asset_id for asset in self.quoted.assets]
        self.market: Final = Market(
            market=self.quoted.condition_id,
            outcomes=tuple(map(Outcome, ("Up", "Down"), symbols)),
            name=f"window {slot.number}",
            venue=_VENUE,
        )

    def listing(self, *, strike: bool, ended: bool) -> Listing:
        """As it is listed, with its strike, and with its outcome."""
        up = self._world.mean(self.slot.played_to_s) >= self.strike
        paid = [Decimal(int(up)), Decimal(int(not up))] if ended else [None, None]
        outcomes = tuple(
            ListedOutcome(one.name, one.symbol, payout)
            for one, payout in zip(self.market.outcomes, paid, strict=True)
        )
        told = Strike("greater_or_equal", Decimal(str(self.strike)), None)
        return Listing(
            venue=_VENUE,
            market=self.quoted.condition_id,
            slug=self.market.name,
            title=self.market.name,
            outcomes=outcomes,
            status="settled" if ended else "open",
            start_ts=self.slot.played_from_s * _S,
            close_ts=self.slot.played_to_s * _S,
            strike=told if strike else None,
            regime=Regime("mean", 60, _SOURCE),
        )

    def book(self, at_s: int) -> bytes:
        """Its book, as of what its makers know."""
        low, high = _MAKERS_LATE_S
        late_s = low + self._rng.random() * (high - low)
        worth = self._world.worth(self.strike, self.slot.played_to_s, at_s - late_s)
        self.quoted.fair = min(max(round(worth * 200) * 50, _EDGE), PIPS - _EDGE)
        self.quoted.quote(at_s * 1_000)
        first = self.quoted.assets[0]
        return f"[{wire.initial_book(first, self.quoted.terms)}]".encode()


def world_records(seed: int, windows: int = WINDOWS) -> list[RecordTuple]:
    """A world of so many windows, as a recording."""
    clock = WindowClock(_T0_S + _LENGTH_S, _T0_S + _LENGTH_S, _LENGTH_S)
    world = World(seed, clock, _T0_S - _LEAD_S)
    rng = seeded("fair world", seed)
    here = [_Window(world, clock.slot(number), rng) for number in range(windows)]
    recorder = _Records()
    inputs = EngineInput(Engine(), recorder)
    start_s = _T0_S - _LEAD_S
    inputs.relays.connected(_RELAY_CONN, "rtds", start_s * _S)
    inputs.connected(_CONN, _VENUE, start_s * _S)
    for second in range(start_s, _T0_S + windows * _LENGTH_S + 30):
        for one in here:
            _live(inputs, one, second)
        ts = second * _S + _RELAY_LATE_NS % _S
        told_s = second - _RELAY_LATE_NS // _S
        inputs.relays.ingest(_RELAY_CONN, _frame(world, told_s, ts), ts)
        inputs.advance((second + 1) * _S)
    return recorder.kept


def _live(inputs: EngineInput, one: _Window, second: int) -> None:
    """What happens to a window at a second."""
    slot, ts = one.slot, second * _S
    if second == slot.played_from_s - 5:
        _tell(inputs, one.listing(strike=False, ended=False), ts)
        inputs.subscribe(one.market, one.market.outcomes[0], _CONN, ts)
    elif second == slot.played_from_s + 5:
        _tell(inputs, one.listing(strike=True, ended=False), ts)
    elif second == slot.played_to_s + 20:
        _tell(inputs, one.listing(strike=True, ended=True), ts)
    if slot.played_from_s <= second < slot.played_to_s:
        inputs.ingest(_CONN, one.book(second), ts)


def _tell(inputs: EngineInput, listing: Listing, ts: int) -> None:
    inputs.market(news_text(MarketNews(kind="known", listing=listing)).encode(), ts)


def _frame(world: World, second: int, ts: int) -> bytes:
    value = world.latent.at(float(second))
    payload = {
        "symbol": "btc/usd",
        "timestamp": second * 1_000,
        "value": value,
        "full_accuracy_value": str(round(value * 10**9) * 10**9),
    }
    told = {"topic": "crypto_prices_chainlink", "type": "update", "timestamp": ts // _MS}
    return orjson.dumps(told | {"payload": payload})


def forecasts(seed: int) -> list[Forecast]:
    """What was said of the windows of a world: normal moves, as those of this world are but for
    jumps.
    """
    recorded = Recorded(world_records(seed), lefts_s=LEFTS_S, tails=Tails(), volatility=_VOLATILITY)
    made = recorded.run()
    if recorded.left_out or recorded.problems:
        raise RuntimeError(f"seed {seed}: {dict(recorded.left_out)} {recorded.problems}")
    return made


@dataclass(frozen=True)
class Worlds:
    """What some worlds came to."""

    fair: Score
    mid: Score
    """Of the mids of the same moments."""
    reliability: list[Bucket]

    def problems(self) -> list[str]:
        """What is not as it is asked."""
        found = [
            f"said {one.said:.2f}, came true {one.came_true:.2f} of {one.count}"
            for one in self.reliability
            if abs(one.came_true - one.said) > OFF_MAX + NOISES_MAX * one.noise
        ]
        if self.fair.brier >= self.mid.brier:
            found.append(f"Brier score {self.fair.brier:.4f}, of mids {self.mid.brier:.4f}")
        return found


def came_to(made: Sequence[Forecast]) -> Worlds:
    """Of all forecasts together; each must have a mid beside it."""
    fair = score([(one.said, one.yes) for one in made])
    mid = score([(one.mid, one.yes) for one in made if one.mid is not None])
    if fair is None or mid is None or mid.count != fair.count:
        raise RuntimeError("a forecast lacks the mid of its market's book")
    # In fifths: worlds have few forecasts in the middle.
    return Worlds(fair, mid, buckets([(one.said, one.yes) for one in made], 5))


FAIR: Final = (forecasts, came_to)
"""What row V2 of the scorecard plays, and sums up."""


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first", type=int, default=1)
    options = parser.parse_args(argv)
    made = [
        one
        for seed in range(options.first, options.first + options.seeds)
        for one in forecasts(seed)
    ]
    worlds = came_to(made)
    problems = worlds.problems()
    told: dict[str, Any] = {"problems": problems, **asdict(worlds)}
    print(json.dumps(told))
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
