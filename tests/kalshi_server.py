"""A WebSocket server for tests of Kalshi's session: obeys commands, unless a test says otherwise.

It is not the simulator: its books never change by themselves, but it can refuse, forget, lose or
repeat anything. One counter for each stream, replies included, as the venue has it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson
from picows import (
    WSFrame,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)
from session_server import Peer, Server

from bookfeed.market import Market, Outcome
from bookfeed.venues import KalshiFee

BOOKS = "orderbook_delta"

Command = dict[str, Any]


def market(ticker: str, **more: Any) -> Market:
    """A market of Kalshi."""
    outcomes = (Outcome("Yes", ticker),)
    return Market(ticker, outcomes, venue="kalshi", fee=KalshiFee("quadratic"), **more)


class KalshiPeer(Peer):
    """One connection as the venue sees it."""

    def __init__(self, server: "KalshiServer", headers: dict[str, str]) -> None:
        super().__init__(server)
        self.kalshi = server
        self.headers = headers
        self.commands: list[Command] = []
        # Streams by number: channel, and the markets on it.
        self.streams: dict[int, tuple[str, set[str]]] = {}
        self.seqs: dict[int, int] = {}
        self.sids = count(1)
        self.trades = count(1)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            super().on_ws_frame(transport, frame)
            return
        command = orjson.loads(frame.get_payload_as_bytes())
        self.commands.append(command)
        self.server.news.set()
        if self.kalshi.obeys(self, command):
            self.obey(command)

    def obey(self, command: Command) -> None:
        """Do what the venue does."""
        id_, params = command["id"], command.get("params", {})
        match command["cmd"], params.get("action"):
            case "subscribe", _:
                for channel in params["channels"]:
                    self.subscribe(id_, channel, params.get("market_tickers", []))
            case "unsubscribe", _:
                for sid in params["sids"]:
                    self.say({"id": id_, "type": "unsubscribed"}, sid)
                    del self.streams[sid]
            case "update_subscription", action:
                self.update(id_, action, params["sid"], params["market_tickers"])
            case "list_subscriptions", _:
                listing = [{"channel": c, "sid": sid} for sid, (c, _) in self.streams.items()]
                self.text(orjson.dumps({"id": id_, "type": "ok", "msg": listing}))

    def subscribe(self, id_: int, channel: str, tickers: list[str]) -> None:
        sid = self.sid(channel)
        if sid is None:
            lowest = min(set(range(1, 100)) - self.streams.keys())
            sid = lowest if self.kalshi.reuses_numbers else next(self.sids)
            self.seqs.pop(sid, None)
            self.streams[sid] = (channel, set())
            msg = {"channel": channel, "sid": sid}
            self.text(orjson.dumps({"id": id_, "type": "subscribed", "msg": msg}))
        else:
            self.say({"id": id_, "type": "ok"}, sid)
        fresh = [t for t in tickers if t not in self.streams[sid][1]]
        self.streams[sid][1].update(fresh)
        if channel == BOOKS:
            self.snapshots(sid, fresh)

    def update(self, id_: int, action: str, sid: int, tickers: list[str]) -> None:
        channel, there = self.streams[sid]
        if action == "get_snapshot":
            self.snapshots(sid, tickers, id=id_)
            return
        fresh = [t for t in tickers if t not in there]
        if action == "add_markets":
            there.update(fresh)
        else:
            there.difference_update(tickers)
            fresh = []
        self.say({"id": id_, "type": "ok"}, sid)
        if channel == BOOKS:
            self.snapshots(sid, fresh)

    def sid(self, channel: str = BOOKS) -> int | None:
        """The number of a channel's stream."""
        return next((sid for sid, (c, _) in self.streams.items() if c == channel), None)

    def say(self, message: Command, sid: int | None = None) -> None:
        """A message with the next number of its stream, by default the books'."""
        sid = self.sid() if sid is None else sid
        assert sid is not None
        self.seqs[sid] = self.seqs.get(sid, 0) + 1
        self.text(orjson.dumps(message | {"sid": sid, "seq": self.seqs[sid]}))

    def snapshots(self, sid: int, tickers: Iterable[str], **more: object) -> None:
        for ticker in tickers:
            if ticker in self.kalshi.unknown:
                continue
            msg = {
                "market_ticker": ticker,
                "market_id": f"id-{ticker}",
                "yes_dollars_fp": self.kalshi.book,
                # 0.45 is an ask of YES in one form, a bid for NO in the other.
                "no_dollars_fp": [["0.4500", "7.00"]],
            }
            self.say({"type": "orderbook_snapshot", "msg": msg, **more}, sid)

    def delta(self, ticker: str, change: str = "1.00", price: str = "0.4400") -> None:
        """A change of the YES side."""
        msg = {
            "market_ticker": ticker,
            "market_id": f"id-{ticker}",
            "price_dollars": price,
            "delta_fp": change,
            "side": "yes",
            "ts_ms": 1_790_000_000_000,
        }
        self.say({"type": "orderbook_delta", "msg": msg})

    def trade(self, ticker: str) -> None:
        """A trade, which says nothing of the books."""
        msg = {
            "trade_id": f"trade-{next(self.trades)}",
            "market_ticker": ticker,
            "yes_price_dollars": "0.4400",
            "no_price_dollars": "0.5600",
            "count_fp": "1.00",
            "taker_side": "yes",
            "ts_ms": 1_790_000_000_000,
        }
        self.say({"type": "trade", "msg": msg}, self.sid("trade"))

    def lose(self, messages: int = 1) -> None:
        """Messages of the books' stream that never arrive."""
        sid = self.sid()
        assert sid is not None
        self.seqs[sid] += messages

    def error(self, code: int, text: str, *, id_: int = 0, channel: str | None = None) -> None:
        """An error; with ``channel`` it is about that stream, and ends it if it is terminal."""
        message: Command = {"type": "error", "msg": {"code": code, "msg": text}}
        if id_:
            message["id"] = id_
        if channel is None:
            self.text(orjson.dumps(message))
            return
        sid = self.sid(channel)
        assert sid is not None
        self.say(message, sid)
        if code in (10, 25):
            del self.streams[sid]

    def asked(self, word: str) -> list[Command]:
        """Commands, or actions of commands, by name."""
        return [c for c in self.commands if word in (c["cmd"], c.get("params", {}).get("action"))]


def obey_all(_peer: KalshiPeer, _command: Command) -> bool:
    return True


@dataclass
class KalshiServer(Server):
    """The server; change its attributes to change what it does next."""

    # Every attempt's headers, those of refused ones as well.
    handshakes: list[dict[str, str]] = field(default_factory=list)
    obeys: Callable[[KalshiPeer, Command], bool] = obey_all
    unknown: set[str] = field(default_factory=set)
    # What is bid for YES in every market.
    book: list[list[str]] = field(default_factory=lambda: [["0.4400", "10.00"]])
    # Whether a stream may get the number of one that has ended.
    reuses_numbers: bool = False
    refusal: tuple[int, bytes, dict[str, str]] | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/trade-api/ws/v2"

    async def kalshi_peer(self, number: int) -> KalshiPeer:
        """The connection ``number`` (from 0), when it has come."""
        await self.until(lambda: len(self.peers) > number)
        found = self.peers[number]
        assert isinstance(found, KalshiPeer)
        return found


@asynccontextmanager
async def serving_kalshi() -> AsyncIterator[KalshiServer]:
    """A server on a free port of loopback."""
    server = KalshiServer()

    def accept(request: WSUpgradeRequest) -> KalshiPeer | WSUpgradeResponseWithListener:
        headers = dict(request.headers.items())
        server.handshakes.append(headers)
        if server.refusal is None:
            return KalshiPeer(server, headers)
        status, body, more = server.refusal
        response = WSUpgradeResponse.create_error_response(status, body, more)
        return WSUpgradeResponseWithListener(response, None)

    listening = await ws_create_server(accept, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for peer in server.peers:
            if peer.transport is not None:
                peer.transport.disconnect(graceful=False)
        await asyncio.sleep(0)
