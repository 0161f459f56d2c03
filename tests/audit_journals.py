"""Journals for the auditor's tests: what a campaign does to an engine, as journal records."""

import json
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final

import pytest

from bookfeed._bookfeed import Engine
from bookfeed.audit import Auditor
from bookfeed.audit.report import AuditReport
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.scorecard.campaigns import binance_kraken as spot_campaign
from bookfeed.scorecard.campaigns import binance_kraken_client as spot_client
from bookfeed.scorecard.campaigns import polymarket as campaign
from bookfeed.scorecard.witness import EngineWitness
from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.faults import random_kalshi_faults
from bookfeed.sim.kalshi.stream import KalshiStream
from bookfeed.sim.polymarket_kalshi.twovenue import CONN_OF, TwoVenueConfig, TwoVenueRun
from bookfeed.sim.virtual import START_NS

MS: Final = 1_000_000

Records = list[tuple[int, int, int, int, bytes]]
Rules = Sequence[tuple[str, dict[str, Any]]]


class Tape:
    """A recorder that keeps everything in memory."""

    def __init__(self) -> None:
        self.records: Records = []

    def append(self, kind: int, ts: int, conn: int, epoch: int, payload: bytes) -> None:
        self.records.append((int(kind), ts, conn, epoch, bytes(payload)))

    def poll(self, now_ns: int) -> None:
        """Nothing waits here."""

    def close(self, timeout_s: float) -> object:
        """Nothing to write out."""
        return timeout_s


class TapedEngine:
    """An engine whose every changing call goes through ``EngineInput``, and onto a tape."""

    def __init__(self, tape: Tape, options: dict[str, Any]) -> None:
        self.engine = Engine(**options)
        self._input = EngineInput(self.engine, tape)
        self.ts = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def connected(self, conn: int, venue: str, ts: int) -> None:
        self._input.connected(conn, venue, ts)

    def disconnected(self, conn: int, ts: int) -> None:
        self._input.disconnected(conn, "test", ts)

    def subscribe(self, venue: str, symbol: str, conn: int, ts: int, **options: Any) -> int:
        self.ts = ts
        payload = json.dumps({"venue": venue, "symbol": symbol, **options}).encode()
        assert self._input.apply(Kind.SUBSCRIBE, ts, conn, payload)
        instrument = self.engine.instrument(venue, symbol)
        assert instrument is not None
        return instrument

    def add_rule(self, kind: str, params: dict[str, Any]) -> None:
        payload = json.dumps({"kind": kind, "params": params}).encode()
        assert self._input.apply(Kind.RULE, self.ts, 0, payload)

    def ingest(self, conn: int, payload: bytes, ts: int) -> int:
        return self._input.ingest(conn, payload, ts)

    def ingest_rest(
        self, conn: int, payload: bytes, ts: int, *, instrument: int | None = None
    ) -> int:
        if instrument is not None:
            return self._input.ingest_rest_book(conn, instrument, payload, ts)
        return self._input.ingest_rest(conn, payload, ts)

    def ingest_poll(
        self, conn: int, payload: bytes, ts: int, *, asked: int, instrument: int | None = None
    ) -> int:
        return self._input.ingest_poll(conn, payload, ts, asked=asked, instrument=instrument)

    def advance(self, ts: int) -> int:
        return self._input.advance(ts)

    def resync_begin(self, instrument: int, ts: int, *, asked: bool = False) -> None:
        self._input.resync_begin(instrument, ts, asked=asked)


def recorded(seed: int, *, rules: Rules = (), **options: Any) -> tuple[Records, dict[str, Any]]:
    """The records of one campaign, and the options of the engine it ran on."""
    return _taped(campaign, lambda: campaign.run(seed, **options), rules)


def spot_recorded(venue: str, seed: int, **options: Any) -> tuple[Records, dict[str, Any]]:
    """Likewise of the campaign of spot venues, which has a rule of its own."""
    return _taped(spot_client, lambda: spot_campaign.run(seed, venue=venue, **options), ())


def _taped(
    where: ModuleType, play: Callable[[], object], rules: Rules
) -> tuple[Records, dict[str, Any]]:
    """What is done to the one engine that is built in a module."""
    tape, used = Tape(), {}

    def build(**engine_options: Any) -> TapedEngine:
        used.update(engine_options)
        engine = TapedEngine(tape, engine_options)
        for kind, params in rules:
            engine.add_rule(kind, params)
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, "Engine", build)
        play()
    return tape.records, used


def kalshi_recorded(seed: int, *, use_yes_price: bool, items: int) -> Records:
    """The records of a simulated Kalshi with faults, mended by answers to requests."""
    config = KalshiVenueConfig(seed=seed, pause_every=150, fee_change_every=150)
    faults = random_kalshi_faults(seed, count=5, frames=items * 2 // 3)
    channels = ("orderbook_delta", "trade", "ticker", "market_lifecycle_v2")
    stream = KalshiStream(
        config, faults=faults, use_yes_price=use_yes_price, rate=80.0, channels=channels
    )
    events: dict[str, list[str]] = {}
    for ticker in stream.tickers(0):
        event = stream.venue.by_ticker[ticker].spec.event_ticker
        events.setdefault(event, []).append(f"kalshi {ticker} yes")
    rules: list[tuple[str, dict[str, Any]]] = [("spread", {"open": "0.02", "close": "0.01"})]
    for legs in (legs for legs in events.values() if len(legs) > 2):
        rules.append(("basket", {"legs": ";".join(legs), "exhaustive": "true"}))
        rules.append(("ladder", {"legs": ";".join(legs)}))
    records: Records = [
        (int(Kind.RULE), 0, 0, 0, json.dumps({"kind": kind, "params": params}).encode())
        for kind, params in rules
    ]
    known: set[str] = set()
    asked_ns = 0
    for item in stream.items(items):
        for ticker in sorted(set(stream.tickers(item.conn)) - known):
            known.add(ticker)
            listing = {
                "venue": "kalshi", "symbol": ticker, "market": ticker,
                "event": stream.venue.by_ticker[ticker].spec.event_ticker,
                "fee_type": "quadratic", "fee_multiplier": "1",
            }  # fmt: skip
            payload = json.dumps(listing).encode()
            records.append((int(Kind.SUBSCRIBE), item.ts_ns, item.conn, 0, payload))
        if item.kind == "connected":
            mode = b"kalshi use_yes_price" if use_yes_price else b"kalshi"
            records.append((int(Kind.CONNECTED), item.ts_ns, item.conn, 0, mode))
        elif item.kind == "disconnected":
            records.append((int(Kind.DISCONNECTED), item.ts_ns, item.conn, 0, b"test"))
        elif item.kind == "frame":
            records.append((int(Kind.FRAME), item.ts_ns, item.conn, 0, item.payload))
            if b'"type":"error"' in item.payload.replace(b" ", b""):
                stream.subscribe(item.conn)
        if item.ts_ns > asked_ns + 500 * MS:
            asked_ns = item.ts_ns
            stream.get_snapshot(item.conn, stream.tickers(item.conn))
            records.append((int(Kind.ADVANCE), item.ts_ns, 0, 0, b""))
    return records


def two_venues_recorded(config: TwoVenueConfig, *, items: int) -> Records:
    """The records of two simulated venues: a box on each pair, and the sets of Kalshi."""
    run = TwoVenueRun(config)
    records: Records = []

    def put(kind: Kind, ts: int, conn: int, payload: object) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        records.append((int(kind), ts, conn, 1, data))

    for name, event in run.events.items():
        legs = [f"kalshi {spec.ticker} yes" for spec in event.markets]
        params: dict[str, Any] = {"legs": ";".join(legs), "min_edge": "0.002"}
        kind = name.rstrip("0123456789")
        if kind == "basket":
            params["exhaustive"] = "true"
        if kind == "pair":
            first = run.tokens[name].assets[int(run.is_inverted(name))].asset_id
            params = {"a": legs[0], "b": f"polymarket {first} yes", "min_edge": "0.002"}
            kind = "box"
        put(Kind.RULE, START_NS, 0, {"kind": kind, "params": params})
        for spec in event.markets:
            put(Kind.SUBSCRIBE, START_NS, CONN_OF["kalshi"], {
                "venue": "kalshi", "symbol": spec.ticker, "event": spec.event_ticker,
                "fee_type": "quadratic", "fee_multiplier": "1", "fee_rounding": "direct",
                "open_ts": spec.open_ms * MS, "close_ts": spec.close_ms * MS,
            })  # fmt: skip
    for token in run.tokens.values():
        for asset in token.assets:
            put(Kind.SUBSCRIBE, START_NS, CONN_OF["polymarket"], {
                "venue": "polymarket", "symbol": asset.asset_id, "market": token.condition_id,
                "fee_rate": "0.07", "min_order_size": config.min_order_size,
            })  # fmt: skip
    next_ns = START_NS
    for item in run.items(items):
        while next_ns < item.ts_ns:
            put(Kind.ADVANCE, next_ns, 0, b"")
            next_ns += 100 * MS
        if item.kind == "connected":
            mode = b" use_yes_price" if item.venue == "kalshi" and config.use_yes_price else b""
            put(Kind.CONNECTED, item.ts_ns, item.conn, item.venue.encode() + mode)
        elif item.kind == "disconnected":
            put(Kind.DISCONNECTED, item.ts_ns, item.conn, b"test")
        elif item.kind == "frame":
            put(Kind.FRAME, item.ts_ns, item.conn, item.payload)
    return records


def audited(records: Records, options: dict[str, Any]) -> AuditReport:
    """A report on records, replayed by a fresh engine."""
    return Auditor(EngineWitness(Engine(**options))).run(records)
