"""A feed against the simulated venue over real sockets: never wrong while live.

Wrong means: a book shown as ``live`` that is not a state the venue's book truly had, or an older
one than was shown before on the same connection.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tls import tls_at
from waiting import PATIENCE_S, PatientClock, let_time_be_patient, until

from bookfeed import loops
from bookfeed._bookfeed import Batch, Engine
from bookfeed.feed.feed import Feed, SessionOptions
from bookfeed.live.recovery.plan import ResyncPolicy
from bookfeed.market import Market, Outcome
from bookfeed.records import Update
from bookfeed.rules.rule import Rule
from bookfeed.sim.polymarket import SimConfig, SimServer, serve
from bookfeed.sim.polymarket.faults import Fault
from bookfeed.venues import FeeSchedule

S = 1_000_000_000

RULES = (
    Rule("spread", {"mode": "bps", "open": "20", "close": "10"}),
    Rule("complement", {"min_edge": "0.001"}),
)
OPTIONS = SessionOptions(
    backoff_min_s=0.02,
    backoff_max_s=0.1,
    connect_stagger_s=0.0,
    silence_s=0.6,
    advance_s=0.02,
    resync=ResyncPolicy(fetch_interval_s=0.02, reconnect_interval_s=0.1),
)


def markets_of(server: SimServer) -> list[Market]:
    return [
        Market(
            listing.condition_id,
            tuple(
                Outcome(name, asset)
                for name, asset in zip(listing.outcomes, listing.asset_ids, strict=True)
            ),
            name=listing.question,
            tick_size=listing.tick_size,
            min_order_size=listing.min_order_size,
            neg_risk=listing.neg_risk,
            fee=FeeSchedule(listing.fee_rate, listing.fee_exponent),
        )
        for listing in server.markets
    ]


class Auditor:
    """Compares every live book with the truth whenever anything came out of the engine."""

    def __init__(self, server: SimServer) -> None:
        self.server = server
        self.feed: Feed | None = None
        self.checked = 0
        self.wrong: list[str] = []
        self.states: list[tuple[str, str, str]] = []
        self.shown: dict[str, tuple[int, int]] = {}

    def on_state(self, update: Update) -> None:
        if update.kind == "state":
            self.states.append((update.symbol, update.state, update.cause))

    def on_batch(self, batch: Batch) -> None:
        assert self.feed is not None
        for instrument in set(batch.updates["instrument"].tolist()):
            view = self.feed.book(instrument)
            if view.live:
                self.audit(view.symbol, view.epoch, instrument)

    def audit(self, symbol: str, epoch: int, instrument: int) -> None:
        assert self.feed is not None
        view = self.feed.book(instrument)
        version = self.server.truth.version_of(
            symbol, view.levels_exact("bid").tolist(), view.levels_exact("ask").tolist()
        )
        self.checked += 1
        before_epoch, before = self.shown.get(symbol, (epoch, -1))
        if version is None:
            self.wrong.append(f"{symbol}: never was like this ({view.cause})")
        elif before_epoch == epoch and version < before:
            self.wrong.append(f"{symbol}: went back from version {before} to {version}")
        self.shown[symbol] = (epoch, -1 if version is None else version)


@asynccontextmanager
async def running(
    config: SimConfig,
    *,
    rest: bool = False,
    engine: Engine | None = None,
    clock: PatientClock | None = None,
) -> AsyncIterator[tuple[SimServer, Feed, Auditor]]:
    server = await serve(config)
    auditor = Auditor(server)
    feed = Feed(
        markets_of(server),
        url=server.url,
        rest_url=server.rest_url if rest else None,
        rules=RULES,
        on_batch=auditor.on_batch,
        on_update=auditor.on_state,
        engine=engine or Engine(hash_check="always"),
        options=OPTIONS,
        clock=clock or PatientClock(),
        seed=1,
    )
    auditor.feed = feed
    try:
        async with feed:
            await feed.wait_live(PATIENCE_S)
            yield server, feed, auditor
            assert feed.counters()["callback_errors"] == 0
            assert feed.counters()["listener_errors"] == 0
    finally:
        await server.close()


async def sending(server: SimServer, frames: int) -> None:
    """Returns when so many more frames have been sent."""
    end = server.frames_sent + frames
    await until(lambda: server.frames_sent >= end)


async def test_a_clean_run_changes_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    # One time for both: what the engine may search for in a second is enough for what the venue
    # sends in a second.
    clock = let_time_be_patient(asyncio.get_running_loop(), monkeypatch)
    config = SimConfig(markets=4, rate=2000, rest=False)
    async with running(config, clock=clock) as (server, feed, auditor):
        changes = len(auditor.states)
        await until(lambda: server.frames_sent > 2500 and auditor.checked > 2000)
        assert auditor.wrong == []
        assert auditor.states[changes:] == []
        assert feed.counters()["decode_errors"] == 0
        evidence = feed.engine.evidence()
        assert evidence["bbo_mismatch"] == evidence["hash_change_mismatch"] == 0
        assert evidence["hash_change_match"] > 1000


STREAM_FAULTS = [
    ("drop", ""), ("duplicate", "at_once"), ("duplicate", "reversed"), ("duplicate", "later"),
    ("freeze", ""), ("disconnect", ""), ("reset", ""), ("wrong_hash", "one"),
    ("wrong_hash", "all"), ("malformed", "truncated"), ("malformed", "bad_number"),
    ("malformed", "invalid_utf8"), ("malformed", "unattributable"), ("swap", ""),
    ("corrupt_size", "one"), ("corrupt_size", "all"),
]  # fmt: skip


@pytest.mark.parametrize("rest", [False, True])
@pytest.mark.parametrize(("kind", "variant"), STREAM_FAULTS)
async def test_never_wrong_while_live(kind: str, variant: str, rest: bool) -> None:
    fault = Fault(kind, at_frame=60, variant=variant)  # type: ignore[arg-type]
    engine = Engine(hash_check="always", silence_s=1 / 3, suspect_grace_s=0.2)
    config = SimConfig(markets=2, rate=400, faults=(fault,), rest=rest, new_market_every=0)
    async with running(config, rest=rest, engine=engine) as (server, feed, auditor):
        await until(lambda: server.fault_log)
        if kind == "freeze":
            await until(lambda: ("stale", "silence") in [s[1:] for s in auditor.states])
        # Frames by which it shows whether the fault did harm; then some after that was mended.
        for _ in range(2):
            await sending(server, 80)
            await feed.wait_live(PATIENCE_S)
        await until(lambda: auditor.checked > 50)
        assert auditor.wrong == []


async def test_many_markets_over_several_connections_and_tls() -> None:
    ours, theirs = tls_at("127.0.0.1")
    server = await serve(SimConfig(markets=30, rate=2000, rest=False, tls=theirs))
    options = SessionOptions(symbols_per_connection=20, connect_stagger_s=0.0)
    try:
        async with Feed(
            markets_of(server), url=server.url, ssl_context=ours, options=options
        ) as feed:
            await feed.wait_live(PATIENCE_S)
            assert server.connections == 3
            await until(lambda: feed.counters()["frames"] > 1000)
            assert all(view.live for view in feed.books())
    finally:
        await server.close()


async def test_signals_of_unmirrored_markets_open_and_close() -> None:
    config = SimConfig(
        markets=2, unmirrored=2, rate=400, rest=False, dislocation_every_s=0.2, new_market_every=0
    )
    async with running(config) as (_, feed, _auditor):
        seen: set[tuple[str, str]] = set()
        async with asyncio.timeout(PATIENCE_S):
            async for signal in feed.signals():
                assert all(leg.state == "live" for leg in signal.legs) or signal.phase == "close"
                seen.add((signal.rule, signal.phase))
                if {("complement", "open"), ("complement", "close")} <= seen:
                    break


@pytest.mark.usefixtures("either_loop")
@pytest.mark.parametrize("busy_poll", [False, True])
def test_every_kind_of_loop(busy_poll: bool) -> None:
    async def main() -> None:
        async with running(SimConfig(markets=2, rate=1000, rest=False)) as (server, feed, auditor):
            await until(lambda: server.frames_sent > 300 and auditor.checked > 200)
            assert auditor.wrong == []
            assert server.connections == 1
            await feed.close()
            await until(lambda: server.connections == 0)

    loops.run(main(), busy_poll=busy_poll)
