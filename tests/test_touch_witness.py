"""PolyBolt's touch as a witness of Polymarket's books, over loopback: it vouches, it finds what is
frozen, and neither its faults nor its absence cost a true book more than is stated.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from waiting import until

from bookfeed import Feed, SessionOptions, replay
from bookfeed._bookfeed import Engine
from bookfeed.config import parse
from bookfeed.errors import ConfigError
from bookfeed.feed import settings
from bookfeed.market import Market, Outcome
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.reader import Journal
from bookfeed.recordings.writer import JournalWriter
from bookfeed.records.told import RelayEvent
from bookfeed.records.update import Update
from bookfeed.sim.polymarket import polybolt
from bookfeed.sim.polymarket.faults import Fault
from bookfeed.sim.polymarket.polybolt import Faults
from bookfeed.sim.polymarket.server import SimConfig, SimServer, serve
from bookfeed.sim.relay_server import RelaySimConfig, RelaySimServer

HOUR_MS = 3_600_000


@dataclass
class World:
    """A venue, its relay, and a feed of both."""

    venue: SimServer
    relay: RelaySimServer
    feed: Feed
    left: list[Update] = field(default_factory=list)
    """What took books out of live."""
    events: list[RelayEvent] = field(default_factory=list)

    def evidence(self, kind: str) -> int:
        return self.feed.engine.evidence()[kind]

    def answers(self, what: str) -> int:
        return self.feed.counters()[f"touches_{what}"]


def markets_of(venue: SimServer) -> list[Market]:
    return [
        Market(
            one.condition_id,
            tuple(Outcome(name, a) for name, a in zip(one.outcomes, one.asset_ids, strict=True)),
            tick_size=one.tick_size,
            min_order_size=one.min_order_size,
            neg_risk=one.neg_risk,
        )
        for one in venue.markets
    ]


@asynccontextmanager
async def world(
    *,
    faults: Faults | None = None,
    rate: float = 200.0,
    markets: int = 2,
    touches: int = 64,
    recorder: JournalWriter | None = None,
) -> AsyncIterator[World]:
    venue = await serve(SimConfig(markets=markets, rate=rate, new_market_every=0))
    relay = polybolt.made(RelaySimConfig(), faults, venue.venue)
    await relay.start()
    feed = Feed(
        markets_of(venue),
        url=venue.url,
        rest_url=venue.rest_url,
        relay_urls={"polybolt": relay.url},
        touches=touches,
        recorder=recorder,
        engine=Engine(odd_silence_s=0),
        options=SessionOptions(),
        seed=1,
    )
    made = World(venue, relay, feed)
    feed.on_update(lambda u: made.left.append(u) if u.kind == "state" else None)
    feed.on_event(made.events.append)
    try:
        async with feed:
            await feed.wait_live(timeout_s=20)
            made.left.clear()
            yield made
    finally:
        await relay.close()
        await venue.close()


def out(made: World) -> list[tuple[str, str]]:
    return [(u.state, u.cause) for u in made.left if u.state != "live"]


async def test_it_vouches_for_books_and_is_nobody_elses(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, prefix="touches")
    async with world(recorder=writer) as made:
        assert made.feed.touches() in ("off", "trying", "told")
        await until(lambda: made.feed.touches() == "told" and made.evidence("relay_match") > 50)
        assert made.answers("differed") == made.answers("refuted") == 0
        said = sum(one["relay"]["agreed"] for one in made.feed.witnesses().values())
        assert said == pytest.approx(made.answers("agreed"), abs=50) and said > 0
        asked = [text for text in made.relay.heard if '"subscribe"' in text]
        assert len(asked) == 4, "each of the four books is asked for once"
        assert not made.events and not made.feed.topics()
        assert not out(made)
        evidence = made.feed.engine.evidence()
    kinds = [record[0] for record in Journal(tmp_path)]
    assert kinds.count(Kind.TOUCH) > 50 and Kind.RELAY_FRAME not in kinds
    again = replay(tmp_path)
    again.run()
    assert again.engine.evidence()["relay_match"] >= evidence["relay_match"]


async def test_a_frozen_socket_that_answers_pings_is_found_by_it() -> None:
    async with world() as made:
        await until(lambda: made.feed.touches() == "told" and made.evidence("relay_match") > 20)
        loop = asyncio.get_running_loop()
        at_s = loop.time()
        # REST is asked about odd silences only, which the engine here has none of.
        made.venue.inject(Fault("freeze", at_s=0.0))
        await until(lambda: ("suspect", "withheld") in out(made))
        assert loop.time() - at_s < 8.0
        assert made.evidence("relay_mismatch") >= 1
        await until(lambda: made.feed.counters()["reconnects"] >= 1)


@pytest.mark.parametrize("kind", ["stale", "ghost", "silent", "gap"])
async def test_a_relay_that_tells_less_costs_nothing(kind: str) -> None:
    faults = Faults(touches=((1_000, HOUR_MS, kind),))  # type: ignore[arg-type]
    async with world(faults=faults) as made:
        await until(lambda: made.feed.touches() == "told")
        await asyncio.sleep(5.0)
        assert not out(made)
        assert made.answers("differed") == 0
        if kind == "ghost":
            assert made.answers("ghosts") > 0


@pytest.mark.parametrize("kind", ["lie", "stuck"])
async def test_a_relay_that_lies_costs_a_quiet_true_book_little(kind: str) -> None:
    faults = Faults(touches=((1_500, HOUR_MS, kind),))  # type: ignore[arg-type]
    async with world(faults=faults, markets=1) as made:
        await until(lambda: made.feed.touches() == "told" and made.evidence("relay_match") > 0)
        await made.venue.stop_markets()
        loop = asyncio.get_running_loop()
        end_s, began_s, away_s = loop.time() + 12.0, loop.time(), 0.0
        since: dict[int, float] = {}
        done = 0
        while loop.time() < end_s:
            await asyncio.sleep(0.02)
            for update in made.left[done:]:
                done += 1
                if update.state == "live":
                    away_s += loop.time() - since.pop(update.instrument, loop.time())
                else:
                    since.setdefault(update.instrument, loop.time())
        assert not since, "each is back"
        assert made.answers("refuted") <= 3
        assert away_s <= 2.0 * max(made.answers("refuted"), 1), (away_s, began_s)


async def test_where_there_is_no_relay_nothing_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as made:
        feed = Feed(
            markets_of(made.venue),
            url=made.venue.url,
            rest_url=made.venue.rest_url,
            relay_urls={"polybolt": "ws://127.0.0.1:9/ws"},
        )
        async with feed:
            await feed.wait_live(timeout_s=20)
            await until(lambda: feed.touches() == "away")
            assert all(view.live for view in feed.books())
        # The real relay is not asked about a simulator's books, and none is without REST.
        for arguments in (
            {"rest_url": made.venue.rest_url},
            {"relay_urls": {"polybolt": made.relay.url}},
            {"rest_url": made.venue.rest_url, "touches": 0},
        ):
            async with Feed(markets_of(made.venue), url=made.venue.url, **arguments) as feed:
                await feed.wait_live(timeout_s=20)
                await asyncio.sleep(0.3)
                assert feed.touches() == "off"


@pytest.mark.parametrize("code", [4002, 4003])
async def test_after_it_was_closed_it_is_asked_again(code: int) -> None:
    async with world(faults=Faults(close=(2_000, code))) as made:
        await until(lambda: made.feed.touches() == "told")
        await until(lambda: made.relay.connections_seen == 2)
        before = made.evidence("relay_match")
        await until(lambda: made.evidence("relay_match") > before)
        assert not out(made)


@pytest.mark.parametrize("code", [4001, 4008])
async def test_who_is_turned_away_does_not_come_back_at_once(code: int) -> None:
    async with world(faults=Faults(close=(2_000, code))) as made:
        await until(lambda: made.feed.touches() == "told")
        await asyncio.sleep(5.0)
        assert made.relay.connections_seen == 1
        assert not out(made)


async def test_frames_that_were_left_out_void_what_was_told() -> None:
    async with world(faults=Faults(dropped=((1_500, 3_000),))) as made:
        await until(lambda: made.feed.touches() == "told")
        await until(lambda: made.feed.counters()["touches_lost"] > 0)
        await asyncio.sleep(2.5)
        assert not out(made)


async def test_it_is_asked_about_as_many_books_as_are_wanted() -> None:
    async with world(touches=3) as made:
        await until(lambda: made.feed.touches() == "told" and made.evidence("relay_match") > 10)
        asked = [text for text in made.relay.heard if '"subscribe"' in text]
        assert len(asked) == len(set(asked)) == 3


def test_it_is_configured() -> None:
    assert settings.relays(parse({"relays": {"touches": 0}}))["touches"] == 0
    with pytest.raises(ConfigError, match="touches"):
        parse({"relays": {"touches": 513}})
    with pytest.raises(ValueError, match="touches"):
        Feed(touches=600)
