"""One connection to the simulated Kalshi, without its socket: commands, subscriptions, numbers.

There is one subscription for each channel; its number is the ``sid``. Every frame of a numbered
channel takes the next ``seq`` of its subscription, whichever market it speaks of, and so do the
replies ``ok`` and ``unsubscribed`` and the errors that concern it. Where the venue's documents
leave an order open (reply or snapshots first), the seed decides, connection by connection.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from bookfeed.sim.chance import seeded
from bookfeed.sim.kalshi import wire
from bookfeed.sim.kalshi.venue import SimKalshi
from bookfeed.sim.kalshi.wire import CHANNELS, INDEX_CHANNELS, PRIVATE, SEQUENCED, Message

BOOK_CHANNEL: Final = "orderbook_delta"
_UNFILTERED: Final = frozenset({"market_lifecycle_v2", "multivariate_market_lifecycle"})
_ALL: Final = "all"
_FLAGS: Final = ("send_initial_snapshot", "skip_ticker_ack", "use_yes_price")


class Out(NamedTuple):
    """One frame for the client, and what a fault must know about it."""

    payload: bytes
    kind: str
    sid: int = 0
    """0 where it belongs to no subscription."""
    seq: int = 0
    tickers: tuple[str, ...] = ()
    """The markets it speaks of."""
    message: Message | None = None
    """What the venue said, if it is not a reply."""


@dataclass(slots=True)
class Subscription:
    """What one channel sends on one connection."""

    sid: int
    channel: str
    names: dict[str, None] | None = None
    """Tickers or index ids in order; ``None`` for all there are."""
    use_yes_price: bool = False
    terse: bool = False
    """Whether replies leave out the list of markets (``skip_ticker_ack``)."""
    by_id: bool = False
    """Whether its markets were named by their UUIDs."""
    seq: int = 0

    @property
    def numbered(self) -> bool:
        """Whether its frames carry ``seq``."""
        return self.channel in SEQUENCED

    def wants(self, message: Message) -> bool:
        """Whether the message is for it."""
        return self.names is None or message.ticker in self.names

    def next_seq(self) -> int:
        """Takes a number."""
        self.seq += 1
        return self.seq


class _Refused(Exception):
    """A command that is answered with an error."""

    def __init__(self, code: int, sub: Subscription | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.sub = sub


@dataclass(slots=True)
class _Allowance:
    """How many commands the present second has seen."""

    second: int = 0
    used: int = 0
    forced: list[int] = field(default_factory=list)
    """Codes that the next commands are answered with, whatever they ask."""


class KalshiSession:
    """The venue's end of one connection."""

    def __init__(self, venue: SimKalshi, conn: int) -> None:
        self.conn = conn
        self.subscriptions: dict[str, Subscription] = {}
        """By channel."""
        self._venue = venue
        self._rng = seeded("kalshi session", venue.config.seed, conn)
        self._sids = 0
        self._now_ms = 0
        self._allowance = _Allowance()

    def force(self, code: int, count: int = 1) -> None:
        """Answers the next ``count`` commands with this error and does nothing else."""
        self._allowance.forced += [code] * count

    def tickers(self) -> set[str]:
        """The markets whose books are subscribed to."""
        sub = self.subscriptions.get(BOOK_CHANNEL)
        return set(sub.names or ()) if sub else set()

    # what the venue says

    def carry(self, message: Message, now_ms: int) -> Out | None:
        """The frame that this connection gets for a message of the venue, if any."""
        sub = self.subscriptions.get(message.channel)
        if sub is None or not sub.wants(message) or message.ticker in self._venue.absent:
            return None
        return self._frame(sub, message, now_ms)

    def end(self, sid: int, code: int, now_ms: int) -> Out | None:
        """Ends a subscription from the venue's side with error 10 or 25, if there is one."""
        sub = self._by_sid(sid)
        if sub is None:
            return None
        del self.subscriptions[sub.channel]
        self._now_ms = now_ms
        return self._error(0, code, sub)

    def _frame(self, sub: Subscription, message: Message, now_ms: int, id: int = 0) -> Out:
        seq = sub.next_seq() if sub.numbered else 0
        payload = wire.frame(
            message,
            sub.sid,
            seq,
            use_yes_price=sub.use_yes_price,
            sending_ms=self._sending(now_ms),
            id=id,
        )
        tickers = (message.ticker,) if message.ticker else ()
        return Out(payload, message.kind, sub.sid, seq, tickers, message)

    def _sending(self, now_ms: int) -> int:
        return now_ms if self._venue.config.sending_ts else 0

    # what the client says

    def receive(self, text: bytes | str, now_ms: int) -> list[Out]:
        """Acts on one frame of the client's; returns the answer."""
        self._now_ms = now_ms
        request = _parse(text)
        if request is None:
            return [self._error(0, 1)]
        id = request.get("id", 0)
        if isinstance(id, bool) or not isinstance(id, int):
            return [self._error(0, 1)]
        try:
            return self._act(id, request)
        except _Refused as refusal:
            return [self._error(id, refusal.code, refusal.sub)]

    def _act(self, id: int, request: dict[str, Any]) -> list[Out]:
        if self._allowance.forced:
            raise _Refused(self._allowance.forced.pop(0))
        commands: dict[object, Callable[[int, dict[str, Any]], list[Out]]] = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "update_subscription": self._update,
        }
        cmd = request.get("cmd")
        if cmd == "list_subscriptions":
            return [self._list(id)]
        if not isinstance(cmd, str) or cmd not in commands:
            raise _Refused(5)
        params = request.get("params")
        if not isinstance(params, dict) or not params:
            raise _Refused(2)
        if any(not isinstance(params.get(flag, False), bool) for flag in _FLAGS):
            raise _Refused(11)
        self._count(params)
        return commands[cmd](id, params)

    def _count(self, params: dict[str, Any]) -> None:
        """Refuses the command that is one too many in this second."""
        allowance, second = self._allowance, self._now_ms // 1000
        if allowance.second != second:
            allowance.second, allowance.used = second, 0
        allowance.used += 1
        if allowance.used > self._venue.config.commands_per_s_max:
            raise _Refused(27, self._by_sid(params.get("sid")))

    # subscribe

    def _subscribe(self, id: int, params: dict[str, Any]) -> list[Out]:
        channels = params.get("channels")
        if not isinstance(channels, list) or not channels:
            raise _Refused(3)
        wanted = list(dict.fromkeys(channels))
        for channel in wanted:
            self._check_channel(channel, params)
        for channel in wanted:
            self._check_room(self.subscriptions.get(channel), self._names(channel, params) or ())
        acks_first = self._rng.random() < 0.5
        acks: list[Out] = []
        data: list[Out] = []
        for channel in wanted:
            ack, news = self._join(id, channel, params)
            acks.append(ack)
            if acks_first:
                data += news
            else:
                acks += news
        return acks + data

    def _check_channel(self, channel: object, params: dict[str, Any]) -> None:
        if not isinstance(channel, str) or channel not in CHANNELS:
            raise _Refused(8)
        if channel in PRIVATE and not self._venue.config.private_channels:
            raise _Refused(9)
        names = self._names(channel, params)
        if channel == BOOK_CHANNEL and not names:
            raise _Refused(14)
        if channel in INDEX_CHANNELS and names == []:
            raise _Refused(24)

    def _check_room(self, sub: Subscription | None, names: Iterable[str]) -> None:
        held = dict(sub.names or ()) if sub else {}
        if len(held | dict.fromkeys(names)) > self._venue.config.markets_per_subscription_max:
            raise _Refused(26, sub)

    def _join(self, id: int, channel: str, params: dict[str, Any]) -> tuple[Out, list[Out]]:
        """Makes a subscription or adds to the one there is: the reply, and first data."""
        names = self._names(channel, params)
        sub = self.subscriptions.get(channel)
        if sub is not None:
            fresh = self._extend(sub, names)
            self._take_flags(sub, params)
            return self._ok(id, sub), self._first(sub, fresh, params)
        self._sids += 1
        default = self._venue.config.use_yes_price_default
        sub = self.subscriptions[channel] = Subscription(
            self._sids,
            channel,
            None if names is None else dict.fromkeys(names),
            use_yes_price=params.get("use_yes_price", default),
        )
        self._take_flags(sub, params)
        ack = wire.subscribed(id, channel, sub.sid, self._sending(self._now_ms))
        return Out(ack, "subscribed", sub.sid), self._first(sub, list(sub.names or ()), params)

    def _take_flags(self, sub: Subscription, params: dict[str, Any]) -> None:
        sub.terse = params.get("skip_ticker_ack", sub.terse)
        sub.by_id = sub.by_id or "market_id" in params or "market_ids" in params

    def _extend(self, sub: Subscription, names: Sequence[str] | None) -> list[str]:
        """Adds what is new; nothing is new to a subscription to everything."""
        if sub.names is None:
            return []
        if names is None:
            sub.names = None
            return []
        fresh = [name for name in names if name not in sub.names]
        sub.names.update(dict.fromkeys(fresh))
        return fresh

    def _first(self, sub: Subscription, names: list[str], params: dict[str, Any]) -> list[Out]:
        """Snapshots of new books; a ticker for each new market that asked for it."""
        if sub.channel == BOOK_CHANNEL:
            return self._snapshots(sub, names)
        if sub.channel == "ticker" and params.get("send_initial_snapshot"):
            markets = self._venue.known(names) if sub.names is not None else self._venue.markets
            now_ms = self._now_ms
            return [self._frame(sub, market.ticker(now_ms), now_ms) for market in markets]
        return []

    def _snapshots(self, sub: Subscription, tickers: Iterable[str], id: int = 0) -> list[Out]:
        return [
            self._frame(
                sub,
                wire.snapshot(market.identity, market.levels(), self._now_ms),
                self._now_ms,
                id,
            )
            for market in self._venue.known(tickers)
        ]

    # unsubscribe and list

    def _unsubscribe(self, id: int, params: dict[str, Any]) -> list[Out]:
        sids = params.get("sids")
        if not isinstance(sids, list) or not sids:
            raise _Refused(4)
        replies = []
        for sid in dict.fromkeys(sids):
            sub = self._by_sid(sid)
            if sub is None:
                replies.append(self._error(id, 7))
                continue
            del self.subscriptions[sub.channel]
            replies.append(self._reply("unsubscribed", id, sub))
        return replies

    def _list(self, id: int) -> Out:
        subs = [{"channel": sub.channel, "sid": sub.sid} for sub in self.subscriptions.values()]
        sending_ms = self._sending(self._now_ms)
        return Out(wire.envelope("ok", id=id, msg=wire.dump(subs), sending_ms=sending_ms), "ok")

    # update_subscription

    def _update(self, id: int, params: dict[str, Any]) -> list[Out]:
        sub = self._one(params)
        action = params.get("action")
        if not action:
            raise _Refused(15, sub)
        if sub.channel in INDEX_CHANNELS:
            return self._update_indices(id, sub, action, params)
        if sub.channel in _UNFILTERED:
            raise _Refused(13, sub)
        match action:
            case "add_markets" | "delete_markets":
                return self._update_markets(id, sub, action, params)
            case "get_snapshot" if sub.channel == BOOK_CHANNEL:
                if {"market_ticker", "market_id", "market_ids"} & params.keys():
                    raise _Refused(11, sub)
                return self._snapshots(sub, self._required(sub, params), id)
            case _:
                raise _Refused(13, sub)

    def _one(self, params: dict[str, Any]) -> Subscription:
        """The one subscription that an update names."""
        if "sid" in params and "sids" in params:
            raise _Refused(11)
        sids = params.get("sids", [params["sid"]] if "sid" in params else [])
        if not isinstance(sids, list) or len(sids) != 1:
            raise _Refused(12)
        sub = self._by_sid(sids[0])
        if sub is None:
            raise _Refused(7)
        return sub

    def _by_sid(self, sid: object) -> Subscription | None:
        return next((sub for sub in self.subscriptions.values() if sub.sid == sid), None)

    def _required(self, sub: Subscription, params: dict[str, Any]) -> list[str]:
        names = self._names(sub.channel, params, sub)
        if not names:
            raise _Refused(14, sub)
        return names

    def _update_markets(
        self, id: int, sub: Subscription, action: str, params: dict[str, Any]
    ) -> list[Out]:
        names = self._required(sub, params)
        fresh: list[str] = []
        if action == "add_markets":
            self._check_room(sub, names)
            fresh = self._extend(sub, names)
        elif sub.names is not None:
            for name in names:
                sub.names.pop(name, None)
        self._take_flags(sub, params)
        if self._rng.random() < 0.5:
            return [self._ok(id, sub), *self._first(sub, fresh, params)]
        return [*self._first(sub, fresh, params), self._ok(id, sub)]

    def _update_indices(
        self, id: int, sub: Subscription, action: object, params: dict[str, Any]
    ) -> list[Out]:
        if action == "indexlist":
            ids = [index.index_id for index in self._venue.indices]
            return [self._reply(f"{sub.channel}_indexlist", id, sub, {"index_ids": ids})]
        if action not in ("subscribe_indices", "unsubscribe_indices"):
            raise _Refused(13, sub)
        names = params.get("index_ids")
        if not _texts(names) or not names:
            raise _Refused(24, sub)
        if action == "subscribe_indices":
            self._extend(sub, None if _ALL in names else names)
        elif _ALL in names:
            sub.names = {}
        elif sub.names is not None:
            for name in names:
                sub.names.pop(name, None)
        return [self._ok(id, sub)]

    # names and replies

    def _names(
        self, channel: str, params: dict[str, Any], sub: Subscription | None = None
    ) -> list[str] | None:
        """The tickers or index ids that a command names for a channel; ``None`` for all."""
        if channel in INDEX_CHANNELS:
            ids = params.get("index_ids", [])
            if not _texts(ids):
                raise _Refused(11, sub)
            return None if _ALL in ids else list(ids)
        if channel in _UNFILTERED:
            return None
        forms = [key for key in ("market_ticker", "market_tickers", "market_id", "market_ids")
                 if key in params]  # fmt: skip
        if len(forms) > 1:
            raise _Refused(11, sub)
        if not forms:
            return None
        value = params[forms[0]]
        names = [value] if forms[0] in ("market_ticker", "market_id") else value
        if not _texts(names) or not names:
            raise _Refused(11, sub)
        if forms[0] in ("market_ticker", "market_tickers"):
            return list(dict.fromkeys(names))
        if channel != "ticker":
            raise _Refused(14 if channel == BOOK_CHANNEL else 11, sub)
        markets = [self._venue.by_id[one] for one in names if one in self._venue.by_id]
        return [market.spec.ticker for market in markets]

    def _ok(self, id: int, sub: Subscription) -> Out:
        """The reply to a change, with everything that is subscribed to after it."""
        if sub.terse:
            return self._reply("ok", id, sub)
        if sub.channel in INDEX_CHANNELS:
            return self._reply(
                "ok", id, sub, {"index_ids": [_ALL] if sub.names is None else list(sub.names)}
            )
        if sub.names is None:
            return self._reply("ok", id, sub)
        body = {"market_tickers": list(sub.names)}
        if sub.by_id:
            markets = self._venue.known(sub.names)
            body["market_ids"] = [market.spec.market_id for market in markets]
        return self._reply("ok", id, sub, body)

    def _reply(
        self, kind: str, id: int, sub: Subscription, body: dict[str, Any] | None = None
    ) -> Out:
        """A reply takes a number like any frame, on channels without numbers its own count."""
        seq = sub.next_seq()
        payload = wire.envelope(
            kind,
            id=id,
            sid=sub.sid,
            seq=seq,
            msg=wire.dump(body) if body is not None else "",
            sending_ms=self._sending(self._now_ms),
        )
        return Out(payload, kind, sub.sid, seq)

    def _error(self, id: int, code: int, sub: Subscription | None = None) -> Out:
        sid = sub.sid if sub else 0
        seq = sub.next_seq() if sub and sub.numbered else 0
        payload = wire.error(id, code, self._sending(self._now_ms), sid=sid, seq=seq)
        return Out(payload, "error", sid, seq)


def _parse(text: bytes | str) -> dict[str, Any] | None:
    try:
        request = json.loads(text)
    except ValueError:
        return None
    return request if isinstance(request, dict) else None


def _texts(names: object) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)
