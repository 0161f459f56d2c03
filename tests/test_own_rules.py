"""Rules take none of the user's own orders: recorded, replayed, read by the auditor by itself."""

import json
import random
from collections import Counter
from typing import Any

import pytest
from audit_journals import Records, audited
from audit_markets import Markets
from lengths import TIMES, seeds

from bookfeed import Engine, EngineError
from bookfeed.audit.model import Model
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.replay import apply_record

STRIKES = "kalshi K-0 yes; kalshi K-1 yes; kalshi K-2 yes"
RULES: list[tuple[str, dict[str, Any]]] = [
    *(
        ("box", {"a": f"kalshi K-{n} yes", "b": f"polymarket {outcome}{n} yes",
                 "polarity_check": "off", "confirm": "off", "max_lag_ms": "0",
                 "min_edge": "0.001"})
        for n in range(3)
        for outcome in "YN"
    ),
    ("ladder", {"legs": STRIKES, "min_edge": "0.001"}),
    ("basket", {"legs": STRIKES, "exhaustive": "true", "min_qty": "5", "confirm": "off"}),
    ("complement", {"min_edge": "0"}),
    ("spread", {"open": "0.05", "close": "0.03"}),
]  # fmt: skip
OPTIONS: dict[str, Any] = {"hash_check": "off"}


def resting(rng: random.Random, engine: Engine) -> bytes:
    """The user's own orders in one book: parts of its best levels, all of them, more, or none."""
    book = rng.choice(list(engine.books()))
    told: dict[str, Any] = {"instrument": book.instrument}
    share = rng.choice([0, 1, 2, 4])
    for side in ("bid", "ask"):
        levels = book.levels_exact(side).tolist()[: rng.randrange(4)] if share else []
        told[f"{side}s"] = [[price, max(1, qty // 2 * share)] for price, qty in levels]
    return json.dumps(told).encode()


def with_own(seed: int, steps: int) -> tuple[Records, int]:
    """A journal in which the user's orders come and go, and what was refused for them."""
    rng, engine = random.Random(seed), Engine(**OPTIONS)
    markets = Markets(seed, yes_prices=seed % 2 == 0, trouble=0.02)
    markets.begin(RULES, "direct")
    records: Records = []
    for record in markets.run(steps):
        records.append(record)
        assert apply_record(engine, record[0], record[1], record[2], record[-1])
        if record[0] == Kind.FRAME and rng.randrange(4) == 0:
            own = (int(Kind.OWN), record[1], 0, 0, resting(rng, engine))
            records.append(own)
            assert apply_record(engine, own[0], own[1], own[2], own[-1])
    return records, engine.refusals()["own"]


def test_the_auditor_agrees_on_what_is_left_without_the_users_orders() -> None:
    agreed: Counter[str] = Counter()
    refused = 0
    for seed in seeds(2):
        records, count = with_own(seed, 300)
        report = audited(records, OPTIONS)
        assert report.findings == [], f"seed {seed}"
        agreed += report.signals
        refused += count
    assert refused > 12 * TIMES, refused
    assert min(agreed[f"{rule} open"] for rule in ("box", "ladder", "basket")) > TIMES, agreed


def test_an_auditor_that_knows_no_orders_would_not_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    records, _ = with_own(1, 300)
    known = Model.control

    def deaf(self: Model, kind: int, *rest: Any) -> None:
        if kind != Kind.OWN:
            known(self, kind, *rest)

    monkeypatch.setattr(Model, "control", deaf)
    kinds = {finding.kind for finding in audited(records, OPTIONS).findings}
    assert kinds & {"missing", "different", "extra"}


def test_orders_of_an_unknown_book_and_levels_that_are_none_are_refused() -> None:
    engine = Engine()
    engine.connected(0, "polymarket", 1)
    number = engine.subscribe("polymarket", "1" * 77, 0, 1)
    with pytest.raises(EngineError, match="no instrument"):
        engine.own_resting(number + 1, [], [], 2)
    with pytest.raises(EngineError, match="twice; give the sum"):
        engine.own_resting(number, [(1, 1), (1, 2)], [], 2)
    with pytest.raises(EngineError, match="a size above 0"):
        engine.own_resting(number, [], [(1, 0)], 2)
    for payload in (b"{}", b'{"instrument": 0, "bids": 1, "asks": []}', b'[]',
                    b'{"instrument": 0, "bids": [[1]], "asks": []}',
                    b'{"instrument": 0, "bids": [["1", 1]], "asks": []}'):  # fmt: skip
        assert not apply_record(engine, Kind.OWN, 3, 0, payload)
