"""Notices that a socket is dead where the event loop does not.

A reset that comes behind unread data is shown to a loop together with that data. Once it has read
them, libuv (uvloop) does not look again: without writing, nothing tells it that the peer is gone.
The kernel knows at once. Where it has epoll, an instance of our own holds the socket and wakes the
loop; elsewhere the socket's error is looked at by a timer.
"""

import asyncio
import contextlib
import select
import socket
from collections.abc import Callable
from typing import Final

# How often the error of a socket is looked at where nothing wakes the loop.
LOOK_S: Final = 0.05
HAS_EPOLL: Final = hasattr(select, "epoll")


class ResetWatch:
    """Calls ``on_reset`` once, within ``LOOK_S``, when ``sock`` is dead, until it is closed."""

    __slots__ = ("_epoll", "_loop", "_on_reset", "_sock", "_timer")

    def __init__(self, sock: socket.socket, on_reset: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._on_reset = on_reset
        self._timer: asyncio.TimerHandle | None = None
        self._epoll: select.epoll | None = None
        if HAS_EPOLL:
            self._epoll = select.epoll()
            # No event is asked for: errors and the end of both directions always come.
            self._epoll.register(sock.fileno(), 0)
            self._loop.add_reader(self._epoll.fileno(), self._ended)
        else:
            self._look()

    def _look(self) -> None:
        with contextlib.suppress(OSError):
            if self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._ended()
                return
        self._timer = self._loop.call_later(LOOK_S, self._look)

    def _ended(self) -> None:
        self.close()
        self._on_reset()

    def close(self) -> None:
        """Look no more; harmless if that is so already."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        epoll, self._epoll = self._epoll, None
        if epoll is not None:
            if not self._loop.is_closed():
                self._loop.remove_reader(epoll.fileno())
            epoll.close()
