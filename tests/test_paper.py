"""The paper ledger and refusals, from hand-made frames: what is counted, told, and replayed.

``data/kalshi_ladder.ndjson`` is invented: two strikes of one event, the higher one bid above what
the lower one asks, twice, and once by less than the fees. Of the first, part is left when an order
can have arrived, of the second nothing.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from audit_journals import audited
from test_config_pairs import Tape

from bookfeed import Engine, Ladder, LadderLeg, Market, Outcome, records
from bookfeed.audit import Auditor
from bookfeed.audit.paper import Filled
from bookfeed.cli import main
from bookfeed.monitor.paper import PaperTape
from bookfeed.recordings.capture import Capture
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.replay import replay
from bookfeed.recordings.writer import JournalWriter
from bookfeed.scorecard.witness import EngineWitness
from bookfeed.venues import KalshiFee

CAPTURE: Final = Path(__file__).parent / "data" / "kalshi_ladder.ndjson"
LOW, HIGH = "KXTEST-26OCT0117-T85000", "KXTEST-26OCT0117-T86000"
LADDER: Final = Ladder(
    "BTC at 17:00",
    (LadderLeg("kalshi", LOW, "yes", "85000"), LadderLeg("kalshi", HIGH, "yes", "86000")),
    min_edge="0.01",
    # As soon as it is found, so that the numbers below can be read off the frames.
    confirm="off",
)
LATENCY_NS: Final = 250_000_000

Capsys = pytest.CaptureFixture[str]


def prepared(inputs: EngineInput, *, fees: bool = True) -> None:
    """Both markets and the ladder."""
    inputs.add_rule(LADDER.rule(), 1)
    fee = KalshiFee("quadratic", rounding="direct") if fees else None
    for ticker in (LOW, HIGH):
        market = Market(ticker, (Outcome("Yes", ticker),), venue="kalshi", fee=fee)
        inputs.subscribe(market, market.outcomes[0], 0, 1)


def lived(**options: Any) -> tuple[EngineInput, list[records.Signal]]:
    """The capture through an engine with the ladder, and its signals."""
    inputs = EngineInput(Engine(**options))
    prepared(inputs)
    signals: list[records.Signal] = []
    for _ in replay(
        inputs.engine,
        Capture(CAPTURE),
        inputs=inputs,
        on_batch=lambda batch: signals.extend(records.signals(batch)),
    ):
        pass
    return inputs, signals


def recorded(directory: Path) -> str:
    """The same as a journal, as ``bookfeed record`` would have left it."""
    with JournalWriter(directory, notes={"venue": "kalshi", "engine": {}}) as writer:
        inputs = EngineInput(Engine(), writer)
        prepared(inputs)
        for record in Capture(CAPTURE):
            assert inputs.apply(*record)
    return str(directory)


def test_a_signal_has_a_view_and_a_makers_side_for_each_leg() -> None:
    _, signals = lived()
    opened = [signal for signal in signals if signal.phase == "open"]
    assert [signal.rule for signal in opened] == ["ladder", "ladder"]
    first = opened[0]
    assert [(leg.side, leg.view) for leg in first.legs] == [("buy", "yes"), ("buy", "no")]
    assert [leg.avg_price for leg in first.legs] == [0.5, 0.4]
    assert first.qty == 80
    # Resting at 0.40 for the lower one and at 0.30 for the other's No.
    assert first.maker_edge == pytest.approx(0.3)
    assert [leg.maker_fee for leg in first.legs] == [0, 0]


def test_what_is_left_when_an_order_arrives_is_what_is_captured() -> None:
    inputs, signals = lived(paper_latency_s=LATENCY_NS / 1e9)
    # The ledger moves nothing.
    assert signals == lived()[1]
    first, second = inputs.engine.paper_fills()
    assert (first.qty_e8, first.captured_e8, first.unhedged_e8) == (
        80 * 10**8,
        30 * 10**8,
        50 * 10**8,
    )
    assert (second.qty_e8, second.captured_e8, second.unhedged_e8) == (25 * 10**8, 0, 25 * 10**8)
    # 30 at 0.50 and 30 at 0.40 pay 30; fees are 0.525 and 0.504.
    assert first.net_captured_e9 == 3_000_000_000 - 1_029_000_000
    assert 0 < first.net_captured_e9 < first.net_claimed_e9
    totals = inputs.engine.paper()
    assert totals is not None
    assert (totals["signals"], totals["whole"], totals["partial"], totals["gone"]) == (2, 0, 1, 1)


def test_several_ledgers_are_each_what_it_would_be_alone() -> None:
    inputs, _ = lived(paper_latency_s=[0.25, timedelta(milliseconds=1), 2])
    alone = [lived(paper_latency_s=each)[0].engine for each in (0.25, 0.001, 2.0)]
    assert inputs.engine.papers() == [engine.paper() for engine in alone]
    assert [one["latency_ns"] for one in inputs.engine.papers()] == [LATENCY_NS, 10**6, 2 * 10**9]
    for place, engine in enumerate(alone):
        shown = [repr(fill) for fill in inputs.engine.paper_fills(place)]
        assert shown == [repr(fill) for fill in engine.paper_fills()]
    assert inputs.engine.paper() == inputs.engine.papers()[0]
    assert Engine().papers() == [] == Engine(paper_latency_s=[]).papers()
    assert Engine(paper_latency_s=1).paper_fills(7) == []
    with pytest.raises(TypeError, match="paper_latency_s must be seconds"):
        Engine(paper_latency_s=[0.1, "x"])  # type: ignore[list-item]


class Mistaken(EngineWitness):
    """An engine whose ledgers say something else now and then."""

    def __init__(self, engine: Engine, wrong: dict[str, int]) -> None:
        super().__init__(engine)
        self.wrong = wrong

    def fills(self, ledger: int) -> list[Filled]:
        found = super().fills(ledger)
        return [one._replace(**self.wrong) for one in found] if self.wrong else found[1:]


def test_the_auditor_comes_to_the_same_ledgers() -> None:
    tape = Tape()
    prepared(inputs := EngineInput(Engine(), tape))
    for record in Capture(CAPTURE):
        inputs.apply(*record)
    options: dict[str, Any] = {"paper_latency_s": [0.05, 0.25, 1.0]}
    records: Any = tape.records
    report = audited(records, options)
    assert report.findings == [] and report.fills == sum(
        ledger["signals"] for ledger in lived(**options)[0].engine.papers()
    )
    assert report.fills >= 4
    for wrong in ({"captured": 1}, {"unhedged": 1}, {"net": 1}, {"ts": 1}, {}):
        witness = Mistaken(Engine(**options), wrong)
        found = Auditor(witness).run(records).findings
        assert {finding.kind for finding in found} == {"paper"}, wrong


def test_the_tape_hands_out_each_fill_once() -> None:
    engine = Engine(paper_latency_s=LATENCY_NS / 1e9)
    inputs, tape = EngineInput(engine), PaperTape(engine)
    prepared(inputs)
    told = []
    for record in Capture(CAPTURE):
        inputs.apply(*record)
        told += [fill.signal for fill in tape.fresh()]
    assert told == [fill.signal for fill in engine.paper_fills()]
    assert len(told) == 2
    assert PaperTape(Engine()).fresh() == []


def replayed(capsys: Capsys, *arguments: str) -> str:
    assert main(["replay", *arguments]) == 0
    return capsys.readouterr().out


def test_a_replay_tells_fills_names_and_reasons(tmp_path: Path, capsys: Capsys) -> None:
    journal = recorded(tmp_path)
    arguments = (journal, "--paper", "--why", "-o")
    *fills, summary = map(json.loads, replayed(capsys, *arguments, "ndjson").splitlines())
    assert [fill["type"] for fill in fills] == ["fill", "fill"]
    assert [(fill["name"], fill["qty"], fill["captured"], fill["unhedged"]) for fill in fills] == [
        ("BTC at 17:00", 80.0, 30.0, 50.0),
        ("BTC at 17:00", 25.0, 0.0, 25.0),
    ]
    told = json.loads(replayed(capsys, *arguments, "json"))
    assert told["paper"] == summary["paper"]
    assert told["paper"]["net_captured"] == fills[0]["net_captured"] == 1.971
    (rule,) = told["rules"]
    assert (rule["rule"], rule["name"]) == ("ladder", "BTC at 17:00")
    assert [leg["strike"] for leg in rule["legs"]] == ["85000", "86000"]
    (refused,) = told["why"]
    assert (refused["name"], refused["reason"], refused["count"]) == ("BTC at 17:00", "fees", 1)
    assert "eat the edge" in refused["text"]
    table = replayed(capsys, *arguments, "table")
    assert "paper net_captured  1.971" in table
    assert "BTC at 17:00" in table.partition("not signalled")[2]


def test_without_being_asked_nothing_is_told(tmp_path: Path, capsys: Capsys) -> None:
    journal = recorded(tmp_path)
    told = json.loads(replayed(capsys, journal, "-o", "json"))
    assert "paper" not in told
    assert "why" not in told
    # A latency is a ledger, and the records are the same with and without.
    paper = json.loads(replayed(capsys, journal, "--paper-latency-ms", "50", "-o", "json"))
    assert paper["digest"] == told["digest"]
    assert paper["paper"]["whole"] == 2


def test_unknown_fees_are_refused_and_said(tmp_path: Path) -> None:
    tape = Tape()
    inputs = EngineInput(Engine(), tape)
    prepared(inputs, fees=False)
    for record in Capture(CAPTURE):
        inputs.apply(*record)
    assert inputs.engine.refusals(0)["fee_unknown"] > 0
    assert Kind.NOTE in {record[0] for record in tape.records}
