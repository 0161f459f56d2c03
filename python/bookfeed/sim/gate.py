"""A gate before a simulated venue: what goes wrong with a connection below what is said on it.

Bytes pass it both ways as they are, encrypted or not, until a fault of ``CONNECTIONS``
(``bookfeed.sim.beside``) lasts. Who comes by a gate is answered a turn of the loop later, so a
venue has one only where such a fault is scheduled when it starts.
"""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from bookfeed.sim.beside import CONNECTIONS
from bookfeed.sim.certificates import SimTls
from bookfeed.sim.faults import Injector, Mishap

NO_TLS: Final = "needs TLS of the simulator's own: bookfeed sim --tls FILE, in Python tls=SimTls()"
_NO_GATE: Final = "needs a gate: give the server one such fault, of whatever time, before it starts"

DRIP_S: Final = 1.0
"""How long each byte of an answer takes that comes slowly."""
_LOOK_S: Final = 0.02
"""How often is looked whether a connection may go on that is held."""
_LINGER_S: Final = 0.5
"""How long a client may take to hang up after the venue has."""
_GOODBYE_S: Final = 0.7
"""How long those may go on who are there when the gate closes: so long a venue says goodbye."""
_CHUNK: Final = 256 * 1024
_BACKLOG: Final = 1_024
_RESET: Final = struct.pack("ii", 1, 0)
# What the first words of a client are answered with: by who speaks nothing that is not too old for
# it (an alert of TLS: protocol_version), and by who speaks no TLS.
_INSTEAD: Final = {
    "old": b"\x15\x03\x01\x00\x02\x02\x46",
    "plain": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
}


class Gates:
    """Those before the ports of a server, where faults of connections may come at all; where they
    cannot, they are refused from now on.
    """

    def __init__(self, injector: Injector[Any, Any], host: str, tls: ssl.SSLContext | None) -> None:
        self._injector = injector
        self._host = host
        self._gates: list[Gate] = []
        self._there = injector.has(CONNECTIONS)
        self._tls = tls if isinstance(tls, SimTls) else None
        if self._tls is None:
            injector.bar(("tls",), NO_TLS)
        if not self._there:
            injector.bar(CONNECTIONS, _NO_GATE)

    def port_behind(self, wanted: int) -> int:
        """Where the server itself listens that is to be reached at ``wanted``; 0 is a free one."""
        return 0 if self._there else wanted

    async def before(self, port: int, wanted: int) -> int:
        """Puts a gate before a port of the server; returns the one by which it is reached."""
        if not self._there:
            return port
        gate = Gate(self._host, port, self._lasting, self._tls)
        self._gates.append(gate)
        return await gate.start(wanted)

    async def close(self) -> None:
        """Closes them all."""
        for gate in self._gates:
            await gate.close()

    def _lasting(self) -> list[Mishap]:
        return self._injector.beside(CONNECTIONS, time.time_ns())


class Gate:
    """Before the port ``port`` of ``host``; ``lasting`` says which faults last, and ``tls`` is what
    is spoken there.
    """

    def __init__(
        self, host: str, port: int, lasting: Callable[[], Sequence[Mishap]], tls: SimTls | None
    ) -> None:
        self._host = host
        self._tls = tls
        self._port = port
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._lasting = lasting
        self._since_ns: dict[int, int] = {}
        """Since when faults are seen to last, by identity."""
        self._passing: set[asyncio.Task[None]] = set()
        self._listening: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

    async def start(self, port: int) -> int:
        """Listens at ``port``, 0 for a free one, and returns which; ``OSError`` if it cannot."""
        listening = socket.create_server((self._host, port), family=self._family, backlog=_BACKLOG)
        listening.setblocking(False)
        self._listening = listening
        self._accepting = asyncio.create_task(self._accept(listening), name="bookfeed-sim-gate")
        return int(listening.getsockname()[1])

    async def close(self) -> None:
        """Takes nobody in any more, and hangs up where nobody else does."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait([self._accepting])
        if self._listening is not None:
            self._listening.close()
        if self._passing:
            await asyncio.wait(self._passing, timeout=_GOODBYE_S)
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listening)
            except OSError:  # no descriptor is left
                await asyncio.sleep(_LOOK_S)
                continue
            task = asyncio.create_task(self._pass(client))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

    # what lasts

    def _faults(self, kind: str) -> list[Mishap]:
        now_ns = time.time_ns()
        lasting = self._lasting()
        for fault in lasting:
            self._since_ns.setdefault(id(fault), now_ns)
        return [fault for fault in lasting if fault.kind == kind]

    def _is_held(self, begun_ns: int) -> bool:
        return any(
            fault.variant == "all" or begun_ns < self._since_ns[id(fault)]
            for fault in self._faults("half-open")
        )

    def _spoilt(self) -> str:
        """What becomes of a connection that begins now; empty if nothing."""
        faults = (*self._faults("slow-handshake"), *self._faults("tls"))
        return next((fault.variant for fault in faults), "")

    # one connection

    async def _pass(self, client: socket.socket) -> None:
        spoilt, begun_ns = self._spoilt(), time.time_ns()
        client.setblocking(False)
        with client, suppress(OSError):
            if spoilt == "never":
                await self._ignore(client)
            elif spoilt in _INSTEAD:
                loop = asyncio.get_running_loop()
                await loop.sock_recv(client, _CHUNK)
                await loop.sock_sendall(client, _INSTEAD[spoilt])
            elif spoilt in ("expired", "host", "unknown") and self._tls is not None:
                await self._impersonate(client, self._tls, spoilt)
            else:
                await self._lead(client, spoilt, begun_ns)

    async def _ignore(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while await loop.sock_recv(client, _CHUNK):
            pass

    async def _lead(self, client: socket.socket, spoilt: str, begun_ns: int) -> None:
        """To the venue, until one of the two hangs up, and then the other hears of it."""
        with socket.socket(self._family) as venue:
            venue.setblocking(False)
            for end in (client, venue):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(venue, (self._host, self._port))
            up = asyncio.create_task(self._carry(client, venue, begun_ns, ""))
            down = asyncio.create_task(self._carry(venue, client, begun_ns, spoilt))
            try:
                await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
                if _was_reset(up) or _was_reset(down):
                    for end in (client, venue):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                elif down.done():
                    client.shutdown(socket.SHUT_WR)
                    await asyncio.wait((up,), timeout=_LINGER_S)
            finally:
                for task in (up, down):
                    task.cancel()
                await asyncio.gather(up, down, return_exceptions=True)

    async def _impersonate(self, client: socket.socket, tls: SimTls, variant: str) -> None:
        """Under a certificate that is not right, for a client that does not look at it."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        ours = asyncio.StreamReaderProtocol(reader)
        context = tls.spoilt(variant)
        transport, _ = await loop.connect_accepted_socket(lambda: ours, client, ssl=context)
        writer = asyncio.StreamWriter(transport, ours, reader, loop)
        there, back = await asyncio.open_connection(self._host, self._port, ssl=tls.trusting())
        ways = [asyncio.create_task(_flow(*way)) for way in ((reader, back), (there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.close()
            back.close()

    async def _carry(
        self, source: socket.socket, sink: socket.socket, begun_ns: int, spoilt: str
    ) -> None:
        """Carries bytes one way, until the source ends."""
        loop = asyncio.get_running_loop()
        while True:
            data = await loop.sock_recv(source, _CHUNK)
            while self._is_held(begun_ns):  # noqa: ASYNC110 - the end of a fault rings no bell
                await asyncio.sleep(_LOOK_S)
            if not data:
                return
            if spoilt == "cut":
                await loop.sock_sendall(sink, data[: len(data) // 2])
                return
            while spoilt == "drip" and len(data) > 1 and self._faults("slow-handshake"):
                await loop.sock_sendall(sink, data[:1])
                data = data[1:]
                await asyncio.sleep(DRIP_S)
            await loop.sock_sendall(sink, data)


async def _flow(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()


def _was_reset(task: "asyncio.Task[None]") -> bool:
    return task.done() and isinstance(task.exception(), ConnectionResetError)
