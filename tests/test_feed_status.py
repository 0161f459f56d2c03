"""What a feed says of itself: opening and closing, states of connections, log lines."""

import asyncio
import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from session_server import (
    MARKET,
    NO,
    YES,
    FailingEngine,
    Server,
    book_frame,
    book_message,
)
from waiting import PATIENCE_S, PatientClock, until

from bookfeed import config
from bookfeed.errors import ConfigError, EngineError, SessionError
from bookfeed.feed import settings
from bookfeed.feed.feed import Endpoint, Feed, SessionOptions
from bookfeed.names import Names
from bookfeed.recordings.reader import Journal
from bookfeed.rules.rule import Rule
from bookfeed.status import ConnectionStatus
from bookfeed.venues.base import HandshakeRefusal
from bookfeed.venues.kalshi import kalshi as kalshi_venue
from bookfeed.venues.polymarket import polymarket

QUICK = SessionOptions(backoff_min_s=0.01, backoff_max_s=0.05, advance_s=0.01)
SECRET = "Bearer abcdef0123456789"


def feed_of(server: Server, **more: Any) -> Feed:
    return Feed([MARKET], url=server.url, **{"options": QUICK, "clock": PatientClock(), **more})


def states(heard: list[ConnectionStatus]) -> list[tuple[str, str]]:
    return [(status.state, status.cause) for status in heard]


async def test_open_and_close_are_the_context_manager(server: Server) -> None:
    feed = feed_of(server)
    assert not feed.status().running
    assert await feed.open() is feed
    await feed.wait_live(PATIENCE_S)
    assert feed.status().running
    with pytest.raises(SessionError, match="once"):
        await feed.open()
    await feed.close()
    status = feed.status()
    assert (status.running, status.failure) == (False, None)
    assert [(c.state, c.cause) for c in status.connections] == [("down", "closed")]
    assert {(b.state, b.live) for b in status.books} == {("stale", False)}
    with pytest.raises(SessionError, match="once"):
        await feed.open()


async def test_a_feed_that_was_closed_unopened_is_not_opened(server: Server) -> None:
    feed = feed_of(server)
    await feed.close()
    with pytest.raises(SessionError):
        await feed.open()


async def test_closing_lets_async_listeners_come_to_their_end(server: Server) -> None:
    heard: list[str] = []

    async def late(status: ConnectionStatus) -> None:
        await asyncio.sleep(0.01)
        heard.append(status.state)

    feed = feed_of(server)
    listener = feed.on_status(late)
    async with feed:
        await feed.wait_live(PATIENCE_S)
    assert heard == ["connecting", "connected", "down"]
    assert (listener.closed, listener.task) == (True, None)


async def test_a_connection_is_told_from_beginning_to_end(server: Server) -> None:
    heard: list[ConnectionStatus] = []
    feed = feed_of(server, on_status=heard.append)
    async with feed:
        assert feed.status().connections[0].state == "connecting"
        await feed.wait_live(PATIENCE_S)
        (status,) = feed.status().connections
        assert (status.venue, status.conn, status.state) == ("polymarket", 0, "connected")
        assert (status.cause, status.books, status.live, status.reconnects) == ("", 2, 2, 0)
        (await server.peer(0)).abort()
        await server.recovered(feed, YES)
        (status,) = feed.status().connections
        assert (status.state, status.reconnects) == ("connected", 1)
        assert feed.counters()["reconnects"] == 1
        assert status.since_ns == heard[-1].since_ns
    assert states(heard) == [
        ("connecting", ""),
        ("connected", ""),
        ("reconnecting", "connection lost"),
        ("connected", ""),
        ("down", "closed"),
    ]
    assert all(a.since_ns <= b.since_ns for a, b in pairwise(heard))
    assert heard[2].live == 0


async def test_what_the_venue_says_when_it_closes_is_the_cause(server: Server) -> None:
    heard: list[ConnectionStatus] = []
    async with feed_of(server, on_status=heard.append) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        assert peer.transport is not None
        peer.transport.send_close(1011, b"line\nCRITICAL forged \x1b[31m")  # type: ignore[arg-type]
        await server.recovered(feed, YES)
    cause = states(heard)[2][1]
    assert cause.startswith(r"closed by the venue: 1011 'line\nCRITICAL")
    assert cause.isprintable()


async def test_a_venue_that_cannot_be_reached_is_told(server: Server) -> None:
    feed = Feed([MARKET], url="ws://127.0.0.1:1/", options=QUICK, clock=PatientClock())
    async with feed:
        await server.until(lambda: feed.counters()["connect_failures"] >= 2)
        (status,) = feed.status().connections
        assert status.state == "connecting"
        assert status.cause.startswith("cannot connect: ")
        assert (status.delay_s, status.reconnects, status.live) == (None, 0, 0)


def change_frame(ts_ms: int) -> bytes:
    """A change of a level far from the touch."""
    entry = {"asset_id": YES, "price": "0.30", "size": "5", "side": "BUY", "hash": ""}
    message = {
        "event_type": "price_change",
        "market": MARKET.market,
        "timestamp": str(ts_ms),
        "price_changes": [entry | {"best_bid": "0.40", "best_ask": "0.60"}],
    }
    return orjson.dumps(message)


async def test_the_delay_is_that_of_the_newest_message_and_may_be_negative(server: Server) -> None:
    clock = PatientClock()
    async with feed_of(server, clock=clock) as feed:
        await feed.wait_live(PATIENCE_S)
        for ahead_ms in (900, 500):
            ts_ms = clock.now_ns() // 1_000_000 + ahead_ms
            (await server.peer(0)).text(change_frame(ts_ms))

            def delay() -> float | None:
                return feed.status().connections[0].delay_s

            low = -ahead_ms / 1e3
            await server.until(lambda low=low: low - 0.1 < (delay() or 0.0) < low + 0.3)  # type: ignore[misc]


async def test_a_failed_engine_takes_the_connections_down(server: Server) -> None:
    engine: Any = FailingEngine()
    heard: list[ConnectionStatus] = []
    async with feed_of(server, engine=engine, on_status=heard.append) as feed:
        await feed.wait_live(PATIENCE_S)
        engine.error = EngineError("the engine failed")
        (await server.peer(0)).text(book_frame(YES))
        await server.until(lambda: feed.failure)
        status = feed.status()
        assert (status.running, status.failure) == (False, feed.failure)
        assert status.connections[0].state == "down"
        assert "the engine failed" in status.connections[0].cause
        assert heard[-1].state == "down"
        with pytest.raises(EngineError):
            await feed.wait_live(PATIENCE_S)


# Reconnecting switched off.


async def test_without_reconnect_a_lost_connection_stays_down(server: Server) -> None:
    options = SessionOptions(advance_s=0.01, reconnect=False)
    async with feed_of(server, options=options) as feed:
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).abort()
        await server.until(lambda: feed.status().connections[0].state == "down")
        (status,) = feed.status().connections
        assert (status.cause, status.live) == ("connection lost", 0)
        assert feed.book(YES).state == "stale"
        with pytest.raises(SessionError, match="switched off"):
            feed.resync(YES)
        await asyncio.sleep(0.1)
        assert len(server.peers) == 1
    assert feed.status().connections[0].cause == "connection lost"


async def test_without_reconnect_one_attempt_is_made() -> None:
    options = SessionOptions(reconnect=False)
    feed = Feed([MARKET], url="ws://127.0.0.1:1/", options=options)
    async with feed:
        await until(lambda: feed.status().connections[0].state == "down")
        assert feed.counters()["connect_failures"] == 1
        assert feed.status().connections[0].cause.startswith("cannot connect")


# Headers of one's own.


def endpoint(server: Server, **more: Any) -> dict[str, Endpoint]:
    return {"polymarket": Endpoint(polymarket(), server.url, **more)}


async def test_headers_are_sent_with_every_handshake(server: Server) -> None:
    there = endpoint(server, headers={"Authorization": SECRET, "X-Desk": "7"})
    feed = Feed([MARKET], endpoints=there, options=QUICK, clock=PatientClock())
    async with feed:
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).abort()
        await server.recovered(feed, YES)
    assert [r.headers["authorization"] for r in server.requests] == [SECRET] * 2
    assert server.requests[0].headers["x-desk"] == "7"


def test_what_the_venue_signs_is_not_replaced() -> None:
    from dataclasses import replace

    from bookfeed.live.handshake import headers

    venue = replace(polymarket(), handshake_headers=lambda now_ms: {"Access-Key": f"own {now_ms}"})
    there = Endpoint(venue, "ws://x", headers={"ACCESS-KEY": "user's", "X-Desk": "7"})
    assert headers(there, 5) == {"X-Desk": "7", "Access-Key": "own 5"}


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"Authorization": SECRET + "\r\nX-Evil: 1"}, "'Authorization'.*one line"),
        ({"Authorization": SECRET + "\n"}, "one line"),
        ({"A b": "c"}, "letters, digits"),
        ({"X\r\nY": "c"}, "letters, digits"),
        ({"Host": "other"}, "belongs to the handshake"),
        ({"Sec-WebSocket-Key": "other"}, "belongs to the handshake"),
        ({"X-Desk": 7}, "one line"),
    ],
)
def test_headers_that_cannot_be_sent_are_refused(headers: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        Endpoint(polymarket(), "ws://x", headers=headers)
    assert "abcdef0123456789" not in str(caught.value)


def test_an_endpoint_shows_no_secret() -> None:
    url = "wss://me:pass0123@venue.example:8443/ws?apikey=key0123#x"
    shown = repr(Endpoint(polymarket(), url, url, headers={"X-Desk": SECRET}))
    assert shown == (
        "Endpoint(polymarket, url='wss://venue.example:8443/ws', "
        "rest_url='wss://venue.example:8443/ws', headers=['X-Desk'])"
    )
    assert "rest_url=None" in repr(Endpoint(polymarket(), url))
    assert "pass0123" not in repr(Endpoint(polymarket(), "ws://me:pass0123@[::1"))


@pytest.mark.parametrize("headers", [None, "X-Desk: 7", [("X-Desk", "7")]])
def test_headers_are_a_mapping(headers: Any) -> None:
    with pytest.raises(TypeError, match="must be a mapping"):
        Endpoint(polymarket(), "ws://x", headers=headers)


async def test_a_secret_that_the_peer_echoes_is_neither_logged_nor_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        found = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"auth"))
        writer.write(b"HTTP/1.0 " + found.split(b": ")[1] + b" no\r\n\r\n")
        writer.close()

    listening = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    heard: list[ConnectionStatus] = []
    url = f"ws://127.0.0.1:{port}/?token=tok0123456789"
    there = Endpoint(polymarket(), url, headers={"Authorization": SECRET})
    async with listening:
        with caplog.at_level(logging.DEBUG, "bookfeed"):
            feed = Feed(
                [MARKET], endpoints={"polymarket": there}, options=QUICK, on_status=heard.append
            )
            async with feed:
                await until(lambda: feed.counters()["connect_failures"])
    said = (caplog.text + repr(heard)).lower()
    assert "cannot connect: " in said
    assert "abcdef0123456789" not in said + repr(there)
    assert "tok0123456789" not in said


# Waiting for some of the books.


async def test_waiting_for_symbols_says_which_are_not_live_and_why(server: Server) -> None:
    server.on_subscribe = lambda peer, _symbols: peer.text(orjson.dumps([book_message(YES)]))
    async with feed_of(server) as feed:
        assert await feed.wait_live(PATIENCE_S, symbols=[YES]) == []
        assert await feed.wait_live(PATIENCE_S, symbols=YES) == []
        (missing,) = await feed.wait_live(0.02, symbols=[YES, NO])
        assert (missing.symbol, missing.state, missing.live) == (NO, "syncing", False)
        assert (missing.venue, missing.market, missing.conn) == ("polymarket", "0xabc", 0)
        assert missing.evidence_age_s is None
        with pytest.raises(KeyError):
            await feed.wait_live(0.02, symbols=["no such"])
        books = {book.symbol: book for book in feed.status().books}
        assert books[YES].live
        assert (books[YES].evidence_age_s or 0.0) >= 0.0


# Log lines.


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "bookfeed.feed"]


async def test_the_lines_that_people_grep(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    rule = Rule("spread", {"mode": "bps", "open": "20", "close": "10"}, name="wide one")
    with caplog.at_level(logging.INFO, "bookfeed.feed"):
        async with feed_of(server, rules=[rule]) as feed:
            await feed.wait_live(PATIENCE_S)
            (await server.peer(0)).abort()
            await server.recovered(feed, YES)
    said = lines(caplog)
    assert f"subscribed venue=polymarket symbol={YES} market=0xabc" in said
    assert f"live venue=polymarket symbol={YES} cause=snapshot" in said
    assert f"not-live venue=polymarket symbol={NO} state=stale cause=disconnected" in said
    assert "connected venue=polymarket conn=0" in said
    assert "disconnected venue=polymarket conn=0 cause=connection lost" in said
    assert "reconnected venue=polymarket conn=0" in said
    opened = [line for line in said if line.startswith("signal-opened ")]
    closed = [line for line in said if line.startswith("signal-closed ")]
    assert "rule=spread name='wide one' net=0.2 qty=10" in opened[0]
    assert len(opened) == len(closed) == 4
    assert "reason=" in closed[0]
    assert "lasted_s=0." in closed[0]
    assert [line.partition(" ")[0] for line in said[:3]] == [
        "subscribed",
        "subscribed",
        "connected",
    ]


async def test_a_flood_of_states_is_no_flood_of_lines(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "bookfeed.feed"):
        # No beat of the timer, so that nothing is recovered meanwhile.
        async with feed_of(server, options=SessionOptions(advance_s=60)) as feed:
            await feed.wait_live(PATIENCE_S)
            peer = await server.peer(0)
            for n in range(500):
                peer.text(book_frame(YES)[:180])
                peer.text(book_frame(YES, f"0.{100 + n}", "0.9"))
            await server.until(lambda: feed.counters()["frames"] >= 1001)
            assert feed.book(YES).epoch > 400
    said = [line for line in lines(caplog) if line.startswith(("live", "not-live"))]
    assert 20 <= len(said) < 500


def test_nothing_is_decoded_while_nobody_reads_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from bookfeed import records
    from bookfeed.feed import lines

    def signals(*_: object) -> None:
        raise AssertionError("decoded")

    class Signalled:
        signal_bytes = b"x"

    batch: Any = Signalled()
    monkeypatch.setattr(records, "signals", signals)
    with caplog.at_level(logging.WARNING, "bookfeed.feed"):
        lines.FeedLog(Names()).batch(batch)
    with (
        caplog.at_level(logging.INFO, "bookfeed.feed"),
        pytest.raises(AssertionError, match="decoded"),
    ):
        lines.FeedLog(Names()).batch(batch)


# From a configuration.

TABLE: dict[str, Any] = {
    "feed": {"reconnect": False, "backoff_min_s": 2.0},
    "engine": {"hash_check": "off"},
    "rules": {"spread": {"mode": "bps", "open": "20", "close": "10"}},
    "market": [{"market": "0xabc", "outcomes": [{"name": "Yes", "asset": YES}]}],
}


async def test_a_feed_from_a_file_is_what_run_would_make(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "feed.toml"
    path.write_text(
        f"""
        [polymarket]
        ws_url = "{server.url}"
        rest_url = ""
        [rules.spread]
        mode = "bps"
        open = "20"
        [record]
        directory = "{tmp_path / "journal"}"
        [[market]]
        market = "0xabc"
        outcomes = [{{ name = "Yes", asset = "{YES}" }}]
        """
    )
    heard: list[ConnectionStatus] = []
    async with Feed.from_config(path, record=True, on_status=heard.append) as feed:
        await feed.wait_live(PATIENCE_S)
        assert [rule.kind for rule in feed.rules.values()] == ["spread"]
    assert heard[-1].state == "down"
    journal = Journal(tmp_path / "journal")
    assert journal.metadata["notes"]["venues"] == ["polymarket"]
    assert len(list(journal)) > 3


async def test_overrides_replace_what_the_configuration_says(server: Server) -> None:
    made = config.parse(TABLE)
    async with Feed.from_config(made, url=server.url, rules=()) as feed:
        await feed.wait_live(PATIENCE_S)
        assert feed.rules == {}
        (await server.peer(0)).abort()
        await server.until(lambda: feed.status().connections[0].state == "down")


async def test_one_venue_s_endpoint_is_replaced_by_itself(server: Server) -> None:
    kalshi = {"venue": "kalshi", "ticker": "KXA"}
    made = config.parse({**TABLE, "market": [*TABLE["market"], kalshi]})
    # Without a key of Kalshi's there is nowhere to go but to a place of one's own.
    own = {"kalshi": Endpoint(kalshi_venue(), "ws://127.0.0.1:1/trade-api/ws/v2")}
    found = settings.arguments(made, "test", {}, {"endpoints": own})["endpoints"]
    assert found["kalshi"] is own["kalshi"]
    assert found["polymarket"].url == made.sections["polymarket"].endpoint("test").url


def test_a_configuration_without_markets_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing to follow"):
        Feed.from_config(config.parse({}))


def test_a_refused_key_is_told_in_words() -> None:
    assert polymarket().explain_refusal(HandshakeRefusal(403)) == "refused with HTTP 403"


async def test_what_connections_count_is_there_before_the_feed_is_open(server: Server) -> None:
    feed = Feed([MARKET], url=server.url, options=QUICK)
    before = feed.counters()
    assert before["reconnects"] == before["connects"] == before["resyncs"] == 0
    async with feed:
        assert feed.counters().keys() == before.keys()
        assert Feed().counters().keys() == before.keys()
