"""The way to an address, step by step: its name, a connection, TLS."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from bookfeed.doctor.finding import Finding, Grade
from bookfeed.live.proxy import proxy_of

TIMEOUT_S: Final = 5.0
# A certificate that ends within it was not renewed when it should have been.
EXPIRES_S_MIN: Final = 7 * 86_400

_PORTS: Final = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_ENCRYPTED: Final = ("wss", "https")
# What OpenSSL calls certificates that are over or not yet valid, and names that differ.
_OUT_OF_TIME: Final = (9, 10)
_OTHER_NAME: Final = (62, 64)


@dataclass(frozen=True, slots=True)
class Way:
    """Where a connection goes first: to the address itself, or to the proxy before it."""

    where: str
    """The venue's name."""
    what: str
    """``ws_url`` or ``rest_url``: what to correct."""
    host: str
    port: int
    encrypted: bool
    proxied: bool

    def finding(
        self, check: str, grade: Grade, text: str, advice: str = "", **facts: Any
    ) -> Finding:
        """A finding about it."""
        more = {"address": self.what, "host": self.host, "port": self.port, **facts}
        side = "" if self.what == "ws_url" else " (REST)"
        return Finding(self.where, check + side, grade, text, advice, more)


def way_to(where: str, what: str, url: str) -> Way:
    """The way to ``url``; ``ConfigError`` where the environment names a proxy that is none."""
    address, proxy = urlsplit(url), proxy_of(url)
    first = address if proxy is None else urlsplit(proxy)
    return Way(
        where,
        what,
        first.hostname or "",
        first.port or _PORTS.get(first.scheme, 1080),
        # Through a proxy TLS begins behind it, which the handshake shows.
        proxy is None and address.scheme in _ENCRYPTED,
        proxy is not None,
    )


async def walk(way: Way, context: ssl.SSLContext | None) -> AsyncIterator[Finding]:
    """What each step came to, up to the first that fails."""
    addresses, named = await _name(way)
    yield named
    if not addresses:
        return
    connected = await _connect(way, addresses)
    for each in connected:
        yield each
    if way.encrypted and connected[-1].grade != "bad":
        yield await _encrypt(way, context)


async def _name(way: Way) -> tuple[list[tuple[Any, ...]], Finding]:
    begun_s = time.monotonic()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await asyncio.get_running_loop().getaddrinfo(
                way.host, way.port, type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error) or "no answer"
        what = "the proxy's name" if way.proxied else f"the name in {way.what}"
        advice = f"check {what}; else ask why this machine cannot find it: getent hosts {way.host}"
        return [], way.finding("dns", "bad", f"no address of {way.host}: {why}", advice)
    took_s = time.monotonic() - begun_s
    numbers = list(dict.fromkeys(str(row[4][0]) for row in found))
    shown = ", ".join(numbers[:3]) + (f" and {len(numbers) - 3} more" if len(numbers) > 3 else "")
    proxy = "the proxy " if way.proxied else ""
    text = f"{proxy}{way.host} is {shown} ({took_s * 1e3:.1f} ms)"
    return list(found), way.finding("dns", "ok", text, addresses=numbers, took_s=took_s)


async def _connect(way: Way, found: list[tuple[Any, ...]]) -> list[Finding]:
    """One address of each family; the last finding says whether any answered."""
    families: dict[int, Any] = {}
    for family, _, _, _, address in found:
        families.setdefault(family, address)
    took: dict[str, float] = {}
    failed: dict[str, Exception] = {}
    for family, address in families.items():
        begun_s = time.monotonic()
        try:
            await _reach(family, address)
            took[address[0]] = time.monotonic() - begun_s
        except (OSError, TimeoutError) as error:
            failed[address[0]] = error
    if not took:
        return [_unreached(way, failed)]
    quickest = min(took.values())
    told = ", ".join(f"{number} in {s * 1e3:.1f} ms" for number, s in took.items())
    reached = way.finding("tcp", "ok", f"port {way.port} answers: {told}", took_s=quickest)
    lost = [
        way.finding(
            "tcp",
            "warn",
            f"{number} does not answer, another address does",
            "mend that route or switch its family off: it may cost two seconds at each connect",
        )
        for number in failed
        if number not in ("::1", "127.0.0.1")
    ]
    return [*lost, reached]


async def _reach(family: int, address: Any) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.get_running_loop().sock_connect(sock, address)


def _unreached(way: Way, failed: dict[str, Exception]) -> Finding:
    refused = any(isinstance(error, ConnectionRefusedError) for error in failed.values())
    place = f"{way.host} port {way.port}"
    if refused:
        what = "the proxy's address" if way.proxied else way.what
        text, advice = f"nothing listens at {place}", f"check {what}: its host and its port"
    else:
        why = next(iter(failed.values()))
        text = f"{place} cannot be reached: {getattr(why, 'strerror', None) or 'no answer'}"
        advice = "let it through the firewall, or name a proxy in HTTPS_PROXY"
    return way.finding("tcp", "bad", text, advice)


async def _encrypt(way: Way, context: ssl.SSLContext | None) -> Finding:
    context = context or ssl.create_default_context()
    begun_s, writer = time.monotonic(), None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(
                way.host, way.port, ssl=context, server_hostname=way.host
            )
        took_s = time.monotonic() - begun_s
        return _certified(way, writer.get_extra_info("ssl_object"), took_s)
    except ssl.SSLCertVerificationError as error:
        return _distrusted(way, error)
    except (OSError, TimeoutError) as error:
        why = getattr(error, "reason", None) or str(error) or "no answer"
        text = f"no TLS with {way.host} port {way.port}: {why}"
        return way.finding("tls", "bad", text, f"check {way.what}: that port may speak no TLS")
    finally:
        if writer is not None:
            writer.transport.abort()  # nobody is to wait for the other side's farewell


def _certified(way: Way, spoken: ssl.SSLObject, took_s: float) -> Finding:
    certificate = spoken.getpeercert() or {}
    told = f"{spoken.version()}, {took_s * 1e3:.1f} ms"
    ends = certificate.get("notAfter")
    if not isinstance(ends, str):  # a context that verifies nothing
        advice = "an ssl_context that verifies nothing believes anybody: use the system's"
        return way.finding("tls", "warn", f"{told}; the certificate is not verified", advice)
    ends_s = ssl.cert_time_to_seconds(ends)
    text = (
        f"{told}; the certificate of {way.host} ends {datetime.fromtimestamp(ends_s, UTC):%Y-%m-%d}"
    )
    facts: dict[str, Any] = {"took_s": took_s, "ends_s": ends_s}
    if ends_s - time.time() < EXPIRES_S_MIN:
        advice = "whoever runs that server renews it, or nothing connects from then on"
        return way.finding("tls", "warn", text, advice, **facts)
    return way.finding("tls", "ok", text, **facts)


def _distrusted(way: Way, error: ssl.SSLCertVerificationError) -> Finding:
    why = error.verify_message
    text = f"the certificate at {way.host} is not believed: {why}"
    if error.verify_code in _OUT_OF_TIME:
        today = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        advice = f"set the clock if it is not {today}; else the certificate has to be renewed"
    elif error.verify_code in _OTHER_NAME:
        advice = f"check the name in {way.what}: it is not whose certificate it is"
    else:
        advice = (
            "a proxy opens TLS, or certificates are missing: SSL_CERT_FILE=ca.pem names its "
            "authority, `pip install certifi` or ca-certificates brings the usual ones"
        )
    return way.finding("tls", "bad", text, advice, code=error.verify_code)
