"""The simulated Kalshi without sockets: seeded frames under a virtual clock.

One iteration is one thing that a client would witness, or fail to witness, and at each of them
``KalshiStream.truth`` is the truth of that moment: the books as someone has them who got every
frame so far. The same seed gives the same bytes, in any process. What the client says takes
effect before the next moment::

    stream = KalshiStream(KalshiVenueConfig(seed=7), faults=(KalshiFault("drop", at_frame=90),))
    for item in stream.items(1000):
        if item.kind == "frame":
            engine.ingest(item.conn, item.payload, item.ts_ns)
    stream.get_snapshot(0, stream.tickers(0))
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from bookfeed.sim.chance import seeded
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.faults import HEARTBEAT, KalshiFault, KalshiInjector
from bookfeed.sim.kalshi.rest_text import (
    event_object,
    exchange_status,
    market_object,
    orderbook,
    series_object,
)
from bookfeed.sim.kalshi.session import BOOK_CHANNEL, KalshiSession, Out
from bookfeed.sim.kalshi.venue import KalshiTruth, SimKalshi
from bookfeed.sim.kalshi.wire import INDEX_CHANNELS, Message, dump
from bookfeed.sim.virtual import NS_PER_MS, START_NS, VirtualRun

__all__ = ["HEARTBEAT", "START_NS", "KalshiItem", "KalshiStream"]


class KalshiItem(NamedTuple):
    """One thing that happens to a client.

    ``frame``: the payload arrives. ``lost``: the venue sent a frame of this connection, but it
    is not here, or not yet. ``ping``: a heartbeat, which is no text frame. ``connected`` and
    ``disconnected``: the connection itself.
    """

    kind: Literal["frame", "lost", "ping", "connected", "disconnected"]
    ts_ns: int
    """Receive time, Unix ns; never decreases."""
    conn: int
    payload: bytes
    """Empty unless the kind is ``frame`` or ``ping``."""
    message: Message | None = None
    """What the venue meant, where the frame is one of its messages and no reply."""
    tickers: tuple[str, ...] = ()
    """The markets it speaks of."""
    sid: int = 0
    seq: int = 0
    """Numbers of the frame; 0 for none."""


class KalshiStream(VirtualRun[KalshiItem]):
    """A seeded run of the venue, seen by clients that subscribe to everything at once.

    Markets are dealt out over ``conns`` connections as they are listed. ``rate`` is the mean
    number of market steps a second of virtual time. ``use_yes_price`` of ``None`` leaves it out
    of the subscription, so that the venue's default holds. Markets listed later are for the
    client to add.
    """

    def __init__(
        self,
        config: KalshiVenueConfig,
        *,
        faults: Sequence[KalshiFault] = (),
        conns: int = 1,
        rate: float = 200.0,
        use_yes_price: bool | None = True,
        channels: Sequence[str] = (BOOK_CHANNEL, "trade"),
    ) -> None:
        super().__init__(seeded("kalshi stream", config.seed), conns, rate)
        self.venue = SimKalshi(config, START_NS // NS_PER_MS)
        self.use_yes_price = use_yes_price
        self.channels = tuple(channels)
        self.sessions = [KalshiSession(self.venue, conn) for conn in range(conns)]
        self._injector = KalshiInjector(faults, config.seed, START_NS)
        self._injector.only_frames()
        self._said: list[tuple[int, str]] = []
        self._ids = 0

    # what tests ask

    @property
    def truth(self) -> KalshiTruth:
        """The true books as of the last item; ``truth(ticker)`` is one of them."""
        return self.venue.truth

    @property
    def fault_log(self) -> list[FaultEvent]:
        """What went wrong so far, in order."""
        return self._injector.log

    @property
    def now_ns(self) -> int:
        """The venue's time as of the last item, Unix ns."""
        return self._now_ns

    def conn_of(self, ticker: str) -> int:
        """The connection that carries a market; ``KeyError`` if there is no such market."""
        return self.venue.by_ticker[ticker].spec.index % self.conns

    def tickers(self, conn: int) -> list[str]:
        """The markets that ``conn`` subscribes to when it connects now: all its own, not over."""
        return [
            market.spec.ticker
            for market in self.venue.markets
            if market.spec.index % self.conns == conn and not market.over
        ]

    def rest_book(self, ticker: str) -> bytes:
        """What REST would answer now; ``KeyError`` if there is no such market."""
        return orderbook(self.venue.given(ticker)).encode()

    def rest_news(self, kind: str, name: str) -> bytes:
        """What REST would answer now of a ``"market"``, an ``"event"`` or a ``"series"``."""
        venue = self.venue
        if kind == "market":
            return dump({"markets": [market_object(venue.by_ticker[name])]}).encode()
        if kind == "event":
            return dump({"event": event_object(venue.events[name])}).encode()
        return dump({"series": series_object(venue.series[name])}).encode()

    def rest_status(self) -> bytes:
        """What REST would answer now of the exchange as a whole."""
        return exchange_status(self.venue.active and not self.venue.halted).encode()

    # what the client says

    def command(self, conn: int, cmd: str, params: dict[str, Any] | None = None) -> int:
        """Sends a command; returns its id. Lost if the connection is down when it goes out."""
        self._ids += 1
        body: dict[str, Any] = {"id": self._ids, "cmd": cmd}
        if params is not None:
            body["params"] = params
        self._said.append((conn, json.dumps(body)))
        return self._ids

    def get_snapshot(self, conn: int, tickers: Iterable[str]) -> int:
        """Asks for fresh books in the stream; returns the command's id, 0 if nothing is asked.

        Nothing can be asked of a subscription that has ended: reconnect or subscribe again.
        """
        return self._update(conn, "get_snapshot", tickers)

    def add_markets(self, conn: int, tickers: Iterable[str]) -> int:
        """Adds markets to the books of ``conn``; returns the command's id, 0 if it has none."""
        return self._update(conn, "add_markets", tickers)

    def delete_markets(self, conn: int, tickers: Iterable[str]) -> int:
        """Takes markets away from the books of ``conn``; returns as ``add_markets``."""
        return self._update(conn, "delete_markets", tickers)

    def _update(self, conn: int, action: str, tickers: Iterable[str]) -> int:
        sub = self.sessions[conn].subscriptions.get(BOOK_CHANNEL)
        if sub is None:
            return 0
        params = {"sid": sub.sid, "action": action, "market_tickers": list(tickers)}
        return self.command(conn, "update_subscription", params)

    def subscribe(self, conn: int) -> int:
        """Subscribes ``conn`` to its channels and markets; returns the command's id."""
        params: dict[str, Any] = {"channels": list(self.channels)}
        if tickers := self.tickers(conn):
            params["market_tickers"] = tickers
        if INDEX_CHANNELS.intersection(self.channels):
            params["index_ids"] = ["all"]
        if self.use_yes_price is not None:
            params["use_yes_price"] = self.use_yes_price
        return self.command(conn, "subscribe", params)

    # what happens

    def _moment(self) -> Iterator[KalshiItem]:
        self._pass_time()
        venue = self.venue
        if not venue.active:
            self._now_ns = max(self._now_ns, self._next_event_ns())
        yield from self._connections()
        yield from self._arriving()
        yield from self._answers()
        now_ms = self._now_ns // NS_PER_MS
        for message in venue.due(now_ms):
            yield from self._carry(message)
        for message in venue.step(now_ms):
            yield from self._carry(message)

    def _next_event_ns(self) -> int:
        """When something will happen if no market does anything."""
        due_ms = self.venue.next_due_ms()
        events = [self._heartbeat_ns, *self._back_ns.values()]
        return min(events if due_ms is None else [*events, due_ms * NS_PER_MS])

    def _connections(self) -> Iterator[KalshiItem]:
        ts_ns = self._arrival_ns()
        for conn in self._departures():
            yield KalshiItem("disconnected", ts_ns, conn, b"")
        for conn in self._arrivals():
            self._injector.connected(conn)
            if tickers := self.tickers(conn):
                gone = self._injector.absent(conn, tickers[0], self._now_ns)
                self.venue.absent.update(gone)
            self.sessions[conn] = KalshiSession(self.venue, conn)
            self._said = [said for said in self._said if said[0] != conn]
            self.subscribe(conn)
            yield KalshiItem("connected", ts_ns, conn, b"")
        for conn in self._heartbeats():
            heartbeat = self._injector.heartbeat(conn, self._now_ns)
            if heartbeat is not None:
                yield KalshiItem("ping", ts_ns, conn, heartbeat)

    def _answers(self) -> Iterator[KalshiItem]:
        """What the venue answers to the commands that have arrived since the last moment."""
        said, self._said = self._said, []
        for conn, text in said:
            if conn in self._back_ns:
                continue
            for out in self.sessions[conn].receive(text, self._now_ns // NS_PER_MS):
                yield from self._hand_over(conn, out)

    def _carry(self, message: Message) -> Iterator[KalshiItem]:
        """Delivers one message to whom it concerns, or to whom a fault lets it through."""
        self.venue.truth.apply(message)
        ts_ns = self._arrival_ns()
        for conn, session in enumerate(self.sessions):
            if conn in self._back_ns:
                if message.change is not None and self.conn_of(message.ticker) == conn:
                    yield KalshiItem("lost", ts_ns, conn, b"", message, (message.ticker,))
                continue
            out = session.carry(message, self._now_ns // NS_PER_MS)
            if out is not None:
                yield from self._hand_over(conn, out)

    def _hand_over(self, conn: int, out: Out) -> Iterator[KalshiItem]:
        if conn in self._back_ns:
            return
        ts_ns = self._arrival_ns()
        session = self.sessions[conn]
        delivery = self._injector.deliver(conn, out, session, self._now_ns)
        for frame in delivery.frames:
            item = KalshiItem("frame", ts_ns, conn, frame.payload, *_about(frame))
            yield from self._post(item, delivery.late_ns)
        if not delivery.frames:
            yield KalshiItem("lost", ts_ns, conn, b"", *_about(out))
        if delivery.end == "terminal" and delivery.fault:
            last = session.end(out.sid, int(delivery.fault.variant), self._now_ns // NS_PER_MS)
            if last is not None:
                item = KalshiItem("frame", ts_ns, conn, last.payload, *_about(last))
                yield from self._post(item, 0)
        elif delivery.end == "pause":
            lasts_s = delivery.fault.duration_s if delivery.fault else None
            self.venue.halt(self._now_ns // NS_PER_MS, lasts_s)
        elif delivery.end:
            self._down(conn, delivery.fault.duration_s if delivery.fault else None)
            yield KalshiItem("disconnected", ts_ns, conn, b"")


def _about(out: Out) -> tuple[Message | None, tuple[str, ...], int, int]:
    return out.message, out.tickers, out.sid, out.seq
