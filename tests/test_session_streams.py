"""The ladder by which Kalshi's books come back, and markets that come and go, on real sockets."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from kalshi_server import BOOKS, Command, KalshiPeer, KalshiServer, market, serving_kalshi
from test_session_kalshi import KEY, QUICK, A, B, C, D, S, connected, feed_of
from waiting import PATIENCE_S, PatientClock

from bookfeed.errors import SessionError
from bookfeed.live.recovery import commands as streams
from bookfeed.records import Update
from bookfeed.venues.kalshi import kalshi


@pytest.fixture
async def server() -> AsyncIterator[KalshiServer]:
    async with serving_kalshi() as running:
        yield running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that do not come are given up soon."""
    monkeypatch.setattr(streams, "ANSWER_NS", S // 20)
    monkeypatch.setattr(streams, "JOIN_NS", S // 10)


def ignoring(*words: str) -> Callable[[KalshiPeer, Command], bool]:
    """Every command is obeyed but those."""

    def obeys(_peer: KalshiPeer, command: Command) -> bool:
        return command["cmd"] not in words and command.get("params", {}).get("action") not in words

    return obeys


def damage(peer: KalshiPeer, ticker: str = A) -> None:
    """A hole in the stream."""
    peer.lose()
    peer.delta(ticker)


async def test_a_gap_is_mended_by_one_command_for_all_books(server: KalshiServer) -> None:
    async with connected(server) as (feed, peer):
        damage(peer)
        await server.recovered(feed, A)
        (asked,) = peer.asked("get_snapshot")
        assert asked["params"] == {
            "sid": 1, "action": "get_snapshot", "market_tickers": [A, B],
        }  # fmt: skip
        assert (feed.book(A).cause, feed.book(A).epoch) == ("resync", 2)
        assert feed.counters()["resyncs"] == 1
        assert feed.counters()["reconnects"] == 0
        # The stream goes on from there.
        peer.delta(A, "5.00", "0.4410")
        await server.until(lambda: feed.book(A).bid == 0.441)
        assert feed.book(A).live
        assert len(server.peers) == 1


async def test_what_concerns_one_book_is_asked_for_that_one(server: KalshiServer) -> None:
    async with connected(server) as (feed, peer):
        peer.delta(A, "-99.00")  # more than there is
        await server.recovered(feed, A)
        (asked,) = peer.asked("get_snapshot")
        assert asked["params"]["market_tickers"] == [A]
        assert feed.book(B).epoch == 1


async def test_many_books_are_asked_for_in_chunks(server: KalshiServer) -> None:
    tickers = [f"KXN-{n:03}" for n in range(250)]
    options = replace(QUICK, symbols_per_connection=2_000)
    async with connected(server, *tickers, options=options) as (feed, peer):
        damage(peer, tickers[0])
        await server.recovered(feed, tickers[0])
        asked = [c["params"]["market_tickers"] for c in peer.asked("get_snapshot")]
        assert [len(symbols) for symbols in asked] == [100, 100, 50]
        assert sorted(t for symbols in asked for t in symbols) == tickers


@pytest.mark.usefixtures("impatient")
async def test_what_is_not_answered_is_subscribed_anew(server: KalshiServer) -> None:
    server.obeys = ignoring("get_snapshot")
    async with connected(server) as (feed, peer):
        damage(peer)
        await server.recovered(feed, A)
        done = [(c["cmd"], c["params"].get("sids")) for c in peer.commands[3:]]
        assert done == [
            ("update_subscription", None),
            ("unsubscribe", [1]),
            ("subscribe", None),
        ]
        assert peer.commands[-1]["params"]["channels"] == [BOOKS]
        assert peer.commands[-1]["params"]["market_tickers"] == [A, B]
        assert feed.engine.sid(0, BOOKS) == 4
        assert len(server.peers) == 1
        peer.delta(B, "5.00", "0.4410")
        await server.until(lambda: feed.book(B).bid == 0.441)


async def test_a_stream_may_get_the_number_of_the_one_before(server: KalshiServer) -> None:
    server.reuses_numbers = True
    async with connected(server) as (feed, peer):
        for _ in range(2):
            peer.error(10, "gone", channel=BOOKS)
            await server.recovered(feed, A)
            assert feed.engine.sid(0, BOOKS) == 1
        damage(peer)
        await server.recovered(feed, A)
        assert [c["cmd"] for c in peer.commands[3:]] == ["subscribe"] * 2 + ["update_subscription"]


@pytest.mark.usefixtures("impatient")
async def test_one_book_that_cannot_be_had_costs_the_others_nothing(server: KalshiServer) -> None:
    clock = PatientClock()
    async with connected(server, clock=clock) as (feed, peer):
        epoch = feed.book(B).epoch
        server.unknown = {A}
        peer.delta(A, "-99.00")
        # Asked for twice, then on a connection of its own; from then on it is asked for alone.
        second = await server.kalshi_peer(1)
        await clock.passed(1)
        assert peer.asked("unsubscribe") == second.asked("unsubscribe") == []
        assert feed.book(B).live
        assert feed.book(B).epoch == epoch
        assert len(server.peers) == 2


@pytest.mark.usefixtures("impatient")
async def test_what_does_not_help_either_costs_the_connection(server: KalshiServer) -> None:
    server.obeys = ignoring("get_snapshot", "unsubscribe")
    async with connected(server) as (feed, peer):
        damage(peer)
        second = await server.kalshi_peer(1)
        await feed.wait_live(PATIENCE_S)
        assert len(peer.asked("get_snapshot")) == 1
        assert len(peer.asked("unsubscribe")) == 1
        assert second.asked("get_snapshot") == []
        assert feed.counters()["reconnects"] == 1


@pytest.mark.usefixtures("impatient")
async def test_a_venue_that_answers_nothing_is_not_stormed(server: KalshiServer) -> None:
    server.obeys = lambda peer, command: (
        command["cmd"] == "subscribe" and command["id"] < 100 and peer is server.peers[0]
    )
    clock = PatientClock()
    async with connected(server, clock=clock) as (feed, peer):
        damage(peer)
        await server.kalshi_peer(1)
        await clock.passed(2)
        # Nothing ever comes on the second connection: each rung is tried, with its budget.
        assert len(server.peers) == 2
        assert sum(len(p.commands) for p in server.peers if isinstance(p, KalshiPeer)) < 25
        assert feed.counters()["reconnects"] == 1


@pytest.mark.parametrize("code", [10, 25])
async def test_a_dead_stream_is_begun_anew_at_once(server: KalshiServer, code: int) -> None:
    updates: list[Update] = []
    async with connected(server, on_update=updates.append) as (feed, peer):
        peer.error(code, "gone", channel=BOOKS)
        await server.recovered(feed, A)
        states = [u for u in updates if u.kind == "state" and u.symbol == A]
        assert [u.cause for u in states if u.state == "stale"] == ["channel"]
        assert [c["cmd"] for c in peer.commands[3:]] == ["subscribe"]
        assert len(server.peers) == 1


async def test_a_second_overflow_moves_half_of_the_markets(server: KalshiServer) -> None:
    async with connected(server, A, B, C, D) as (feed, peer):
        peer.error(25, "too slow", channel=BOOKS)
        await server.recovered(feed, A)
        assert len(server.peers) == 1
        peer.error(25, "too slow", channel=BOOKS)
        second = await server.kalshi_peer(1)
        await feed.wait_live(PATIENCE_S)
        assert peer.asked("subscribe")[-1]["params"]["market_tickers"] == [A, B]
        assert second.commands[0]["params"]["market_tickers"] == [C, D]
        assert [feed.book(i).symbol for i in range(4)] == [A, B, C, D]
        # What is said of them counts where they are now.
        second.delta(C, "5.00", "0.4410")
        await server.until(lambda: feed.book(C).bid == 0.441)
        epoch = feed.book(A).epoch
        second.abort()
        await server.recovered(feed, D)
        assert (feed.book(A).live, feed.book(A).epoch) == (True, epoch)


async def test_a_stream_that_is_full_gives_markets_to_another(server: KalshiServer) -> None:
    def few(peer: KalshiPeer, command: Command) -> bool:
        tickers = command.get("params", {}).get("market_tickers", [])
        if BOOKS not in command.get("params", {}).get("channels", []) or len(tickers) < 3:
            return True
        peer.error(26, "Subscription market limit exceeded", id_=command["id"])
        return False

    server.obeys = few
    async with feed_of(server, *map(market, (A, B, C, D))) as feed:
        await feed.wait_live(PATIENCE_S)
        assert len(server.peers) == 2


async def test_markets_that_are_refused_go_elsewhere(server: KalshiServer) -> None:
    def full(peer: KalshiPeer, command: Command) -> bool:
        books = peer.sid() is not None and command.get("params", {}).get("sid") == peer.sid()
        if not (books and command["params"].get("action") == "add_markets"):
            return True
        peer.error(26, "Subscription market limit exceeded", id_=command["id"])
        return False

    async with connected(server) as (feed, _peer):
        server.obeys = full
        await feed.add_markets([market(C)])
        second = await server.kalshi_peer(1)
        await feed.wait_live(PATIENCE_S)
        assert second.commands[0]["params"]["market_tickers"] == [C]
        assert (feed.book(A).epoch, feed.book(B).epoch) == (1, 1)


async def test_a_venue_that_is_busy_is_left_alone(server: KalshiServer) -> None:
    clock = PatientClock()
    async with connected(server, clock=clock) as (feed, peer):
        peer.error(27, "Too many requests")
        damage(peer)
        await server.until(lambda: not feed.book(A).live)
        await clock.passed(0.2)
        assert peer.asked("get_snapshot") == []
        await feed.wait_live(PATIENCE_S)
        assert len(peer.asked("get_snapshot")) == 1


async def test_a_command_that_was_refused_for_haste_is_repeated_not_escalated(
    server: KalshiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ANSWER_NS", S // 5)

    def busy_once(peer: KalshiPeer, command: Command) -> bool:
        if len(peer.asked("get_snapshot")) != 1:
            return True
        peer.error(27, "Too many requests", id_=command["id"])
        return False

    server.obeys = busy_once
    async with connected(server) as (feed, peer):
        damage(peer)
        await server.recovered(feed, A)
        assert [c["cmd"] for c in peer.commands[3:]] == ["update_subscription"] * 2
        assert feed.counters()["resync_failures"] == 0


async def test_errors_are_told_once_with_the_venue_s_words(
    server: KalshiServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(server) as (feed, peer):
        for _ in range(50):
            peer.error(11, "Invalid parameter")
            peer.error(4711, "Never heard of")
        peer.delta(A, "1.00", "0.4410")
        await server.until(lambda: feed.book(A).bid == 0.441)
        assert feed.book(A).epoch == 1
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert [t for t in told if "11: 'Invalid parameter'" in t] == [
        "connection 0: the venue says error 11: 'Invalid parameter'"
    ]
    assert sum("4711: 'Never heard of'" in t for t in told) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_book_that_never_came_is_subscribed_never_just_asked_for(
    server: KalshiServer,
) -> None:
    """Asked for, it would come once and look live; its changes would not come."""
    server.unknown = {B}
    options = replace(QUICK, snapshot_rest_s=0.1)
    async with feed_of(server, market(A), market(B), options=options) as feed:
        peer = await server.kalshi_peer(0)
        await server.until(lambda: len(peer.asked("add_markets")) >= 1)
        assert peer.asked("add_markets")[0]["params"]["market_tickers"] == [B]
        assert peer.asked("get_snapshot") == peer.asked("unsubscribe") == []
        assert feed.book(A).epoch == 1


# Signs of life.


async def test_a_quiet_stream_is_asked_for_a_sign_of_life(server: KalshiServer) -> None:
    venue = kalshi(credentials=KEY, probe_interval_s=0.05)
    options = replace(QUICK, silence_s=0.3)
    async with connected(server, venue=venue, options=options) as (feed, peer):
        await server.until(lambda: len(peer.asked("get_snapshot")) >= 8)
        asked = [c["params"]["market_tickers"] for c in peer.asked("get_snapshot")]
        assert all(len(symbols) == 1 for symbols in asked)
        assert {symbols[0] for symbols in asked} == {A, B}
        # Each answer took its place in the stream: the books were live all the time.
        assert (feed.book(A).epoch, feed.book(B).epoch) == (1, 1)
        assert feed.counters()["disconnects"] == 0


async def test_a_stream_that_does_not_answer_is_replaced(server: KalshiServer) -> None:
    venue = kalshi(credentials=KEY, probe_interval_s=0.05)
    options = replace(QUICK, silence_s=0.3)
    async with connected(server, venue=venue, options=options) as (feed, peer):
        server.obeys = lambda p, _command: p is not peer
        await server.kalshi_peer(1)
        await feed.wait_live(PATIENCE_S)
        assert peer.close_code == 1000
        assert feed.counters()["disconnects"] == 1


async def test_a_frozen_stream_of_books_is_not_hidden_by_other_channels(
    server: KalshiServer,
) -> None:
    venue = kalshi(credentials=KEY, probe_interval_s=0.05)
    options = replace(QUICK, silence_s=0.5)
    async with connected(server, venue=venue, options=options) as (feed, peer):
        server.obeys = lambda p, _command: p is not peer
        async with asyncio.timeout(PATIENCE_S):
            while len(server.peers) == 1:
                peer.trade(A)
                await asyncio.sleep(0.02)
        await feed.wait_live(PATIENCE_S)
        assert feed.book(A).epoch == 2
        assert len(peer.asked("get_snapshot")) >= 3


async def test_changes_that_are_kept_back_cost_the_connection(server: KalshiServer) -> None:
    venue = kalshi(credentials=KEY, probe_interval_s=0.05)
    async with connected(server, venue=venue) as (feed, peer):
        server.book = [["0.4400", "11.00"]]  # and nothing said so, nor left out a number
        await server.kalshi_peer(1)
        await feed.wait_live(PATIENCE_S)
        assert feed.book(A).bid_qty == feed.book(B).bid_qty == 11
        assert feed.engine.evidence()["snapshot_mismatch"] == 1
        assert peer.close_code == 1000
        assert len(server.peers) == 2


async def test_every_book_is_compared_however_busy_the_stream(
    server: KalshiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "COMPARE_NS", S // 5)
    monkeypatch.setattr(streams, "COMPARE_STEP_NS", S // 10)
    async with connected(server) as (feed, peer):
        async with asyncio.timeout(PATIENCE_S):
            while len(peer.asked("get_snapshot")) < 6:
                peer.delta(A, "0.00")
                await asyncio.sleep(0.01)
        asked = [c["params"]["market_tickers"] for c in peer.asked("get_snapshot")]
        assert asked == [[A], [B]] * (len(asked) // 2) + [[A]] * (len(asked) % 2)
        assert (feed.book(A).epoch, feed.book(B).epoch) == (1, 1)


async def test_before_its_market_opens_a_book_is_not_missed(
    server: KalshiServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.unknown = {A, B}
    venue = kalshi(credentials=KEY, probe_interval_s=0.05)
    options = replace(QUICK, snapshot_rest_s=0.05, silence_s=0.3)
    later = 4_000_000_000 * S
    markets = [market(A, open_ts=later), market(B, open_ts=later)]
    async with feed_of(server, *markets, venue=venue, options=options) as feed:
        peer = await server.kalshi_peer(0)
        await server.until(lambda: len(peer.asked("list_subscriptions")) >= 8)
        assert {c["cmd"] for c in peer.commands} == {"subscribe", "list_subscriptions"}
        assert (feed.counters()["reconnects"], feed.counters()["disconnects"]) == (0, 0)
        assert feed.book(A).state == "syncing"
    assert "no book of" not in caplog.text


async def test_once_it_has_opened_it_is(server: KalshiServer) -> None:
    server.unknown = {A}
    options = replace(QUICK, snapshot_rest_s=0.05)
    clock = PatientClock()
    opens = clock.now_ns() + S
    async with feed_of(server, market(A, open_ts=opens), options=options, clock=clock):
        peer = await server.kalshi_peer(0)
        await server.until(lambda: len(peer.commands) == 3)
        await clock.passed(0.3)
        assert len(peer.commands) == 3
        await server.until(lambda: peer.asked("add_markets"))
        assert clock.now_ns() >= opens + S // 20


# Markets that come and go.


async def test_markets_come_and_go(server: KalshiServer) -> None:
    async with connected(server) as (feed, peer):
        symbols = await feed.add_markets([market(C)])
        assert list(symbols.values()) == [C]
        await feed.wait_live(PATIENCE_S)
        assert [c["params"]["sid"] for c in peer.asked("add_markets")] == [1, 2]
        assert len(server.peers) == 1
        await feed.remove_markets([market(B), market("KXNOT-THERE")])
        await server.until(lambda: len(peer.asked("delete_markets")) == 2)
        assert all(c["params"]["market_tickers"] == [B] for c in peer.asked("delete_markets"))
        with pytest.raises(KeyError):
            feed.book(B)
        # Late words about it harm nobody, and a gap concerns those that are left.
        peer.delta(B)
        damage(peer)
        await server.recovered(feed, A)
        assert peer.asked("get_snapshot")[-1]["params"]["market_tickers"] == [A, C]
        peer.abort()
        second = await server.kalshi_peer(1)
        await feed.wait_live(PATIENCE_S)
        assert second.commands[0]["params"]["market_tickers"] == [A, C]


async def test_markets_without_room_get_a_connection_and_leave_it(server: KalshiServer) -> None:
    options = replace(QUICK, symbols_per_connection=2)
    async with connected(server, options=options) as (feed, peer):
        await feed.add_markets([market(C)])
        await feed.wait_live(PATIENCE_S)
        assert len(server.peers) == 2
        connects = feed.counters()["connects"]
        await feed.remove_markets([market(A), market(B)])
        await server.until(peer.gone.is_set)
        assert feed.book(C).live
        assert feed.counters()["connects"] == connects == 2
        await feed.add_markets([market(A)])
        await feed.wait_live(PATIENCE_S)
        assert len(server.peers) == 2


async def test_a_market_that_came_while_away_is_subscribed_with_the_others(
    server: KalshiServer,
) -> None:
    async with connected(server) as (feed, peer):
        server.refusal = (503, b"", {})
        peer.abort()
        await server.until(lambda: feed.counters()["connect_failures"] > 0)
        await feed.add_markets([market(C)])
        await feed.remove_markets([market(A)])
        server.refusal = None
        second = await server.kalshi_peer(1)
        await feed.wait_live(PATIENCE_S)
        assert second.commands[0]["params"]["market_tickers"] == [B, C]


async def test_what_cannot_be_changed_says_so(server: KalshiServer) -> None:
    async with connected(server) as (feed, _):
        with pytest.raises(ValueError, match="in two markets"):
            await feed.add_markets([market(A)])
    with pytest.raises(SessionError, match="was closed"):
        await feed.add_markets([market(C)])


async def test_more_connections_than_the_venue_allows_are_refused(server: KalshiServer) -> None:
    venue = replace(kalshi(credentials=KEY, markets_per_connection=1), connections_max=2)
    with pytest.raises(SessionError, match="3 connections would be needed"):
        async with feed_of(server, *map(market, (A, B, C)), venue=venue):
            pass
    async with connected(server, venue=venue) as (feed, _):
        with pytest.raises(SessionError, match="3 connections would be needed"):
            await feed.add_markets([market(C)])
        assert feed.book(A).live
