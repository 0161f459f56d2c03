"""The auditor and the engine agree on seeded journals, and it finds whatever is wrong with one."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from audit_journals import Records, audited, kalshi_recorded, recorded, two_venues_recorded
from audit_markets import SECOND, T0, Markets
from lengths import TIMES, seeds

from bookfeed._bookfeed import Batch, Engine
from bookfeed.audit import Auditor, AuditReport
from bookfeed.cli import main
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.writer import write_journal
from bookfeed.scorecard.witness import EngineWitness
from bookfeed.sim.polymarket_kalshi.episodes import Episode, EpisodeKind
from bookfeed.sim.polymarket_kalshi.twovenue import TwoVenueConfig

# What is made once for the whole file is made in one process.
pytestmark = pytest.mark.xdist_group("audit")

SPREADS: list[tuple[str, dict[str, Any]]] = [
    ("spread", {"mode": "bps", "when": "tight", "open": "300", "close": "400", "min_qty": "20"}),
    ("complement", {"min_edge": "0.005", "min_qty": "10", "max_skew_ms": "200"}),
    ("complement", {"min_edge": "0", "max_age_ms": "500"}),
    ("spread", {"open": "0.02", "proof": "venue"}),
]
STRIKES = "kalshi K-0 yes; kalshi K-1 yes; kalshi K-2 yes"
BUNDLES: list[tuple[str, dict[str, Any]]] = [
    ("box", {"a": "kalshi K-0 yes", "b": "polymarket Y0 yes", "min_edge": "0.002"}),
    ("box", {"a": "kalshi K-1 yes", "b": "polymarket N1 no", "max_qty": "40", "min_hold_ms": "50"}),
    ("box", {"a": "kalshi K-2 yes", "b": "polymarket Y2 no", "min_edge": "0.001"}),
    ("box", {"a": "kalshi K-2 yes", "b": "polymarket Y2 yes", "polarity_check": "off",
             "cooldown_ms": "150", "max_lag_ms": "0", "max_age_ms": "300", "max_skew_ms": "120",
             "confirm": "off"}),
    ("box", {"a": "kalshi K-0 yes", "b": "polymarket Y0 yes", "polarity_check": "off",
             "min_hold_ms": "200", "max_age_ms": "150"}),
    ("ladder", {"legs": STRIKES, "min_edge": "0.001", "min_time_to_close_ms": "2000"}),
    ("basket", {"legs": STRIKES, "exhaustive": "true", "min_qty": "5", "confirm": "off"}),
    ("basket", {"legs": "polymarket Y0 yes; polymarket Y1 yes; kalshi K-2 yes",
                "exhaustive": "true", "augmented": "true"}),
    ("basket", {"legs": "polymarket Y0 yes; polymarket Y1 yes; polymarket Y2 yes"}),
    ("complement", {"min_edge": "0"}),
    ("box", {"a": "kalshi K-0 yes", "b": "polymarket N0 no", "polarity_check": "off",
             "proof": "venue"}),
    ("spread", {"open": "0.05", "close": "0.03", "min_hold_ms": "60", "cooldown_ms": "100"}),
    ("strike_gap", {"a": "kalshi K-2 yes", "b": "polymarket Y2 yes", "a_strike": "84000",
                    "b_strike": "84001.5", "reference_sd": "0", "polarity_check": "off",
                    "confirm": "off", "max_lag_ms": "0"}),
    ("strike_gap", {"a": "kalshi K-0 yes", "b": "polymarket Y0 yes", "a_strike": "84001",
                    "b_strike": "84000", "reference_sd": "0.7", "closing_sd": "480",
                    "freedom": "0", "polarity_check": "off", "confirm": "off"}),
]  # fmt: skip
ROUNDINGS = ("direct", "non_direct", "intermediate", "legacy")


def mixed(seed: int, *, steps: int, trouble: float) -> Records:
    markets = Markets(seed, yes_prices=seed % 2 == 0, trouble=trouble)
    markets.begin(BUNDLES, ROUNDINGS[seed % 4])
    return markets.run(steps)


def kinds(report: AuditReport) -> Counter[str]:
    return Counter(finding.kind for finding in report.findings)


@pytest.mark.slow
@pytest.mark.parametrize("hash_check", ["always", "sampled"])
def test_polymarket_with_every_fault_agrees(hash_check: str) -> None:
    agreed: Counter[str] = Counter()
    for seed in seeds(4, first=9):
        report = audited(*recorded(seed, rules=SPREADS, items=500, hash_check=hash_check))
        assert report.findings == [], f"seed {seed}"
        agreed += report.signals
    assert min(agreed[f"{rule} open"] for rule in ("spread", "complement")) > 4 * TIMES, agreed


@pytest.mark.slow
@pytest.mark.parametrize("seed", [39, 49, 61, 65, 96, 271][:: 2 if TIMES == 1 else 1])
def test_polymarket_agrees_where_whole_books_come_with_stamps_that_are_wrong(seed: int) -> None:
    report = audited(*recorded(seed, rules=SPREADS, items=900))
    assert report.findings == []
    assert report.books > 500


@pytest.mark.slow
def test_two_venues_and_every_rule_agree() -> None:
    agreed: Counter[str] = Counter()
    for seed in seeds(2 if TIMES == 1 else 4, first=5):
        report = audited(mixed(seed, steps=700, trouble=0.0), {"hash_check": "off"})
        assert report.findings == [], f"seed {seed}"
        assert report.books > 500 and report.touches > 500
        agreed += report.signals
    rules = ("spread", "box", "basket", "ladder", "strike_gap")
    phases = [f"{rule} {phase}" for rule in rules for phase in ("open", "close")]
    assert min(agreed[phase] for phase in phases) >= (1 if TIMES == 1 else TIMES + 1), agreed


@pytest.mark.slow
def test_two_venues_agree_through_every_trouble() -> None:
    agreed: Counter[str] = Counter()
    for seed in seeds(4):
        report = audited(mixed(seed, steps=500, trouble=0.05), {"hash_check": "off"})
        assert report.findings == [], f"seed {seed}"
        agreed += report.signals
    opened = [agreed[f"{rule} open"] for rule in ("spread", "basket", "ladder")]
    assert min(opened) > 5 * TIMES, agreed


@pytest.mark.slow
@pytest.mark.parametrize("use_yes_price", [False, True])
def test_a_simulated_kalshi_with_faults_agrees(use_yes_price: bool) -> None:
    agreed: Counter[str] = Counter()
    books = 0
    for seed in seeds(2, first=9):
        report = audited(kalshi_recorded(seed, use_yes_price=use_yes_price, items=1_500), {})
        assert report.findings == [], f"seed {seed}"
        books += report.books
        agreed += report.signals
    assert books > 450 * TIMES
    assert min(agreed[f"{rule} open"] for rule in ("spread", "basket", "ladder")) > TIMES, agreed


EPISODES: tuple[EpisodeKind, ...] = (
    "genuine", "lagging", "lead_lag", "torn", "genuine", "fee_change", "tiny", "paused",
    "genuine", "frozen", "lagging", "closed",
)  # fmt: skip


@pytest.mark.slow
def test_two_simulated_venues_agree_through_every_episode() -> None:
    agreed: Counter[str] = Counter()
    for seed in seeds(2):
        episodes = tuple(
            Episode(kind, f"pair{(seed + n) % 3}", at_s=2 + 2.5 * n)
            for n, kind in enumerate(EPISODES)
        )
        sets = tuple(
            Episode("genuine", name, at_s=at_s + second)
            for name, at_s in (("basket0", 3), ("ladder0", 8))
            for second in (0, 6, 12)
        )
        config = TwoVenueConfig(
            seed=seed, inverted=seed % 2, use_yes_price=seed // 2 % 2 == 1, episodes=episodes + sets
        )
        report = audited(two_venues_recorded(config, items=3_500), {})
        assert report.findings == [], f"seed {seed}"
        agreed += report.signals
    assert min(agreed[f"{rule} open"] for rule in ("box", "basket", "ladder")) > TIMES, agreed


# Planted errors: an engine that says something else than it found.


class Liar(EngineWitness):
    """Changes one of the engine's signal records, or drops it, or tells it twice."""

    def __init__(self, engine: Engine, number: int, lie: str) -> None:
        super().__init__(engine)
        self._left, self._lie = number, lie

    def drain(self) -> Batch:
        batch = super().drain()
        self._left -= len(batch.signals)
        if self._left >= 0 or not len(batch.signals):
            return batch
        self._left = 10**9
        signals, legs = bytearray(batch.signal_bytes), bytearray(batch.leg_bytes)
        if self._lie == "drop":
            del signals[-144:]
        elif self._lie == "twice":
            signals += signals[-144:]
        elif self._lie in SIGNAL_LIES:
            add(signals, len(signals) - 144 + SIGNAL_LIES[self._lie])
        elif self._lie in CHANCE_LIES:
            add(signals, len(signals) - 144 + CHANCE_LIES[self._lie], width=4)
        else:
            add(legs, len(legs) - 64 + LEG_LIES[self._lie])
        return Told(batch.update_bytes, bytes(signals), bytes(legs))  # type: ignore[return-value]


class Told:
    """A batch of these bytes."""

    def __init__(self, updates: bytes, signals: bytes, legs: bytes) -> None:
        self.update_bytes, self.signal_bytes, self.leg_bytes = updates, signals, legs
        self.index_bytes = b""


def add(data: bytearray, at: int, one: int = 1, width: int = 8) -> None:
    value = int.from_bytes(data[at : at + width], "little", signed=True)
    data[at : at + width] = (value + one).to_bytes(width, "little", signed=True)


# Field by offset in the record.
SIGNAL_LIES = {
    "ts_open": 8, "qty": 32, "gross_edge": 40, "net_edge": 48, "fee": 56, "capital": 64,
    "peak_edge": 72, "qty_open": 80, "value": 88, "skew_ns": 96, "maker_edge": 120,
    "lag_ns": 128,
}  # fmt: skip
# Of four bytes each, in records of the rule that has them.
CHANCE_LIES = {"both_lose": 136, "both_win": 140}
LEG_LIES = {"avg_price": 8, "worst_price": 16, "leg_qty": 24, "leg_fee": 32, "maker_fee": 56}


@pytest.fixture(scope="module")
def journal() -> Records:
    return mixed(2, steps=700, trouble=0.0)


@pytest.fixture(scope="module")
def beginning(journal: Records) -> Records:
    """As much of it as a hundred signals are in: what is wrong there is found there."""
    witness = EngineWitness(Engine(hash_check="off"))
    told = 0
    for place, record in enumerate(journal, 1):
        witness.apply(record[0], record[1], record[2], record[-1])
        told += len(witness.drain().signals)
        if told > 100:
            return journal[:place]
    raise AssertionError(f"only {told} signals")


def lied_to(journal: Records, number: int, lie: str) -> AuditReport:
    return Auditor(Liar(Engine(hash_check="off"), number, lie)).run(journal)


@pytest.mark.parametrize("lie", [*SIGNAL_LIES, *CHANCE_LIES, *LEG_LIES])
def test_one_wrong_field_is_found(beginning: Records, lie: str) -> None:
    """A change by the smallest unit, in one record of a hundred."""
    for number in range(40, 80):
        report = lied_to(beginning, number, lie)
        if report.findings:
            break
    (finding,) = report.findings
    name = lie.removeprefix("leg_")
    assert finding.kind == "different" and f"{name}: " in finding.what, finding
    assert finding.record > 1 and finding.ts > T0


def test_a_dropped_and_an_extra_signal_are_found(journal: Records) -> None:
    assert kinds(lied_to(journal, 60, "drop")) == {"missing": 1}
    assert kinds(lied_to(journal, 60, "twice")) == {"extra": 1}


class Deaf(EngineWitness):
    """An engine that is fed another frame than the journal has."""

    def __init__(self, engine: Engine, frame: bytes, instead: bytes | None) -> None:
        super().__init__(engine)
        self._frame, self._instead = frame, instead

    def apply(self, kind: int, ts: int, conn: int, payload: bytes) -> bool:
        if payload == self._frame:
            if self._instead is None:
                return True
            payload = self._instead
        return super().apply(kind, ts, conn, payload)


def delta_of(journal: Records, number: int) -> bytes:
    frames = (record[-1] for record in journal if record[0] == Kind.FRAME)
    deltas = [frame for frame in frames if b'"orderbook_delta", "sid"' in frame]
    return deltas[number]


def test_an_altered_frame_is_found(journal: Records) -> None:
    frame = delta_of(journal, 100)
    message = json.loads(frame)
    name = "delta_fp" if "delta_fp" in message["msg"] else "delta"
    message["msg"][name] = str(float(message["msg"][name]) + 1)
    witness = Deaf(Engine(hash_check="off"), frame, json.dumps(message).encode())
    assert kinds(Auditor(witness).run(journal))["levels"] > 0


def test_an_engine_that_misses_a_frame_is_found(journal: Records) -> None:
    """It sees a gap where the journal has none."""
    witness = Deaf(Engine(hash_check="off"), delta_of(journal, 100), None)
    report = Auditor(witness).run(journal)
    assert [f.what for f in report.findings if f.kind == "standing"] == [
        f"book {number} is stale (gap), which no frame shows" for number in range(3)
    ]


class Credulous(EngineWitness):
    """An engine that never hears of numbers: each frame is renumbered to follow the last."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._seq: dict[int, int] = {}

    def apply(self, kind: int, ts: int, conn: int, payload: bytes) -> bool:
        if kind == Kind.FRAME and b'"seq"' in payload:
            message = json.loads(payload)
            sid = message["sid"]
            message["seq"] = self._seq[sid] = self._seq.get(sid, 0) + 1
            payload = json.dumps(message).encode()
        return super().apply(kind, ts, conn, payload)


def test_a_gap_that_leaves_books_live_is_found() -> None:
    markets = Markets(5, yes_prices=False, trouble=0.0)
    markets.begin([], "direct")
    markets.run(50)
    markets.seq += 1
    markets.run(20)
    report = Auditor(Credulous(Engine(hash_check="off"))).run(markets.records)
    first = report.findings[0]
    assert first.kind == "standing" and "stayed live: gap" in first.what
    assert sum("stayed live" in finding.what for finding in report.findings) == 3


def test_a_record_only_the_engine_refuses_is_counted() -> None:
    records = mixed(3, steps=50, trouble=0.0)
    records.insert(5, (int(Kind.RULE), T0, 0, 1, b'{"kind": "no such rule", "params": {}}'))
    report = audited(records, {"hash_check": "off"})
    assert (report.refused, report.findings) == (1, [])


# The command.


def write(path: Path, records: Records) -> Path:
    write_journal(path, records, notes={"engine": {"hash_check": "off"}})
    return path


def test_the_command_prints_counts_and_succeeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], journal: Records
) -> None:
    path = write(tmp_path / "a.bfj", journal)
    assert main(["audit", str(path), "-o", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["records"], result["findings"], result["found"]) == (len(journal), 0, [])
    assert result["signals_agreed"] == sum(result["signals"].values()) > 100
    assert main(["audit", str(path)]) == 0
    assert "signals_agreed" in capsys.readouterr().out
    assert main(["audit", str(path), "-o", "ndjson"]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "summary"


def test_the_command_fails_if_something_is_found(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    journal: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write(tmp_path / "a.bfj", journal)
    monkeypatch.setattr("bookfeed.cli.audit.EngineWitness", lambda engine: Liar(engine, 60, "drop"))
    assert main(["audit", str(path), "-o", "ndjson"]) == 1
    first, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["type"], first["finding"]) == ("finding", "missing")
    assert (last["type"], last["findings"]) == ("summary", 1)
    assert main(["audit", str(path)]) == 1
    assert "missing" in capsys.readouterr().out


def test_the_command_tells_of_holes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], journal: Records
) -> None:
    path = write(tmp_path / "a.bfj", journal)
    path.write_bytes(path.read_bytes()[:-100])
    assert main(["audit", str(path), "-o", "json"]) == 3
    assert "lost" in capsys.readouterr().err
    assert main(["audit", str(tmp_path / "nothing")]) == 1


def test_a_dull_journal_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to compare is no agreement worth much; the counts show it."""
    path = write(tmp_path / "a.bfj", [(int(Kind.ADVANCE), T0 + SECOND, 0, 1, b"")])
    assert main(["audit", str(path), "-o", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["books_compared"], result["signals_agreed"]) == (0, 0)
