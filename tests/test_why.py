"""Why not: a sentence for every reason, counts by rule, and the one warning."""

import json
import logging
from typing import Any

import pytest
from session_server import MARKET, book_message, serving
from waiting import PATIENCE_S

import bookfeed
from bookfeed import Engine, Feed, Pair, PairLeg, Rule
from bookfeed.recordings.inputs import EngineInput
from bookfeed.rules.why import SENTENCES, PolarityAlarm, why

TICKER, ASSET = "KXA", "7" * 77
T0 = 1_790_000_000_000_000_000


def pair(**settings: Any) -> Pair:
    """One event at two venues, which is decided at different strikes."""
    facts = {"polarity": "same", "oracle": "O", "cut_off": "now"}
    legs = ("kalshi", TICKER, "yes", "1"), ("polymarket", ASSET, "Yes", "2")
    return Pair("BTC", tuple(PairLeg(*leg[:3], strike=leg[3], **facts) for leg in legs), **settings)  # type: ignore[arg-type]


def opposed(rule: Rule) -> EngineInput:
    """An engine in which the legs of the rule are at 0.20 and at 0.80."""
    inputs = EngineInput(Engine())
    engine = inputs.engine
    inputs.add_rule(rule, T0)
    engine.subscribe("kalshi", TICKER, 0, T0, fee="kalshi:quadratic;1;non_direct")
    engine.subscribe("polymarket", ASSET, 1, T0, fee="polymarket:0;1")
    engine.connected(0, "kalshi", T0)
    engine.connected(1, "polymarket", T0)
    about = {"market_ticker": TICKER, "market_id": "00000000-0000-4000-8000-000000000001"}
    sides = {"yes_dollars_fp": [["0.1900", "100.00"]], "no_dollars_fp": [["0.7900", "99.00"]]}
    snapshot = {"type": "orderbook_snapshot", "sid": 1, "seq": 1, "msg": about | sides}
    change = {"price_dollars": "0.7900", "delta_fp": "1.00", "side": "no", "ts_ms": T0 // 10**6}
    delta = {"type": "orderbook_delta", "sid": 1, "seq": 2, "msg": about | change}
    engine.ingest(0, json.dumps(snapshot).encode(), T0)
    engine.ingest(0, json.dumps(delta).encode(), T0)
    book = {"event_type": "book", "market": "0x1", "asset_id": ASSET, "timestamp": str(T0 // 10**6)}
    levels = {"bids": [{"price": "0.79", "size": "9"}], "asks": [{"price": "0.81", "size": "9"}]}
    engine.ingest(1, json.dumps(book | levels).encode(), T0)
    return inputs


def test_every_refusal_has_a_sentence() -> None:
    assert set(SENTENCES) == set(bookfeed.REFUSALS)
    assert len(set(SENTENCES.values())) == len(SENTENCES)


def test_refusals_are_told_by_rule_the_most_frequent_first() -> None:
    inputs = opposed(pair().rule())
    counts = {one.reason: one.count for one in why(inputs.engine, inputs.rules)}
    assert counts == {reason: n for reason, n in inputs.engine.refusals(0).items() if n}
    (told,) = (one for one in why(inputs.engine, inputs.rules) if one.reason == "polarity")
    assert (told.rule_id, told.rule, told.name) == (0, "box", "BTC")
    assert told.text == SENTENCES["polarity"]
    assert list(counts.values()) == sorted(counts.values(), reverse=True)


def test_sides_that_look_like_opposites_are_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inputs = opposed(pair().rule())
    alarm = PolarityAlarm()
    with caplog.at_level(logging.WARNING, "bookfeed.rules.why"):
        for _ in range(3):
            alarm.look(inputs.engine, inputs.rules)
    (record,) = caplog.records
    message = record.getMessage()
    assert 'pair "BTC"' in message
    assert f"kalshi {TICKER} yes (same) and polymarket {ASSET} Yes (same)" in message
    assert "check outcome and polarity" in message


def test_a_rule_without_a_name_is_warned_of_by_number(caplog: pytest.LogCaptureFixture) -> None:
    rule = pair().rule()
    inputs = opposed(Rule(rule.kind, rule.params))
    PolarityAlarm().look(inputs.engine, inputs.rules)
    (record,) = caplog.records
    assert record.message.startswith("rule 0 (box): there was an edge")
    assert f"or are opposites: kalshi {TICKER} yes and polymarket {ASSET} yes" in record.message


@pytest.mark.parametrize(
    "settings", [{"polarity_check": "off"}, {"enabled": True, "max_lag_ms": 0}]
)
def test_nothing_is_said_where_nothing_was_refused_for_it(
    settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    inputs = opposed(pair(**settings).rule())
    suspected = inputs.engine.refusals(0)["polarity"] > 0
    PolarityAlarm().look(inputs.engine, inputs.rules)
    assert bool(caplog.records) is suspected
    assert suspected is ("polarity_check" not in settings)


async def test_a_feed_says_why_and_what_its_pairs_are(caplog: pytest.LogCaptureFixture) -> None:
    rules = [Rule("complement", {"max_age_ms": "0"}), pair().rule()]
    async with serving() as server, Feed([MARKET], url=server.url, rules=rules) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        peer.text(json.dumps(book_message(MARKET.symbols[0], "0.20", "0.25")).encode())
        async for update in feed:
            if update.bid_e9 == 200_000_000:
                break
        assert [feed.rules[number] for number in (0, 1)] == rules
        told = {(one.rule_id, one.rule, one.reason) for one in feed.why()}
    assert told
    assert {rule for _, rule, _ in told} == {"complement"}
    (basis,) = (r.getMessage() for r in caplog.records if "basis" in r.getMessage())
    assert basis == (
        'pair "BTC": basis, not the same contract: strike "1" (kalshi), "2" (polymarket)'
    )


async def test_a_feed_warns_of_a_pair_that_is_the_wrong_way_round(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Both outcomes of one market, said to happen together."""
    facts = {"polarity": "same", "oracle": "O", "strike": "1", "cut_off": "now"}
    legs = tuple(
        PairLeg("polymarket", symbol, outcome, **facts)  # type: ignore[arg-type]
        for symbol, outcome in zip(MARKET.symbols, ("Yes", "No"), strict=True)
    )
    rules = [Pair("twins", legs).rule()]
    async with serving() as server, Feed([MARKET], url=server.url, rules=rules) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        for symbol, bid, ask in zip(
            MARKET.symbols, ("0.20", "0.78"), ("0.22", "0.80"), strict=True
        ):
            peer.text(json.dumps(book_message(symbol, bid, ask)).encode())
        async for update in feed:
            if update.bid_e9 == 780_000_000:
                break
        assert feed.engine.refusals(0)["polarity"] > 0
    (record,) = (r for r in caplog.records if r.name == "bookfeed.rules.why")
    assert record.getMessage().startswith('pair "twins": there was an edge')
