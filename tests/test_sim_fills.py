"""Faults of the simulated Polymarket: trades told twice, and first books that come late."""

import json
from collections import Counter
from typing import Any

import pytest
from test_sim_server import client, receive, simulator

from bookfeed.sim.polymarket.faults import Fault
from bookfeed.sim.polymarket.stream import Item, Stream
from bookfeed.sim.polymarket.venue import VenueConfig

CONFIG = VenueConfig(markets=2, seed=21, new_market_every=0)
TRADE = b'"event_type":"last_trade_price"'


def told(*faults: Fault, items: int = 2_500) -> tuple[list[Item], Stream]:
    stream = Stream(CONFIG, faults=faults, rate=200.0)
    return [item for item in stream.items(items) if item.kind != "lost"], stream


def repeated(items: list[Item]) -> bytes:
    """The only trade that comes twice."""
    trades = Counter(item.payload for item in items if TRADE in item.payload)
    (payload,) = [payload for payload, times in trades.items() if times > 1]
    assert trades[payload] == 2
    return payload


def test_fills_that_are_alike_come_one_after_the_other() -> None:
    items, stream = told(Fault("fill", at_frame=40))
    payload = repeated(items)
    first = next(n for n, item in enumerate(items) if item.payload == payload)
    assert items[first + 1].payload == payload
    transaction = json.loads(payload)["transaction_hash"]
    assert [event.detail for event in stream.fault_log] == [f"twice {transaction}"]


def test_a_copy_comes_behind_what_is_newer_of_its_book() -> None:
    items, _ = told(Fault("fill", at_frame=40, variant="again"))
    payload = repeated(items)
    trade = json.loads(payload)
    places = [n for n, item in enumerate(items) if item.payload == payload]
    newer = json.loads(items[places[1] - 1].payload)
    assert trade["asset_id"] in json.dumps(newer)
    assert int(newer["timestamp"]) > int(trade["timestamp"])


def test_a_copy_of_the_next_connection_comes_behind_its_first_books() -> None:
    items, _ = told(Fault("fill", at_frame=40, variant="anew"), Fault("disconnect", at_frame=200))
    payload = repeated(items)
    again = max(n for n, item in enumerate(items) if item.payload == payload)
    assert [item.kind for item in items[again - 2 : again]] == ["connected", "frame"]
    assert items[again - 1].payload.startswith(b"[")


@pytest.mark.parametrize("variant", ["late", "unstamped"])
def test_first_books_come_behind_changes(variant: str) -> None:
    items, stream = told(Fault("first-book", variant=variant), items=60)
    sound = told(items=60)[0]
    frames = [item.payload for item in items if item.kind == "frame"]
    place = next(n for n, payload in enumerate(frames) if payload.startswith(b"["))
    books = frames.pop(place)
    initial, *rest = [item.payload for item in sound if item.kind == "frame"]
    assert place == 5 and frames == rest[: len(frames)]
    said, meant = _unstamped(books), _unstamped(initial)
    assert said == meant and (books == initial) == (variant == "late")
    assert [event.detail for event in stream.fault_log] == [variant]


async def test_over_sockets() -> None:
    faults = (Fault("first-book"), Fault("fill"))
    async with simulator(markets=1, rate=300, faults=faults) as server, client(server) as ws:
        assert not (await receive(ws)).startswith("["), "changes come first"
        books, trades = 0, list[str]()
        while not books or len(trades) < 2:
            text = await receive(ws)
            books += text.startswith("[")
            trades += [text] if TRADE.decode() in text else []
        assert trades[0] == trades[1]


def _unstamped(books: bytes) -> list[dict[str, Any]]:
    return [
        {name: book[name] for name in book if name != "timestamp"} for book in json.loads(books)
    ]
