"""The auditor follows markets and rules that come and go: nothing of one that went is another's."""

import json

import pytest
from audit_journals import audited
from audit_markets import POLYMARKET, Markets

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
