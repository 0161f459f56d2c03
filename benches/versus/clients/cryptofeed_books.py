"""cryptofeed: its feeds' message handlers, one frame after the other, and the books that they call
back with.
"""

import asyncio
import logging
from importlib.metadata import version as version_of
from types import SimpleNamespace
from typing import Any

from cryptofeed.defines import L2_BOOK
from cryptofeed.exchanges import Binance, Coinbase, Kraken
from cryptofeed.symbols import Symbol, Symbols

from benches.versus.judge import Case, Levels

NAME = "cryptofeed"


def version() -> str:
    """Its version."""
    return version_of("cryptofeed")


class Rest:
    """In place of its HTTP connection: the answer as soon as the case has it."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[str] | None = None

    async def read(self, *_args: Any, **_kwargs: Any) -> str:
        """The whole book."""
        assert self.answer is not None
        return await self.answer


class Client:
    """A feed, and the book that it told of last."""

    def __init__(self, make: Any, symbol: str, native: str, **options: Any) -> None:
        base, quote = symbol.split("/")
        known = Symbol(base, quote)
        info = {"instrument_type": {known.normalized: known.type}}
        Symbols.set(make.id, {known.normalized: native}, info)
        callbacks = {L2_BOOK: self._told}
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._feed = make(
            symbols=[known.normalized], channels=[L2_BOOK], callbacks=callbacks, **options
        )
        self._feed.http_conn = self._rest = Rest()
        channel = self._feed.websocket_channels[L2_BOOK]
        self._conn = SimpleNamespace(subscription={channel: [native]}, write=self._sent, uuid="1")
        self._book: Any = None
        self._waiting: list[tuple[str, float]] = []
        self._task: asyncio.Task[None] | None = None

    async def _sent(self, _text: str) -> None:
        """What it says to the venue, which nobody answers."""

    async def _told(self, book: Any, _received: float) -> None:
        self._book = book

    def connected(self, ts_ns: int) -> None:
        """A connection begins: it subscribes, and lets go of its books."""
        self._book, self._waiting = None, []
        self._rest.answer = self._loop.create_future()
        self._loop.run_until_complete(self._feed.subscribe(self._conn))

    def disconnected(self, ts_ns: int) -> None:
        """It ends."""
        if self._task is not None:
            self._task.cancel()
            self._loop.run_until_complete(asyncio.wait([self._task]))
            self._task = None
        self._book = None

    def frame(self, payload: bytes, ts_ns: int) -> None:
        """A frame; those that come while it awaits REST wait behind it.

        It subscribes to Binance by the address, so that no answer to a request comes to it.
        """
        if payload.startswith(b'{"result":null'):
            return
        self._waiting.append((payload.decode(), ts_ns / 1e9))
        self._work()

    def rest(self, payload: bytes, ts_ns: int) -> None:
        """The answer to its question, or to the one that it is about to ask."""
        if self._rest.answer is not None and not self._rest.answer.done():
            self._rest.answer.set_result(payload.decode())
        self._work()

    def _work(self) -> None:
        """Handles what waits, as far as that goes without an answer."""
        while self._waiting or self._task is not None:
            if self._task is None:
                text, received_s = self._waiting.pop(0)
                handled = self._feed.message_handler(text, self._conn, received_s)
                self._task = self._loop.create_task(handled)
            self._loop.run_until_complete(_some_turns())
            if not self._task.done():
                return
            task, self._task = self._task, None
            task.result()

    def book(self) -> tuple[Levels, Levels] | None:
        """What it told of last."""
        if self._book is None:
            return None
        book = self._book.book
        return _exact(book.bids.to_dict()), _exact(book.asks.to_dict())

    def said(self) -> str:
        """It raises, or logs."""
        return ""


async def _some_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def _exact(levels: dict[Any, Any]) -> Levels:
    return [(int(price.scaleb(9)), int(qty.scaleb(8))) for price, qty in levels.items()]


def of_kraken(case: Case) -> Client:
    """Its feed of Kraken, with the depth of the case; it checks sums unless told otherwise."""
    return Client(Kraken, case.symbols[0], case.symbols[0], max_depth=10)


def of_binance(case: Case) -> Client:
    """Its feed of Binance."""
    native = case.symbols[0]
    quote = next(one for one in ("USDT", "USDC", "USD") if native.endswith(one))
    return Client(Binance, f"{native.removesuffix(quote)}/{quote}", native)


def of_coinbase(case: Case) -> Client:
    """Its feed of Coinbase."""
    return Client(Coinbase, case.symbols[0].replace("-", "/"), case.symbols[0])


logging.getLogger("feedhandler").propagate = True
CLIENTS = {"kraken": of_kraken, "binance": of_binance, "coinbase": of_coinbase}
