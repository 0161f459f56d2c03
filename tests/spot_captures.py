"""Recorded frames of spot venues, and what an independent reading makes of them.

The recordings are not part of the project; where they are absent, tests that need them are
skipped. What reads them here is the auditor's reading (decimals, plain dictionaries), which
shares nothing with the engine: ``SpotBooks`` is the oracle that an engine is held against.
"""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple
from zlib import crc32

from lengths import TIMES

from bookfeed.audit.books import Instrument
from bookfeed.audit.model import Model
from bookfeed.audit.reading import Effects, Reading
from bookfeed.recordings.kinds import Kind

FOLDER: Final = Path(__file__).resolve().parents[1] / ".." / "shared" / "captures" / "spot"
BINANCE: Final = FOLDER / "binance-btcusdt-2024-08-09.gz"
KRAKEN: Final = FOLDER / "kraken-v1-2021-04-17.jsonl.gz"

FRAMES_MAX: Final = 30_000 * TIMES
"""Of the recording of Binance: two and a half minutes of five."""
BOTH_MIN: Final = 150 if TIMES == 1 else 400
DIFFS_MIN: Final = 850 if TIMES == 1 else 2_400
"""In those: touches that the book and the venue both tell, and changes behind the first minute."""

NS_PER_S: Final = 1_000_000_000
BINANCE_SYMBOL: Final = "BTCUSDT"
# What the recording of Kraken subscribed.
KRAKEN_DEPTH: Final = 1_000
CHECKPOINTS: Final = 20

# Levels of a side, best first, both numbers as text without trailing zeros.
Levels = list[list[str]]
# Bids and asks.
Sides = tuple[Levels, Levels]


class Recorded(NamedTuple):
    """One frame and when it was received, in Unix nanoseconds."""

    ts_recv: int
    payload: bytes


class Snapshot(NamedTuple):
    """A REST book, and after how many frames of the recording it could have been fetched."""

    frames: int
    stands_at: int
    body: bytes


class SpotBooks:
    """Books of one venue on one connection, by the auditor's reading alone."""

    def __init__(self, venue: str, symbols: list[str], *, depth: int | None = None) -> None:
        self.model: Final = Model()
        found = self.model.reading(venue)
        assert found is not None
        self.reading: Final[Reading] = found
        self.model.control(Kind.CONNECTED, 0, venue.encode(), {})
        for number, symbol in enumerate(symbols):
            listing: dict[str, Any] = {"venue": venue, "symbol": symbol, "depth": depth}
            self.model.control(Kind.SUBSCRIBE, 0, b"", listing)
            self.model.state_changed(number, "syncing", "subscribed", snapshot=False)

    def book(self, symbol: str) -> Instrument:
        """The book of a symbol."""
        number = self.model.find(self.reading.venue, symbol)
        assert number is not None, symbol
        return self.model.instruments[number]

    def take(self, payload: bytes) -> list[Effects]:
        """One frame: what each of its messages did."""
        return [self.reading.apply(0, each) for each in self.reading.read(0, payload)]

    def take_rest(self, symbol: str, body: bytes) -> None:
        """The body of a REST answer about a symbol."""
        for message in self.reading.read_rest(body, self.book(symbol).number, None):
            self.reading.apply_rest(message)

    def sides(self, symbol: str) -> Sides:
        """Bids and asks of a book."""
        book = self.book(symbol).book
        bids, asks = ([[plain(p), plain(q)] for p, q in book.levels(s)] for s in ("bid", "ask"))
        return bids, asks


def plain(number: Decimal) -> str:
    """A number without trailing zeros and without an exponent."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def checkpoints(first: int, last: int, count: int = CHECKPOINTS) -> list[int]:
    """``count`` numbers of frames from ``first`` to ``last``, evenly apart."""
    return [first + (last - first) * step // (count - 1) for step in range(count)]


# Binance: one combined stream of one symbol, ``recv_ns frame`` a line.


def binance_frames() -> Iterator[Recorded]:
    """The frames as they came, up to ``FRAMES_MAX``."""
    with gzip.open(BINANCE) as file:
        for line in islice(file, FRAMES_MAX):
            ts_recv, _, payload = line.rstrip(b"\n").partition(b" ")
            yield Recorded(int(ts_recv), payload)


def binance_snapshot(frames: list[Recorded], seconds: int = 60) -> Snapshot:
    """A REST book made of what the first seconds of the recording say, as of their last id.

    The recording has no REST book. Levels that did not change in that time are not in this one,
    so it is whole near the touch and thin far away; later diffs are exact all the same, since
    sizes are absolute.
    """
    end = frames[0].ts_recv + seconds * NS_PER_S
    sides: dict[str, dict[str, str]] = {"b": {}, "a": {}}
    stands_at = 0
    used = [frame for frame in frames if frame.ts_recv < end]
    for frame in used:
        data = json.loads(frame.payload)["data"]
        if data.get("e") != "depthUpdate":
            continue
        stands_at = data["u"]
        for key, levels in sides.items():
            for price, qty in data[key]:
                levels[price] = qty
    bids, asks = (
        [[p, q] for p, q in sorted(levels.items(), key=lambda each: Decimal(each[0])) if Decimal(q)]
        for levels in (sides["b"], sides["a"])
    )
    body = {"lastUpdateId": stands_at, "bids": bids[::-1], "asks": asks}
    return Snapshot(len(used), stands_at, json.dumps(body).encode())


def binance_expected(frames: list[Recorded], snapshot: Snapshot) -> dict[int, Sides]:
    """The book after so many frames, for ``CHECKPOINTS`` numbers of them behind the snapshot."""
    points = set(checkpoints(snapshot.frames + 1, len(frames)))
    books, found = SpotBooks("binance", [BINANCE_SYMBOL]), {}
    for number, frame in enumerate(frames):
        if number == snapshot.frames:
            books.take_rest(BINANCE_SYMBOL, snapshot.body)
        books.take(frame.payload)
        if number + 1 in points:
            found[number + 1] = books.sides(BINANCE_SYMBOL)
    return found


# Kraken: version 1 of the protocol, ten pairs on one connection.


def kraken_frames() -> Iterator[Recorded]:
    """Frames of the book channel in the shapes of version 2.

    The rule: a whole book (``as``, ``bs``) is a snapshot, anything else (``a``, ``b``, one or two
    bodies) an update; triples ``[price, volume, time]`` become objects whose numbers are the same
    digits without quotes, and a fourth member (``r``, a level that came back) is dropped; the
    checksum ``c`` is carried over. A snapshot of version 1 has none: it is given the one that the
    rule makes of its ten best levels, worked out here and not by the reading. The time is the
    newest of the levels'. What is in no book channel is left out.
    """
    with gzip.open(KRAKEN, "rt") as file:
        for line in file:
            record = json.loads(line)
            if record["t"] != "recv":
                continue
            frame = json.loads(record["data"])
            if isinstance(frame, list) and str(frame[-2]).startswith("book-"):
                ts_recv = int(Decimal(str(record["ts"])) * NS_PER_S)
                yield Recorded(ts_recv, _version_2(frame).encode())


def kraken_symbols(frames: list[Recorded]) -> list[str]:
    """The symbols that are in the frames, in the order in which they come."""
    return list(dict.fromkeys(json.loads(frame.payload)["data"][0]["symbol"] for frame in frames))


def kraken_expected(frames: list[Recorded]) -> dict[int, dict[str, Sides]]:
    """The books after so many frames, for ``CHECKPOINTS`` numbers of them; those that are whole."""
    points = set(checkpoints(len(frames) // CHECKPOINTS, len(frames)))
    symbols = kraken_symbols(frames)
    books, found = SpotBooks("kraken", symbols, depth=KRAKEN_DEPTH), {}
    for number, frame in enumerate(frames, 1):
        books.take(frame.payload)
        if number in points:
            based = [symbol for symbol in symbols if books.book(symbol).based]
            found[number] = {symbol: books.sides(symbol) for symbol in based}
    return found


def _version_2(frame: list[Any]) -> str:
    bodies, symbol = frame[1:-2], frame[-1]
    merged: dict[str, Any] = {key: value for body in bodies for key, value in body.items()}
    whole = "as" in merged or "bs" in merged
    asks, bids = (merged.get(key + ("s" if whole else ""), []) for key in "ab")
    checksum = int(merged["c"]) if "c" in merged else _checksum(asks, bids)
    newest = max((level[2] for level in (*asks, *bids)), key=Decimal)
    element = (
        f'{{"symbol":"{symbol}","bids":[{_objects(bids)}],"asks":[{_objects(asks)}],'
        f'"checksum":{checksum},"timestamp":"{_moment(newest)}"}}'
    )
    kind = "snapshot" if whole else "update"
    return f'{{"channel":"book","type":"{kind}","data":[{element}]}}'


def _objects(levels: list[list[str]]) -> str:
    return ",".join(f'{{"price":{level[0]},"qty":{level[1]}}}' for level in levels)


def _checksum(asks: list[list[str]], bids: list[list[str]]) -> int:
    digits = [number for side in (asks, bids) for level in side[:10] for number in level[:2]]
    return crc32("".join(each.replace(".", "").lstrip("0") for each in digits).encode())


def _moment(seconds: str) -> str:
    """``1618678142.557535`` as RFC 3339."""
    whole, _, fraction = seconds.partition(".")
    moment = datetime.fromtimestamp(int(whole), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction}Z"
