"""Opening TCP sockets for a session.

The session makes its own sockets because it must be able to end an attempt at any moment without
leaving a socket behind: a WebSocket handshake that is cancelled half-way gives no transport to
close, but the socket can always be shut down.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from itertools import chain, zip_longest
from typing import Final

# Longest wait for one address when a host has several.
ADDRESS_TIMEOUT_S: Final = 2.0

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]


class Dialer:
    """Opens one socket at a time and can shut the last one down."""

    __slots__ = ("_sock",)

    def __init__(self) -> None:
        self._sock: socket.socket | None = None

    async def open(self, host: str, port: int) -> socket.socket:
        """Return a connected socket; raises ``OSError`` if no address of the host answers."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise OSError(f"no address of {host} is known: {why}") from error
        errors: list[str] = []
        for family, address in _alternating((row[0], row[4]) for row in found):  # type: ignore[misc]
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            try:
                async with asyncio.timeout(ADDRESS_TIMEOUT_S):
                    await loop.sock_connect(sock, address)
            except (OSError, TimeoutError) as error:
                sock.close()
                errors.append(f"{address[0]}: {error!r}")
            except BaseException:
                sock.close()
                raise
            else:
                self._sock = sock
                return sock
        raise OSError(f"cannot connect to {host} port {port}: {'; '.join(errors)}")

    def shutdown(self) -> None:
        """End the last socket opened, whoever owns it by now; harmless if it is gone."""
        sock, self._sock = self._sock, None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _alternating(addresses: Iterable[Address]) -> list[Address]:
    """Addresses with the families taking turns, so that one broken family costs one timeout."""
    families: dict[socket.AddressFamily, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    rounds = zip_longest(*families.values())
    return [address for address in chain.from_iterable(rounds) if address is not None]
