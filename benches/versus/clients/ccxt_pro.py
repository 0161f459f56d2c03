"""ccxt: the message handlers of its WebSocket classes, on a line that keeps what is rejected."""

import asyncio
import json
from importlib.metadata import version as version_of
from typing import Any

import ccxt.pro
from ccxt.prediction import polymarket

from benches.versus.judge import Case, Levels

NAME = "ccxt"


def version() -> str:
    """Its version."""
    return version_of("ccxt")


class Line:
    """What its handlers know of a connection."""

    def __init__(self, url: str, wanted: str) -> None:
        self.url = url
        self.wanted = wanted
        self.subscriptions: dict[str, Any] = {}
        self.futures: dict[str, Any] = {}
        self.lastPong = 0
        self.rejected = ""
        self.book: Any = None
        """What a user who awaits books got last."""

    def resolve(self, result: Any, message_hash: str) -> Any:
        """What a user who awaits it gets."""
        if self.wanted in message_hash:
            self.book = result
        return result

    def reject(self, error: Any, _message_hash: str | None = None) -> None:
        """What he gets instead."""
        self.rejected = self.rejected or f"{type(error).__name__}: {error}"


class Client:
    """An exchange and its line."""

    def __init__(self, exchange: Any, wanted: str, url: str = "wss://example.invalid") -> None:
        """``wanted`` is in the names of what is awaited of the book."""
        self.exchange = exchange
        self.line = Line(url, wanted)

    def connected(self, ts_ns: int) -> None:
        """A connection begins: the line is a new one."""
        self.line = Line(self.line.url, self.line.wanted)

    def disconnected(self, ts_ns: int) -> None:
        """It ends: whoever awaits a book is told by the connection, and asks again."""
        self.line.book = None

    def frame(self, payload: bytes, ts_ns: int) -> None:
        """A frame; one that is no JSON is handed on as text, as its own client does."""
        text = payload.decode()
        try:
            told = json.loads(text)
        except ValueError:
            told = text
        self.exchange.handle_message(self.line, told)

    def rest(self, payload: bytes, ts_ns: int) -> None:
        """Nothing is asked of REST."""

    def book(self) -> tuple[Levels, Levels] | None:
        """What it shows."""
        book = self.line.book
        if book is None:
            return None
        return _exact(book["bids"]), _exact(book["asks"])

    def said(self) -> str:
        """What it rejected."""
        return self.line.rejected


def _exact(levels: list[list[float]]) -> Levels:
    return [(round(level[0] * 1e9), round(level[1] * 1e8)) for level in levels]


def of_polymarket(case: Case) -> Client:
    """Its class for Polymarket, which knows the outcomes of the market."""
    exchange = polymarket()
    exchange.outcomes_by_id = {one: {"outcome": one, "outcomeId": one} for one in case.symbols}
    exchange.outcomes = exchange.outcomes_by_id
    return Client(exchange, f"orderbook::{case.symbols[0]}")


def _with_market(exchange: Any, symbol: str, native: str) -> Any:
    base, quote = symbol.split("/")
    market = {
        "id": native, "symbol": symbol, "base": base, "quote": quote, "type": "spot", "spot": True,
        "active": True, "precision": {"price": 1e-8, "amount": 1e-8}, "limits": {}, "info": {},
    }  # fmt: skip
    exchange.set_markets([exchange.extend(exchange.safe_market_structure(), market)])
    return exchange


def of_kraken(case: Case) -> Client:
    """Its class for Kraken, as it comes."""
    symbol = case.symbols[0]
    return Client(_with_market(ccxt.pro.kraken(), symbol, symbol), "orderbook")


def of_coinbase(case: Case) -> Client:
    """Its class for Coinbase, as it comes; what it awaits is named after the channel."""
    native = case.symbols[0]
    exchange = _with_market(ccxt.pro.coinbase(), native.replace("-", "/"), native)
    return Client(exchange, "level2")


class ByRest(Client):
    """An exchange that asks REST for the whole book."""

    _task: asyncio.Task[Any]

    def __init__(self, exchange: Any, symbol: str, url: str = "wss://example.invalid") -> None:
        super().__init__(exchange, "orderbook", url)
        self._symbol = symbol
        self._loop = asyncio.new_event_loop()
        self._asked: asyncio.Future[Any] = self._loop.create_future()
        exchange.fetch_rest_order_book_safe = self._fetch
        exchange.spawn = self._spawn

    async def _fetch(self, _symbol: str, *_more: Any) -> Any:
        return await self._asked

    def _spawn(self, method: Any, *args: Any) -> None:
        self._task = self._loop.create_task(method(*args))

    def connected(self, ts_ns: int) -> None:
        """A connection begins: another answer is waited for."""
        super().connected(ts_ns)
        self._asked = self._loop.create_future()

    def rest(self, payload: bytes, ts_ns: int) -> None:
        """The answer to the question, if one was asked."""
        if self._asked.done() or not hasattr(self, "_task"):
            return
        self._asked.set_result(self._parsed(json.loads(payload)))
        self._loop.run_until_complete(self._task)

    def _parsed(self, told: Any) -> Any:
        raise NotImplementedError


class OfBinance(ByRest):
    """Its class for Binance: the whole book is asked of REST as a subscription is confirmed."""

    def __init__(self, case: Case) -> None:
        native = case.symbols[0]
        quote = next(q for q in ("USDT", "USDC", "USD") if native.endswith(q))
        symbol = f"{native.removesuffix(quote)}/{quote}"
        exchange = _with_market(ccxt.pro.binance(), symbol, native)
        super().__init__(exchange, symbol, exchange.urls["api"]["ws"]["spot"])

    def connected(self, ts_ns: int) -> None:
        """A connection begins, and its subscription."""
        super().connected(ts_ns)
        subscription = {"symbol": self._symbol, "limit": 1_000, "params": {}}
        self.exchange.handle_order_book_subscription(self.line, {}, subscription)
        self._loop.run_until_complete(asyncio.sleep(0))

    def _parsed(self, told: Any) -> Any:
        book = self.exchange.parse_order_book(told, self._symbol)
        book["nonce"] = told["lastUpdateId"]
        return book


class OfBitstamp(ByRest):
    """Its class for Bitstamp, with its channel of changes: REST is asked after six of them."""

    def __init__(self, case: Case) -> None:
        native = case.symbols[0]
        symbol = f"{native.removesuffix('usd')}/usd".upper()
        super().__init__(_with_market(ccxt.pro.bitstamp(), symbol, native), symbol)

    def frame(self, payload: bytes, ts_ns: int) -> None:
        """A frame of a channel that it subscribes to."""
        if b'"channel":"order_book_' not in payload:
            super().frame(payload, ts_ns)
            self._loop.run_until_complete(asyncio.sleep(0))

    def _parsed(self, told: Any) -> Any:
        book = self.exchange.parse_order_book(told, self._symbol)
        book["nonce"] = int(told["microtimestamp"])
        return book


CLIENTS = {
    "polymarket": of_polymarket,
    "kraken": of_kraken,
    "binance": OfBinance,
    "coinbase": of_coinbase,
    "bitstamp": OfBitstamp,
}
