"""A user's own quotes as the auditor has them: legs that hold as long as was stated."""

import json
import random
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from audit_journals import Records, audited, two_venues_recorded
from lengths import TIMES, seeds

from bookfeed import Engine
from bookfeed.audit import fees
from bookfeed.audit.fees.user import UserFees
from bookfeed.audit.model import Model
from bookfeed.audit.readings.user import UserReading
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.records import signals
from bookfeed.sim.polymarket_kalshi.twovenue import TwoVenueConfig

MS = 1_000_000
CONN = 7
GOOD = {"symbol": "mine", "bid": ["0.48", "100"], "ask": ["0.52", "50"], "max_age_ns": 5_000}


def quote(rng: random.Random) -> bytes:
    """A quote that is good most of the time, and holds for a while or for next to no time."""
    at = rng.randint(30, 70)
    bid = [f"0.{at - rng.randint(0, 3)}", str(rng.randint(1, 300))]
    ask = [f"0.{at + rng.randint(0, 3)}", f"{rng.randint(1, 300)}.5"]
    document: dict[str, Any] = {"symbol": rng.choice(["mine", "other"]), "bid": bid, "ask": ask}
    document["max_age_ns"] = rng.choice([1, 20 * MS, 300 * MS, 5_000 * MS])
    if rng.random() < 0.1:
        document[rng.choice([*document])] = rng.choice([None, 7, [], "0.5"])
    return json.dumps(document).encode()


def with_quotes(records: Records, seed: int) -> Records:
    """Two more markets beside those of a journal, and rules in which they are legs."""
    rng = random.Random(seed)
    listings = [json.loads(each[-1]) for each in records if each[0] == Kind.SUBSCRIBE]
    other = next(each["symbol"] for each in listings if each["venue"] == "kalshi")
    box = {"a": f"kalshi {other} yes", "b": "user mine yes", "polarity_check": "off"}
    rules: list[tuple[str, dict[str, str]]] = [
        ("spread", {"open": "0.01"}),
        ("box", box),
        ("box", box | {"b": "user other no", "polarity_check": "on", "confirm": "off"}),
        ("basket", {"legs": "user mine yes;user other yes", "exhaustive": "true"}),
        ("ladder", {"legs": f"user other yes;kalshi {other} yes", "max_age_ms": "200"}),
    ]
    ts = records[0][1]
    added: Records = [(int(Kind.CONNECTED), ts, CONN, 1, b"user")]
    for symbol, more in (("mine", {}), ("other", {"fee": "user:0.002"})):
        listing = {"venue": "user", "symbol": symbol, **more}
        added.append((int(Kind.SUBSCRIBE), ts, CONN, 1, json.dumps(listing).encode()))
    for kind, params in rules:
        stated = {"kind": kind, "params": params}
        added.append((int(Kind.RULE), ts, 0, 1, json.dumps(stated).encode()))
    for record in records:
        added.append(record)
        if record[0] == Kind.FRAME and rng.random() < 0.3:
            added.append((int(Kind.FRAME), record[1], CONN, 1, quote(rng)))
        if rng.random() < 0.01:
            added.append((int(Kind.DISCONNECTED), record[1], CONN, 1, b"test"))
            added.append((int(Kind.CONNECTED), record[1], CONN, 1, b"user"))
    return added


def journal(seed: int) -> Records:
    records = two_venues_recorded(TwoVenueConfig(seed=seed), items=1_500)
    return with_quotes(records, seed)


def opened_on_quotes(records: Records) -> Counter[str]:
    """How many opportunities with such a leg there are, by rule, as the engine has it."""
    engine = Engine()
    play = EngineInput(engine)
    for kind, ts, conn, _, payload in records:
        play.apply(kind, ts, conn, payload)
    quotes = {engine.instrument("user", symbol) for symbol in ("mine", "other")}
    return Counter(
        signal.rule
        for signal in signals(engine.drain())
        if signal.phase == "open" and quotes & {leg.instrument for leg in signal.legs}
    )


def test_signals_with_quotes_of_the_users_are_audited() -> None:
    opened: Counter[str] = Counter()
    for seed in seeds(2, first=0):
        records = journal(seed)
        assert audited(records, {}).findings == []
        opened += opened_on_quotes(records)
    assert min(opened[rule] for rule in ("spread", "box", "basket", "ladder")) > TIMES, opened


def test_who_believes_a_quote_too_long_or_gives_it_up_too_soon_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here it is the auditor who errs: its quotes hold for half, or twice, as long."""
    apply = UserReading.apply
    for wrong, what in ((Decimal("0.5"), "believed beyond"), (2, "stale before")):

        def misread(self: UserReading, conn: int, message: Any, by: Any = wrong) -> Any:
            if message.kind == "quote":
                held = int(message.body.max_age_ns * by)
                message.body = message.body._replace(max_age_ns=held)
            return apply(self, conn, message)

        monkeypatch.setattr(UserReading, "apply", misread)
        found = audited(journal(1), {}).findings
        assert any(each.kind == "standing" and what in each.what for each in found)


@pytest.mark.parametrize(
    "change",
    [
        {"bid": ["0.48"]}, {"bid": ["0.48", "0"]}, {"bid": ["1", "5"]}, {"bid": [0.48, 100]},
        {"bid": "0.48"}, {"bid": ["-0.1", "1"]}, {"ask": ["5e-1", "1"]}, {"max_age_ns": 0},
        {"max_age_ns": "5000"}, {"max_age_ns": 1.5}, {"max_age_ns": True}, {"max_age_ns": 10**19},
    ],
)  # fmt: skip
def test_what_is_no_quote_breaks_its_own_book_alone(change: dict[str, object]) -> None:
    model = Model()
    for symbol in ("mine", "other"):
        listing = {"venue": "user", "symbol": symbol}
        model.control(Kind.SUBSCRIBE, CONN, b"", listing)
        model.state_changed(
            model.find("user", symbol) or 0, "syncing", "subscribed", snapshot=False
        )
    reading = model.reading("user")
    assert isinstance(reading, UserReading)
    for symbol in ("mine", "other"):
        (message,) = reading.read(CONN, json.dumps(GOOD | {"symbol": symbol}).encode())
        assert reading.apply(CONN, message).broken == {}
    (message,) = reading.read(CONN, json.dumps(GOOD | change).encode())
    assert reading.apply(CONN, message).broken == {0: "malformed"}
    assert [one.based for one in model.instruments] == [False, True]


def test_fees_are_none_unless_stated_and_rounded_up() -> None:
    assert fees.unstated("user") == UserFees(Decimal(0)) and fees.unstated("kalshi") is None
    stated = fees.parse("user:0.015")
    half = [(Decimal("0.4"), Decimal("0.00000001")), (Decimal("0.4"), Decimal(7))]
    assert stated.order(half, sell=False, maker=True) == Decimal("0.105000001")
    assert stated.marginal(Decimal("0.4"), maker=False) == Decimal("0.015")
