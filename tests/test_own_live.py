"""Private channels over real sockets, beside simulated venues: true after every reconnect."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import groupby
from typing import Any

import pytest
from audit_journals import Tape
from own_link import OWNER, WALLET
from waiting import until

from bookfeed import Endpoint, Feed, Market, Outcome, SessionError, SessionOptions, polymarket
from bookfeed.clock import AnchoredClock as Clock
from bookfeed.feed.outside import Outside
from bookfeed.own.endpoint import OwnEndpoint
from bookfeed.own.events import OwnEvent, OwnFill, OwnOrder, OwnStatus
from bookfeed.own.kalshi import KalshiChannel
from bookfeed.own.polymarket import PolymarketChannel
from bookfeed.recordings.kinds import Kind
from bookfeed.sim.kalshi.account import KalshiAccount
from bookfeed.sim.kalshi.auth import generate_key
from bookfeed.sim.kalshi.private import AccountServer
from bookfeed.sim.polymarket.account import PolymarketAccount
from bookfeed.sim.polymarket.private import UserServer
from bookfeed.sim.private import PrivateServer
from bookfeed.venues.kalshi import Credentials
from bookfeed.venues.kalshi_keys import parse_key
from bookfeed.venues.polymarket_keys import ClobCredentials
from bookfeed.venues.secret import Secret

SECRET, PASSPHRASE = "c2VjcmV0LWtleS1vZi10ZXN0cw==", "passphrase-of-tests"
OPTIONS = SessionOptions(backoff_min_s=0.05, backoff_max_s=0.1)


def polymarket_server(seed: int, secret: str = SECRET) -> tuple[PrivateServer, OwnEndpoint]:
    account = PolymarketAccount(seed, owner=OWNER, wallet=WALLET)
    account.now_ms = time.time_ns() // 1_000_000 - 120_000
    server = UserServer(account, secret=SECRET, passphrase=PASSPHRASE, address=WALLET, rate=0)
    key = ClobCredentials(Secret(OWNER), Secret(secret), Secret(PASSPHRASE), Secret(WALLET))
    return server, OwnEndpoint(PolymarketChannel(key), "", "")


def kalshi_server(seed: int) -> tuple[PrivateServer, OwnEndpoint]:
    pair = generate_key()
    account = KalshiAccount(seed)
    account.now_ms = time.time_ns() // 1_000_000 - 120_000
    server = AccountServer(account, keys={pair.key_id: pair.public_pem}, rate=0)
    key = Credentials(pair.key_id, parse_key(Secret(pair.private_pem), "test"))
    return server, OwnEndpoint(KalshiChannel(key), "", "")


SERVERS: dict[str, Callable[[int], tuple[PrivateServer, OwnEndpoint]]] = {
    "polymarket": polymarket_server,
    "kalshi": kalshi_server,
}


@asynccontextmanager
async def followed(
    made: tuple[PrivateServer, OwnEndpoint], *, ask_every_s: float = 60.0, **more: Any
) -> AsyncIterator[tuple[PrivateServer, Feed]]:
    """A server, and a feed that follows its account."""
    server, endpoint = made
    await server.begin()
    there = OwnEndpoint(endpoint.channel, server.ws_url, server.rest_url, ask_every_s)
    try:
        async with Feed(own=[there], options=OPTIONS, **more) as feed:
            yield server, feed
    finally:
        await server.end()


def check(server: PrivateServer, feed: Feed, venue: str) -> bool:
    """Whether the feed has what the simulator has."""
    unit = 10**8 // (100 if venue == "kalshi" else 10**6)
    account = feed.account(venue)
    orders = {o.order_id: (o.filled_e8 // unit, o.remaining_e8 // unit) for o in account.orders}
    held = {h.position.symbol: h.position.qty_e8 // unit for h in account.holdings}
    true_held = {symbol: one.size for symbol, one in server.account.held().items()}
    return orders == server.account.open_orders() and {s: q for s, q in held.items() if q} == {
        s: q for s, q in true_held.items() if q
    }


@pytest.mark.parametrize("venue", SERVERS)
async def test_live_after_rest_agreed_and_true_after_a_reconnect(venue: str) -> None:
    made = SERVERS[venue](5)
    for _ in range(40):
        made[0].account.step()  # before anybody listens
    made[0].account.now_ms = time.time_ns() // 1_000_000
    async with followed(made) as (server, feed):
        seen: list[Any] = []
        feed.on_own(seen.append)
        stream = feed.own()
        assert not feed.account(venue).live
        await until(lambda: feed.account(venue).live)
        assert check(server, feed, venue)
        assert not [one for one in seen if isinstance(one, OwnFill)], "of the past is no news"
        await server.step(30)
        await until(lambda: check(server, feed, venue))
        assert any(isinstance(one, OwnFill) for one in seen)
        assert any(isinstance(one, OwnOrder) for one in seen)
        # Lost for good: the connection is gone while things happen.
        await server.drop()
        await until(lambda: feed.account(venue).state == "stale")
        for _ in range(20):
            server.account.step()
        await until(lambda: feed.account(venue).live)
        assert check(server, feed, venue)
        states = [state for state, _ in groupby(s.state for s in seen if isinstance(s, OwnStatus))]
        assert states[-3:] == ["stale", "syncing", "live"]
        assert stream.drain() == seen
        age_s = feed.account(venue).evidence_age_s
        assert age_s is not None and age_s < 5
        assert feed.counters()["own_walks"] >= 2


@pytest.mark.parametrize("venue", SERVERS)
async def test_a_fill_that_the_channel_lost_is_noticed_asked_for_and_the_channel_replaced(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookfeed.own.account.GRACE_NS", 100_000_000)
    monkeypatch.setattr("bookfeed.own.account.ASK_AGAIN_S", 1.0)
    async with followed(SERVERS[venue](7), ask_every_s=1.0) as (server, feed):
        await until(lambda: feed.account(venue).live)
        await until(lambda: server.requests and feed.counters()["own_walks"] >= 1)
        server.muted = True
        before = len(server.account.trades)
        while len(server.account.trades) == before:
            server.account.step()
        server.muted = False
        await until(lambda: feed.counters()["own_missed"], 20)
        await until(lambda: server.connections >= 2 and feed.account(venue).live)
        await until(lambda: check(server, feed, venue))


async def test_an_answer_that_cannot_be_read_is_told_and_is_no_reason_to_ask_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bookfeed.own.account.GRACE_NS", 100_000_000)
    server, endpoint = polymarket_server(3)
    for _ in range(30):
        server.account.step()
    whole = server.answer

    def broken(target: str) -> tuple[int, str]:
        status, body = whole(target)
        return status, body.replace('"price": "', '"price": "x')

    server.answer = broken
    async with followed((server, endpoint)) as (_, feed):
        await until(lambda: feed.account("polymarket").state == "suspect")
        assert "could not be read: price" in feed.account("polymarket").cause
        asked = server.requests
        await asyncio.sleep(2.0)
        assert server.requests - asked < 3 * asked, "at most a walk or two in two seconds"
        server.answer = whole
        await until(lambda: feed.account("polymarket").live)
        assert check(server, feed, "polymarket")


async def test_what_rests_is_known_beside_the_books_and_what_they_pay() -> None:
    server, endpoint = polymarket_server(11)
    for _ in range(60):
        server.account.step()
    first, second = (symbol for _, symbol in server.account.symbols[:2])
    market = Market(
        server.account.symbols[0][0],
        (Outcome("Yes", first), Outcome("No", second)),
        event="the event",
    )
    nowhere = Endpoint(polymarket(), "ws://127.0.0.1:9/ws/market")
    tape = Tape()
    async with followed(
        (server, endpoint), markets=[market], endpoints={"polymarket": nowhere}, recorder=tape
    ) as (_, feed):
        await until(lambda: feed.account("polymarket").live)
        account = feed.account("polymarket")
        assert account.orders and account.holdings
        found = [one for one in account.holdings if one.position.symbol == first]
        assert all(one.event == "the event" for one in found)
        assert all(one.why.startswith("its book is") for one in found if one.position.qty_e8)
        resting = feed.own_resting(first)
        expected = 0
        for order in account.orders:
            if order.symbol in (first, second) and order.status == "open":
                expected += order.remaining_e8
        assert sum(resting.values()) == expected > 0
        assert feed.levels_net(first, "bid") == []
        # Who reads the feed's socket is told the same.
        told_outside = {one["part"]: one for one in Outside(feed, Clock()).pieces(whole=True)}
        (outside,) = told_outside["own"]["accounts"]
        assert (outside["venue"], outside["state"]) == ("polymarket", "live")
        assert outside["orders"] == len(account.orders)
        assert [(one["symbol"], one["qty_e8"], one["why"]) for one in outside["holdings"]] == [
            (one.position.symbol, one.position.qty_e8, one.why) for one in account.holdings
        ]
        # Rules were told of both books, by records of a recording.
        told: dict[int, dict[tuple[str, int], int]] = {}
        for kind, *_, payload in tape.records:
            if kind == Kind.OWN:
                own = json.loads(payload)
                told[own["instrument"]] = {
                    (side, price): qty for side in ("bid", "ask") for price, qty in own[f"{side}s"]
                }
        for symbol in (first, second):
            assert told[feed.book(symbol).instrument] == feed.own_resting(symbol)
        with pytest.raises(KeyError, match="no book"):
            feed.own_resting("elsewhere")


async def test_a_wrong_key_says_so_and_nothing_is_believed() -> None:
    server, endpoint = polymarket_server(1, secret="d3Jvbmc=")
    async with followed((server, endpoint)) as (_, feed):
        await until(lambda: "credentials were refused" in feed.account("polymarket").cause)
        assert server.refused
        assert not feed.account("polymarket").live
        with pytest.raises(KeyError, match="no private channel of 'kalshi'"):
            feed.account("kalshi")


async def test_a_channel_that_is_not_confirmed_is_not_believed() -> None:
    made = kalshi_server(2)
    assert isinstance(made[0], AccountServer)
    made[0].unconfirmed = ("market_positions",)
    async with followed(made) as (_, feed):
        await until(lambda: "market_positions" in feed.account("kalshi").cause)
        assert feed.account("kalshi").state == "syncing"


async def test_the_end_of_a_feed_ends_its_iterators_too() -> None:
    server, endpoint = polymarket_server(4)
    with pytest.raises(ValueError, match="two private channels"):
        Feed(own=[endpoint, endpoint])
    async with followed((server, endpoint)) as (_, feed):
        stream = feed.own()
        raised: list[OwnEvent] = []

        @feed.on_own
        def broken(event: OwnEvent) -> None:
            raised.append(event)
            raise RuntimeError("a defect of the user's")

        await until(lambda: feed.account("polymarket").live)
    assert raised == [event async for event in stream]
    assert [event async for event in feed.own()] == []
    assert feed.account("polymarket").state == "stale"
    assert feed.counters()["own_callback_errors"] == len(raised)


async def test_an_address_of_no_use_closes_the_feed_again() -> None:
    _, endpoint = polymarket_server(4)
    feed = Feed(own=[OwnEndpoint(endpoint.channel, "ws://127.0.0.1:9", "ftp://127.0.0.1:9")])
    with pytest.raises(SessionError, match="must begin with http"):
        await feed.open()
    with pytest.raises(SessionError):
        await feed.open()
