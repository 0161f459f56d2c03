"""What venues list, as typed results: every stored object, and objects that are wrong.

What is expected of a field is computed here from the object itself, by other means than the
catalogue's.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from bookfeed import CatalogueError, Engine, FeeSchedule, KalshiFee, Series
from bookfeed.catalogue.fields import Fields, Malformed, exact, parse, plain, time_ns
from bookfeed.catalogue.kalshi import listings as kalshi
from bookfeed.catalogue.listing import ListedEvent, Listing, PriceBand, Strike
from bookfeed.catalogue.polymarket import listings as gamma
from bookfeed.clock import NS_PER_S

CAPTURES: Final = Path(__file__).parents[2] / "shared" / "captures"
SAMPLES: Final = CAPTURES / "polymarket" / "samples"

pytestmark = pytest.mark.filterwarnings("error")

# What each field of a venue becomes; all others must be kept as they came.
GAMMA_TEXTS: Final = {
    "conditionId": "market", "slug": "slug", "question": "title", "groupItemTitle": "subtitle",
    "description": "rules", "umaResolutionStatus": "status_word",
}  # fmt: skip
GAMMA_TIMES: Final = {
    "createdAt": "listed_ts", "acceptingOrdersTimestamp": "open_ts", "eventStartTime": "start_ts",
    "endDate": "close_ts", "closedTime": "closed_ts", "updatedAt": "updated_ts",
}  # fmt: skip
GAMMA_NUMBERS: Final = {
    "orderPriceMinTickSize": "tick_size", "orderMinSize": "min_order_size",
    "lastTradePrice": "last", "volumeNum": "volume", "volume24hr": "volume_24h",
    "liquidityNum": "liquidity",
}  # fmt: skip
GAMMA_OTHERS: Final = {
    "outcomes", "clobTokenIds", "negRisk", "resolutionSource", "bestBid", "bestAsk",
    "rewardsMinSize", "rewardsMaxSpread",
}  # fmt: skip
KALSHI_TEXTS: Final = {
    "ticker": "market", "title": "title", "yes_sub_title": "subtitle", "event_ticker": "event",
    "status": "status_word", "result": "result",
}  # fmt: skip
KALSHI_TIMES: Final = {
    "created_time": "listed_ts", "open_time": "open_ts", "close_time": "close_ts",
    "settlement_ts": "closed_ts", "updated_time": "updated_ts",
}  # fmt: skip
KALSHI_NUMBERS: Final = {
    "volume_fp": "volume", "volume_24h_fp": "volume_24h", "open_interest_fp": "open_interest",
    "expiration_value": "decided_by",
}  # fmt: skip
KALSHI_OTHERS: Final = {
    "price_ranges", "rules_primary", "rules_secondary", "strike_type", "floor_strike",
    "yes_bid_dollars", "yes_ask_dollars", "last_price_dollars", "settlement_value_dollars",
}  # fmt: skip


def load(path: Path) -> Any:
    if not path.exists():
        pytest.skip("no captures beside the project")
    return json.loads(path.read_text(), parse_float=Decimal)


def moment(text: str) -> int:
    """Unix nanoseconds, by way of a text that Python reads, and its fraction apart from it."""
    head, _, tail = text.replace(" ", "T").partition(".")
    digits = tail.rstrip("Z").partition("+")[0]
    head = head.removesuffix("Z").removesuffix("+00")
    whole = datetime.fromisoformat(head).replace(tzinfo=UTC)
    return int(whole.timestamp()) * NS_PER_S + int(digits.ljust(9, "0") or 0)


def check(
    raw: Mapping[str, Any],
    listing: Listing,
    texts: Mapping[str, str],
    times: Mapping[str, str],
    numbers: Mapping[str, str],
    others: set[str],
) -> None:
    """No field is lost: each is where it belongs, with its value, or kept as it came."""
    for key, value in raw.items():
        given = value not in (None, "")
        if key in texts:
            assert (getattr(listing, texts[key]) or "") == (value if given else ""), key
        elif key in times:
            assert getattr(listing, times[key]) == (moment(value) if given else None), key
        elif key in numbers:
            found = getattr(listing, numbers[key])
            assert found == (Decimal(str(value)) if given else None), key
            assert found is None or type(found) is Decimal
        elif key not in others:
            assert key in listing.more, key
        if key in listing.more:
            assert listing.more[key] == value


def check_gamma(raw: Mapping[str, Any], listing: Listing) -> None:
    check(raw, listing, GAMMA_TEXTS, GAMMA_TIMES, GAMMA_NUMBERS, GAMMA_OTHERS)
    names, tokens = json.loads(raw["outcomes"]), json.loads(raw["clobTokenIds"])
    assert [(one.name, one.symbol) for one in listing.outcomes] == list(
        zip(names, tokens, strict=True)
    )
    paid = [Decimal(price) for price in json.loads(raw["outcomePrices"])]
    decided = raw["closed"] and sorted(paid) == [0, 1]
    assert [one.payout for one in listing.outcomes] == (paid if decided else [None, None])
    assert listing.result == (names[paid.index(Decimal(1))] if decided else None)
    assert listing.neg_risk == raw.get("negRisk")
    bid, ask = raw.get("bestBid"), raw.get("bestAsk")
    assert (listing.bid, listing.ask) == (bid or None, None if ask == 1 else ask)
    if schedule := raw.get("feeSchedule"):
        assert listing.fee == FeeSchedule(str(schedule["rate"]), schedule["exponent"])
    else:
        assert listing.fee == (None if raw["feesEnabled"] else FeeSchedule("0"))
    assert listing.rewards is not None
    assert listing.rewards.max_spread_cents == raw["rewardsMaxSpread"]
    assert listing.rewards.min_qty == raw["rewardsMinSize"]
    assert len(listing.rewards.pools) == len(raw.get("clobRewards", []))


# Stored objects.


def stored_markets() -> Iterator[Mapping[str, Any]]:
    path = CAPTURES / "polymarket" / "gamma-btc-5m-markets-2026-07-24.jsonl.gz"
    if not path.exists():
        pytest.skip("no captures beside the project")
    with gzip.open(path, "rt") as lines:
        for line in lines:
            yield json.loads(line, parse_float=Decimal)


def test_every_stored_market_of_a_rolling_series() -> None:
    count = 0
    for stored in stored_markets():
        count += 1
        raw = stored["raw"]
        listing = gamma.listing(raw)
        check_gamma(raw, listing)
        (window,) = Series("btc-updown-5m").named(listing.slug)
        assert (listing.start_ts, listing.close_ts) == (window.start_ts, window.end_ts)
        assert listing.closes_firmly and listing.status == "settled"
        assert [one.symbol for one in listing.outcomes] == stored["token_ids"]
        assert [one.payout for one in listing.outcomes] == [
            Decimal(price) for price in stored["outcome_prices"]
        ]
        market = listing.to_market()
        assert market.market == stored["condition_id"]
        assert market.symbols == tuple(stored["token_ids"])
        assert market.tick_size in ("0.01", "0.001") and market.min_order_size == "5"
        assert market.close_ts == stored["end_sec"] * NS_PER_S
    assert count == 292


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("gamma_market", "open"),
        ("gamma_market_closed_binary_accepting_false", "settled"),
        ("gamma_market_closed_binary_accepting_true", "settled"),
        ("gamma_market_closed_nonbinary_legacy", "closed"),
        ("gamma_market_closed_zero_zero_legacy", "closed"),
        ("gamma_market_sports_market_map_handicap", "settled"),
        ("gamma_market_sports_market_money_line", "settled"),
    ],
)
def test_stored_markets_of_other_kinds(name: str, status: str) -> None:
    raw = load(SAMPLES / f"{name}.json")
    listing = gamma.listing(raw)
    check_gamma(raw, listing)
    assert listing.status == status
    if events := raw.get("events"):
        assert (listing.event, listing.series) == (events[0]["slug"], events[0]["seriesSlug"])
        assert listing.augmented is events[0]["negRiskAugmented"]
    if "sports" in name:
        assert not listing.closes_firmly and listing.to_market().close_ts is None


def test_a_stored_event_with_its_strike_and_its_result() -> None:
    raw = load(SAMPLES / "gamma_event_btc_15m_twap_resolved_2026-09-28.json")["response"]
    event = gamma.event(raw)
    check_event(raw, event)
    (listing,) = event.markets
    assert listing.strike == Strike("greater_or_equal", Decimal("83884.31639475992"), None)
    assert listing.decided_by == Decimal("83972.53784826923")
    assert listing.result == "Up"
    assert listing.reference is not None
    assert listing.reference[:] == ("btc-15m-twap-60", "btc", 60)
    assert listing.resolution_source.endswith("btc-usd-twap-60s-streams")


@pytest.mark.parametrize("name", ["gamma_event", "search_response"])
def test_stored_events_and_searches(name: str) -> None:
    raw = load(SAMPLES / f"{name}.json")
    page = gamma.page(raw)
    events = raw["events"] if isinstance(raw, dict) else raw
    assert len(page.events) == len(events) and not page.skipped
    for one, event in zip(events, page.events, strict=True):
        check_event(one, event)
        assert len(event.markets) == len(one["markets"]) and not event.skipped
        for market, listing in zip(one["markets"], event.markets, strict=True):
            check_gamma(market, listing)
            assert listing.event == one["slug"] and listing.status == "open"


def check_event(raw: Mapping[str, Any], event: ListedEvent) -> None:
    taken = {
        "slug": event.event,
        "title": event.title,
        "seriesSlug": event.series,
        "description": event.rules,
        "resolutionSource": event.resolution_source,
        "volume": event.volume,
        "volume24hr": event.volume_24h,
        "liquidity": event.liquidity,
        "openInterest": event.open_interest,
        "negRiskAugmented": event.augmented,
    }
    for key, value in raw.items():
        if key in taken:
            assert taken[key] == value, key
        elif key in ("startTime", "endDate"):
            assert moment(value) == (event.start_ts if key == "startTime" else event.close_ts)
        elif key != "markets":
            assert event.more[key] == value
    assert list(event.tags) == [tag["slug"] for tag in raw["tags"]]


def test_a_search_that_tells_no_tokens_gives_listings_without_books() -> None:
    raw = load(SAMPLES / "gamma_public_search_optimized_2026-10-02.json")["body"]
    (event,) = gamma.page(raw).events
    one, two = event.markets
    assert (one.bid, one.ask, two.bid, two.ask) == tuple(
        None if price is None else Decimal(price) for price in ("0.09", "0.12", None, "0.001")
    )
    assert [outcome.name for outcome in one.outcomes] == ["Yes", "No"]
    with pytest.raises(CatalogueError, match="has no order books"):
        one.to_market()


def test_every_stored_event_of_kalshi() -> None:
    paths = sorted((CAPTURES / "kalshi" / "events").glob("*.json"))
    if not paths:
        pytest.skip("no captures beside the project")
    assert len(paths) == 9
    for path in paths:
        raw = load(path)["response"]
        event = kalshi.event(raw)
        inner = raw["event"]
        assert (event.event, event.series) == (inner["event_ticker"], inner["series_ticker"])
        assert (event.title, event.subtitle) == (inner["title"], inner["sub_title"])
        assert event.close_ts == moment(inner["strike_date"])
        assert event.exclusive is inner["mutually_exclusive"] and not event.skipped
        assert event.more["product_metadata"] == inner["product_metadata"]
        (market,), (listing,) = raw["markets"], event.markets
        check(market, listing, KALSHI_TEXTS, KALSHI_TIMES, KALSHI_NUMBERS, KALSHI_OTHERS)
        assert listing.strike == Strike("greater_or_equal", market["floor_strike"], None)
        assert listing.price_bands == (PriceBand(Decimal(0), Decimal(1), Decimal("0.01")),)
        assert listing.rules == f"{market['rules_primary']}\n\n{market['rules_secondary']}"
        assert (listing.bid, listing.ask) == (None, None)
        assert listing.outcomes[0].payout == (1 if listing.result == "yes" else 0)
        assert listing.resolution_source == inner["settlement_sources"][0]["url"]
        (window,) = Series(event.series).named(listing.slug)
        assert (listing.open_ts, listing.close_ts) == (window.start_ts, window.end_ts)
        assert listing.fee is None, "the series was not given"
        assert listing.to_market().symbols == (market["ticker"],)


# Objects of our own.


def gamma_market(**changes: object) -> dict[str, object]:
    return {
        "conditionId": "0x" + "ab" * 32,
        "slug": "rain-tomorrow",
        "question": "Rain tomorrow?",
        "outcomes": '["No", "Yes"]',
        "clobTokenIds": '["22", "11"]',
        "outcomePrices": '["0.4", "0.6"]',
        "closed": False,
        "acceptingOrders": True,
        "acceptingOrdersTimestamp": "2026-05-28 05:29:05.123456789+00",
        "endDate": "2026-06-01T00:00:00Z",
        "orderPriceMinTickSize": Decimal("0.0025"),
        "orderMinSize": 5,
        "feesEnabled": True,
        "feeSchedule": {"exponent": 1, "rate": Decimal("0.05"), "takerOnly": True},
    } | changes


def kalshi_market(**changes: object) -> dict[str, object]:
    return {
        "ticker": "KXRAIN-26JUN01-T1",
        "event_ticker": "KXRAIN-26JUN01",
        "status": "active",
        "title": "Rain?",
        "open_time": "2026-05-28T05:29:05.5Z",
        "close_time": "2026-06-01T00:00:00Z",
        "yes_bid_dollars": "0.4800",
        "yes_ask_dollars": "0.5100",
    } | changes


def test_a_listing_becomes_a_market_that_the_engine_takes() -> None:
    market = gamma.listing(gamma_market()).to_market()
    assert [(one.name, one.symbol) for one in market.outcomes] == [("No", "22"), ("Yes", "11")]
    assert market.open_ts == moment("2026-05-28T05:29:05.123456789Z")
    assert market.close_ts is None, "an end that is not a window's is a guess"
    assert (market.tick_size, market.min_order_size) == ("0.0025", "5")
    engine = Engine()
    for outcome in market.outcomes:
        assert market.fee is not None
        engine.subscribe(
            market.venue,
            outcome.symbol,
            0,
            0,
            market=market.market,
            tick_size=market.tick_size,
            fee=market.fee.text(),
        )
    assert len(engine.books()) == 2


@pytest.mark.parametrize(
    ("changes", "fee"),
    [
        ({}, FeeSchedule("0.05")),
        ({"feeSchedule": {"exponent": 2, "rate": "0.0250"}}, FeeSchedule("0.025", 2)),
        ({"feeSchedule": None, "feesEnabled": False}, FeeSchedule("0")),
        ({"feeSchedule": None}, None),
        ({"feeSchedule": None, "feesEnabled": None}, None),
        ({"feeSchedule": {"exponent": Decimal("0.5"), "rate": "0.05"}}, None),
        ({"feeSchedule": {"rate": "0.05"}}, None),
        ({"feeSchedule": {"exponent": 1, "rate": "-0.05"}}, None),
        ({"feeSchedule": {"exponent": 1, "rate": 5}}, None),
    ],
)
def test_a_fee_that_cannot_be_told_is_unknown_and_never_zero(
    changes: dict[str, object], fee: FeeSchedule | None
) -> None:
    listing = gamma.listing(gamma_market(**changes))
    assert listing.fee == fee
    if changes.get("feeSchedule"):
        assert listing.more["feeSchedule"] == changes["feeSchedule"]


@pytest.mark.parametrize(
    ("series", "event", "fee"),
    [
        (None, {}, None),
        ({"fee_type": "quadratic", "fee_multiplier": 1}, {}, KalshiFee("quadratic", "1")),
        ({"fee_type": "quadratic"}, {}, None),
        (
            {"fee_type": "quadratic", "fee_multiplier": Decimal("0.5")},
            {"fee_type_override": None, "fee_multiplier_override": None},
            KalshiFee("quadratic", "0.5", override_type="", override_multiplier=""),
        ),
        (
            {"fee_type": "quadratic", "fee_multiplier": 1},
            {"fee_type_override": "flat", "fee_multiplier_override": 2},
            KalshiFee("quadratic", "1", override_type="flat", override_multiplier="2"),
        ),
    ],
)
def test_a_fee_is_the_series_with_what_the_event_has_in_its_place(
    series: dict[str, object] | None, event: dict[str, object], fee: KalshiFee | None
) -> None:
    around = {"event_ticker": "KXRAIN-26JUN01", "series_ticker": "KXRAIN", **event}
    body = {"event": around, "markets": [kalshi_market()]}
    (listing,) = kalshi.event(body, None if series is None else Fields(series)).markets
    assert (listing.fee, listing.series) == (fee, "KXRAIN")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "open"),
        ({"acceptingOrders": False}, "paused"),
        ({"acceptingOrders": False, "acceptingOrdersTimestamp": None}, "unopened"),
        ({"acceptingOrders": None}, "unknown"),
        ({"closed": True}, "closed"),
        ({"closed": True, "outcomePrices": '["0.4", "0.6"]'}, "closed"),
        ({"closed": True, "outcomePrices": '["1", "0"]'}, "settled"),
        ({"closed": True, "outcomePrices": '["0", "0"]'}, "closed"),
        ({"closed": True, "outcomePrices": '["0.5", "0.5"]'}, "closed"),
        (
            {
                "closed": True,
                "outcomePrices": '["0.5", "0.5"]',
                "umaResolutionStatus": "resolved",
            },
            "settled",
        ),
    ],
)
def test_how_a_market_stands(changes: dict[str, object], status: str) -> None:
    listing = gamma.listing(gamma_market(**changes))
    assert listing.status == status
    paid = [outcome.payout for outcome in listing.outcomes]
    assert (None in paid) == (status != "settled")
    assert listing.result == ("No" if paid == [1, 0] else None)


def test_a_market_of_the_second_version_is_traded_by_its_positions() -> None:
    both = gamma_market(version="v2", positionIds=["7", "8"])
    listing = gamma.listing(both)
    assert [outcome.symbol for outcome in listing.outcomes] == ["7", "8"]
    assert listing.more["clobTokenIds"] == both["clobTokenIds"]
    first = gamma.listing(gamma_market(version="v1", positionIds=["7", "8"]))
    assert [outcome.symbol for outcome in first.outcomes] == ["22", "11"]


def test_words_that_are_not_known_are_no_reason_to_lose_a_market() -> None:
    listing = kalshi.listing(kalshi_market(status="frozen", brand_new={"a": [1]}))
    assert (listing.status, listing.status_word) == ("unknown", "frozen")
    assert listing.more["brand_new"] == {"a": [1]}
    scalar = kalshi.listing(
        kalshi_market(
            status="finalized",
            result="scalar",
            settlement_value_dollars="0.3712",
            expiration_value="above 3%",
        )
    )
    assert (scalar.result, scalar.outcomes[0].payout) == ("scalar", Decimal("0.3712"))
    assert (scalar.decided_by, scalar.more["expiration_value"]) == (None, "above 3%")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"slug": None}, "slug is missing"),
        ({"slug": 7}, "slug should be text, not 7"),
        ({"clobTokenIds": '["22"]'}, "clobTokenIds holds 1 tokens for 2 outcomes"),
        ({"clobTokenIds": '["22", "0x11"]'}, "clobTokenIds should hold numbers in quotes"),
        ({"clobTokenIds": "[22, 11]"}, "clobTokenIds should be a list of texts"),
        ({"clobTokenIds": '["22", '}, "not JSON"),
        ({"outcomes": '{"Yes": 1}'}, "outcomes should be a list"),
        ({"endDate": "soon"}, "endDate should be a time, not 'soon'"),
        ({"endDate": "2026-02-30T00:00:00Z"}, "endDate should be a time"),
        ({"orderMinSize": "5 shares"}, "orderMinSize should be a number"),
        ({"orderMinSize": True}, "orderMinSize should be a number"),
        ({"negRisk": "yes"}, "negRisk should be true or false"),
        ({"feeSchedule": [1]}, "feeSchedule should be an object"),
        ({"volumeNum": Decimal("1e999")}, "volumeNum should be a number"),
        ({"question": "\ud800"}, "question should be text"),
        ({"outcomes": '["Yes", "\\ud800"]'}, "outcomes should be a list of texts"),
    ],
)
def test_what_is_malformed_is_named_and_skipped_and_its_neighbours_are_not(
    changes: dict[str, object], said: str
) -> None:
    page = gamma.page([gamma_market(**changes), gamma_market(slug="another")])
    assert [listing.slug for listing in page.markets] == ["another"]
    ((name, problem),) = page.skipped
    assert name == (changes.get("slug", "rain-tomorrow") if "slug" not in changes else "")
    assert said in problem
    within = gamma.event({"slug": "event", "markets": [gamma_market(**changes), gamma_market()]})
    assert len(within.markets) == 1 and said in within.skipped[0].problem


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ticker": ""}, "ticker is missing"),
        ({"yes_bid_dollars": "half"}, "yes_bid_dollars should be a number, not 'half'"),
        ({"price_ranges": [{"start": "0", "end": "1"}]}, "price_ranges should hold"),
        ({"price_ranges": [{"start": "0", "end": "1", "step": "0"}]}, "price_ranges should hold"),
        ({"price_ranges": {"start": "0"}}, "price_ranges should be a list"),
        ({"close_time": 1790000000}, "close_time should be text"),
    ],
)
def test_what_is_malformed_on_the_other_venue(changes: dict[str, object], said: str) -> None:
    page = kalshi.page({"markets": [kalshi_market(**changes), kalshi_market()], "cursor": "c"})
    assert len(page.markets) == 1 and page.cursor == "c"
    assert said in page.skipped[0].problem


@pytest.mark.parametrize("raw", [None, 7, "text", {}, {"error": "no"}])
@pytest.mark.parametrize("page", [gamma.page, kalshi.page])
def test_an_answer_that_is_none(page: Any, raw: object) -> None:
    with pytest.raises(Malformed, match="the answer should"):
        page(raw)


# How fields are spelled.


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", NS_PER_S),
        ("1970-01-01T00:00:01", NS_PER_S),
        ("1970-01-01T00:00:01.000000001Z", NS_PER_S + 1),
        ("1970-01-01 00:00:01+00", NS_PER_S),
        ("1970-01-01T00:00:01.5+00:00:00", NS_PER_S * 3 // 2),
        ("1970-01-01T01:00:01+01:00", NS_PER_S),
        ("1970-01-02", 86_400 * NS_PER_S),
        ("1969-12-31T23:59:59.5Z", -NS_PER_S // 2),
        ("1970-01-01T00:00:01.0000000001Z", None),
        ("1970-01-01T24:00:01Z", None),
        ("1970-01-01T00:00:01+99:00", None),
        ("١٩٧٠-01-01", None),
        ("1970-01-01T00:00Z", None),
        ("", None),
    ],
)
def test_times_are_read_in_every_spelling(text: str, ns: int | None) -> None:
    assert time_ns(text) == ns


def test_a_time_that_was_never_set_is_none() -> None:
    assert Fields({"t": "0001-01-01T00:00:00Z"}).time("t") is None


@pytest.mark.parametrize(
    "value", ["1e5", "+1", "NaN", ".5", "1_0", "", " 1", "\uff11", True, None, []]
)
def test_what_is_no_exact_number(value: object) -> None:
    assert exact(value) is None


def test_numbers_stay_exact() -> None:
    body = b'{"a": 83884.31639475992, "b": 0.1, "c": 123456789012345678901234567890}'
    read = parse(body)
    assert [str(exact(one)) for one in read.values()] == [
        "83884.31639475992",
        "0.1",
        "123456789012345678901234567890",
    ]
    assert (plain(Decimal("0.0100")), plain(Decimal("1E+2")), plain(Decimal("5"))) == (
        "0.01",
        "100",
        "5",
    )


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff", b'{"a": NaN}', b"[" * 100_000, b"9" * 5_000]
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="not JSON"):
        parse(body)


# Anything at all.

ODD: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 10**30, Decimal("0.5"), Decimal("1e400"), Decimal("-0"), "", "x", "0",
    "\ud800", "[]", '["1", "2"]', '[["1"]]', "9" * 200, "2026-13-01T00:00:00Z", "[" * 2_000,
    [], [1], ["1"], [None], [{}], [{"t": 1}], {}, {"rate": "1"}, {"id": []},
)  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_field_holds_a_listing_is_read_or_malformed(seed: int) -> None:
    """Nothing but ``Malformed`` is raised, and what is read can be told to a feed or is refused."""
    rng = Random(seed)
    for _ in range(250):
        reads: list[tuple[Any, dict[str, Any]]] = [
            (gamma.page, {"events": [gamma_event()]}),
            (kalshi.page, {"events": [kalshi_event()]}),
        ]
        for read, raw in reads:
            for _ in range(rng.randint(1, 3)):
                inner = rng.choice(list(objects(raw)))
                inner[rng.choice([*inner, "extra"])] = deepcopy(rng.choice(ODD))
            try:
                page = read(raw)
            except Malformed:
                continue
            for market in (*page.markets, *(m for event in page.events for m in event.markets)):
                try:
                    market.to_market()
                except CatalogueError as error:
                    assert "has no order books" in str(error)
            json.dumps([skipped for skipped in page.skipped], ensure_ascii=False).encode()


def objects(raw: Any) -> Iterator[dict[str, Any]]:
    """Every object inside another one."""
    if isinstance(raw, dict):
        if raw:
            yield raw
        for value in raw.values():
            yield from objects(value)
    elif isinstance(raw, list):
        for value in raw:
            yield from objects(value)


def gamma_event() -> dict[str, Any]:
    market = gamma_market(
        clobRewards=[{"rewardsDailyRate": 1, "startDate": "2026-02-27"}],
        rewardsMinSize=50,
        cryptoMarketConfig={"id": "a", "asset": "btc", "twapEnabled": True},
        bestBid="0.1",
    )
    return {
        "slug": "rain",
        "title": "Rain",
        "tags": [{"slug": "weather"}],
        "eventMetadata": {"priceToBeat": Decimal("1.5")},
        "markets": [market],
    }


def kalshi_event() -> dict[str, Any]:
    market = kalshi_market(
        price_ranges=[{"start": "0", "end": "1", "step": "0.01"}],
        floor_strike=1,
        strike_type="greater",
    )
    return {
        "event_ticker": "KXRAIN-26JUN01",
        "series_ticker": "KXRAIN",
        "settlement_sources": [{"name": "gauge", "url": ""}],
        "markets": [market],
    }


def test_windows_and_strikes_of_one_title_are_told_apart() -> None:
    quarter = kalshi.listing(
        {
            "ticker": "KXBTC15M-26NOV291445-45",
            "title": "BTC price up in next 15 mins?",
            "yes_sub_title": "Target price: TBD",
            "strike_type": "greater_or_equal",
            "close_time": "2026-11-29T19:45:00Z",
        },
        Fields({"series_ticker": "KXBTC15M"}),
    )
    assert quarter.to_market().name == "BTC price up in next 15 mins? (to 2:45PM ET)"
    rung = kalshi.listing(
        {
            "ticker": "KXBTCD-26NOV2915-T84999.99",
            "title": "Bitcoin price on Nov 29, 2026?",
            "yes_sub_title": "$85,000 or above",
            "strike_type": "greater",
        }
    )
    assert rung.to_market().name == "Bitcoin price on Nov 29, 2026? ($85,000 or above)"
