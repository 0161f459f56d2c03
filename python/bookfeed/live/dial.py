"""Opening TCP sockets for a session.

The session makes its own sockets because it must be able to end an attempt at any moment without
leaving a socket behind: a WebSocket handshake that is cancelled half-way gives no transport to
close, but the socket can always be shut down.

A host that has several addresses is tried as RFC 8305 ("happy eyeballs") says: the next one while
the one before has not answered yet, and the first that answers is taken.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from itertools import chain, zip_longest
from typing import Final

from bookfeed.live.lookup import Address, look_up

ADDRESS_DELAY_S: Final = 0.25
"""How long an address is alone before the next one is tried as well."""
ADDRESS_TIMEOUT_S: Final = 2.0
"""The longest wait for one address."""


class Dialer:
    """Opens one socket at a time and can shut the last one down."""

    __slots__ = ("_sock",)

    def __init__(self) -> None:
        self._sock: socket.socket | None = None

    async def open(self, host: str, port: int) -> socket.socket:
        """Return a connected socket; raises ``OSError`` if no address of the host answers."""
        addresses = _alternating(await look_up(host, port))
        try:
            self._sock = await _first(addresses)
        except OSError as error:
            raise OSError(f"cannot connect to {host} port {port}: {error}") from error
        return self._sock

    def shutdown(self) -> None:
        """End the last socket opened, whoever owns it by now; harmless if it is gone."""
        sock, self._sock = self._sock, None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


async def _first(addresses: list[Address]) -> socket.socket:
    """The socket that is connected first; ``OSError`` with what is wrong with each if none is."""
    attempts: set[asyncio.Task[socket.socket]] = set()
    errors: list[str] = []
    rest = iter(addresses)
    try:
        while True:
            address = next(rest, None)
            if address is not None:
                attempts.add(asyncio.create_task(_connected(address)))
            elif not attempts:
                raise OSError("; ".join(errors))
            done, _ = await asyncio.wait(
                attempts,
                timeout=None if address is None else ADDRESS_DELAY_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for attempt in done:
                attempts.discard(attempt)
                if (error := attempt.exception()) is None:
                    return attempt.result()
                errors.append(str(error))
    finally:
        await _given_up(attempts)


async def _connected(address: Address) -> socket.socket:
    family, place = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        async with asyncio.timeout(ADDRESS_TIMEOUT_S):
            await asyncio.get_running_loop().sock_connect(sock, place)
    except OSError as error:
        sock.close()
        raise OSError(f"{place[0]}: {error!r}") from error
    except BaseException:
        sock.close()
        raise
    return sock


async def _given_up(attempts: set[asyncio.Task[socket.socket]]) -> None:
    """Ends the attempts that are not needed, and closes what they have connected by now."""
    for attempt in attempts:
        attempt.cancel()
    for sock in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(sock, socket.socket):
            sock.close()


def _alternating(addresses: Iterable[Address]) -> list[Address]:
    """Addresses with the families taking turns, so that one broken family costs one delay."""
    families: dict[socket.AddressFamily, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    rounds = zip_longest(*families.values())
    return [address for address in chain.from_iterable(rounds) if address is not None]
