"""Each market by its own rule: candles and the trades they are made of, indices that a venue passes
on, means that a relay tells and that decide, and why the others have no terms.
"""

import json
from dataclasses import replace
from typing import Any, Final

import pytest
from audit_journals import audited
from test_settling import E18, END, INDEXED, STREAM, T0, UP_DOWN, S, World, struck

from bookfeed import Market, Outcome
from bookfeed.catalogue.listing import Listing
from bookfeed.catalogue.regime import Regime
from bookfeed.feed.question import Question, question_of
from bookfeed.feed.settling import INDEX_DOUBT_PPM
from bookfeed.feed.worth import reference_of
from bookfeed.recordings.kinds import Kind
from bookfeed.records.points import PricePoint

MS: Final = 10**6
FUTURES: Final = "https://www.binance.com/en/futures/HYPEUSDT"
PAIR: Final = "https://www.binance.com/en/trade/BTC_USDT"
HOUR: Final = replace(
    UP_DOWN, slug="bitcoin-up-or-down", close_ts=T0 + 3_600 * S,
    regime=Regime("candle", None, PAIR),
    rules='Up if the close is at least the open of the BTC/USDT 1 hour candle.',
)  # fmt: skip
DAY: Final = replace(
    HOUR, close_ts=T0 + 86_400 * S,
    rules='By the "Close" of the Binance 1 minute candle for BTC/USDT at noon. If they are equal, '
    "this market resolves 50-50.",
)  # fmt: skip
MEANS: Final = "btcusd mean 60"


def asked(listing: Listing) -> Question:
    found = question_of(listing)
    assert isinstance(found, Question), found
    return found


def test_an_hour_is_its_own_candle_and_a_day_ends_with_the_minute_of_noon() -> None:
    hour, day = asked(HOUR), asked(DAY)
    assert hour.reference == day.reference == "binance:btcusdt"
    assert (hour.measured.opening, hour.measured.kind, hour.tie) == ("first", "last", "yes")
    assert (day.measured.opening, day.measured.kind, day.tie) == ("last", "last", "half")
    assert (hour.after_ns, day.after_ns) == (0, 60 * S)
    assert asked(replace(HOUR, rules='The relevant "1H" candle of BTC/USDT.')).tie == "yes"
    world = World()
    world.settling.look(DAY)
    (terms,) = world.stated()
    assert (terms["start_ts"], terms["end_ts"]) == (T0 + 60 * S, T0 + 86_460 * S)
    assert (terms["opening"], terms["closing"], terms["tie"]) == ("last", "last", "half")
    assert terms["reference"] == "told binance:btcusdt", "nobody follows the book of the pair"
    assert "decided_by" not in terms


def test_a_candle_that_a_relay_tells_second_by_second_may_be_off() -> None:
    world = World()
    world.settling.look(struck(HOUR, "84000"))
    (terms,) = world.stated()
    assert float(terms["reference_doubt"]) == pytest.approx(84_000 * INDEX_DOUBT_PPM / 1e6)
    world = World()
    world.trades = "trades binance BTCUSDT"
    world.settling.look(struck(HOUR, "84000"))
    (terms,) = world.stated()
    assert (terms["reference"], "reference_doubt" in terms) == ("trades binance BTCUSDT", False)


@pytest.mark.parametrize(
    ("listing", "why"),
    [
        (replace(HOUR, rules="Up or down."), "does not say of which candle"),
        (replace(HOUR, rules="A 1 hour candle. A 1 minute candle."), "of which candle"),
        (replace(HOUR, close_ts=END), "do not fit"),
        (replace(DAY, close_ts=T0 + 3_600 * S), "do not fit"),
        (
            replace(HOUR, regime=Regime("candle", None, FUTURES)),
            "Binance's futures",
        ),
        (replace(INDEXED, event="KXGOLD15M-X", regime=Regime("candle", None, "Pyth")), "of Pyth"),
        (replace(INDEXED, event="KXOTHER-X"), "computed here: CF Benchmarks"),
        (replace(INDEXED, event="KXOTHER-X", regime=Regime("mean", 60, "")), "does not name"),
    ],
)  # fmt: skip
def test_why_there_are_no_terms(listing: Listing, why: str) -> None:
    found = question_of(listing)
    assert isinstance(found, str) and why in found


def test_an_index_that_is_not_estimated_is_what_its_venue_passes_on() -> None:
    doge = struck(replace(INDEXED, event="KXDOGE15M-X", series="KXDOGE15M"), "0.25")
    world = World()
    world.settling.look(doge)
    (terms,) = world.stated()
    assert (terms["reference"], terms["closing"]) == ("venue DOGEUSD_RTI", "mean")
    assert asked(INDEXED).reference == "index:BTC"


# The trades of candles.


class Trades(World):
    """An hour whose reference is made of trades of Binance, which are told one by one."""

    def __init__(self, listing: Listing) -> None:
        super().__init__(half_life_ms=5_000, step_ms=1_000)
        self.trades = "trades binance BTCUSDT"
        self.inputs.connected(1, "binance", self.ts)
        pair = Market(market="BTC-USDT", outcomes=(Outcome("spot", "BTCUSDT"),), venue="binance")
        self.inputs.subscribe(pair, pair.outcomes[0], 1, self.ts)
        self.settling.look(listing)
        self.id = 100

    def trade(self, at: int, price: str) -> None:
        self.id += 1
        self.ts = at + 50 * MS
        told = {
            "e": "trade", "E": at // MS, "s": "BTCUSDT", "t": self.id, "p": price, "q": "0.1",
            "T": at // MS, "m": False,
        }  # fmt: skip
        self.inputs.ingest(1, json.dumps(told).encode(), self.ts)

    @property
    def window(self) -> Any:
        (one,) = self.settling.stated.values()
        return self.inputs.engine.window(one.instrument)


def test_an_hour_opens_with_its_first_trade_and_closes_with_its_last() -> None:
    world, end = Trades(HOUR), T0 + 3_600 * S
    for at, price in [
        (T0 - 1 * S, "1"), (T0 - 1 * MS, "2"), (T0, "84000"), (T0, "84005"), (T0 + 5 * S, "83000"),
    ]:  # fmt: skip
        world.trade(at, price)
    assert world.window.strike_e18 == 84_000 * E18
    # One order takes several levels in one millisecond: the last of them closes the candle.
    for at, price in [(end - 1 * MS, "83999"), (end - 1 * MS, "84000"), (end, "1")]:
        world.trade(at, price)
    assert (world.window.closing_e18, world.window.outcome) == (84_000 * E18, "yes")
    assert audited(world.tape.records, {}).findings == []


@pytest.mark.parametrize("lost_at", ["start", "end"])
def test_trades_that_were_lost_around_a_boundary_leave_it_unknown(lost_at: str) -> None:
    world, end = Trades(HOUR), T0 + 3_600 * S
    world.trade(T0 - 2 * S, "84000")
    world.trade(T0 - 1 * S, "84000")
    world.id += lost_at == "start"
    world.trade(T0 + 1 * S, "84000")
    world.id += 7  # in the middle of the hour nothing depends on it
    world.trade(T0 + 9 * S, "84000")
    world.trade(end - 1 * S, "84000")
    world.id += lost_at == "end"
    world.trade(end + 1 * S, "84000")
    assert world.window.outcome == "unknown"
    read = [world.window.opening_e18, world.window.closing_e18]
    assert read == ([None, 84_000 * E18] if lost_at == "start" else [84_000 * E18, None])


# Means that a relay tells.


def hear(world: World) -> None:
    """The seconds around both ends of a window: their means are 84002 and 84003."""
    for second in (*range(-70, 5), *range(830, 905)):
        price = 84_000 + second % 5 + (second > 100)
        world.ts = T0 + second * S
        world.settling.hear("btcusd", T0 + second * S, price * E18)


@pytest.mark.parametrize("told_first", [False, True])
def test_what_a_relay_tells_of_a_boundary_decides_it(told_first: bool) -> None:
    world = World(half_life_ms=5_000, step_ms=1_000)
    world.settling.look(UP_DOWN)
    if told_first:
        world.settling.hear(MEANS, T0, 84_003 * E18 + E18 // 1_000)
    hear(world)
    (stated,) = world.settling.stated.values()
    window = world.inputs.engine.window(stated.instrument)
    assert window is not None and (window.outcome == "yes") is not told_first
    assert (window.opening_told, window.closing_told) == (told_first, False)
    # A mean of another second says nothing, that of the very end is the value.
    world.settling.hear(MEANS, END - 1 * S, 1)
    world.settling.hear(MEANS, END, 84_001_999_999_999_999_999_999)
    world.settling.hear("btcusd", END + 10 * S, 84_000 * E18)
    window = world.inputs.engine.window(stated.instrument)
    assert window is not None and window.outcome == "no" and window.closing_told
    assert window.closing_e18 == 84_001_999_999_999_999_999_999
    fair = world.inputs.engine.fair_value(stated.instrument)
    assert fair is not None and fair.price == 0
    assert audited(world.tape.records, {}).findings == []


def test_means_that_were_told_before_there_were_terms_count() -> None:
    world = World()
    world.settling.hear(MEANS, T0, 84_123 * E18)
    world.settling.look(UP_DOWN)
    (stated,) = world.settling.stated.values()
    window = world.inputs.engine.window(stated.instrument)
    assert window is not None and window.strike_e18 == 84_123 * E18 and window.opening_told


def test_an_index_and_a_plain_price_are_decided_by_no_means() -> None:
    world = World()
    world.settling.look(struck(INDEXED, "84000"))
    world.settling.look(replace(UP_DOWN, regime=Regime("price", None, STREAM)))
    assert all("decided_by" not in one for one in world.stated(Kind.TERMS))


@pytest.mark.parametrize(
    ("symbol", "origin", "window_s", "name"),
    [
        ("btc/usd", "chainlink", None, "btcusd"),
        ("btc/usd", "chainlink", 60, MEANS),
        ("btcusd", "pyth", None, "pyth:btcusd"),
        ("btcusdt", "binance", None, "binance:btcusdt"),
    ],
)
def test_what_prices_of_relays_are_called(
    symbol: str, origin: str, window_s: int | None, name: str
) -> None:
    point = PricePoint(
        topic="t", symbol=symbol, value_e18=1, price_e9=1, ts_event=1, ts_recv=1, ts_sent=None,
        ts_source=None, window_s=window_s, origin=origin, market_status="", conn=0, backfill=False,
        exact=True, rounded=False, carried=False, revised=False,
    )  # fmt: skip
    assert reference_of(point) == name
