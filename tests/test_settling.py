"""Terms that follow from listings: what is stated of which contract and when, of a relay's prices
and of an index, in windows that take their time and in hasty ones; and all of it on an open feed.
"""

import json
import logging
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pytest
from audit_journals import Tape, audited
from waiting import until

from bookfeed import Feed, Market, Outcome, SettlementTerms, replay
from bookfeed._bookfeed import Engine
from bookfeed.catalogue.listing import ListedOutcome, Listing, Strike
from bookfeed.catalogue.regime import Regime
from bookfeed.config import parse
from bookfeed.errors import ConfigError
from bookfeed.feed.question import Question, bounds_of
from bookfeed.feed.settling import INDEX_DOUBT_PPM, KEPT_MAX, KEPT_NS, VALUES_MAX, Settling
from bookfeed.feed.worth import reference_of
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.pace import Pace
from bookfeed.records.points import PricePoint
from bookfeed.sim.polymarket import rtds
from bookfeed.sim.relay_server import RelaySimConfig
from bookfeed.venues import Endpoint
from bookfeed.venues.coinbase import coinbase
from bookfeed.venues.kalshi import kalshi
from bookfeed.venues.polymarket import polymarket

S: Final = 10**9
E18: Final = 10**18
T0: Final = 1_790_000_100 * S
END: Final = T0 + 900 * S
STREAM: Final = "https://data.chain.link/streams/btc-usd"

UP_DOWN: Final = Listing(
    venue="polymarket", market="0xab", slug="btc-updown-15m-1", title="Bitcoin Up or Down",
    outcomes=(ListedOutcome("Up", "11"), ListedOutcome("Down", "22")), status="open", start_ts=T0,
    close_ts=END, regime=Regime("mean", 60, f"{STREAM}-twap-60s-streams"),
)  # fmt: skip
INDEXED: Final = Listing(
    venue="kalshi", market="KXBTC15M-X", slug="KXBTC15M-X", title="BTC up?", event="KXBTC15M-X",
    series="KXBTC15M", outcomes=(ListedOutcome("Yes", "KXBTC15M-X"),), status="open", open_ts=T0,
    close_ts=END, regime=Regime("mean", 60, "CF Benchmarks"),
)  # fmt: skip


def struck(
    listing: Listing, floor: str | None, cap: str | None = None, kind: str = "greater_or_equal"
) -> Listing:
    bounds = [None if one is None else Decimal(one) for one in (floor, cap)]
    return replace(listing, strike=Strike(kind, *bounds))


class World:
    """An engine with a book for every contract, unless it is said otherwise."""

    def __init__(self, **params: object) -> None:
        self.tape = Tape()
        self.inputs = EngineInput(Engine(), self.tape)
        self.ts = T0 - 600 * S
        self.index: str | None = "index btc"
        self.trades: str | None = None
        self.pace: Pace | None = None
        self.bookless = False
        self.settling = Settling(
            self.inputs, lambda: self.ts, book=self._book, index=lambda _: self.index,
            pace=lambda: self.pace, params=params, trades=lambda _: self.trades,
        )  # fmt: skip

    def _book(self, question: Question) -> int | None:
        if self.bookless:
            return None
        venue, symbol = question.key[0], question.symbol
        found = self.inputs.engine.instrument(venue, symbol)
        if found is None:
            market = Market(market=question.key[1], outcomes=(Outcome("Up", symbol),), venue=venue)
            found = self.inputs.subscribe(market, market.outcomes[0], len(venue), self.ts)
        return found

    def stated(self, kind: Kind = Kind.TERMS) -> list[dict[str, Any]]:
        found = [json.loads(payload) for one, *_, payload in self.tape.records if one == kind]
        return [one["params"] for one in found] if kind == Kind.TERMS else found


def test_a_window_on_a_relays_price_asks_its_own_question() -> None:
    world = World()
    world.settling.look(UP_DOWN)
    (terms,) = world.stated()
    assert terms == {
        "reference": "told btcusd", "start_ts": T0, "end_ts": END, "opening": "mean",
        "closing": "mean", "samples": 60, "endpoints": "end", "tie": "yes",
        "decided_by": "told btcusd mean 60",
    }  # fmt: skip
    # Its strike is told as soon as it is known, and again where the venue corrects it.
    for strike in ("84000.123456789012345678", "84000.123456789012345678", "84001"):
        world.settling.look(struck(UP_DOWN, strike))
    assert [one["strike_e18"] for one in world.stated(Kind.STRIKE)] == [
        84_000_123_456_789_012_345_678, 84_001 * E18,
    ]  # fmt: skip
    assert len(world.stated()) == 1, "the terms stand"
    moved = struck(replace(UP_DOWN, close_ts=END + 60 * S), "84001")
    world.settling.look(moved)
    assert world.stated()[1]["end_ts"] == END + 60 * S
    assert len(world.stated(Kind.STRIKE)) == 3, "and terms that are stated anew have the strike"


def test_a_contract_with_a_strike_waits_for_it() -> None:
    world = World()
    world.settling.look(INDEXED)
    assert not world.stated() and "strike" in next(iter(world.settling.why_not.values()))
    world.settling.look(struck(INDEXED, "84000.5"))
    world.settling.look(struck(INDEXED, "84000.5"))
    (terms,) = world.stated()
    assert not world.settling.why_not
    # The mean is rounded to a cent before it is compared.
    assert (terms["reference"], terms["at_least"]) == ("index btc", "84000.495")
    assert terms["endpoints"] == "start" and "below" not in terms
    # An index that is estimated may be off.
    assert float(terms["reference_doubt"]) == pytest.approx(84_000.5 * INDEX_DOUBT_PPM / 1e6)
    world.settling.look(struck(INDEXED, "83000", "83999.99", "between"))
    assert (world.stated()[1]["at_least"], world.stated()[1]["below"]) == ("82999.995", "83999.995")
    world.settling.look(struck(INDEXED, None, "84000", "less"))
    assert world.stated()[2]["below"] == "83999.995" and "at_least" not in world.stated()[2]


ETHER: Final = replace(INDEXED, event="KXETH15M-X", slug="KXETH15M-X")


@pytest.mark.parametrize(
    ("listing", "kind", "at_least", "below"),
    [
        (INDEXED, "greater_or_equal", "83999.995", None),
        (INDEXED, "greater", "84000.005", None),
        (INDEXED, "less", None, "84999.995"),
        (INDEXED, "less_or_equal", None, "85000.005"),
        (INDEXED, "between", "83999.995", "85000.005"),
        # To what others round is not stated.
        (ETHER, "greater_or_equal", "84000", None),
        (ETHER, "greater", "84000.000000001", None),
        (ETHER, "between", "84000", "85000.000000001"),
        (UP_DOWN, "greater_or_equal", "84000", None),
    ],
)
def test_strikes_are_compared_with_as_their_kind_says(
    listing: Listing, kind: str, at_least: str | None, below: str | None
) -> None:
    floor, cap = (None if one is None else text for one, text in
                  ((at_least, "84000"), (below, "85000")))  # fmt: skip
    got = bounds_of(struck(listing, floor, cap, kind))
    wanted = [None if one is None else int(Decimal(one).scaleb(18)) for one in (at_least, below)]
    assert got is not None and [got.at_least_e18, got.below_e18] == wanted


@pytest.mark.parametrize(("value", "worth"), [("83999.996", 1.0), ("83999.994", 0.0)])
def test_a_mean_that_is_rounded_to_its_strike_reaches_it(value: str, worth: float) -> None:
    world = World(reference_doubt="0")
    world.index = "told index"
    world.settling.look(struck(INDEXED, "84000.00"))
    for second in range(-60, 1):
        ts, told = END + second * S, int(Decimal(value).scaleb(18))
        world.inputs.tell_reference("index", ts, told, ts)
    number = world.settling.stated["kalshi", "KXBTC15M-X"].instrument
    fair = world.inputs.engine.fair_value(number)
    assert fair is not None and fair.price == worth


def test_a_venue_that_comes_and_goes_is_no_move_of_an_index_that_is_told() -> None:
    deviations = []
    for apart in (0, 10):
        world = World(half_life_ms=30_000, step_ms=1_000)
        world.index = "told index:BTC"
        for second in range(400):
            if second == 200:
                world.settling.look(struck(INDEXED, "84000"))
            # Two venues some dollars apart, one of which is out in each fifth second.
            alone = second % 5 == 4
            value = 84_000 + second % 2 * 3 - apart * alone
            ts = T0 + second * S
            world.settling.hear("index:BTC", ts, value * E18, 0b01 if alone else 0b11)
        number = world.settling.stated["kalshi", "KXBTC15M-X"].instrument
        fair = world.inputs.engine.fair_value(number)
        assert fair is not None and fair.books == 1
        deviations.append(fair.sd_e18)
        assert audited(world.tape.records, {}).findings == []
    steady, moved = deviations
    assert moved == pytest.approx(steady, rel=1e-3)


def test_which_end_of_a_mean_has_a_sample_may_be_stated() -> None:
    world = World(endpoints="end")
    world.settling.look(struck(INDEXED, "84000"))
    world.settling.look(replace(UP_DOWN, regime=Regime("price", None, STREAM)))
    mean, price = world.stated()
    assert mean["endpoints"] == "end" and "endpoints" not in price, "a price has none"
    world = World(endpoints="start")
    world.settling.look(UP_DOWN)
    assert world.stated()[0]["endpoints"] == "start"


def told_by(origin: str, topic: str, symbol: str, dollars: int) -> PricePoint:
    return PricePoint(
        topic=topic, symbol=symbol, value_e18=dollars * E18, price_e9=dollars * 10**9, ts_event=T0,
        ts_recv=T0, ts_sent=None, ts_source=None, window_s=None, origin=origin, market_status="",
        conn=0, backfill=False, exact=True, rounded=False, carried=False, revised=False,
    )  # fmt: skip


def test_a_contract_rests_on_what_its_own_source_states() -> None:
    world = World()
    world.settling.look(UP_DOWN)
    for point in (
        told_by("chainlink", "crypto_prices_chainlink", "btc/usd", 84_000),
        told_by("pyth", "price.crypto", "btcusd", 84_090),
        told_by("binance", "crypto_prices", "btcusdt", 83_930),
        told_by("", "price.crypto", "btcusd", 84_091),
    ):
        world.settling.hear(reference_of(point), point.ts_event, point.value_e18)
    (told,) = world.stated(Kind.REFERENCE)
    assert (told["name"], told["value_e18"]) == ("btcusd", 84_000 * E18)
    assert world.settling.heard("pyth:btcusd") and world.settling.heard("binance:btcusdt")


def test_one_tick_that_decides_is_measured_as_one() -> None:
    world = World(half_life_ms=60_000, reference_doubt="3")
    world.settling.look(replace(UP_DOWN, regime=Regime("price", None, STREAM)))
    (terms,) = world.stated()
    assert (terms["opening"], terms["closing"], "samples" in terms) == ("tick", "tick", False)
    assert (terms["half_life_ms"], terms["reference_doubt"]) == (60_000, "3"), "as it was asked"
    world.settling.look(struck(INDEXED, "84000"))
    assert world.stated()[1]["reference_doubt"] == "3"


def test_what_was_told_before_is_kept_for_a_contract() -> None:
    world = World(half_life_ms=10_000, step_ms=1_000)
    for second in range(-400, 0):
        world.settling.hear("btcusd", T0 + second * S, (84_000 + second % 5) * E18)
        world.settling.hear("ethusd", T0 + second * S, 4_000 * E18)
    assert not world.stated(Kind.REFERENCE) and world.settling.heard("btcusd")
    world.settling.look(struck(UP_DOWN, "84000"))
    told = world.stated(Kind.REFERENCE)
    assert [one["ts_event"] for one in told] == [T0 + second * S for second in range(-400, 0)]
    assert {one["name"] for one in told} == {"btcusd"}, "nobody wants the others"
    world.settling.hear("btcusd", T0, 84_010 * E18)
    assert world.stated(Kind.REFERENCE)[-1]["value_e18"] == 84_010 * E18
    number = next(iter(world.settling.stated.values())).instrument
    fair = world.inputs.engine.fair_value(number)
    assert fair is not None and fair.ts == T0 and fair.price > 0.5
    assert audited(world.tape.records, {}).findings == []


def test_what_is_kept_has_a_bound() -> None:
    world = World()
    world.settling.hear("btcusd", T0 - 2 * KEPT_NS, E18)
    for number in range(VALUES_MAX + 10):
        world.settling.hear("btcusd", T0 + number, 2 * E18)
    for number in range(KEPT_MAX + 10):
        world.settling.hear(f"name{number}", T0, E18)
    assert world.settling.heard(f"name{KEPT_MAX - 2}")
    assert not world.settling.heard(f"name{KEPT_MAX}")
    world.settling.hear("btcusd", T0, 10**31)
    world.settling.look(UP_DOWN)
    told = world.stated(Kind.REFERENCE)
    assert len(told) == VALUES_MAX and {one["value_e18"] for one in told} == {2 * E18}


def test_hasty_windows_have_terms_of_when_they_are_played() -> None:
    world = World()
    world.pace = Pace(end_ts=T0 + 120 * S, shown_ts=END, played_ns=120 * S, window_ns=900 * S)
    following = replace(UP_DOWN, market="0xac", start_ts=END, close_ts=END + 900 * S)
    hour = replace(struck(INDEXED, "84000"), open_ts=T0 - 2_700 * S)
    for listing in (UP_DOWN, following, hour):
        world.settling.look(listing)
    spans = [(one["start_ts"], one["end_ts"]) for one in world.stated()]
    assert spans == [
        (T0, T0 + 120 * S), (T0 + 120 * S, T0 + 240 * S), (T0 - 2_700 * S, END),
    ]  # fmt: skip
    assert {one["half_life_ms"] for one in world.stated()} == {20_000}
    assert world.pace.shown(spans[0][1]) == END


def test_nothing_is_stated_of_what_is_not_there() -> None:
    world = World()
    world.bookless = True
    world.settling.look(UP_DOWN)
    world.bookless, world.index = False, None
    world.settling.look(struck(INDEXED, "84000"))
    assert not world.stated() and "no spot book" in next(iter(world.settling.why_not.values()))
    world.index = "index btc"
    world.settling.look_again()
    assert len(world.stated()) == 1 and not world.settling.why_not
    world.settling.look(replace(UP_DOWN, market="0xcd", regime=Regime()))
    assert "what decides it" in world.settling.why_not["polymarket", "0xcd"]


def test_terms_of_the_user_and_of_books_that_are_gone_are_left_alone() -> None:
    world = World()
    world.settling.look(UP_DOWN)
    number = world.settling.stated["polymarket", "0xab"].instrument
    world.settling.leave(number)
    world.settling.look(struck(UP_DOWN, "84000"))
    assert not world.settling.stated and not world.stated(Kind.STRIKE)
    world.settling.gone([number])
    world.inputs.unsubscribe(number, world.ts)
    world.inputs.forget(number, world.ts)
    world.settling.look(struck(UP_DOWN, "84000"))
    assert len(world.stated()) == 2, "another book of it is none of the user's"


def test_terms_that_an_engine_refuses_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World(half_life_ms=-1)
    with caplog.at_level(logging.WARNING, "bookfeed.feed.settling"):
        world.settling.look(UP_DOWN)
        world.settling.look(struck(UP_DOWN, "84000"))
    (line,) = caplog.records
    assert "half_life_ms" in line.getMessage()


def test_how_contracts_are_valued_is_configured() -> None:
    table: dict[str, Any] = {"market": [{"venue": "coinbase", "symbol": "BTC-USD"}]}
    assert parse(table).terms.parameters() == {}
    stated = {
        "half_life_ms": 60_000, "freedom": 0, "reference_doubt": "5", "move_sigmas": "2.5",
        "endpoints": "start",
    }  # fmt: skip
    assert parse(table | {"terms": stated}).terms.parameters() == stated
    assert parse(table | {"terms": {"enabled": False}}).terms.parameters() is None
    with pytest.raises(ConfigError, match=r"freedom.*3 to 100"):
        parse(table | {"terms": {"freedom": 2}})
    # Whatever may be configured an engine takes.
    world = World(**stated, step_ms=500, scale="1.5", volatility_doubt="1", move_ms=100)
    world.settling.look(UP_DOWN)
    assert len(world.stated()) == 1


# On a feed.

WINDOW: Final = Market(market="0xab", outcomes=(Outcome("Up", "11"), Outcome("Down", "22")))
CONTRACT: Final = Market(
    market="KXBTC15M-X", outcomes=(Outcome("Yes", "KXBTC15M-X"),), venue="kalshi"
)
SPOT: Final = Market(
    market="BTC-USD", outcomes=(Outcome("spot", "BTC-USD"),), venue="coinbase", base="BTC",
    quote="USD",
)  # fmt: skip
# Nobody listens there: books need not be had for their contracts to have terms.
NOWHERE: Final = {
    venue.name: Endpoint(venue, "ws://127.0.0.1:9")
    for venue in (polymarket(), kalshi(), coinbase())
}


async def test_a_feed_states_terms_by_itself() -> None:
    server = rtds.made(RelaySimConfig())
    await server.start()
    tape: Any = Tape()
    feed = Feed(
        [WINDOW, CONTRACT], endpoints=NOWHERE, recorder=tape, relay_urls={"rtds": server.url},
        topics=["rtds:crypto_prices_chainlink:btc/usd"],
        terms={"half_life_ms": 5_000, "step_ms": 1_000},
    )  # fmt: skip
    try:
        async with feed:
            feed.know(struck(UP_DOWN, "84000"))
            assert feed.window("11") is not None and feed.window("22") is None
            feed.know(struck(INDEXED, "84000"))
            assert feed.window("KXBTC15M-X") is None, "no index, and no spot book"
            await feed.add_markets([SPOT])
            assert feed.window("KXBTC15M-X") is not None
            (index,) = feed.names.indices.values()
            assert (index.name, index.books) == ("listed-btc", (("coinbase", "BTC-USD"),))
            # The relay's values reach the contract, those that it told of the past as well.
            kinds = {Kind.TERMS: 2, Kind.INDEX: 1, Kind.STRIKE: 1}
            counted = [record[0] for record in tape.records]
            assert {kind: counted.count(kind) for kind in kinds} == kinds
            await until(lambda: [r[0] for r in tape.records].count(Kind.REFERENCE) > 20)
            told = [json.loads(r[-1]) for r in tape.records if r[0] == Kind.REFERENCE]
            assert {one["name"] for one in told} == {"btcusd"}
            await feed.remove_markets([WINDOW])
            await feed.add_markets([WINDOW])
            assert feed.window("11") is not None, "a book that comes again has its terms"
            feed.add_terms("KXBTC15M-X", SettlementTerms("told mine", END, at_least="1"))
            feed.know(struck(INDEXED, "85000"))
            assert [r[0] for r in tape.records].count(Kind.TERMS) == 4
    finally:
        await server.close()
    seen = replay(iter(tape.records))
    seen.run()
    window = seen.window("11")
    assert window is not None and window.strike_e18 == 84_000 * E18
    assert audited(tape.records, {}).findings == []


async def test_a_feed_that_is_to_state_none_states_none() -> None:
    async with Feed([WINDOW], endpoints=NOWHERE, terms=None) as feed:
        feed.know(struck(UP_DOWN, "84000"))
        assert feed.window("11") is None and feed.settling is None
