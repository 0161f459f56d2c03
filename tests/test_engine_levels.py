"""Level changes as Python sees them: a copy that is fed by nothing else is the book."""

import json

from bookfeed import STATES, Engine

MS = 1_000_000


def _snapshot(engine: Engine, seq: int, yes: dict[str, str], no: dict[str, str]) -> None:
    rows = {"yes_dollars_fp": [*yes.items()], "no_dollars_fp": [*no.items()]}
    _say(engine, "orderbook_snapshot", seq, {"market_ticker": "KX-1", **rows})


def _delta(engine: Engine, seq: int, side: str, price: str, change: str) -> None:
    changed = {"price_dollars": price, "delta_fp": change, "side": side}
    _say(engine, "orderbook_delta", seq, {"market_ticker": "KX-1", **changed})


def _say(engine: Engine, kind: str, seq: int, msg: dict[str, object]) -> None:
    frame = {"type": kind, "sid": 1, "seq": seq, "msg": msg}
    engine.ingest(0, json.dumps(frame).encode(), seq * MS)


def _engine() -> Engine:
    engine = Engine(digest=True)
    engine.connected(0, "kalshi", 0)
    assert engine.subscribe("kalshi", "KX-1", 0, 0) == 0
    return engine


def test_a_copy_is_the_book_whatever_its_state() -> None:
    engine, plain = _engine(), _engine()
    engine.watch_levels(True)
    copy: tuple[dict[int, int], dict[int, int]] = ({}, {})
    seqs, states = [], []
    for step in range(1, 7):
        for each in (engine, plain):
            if step == 1:
                _snapshot(each, 1, {"0.41": "5.00", "0.40": "7.00"}, {"0.55": "3.00"})
            elif step == 2:
                _delta(each, 2, "yes", "0.42", "2.00")
            elif step == 3:
                _delta(each, 3, "no", "0.55", "-3.00")
            elif step == 4:
                _delta(each, 9, "yes", "0.42", "1.00")  # a gap: the book is stale
            elif step == 5:
                _snapshot(each, 10, {"0.41": "5.00"}, {"0.56": "4.00"})
            else:
                each.unsubscribe(0, 11 * MS)
        batch = engine.drain()
        assert len(plain.drain().levels) == 0
        assert len(batch) == len(batch.updates) + len(batch.levels)
        for level in batch.levels:
            side = copy[level["side"]]
            assert side.get(level["price_e9"], 0) == level["old_qty_e8"]
            side[level["price_e9"]] = level["new_qty_e8"]
            states.append(STATES[level["state"]])
        seqs += batch.levels["seq"].tolist()
        book = engine.book(0)
        held = [{price: qty for price, qty in side.items() if qty} for side in copy]
        bids, asks = book.levels_exact("bid"), book.levels_exact("ask")
        assert held == [dict(bids.tolist()), dict(asks.tolist())]
    assert seqs == [1, 1, 1, 2, 3, 4, 4, 4, 5, 5]
    assert states == ["live"] * 8 + ["stale"] * 2
    assert engine.digest() == plain.digest()
