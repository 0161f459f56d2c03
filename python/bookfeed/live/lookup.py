"""Looks up the addresses of hosts, off the loop and for a bounded time.

The system's resolver cannot be stopped: where no name server answers, it takes half a minute. So
each look-up has a thread of its own, and nobody waits for one that hangs, not even the end of the
program. A few of them would use up the loop's pool of threads, which others need.
"""

import asyncio
import ipaddress
import socket
from concurrent.futures import Future
from typing import Any, Final

from bookfeed.threads import in_a_thread

LOOKUP_TIMEOUT_S: Final = 4.0
HANGING_MAX: Final = 8
"""How many look-ups may hang before no other is begun."""

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]

_hanging: Final[set[Future[Any]]] = set()


async def look_up(host: str, port: int) -> list[Address]:
    """The addresses of a host, as the resolver orders them; at least one.

    Raises ``OSError`` if there is none, or if the resolver does not say so in time.
    """
    try:
        return [(row[0], row[4]) for row in await _found(host, port)]
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        unknown = OSError(f"no address of {host} is known: {why}")
        unknown.strerror = str(unknown)  # which is what aiohttp shows
        raise unknown from error


async def _found(host: str, port: int) -> list[Any]:
    if _is_literal(host):  # which is not looked up anywhere
        return _resolved(host, port)
    if len(_hanging) >= HANGING_MAX:
        raise OSError(f"the resolver still owes {HANGING_MAX} answers")
    answer = in_a_thread(lambda: _resolved(host, port), f"look up {host}")
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT_S):
            return await asyncio.wrap_future(answer)
    except TimeoutError:
        problem = f"the resolver has not answered in {LOOKUP_TIMEOUT_S:g} s"
        raise OSError(problem) from None
    finally:
        if not answer.done():
            _hanging.add(answer)
            answer.add_done_callback(_hanging.discard)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _resolved(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Resolver:
    """The same for aiohttp's connector."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[dict[str, Any]]:
        """Addresses of a host of one family, or of both with ``AF_UNSPEC``."""
        found = await look_up(host, port)
        fitting = [one for one in found if family in (socket.AF_UNSPEC, one[0])]
        if not fitting:
            raise OSError(f"no address of {host} is known that can be used here")
        return [
            {
                "hostname": host,
                "host": address[0],
                "port": port,
                "family": of,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for of, address in fitting
        ]

    async def close(self) -> None:
        """There is nothing to close."""
