"""Silence that is odd: who is asked about it, when, and when again. Time is an argument."""

import asyncio
import random
from types import SimpleNamespace
from typing import Any

import orjson
from waiting import PATIENCE_S

from bookfeed._bookfeed import Engine
from bookfeed.live.recovery.commands import CommandMender
from bookfeed.live.recovery.plan import ResyncPlan, ResyncPolicy
from bookfeed.live.recovery.rest import RestMender
from bookfeed.live.recovery.suspects import AGAIN_MAX_NS, AGAIN_MIN_NS, Suspects
from bookfeed.recordings.inputs import EngineInput
from bookfeed.venues.base import Commands, RestBooks, RestRequest
from bookfeed.venues.kalshi import kalshi
from bookfeed.venues.polymarket import polymarket

S = 1_000_000_000
BUSY, SLOW, SIBLING = "11", "22", "33"
START_NS = 1_800_000_000 * S


def test_a_suspect_is_asked_about_again_after_twice_as_long() -> None:
    suspects, now_ns, waits = Suspects(), START_NS, []
    for _ in range(6):
        assert suspects.due([7], now_ns) == [7]
        suspects.asked([7], now_ns)
        asked_ns = now_ns
        while not suspects.due([7], now_ns):
            now_ns += S
        waits.append(now_ns - asked_ns)
    assert waits == [AGAIN_MIN_NS * 2**n for n in range(4)] + [AGAIN_MAX_NS] * 2


def test_the_next_silence_is_another_one() -> None:
    suspects = Suspects()
    suspects.asked(suspects.due([3, 1], 0), 0)
    assert suspects.due([3, 1, 2], S) == [2]
    assert suspects.due([1], 2 * S) == []
    assert suspects.due([3, 1], 2 * S) == [3]


class Witnessed:
    """Three markets on a connection, and somebody who may be asked about them."""

    def __init__(self, odd_silence_s: float = 3.0) -> None:
        self.engine, self.now_ns = Engine(odd_silence_s=odd_silence_s), START_NS
        self.engine.connected(0, "polymarket", self.now_ns)
        names = (BUSY, SLOW, SIBLING)
        self.of = {s: self.engine.subscribe("polymarket", s, 0, self.now_ns) for s in names}
        self.stamps = dict.fromkeys(names, 0)
        self.asked: list[tuple[float, list[str]]] = []
        self.moved = False
        self.quiet_since_ns = 0
        session = SimpleNamespace(open=True, counters=SimpleNamespace(connects=1))
        followed = {i: s for s, i in self.of.items()}
        shard: Any = SimpleNamespace(conn=0, instruments=followed, session=session)
        self.shard = shard
        connections: Any = SimpleNamespace(
            engine=self.engine,
            inputs=EngineInput(self.engine),
            plan=ResyncPlan(ResyncPolicy(), random.Random(1), can_fetch=True),
            clock=SimpleNamespace(now_ns=lambda: self.now_ns),
            flush=self.engine.drain,
            shard_of=lambda instrument: shard if instrument in shard.instruments else None,
        )
        books = polymarket().recovery
        assert isinstance(books, RestBooks)
        client: Any = SimpleNamespace(fetch=self.fetch)
        self.mender = RestMender(connections, client, books)
        for symbol in names:
            self.say(symbol)

    def book(self, symbol: str, size: str = "10") -> dict[str, object]:
        return {
            "event_type": "book",
            "market": f"0x{symbol * 32}",
            "asset_id": symbol,
            "timestamp": str(self.stamps[symbol]),
            "hash": "",
            "bids": [{"price": "0.40", "size": size}],
            "asks": [{"price": "0.60", "size": size}],
        }

    def say(self, symbol: str) -> None:
        """The stream tells a whole book of now."""
        self.stamps[symbol] = self.now_ns // 1_000_000
        self.engine.ingest(0, orjson.dumps(self.book(symbol)), self.now_ns)

    async def fetch(self, request: RestRequest) -> bytes:
        assert request.body is not None
        symbols = [row["token_id"] for row in orjson.loads(request.body)]
        self.asked.append(((self.now_ns - self.quiet_since_ns) / S, symbols))
        if self.moved:
            self.stamps[BUSY] = self.now_ns // 1_000_000
        size = "12" if self.moved else "10"
        return orjson.dumps([self.book(s, size if s == BUSY else "10") for s in symbols])

    async def pass_time(self, seconds: float, *, busy: bool) -> None:
        """Beats of a tenth of a second; every half second the busy market speaks, if it does."""
        for beat in range(round(seconds * 10)):
            self.now_ns += S // 10
            if busy and beat % 5 == 0:
                self.say(BUSY)
            if beat % 5 == 3:
                self.say(SIBLING)
            if beat % 70 == 1:
                self.say(SLOW)
            self.engine.advance(self.now_ns)
            self.engine.drain()
            self.mender.mend([self.shard], self.now_ns)
            request = self.mender._fetching  # noqa: SLF001
            if request is not None:
                await asyncio.wait_for(request, PATIENCE_S)

    def freshness(self, symbol: str) -> str:
        return self.engine.book(self.of[symbol]).freshness


async def test_a_busy_market_that_falls_silent_is_compared_within_seconds() -> None:
    world = Witnessed()
    await world.pass_time(20, busy=True)
    assert world.asked == []
    world.quiet_since_ns = world.now_ns
    await world.pass_time(9, busy=False)
    assert [symbols for _, symbols in world.asked] == [[BUSY]]
    assert world.asked[0][0] < 7
    assert [world.freshness(s) for s in (BUSY, SLOW, SIBLING)] == ["quiet", "fresh", "fresh"]
    assert world.engine.freshness(0) == "fresh"
    await world.pass_time(60, busy=False)
    assert world.engine.book(world.of[BUSY]).live
    asked = [at_s for at_s, symbols in world.asked if BUSY in symbols]
    assert len(asked) <= 5, "no oftener than a quiet book is compared anyway"
    rest = {"agreed": len(asked), "differed": 0, "older": 0, "ghosts": 0, "refuted": 0}
    assert world.engine.witnesses(0)["rest"] == rest
    assert world.engine.counters()["rest_agreed"] == len(asked)
    assert all(SLOW not in symbols for _, symbols in world.asked)


async def test_one_that_moved_meanwhile_is_stale_within_ten_seconds() -> None:
    world = Witnessed()
    await world.pass_time(20, busy=True)
    world.quiet_since_ns, world.moved = world.now_ns, True
    at_s = 0.0
    while world.engine.book(world.of[BUSY]).live and at_s < 30:
        await world.pass_time(0.1, busy=False)
        at_s = (world.now_ns - world.quiet_since_ns) / S
    assert at_s < 10
    await world.pass_time(2, busy=False)
    book = world.engine.book(world.of[BUSY])
    assert (book.state, book.cause, book.freshness) == ("stale", "withheld", "frozen")
    assert world.engine.book(world.of[SLOW]).live
    assert book.freeze().freshness == book.to_dict()["freshness"] == "frozen"


async def test_switched_off_only_old_proofs_are_renewed() -> None:
    world = Witnessed(odd_silence_s=0)
    await world.pass_time(20, busy=True)
    await world.pass_time(24, busy=False)
    assert world.asked == []
    assert world.freshness(BUSY) == world.engine.freshness(0) == "none"
    await world.pass_time(3, busy=False)
    assert [symbols for _, symbols in world.asked] == [[BUSY]]


def test_in_a_numbered_stream_a_suspect_is_asked_for_by_command() -> None:
    sent: list[dict[str, Any]] = []
    names = {1: "KXA-1", 2: "KXB-1"}
    session: Any = SimpleNamespace(send=lambda frame: sent.append(orjson.loads(frame)))
    shard: Any = SimpleNamespace(
        conn=0, instruments=names, symbols=tuple(names.values()), session=session
    )
    silent = [1, 3]
    engine: Any = SimpleNamespace(
        sid=lambda *_: 1,
        suspects=lambda _conn: silent,
        book=lambda _instrument: SimpleNamespace(live=True),
    )
    connections: Any = SimpleNamespace(
        engine=engine,
        plan=ResyncPlan(ResyncPolicy(), random.Random(1), can_fetch=True),
        shard_of=lambda instrument: shard if instrument in names else None,
    )
    commands = kalshi().recovery
    assert isinstance(commands, Commands)
    mender = CommandMender(connections, commands, random.Random(1))
    mender.opened(shard, START_NS)
    for instrument in names:
        mender.live(instrument)
    for beat in range(1, 29):
        mender.mend([shard], START_NS + beat * S // 10)
    asked = [one["params"] for one in sent if one["params"].get("action") == "get_snapshot"]
    # Not the book that is not on the stream, and not again before an answer had its time.
    assert [one["market_tickers"] for one in asked] == [["KXA-1"]]
