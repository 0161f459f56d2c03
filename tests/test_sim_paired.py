"""Two simulated venues in one process: what readers see, who follows whom, what can be earned."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from kalshi_reader import KalshiReader
from test_sim_kalshi_server import signed
from waiting import PATIENCE_S, until
from websockets.asyncio.client import ClientConnection, connect

from bookfeed.sim.polymarket.venue import SimVenue
from bookfeed.sim.polymarket_kalshi import (
    PairedConfig,
    PairedServer,
    QuotedKalshiServer,
    ready,
    serve,
)
from bookfeed.sim.polymarket_kalshi.listing import combinations
from bookfeed.sim.polymarket_kalshi.makers import Makers, PairMakers
from bookfeed.sim.polymarket_kalshi.truth import Leg, Offer, worth
from bookfeed.sim.polymarket_kalshi.twovenue import taker_fees

START_MS = 1_790_000_000_000
ONE = Decimal(1)
PIP = Decimal("0.0001")


@asynccontextmanager
async def simulator(**settings: Any) -> AsyncIterator[PairedServer]:
    server = await serve(PairedConfig(**{"rest": False, "markets": 2, **settings}))
    try:
        yield server
    finally:
        await server.close()


async def test_windows_are_beside_the_markets_that_belong_together_and_end() -> None:
    plain, server = (PairedServer(PairedConfig(markets=2, windows=n)) for n in (0, 3))
    with_windows = server.windows
    assert plain.windows is None and with_windows is not None
    await server.start()
    try:
        told = ready(server)
        # The same markets with windows and without, and a pair of each.
        conditions = [market["market"] for market in told["polymarket"]["markets"]]
        assert conditions == [one.spec.condition_id for one in plain.polymarket.venue.markets]
        assert [pair["market"] for pair in told["pairs"]] == conditions
        assert told["series"] == ["btc-updown-5m", "eth-updown-5m"]
        ahead_s, events = told["ahead_s"], with_windows.gamma.events
        starts = [int(event["slug"].rpartition("-")[2]) for event in events]
        assert [event["slug"][:13] for event in events] == told["series"] * 3
        assert starts == sorted(starts) and {start % 300 for start in starts} == {0}
        # The first ones are on by their clock, and end within a minute.
        assert 0 < starts[0] + 300 - (time.time() + ahead_s) <= 60
        listed = {market["conditionId"] for event in events for market in event["markets"]}
        assert listed == {m.spec.condition_id for m in server.polymarket.venue.markets[2:]}
    finally:
        await server.close()


async def test_a_window_that_is_over_is_settled_as_its_prices_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bookfeed.sim.polymarket_kalshi.windows._FIRST_ENDS_AFTER_S", 1)
    monkeypatch.setattr("bookfeed.sim.polymarket_kalshi.windows._SETTLED_AFTER_S", 0)
    async with simulator(windows=2) as server:
        assert server.windows is not None
        over, following = server.windows.gamma.events[0], server.windows.gamma.events[2]
        await until(lambda: over["closed"])
        metadata = over["eventMetadata"]
        market = server.polymarket.venue.markets[2]
        up = metadata["finalPrice"] >= metadata["priceToBeat"]
        assert (market.active, market.winner) == (False, 0 if up else 1)
        assert not following["closed"]


class PolymarketReader:
    """Books of decimals from frames, taken at their word."""

    def __init__(self) -> None:
        self.books: dict[str, dict[str, dict[Decimal, Decimal]]] = {}
        self.changes = 0

    def take(self, text: str | bytes) -> None:
        told = json.loads(text)
        for message in told if isinstance(told, list) else [told]:
            if message.get("event_type") == "book":
                self.books[message["asset_id"]] = {
                    side: {Decimal(one["price"]): Decimal(one["size"]) for one in message[side]}
                    for side in ("bids", "asks")
                }
            for change in message.get("price_changes", ()):
                self.changes += 1
                side = "bids" if change["side"] == "BUY" else "asks"
                levels = self.books[change["asset_id"]][side]
                levels[Decimal(change["price"])] = Decimal(change["size"])
                if not levels[Decimal(change["price"])]:
                    del levels[Decimal(change["price"])]

    def sides(self, asset: str) -> tuple[list[tuple[Decimal, Decimal]], ...]:
        """Bids and asks, best first."""
        bids, asks = self.books[asset]["bids"], self.books[asset]["asks"]
        return sorted(bids.items(), reverse=True), sorted(asks.items())


async def read(ws: ClientConnection, take: Any) -> None:
    """Takes frames until the venue closes the connection."""
    async for frame in ws:
        take(frame)


def as_e9(levels: list[tuple[Decimal, Decimal]]) -> list[tuple[int, int]]:
    return [(int(price * 10**9), int(qty * 10**8)) for price, qty in levels]


async def test_what_readers_see_is_the_truth_of_either_venue() -> None:
    async with simulator(rate=600, apart_every_s=0.5) as server:
        here, there = server.kalshi, server.polymarket
        assert here.key
        tickers = list(here.venue.by_ticker)
        assets = [asset for market in there.markets for asset in market.asset_ids]
        ours, theirs = KalshiReader(use_yes_price=True), PolymarketReader()
        async with (
            connect(there.url, max_size=1 << 24, close_timeout=0.2) as one,
            connect(here.url, additional_headers=signed(here.key), close_timeout=0.2) as two,
        ):
            await one.send(json.dumps({"type": "market", "assets_ids": assets}))
            params = {"channels": ["orderbook_delta"], "market_tickers": tickers}
            subscribe = {"id": 1, "cmd": "subscribe", "params": {**params, "use_yes_price": True}}
            await two.send(json.dumps(subscribe))
            readers = [
                asyncio.create_task(read(one, theirs.take)),
                asyncio.create_task(read(two, ours.take)),
            ]
            await until(lambda: ours.kinds["orderbook_delta"] > 200 and theirs.changes > 200)
            for venue in (there, here):
                await venue.stop_markets()
            # What is under way is behind the goodbye of the connection.
            for venue in (there, here):
                await venue.close()
            await asyncio.gather(*readers)
        assert not ours.gaps and not ours.negative
        for ticker in tickers:
            bids, asks = ours.sides(ticker)
            assert here.truth.matches(ticker, as_e9(bids), as_e9(asks)), ticker
        for asset in assets:
            bids, asks = theirs.sides(asset)
            assert there.truth.matches(asset, as_e9(bids), as_e9(asks)), asset


# Under a clock of the test's own, without sockets.


class Run:
    """Both venues stepping in turn, a millisecond at a time."""

    def __init__(self, **settings: Any) -> None:
        self.config = PairedConfig(markets=3, unmirrored=1, **settings)
        self.there = SimVenue(self.config.polymarket(), START_MS)
        self.here = QuotedKalshiServer(self.config, self.there.markets, START_MS)
        self.here.followed = self.here.venue.markets

    def times(self, seconds: float) -> Iterator[int]:
        """Lets everybody act; yields after each millisecond in which the makers had their turn."""
        for now_ms in range(START_MS, START_MS + int(seconds * 1000)):
            steps = now_ms % 3 == 0
            self.there.due(now_ms)
            if steps:
                self.there.step(now_ms)
            self.here.turn(now_ms, now_ms, steps)
            yield now_ms

    def offers(self, makers: Makers, legs: tuple[Leg, ...]) -> list[Offer]:
        quoted = {one.market.spec.ticker: one for one in makers.quoted}
        found = []
        for leg in legs:
            if leg.venue == "kalshi":
                asks = quoted[leg.symbol].asks(0 if leg.outcome == "yes" else 1)
            else:
                assert isinstance(makers, PairMakers)
                asset = makers.market.assets[0]
                rungs = asset.asks if leg.outcome == "yes" else asset.bids
                asks = [
                    (ONE - price * PIP, Decimal(size) / 10**6)
                    for price, size in reversed(rungs.levels().items())
                ]
            found.append(Offer(asks, ONE))
        return found

    def bundles(self, makers: Makers) -> list[tuple[tuple[Leg, ...], Decimal]]:
        """Everything that pays a fixed sum: legs, and what they pay."""
        if isinstance(makers, PairMakers):
            token, ticker = makers.market.assets[0].asset_id, makers.quoted[0].market.spec.ticker
            return [
                ((Leg("polymarket", token), Leg("kalshi", ticker, "no")), ONE),
                ((Leg("polymarket", token, "no"), Leg("kalshi", ticker)), ONE),
            ]
        event = self.here.venue.events[makers.quoted[0].market.spec.event_ticker]
        found = combinations({makers.shape: event}, {}, lambda _: False)[makers.shape]
        return [(one.legs, one.payoff) for one in found]

    def earned(self, makers: Makers) -> Decimal:
        """What the best bundle earns now, after fees."""
        return max(
            worth(legs, self.offers(makers, legs), payoff, taker_fees)[1]
            for legs, payoff in self.bundles(makers)
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_there_is_something_to_be_earned_while_quotes_stand_apart_and_only_then(seed: int) -> None:
    run = Run(seed=seed, apart_every_s=1.0)
    looked = {True: 0, False: 0}
    for now_ms in run.times(12):
        if now_ms % 20:
            continue
        for makers in run.here.makers:
            assert (run.earned(makers) > 0) == makers.apart, (makers.name, now_ms)
            looked[makers.apart] += 1
    assert min(looked.values()) > 300
    for makers in run.here.makers:
        assert makers.history, makers.name
        for one in makers.history:
            assert 300 <= one.end_ms - one.start_ms <= 2_001


def test_a_pair_stays_together_but_for_these_times() -> None:
    run = Run(seed=3)
    pairs = [makers for makers in run.here.makers if isinstance(makers, PairMakers)]
    apart = set()
    moves = {makers.name: {makers.quoted[0].fair} for makers in pairs}
    for _ in run.times(12):
        for makers in pairs:
            asset, (quoted,) = makers.market.assets[0], makers.quoted
            bid, ask = quoted.market.book[0].best, 10_000 - quoted.market.book[1].best
            mids = (asset.best_bid + asset.best_ask, bid + ask)
            if makers.apart:
                apart.add(makers.name)
                assert abs(mids[0] - mids[1]) > 600
            else:
                assert abs(mids[0] - mids[1]) <= 200
                moves[makers.name].add(quoted.fair)
    assert len(apart) == len(pairs)
    assert all(len(fairs) > 10 for fairs in moves.values())


def test_no_pair_stands_apart_before_it_was_seen_to_agree() -> None:
    run = Run(seed=4, apart_every_s=0.01)
    before: dict[str, set[int]] = {}
    for _ in run.times(3):
        for makers in run.here.makers:
            if isinstance(makers, PairMakers) and not makers.history and not makers.apart:
                before.setdefault(makers.name, set()).add(makers.quoted[0].fair)
    assert [len(fairs) >= 4 for fairs in before.values()] == [True] * 3


def test_the_same_seed_gives_the_same_markets_and_the_same_times() -> None:
    runs = [Run(seed=seed) for seed in (5, 5, 6)]
    for run in runs:
        for _ in run.times(8):
            pass
    told = [[makers.history for makers in run.here.makers] for run in runs]
    assert told[0] == told[1] != told[2]
    books = [
        [quoted.market.levels() for makers in run.here.makers for quoted in makers.quoted]
        for run in runs
    ]
    assert books[0] == books[1] != books[2]


@pytest.mark.parametrize(
    "settings", [{"apart_every_s": 0.0}, {"markets": 0}, {"unmirrored": 5}, {"rate": -1.0}]
)
def test_what_cannot_be_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w+ must be"):
        PairedConfig(**settings)


async def test_what_a_client_is_told() -> None:
    async with simulator(markets=3) as server:
        told = ready(server)
    there, here = told["polymarket"], told["kalshi"]
    listed = {market["ticker"]: market for market in here["markets"]}
    assert [pair["market"] for pair in told["pairs"]] == [one["market"] for one in there["markets"]]
    bundles = [*told["pairs"], *told["baskets"], *told["ladders"]]
    assert [len(one["tickers"]) for one in bundles] == [1, 1, 1, 3, 3]
    assert {ticker for one in bundles for ticker in one["tickers"]} == set(listed)
    assert told["baskets"][0]["exhaustive"] is True
    strikes = [listed[ticker]["floor_strike"] for ticker in told["ladders"][0]["tickers"]]
    assert strikes == sorted(strikes)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert all(one["open_time"] < now < one["close_time"] for one in listed.values())


# The command.

COMMAND = [sys.executable, "-m", "bookfeed", "sim", "-q", "--venue", "both"]


def test_the_command_prints_a_ready_line_and_ends_with_its_parent() -> None:
    command = [*COMMAND, "--markets", "2", "--unmirrored", "1", "--exit-with-parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        told = json.loads(process.stdout.readline())
        assert told["venue"] == "both"
        for venue, path in (("polymarket", "/ws/market"), ("kalshi", "/trade-api/ws/v2")):
            assert told[venue]["ws"].startswith("ws://127.0.0.1:")
            assert told[venue]["ws"].endswith(path)
        assert told["kalshi"]["private_key"].startswith("-----BEGIN PRIVATE KEY-----")
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("flag", [("--port", "1"), ("--rest-port", "1"), ("--fault", "drop@5")])
def test_what_two_venues_cannot_do_is_named(flag: tuple[str, str]) -> None:
    done = subprocess.run([*COMMAND, *flag], capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout) == (2, "")
    assert flag[0] in done.stderr
