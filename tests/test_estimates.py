"""Indices that a feed estimates as time passes: journals of several simulated venues with faults,
where the auditor computes every value anew; what is handed to listeners; what a replay gives.
"""

import json
from collections.abc import Iterator
from dataclasses import replace as changed
from decimal import Decimal
from heapq import merge
from pathlib import Path
from typing import Any

import pytest
from audit_journals import Records, audited, spot_recorded
from lengths import TIMES
from spot_live import OPTIONS, Tape, Watcher, feed_of
from test_kraken_live import endpoint_of, markets_of
from waiting import PATIENCE_S, until

from bookfeed import ConfigError, EngineError, IndexEstimate, IndexTick, replay
from bookfeed._bookfeed import Batch, Engine
from bookfeed.audit import Auditor
from bookfeed.catalogue.listing import ListedOutcome, Listing, Strike
from bookfeed.catalogue.news import MarketNews
from bookfeed.catalogue.regime import Regime
from bookfeed.catalogue.stored import news_text
from bookfeed.config import load
from bookfeed.fair.estimates import FairValues, Volatilities
from bookfeed.feed import settings
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.records.indices import INDEX_BYTES, index_ticks
from bookfeed.scorecard.witness import EngineWitness
from bookfeed.sim.kraken import KrakenSimConfig, serve

VENUES = ("coinbase", "kraken", "bitstamp")
TICK = 200_000_000
CONNS_EACH = 100
ITEMS = 300 if TIMES == 1 else 600

Record = tuple[int, int, int, int, bytes]


def renumbered(part: int, records: Records, numbers: dict[str, int]) -> Iterator[Record]:
    """The records of one venue with connections, and instruments, of their own."""
    own: list[str] = []
    for kind, ts, conn, epoch, payload in records:
        if kind == Kind.SUBSCRIBE:
            symbol = json.loads(payload)["symbol"]
            if symbol not in own:
                own.append(symbol)
            numbers.setdefault(symbol, len(numbers))
        elif kind in (Kind.UNSUBSCRIBE, Kind.RESYNC_BEGIN, Kind.FORGET, Kind.REST_BOOK, Kind.POLL):
            head, line, body = payload.partition(b"\n")
            told = json.loads(head)
            told["instrument"] = numbers[own[told["instrument"]]]
            payload = json.dumps(told).encode() + line + body
        yield kind, ts, conn + CONNS_EACH * part, epoch, payload


def symbols_of(records: Records) -> list[str]:
    told = (json.loads(payload) for kind, *_, payload in records if kind == Kind.SUBSCRIBE)
    return [one["symbol"] for one in told]


def together(seed: int, params: dict[str, object] | None = None, items: int = 600) -> Records:
    """Three venues with faults as one journal, in which an index of their books is estimated."""
    parts = [spot_recorded(venue, seed, items=items)[0] for venue in VENUES]
    symbols = [next(s for s in symbols_of(part) if "BTC" in s.upper()) for part in parts]
    # Faults are as the seed has them: each venue's begins with the first one's.
    starts = [min(ts for kind, ts, *_ in part if kind == Kind.CONNECTED) for part in parts]
    shifted = [
        [(kind, ts - start + starts[0] if ts else 0, *rest) for kind, ts, *rest in part]
        for part, start in zip(parts, starts, strict=True)
    ]
    numbers: dict[str, int] = {}
    renewed = [
        renumbered(place, part, numbers)  # type: ignore[arg-type]
        for place, part in enumerate(shifted)
    ]
    records = list(merge(*renewed, key=lambda record: record[1]))
    estimate = IndexEstimate("btc", "BTC", dict(zip(VENUES, symbols, strict=True)), params or {})
    content = {"name": estimate.name, "params": estimate.texts()}
    first = next(place for place, record in enumerate(records) if record[1])
    index = (Kind.INDEX, records[first][1], 0, 0, json.dumps(content).encode())
    return [*records[:first], index, *records[first:]]


@pytest.mark.parametrize("seed", range(1, 7))
def test_the_auditor_computes_the_same_values(seed: int) -> None:
    params: list[dict[str, object]] = [
        {},
        {"crossed": "matched", "order": "price"},
        {"spacing": "hundredth", "median": "all", "erroneous_ppm": "300"},
        {"spacing": "0.5", "sample": "at_most 20", "tick_ms": 1000},
        {"lag_max_ms": 700, "half_spread_ppm": 3000},
        {"spacing": "published", "tick_ms": 100},
    ]
    records = together(seed, params[seed - 1], ITEMS)
    report = audited(records, {})
    assert [each for each in report.findings if each.kind == "index"] == []
    assert report.index_ticks > ITEMS // 60
    seen = replay(iter(records), engine=Engine())
    ticks: list[IndexTick] = []
    seen.on_index(ticks.append)
    seen.run()
    assert len(ticks) == report.index_ticks
    assert sum(tick.value is not None for tick in ticks) > ITEMS // 120


class Mistaken(EngineWitness):
    """An engine whose values, or standings, are others now and then."""

    what = ""

    def indices(self) -> list[IndexTick]:
        ticks = super().indices()
        if self.what == "lost":
            return [tick for tick in ticks if tick.ts % (5 * TICK)]
        return [self._mistaken(tick) for tick in ticks]

    def _mistaken(self, tick: IndexTick) -> IndexTick:
        if self.what == "value" and tick.value_e9 is not None:
            return changed(tick, value_e9=tick.value_e9 + 10)
        if self.what == "standing":
            return changed(tick, standings=dict.fromkeys(tick.standings, "erroneous"))
        return tick


@pytest.mark.parametrize("what", ["value", "standing", "lost"])
def test_a_value_that_is_not_the_books_is_found(what: str) -> None:
    witness = Mistaken(Engine())
    witness.what = what
    report = Auditor(witness).run(together(2, items=ITEMS))
    assert "index" in {finding.kind for finding in report.findings}


def test_a_replay_gives_the_same_values_bit_for_bit() -> None:
    records = together(3)

    def run(every: int) -> tuple[bytes, str]:
        engine = Engine(digest=True)
        inputs, told = EngineInput(engine), b""
        for number, (kind, ts, conn, _, payload) in enumerate(records):
            inputs.apply(kind, ts, conn, payload)
            if number % every == 0:
                told += engine.drain().index_bytes
        told += engine.drain().index_bytes
        return told, engine.digest()

    once = run(1)
    assert once[0] and once == run(1) == run(97)


def test_listeners_get_each_value_and_the_newest_is_kept() -> None:
    seen = replay(iter(together(4, {"tick_ms": 100})), engine=Engine())
    got: list[IndexTick] = []
    listener = seen.on_index(name="btc")(got.append)
    other = seen.on_index(got.append, name="eth")
    assert seen.index("btc") is None
    seen.run()
    assert got and listener.calls == len(got) and other.calls == 0
    assert seen.index("btc") == got[-1]
    assert all(tick.ts % (TICK // 2) == 0 and tick.ts_recv >= tick.ts for tick in got)
    assert {tuple(tick.standings) for tick in got} == {VENUES}
    assert any(tick.whole_second for tick in got) and not all(tick.whole_second for tick in got)
    valued = [tick for tick in got if tick.value is not None]
    assert all(tick.included == [*tick.standings.values()].count("included") for tick in valued)


def test_records_are_read_as_their_layout_says() -> None:
    inputs = EngineInput(Engine())
    number = inputs.add_index(IndexEstimate("x", "ETH", {"kraken": "ETH/USD"}), TICK)
    inputs.advance(3 * TICK)
    batch = inputs.engine.drain()
    assert len(batch) == 0 and len(batch.index_bytes) == 2 * INDEX_BYTES
    assert batch.indices["ts_ns"].tolist() == [2 * TICK, 3 * TICK]
    (first, second) = index_ticks(batch.index_bytes, inputs.names)
    assert (first.number, first.name, first.value, first.included) == (number, "x", None, 0)
    assert second.standings == {"kraken": "delayed"} and second.ts_recv == 3 * TICK
    assert Batch(index_bytes=batch.index_bytes).index_bytes == batch.index_bytes
    with pytest.raises(ValueError, match="index_bytes: 95 bytes"):
        Batch(index_bytes=bytes(95))


@pytest.mark.parametrize(
    "payload",
    [b"{}", b'{"name": "x", "params": 5}', b'{"name": "x", "params": {"asset": "BTC"}}', b"[]"],
)
def test_a_bad_record_of_an_index_is_left_out(payload: bytes) -> None:
    inputs = EngineInput(Engine())
    assert inputs.apply(Kind.INDEX, 1, 0, payload) is False
    assert inputs.records_refused == 1


INDEX_TABLE = """
[[market]]
venue = "kraken"
symbol = "BTC-USD"

[[index]]
name = "btc"
asset = "BTC"
constituents = ["kraken BTC/USD"]
tick_ms = 500
"""


def test_an_index_is_stated_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "bookfeed.toml"
    path.write_text(INDEX_TABLE)
    config = load(path)
    (index,) = config.index
    wanted = IndexEstimate("btc", "BTC", {"kraken": "BTC/USD"}, {"tick_ms": 500})
    assert index.estimate() == wanted
    assert settings.arguments(config, "file", {}, {})["indices"] == [wanted]
    for old, new, problem in (
        ('asset = "BTC"', 'asset = "DOGE"', "asset"),
        ('"kraken BTC/USD"', '"kraken"', "a venue and its symbol"),
        ("tick_ms = 500", "tick_ms = 5", "50 to 60000"),
    ):
        path.write_text(INDEX_TABLE.replace(old, new))
        with pytest.raises(ConfigError, match=problem):
            load(path)


def test_what_is_no_index_is_refused() -> None:
    inputs: Any = EngineInput(Engine())
    with pytest.raises(EngineError, match="binance is never one: leave it out"):
        inputs.add_index(IndexEstimate("x", "BTC", {"binance": "BTCUSDT"}), 1)
    with pytest.raises(EngineError, match='no parameter "tick"'):
        inputs.add_index(IndexEstimate("x", "BTC", {"kraken": "BTC/USD"}, {"tick": "1"}), 1)


def test_fair_values_rest_on_the_index_of_the_feed() -> None:
    """What the feed estimates counts, at each whole second, and nothing is estimated beside it."""
    records = together(4)
    first_ts, last_ts = records[0][1], records[-1][1]
    end_ts = last_ts + 600 * 10**9
    listing = Listing(
        venue="kalshi", market="KXBTC15M-X", slug="KXBTC15M-X", event="KXBTC15M-X", title="Up?",
        outcomes=(ListedOutcome("Yes", "KXBTC15M-X"),), status="open", start_ts=first_ts,
        close_ts=end_ts, regime=Regime("mean", 60, "CF Benchmarks"),
        strike=Strike("greater_or_equal", Decimal(84_000), None),
    )  # fmt: skip
    news = news_text(MarketNews(kind="known", listing=listing)).encode()
    seen = replay(iter([(Kind.MARKET, first_ts - 10**12, 0, 0, news), *records]))
    fair, got = FairValues(seen, volatility=Volatilities(2.0, 0.5)), list[IndexTick]()
    seen.on_index(got.append)
    seen.run()
    told = [tick for tick in got if tick.whole_second and tick.value_e9 is not None]
    assert len(told) > 3 and fair.indexes == {"BTC": got[-1].value}
    assert fair.standings("BTC") == got[-1].standings
    (one,) = fair.markets()
    value = fair.value(one, told[-1].ts)
    assert fair.heard(one) and value is not None and value.ts == told[-1].ts
    alone = Engine()
    number = alone.subscribe("kalshi", "X", 0, 1)
    terms = {
        "reference": "told x", "start_ts": first_ts, "end_ts": end_ts, "half_life_ms": 2_000,
        "step_ms": 500, "reference_doubt": "8.3999995",
    }  # fmt: skip
    alone.add_terms(number, terms, 2)
    # The venue rounds to a cent first: what comes to 84,000 begins half a cent below.
    alone.tell_strike(number, 84_000 * 10**18 - 5 * 10**15, 3)
    for tick in told:
        made_of = {venue for venue, standing in tick.standings.items() if standing == "included"}
        # What one venue's leaving changes is no move: it has to be known of whom a value was made.
        bits = sum(1 << at for at, venue in enumerate(sorted(tick.standings)) if venue in made_of)
        alone.tell_reference("x", tick.ts, (tick.value_e9 or 0) * 10**9, tick.ts, of=bits)
    assert repr(alone.fair_value(number)) == repr(value)


async def test_a_feed_lets_time_pass_at_every_effective_time() -> None:
    server = await serve(KrakenSimConfig(markets=1, levels=60, rate=5.0))
    tape, got = Tape(), list[IndexTick]()
    feed = feed_of(
        markets_of(server), {"kraken": endpoint_of(server)}, Watcher({}), tape,
        changed(OPTIONS, advance_s=30.0),
    )  # fmt: skip
    feed.on_index(got.append)
    try:
        async with feed:
            await feed.wait_live(PATIENCE_S)
            index = IndexEstimate("btc", "BTC", {"kraken": "BTC/USD"}, {"tick_ms": 50})
            assert await feed.add_index(index) == 0
            with pytest.raises(EngineError, match="already"):
                await feed.add_index(index)
            await until(lambda: sum(tick.value is not None for tick in got) > 20)
            assert feed.index("btc") == got[-1]
    finally:
        await server.close()
    assert [tick.ts for tick in got] == [got[0].ts + at * TICK // 4 for at in range(len(got))]
    again: list[IndexTick] = []
    seen = replay(iter(tape.records))
    seen.on_index(again.append)
    seen.run()
    assert again == got
    report = audited(list(tape.records), {})
    assert report.findings == [] and report.index_ticks == len(got)
