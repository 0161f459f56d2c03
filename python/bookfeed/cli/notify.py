"""``Service``: tells systemd that a command is ready, that it goes on, and what it is doing.

The protocol of ``sd_notify(3)``: a datagram to the socket that ``NOTIFY_SOCKET`` names. Whatever
was not started by systemd tells nobody. The loop itself says that it goes on, so that one that
hangs is noticed: systemd ends and starts again what has not said so for ``WatchdogSec=``.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Final, Self

EVERY_S: Final = 5.0
"""How often what it is doing is told, unless the watchdog wants to hear more often."""
_US_PER_S: Final = 1e6


class Service(AbstractAsyncContextManager["Service"]):
    """While it is entered the service is up; ``status`` says in a line what it is doing."""

    def __init__(self, status: Callable[[], str]) -> None:
        self._status: Final = status
        self._where: Final = os.environ.get("NOTIFY_SOCKET", "")
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._where:
            self._tell("READY=1", f"STATUS={self._status()}")
            self._task = asyncio.create_task(self._go_on(), name="bookfeed-service")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            self._tell("STOPPING=1")

    async def _go_on(self) -> None:
        every_s = min(EVERY_S, watchdog_s() / 2)
        while True:
            self._tell("WATCHDOG=1", f"STATUS={self._status()}")
            await asyncio.sleep(every_s)

    def _tell(self, *lines: str) -> None:
        path = f"\0{self._where[1:]}" if self._where.startswith("@") else self._where
        # Who is not there any more, or does not read, is not waited for.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.setblocking(False)
            told.sendto("\n".join(lines).encode(), path)


def watchdog_s() -> float:
    """After how long a silent process is ended; infinite where nobody watches this one."""
    told, whose = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    mine = whose in ("", str(os.getpid()))
    return int(told) / _US_PER_S if mine and told.isdecimal() and int(told) else float("inf")
