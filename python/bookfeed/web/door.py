"""Who may come in: which hosts, which origins, which tokens, how many at once.

A page that somebody visits can make his browser ask servers on his own machine. So ``Host`` must be
one of ours, or a name was bent to this address; and ``Origin``, which browsers always send with
what scripts ask across sites, must be ours as well. Beyond loopback a token is needed besides.
"""

import hmac
import ipaddress
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from bookfeed.errors import ConfigError, SessionError
from bookfeed.venues.secret import private_bytes

TOKEN_CHARACTERS_MIN: Final = 22
"""At six bits each: more than 128 bits."""
BAD_TRIES_A_SECOND: Final = 5
_ADDRESSES_MAX: Final = 10_000
_SUBPROTOCOL: Final = "bearer."


@dataclass(frozen=True, slots=True)
class Rules:
    """Where the server listens, and what that asks for; raises ``SessionError`` if it may not.

    ``hosts`` are names, besides those of loopback, by which it is reached.
    """

    host: str
    port: int
    token: str | None = None
    exposed: bool = False
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < TOKEN_CHARACTERS_MIN:
            raise SessionError(
                f"the token has {len(self.token)} characters; give it {TOKEN_CHARACTERS_MIN} or "
                "more: python -c 'import secrets; print(secrets.token_urlsafe())'"
            )
        if not is_loopback(self.host) and not (self.exposed and self.token):
            raise SessionError(
                f"{self.host} can be reached by others: that needs --expose and a token "
                "(--token-file), or take 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(path: Path) -> str:
    """The token in a file that is this user's alone; ``SessionError`` otherwise."""
    try:
        return private_bytes(path, "--token-file").decode().strip()
    except (ConfigError, UnicodeDecodeError) as error:
        raise SessionError(str(error)) from error


class Door:
    """Refuses what may not come in, before anything is done for it."""

    def __init__(self, rules: Rules) -> None:
        self._rules: Final = rules
        self._hosts: set[str] = set()
        self._origins: set[str] = set()
        self._bad_tries: Final[dict[str, deque[float]]] = {}
        self.refused = 0
        """Requests that were not let in."""

    def listens(self, port: int) -> None:
        """The port is known by now, and with it by what names the server is reached."""
        named = ["127.0.0.1", "localhost", "[::1]", *self._rules.hosts]
        self._hosts = {f"{name}:{port}" for name in named}
        self._origins = {f"{s}://{host}" for host in self._hosts for s in ("http", "https")}

    def check(self, request: web.Request) -> None:
        """Raises the answer to a request that may not come in at all."""
        try:
            self._check_host(request.headers.getall("Host", []))
            self._check_origin(request.headers.getall("Origin", []))
            if self._has_too_many_bad_tries(request.remote or ""):
                raise web.HTTPTooManyRequests(text="too many wrong tokens; wait a second")
        except web.HTTPException:
            self.refused += 1
            raise

    def _check_host(self, hosts: Iterable[str]) -> None:
        given = list(hosts)
        if len(given) != 1 or given[0] not in self._hosts:
            raise web.HTTPMisdirectedRequest(text="this is another host")

    def _check_origin(self, origins: Iterable[str]) -> None:
        given = list(origins)
        if given and (len(given) != 1 or given[0] not in self._origins):
            raise web.HTTPForbidden(text="pages of other origins may not ask here")

    def shown(self, request: web.Request) -> bool:
        """Whether the token came with the request; raises the answer to a wrong one."""
        if self._rules.token is None:
            return True
        given = []
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            given.append(token.strip())
        for word in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
            if word.strip().startswith(_SUBPROTOCOL):
                given.append(word.strip().removeprefix(_SUBPROTOCOL))
        if not given:
            return False
        if not all(self.fits(token, request.remote or "") for token in given):
            self.refused += 1
            raise web.HTTPUnauthorized(text="a wrong token")
        return True

    def may_show_later(self, request: web.Request) -> bool:
        """Whether the token may come in the first message: only pages of ours cannot do better."""
        return bool(request.headers.get("Origin"))

    def fits(self, token: object, remote: str) -> bool:
        """Whether a token is the right one; a wrong one counts against who sent it."""
        expected = self._rules.token
        if expected is None:
            return True
        # Bytes of a header that are no UTF-8 come as lone surrogates.
        given = token.encode(errors="surrogatepass") if isinstance(token, str) else b""
        fits = hmac.compare_digest(given, expected.encode())
        if not fits:
            tries = self._bad_tries.setdefault(remote, deque(maxlen=BAD_TRIES_A_SECOND))
            tries.append(time.monotonic())
            if len(self._bad_tries) > _ADDRESSES_MAX:
                del self._bad_tries[next(iter(self._bad_tries))]
        return fits

    def _has_too_many_bad_tries(self, remote: str) -> bool:
        tries = self._bad_tries.get(remote)
        full = tries is not None and len(tries) == BAD_TRIES_A_SECOND
        return full and tries is not None and time.monotonic() - tries[0] < 1.0
