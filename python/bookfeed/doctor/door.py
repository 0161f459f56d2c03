"""Whether a venue opens its WebSocket to us: the handshake, the key, and its clock."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from picows import WSListener, WSTransport, WSUpgradeResponse, ws_connect

from bookfeed.clock import NS_PER_S
from bookfeed.doctor import answers
from bookfeed.doctor.clock import DATE_STEP_S, ClockWindow
from bookfeed.doctor.finding import Finding
from bookfeed.live import handshake
from bookfeed.live.dial import Dialer
from bookfeed.live.http import http_date_s
from bookfeed.live.proxy import proxy_of
from bookfeed.live.refusal import refusal
from bookfeed.venues.base import Endpoint

_NS_PER_MS: Final = NS_PER_S // 1_000


@dataclass(frozen=True, slots=True)
class Opened:
    """What came of a handshake."""

    findings: list[Finding]
    open: bool


class _Listener(WSListener):
    """Keeps the transport; what comes is left alone."""

    def __init__(self) -> None:
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport


async def knock(endpoint: Endpoint, clock: ClockWindow) -> Opened:
    """Opens a connection and lets go of it; ``clock`` hears what time it is there."""
    name = endpoint.venue.name
    signs = endpoint.venue.handshake_headers is not None
    sent = handshake.headers(endpoint, time.time_ns() // _NS_PER_MS)
    hidden = handshake.secrets(endpoint.url, sent)
    proxy, dialer, listener = proxy_of(endpoint.url), Dialer(), _Listener()
    hidden |= handshake.secrets(proxy or "", {})
    begun_s = time.time()
    try:
        async with asyncio.timeout(handshake.CONNECT_TIMEOUT_S):
            await ws_connect(
                lambda: listener,
                endpoint.url,
                ssl_context=endpoint.ssl_context,
                websocket_handshake_timeout=handshake.HANDSHAKE_TIMEOUT_S,
                extra_headers=sent or None,
                max_redirects=0,
                proxy=proxy,
                socket_factory=lambda url: dialer.open(url.host, url.port),
            )
    except Exception as error:  # whatever it was: the door stays shut
        response = getattr(error, "response", None)
        if isinstance(response, WSUpgradeResponse):
            _hear(clock, response, begun_s, time.time())
        return Opened(_shut(endpoint, error, hidden), open=False)
    took_s = time.time() - begun_s
    if listener.transport is not None:
        if listener.transport.response is not None:
            _hear(clock, listener.transport.response, begun_s, begun_s + took_s)
        listener.transport.disconnect(graceful=False)
    text = f"open in {took_s * 1e3:.1f} ms"
    findings = [Finding(name, "handshake", "ok", text, facts={"took_s": took_s})]
    if signs:
        findings.append(Finding(name, "key", "ok", "the venue accepts it"))
    return Opened(findings, open=True)


def _hear(clock: ClockWindow, response: WSUpgradeResponse, asked_s: float, came_s: float) -> None:
    date_s = http_date_s(response.headers.get("Date"))
    if date_s is not None:
        clock.hear(asked_s, came_s, date_s, DATE_STEP_S)


def _shut(endpoint: Endpoint, error: Exception, hidden: set[str]) -> list[Finding]:
    venue, response = endpoint.venue, getattr(error, "response", None)
    if not isinstance(response, WSUpgradeResponse):
        text = handshake.told(error, hidden)
        if isinstance(error, TimeoutError):
            text = f"no answer in {handshake.CONNECT_TIMEOUT_S:g} s"
        advice = "check ws_url: what listens there may speak no WebSocket"
        return [Finding(venue.name, "handshake", "bad", text, advice)]
    status, body = int(response.status), getattr(error, "raw_body", None) or b""
    kind = response.headers.get("Content-Type") or ""
    text, advice = answers.refused("ws_url", status, kind, body, hidden)
    facts: dict[str, Any] = {"status": status, "page": answers.is_page(kind, body)}
    denied = refusal(error, time.time())
    if denied is None or venue.handshake_headers is None or facts["page"]:
        return [Finding(venue.name, "handshake", "bad", text, advice, facts)]
    explained, _, told = venue.explain_refusal(denied).partition(": ")
    facts["code"] = denied.code
    return [Finding(venue.name, "key", "bad", explained, told or advice, facts)]
