"""The other end of the loopback benchmarks: a venue that only sends, in a process of its own.

``python -m benches.sender FRAMES HASHES FRAMES_PER_MS DIRECTORY`` listens on two loopback ports,
plain and TLS, and prints them as one JSON line. What a connection gets is in the path it asks for:
``/saturated/N`` sends the first N frames of the corpus in 64 KiB writes as fast as they are taken;
``/paced/RATE/N`` sends the snapshots, then N frames at RATE a second.

The paced schedule is open-loop: frame i is due at t0 + i / RATE whatever happened before, its due
time (CLOCK_MONOTONIC, ns) is in the frame as the member ``"sent"``, and a late sender catches up
without moving the schedule. So no stall of anybody's is left out of the latencies. After each
connection a JSON line says t0 and how late the sender itself was.
"""

import argparse
import base64
import contextlib
import gc
import hashlib
import json
import socket
import ssl
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benches.competitors import installed
from benches.corpus import Corpus, Spec, load
from benches.timing import pin, spread_of

CHUNK_BYTES = 64 * 1024
HEAD_START_NS = 300_000_000
"""From the snapshots to the first paced frame: the client settles meanwhile."""
SENT_HEAD = b'{"sent":"'
SENT_DIGITS = 19
SENT = slice(len(SENT_HEAD), len(SENT_HEAD) + SENT_DIGITS)
"""Where a paced frame's payload says when it was due."""
CA_FILE = "ca.pem"


def websocket_frame(payload: bytes) -> bytes:
    """An unfragmented text frame as a server sends it, unmasked."""
    if len(payload) < 126:
        head = struct.pack("!BB", 0x81, len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack("!BBH", 0x81, 126, len(payload))
    else:
        head = struct.pack("!BBQ", 0x81, 127, len(payload))
    return head + payload


def stamped(payload: bytes) -> tuple[bytearray, int]:
    """A WebSocket frame with room for its due time, and where in the frame that goes."""
    text = SENT_HEAD + b"0" * SENT_DIGITS + b'",' + payload[1:]
    frame = bytearray(websocket_frame(text))
    return frame, len(frame) - len(text) + len(SENT_HEAD)


def chunks(frames: Sequence[bytes]) -> Iterator[bytes]:
    """The frames as one byte stream, cut at every 64 KiB whatever is there."""
    stream = memoryview(b"".join(websocket_frame(f) for f in frames))
    for start in range(0, len(stream), CHUNK_BYTES):
        yield bytes(stream[start : start + CHUNK_BYTES])


def accept_upgrade(connection: socket.socket) -> str:
    """Answers the opening handshake; returns the path that was asked for."""
    request = b""
    while b"\r\n\r\n" not in request:
        received = connection.recv(4096)
        if not received:
            raise ConnectionError("closed during the handshake")
        request += received
    lines = request.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    key = headers["sec-websocket-key"]
    digest = hashlib.sha1(
        key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False
    ).digest()
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )
    return lines[0].split(" ")[1]


def send_paced(
    connection: socket.socket, frames: Sequence[bytes], rate: int
) -> tuple[int, list[float]]:
    """Sends frames on schedule; returns t0 (ns) and how late each write began, µs."""
    stamps = [stamped(f) for f in frames]
    late_us: list[float] = []
    clock, send = time.monotonic_ns, connection.sendall
    t0 = clock() + HEAD_START_NS
    at = 0
    while at < len(stamps):
        due = t0 + at * 1_000_000_000 // rate
        now = clock()
        if now < due:
            continue
        ready = []
        while due <= now:
            frame, slot = stamps[at]
            frame[slot : slot + SENT_DIGITS] = b"%019d" % due
            ready.append(frame)
            late_us.append((now - due) / 1e3)
            at += 1
            if at == len(stamps):
                break
            due = t0 + at * 1_000_000_000 // rate
        send(ready[0] if len(ready) == 1 else b"".join(ready))
    return t0, late_us


class Sender:
    """Serves one connection after the other."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.chunked: dict[int, list[bytes]] = {}

    def serve(self, connection: socket.socket) -> dict[str, object]:
        """Gives a connection what its path asks for, then waits until the client leaves."""
        parts = accept_upgrade(connection).strip("/").split("/")
        snapshots = len(self.corpus.markets)
        result: dict[str, object] = {}
        if parts[0] == "saturated":
            count = int(parts[1])
            if count not in self.chunked:
                self.chunked[count] = list(chunks(self.corpus.frames[:count]))
            for chunk in self.chunked[count]:
                connection.sendall(chunk)
        else:
            rate, count = int(parts[1]), int(parts[2])
            for chunk in chunks(self.corpus.frames[:snapshots]):
                connection.sendall(chunk)
            frames = self.corpus.frames[snapshots : snapshots + count]
            t0, late_us = send_paced(connection, frames, rate)
            result = {"t0_ns": t0, "late_us": spread_of(late_us)}
        with contextlib.suppress(OSError):
            while connection.recv(4096):
                pass
        return result


def listening(port: int = 0) -> socket.socket:
    """A loopback socket that accepts connections."""
    listener = socket.create_server(("127.0.0.1", port))
    listener.listen(4)
    return listener


def tls_context(directory: Path) -> ssl.SSLContext | None:
    """A server context with a throw-away certificate, its CA written to ``directory``."""
    trustme = installed("trustme")
    if trustme is None:
        return None
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / CA_FILE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def say(message: dict[str, object]) -> None:
    """One JSON line to the process that started this one."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main(argv: list[str]) -> int:
    """Command line; serves until its standard input is closed."""
    parser = argparse.ArgumentParser(prog="python -m benches.sender", description=__doc__)
    parser.add_argument("frames", type=int)
    parser.add_argument("hashes", choices=["random", "valid"])
    parser.add_argument("frames_per_ms", type=int)
    parser.add_argument("directory", type=Path)
    options = parser.parse_args(argv)
    pin(1)
    spec = Spec(frames=options.frames, hashes=options.hashes, frames_per_ms=options.frames_per_ms)
    sender = Sender(load(spec))
    context = tls_context(options.directory)
    listeners = {"plain": listening()}
    if context is not None:
        listeners["tls"] = listening()
    gc.disable()
    say({name: listener.getsockname()[1] for name, listener in listeners.items()})
    for line in sys.stdin:
        connection, _ = listeners[line.strip()].accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if line.strip() == "tls" and context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            say(sender.serve(connection))
        except OSError as error:
            say({"error": str(error)})
        finally:
            connection.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
