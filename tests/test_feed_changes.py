"""An open feed changes: markets, venues and rules come and go, and the others notice nothing."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
import pytest
from kalshi_server import market as kalshi_market
from kalshi_server import serving_kalshi
from session_server import MARKET, NO, YES, Peer, Server, book_frame, serving
from test_session_kalshi import KEY, QUICK
from test_session_replay import Tape
from waiting import PATIENCE_S, PatientClock

from bookfeed._bookfeed import Engine
from bookfeed.errors import EngineError, SessionError
from bookfeed.feed.feed import Endpoint, Feed
from bookfeed.live import supervisor
from bookfeed.market import Market, Outcome
from bookfeed.recordings.inputs import EngineInput
from bookfeed.records import Signal, Update
from bookfeed.rules.pairs import Pair, PairLeg
from bookfeed.rules.rule import Rule
from bookfeed.venues.kalshi import kalshi

SECOND = Market("0xdef", (Outcome("Yes", "3" * 77), Outcome("No", "4" * 76)))
WIDE = Rule("spread", {"open": "0.05", "close": "0.04"}, name="wide")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What went is let go of soon."""
    monkeypatch.setattr(supervisor, "FORGET_NS", 50_000_000)


def feed_of(server: Server, **more: object) -> Feed:
    how = {"options": QUICK, "clock": PatientClock(), **more}
    return Feed([MARKET], url=server.url, **how)  # type: ignore[arg-type]


def asked(peer: Peer) -> list[tuple[str, list[str]]]:
    """Who was said to come and to leave, after the first frame."""
    frames = [orjson.loads(text) for _, text in peer.received if text.startswith(b"{")]
    assert all(frame["custom_feature_enabled"] for frame in frames)
    return [(frame["operation"], frame["assets_ids"]) for frame in frames[1:]]


def send_books(peer: Peer, market: Market) -> None:
    for symbol in market.symbols:
        peer.text(book_frame(symbol))


async def test_markets_of_polymarket_come_and_go_on_the_open_connection(server: Server) -> None:
    states: list[Update] = []
    async with feed_of(server) as feed:
        await feed.wait_live(PATIENCE_S)
        feed.on_update(states.append, symbols=[YES, NO])
        peer = await server.peer(0)
        symbols = await feed.add_markets([SECOND])
        assert list(symbols.values()) == list(SECOND.symbols)
        await server.until(lambda: asked(peer) == [("subscribe", list(SECOND.symbols))])
        send_books(peer, SECOND)
        await feed.wait_live(PATIENCE_S)
        await feed.remove_markets([SECOND])
        with pytest.raises(KeyError):
            feed.book(SECOND.symbols[0])
        assert [view.symbol for view in feed.books()] == [YES, NO]
        await server.until(lambda: len(asked(peer)) == 2)
        assert asked(peer)[1] == ("unsubscribe", list(SECOND.symbols))
        send_books(peer, SECOND)  # late words harm nobody
        peer.text(book_frame(YES, "0.41"))
        await server.until(lambda: feed.book(YES).bid == 0.41)
        assert len(server.peers) == 1
        peer.abort()
        await server.recovered(feed, YES)
        assert orjson.loads((await server.peer(1)).received[0][1])["assets_ids"] == [YES, NO]
    assert [u.cause for u in states if u.kind == "state"][:1] == ["disconnected"]


@pytest.mark.usefixtures("hasty")
async def test_a_market_that_went_is_let_go_of_and_comes_again_as_another(server: Server) -> None:
    tape = Tape()
    async with feed_of(server, recorder=tape) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        (first, _) = await feed.add_markets([SECOND])
        await server.until(lambda: len(asked(peer)) == 1)
        send_books(peer, SECOND)
        await feed.wait_live(PATIENCE_S)
        kept = feed.book(first)
        await feed.remove_markets([SECOND])
        assert kept.state == "stale" and kept.cause == "unsubscribed"
        await server.until(lambda: len(feed.engine.books()) == 2)
        with pytest.raises(EngineError, match="no instrument"):
            kept.state  # noqa: B018 - reading is the test
        assert kept.bid is None
        (again, _) = await feed.add_markets([SECOND])
        await server.until(lambda: len(asked(peer)) == 3)
        send_books(peer, SECOND)
        await feed.wait_live(PATIENCE_S)
        assert (first, again) == (2, 4)
        assert feed.names[first] == feed.names[again]
        shown = [(v.instrument, v.symbol, v.epoch) for v in feed.books()]
    inputs = EngineInput(Engine())
    assert all(inputs.apply(kind, ts, conn, data) for kind, ts, conn, _, data in tape.records)
    assert [(v.instrument, v.symbol, v.epoch) for v in inputs.engine.books()] == shown


@pytest.mark.usefixtures("hasty")
async def test_a_market_that_comes_back_at_once_is_not_let_go_of(server: Server) -> None:
    clock = PatientClock()
    async with feed_of(server, clock=clock) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        (first, _) = await feed.add_markets([SECOND])
        await feed.remove_markets([SECOND])
        (again, _) = await feed.add_markets([SECOND])
        assert first == again
        await clock.passed(0.2)
        await server.until(lambda: asked(peer))
        send_books(peer, SECOND)
        await feed.wait_live(PATIENCE_S)
        assert feed.book(again).live


async def test_a_venue_comes_later(server: Server) -> None:
    async with serving_kalshi() as later, feed_of(server) as feed:
        await feed.wait_live(PATIENCE_S)
        epochs = [view.epoch for view in feed.books()]
        where = {"kalshi": Endpoint(kalshi(credentials=KEY), later.url)}
        await feed.add_markets([kalshi_market("KXA")], endpoints=where)
        await feed.wait_live(PATIENCE_S)
        assert feed.book("KXA").venue == "kalshi"
        assert [view.epoch for view in feed.books()][:2] == epochs
        await feed.remove_markets([kalshi_market("KXA")])
        await feed.add_markets([kalshi_market("KXB")])
        await feed.wait_live(PATIENCE_S)
        assert {one.venue for one in feed.status().connections} == {"polymarket", "kalshi"}


async def test_a_venue_that_cannot_come_changes_nothing(server: Server) -> None:
    async with feed_of(server) as feed:
        await feed.wait_live(PATIENCE_S)
        nowhere = {"kalshi": Endpoint(kalshi(), "wss://kalshi.example/trade-api/ws/v2")}
        with pytest.raises(ValueError, match="KALSHI_API_KEY_ID"):
            await feed.add_markets([SECOND, kalshi_market("KXA")], endpoints=nowhere)
        assert [view.symbol for view in feed.books()] == [YES, NO]
        await feed.add_markets([SECOND])
    with pytest.raises(SessionError, match="was closed"):
        await feed.remove_markets([SECOND])


async def test_rules_come_and_go(server: Server) -> None:
    signals: list[Signal] = []
    async with feed_of(server, rules=[WIDE]) as feed:
        feed.on_signal(signals.append)
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        number = await feed.add_rule(replace(WIDE, name="late"))
        for symbol in (YES, NO):
            peer.text(book_frame(symbol, "0.41"))

        def late() -> list[str]:
            return [s.phase for s in signals if s.rule_id == number]

        await server.until(lambda: late() == ["open", "open"])
        feed.on_signal(lambda _: None, rule="late")  # known by its name
        await feed.remove_rule(number)
        assert [s.reason for s in signals if s.rule_id == number][-1] == "removed"
        assert list(feed.rules) == [0]
        with pytest.raises(KeyError, match="no rule 1"):
            await feed.remove_rule(number)
        count = len(late())
        peer.text(book_frame(YES, "0.42"))
        await server.until(lambda: feed.book(YES).bid == 0.42)
        assert len(late()) == count
        with pytest.raises(EngineError, match="when must be"):
            await feed.add_rule(Rule("spread", {"open": "0.01", "when": "never"}))


async def test_a_pair_comes(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    def leg(symbol: str, oracle: str) -> PairLeg:
        facts = {"oracle": oracle, "strike": "85k", "cut_off": "17:00"}
        return PairLeg("polymarket", symbol, "Yes", polarity="same", **facts)

    async with feed_of(server) as feed:
        pair = Pair("BTC", leg=(leg(YES, "Chainlink"), leg("3" * 77, "Binance")))
        number = await feed.add_pair(pair)
        assert (feed.rules[number].kind, feed.rules[number].name) == ("box", "BTC")
        assert "oracle" in caplog.text
        await asyncio.sleep(0)
