"""The handshake: its headers, its answer, and keeping what is secret out of every text."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from picows import WSUpgradeResponse, ws_connect

from bookfeed.errors import SessionError
from bookfeed.live.dial import Dialer
from bookfeed.live.listener import FeedListener, PicowsLog
from bookfeed.log import printable
from bookfeed.venues.base import Endpoint

CONNECT_TIMEOUT_S: Final = 10.0
HANDSHAKE_TIMEOUT_S: Final = 5.0

# Shorter ones are no secrets, and would take words out of a sentence.
_SECRET_MIN: Final = 6
# So much of what a peer says is worth showing.
_TEXT_MAX: Final = 200


def headers(endpoint: Endpoint, now_ms: int) -> dict[str, str]:
    """The headers of one attempt, at ``now_ms`` Unix milliseconds by the wall clock.

    The user's own, less those that the venue needs for itself, then the venue's: a signature must
    not be replaced by mistake.
    """
    sign = endpoint.venue.handshake_headers
    signed = {} if sign is None else dict(sign(now_ms))
    taken = {name.lower() for name in signed}
    own = {name: value for name, value in endpoint.headers.items() if name.lower() not in taken}
    return own | signed


async def upgrade(
    endpoint: Endpoint,
    listener: FeedListener,
    dialer: Dialer,
    sent: Mapping[str, str],
    *,
    frame_bytes_max: int,
    proxy: str | None,
) -> None:
    """Connects ``listener``, with the headers ``sent``; raises whatever keeps it from that."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await ws_connect(
                lambda _request, response: _checked(response, listener),
                endpoint.url,
                ssl_context=endpoint.ssl_context,
                # Answering pings is ours: a ping that picows answers itself is not shown to the
                # listener, not even as the last frame of a read.
                enable_auto_pong=False,
                websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                max_frame_size=frame_bytes_max,
                extra_headers=sent or None,
                max_redirects=0,
                logger_name=PicowsLog(listener.on_parser_failure),
                proxy=proxy,
                socket_factory=lambda url: dialer.open(url.host, url.port),
            )
    except (TimeoutError, ConnectionError) as error:
        if str(error):
            raise
        late = isinstance(error, TimeoutError)
        end = f"{CONNECT_TIMEOUT_S:g} s passed" if late else "the server hung up"
        raise type(error)(f"{end} before the handshake was done") from error


def _checked(response: WSUpgradeResponse, listener: FeedListener) -> FeedListener:
    """``listener`` if the answer takes up nothing that was not asked for; ``SessionError`` if so.

    We offer neither extensions nor subprotocols: frames in one of theirs would be read wrongly.
    """
    for name in ("Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"):
        given = response.headers.get(name)
        if given is not None:
            raise SessionError(f"the server wants {name} {quoted(given)}, which was not offered")
    return listener


def secrets(url: str, sent: Mapping[str, str]) -> set[str]:
    """What must not be shown of an address and of the headers that were sent to it."""
    parts = urlsplit(url)
    found = {parts.username or "", parts.password or ""}
    found |= {value for _, value in parse_qsl(parts.query)}
    found |= {word for value in sent.values() for word in (value, *value.split())}
    return {text for text in found if len(text) >= _SECRET_MIN}


def shown(text: str, hidden: Iterable[str] = ()) -> str:
    """``text`` as it may be logged: one line, printable, not endless, nothing ``hidden`` in it."""
    line = printable(_without(hidden, text.strip()).replace("\n", "\\n"))
    return line if len(line) <= _TEXT_MAX else line[: _TEXT_MAX - 1] + "…"


def quoted(text: str, hidden: Iterable[str] = ()) -> str:
    """What a peer said, in quotes, so that nobody takes it for ours; else as ``shown``."""
    said = _without(hidden, text.strip())
    return repr(said if len(said) <= _TEXT_MAX else said[: _TEXT_MAX - 1] + "…")


def told(error: Exception, hidden: Iterable[str] = ()) -> str:
    """What an error says, as ``shown``."""
    try:
        return shown(f"{type(error).__name__}: {error}", hidden)
    except Exception:  # an error that cannot even be printed
        return type(error).__name__


def _without(hidden: Iterable[str], text: str) -> str:
    """``text`` without secrets, as they are or as JSON or an address would spell them."""
    for secret in sorted(hidden, key=len, reverse=True):
        for spelt in (secret, secret.replace("/", "\\/"), quote(secret), quote(secret, safe="")):
            text = text.replace(spelt, "…")
    return text
