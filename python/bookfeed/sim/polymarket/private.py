"""Polymarket's user channel, simulated: the key in the first frame, signed REST calls."""

import base64
import hashlib
import hmac
import json

from aiohttp import web

from bookfeed.sim.polymarket.account import PolymarketAccount
from bookfeed.sim.private import PrivateServer


class UserServer(PrivateServer):
    """Serves one account to who has its key."""

    def __init__(
        self,
        account: PolymarketAccount,
        *,
        secret: str,
        passphrase: str,
        address: str,
        rate: float = 20.0,
    ) -> None:
        super().__init__(account, ws_path="/ws/user", rest_path="/clob", rate=rate)
        self.answer = account.answer
        self._auth = {"apiKey": account.owner, "secret": secret, "passphrase": passphrase}
        self._address = address

    def received(self, text: str) -> tuple[list[str] | None, bool]:
        """``PING`` is answered; anything else has to be the subscription with the right key."""
        if text == "PING":
            return ["PONG"], False
        frame = json.loads(text)
        good = frame.get("type") == "user" and frame.get("auth") == self._auth
        return ([], True) if good else (None, False)

    def signed(self, request: web.Request) -> bool:
        """The HMAC is over time, method and path without the query; the time is in seconds."""
        given = request.headers
        stamp = given.get("POLY_TIMESTAMP", "")
        key = base64.urlsafe_b64decode(self._auth["secret"])
        text = f"{stamp}{request.method}{request.path}"
        made = base64.urlsafe_b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest())
        return (
            given.get("POLY_SIGNATURE") == made.decode()
            and given.get("POLY_API_KEY") == self._auth["apiKey"]
            and given.get("POLY_PASSPHRASE") == self._auth["passphrase"]
            and given.get("POLY_ADDRESS") == self._address
        )
