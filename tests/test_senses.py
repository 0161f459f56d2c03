"""Each spot venue's word for who crossed the spread is read the right way round: simulated venues
whose books and trades fit each other, and the same with every aggressor turned round.
"""

import logging
from typing import Any, Final

import pytest
from audit_journals import audited, spot_recorded

from bookfeed._bookfeed import Engine
from bookfeed.doctor.traffic import turned
from bookfeed.feed.lines import FeedLog
from bookfeed.names import Names
from bookfeed.recordings.inputs import EngineInput
from bookfeed.scorecard.campaigns import binance_kraken as spot_campaign
from bookfeed.sim.spot import SpotMarket

VENUES: Final = tuple(spot_campaign.PLAYS)
ITEMS: Final = 2_500


def turn_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have venues name the maker's side as the taker's."""
    tell = SpotMarket._print  # noqa: SLF001 - the venue itself is to be wrong

    def wrong(self: SpotMarket, price: int, size: int, buys: bool) -> None:
        tell(self, price, size, not buys)

    monkeypatch.setattr(SpotMarket, "_print", wrong)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("wrong", [False, True])
def test_a_venue_that_names_the_makers_is_noticed(
    venue: str, wrong: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if wrong:
        turn_round(monkeypatch)
    records, options = spot_recorded(venue, 7, items=ITEMS, clean=True)
    engine = Engine(**options)
    inputs = EngineInput(engine)
    for kind, ts, conn, _epoch, payload in records:
        inputs.apply(kind, ts, conn, payload)
    ((name, told),) = engine.senses().items()
    share = told["agreed"] / told["decided"]
    assert name == venue.removesuffix("-v2") and told["decided"] >= 100
    assert share < 0.2 if wrong else share > 0.8
    assert (told["alarms"] > 0) is wrong
    assert engine.counters()["turned_aggressors"] == told["alarms"]
    # The auditor remembers more mids, and so counts a few trades more.
    findings = {one.kind for one in audited(records, options).findings}
    assert findings == ({"aggressor"} if wrong else set())
    (finding,) = turned(name, told)
    assert finding.grade == ("warn" if wrong else "ok")


def test_a_feed_says_so_once_for_each_alarm(caplog: pytest.LogCaptureFixture) -> None:
    log, told = FeedLog(Names()), {"decided": 100, "agreed": 3, "alarms": 0}
    told_by: Any = lambda: {"kraken": told}  # noqa: E731
    with caplog.at_level(logging.WARNING, "bookfeed.feed"):
        for second, alarms in enumerate([0, 1, 1, 2], 1):
            told["alarms"] = alarms
            log.senses(second * 10**9, told_by)
            log.senses(second * 10**9 + 1, lambda: pytest.fail("it looks once a second"))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2 and all("turned-aggressors venue=kraken" in line for line in lines)
