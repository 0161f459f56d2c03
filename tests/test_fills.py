"""Polymarket's trades have no id: equal fills of one transaction are told apart, copies are not
told again, and the auditor counts them alike. A trade with an id is one on any connection."""

import json
from typing import Any

import pytest
from audit_journals import Tape, TapedEngine, audited

from bookfeed import Engine, records

MS = 1_000_000
T0_MS = 1_790_000_000_000
ASSET = "1" * 77
TX = "0x" + "1f" * 32
Message = dict[str, Any]


def book(ms: int = 0) -> Message:
    levels = {"bids": [{"price": "0.48", "size": "30"}], "asks": [{"price": "0.52", "size": "25"}]}
    return {
        "event_type": "book",
        "market": "0xab",
        "asset_id": ASSET,
        "timestamp": _ms(ms),
    } | levels


def change(ms: int) -> Message:
    entry = {"asset_id": ASSET, "price": "0.40", "size": str(100 + ms), "side": "BUY"}
    entry |= {"best_bid": "0.48", "best_ask": "0.52"}
    head = {"event_type": "price_change", "market": "0xab", "timestamp": _ms(ms)}
    return head | {"price_changes": [entry]}


def fill(ms: int = 7, **other: Any) -> Message:
    trade = {
        "event_type": "last_trade_price", "market": "0xab", "asset_id": ASSET, "price": "0.52",
        "size": "5", "side": "BUY", "timestamp": _ms(ms), "transaction_hash": TX,
    }  # fmt: skip
    return trade | other


def _ms(ms: int) -> str:
    return str(T0_MS + ms)


class Session:
    """One asset on a connection, on tape for the auditor."""

    def __init__(self) -> None:
        self.tape = Tape()
        self.engine = TapedEngine(self.tape, {})
        self.ts = T0_MS * MS
        self.engine.connected(0, "polymarket", self.ts)
        self.engine.subscribe("polymarket", ASSET, 0, self.ts, market="0xab", outcome="Yes")
        self.told(book())

    def told(self, *messages: Message, conn: int = 0) -> int:
        """How many trades are told of a frame of these messages."""
        self.ts += MS
        payload = messages[0] if len(messages) == 1 else list(messages)
        self.engine.ingest(conn, json.dumps(payload).encode(), self.ts)
        batch = self.engine.drain()
        return sum(update.kind == "trade" for update in records.updates(batch, {0: ASSET}))

    def reconnect(self) -> None:
        self.engine.disconnected(0, self.ts)
        self.engine.connected(0, "polymarket", self.ts)
        self.told(book(20))

    def agrees(self) -> bool:
        report = audited(self.tape.records, {})
        return report.findings == [] and report.trades > 0


def test_fills_that_are_alike_are_as_many_trades() -> None:
    session = Session()
    assert [session.told(fill()), session.told(fill())] == [1, 1]
    assert session.told(fill(8), fill(8)) == 2
    assert session.told(fill(), fill(8, size="6"), fill(8)) == 2, "the first is a copy"
    assert session.agrees()


def test_what_differs_in_anything_is_another_trade() -> None:
    session = Session()
    others: list[Message] = [
        {"side": "SELL"},
        {"size": "6"},
        {"price": "0.51"},
        {"transaction_hash": "0x2e"},
    ]
    assert [session.told(fill(**other)) for other in ({}, *others)] == [1] * 5
    assert session.agrees()


def test_a_trade_between_changes_of_its_own_time_may_have_a_second() -> None:
    session = Session()
    assert [session.told(fill()), session.told(change(7)), session.told(fill())] == [1, 0, 1]
    assert session.agrees()


def test_a_copy_behind_a_newer_change_is_none() -> None:
    session = Session()
    session.told(fill())
    session.told(change(8))
    assert [session.told(fill()), session.told(fill())] == [0, 0]
    assert session.agrees()


def test_a_new_connection_tells_its_first_as_the_first_of_any() -> None:
    session = Session()
    assert session.told(fill(), fill()) == 2
    for news in (0, 0, 1):
        session.reconnect()
        assert session.told(*[fill()] * (2 + news)) == news
    assert session.agrees()


def test_a_market_that_moves_to_another_connection_is_counted_anew() -> None:
    session = Session()
    session.told(fill())
    session.engine.connected(1, "polymarket", session.ts)
    session.engine.subscribe("polymarket", ASSET, 1, session.ts, market="0xab", outcome="Yes")
    session.told(book(20), conn=1)
    assert [session.told(fill(), conn=1), session.told(fill(), conn=1)] == [0, 1]
    assert session.agrees()


KALSHI = {"type": "trade", "sid": 2, "seq": 1, "msg": {
    "trade_id": "d91bc706-ee49-470d-82d8-11418bda6fed", "market_ticker": "T", "count_fp": "5.00",
    "yes_price_dollars": "0.5200", "no_price_dollars": "0.4800", "taker_side": "yes",
    "ts_ms": T0_MS,
}}  # fmt: skip
KRAKEN = {"channel": "trade", "type": "update", "data": [{
    "symbol": "T", "side": "buy", "price": 84000.1, "qty": 0.01, "trade_id": 7,
    "ord_type": "market", "timestamp": "2026-09-21T14:13:20.000000Z",
}]}  # fmt: skip


@pytest.mark.parametrize(("venue", "trade"), [("kalshi", KALSHI), ("kraken", KRAKEN)])
def test_a_new_connection_tells_no_trade_with_an_id_again(venue: str, trade: Message) -> None:
    engine = Engine()
    engine.subscribe(venue, "T", 0, T0_MS * MS)
    for told in (1, 0):
        engine.connected(0, venue, T0_MS * MS)
        engine.ingest(0, json.dumps(trade).encode(), T0_MS * MS)
        kinds = [update.kind for update in records.updates(engine.drain(), {0: "T"})]
        assert kinds.count("trade") == told, kinds
        engine.disconnected(0, T0_MS * MS)
