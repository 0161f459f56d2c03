"""What a feed says contracts are worth as their references tick: journals in which the auditor
computes it anew, what a replay gives, and what a user asks and tells.
"""

import asyncio
import json
import logging
import random
from collections import Counter
from dataclasses import replace as changed
from typing import Any

import pytest
from audit_journals import Records, Tape, audited
from audit_markets import Markets
from lengths import TIMES, seeds
from spot_live import OPTIONS, Watcher, feed_of
from test_estimates import TICK, together
from test_kraken_live import endpoint_of, markets_of
from waiting import PATIENCE_S

from bookfeed import EngineError, Feed, Rule, SettlementTerms, replay
from bookfeed._bookfeed import Engine
from bookfeed.audit import Auditor
from bookfeed.audit.terms import Fair
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.scorecard.witness import EngineWitness
from bookfeed.sim.kraken import KrakenSimConfig, serve
from bookfeed.venues import user_quote

S = 10**9
MS = 10**6
E18 = 10**18
START = 1_790_000_100 * S
END = START + 900 * S

WINDOWS: dict[str, dict[str, Any]] = {
    "minute": {},
    "by_end": {"endpoints": "end", "half_life_ms": 120_000},
    "tick": {"opening": "tick", "closing": "tick", "tie": "half"},
    "candle": {"opening": "first", "closing": "last", "step_ms": 1_000, "freedom": 0},
    "above": {"at_least": "84010.5", "freedom": 12, "scale": "1.3"},
    "below": {"below": "83990", "samples": 10, "sample_step_ms": 2_000},
    "range": {"at_least": "83980", "below": "84020", "reference_doubt": "4.5"},
    "told": {"strike": "84005", "volatility_doubt": "0.5"},
}


def terms(reference: str, **more: Any) -> SettlementTerms:
    stated = {f: more.pop(f) for f in SettlementTerms.__slots__ if f in more}
    return SettlementTerms(reference, END, START, **stated, params=more)


def listed(inputs: EngineInput, symbol: str, ts: int) -> int:
    """The number of a contract that is followed."""
    told = {"venue": "polymarket", "symbol": symbol}
    assert inputs.apply(Kind.SUBSCRIBE, ts, 0, json.dumps(told).encode())
    number = inputs.engine.instrument("polymarket", symbol)
    assert number is not None
    return number


def walked(seed: int, seconds: int = 1_400) -> Records:
    """Contracts of every kind on a reference that is told: late, twice, and sometimes not."""
    rng, tape, value = random.Random(seed), Tape(), 84_000 * E18
    inputs = EngineInput(Engine(), tape)
    inputs.connected(0, "polymarket", START - 500 * S)
    numbers = [listed(inputs, name, START - 500 * S) for name in ("late", *WINDOWS)]
    for number, more in zip(numbers[1:], WINDOWS.values(), strict=True):
        inputs.add_terms(number, terms("told btc", **more), START - 450 * S)
    for second in range(-400, seconds - 400):
        value += rng.randrange(-1_000, 1_001) * E18 // 100
        ts = START + second * S
        if rng.random() < 0.97:
            inputs.tell_reference("btc", ts, value, ts + rng.randrange(S // 2))
        if rng.random() < 0.05:
            inputs.tell_reference("btc", ts - 3 * S, value + E18, ts + S // 2)
        if second == 300:
            inputs.add_terms(numbers[0], terms("told btc"), ts + S // 2)
        if second == 500:
            inputs.tell_strike(numbers[1], 84_001 * E18, ts + S // 2)
        if second == 700:
            inputs.unsubscribe(numbers[2], ts + S // 2)
            inputs.forget(numbers[2], ts + S // 2)
    return tape.records


@pytest.mark.parametrize("seed", seeds(2))
def test_the_auditor_finds_the_same_values(seed: int) -> None:
    report = audited(walked(seed), {})
    assert report.findings == []
    assert report.fair_values > 1_500


class Mistaken(EngineWitness):
    """An engine whose fair values, or their intervals, are others by little."""

    what = ""

    def fair(self, number: int) -> Fair | None:
        fair = super().fair(number)
        if fair is None or self.what == "none":
            return None
        if self.what == "newest":
            return fair._replace(newest=fair.newest - 1)
        if self.what == "price":
            return fair._replace(price=fair.price + 10_000)
        return fair._replace(high=fair.high + 10_000)


@pytest.mark.parametrize("what", ["price", "high", "none", "newest"])
def test_a_value_that_does_not_follow_is_found(what: str) -> None:
    witness = Mistaken(Engine())
    witness.what = what
    report = Auditor(witness).run(walked(1, 600))
    assert {finding.kind for finding in report.findings} == {"fair"}


def on_index(**moves: Any) -> Records:
    """The books of several venues, an index of them, and contracts on that."""
    records = together(2)
    subscribed = (json.loads(each[4])["symbol"] for each in records if each[0] == Kind.SUBSCRIBE)
    number = len(set(subscribed))
    last = max(place for place, each in enumerate(records) if each[0] == Kind.SUBSCRIBE)
    ts = records[last][1] or records[last + 1][1]
    up = b'{"venue": "polymarket", "symbol": "up", "fee": "polymarket:0.07;2"}'
    contracts = (Kind.SUBSCRIBE, ts, 900, 0, up)
    above = SettlementTerms(
        "index btc", ts + 3_600 * S, at_least="84000",
        params={"step_ms": 200, "half_life_ms": 400, **moves},
    )  # fmt: skip
    told = {"instrument": number, "params": above.texts()}
    stated = (Kind.TERMS, ts, 0, 0, json.dumps(told).encode())
    return [*records[: last + 1], contracts, stated, *records[last + 1 :]]


def test_contracts_on_an_index_are_audited() -> None:
    records = on_index()
    report = audited(records, {})
    assert [each for each in report.findings if each.kind in ("fair", "index")] == []
    assert report.fair_values > 1
    seen, values = replay(iter(records), engine=Engine()), []
    seen.on_index(lambda tick: values.append((tick.ts, seen.fair_value("up"))))
    seen.run()
    worth = [fair for _, fair in values if fair is not None]
    assert worth and all(fair.ts % TICK == 0 for fair in worth)
    assert all(fair.low_e9 <= fair.price_e9 <= fair.high_e9 for fair in worth)
    standing = seen.window("up")
    assert standing is not None and standing.outcome == "open"
    assert (standing.banked, standing.missing, standing.samples) == (0, 0, 60)
    assert seen.window(seen.books()[0].symbol) is None
    with pytest.raises(KeyError):
        seen.fair_value("nobody")


STILL: int = 700 * MS
"""For how long the loop of the stalled journal stands still, every so often."""


def stalled(seed: int) -> Records:
    """Contracts on an index, their book quoted at random, read by a loop that stands still now and
    then: several ticks of the index come with one record.
    """
    rng, records = random.Random(seed), on_index(
        move_ms=200, move_sigmas="0.3", volatility_doubt="0.5"
    )  # fmt: skip
    begun = max(place for place, each in enumerate(records) if each[0] == Kind.TERMS) + 1
    first, conn = records[begun][1], 900
    rules = [
        (Kind.RULE, first, 0, 0, json.dumps({"kind": kind, "params": params}).encode())
        for kind, params in (
            ("fair_value", {"min_edge": "0"}),
            ("delay", {"min_wait_ms": "0"}),
        )
    ]
    out = [*records[:begun], *rules, (Kind.CONNECTED, first, conn, 0, b"polymarket")]
    quoted_ns = first
    for each in records[begun:]:
        while each[1] - quoted_ns > 60 * MS:
            quoted_ns += 60 * MS
            out.append((Kind.FRAME, quoted_ns, conn, 0, quoted(quoted_ns, rng.randrange(42, 56))))
        out.append(each)

    def read(ts: int) -> int:
        """When what came then is read: the loop stands still for a while in every two seconds."""
        within = (ts - first) % (2 * S)
        return ts - within + STILL if within < STILL else ts

    return [
        (kind, read(ts) if ts > first else ts, at, flags, payload)
        for kind, ts, at, flags, payload in out
    ]


def quoted(ts: int, cents: int) -> bytes:
    """A whole book of the contract that is called up."""
    bids, asks = ([{"price": f"0.{cents + off:02d}", "size": "50"}] for off in (-1, 1))
    book = {
        "event_type": "book", "asset_id": "up", "market": "0x1", "timestamp": str(ts // MS),
        "hash": "", "bids": bids, "asks": asks,
    }  # fmt: skip
    return json.dumps(book).encode()


@pytest.mark.parametrize("seed", seeds(2, first=4))
def test_what_is_asked_between_two_ticks_of_one_record_is_no_finding(seed: int) -> None:
    report = audited(stalled(seed), {"hash_check": "off"})
    rested = {"extra", "missing", "different", "paper", "fair"}
    assert [each for each in report.findings if each.kind in rested] == []
    assert report.between > 5 and report.signals["fair_value open"] > 5


def passed_on(told_ns: int, value: int, number: int) -> bytes:
    """The frame by which a venue passes a value of an index on."""
    body = {
        "index_id": "BRTI",
        "value_usd": f"{value // E18}.{value % E18 // 10**10:08}",
        # As late as what else comes on its connection.
        "source_ts_ms": told_ns // MS - 800,
        "data": "{}",
    }
    kind = "cfbenchmarks_value_5hz"
    return json.dumps({"type": kind, "sid": 99, "seq": number, "msg": body}).encode()


def traded(seed: int, reference: str = "told btc") -> Records:
    """Contracts of two venues on one reference, makers who lag behind it, and rules on it."""
    markets = Markets(seed, yes_prices=seed % 2 == 0, trouble=0.04)
    markets.begin(RULES, "direct")
    steps, rng = markets.run(500), random.Random(seed)
    subscribed = [json.loads(each[4]) for each in steps if each[0] == Kind.SUBSCRIBE]
    begun = max(place for place, each in enumerate(steps) if each[0] == Kind.SUBSCRIBE) + 1
    records, value, told_ns = list(steps[:begun]), 84_000 * E18, 0
    first = next(each[1] for each in steps[begun:] if each[1])
    kalshi = next(each[2] for each in steps if b"kalshi" in each[4] and each[0] == Kind.CONNECTED)
    heard = 0
    for number in range(len(subscribed)):
        above = SettlementTerms(
            reference, first + 400 * S, at_least=str(83_990 + 5 * number),
            params={"step_ms": 50, "half_life_ms": 200, "move_ms": 100, "move_sigmas": "0.8"},
        )  # fmt: skip
        told = {"instrument": number, "params": above.texts()}
        records.append((Kind.TERMS, first, 0, 0, json.dumps(told).encode()))
    for each in steps[begun:]:
        while each[1] - told_ns > 50 * MS:
            told_ns = max(told_ns, first) + 50 * MS
            value += rng.randrange(-4_000, 4_001) * E18 // 1_000
            tick = {"name": "btc", "ts_event": told_ns, "value_e18": value}
            if rng.random() >= 0.95 or told_ns > each[1]:
                continue
            if reference.startswith("venue"):
                heard += 1
                frame = passed_on(told_ns, value, heard)
                records.append((Kind.FRAME, told_ns, kalshi, 0, frame))
            else:
                records.append((Kind.REFERENCE, told_ns, 0, 0, json.dumps(tick).encode()))
        records.append(each)
    return records


RULES: list[tuple[str, dict[str, Any]]] = [
    ("fair_value", {"min_edge": "0.005"}),
    ("fair_value", {"min_edge": "0", "max_reference_age_ms": 120, "max_age_ms": 400}),
    ("fair_value", {"max_qty": "7", "min_hold_ms": 90, "cooldown_ms": 150}),
    ("delay", {"min_wait_ms": 0}),
    ("delay", {"min_wait_ms": 100, "min_edge": "0.003", "max_age_ms": 800}),
    ("complement", {"min_edge": "0"}),
]


@pytest.mark.slow
def test_what_rests_on_references_is_audited() -> None:
    agreed: Counter[str] = Counter()
    for seed in seeds(1):
        report = audited(traded(seed), {"hash_check": "off"})
        assert report.findings == [], f"seed {seed}"
        agreed += report.signals
    phases = ("open", "update", "close")
    assert min(agreed[f"fair_value {phase}"] for phase in phases) > 12 * TIMES, agreed
    assert min(agreed[f"delay {phase}"] for phase in ("open", "close")) > 2 * TIMES, agreed


def test_what_a_venue_passes_on_is_audited() -> None:
    agreed: Counter[str] = Counter()
    for seed in seeds(1, first=2):  # whose prices are written the other way than above
        report = audited(traded(seed, "venue BRTI"), {"hash_check": "off"})
        assert report.findings == [], f"seed {seed}"
        assert report.fair_values > 5
        agreed += report.signals
    assert agreed["fair_value open"] > 20, agreed


@pytest.mark.parametrize("what", ["price", "none"])
def test_a_value_that_does_not_follow_from_what_a_venue_passes_on_is_found(what: str) -> None:
    witness = Mistaken(Engine(hash_check="off"))
    witness.what = what
    report = Auditor(witness).run(traded(1, "venue BRTI")[:700])
    kinds = {finding.kind for finding in report.findings}
    assert kinds and kinds <= {"fair", "extra", "missing", "different"}, kinds


def test_a_replay_comes_to_the_same_values() -> None:
    def run(records: Records) -> list[Any]:
        inputs, values = EngineInput(Engine()), []
        for kind, ts, conn, _, payload in records:
            assert inputs.apply(kind, ts, conn, payload)
            fair = inputs.engine.fair_value(5) if kind == Kind.REFERENCE else None
            if fair is not None:
                values.append((fair.ts, fair.price_e9, fair.low_e9, fair.high_e9, fair.sd_e18))
        return values

    once = run(walked(5))
    assert len(once) > 300 and once == run(walked(5))


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.TERMS, b'{"instrument": 0}'),
        (Kind.TERMS, b'{"instrument": 7, "params": {"reference": "told x", "end_ts": 5}}'),
        (Kind.TERMS, b'{"instrument": 0, "params": {"reference": "x", "end_ts": 5}}'),
        (Kind.STRIKE, b'{"instrument": 0, "strike_e18": 5}'),
        (Kind.STRIKE, b'{"instrument": 0}'),
        (Kind.REFERENCE, b'{"name": "x", "ts_event": 1.5, "value_e18": 5}'),
        (Kind.REFERENCE, b'{"name": "x", "ts_event": 1, "value_e18": 1' + b"0" * 60 + b"}"),
        (Kind.REFERENCE, b"[]"),
    ],
)  # fmt: skip
def test_a_bad_record_is_left_out(kind: Kind, payload: bytes) -> None:
    inputs = EngineInput(Engine())
    listed(inputs, "up", 1)
    assert inputs.apply(kind, 2, 0, payload) is False
    assert inputs.records_refused == 1


async def test_a_feed_is_told_of_contracts_and_references() -> None:
    server = await serve(KrakenSimConfig(markets=1, levels=20, rate=5.0))
    tape: Any = Tape()
    markets, endpoints = markets_of(server), {"kraken": endpoint_of(server)}
    feed = feed_of(markets, endpoints, Watcher({}), tape, changed(OPTIONS))
    (symbol,) = markets[0].symbols
    more = {"step_ms": 1_000, "half_life_ms": 2_000}
    try:
        async with feed:
            await feed.wait_live(PATIENCE_S)
            with pytest.raises(EngineError, match="no terms of settlement"):
                feed.tell_strike(symbol, 84_000 * E18)
            assert feed.fair_value(symbol) is None and feed.window(symbol) is None
            feed.add_terms(symbol, terms("told btc", **more))
            feed.tell_strike(symbol, 84_000 * E18)
            for second in range(20):
                feed.tell_reference("btc", START + second * S, (84_000 + second % 3) * E18)
            fair, window = feed.fair_value(symbol), feed.window(symbol)
            with pytest.raises(ValueError, match="below 10"):
                feed.tell_reference("btc", START, 10**31)
            with pytest.raises(EngineError, match="reference must be index, venue, told or trades"):
                feed.add_terms(symbol, terms("btc"))
    finally:
        await server.close()
    assert fair is not None and window is not None
    assert fair.ts == START + 19 * S and 0.3 < fair.price < 0.7
    assert (window.strike_e18, window.opening_e18) == (84_000 * E18, None)
    seen = replay(iter(tape.records))
    seen.run()
    again = seen.fair_value(symbol)
    assert again is not None and repr(again) == repr(fair)
    assert again.expected_e18 == fair.expected_e18
    assert audited(tape.records, {}).findings == []


@pytest.mark.parametrize(
    ("kinds", "told"),
    [(["delay", "fair_value"], False), (["fair_value"], True), (["complement"], False)],
)
async def test_rules_that_find_nothing_without_terms_are_warned_of_once(
    kinds: list[str], told: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bookfeed.feed.worth.TERMS_AFTER_S", 0.05)
    market = user_quote.market_of("mine")
    with caplog.at_level(logging.WARNING, "bookfeed.rules.why"):
        async with Feed([market], rules=[Rule(kind, {}) for kind in kinds]) as feed:
            if told:
                feed.add_terms(market.symbols[0], terms("told btc"))
            await asyncio.sleep(0.2)
    said = [r.getMessage() for r in caplog.records if "terms of settlement" in r.getMessage()]
    if kinds != ["delay", "fair_value"]:
        assert said == []
        return
    (line,) = said
    assert line.startswith("rule delay and fair_value: ") and "feed.add_terms" in line


async def test_a_feed_that_ends_before_says_that_there_are_no_terms(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "bookfeed.rules.why"):
        async with Feed([user_quote.market_of("mine")], rules=[Rule("fair_value", {})]):
            pass
    assert sum("terms of settlement" in r.getMessage() for r in caplog.records) == 1
