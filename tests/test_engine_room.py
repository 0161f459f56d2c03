"""How many books an engine has room for, whoever asks for one more."""

import json

import pytest

from bookfeed import Engine
from bookfeed.errors import EngineError

T0 = 1_790_000_000_000_000_000


def book_of(asset: str) -> bytes:
    book = {
        "event_type": "book", "market": "0xaa", "asset_id": asset,
        "timestamp": str(T0 // 1_000_000), "bids": [{"price": "0.4", "size": "1"}], "asks": [],
    }  # fmt: skip
    return json.dumps(book).encode()


def test_there_are_so_many_books_and_no_more() -> None:
    engine = Engine(books_max=2, auto_subscribe=True)
    engine.subscribe("polymarket", "1", 0, T0)
    engine.ingest(0, book_of("2"), T0)
    assert engine.book(1).live
    with pytest.raises(EngineError, match="follows 2 books and no more"):
        engine.subscribe("polymarket", "3", 0, T0)
    engine.ingest(0, book_of("4"), T0)
    assert engine.counters()["unknown_instruments"] == 1
    assert [book.symbol for book in engine.books()] == ["1", "2"]
    assert engine.subscribe("polymarket", "1", 1, T0) == 0, "one that is there moves"


def test_a_symbol_has_so_many_bytes_and_no_more() -> None:
    engine = Engine()
    with pytest.raises(EngineError, match="a symbol of 513 bytes; at most 512 are allowed"):
        engine.subscribe("polymarket", "1" * 513, 0, T0)
    assert engine.subscribe("polymarket", "1" * 512, 0, T0) == 0
