"""A book that the venue does not give: it is named, asked for rarely, and costs nobody anything."""

import random
from dataclasses import replace

import orjson
import pytest
from aiohttp import web
from kalshi_server import market, serving_kalshi
from session_server import Peer, Server, book_frame, book_message
from test_session_kalshi import feed_of
from test_session_rest import Rest, resting
from waiting import PATIENCE_S

from bookfeed.clock import NS_PER_S
from bookfeed.feed.feed import Feed, SessionOptions
from bookfeed.live.pacing import Backoff
from bookfeed.live.recovery import absent, commands
from bookfeed.live.recovery.absent import Absences
from bookfeed.live.recovery.plan import NO_SNAPSHOT, ResyncPlan, ResyncPolicy
from bookfeed.market import Market, Outcome

pytestmark = pytest.mark.usefixtures("logs_held_nothing_back")

QUICK = SessionOptions(
    backoff_min_s=0.01,
    backoff_max_s=0.05,
    advance_s=0.02,
    connect_stagger_s=0.0,
    snapshot_s=0.2,
    snapshot_rest_s=0.2,
    resync=ResyncPolicy(
        fetch_interval_s=0.02,
        fetch_backoff_min_s=0.02,
        fetch_backoff_max_s=0.1,
        reconnect_interval_s=0.1,
        reconnect_backoff_min_s=0.1,
    ),
)
DAY_NS = 24 * 3600 * NS_PER_S


def markets(first: int, count: int) -> list[Market]:
    """Markets of Polymarket, of two books each."""
    return [
        Market(f"0x{n}", (Outcome("Yes", f"{n}1"), Outcome("No", f"{n}2")))
        for n in range(first, first + count)
    ]


GOOD, DEAD = markets(100, 20), markets(900, 25)
GIVEN = {symbol for good in GOOD for symbol in good.symbols}


class Venue:
    """A server that has the books of ``given`` alone, in its stream and by REST."""

    def __init__(self, server: Server, rest: Rest | None = None) -> None:
        self.given = set(GIVEN)
        server.on_subscribe = self.subscribed
        self.rest = rest
        if rest is not None:
            rest.answer = self.answer

    def subscribed(self, peer: Peer, symbols: list[str]) -> None:
        peer.text(orjson.dumps([book_message(s) for s in symbols if s in self.given]))

    async def answer(self, _request: web.Request) -> web.StreamResponse:
        assert self.rest is not None
        books = [book_message(s) for s in self.rest.asked[-1] if s in self.given]
        return web.Response(body=orjson.dumps(books))


def dead_of(feed: Feed) -> list[str]:
    return [book.symbol for book in feed.books() if book.cause == "absent"]


async def all_absent(server: Server, feed: Feed, count: int) -> None:
    await server.until(lambda: len(dead_of(feed)) == count)


@pytest.mark.parametrize("by_rest", [False, True])
@pytest.mark.parametrize("dead", [1, 25])
async def test_good_books_never_leave_live(
    server: Server, dead: int, by_rest: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with resting() as rest:
        Venue(server, rest)
        url = rest.url if by_rest else None
        followed = [*GOOD, *DEAD[:dead]]
        async with Feed(followed, url=server.url, rest_url=url, options=QUICK) as feed:
            await all_absent(server, feed, 2 * dead)
            with pytest.raises(TimeoutError, match="is the id right, or the market over"):
                await feed.wait_live(0.3)
            good = [feed.book(symbol) for symbol in GIVEN]
            assert all(book.live and book.epoch == 1 for book in good)
            # One further connection, opened anew once if they were not all found out at once.
            assert len(server.peers) <= 4
            assert sum(b"9001" in peer.received[0][1] for peer in server.peers) >= 2
            (missing,) = await feed.wait_live(0.01, symbols=[DEAD[0].symbols[0]])
            assert (missing.state, missing.cause) == ("stale", "absent")
            asked = len(rest.asked)
            await feed.wait_live(PATIENCE_S, symbols=sorted(GIVEN))
            (await server.peer(0)).text(book_frame(GOOD[0].symbols[0], "0.41"))
            await server.until(lambda: feed.book(GOOD[0].symbols[0]).bid == 0.41)
            assert len(rest.asked) == asked
    assert DEAD[0].symbols[0] in caplog.text


async def test_one_outcome_may_be_absent_alone(server: Server) -> None:
    venue = Venue(server)
    missing = GOOD[3].symbols[1]
    venue.given.discard(missing)
    async with Feed(GOOD, url=server.url, options=QUICK) as feed:
        await all_absent(server, feed, 1)
        assert dead_of(feed) == [missing]
        assert feed.book(GOOD[3].symbols[0]).epoch == 1


async def test_it_is_live_as_soon_as_the_venue_gives_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absent, "AGAIN", Backoff(NS_PER_S // 5, NS_PER_S // 5))
    venue = Venue(server)
    async with Feed([*GOOD, *DEAD[:3]], url=server.url, options=QUICK) as feed:
        await all_absent(server, feed, 6)
        venue.given |= set(DEAD[0].symbols)
        late = [feed.book(symbol) for symbol in DEAD[0].symbols]
        await server.until(lambda: all(book.live for book in late))
        epochs = [book.epoch for book in late]
        # Those still missing go on without disturbing the ones that came.
        peers = len(server.peers)
        await server.until(lambda: len(server.peers) > peers + 1)
        await all_absent(server, feed, 4)
        assert [book.epoch for book in late] == epochs
        assert all(feed.book(symbol).epoch == 1 for symbol in GIVEN)


async def test_the_stream_may_bring_it_at_any_time(server: Server) -> None:
    Venue(server)
    async with Feed([*GOOD, DEAD[0]], url=server.url, options=QUICK) as feed:
        await all_absent(server, feed, 2)
        (await server.peer(1)).text(book_frame(DEAD[0].symbols[0], "0.33"))
        await server.until(lambda: feed.book(DEAD[0].symbols[0]).live)


async def test_a_venue_that_gives_nothing_at_all_is_not_believed(server: Server) -> None:
    """Nobody is called absent while nothing is live: the connection is tried anew, as any other."""
    venue = Venue(server)
    venue.given.clear()
    async with Feed(GOOD[:3], url=server.url, options=QUICK) as feed:
        await server.peer(1)
        assert dead_of(feed) == []
        venue.given |= GIVEN
        await feed.wait_live(PATIENCE_S)


async def test_a_rest_server_that_is_down_proves_nothing(server: Server) -> None:
    async with resting() as rest:
        venue = Venue(server, rest)

        async def down(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=503)

        rest.answer = down
        followed = [*GOOD, DEAD[0]]
        async with Feed(followed, url=server.url, rest_url=rest.url, options=QUICK) as feed:
            await server.peer(1)
            await server.until(lambda: len(rest.asked) > 6)
            assert dead_of(feed) == []
            rest.answer = venue.answer
            await all_absent(server, feed, 2)
            assert all(feed.book(symbol).epoch == 1 for symbol in GIVEN)


async def test_an_unknown_ticker_of_kalshi_costs_its_neighbours_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "ANSWER_NS", NS_PER_S // 4)
    monkeypatch.setattr(commands, "JOIN_NS", NS_PER_S // 4)
    async with serving_kalshi() as kalshi:
        kalshi.unknown = {"KXTYPO-26"}
        listed = [market(name) for name in ("KXA-1", "KXB-1", "KXC-1", "KXTYPO-26")]
        async with feed_of(kalshi, *listed, options=QUICK) as feed:
            await kalshi.until(lambda: feed.book("KXTYPO-26").cause == "absent")
            peer = await kalshi.kalshi_peer(0)
            peer.delta("KXA-1")
            await kalshi.until(lambda: feed.book("KXA-1").as_strings("bid") == [["0.44", "11"]])
            assert [feed.book(n).epoch for n in ("KXA-1", "KXB-1", "KXC-1")] == [1, 1, 1]
            assert feed.counters()["reconnects"] == 0


async def test_without_reconnecting_each_is_asked_for_on_a_connection_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "ANSWER_NS", NS_PER_S // 4)
    monkeypatch.setattr(commands, "JOIN_NS", NS_PER_S // 4)
    options = replace(QUICK, reconnect=False)
    async with serving_kalshi() as kalshi:
        kalshi.unknown = {"KXTYPO-26", "KXTYPO-27"}
        listed = [market("KXA-1"), market("KXTYPO-26")]
        async with feed_of(kalshi, *listed, options=options) as feed:
            await kalshi.until(lambda: feed.book("KXTYPO-26").cause == "absent")
            await feed.add_markets([market("KXTYPO-27")])
            await kalshi.until(lambda: feed.book("KXTYPO-27").cause == "absent")
            assert [c.books for c in feed.status().connections] == [1, 1, 1]
            assert feed.book("KXA-1").epoch == 1


def test_a_handful_of_tries_a_day() -> None:
    for seed in range(20):
        absences, tries = Absences(random.Random(seed)), 0
        absences.note(1, 0)
        for now_ns in range(0, DAY_NS, 60 * NS_PER_S):
            for instrument in absences.take_due(now_ns):
                tries += 1
                absences.note(instrument, now_ns)
        assert 3 <= tries <= 6
        assert 1 in absences
        absences.forget(1)
        assert 1 not in absences


@pytest.mark.parametrize("dead", [1, 10, 50])
@pytest.mark.parametrize("can_fetch", [False, True])
def test_many_that_cannot_be_had_replace_a_connection_no_oftener_than_one(
    dead: int, can_fetch: bool
) -> None:
    """Where nothing is live that could be lost, and nobody can say that they are absent."""
    plan = ResyncPlan(ResyncPolicy(), random.Random(1), can_fetch)
    books, replaced = range(dead), 0
    for now_ns in range(0, DAY_NS, NS_PER_S):
        for book in books:
            plan.want(book, NO_SNAPSHOT, now_ns)
        for book in plan.take_fetch(books, dead, now_ns):
            plan.fetched(book, now_ns)
        replaced += bool(plan.take_reconnect(0, books, now_ns))
    assert 8 <= replaced <= 60
