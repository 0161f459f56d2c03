"""The auditor follows markets and rules that come and go: nothing of one that went is another's."""

import json

import pytest
from audit_journals import Records, audited
from audit_markets import POLYMARKET, T0, Markets

from bookfeed.recordings.kinds import Kind

PER_LIFE = 60


class Rolling(Markets):
    """Markets of which those on Polymarket are let go of and subscribed anew, rules as well."""

    def __init__(self, seed: int, *, trouble: float) -> None:
        super().__init__(seed, yes_prices=False, trouble=trouble)
        # Kalshi's are subscribed first.
        self.numbers = [self.events + 2 * event for event in range(self.events)]
        self.next_number = 3 * self.events
        self.rules = 0

    def rule(self, event: int) -> None:
        legs = {"a": f"kalshi K-{event} yes", "b": f"polymarket Y{event} yes"}
        for kind, params in (("box", legs), ("spread", {"open": "0.02"})):
            self.put(Kind.RULE, 0, json.dumps({"kind": kind, "params": params}).encode())
            self.rules += 1

    def roll(self) -> None:
        """A market goes, its rules with it; it comes again as others, and has others."""
        event = self.any_event()
        for number in (self.numbers[event], self.numbers[event] + 1):
            self.put(Kind.UNSUBSCRIBE, 0, json.dumps({"instrument": number}).encode())
        for rule in (self.rules - 2, self.rules - 1):
            self.put(Kind.RULE_END, 0, json.dumps({"rule": rule}).encode())
        for _ in range(self.rng.randint(0, 3)):
            self.step()  # what was on its way
        for number in (self.numbers[event], self.numbers[event] + 1):
            self.put(Kind.FORGET, 0, json.dumps({"instrument": number}).encode())
        self.step()
        for outcome in "YN":
            listing = {
                "venue": "polymarket", "symbol": f"{outcome}{event}", "market": f"P-{event}",
                "outcome": outcome, "fee_rate": "0.04",
            }  # fmt: skip
            self.put(Kind.SUBSCRIBE, POLYMARKET, json.dumps(listing).encode())
        self.numbers[event], self.next_number = self.next_number, self.next_number + 2
        self.rule(event)
        self.whole_polymarket()


@pytest.mark.parametrize("seed", range(6))
def test_what_went_is_nothing_any_more(seed: int) -> None:
    markets = Rolling(seed, trouble=0.03 if seed % 2 else 0.0)
    markets.begin([], "direct")
    markets.rule(0)
    for _ in range(12):
        markets.run(PER_LIFE)
        markets.roll()
    markets.run(PER_LIFE)
    report = audited(markets.records, {})
    assert not report.findings, report.findings[:5]
    assert report.refused == 0
    assert report.signals["spread open"] > 20
    assert report.signals["spread close"] > 20


def test_a_market_that_comes_again_has_its_second_name_again() -> None:
    """Not that of the one which went, by which it would be two markets at once."""
    records: Records = [(int(Kind.CONNECTED), T0, 0, 1, b"kalshi")]
    rule: dict[str, object] = {"kind": "spread", "params": {"open": "0.02"}}

    def put(kind: Kind, content: dict[str, object]) -> None:
        records.append((int(kind), T0 + len(records), 0, 1, json.dumps(content).encode()))

    put(Kind.RULE, rule)
    for number in range(3):
        put(Kind.SUBSCRIBE, {"venue": "kalshi", "symbol": "K-1"})
        msg = {
            "market_ticker": "K-1",
            "market_id": "9b0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1",
            "yes_dollars_fp": [["0.3000", "10.00"]],
            "no_dollars_fp": [["0.6000", "10.00"]],
        }
        put(Kind.FRAME, {"type": "orderbook_snapshot", "sid": 1, "seq": number + 1, "msg": msg})
        put(Kind.UNSUBSCRIBE, {"instrument": number})
        put(Kind.FORGET, {"instrument": number})
    report = audited(records, {})
    assert not report.findings, report.findings[:5]
    assert (report.refused, report.books) == (0, 3)
