"""How deep, how tight and how busy recorded spot books are: the figures that simulated worlds for
the index are made by (``bookfeed/scorecard/campaigns/index_books.py``).

``python scripts/spot_profile.py FOLDER`` prints a line a recording. The recordings are no part of
the project, and nothing of them goes into it but what is printed here.
"""

import argparse
import gzip
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import log
from pathlib import Path
from typing import Any, Final

BANDS_BPS: Final = (1, 2, 5, 10, 25, 50)
DUST: Final = 1e-2
"""Levels of less than this part of the mean size are dust, and counted apart."""
Levels = dict[float, float]


@dataclass
class Book:
    """A book as recorded, and how much was said of it."""

    bids: Levels = field(default_factory=dict)
    asks: Levels = field(default_factory=dict)
    changes: int = 0
    messages: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    spreads_bps: list[float] = field(default_factory=list)

    def put(self, is_bid: bool, price: str, size: str) -> None:
        side = self.bids if is_bid else self.asks
        if float(size):
            side[float(price)] = float(size)
        else:
            side.pop(float(price), None)

    def told(self, at_s: float, changes: int) -> None:
        """A message is over that changed so many levels."""
        self.first_s = self.first_s or at_s
        self.last_s = at_s
        self.messages += 1
        self.changes += changes
        if self.bids and self.asks:
            bid, ask = max(self.bids), min(self.asks)
            self.spreads_bps.append(2e4 * (ask - bid) / (ask + bid))

    def profile(self) -> dict[str, Any]:
        """Figures of the book as it stood last; sizes in the base, means of both sides."""
        middle = (max(self.bids) + min(self.asks)) / 2
        within = {bps: [self._within(side, middle, bps) for side in (self.bids, self.asks)]
                  for bps in BANDS_BPS}  # fmt: skip
        near = within[BANDS_BPS[-1]]
        sizes = [size for side in near for size in side]
        dust = DUST * sum(sizes) / len(sizes)
        logs = [log(size) for size in sizes if size >= dust]
        lasted_s = self.last_s - self.first_s
        return {
            "middle": round(middle, 2),
            "spread_bps": round(statistics.median(self.spreads_bps), 3),
            "size_within_bps": {bps: round(sum(map(sum, sides)) / 2, 3)
                                for bps, sides in within.items()},
            "levels_within_bps": {bps: sum(map(len, sides)) // 2 for bps, sides in within.items()},
            "lean": round(log(sum(near[0]) / sum(near[1])), 2),
            "levels": (len(self.bids) + len(self.asks)) // 2,
            "dust_share": round(1 - len(logs) / len(sizes), 2),
            "spread_of_log_size": round(statistics.stdev(logs), 2),
            "messages_a_second": round(self.messages / lasted_s, 1),
            "changes_a_second": round(self.changes / lasted_s, 1),
        }  # fmt: skip

    @staticmethod
    def _within(side: Levels, middle: float, bps: float) -> list[float]:
        return [size for price, size in side.items() if abs(price / middle - 1) <= bps / 1e4]


def _records(path: Path) -> Iterator[tuple[float, Any]]:
    with gzip.open(path, "rt") as file:
        for line in file:
            record = json.loads(line)
            if record["t"] in ("recv", "http"):
                yield float(record["ts"]), record


def coinbase(path: Path) -> Book:
    """Advanced Trade, BTC-USD."""
    book = Book()
    for at_s, record in _records(path):
        data = json.loads(record["data"])
        if data.get("channel") != "l2_data":
            continue
        for event in data["events"]:
            if event["product_id"] == "BTC-USD":
                for one in event["updates"]:
                    book.put(one["side"] == "bid", one["price_level"], one["new_quantity"])
                if event["type"] == "update":
                    book.told(at_s, len(event["updates"]))
    return book


def gemini(path: Path) -> Book:
    """Version 2, BTC-USD."""
    book = Book()
    for at_s, record in _records(path):
        data = json.loads(record["data"]) if record["t"] == "recv" else {}
        if data.get("type") == "l2_updates" and data["symbol"] == "BTCUSD":
            whole = not book.bids
            for side, price, size in data["changes"]:
                book.put(side == "buy", price, size)
            if not whole:
                book.told(at_s, len(data["changes"]))
    return book


def kraken(path: Path) -> Book:
    """Version 1, 1,000 levels a side, XBT/CHF."""
    book = Book()
    for at_s, record in _records(path):
        data = json.loads(record["data"]) if record["t"] == "recv" else {}
        if not isinstance(data, list) or data[-1] != "XBT/CHF" or "book" not in data[-2]:
            continue
        count = 0
        for body in data[1:-2]:
            for key in ("as", "a", "bs", "b"):
                for price, size, *_ in body.get(key, ()):
                    book.put(key[0] == "b", price, size)
                    count += len(key) == 1
        if count:
            book.told(at_s, count)
    return book


def bitstamp(path: Path) -> Book:
    """Changes put on a book by REST, ETH-USD."""
    book, since = Book(), 0
    for at_s, record in _records(path):
        if record["t"] == "http":
            if record["url"].endswith("/order_book/ethusd"):
                whole = json.loads(record["data"])
                since = int(whole["microtimestamp"])
                for price, size in whole["bids"]:
                    book.put(True, price, size)
                for price, size in whole["asks"]:
                    book.put(False, price, size)
            continue
        frame = json.loads(record["data"])
        data = frame.get("data", {})
        if frame.get("channel") != "diff_order_book_ethusd" or frame["event"] != "data":
            continue
        if int(data["microtimestamp"]) > since:
            for key in ("bids", "asks"):
                for price, size in data[key]:
                    book.put(key == "bids", price, size)
            book.told(at_s, len(data["bids"]) + len(data["asks"]))
    return book


def binance(path: Path) -> Book:
    """Changes alone, BTC-USDT: near the touch as good as whole after some minutes."""
    book = Book()
    with gzip.open(path) as file:
        for line in file:
            received, _, payload = line.partition(b" ")
            data = json.loads(payload)["data"]
            if data.get("e") == "depthUpdate":
                for key in ("b", "a"):
                    for price, size in data[key]:
                        book.put(key == "b", price, size)
                book.told(int(received) / 1e9, len(data["b"]) + len(data["a"]))
    return book


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for read in (coinbase, gemini, kraken, bitstamp, binance):
        for path in sorted(folder.glob(f"{read.__name__}*.gz")):
            print(json.dumps({"recording": path.name, **read(path).profile()}))


if __name__ == "__main__":
    main()
