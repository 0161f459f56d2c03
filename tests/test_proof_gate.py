"""The gate ``proof``: signals rest on books for which their venue vouches as they stand."""

import json
from typing import Any, Literal

import pytest
from test_time_stamps import MS, NO, YES, Market

from bookfeed import Engine, records
from bookfeed.errors import EngineError

S = 1_000_000_000


def phases(engine: Engine) -> list[str]:
    return [f"{one.phase} {one.reason}" for one in records.signals(engine.drain())]


def wide(hash_check: Literal["always", "sampled", "off"], **gates: str) -> Market:
    """A market of Polymarket, and a rule that finds its spread worth a signal."""
    market = Market(hash_check)
    market.engine.add_rule("spread", {"open": "0.02"} | gates)
    return market


@pytest.mark.parametrize("hash_check", ["always", "sampled"])
def test_a_signal_lives_as_long_as_hashes_vouch(hash_check: Literal["always", "sampled"]) -> None:
    market = wide(hash_check, proof="venue")
    market.say(market.walk(1, market.ms + 10), 10)
    assert phases(market.engine) == ["open none"] * 2
    market.say(market.change(market.ms + 10, "0.40", "101"), 10)
    assert phases(market.engine) == [], "this hash vouches for the changed book"
    market.hashes = False
    market.say(market.change(market.ms + 10, "0.40", "102"), 10)
    assert phases(market.engine) == ["close refused"] * 2
    assert market.engine.refusals(0)["unproven"] == 2
    assert all(market.engine.book(market.ids[asset]).live for asset in (YES, NO))
    market.hashes = True
    market.say(market.change(market.ms + 10, "0.40", "103"), 10)
    assert phases(market.engine) == ["open none"] * 2


def test_nothing_vouches_where_no_hash_is_checked() -> None:
    market, trusting = wide("off", proof="venue"), wide("off")
    for one in (market, trusting):
        one.say(one.walk(1, one.ms + 10), 10)
    assert (phases(market.engine), phases(trusting.engine)) == ([], ["open none"] * 2)
    assert market.engine.refusals(0)["unproven"] == 2
    book = market.engine.book(market.ids[YES])
    assert [bool(book.trusted(proof=proof)) for proof in (None, "venue")] == [True, False]


def test_numbers_vouch_and_a_quote_of_ones_own_stands_by_itself() -> None:
    engine = Engine()
    engine.connected(0, "kalshi", S)
    kalshi = engine.book(engine.subscribe("kalshi", "KX-1", 0, S))
    engine.connected(1, "user", S)
    own = engine.book(engine.subscribe("user", "mine", 1, S))
    engine.add_rule("spread", {"open": "0.04", "proof": "venue"})
    sides = {"yes": [[44, 10]], "no": [[52, 7]]}
    message: dict[str, Any] = {"market_ticker": "KX-1", **sides}
    frame = {"type": "orderbook_snapshot", "sid": 1, "seq": 1, "msg": message}
    frame["sending_ts_ms"] = S // MS
    engine.ingest(0, json.dumps(frame).encode(), S + MS)
    assert phases(engine) == ["open none"] and kalshi.trusted(proof="venue") is kalshi
    quote = {"symbol": "mine", "bid": ["0.40", "5"], "ask": ["0.46", "5"], "max_age_ns": S}
    engine.ingest(1, json.dumps(quote).encode(), S + MS)
    assert phases(engine) == ["open none"] and own.trusted(proof="venue") is own


def test_another_proof_is_refused() -> None:
    with pytest.raises(EngineError, match=r'proof must be one of off, venue, not "hash"'):
        Engine().add_rule("spread", {"open": "0.04", "proof": "hash"})
