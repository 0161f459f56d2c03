"""One client of the simulated market channel: its subscription, and the frames going out.

The rules are the venue's: the first frame must subscribe, ``PING`` before that closes the
connection, a second initial frame is refused, a duplicate subscription brings no new books,
and beyond 500 assets initial books stop arriving.
"""

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from bookfeed.sim.peer import POLICY_VIOLATION, Peer, PeerHub
from bookfeed.sim.polymarket.faults import Delivery, FaultInjector
from bookfeed.sim.polymarket.market import Market
from bookfeed.sim.polymarket.venue import SimVenue
from bookfeed.sim.polymarket.wire import Message

SNAPSHOT_ASSETS_MAX: Final = 500
"""Assets on one connection beyond which no initial book comes any more."""
_CLOSE_SUBSCRIPTION: Final = b"invalid subscription payload"


class Hub(PeerHub, Protocol):
    """What a client needs of the server it belongs to."""

    venue: SimVenue
    injector: FaultInjector

    def joined(self, client: "Client") -> None:
        """Is told when the set of markets ``client`` follows may have changed."""


class ChannelPeer(Peer):
    """What may be said on a connection to the market channel, and what is answered."""

    def __init__(self, hub: PeerHub) -> None:
        super().__init__(hub)
        self.custom = False
        """Whether the custom features are on."""
        self.subscribed: set[str] = set()
        """Asset ids."""
        self._started = False

    def _receive(self, text: bytes) -> None:
        if text.strip().upper() == b"PING":
            if self._started:
                self._pong()
            else:
                self.close(POLICY_VIOLATION, _CLOSE_SUBSCRIPTION)
            return
        request = _parse(text)
        if not self._started:
            if request is None or str(request.get("type", "")).lower() != "market":
                self.close(POLICY_VIOLATION, _CLOSE_SUBSCRIPTION)
                return
            self._started = True
            self.custom = bool(request.get("custom_feature_enabled", False))
            self._add(request["assets_ids"], dump=bool(request.get("initial_dump", True)))
        elif request is None or request.get("operation") not in ("subscribe", "unsubscribe"):
            self._say(b"INVALID OPERATION")
        else:
            self._update(request)

    def _pong(self) -> None:
        self._say(b"PONG")

    def _update(self, request: dict[str, Any]) -> None:
        if "custom_feature_enabled" in request:
            self.custom = bool(request["custom_feature_enabled"])
        asset_ids = request["assets_ids"]
        if request["operation"] == "unsubscribe":
            self.subscribed.difference_update(asset_ids)
            self._changed()
        elif all(asset_id in self.subscribed for asset_id in asset_ids):
            self._changed()
            self._say(b"NO NEW ASSETS")
        else:
            self._add(asset_ids, dump=bool(request.get("initial_dump", True)))

    def _add(self, asset_ids: Iterable[str], *, dump: bool) -> None:
        fresh = [asset_id for asset_id in dict.fromkeys(asset_ids)
                 if asset_id not in self.subscribed]  # fmt: skip
        self.subscribed.update(fresh)
        self._changed()
        self._added(fresh, dump=dump)

    @abstractmethod
    def _added(self, fresh: Sequence[str], *, dump: bool) -> None:
        """Tells what a new subscription to assets is told first; ``dump``: if it wants books."""

    @abstractmethod
    def _changed(self) -> None:
        """Is told when what is subscribed may have changed."""


class Client(ChannelPeer):
    """The server's end of one connection to the simulated market channel."""

    def __init__(self, hub: Hub, now_ns: Callable[[], int]) -> None:
        super().__init__(hub)
        self.masks: dict[int, int] = {}
        """Subscribed outcomes by market."""
        self._hub = hub
        self._now_ns = now_ns

    def _pong(self) -> None:
        pong = self._hub.injector.pong(self.conn, b"PONG", self._now_ns())
        if pong is not None:
            self._say(pong)

    def _added(self, fresh: Sequence[str], *, dump: bool) -> None:
        if dump and len(self.subscribed) <= SNAPSHOT_ASSETS_MAX:
            initial = self._hub.venue.initial_books(fresh)
            books = self._hub.injector.first_books(self.conn, initial, self._now_ns())
            if books is not None:
                self._say(books)
        for trade in self._hub.injector.trades_anew(fresh):
            self._say(trade)

    def _changed(self) -> None:
        self.masks.clear()
        for asset_id in self.subscribed:
            market = self._hub.venue.market_of(asset_id)
            if market:
                bit = self._hub.venue.assets[asset_id].bit
                self.masks[market.spec.index] = self.masks.get(market.spec.index, 0) | bit
        self._hub.joined(self)

    # what goes out

    def push(self, message: Message, mask: int, market: Market | None) -> int:
        """Queues what faults leave of ``message``; returns 1, or 0 if the client is gone."""
        if not self.open:
            return 0
        ids = ("", "")
        if market:
            first, second = market.assets
            ids = (first.asset_id, second.asset_id)
        delivery = self._hub.injector.deliver(self.conn, message, mask, ids, self._now_ns())
        for payload in delivery.payloads:
            self._post(payload, delivery.late_ns)
        if delivery.end:
            self._end(delivery)
        return 1

    def _end(self, delivery: Delivery) -> None:
        if delivery.end == "reset":
            self.reset()
        elif delivery.end == "reset-behind-data":
            self.reset_behind_data()
        elif delivery.fault:
            self.close_as(delivery.fault.variant)


def _parse(text: bytes) -> dict[str, Any] | None:
    """A request as a dictionary with a list of strings under ``assets_ids``, or ``None``."""
    try:
        request = json.loads(text)
    except ValueError:
        return None
    if not isinstance(request, dict):
        return None
    asset_ids = request.setdefault("assets_ids", [])
    if not isinstance(asset_ids, list) or not all(isinstance(one, str) for one in asset_ids):
        return None
    return request
