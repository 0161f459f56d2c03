"""The auditor and the engine agree on journals of the simulated spot venues, with every fault."""

import json
from collections import Counter

import pytest
from audit_journals import audited, spot_recorded
from lengths import TIMES, seeds

from bookfeed._bookfeed import Engine
from bookfeed.audit import Auditor
from bookfeed.audit.books import Side
from bookfeed.recordings.kinds import Kind
from bookfeed.scorecard.campaigns.binance_kraken import PLAYS
from bookfeed.scorecard.campaigns.world import worlds
from bookfeed.scorecard.witness import EngineWitness
from bookfeed.sim.coinbase.faults import CoinbaseFault
from bookfeed.sim.numbers import NUMBERS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("venue", PLAYS)
def test_a_simulated_spot_venue_with_faults_agrees(venue: str) -> None:
    agreed: Counter[str] = Counter()
    books = touches = 0
    for seed in seeds(4):
        report = audited(*spot_recorded(venue, seed, items=600))
        assert report.findings == [], f"seed {seed}"
        books += report.books
        touches += report.touches
        agreed += report.signals
    assert books > 1_100 * TIMES and touches > 400 * TIMES
    # Version 2 of Gemini tells no times: nothing says how late it is, and no signal rests on it.
    least = 0 if venue == "gemini-v2" else 2 * TIMES - 1
    assert min(agreed[f"spread {phase}"] for phase in ("open", "close")) >= least, agreed


@pytest.mark.parametrize("cell", ["lost", "late", "foreign", "again"])
@pytest.mark.parametrize("venue", ["coinbase", "cryptocom", "gemini", "gemini-v2", "kraken"])
def test_whole_books_that_are_not_as_they_should_be_are_read_alike(venue: str, cell: str) -> None:
    fault = next(world.fault for world in worlds() if world.name == venue)
    schedule = (fault("disconnect", at_frame=60), fault("snapshot", variant=cell, at_frame=60))
    for seed in seeds(2):
        report = audited(*spot_recorded(venue, seed, items=300, schedule=schedule))
        assert report.findings == [], f"seed {seed}"
        assert report.books > 150


@pytest.mark.parametrize("variant", NUMBERS)
def test_numbers_that_go_on_elsewhere_are_read_alike(variant: str) -> None:
    fault = CoinbaseFault("numbers", variant=variant, at_frame=60)
    for seed in seeds(2):
        report = audited(*spot_recorded("coinbase", seed, items=300, schedule=(fault,)))
        assert report.findings == [], f"seed {seed}"


def test_answers_are_on_the_tape_with_whose_they_are() -> None:
    records, _ = spot_recorded("binance", 3, items=300)
    answers = [payload for kind, _, _, _, payload in records if kind == Kind.REST_BOOK]
    assert answers and not any(kind == Kind.REST for kind, *_ in records)
    assert {json.loads(answer.partition(b"\n")[0])["stands_at"] for answer in answers} == {None}


# On Coinbase what comes again has a number that came before.
@pytest.mark.parametrize("venue", sorted(PLAYS.keys() - {"coinbase"}))
def test_trades_that_come_again_are_told_once(venue: str) -> None:
    records, options = spot_recorded(venue, 3, items=400, clean=True)
    once = audited(list(records), options)
    told = [n for n, record in enumerate(records[:-5]) if b'"trade"' in record[4]]
    for number in reversed(told):
        place = number + 5
        records.insert(place, (*records[place][:4], records[number][4]))
    twice = audited(records, options)
    assert once.findings == twice.findings == []
    assert once.trades == twice.trades > 10


class Mistaken(EngineWitness):
    """An engine that knows one size of every whole side by another number."""

    def levels(self, number: int, side: Side) -> list[list[int]]:
        levels = super().levels(number, side)
        return [[at, qty + (place == 3)] for place, (at, qty) in enumerate(levels)]


@pytest.mark.parametrize("venue", PLAYS)
def test_a_size_that_is_not_the_venues_is_found(venue: str) -> None:
    records, options = spot_recorded(venue, 5, items=300, clean=True)
    assert audited(records, options).findings == []
    report = Auditor(Mistaken(Engine(**options))).run(records)
    assert {finding.kind for finding in report.findings} == {"levels"}
