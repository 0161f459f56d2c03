"""Channels of Kalshi that have no books: what happens when they die, or are refused."""

from collections.abc import AsyncIterator

import pytest
from kalshi_server import Command, KalshiPeer, KalshiServer, serving_kalshi
from test_session_kalshi import A, S, connected

from bookfeed.live.pacing import Backoff
from bookfeed.live.recovery import commands as streams
from bookfeed.records import Update
from bookfeed.venues.kalshi import LIFECYCLE


@pytest.fixture
async def server() -> AsyncIterator[KalshiServer]:
    async with serving_kalshi() as running:
        yield running


async def test_a_dead_channel_without_books_is_begun_anew_by_itself(server: KalshiServer) -> None:
    async with connected(server) as (feed, peer):
        for channel in ("trade", LIFECYCLE):
            # Other commands, which compare books every few seconds, may come between.
            before = len(peer.asked("subscribe"))
            peer.error(10, "gone", channel=channel)
            await server.until(lambda n=before: len(peer.asked("subscribe")) > n)  # type: ignore[misc]
            (again,) = peer.asked("subscribe")[before:]
            assert again["params"]["channels"] == [channel]
        assert feed.book(A).epoch == 1


@pytest.mark.parametrize("code", [8, 9, 18, 0])
async def test_a_channel_that_is_refused_is_asked_for_again_ever_more_rarely(
    server: KalshiServer, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """No book pays for it; what its news may have said is unknown until it is there."""
    monkeypatch.setattr(streams, "ANSWER_NS", S // 50)
    monkeypatch.setattr(streams, "CHANNEL_AGAIN", Backoff(S // 20, S, 0.0))
    refused = 3

    def obeys(peer: KalshiPeer, command: Command) -> bool:
        if command.get("params", {}).get("channels") != [LIFECYCLE]:
            return True
        if len(peer.asked("subscribe")) >= 3 + refused:
            return True
        if code:
            peer.error(code, "no", id_=command["id"])
        return False

    server.obeys = obeys
    async with connected(server) as (feed, peer):
        assert feed.engine.sid(0, LIFECYCLE) is None
        await server.until(lambda: feed.engine.sid(0, LIFECYCLE) is not None)
        asked = [c["params"]["channels"] for c in peer.asked("subscribe")]
        assert asked[3:] == [[LIFECYCLE]] * refused
        assert (feed.counters()["reconnects"], feed.book(A).epoch) == (0, 1)


@pytest.mark.parametrize("code", [10, 25])
async def test_the_end_of_a_stream_that_is_not_named_costs_the_connection(
    server: KalshiServer, code: int
) -> None:
    """It may have been any: books are not believed, and no stream is taken for alive."""
    updates: list[Update] = []
    async with connected(server, on_update=updates.append) as (feed, peer):
        peer.error(code, "Subscription buffer overflow", id_=7)
        await server.peer(1)
        await server.recovered(feed, A)
        causes = [u.cause for u in updates if (u.kind, u.symbol, u.state) == ("state", A, "stale")]
        assert causes == ["channel", "disconnected"]
        assert feed.counters()["reconnects"] == 1
