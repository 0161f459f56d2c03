"""A WebSocket server of blocking sockets in a thread, which can do what no library lets one do.

Once a connection is open its socket belongs to the test: what it sends and how it ends it is in the
kernel before the client's loop looks again.
"""

import base64
import hashlib
import queue
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import orjson
from session_server import book_message, raw_frame
from waiting import PATIENCE_S

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class RawServer:
    """Accepts, upgrades and sends the books of a Polymarket subscription, then leaves it there.

    ``refusals`` are answered, one each, instead of upgrading.
    """

    def __init__(
        self, tls: ssl.SSLContext | None = None, address: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        self.refusals: list[bytes] = []
        # Headers of the next answer that upgrades.
        self.promised = b""
        self.opened: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        self._tls = tls
        self._listening = socket.create_server(address)
        self._sockets: list[socket.socket] = []
        self._greeting: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._serve)
        self._accepting.start()

    @property
    def url(self) -> str:
        port = self._listening.getsockname()[1]
        return f"wss://localhost:{port}/ws" if self._tls else f"ws://127.0.0.1:{port}/ws"

    def close(self) -> None:
        """End everything; the clients have gone."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listening.close()
        for thread in self._greeting:
            thread.join()
        for sock in self._sockets:
            sock.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listening.accept()
                sock.settimeout(PATIENCE_S)
                # One that is given up half-way keeps nobody waiting.
                thread = threading.Thread(target=self._greet, args=(sock,))
                self._greeting.append(thread)
                thread.start()

    def _greet(self, sock: socket.socket) -> None:
        try:
            self._open(sock)
        except OSError:
            sock.close()

    def _open(self, sock: socket.socket) -> None:
        if self._tls is not None:
            sock = self._tls.wrap_socket(sock, server_side=True)
        self._sockets.append(sock)
        reader = sock.makefile("rb")
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            line = reader.readline()
            if not line:
                raise ConnectionError("the client was closed meanwhile")
            request += line
        if self.refusals:
            sock.sendall(self.refusals.pop(0))
            sock.close()
            return
        key = next(
            line.split(b":")[1].strip()
            for line in request.splitlines()
            if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n" + self.promised + b"\r\n"
        )
        self.promised = b""
        head = reader.read(2)
        if not head:
            raise ConnectionError("the client was closed meanwhile")
        size = head[1] & 0x7F
        if size == 126:
            size = int.from_bytes(reader.read(2))
        mask = reader.read(4)
        text = bytes(byte ^ mask[i % 4] for i, byte in enumerate(reader.read(size)))
        books = [book_message(symbol) for symbol in orjson.loads(text)["assets_ids"]]
        sock.sendall(raw_frame(0x1, orjson.dumps(books)))
        self.opened.put(sock)


def reset(sock: socket.socket, unread: bytes) -> None:
    """Send ``unread`` and reset the connection behind it."""
    sock.sendall(unread)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # A reader made of the socket keeps its descriptor open; closing that is what resets.
    socket.close(sock.detach())


@contextmanager
def raw_serving(tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """A server on a free port of loopback."""
    server = RawServer(tls)
    try:
        yield server
    finally:
        server.close()
