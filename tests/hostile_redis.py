"""A server that speaks as Redis does, well or as badly as it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

HELLO: Final = (
    b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n$5\r\nproto\r\n:3\r\n"
    b"$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
    b"$7\r\nmodules\r\n*0\r\n"
)
ANSWERS: Final = {
    "well": b"+OK\r\n",
    "oom": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "readonly": b"-READONLY You can't write against a read only replica.\r\n",
    "moved": b"-MOVED 3999 127.0.0.1:1\r\n",
    "auth": b"-NOAUTH Authentication required.\r\n",
    "nonsense": b"\x00\xff nonsense\r\n",
}
"""By what it is told to be: the answer to each command."""
FAULTS: Final = (*(name for name in ANSWERS if name != "well"), "slow", "hangs", "ends", "huge")
SLOW_S: Final = 1.0
"""For each command."""


class HostileRedis:
    """One server; ``manner`` is how it answers from now on."""

    def __init__(self) -> None:
        self.manner = "well"
        self.port = 0
        self.commands = 0
        """What came while it answered well."""
        self.sent_bytes = 0
        """Of answers that have no end."""
        self._writers: Final[set[asyncio.StreamWriter]] = set()

    async def serve(self, reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        """One connection."""
        self._writers.add(writing)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
            while True:
                await self._answer(await _command(reading), writing)
        self._writers.discard(writing)
        writing.close()

    async def _answer(self, command: list[bytes], writing: asyncio.StreamWriter) -> None:
        manner = self.manner
        if command[0].upper() == b"HELLO":
            writing.write(HELLO)
        elif manner == "ends":
            raise ConnectionResetError
        elif manner == "hangs":
            await asyncio.sleep(3_600)
        elif manner == "huge":
            writing.write(b"$2147483647\r\n")
            while self.manner == "huge":
                writing.write(bytes(1 << 16))
                self.sent_bytes += 1 << 16
                await writing.drain()
        else:
            await asyncio.sleep(SLOW_S if manner == "slow" else 0)
            self.commands += manner == "well"
            writing.write(ANSWERS.get(manner, ANSWERS["well"]))

    def drop(self) -> None:
        """All connections end."""
        for writing in tuple(self._writers):
            writing.transport.abort()


async def _command(reading: asyncio.StreamReader) -> list[bytes]:
    count = int((await reading.readuntil(b"\r\n"))[1:])
    words = []
    for _ in range(count):
        length = int((await reading.readuntil(b"\r\n"))[1:])
        words.append((await reading.readexactly(length + 2))[:-2])
    return words


@asynccontextmanager
async def hostile_redis() -> AsyncIterator[HostileRedis]:
    """One that answers well, until it is told otherwise."""
    made = HostileRedis()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.drop()
