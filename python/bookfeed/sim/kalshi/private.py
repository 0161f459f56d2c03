"""Kalshi's private channels, simulated: signed handshakes and requests, numbered streams."""

import json
import time
from collections.abc import Mapping

from aiohttp import web

from bookfeed.sim.kalshi.account import CHANNEL_OF, KalshiAccount
from bookfeed.sim.kalshi.auth import Authenticator
from bookfeed.sim.private import PrivateServer

_WS_PATH = "/trade-api/ws/v2"
_CHANNELS = tuple(CHANNEL_OF.values())
# Groups are numbered, as replies to commands are; the other channels are not.
_NUMBERED = "order_group_updates"


class AccountServer(PrivateServer):
    """Serves one account to who signs with one of ``keys``, public ones (PEM) by their ids."""

    def __init__(
        self, account: KalshiAccount, *, keys: Mapping[str, str], rate: float = 20.0
    ) -> None:
        super().__init__(account, ws_path=_WS_PATH, rest_path="/trade-api/v2", rate=rate)
        self.answer = account.answer
        self.unconfirmed: tuple[str, ...] = ()
        """Channels whose subscription is not answered."""
        self._authenticator = Authenticator(keys, 5.0)
        self._seqs: dict[web.WebSocketResponse, int] = {}

    def denied(self, request: web.Request) -> web.Response | None:
        """A handshake whose signature does not verify is refused with 401 and a body."""
        why = self._authenticator.refusal(request.headers, _WS_PATH, time.time_ns() // 1_000_000)
        if why is None:
            return None
        return web.Response(body=why, status=401, content_type="application/json")

    def signed(self, request: web.Request) -> bool:
        """The signature is over time, method and path, without the query."""
        now_ms = time.time_ns() // 1_000_000
        return self._authenticator.refusal(request.headers, request.path, now_ms) is None

    def received(self, text: str) -> tuple[list[str] | None, bool]:
        """Commands; each channel is confirmed by itself."""
        frame = json.loads(text)
        if frame["cmd"] == "list_subscriptions":
            return [json.dumps({"id": frame["id"], "type": "ok", "msg": []})], False
        found = []
        for channel in frame["params"]["channels"]:
            if channel not in _CHANNELS:
                error = {"code": 8, "msg": "Unknown channel name"}
                return [json.dumps({"id": frame["id"], "type": "error", "msg": error})], False
            if channel not in self.unconfirmed:
                said = {"channel": channel, "sid": _CHANNELS.index(channel) + 1}
                reply = {"id": frame["id"], "type": "subscribed", "msg": said}
                found.append(json.dumps(reply | {"sending_ts_ms": self.account.now_ms}))
        return found, True

    def framed(self, socket: web.WebSocketResponse, message: str) -> str:
        """With the number of its subscription, and its own where that is counted."""
        kind, body = json.loads(message)
        channel = CHANNEL_OF[kind]
        frame = {"type": kind, "sid": _CHANNELS.index(channel) + 1, "msg": body}
        if channel == _NUMBERED:
            self._seqs[socket] = self._seqs.get(socket, 0) + 1
            frame["seq"] = self._seqs[socket]
        return json.dumps(frame)
