"""Pairs of rolling series: which windows are watched together, when, and what is said of them."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bookfeed.catalogue.listing import ListedOutcome, Listing, Strike
from bookfeed.catalogue.regime import Regime
from bookfeed.catalogue.series import Series
from bookfeed.errors import CatalogueError
from bookfeed.feed.series_pairs import NOT_KNOWN, STRIKE_S, SeriesPairs
from bookfeed.feed.windows import Followed, Held
from bookfeed.rules.pairs import Pair, SeriesPair

S = 1_000_000_000
NAMES = ("btc-updown-15m", "KXBTC15M")
PAIR = SeriesPair(name="BTC quarter", series=NAMES, min_edge="0.01")
TWAP = "https://data.chain.link/streams/btc-usd-twap-60s-streams"
START = Series("KXBTC15M").window(1_795_856_400 * S).start_ts


class Feed:
    """Keeps what it is told of rules."""

    def __init__(self) -> None:
        self.rules: dict[int, Pair] = {}
        self.told: list[tuple[int, Mapping[str, Any]]] = []
        self._given = 0

    async def add_pair(self, pair: Pair) -> int:
        self._given += 1
        self.rules[self._given] = pair
        return self._given

    async def describe_rule(self, number: int, about: Mapping[str, Any]) -> None:
        if number not in self.rules:
            raise KeyError(number)
        self.told.append((number, about))

    async def remove_rule(self, number: int) -> None:
        del self.rules[number]


class World:
    """Two series, none of whose windows are followed yet."""

    def __init__(self, *pairs: SeriesPair) -> None:
        self.feed = Feed()
        self.series = {name: Followed(Series(name)) for name in NAMES}
        self.pairs = SeriesPairs(
            self.feed,  # type: ignore[arg-type]
            list(self.series.values()),
            pairs or (PAIR,),
        )

    def come(self, name: str, at: int = START, **listed: Any) -> Held:
        one = self.series[name]
        window = one.series.window(at)
        if name == "KXBTC15M":
            outcomes: tuple[ListedOutcome, ...] = (ListedOutcome("Yes", window.market or ""),)
            source = "BRTI"
        else:
            outcomes = (ListedOutcome("Up", f"{at}1"), ListedOutcome("Down", f"{at}2"))
            source = TWAP
        listing = Listing(
            venue=one.series.venue,
            market=window.event,
            slug=window.event,
            title="BTC price up in next 15 mins?",
            outcomes=outcomes,
            status="open",
            regime=Regime("mean", 60, source),
        )
        held = Held(window, (replace(listing, **listed),), [])
        one.windows[window.end_ts] = held
        return held

    def go(self, name: str) -> None:
        self.series[name].windows.clear()


async def test_windows_that_begin_and_end_together_are_watched_while_both_are_there() -> None:
    world = World()
    world.come("btc-updown-15m")
    await world.pairs.look()
    assert world.feed.rules == {}
    world.come("KXBTC15M")
    for _ in range(2):
        await world.pairs.look()
    (pair,) = world.feed.rules.values()
    assert (pair.name, pair.min_edge) == ("BTC quarter", "0.01")
    assert [(leg.venue, leg.outcome, leg.polarity) for leg in pair.leg] == [
        ("polymarket", "Up", "same"),
        ("kalshi", "yes", "same"),
    ]
    basis = pair.basis()
    assert f"mean of 60 s, {TWAP}" in basis[0] and "BRTI" in basis[0]
    assert pair.leg[0].strike == NOT_KNOWN
    world.come("btc-updown-15m", START + 900 * S)
    world.come("KXBTC15M", START + 900 * S)
    await world.pairs.look()
    assert len(world.feed.rules) == 2
    world.go("KXBTC15M")
    await world.pairs.look()
    assert world.feed.rules == {}


async def test_sides_of_two_references_are_a_gap_or_are_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    struck = {"strike": Strike("greater_or_equal", Decimal("85000.1"), None)}
    for gap, kind, warned in ((None, "box", 1), ("5", "strike_gap", 0)):
        caplog.clear()
        world = World(replace(PAIR, reference_sd=gap))
        for at in (START, START + 900 * S):
            world.come("btc-updown-15m", at, **struck)
            world.come("KXBTC15M", at, **struck)
        for _ in range(2):
            await world.pairs.look()
        rules = [pair.rule() for pair in world.feed.rules.values()]
        assert [rule.kind for rule in rules] == [kind] * 2
        assert caplog.text.count("both may lose") == warned
        assert ("state reference_sd" in caplog.text) is (gap is None)
    # One reference decides both: then it is a box.
    caplog.clear()
    world = World()
    same = Regime("mean", 60, "BRTI")
    world.come("btc-updown-15m", regime=same)
    world.come("KXBTC15M", regime=same)
    await world.pairs.look()
    assert len(world.feed.rules) == 1 and "both may lose" not in caplog.text


async def test_a_strike_is_asked_for_after_the_start_and_told_when_it_is_known() -> None:
    world = World()
    held = world.come("btc-updown-15m")
    world.come("KXBTC15M", strike=Strike("greater_or_equal", Decimal("85000.1"), None))
    await world.pairs.look()
    one, other = world.series.values()
    wait_ns = round(STRIKE_S * S)
    assert list(world.pairs.without_strike(one, START + wait_ns - 1)) == []
    assert list(world.pairs.without_strike(one, START + wait_ns)) == [held]
    assert list(world.pairs.without_strike(other, START + wait_ns)) == []
    held.asked_ns = START + wait_ns
    assert list(world.pairs.without_strike(one, START + 2 * wait_ns - 1)) == []
    known = Strike("greater_or_equal", Decimal("85002.5"), None)
    held.listings = (replace(held.listings[0], strike=known),)
    assert list(world.pairs.without_strike(one, START + 9 * wait_ns)) == []
    for _ in range(2):
        await world.pairs.look()
    ((number, about),) = world.feed.told
    assert number in world.feed.rules
    assert 'strike "85002.5" (polymarket), "85000.1" (kalshi)' in about["basis"]


async def test_a_rule_that_somebody_removed_is_let_go_of() -> None:
    world = World()
    held = world.come("btc-updown-15m")
    world.come("KXBTC15M")
    await world.pairs.look()
    world.feed.rules.clear()
    known = Strike("greater_or_equal", Decimal(1), None)
    held.listings = (replace(held.listings[0], strike=known),)
    await world.pairs.look()
    world.go("KXBTC15M")
    await world.pairs.look()
    assert world.feed.rules == {}


async def test_what_goes_down_and_what_is_about_something_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    outcomes = (ListedOutcome("Down", "2"), ListedOutcome("Up", "1"))
    world.come("btc-updown-15m", outcomes=outcomes)
    world.come("KXBTC15M")
    await world.pairs.look()
    (pair,) = world.feed.rules.values()
    assert [leg.polarity for leg in pair.leg] == ["inverted", "same"]
    later = START + 900 * S
    world.come("btc-updown-15m", later, title="Bitcoin above $85,000?")
    world.come("KXBTC15M", later)
    for _ in range(2):
        await world.pairs.look()
    assert len(world.feed.rules) == 1
    assert caplog.text.count("is not about going up") == 1


def test_both_series_must_be_followed_and_fit() -> None:
    other = SeriesPair(name="x", series=("btc-updown-15m", "KXETH15M"))
    with pytest.raises(CatalogueError, match="one asset and one length"):
        World(other)
    with pytest.raises(CatalogueError, match="series eth-updown-15m is not followed"):
        World(SeriesPair(name="x", series=("eth-updown-15m", "KXETH15M")))
