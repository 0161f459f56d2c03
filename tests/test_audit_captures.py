"""Audits of captures: nobody subscribes, so that books come by themselves, here and there."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from audit_journals import Records, kalshi_recorded, recorded, spot_recorded
from test_audit_user import quote

from bookfeed._bookfeed import Engine
from bookfeed.audit import Auditor, AuditReport
from bookfeed.audit.numbers import count
from bookfeed.cli import main
from bookfeed.recordings.capture import CAPTURE_ENGINE
from bookfeed.recordings.kinds import Kind
from bookfeed.scorecard.witness import EngineWitness

DATA = Path(__file__).parent / "data"
SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "captures"
MS = 1_000_000
START = 1_790_000_000_000 * MS

IN_CAPTURES = (Kind.FRAME, Kind.CONNECTED, Kind.DISCONNECTED)


def imported(records: Records) -> Records:
    """What a capture has of a recording."""
    return [record for record in records if record[0] in IN_CAPTURES]


def audited(records: Records, witness: type[EngineWitness] = EngineWitness) -> AuditReport:
    return Auditor(witness(Engine(**CAPTURE_ENGINE)), auto_subscribe=True).run(records)


def quotes(seed: int) -> Records:
    """Quotes as a program of the user's may state them, some of them wrong."""
    rng = random.Random(seed)
    records: Records = [(int(Kind.CONNECTED), START, 0, 0, b"user")]
    return records + [(int(Kind.FRAME), START + n * MS, 0, 0, quote(rng)) for n in range(300)]


MADE: dict[str, Callable[[int], Records]] = {
    "polymarket": lambda seed: recorded(seed, items=400)[0],
    "kalshi": lambda seed: kalshi_recorded(seed, use_yes_price=seed % 2 == 0, items=600),
    "kraken": lambda seed: spot_recorded("kraken", seed, items=400)[0],
    "user": quotes,
}


def test_messages_of_one_frame_follow_each_other_though_the_first_makes_the_asset_known() -> None:
    asset = {"market": "0xaa", "asset_id": "71"}

    def book(ms: int, bid: str) -> dict[str, object]:
        sides = {"bids": [{"price": bid, "size": "9"}], "asks": [{"price": "0.6", "size": "9"}]}
        stamp = {"timestamp": str(START // MS + ms), "hash": ""}
        return {"event_type": "book", **asset, **stamp, **sides}

    def change(ms: int) -> dict[str, object]:
        level = {"asset_id": "71", "price": "0.45", "size": "7", "side": "BUY", "hash": ""}
        touch = {"best_bid": "0.45", "best_ask": "0.6"}
        stamp = {"market": "0xaa", "timestamp": str(START // MS + ms)}
        return {"event_type": "price_change", **stamp, "price_changes": [level | touch]}

    both = [["0.45", "7"], ["0.44", "9"]]
    for messages, bids in (
        ([book(0, "0.44"), change(1)], both),
        ([change(1), book(0, "0.44")], both),
        ([book(0, "0.44"), book(1, "0.43")], [["0.43", "9"]]),
    ):
        frame = (int(Kind.FRAME), START + 9 * MS, 0, 0, json.dumps(messages).encode())
        connected = (int(Kind.CONNECTED), START, 0, 0, b"polymarket")
        assert audited([connected, frame]).findings == []
        engine = Engine(**CAPTURE_ENGINE)
        engine.connected(0, "polymarket", START)
        engine.ingest(0, frame[4], frame[1])
        (view,) = engine.books()
        assert (view.live, view.as_strings("bid")) == (True, bids)


@pytest.mark.parametrize("venue", MADE)
def test_every_venue_agrees_through_every_fault(venue: str) -> None:
    books = touches = 0
    for seed in range(1, 5):
        report = audited(imported(MADE[venue](seed)))
        assert report.findings == [], f"seed {seed}"
        books += report.books
        touches += report.touches
    assert books > 500 and touches > 300, (books, touches)


def test_several_strangers_in_one_frame_are_met_in_their_order() -> None:
    books = [
        {"event_type": "book", "market": "0xabc", "asset_id": asset, "timestamp": "1790000000000",
         "bids": [{"price": "0.4", "size": "5"}], "asks": [{"price": "0.5", "size": size}]}
        for asset, size in (("11", "7"), ("22", "8"), ("11", "9"))
    ]  # fmt: skip
    records: Records = [(int(Kind.CONNECTED), START, 0, 0, b"polymarket")]
    records.append((int(Kind.FRAME), START, 0, 0, json.dumps(books).encode()))
    report = audited(records)
    assert (report.findings, report.touches) == ([], 3)


class Forgetful(EngineWitness):
    """An engine that does not know its second book by name."""

    def number(self, venue: str, symbol: str) -> int | None:
        number = super().number(venue, symbol)
        return None if number == 1 else number


def test_a_book_that_only_one_side_has_is_a_finding() -> None:
    records = imported(MADE["polymarket"](1))
    found = audited(records, Forgetful).findings
    assert {finding.kind for finding in found} == {"standing"}
    assert any("book 1 here, None there" in finding.what for finding in found)
    engine = Engine(**CAPTURE_ENGINE)
    found = Auditor(EngineWitness(engine)).run(records).findings
    assert found[0].what == "book 0 is followed there, but nobody subscribed it here"


def test_the_command_takes_a_capture_and_the_journal_made_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, results = tmp_path / "tiny.bfj", []
    assert main(["import", str(DATA / "tiny.ndjson"), str(journal)]) == 0
    capsys.readouterr()
    for path in (DATA / "tiny.ndjson", journal):
        assert main(["audit", str(path), "-o", "json"]) == 0
        results.append(json.loads(capsys.readouterr().out))
    assert results[0] == results[1]
    assert results[0]["touches_compared"] > 10 and results[0]["findings"] == 0


CAPTURES = [*sorted(SHARED.glob("polymarket/*.ndjson.gz")), *SHARED.glob("kalshi/*1830-30.nd*.gz")]


@pytest.mark.slow
@pytest.mark.skipif(not CAPTURES, reason="no captures beside the project")
def test_recorded_frames_agree(capsys: pytest.CaptureFixture[str]) -> None:
    for path in CAPTURES:
        assert main(["audit", str(path), "-o", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["touches_compared"] > 5


def test_names_and_numbers_that_nobody_can_hold_raise_nothing() -> None:
    half = {"event_type": "book", "asset_id": "\ud800", "bids": [], "asks": []}
    records: Records = [(int(Kind.CONNECTED), START, 0, 0, b"polymarket")]
    records.append((int(Kind.FRAME), START, 0, 0, json.dumps(half).encode()))
    report = audited(records)
    assert report.findings and all(one.what.isprintable() for one in report.findings)
    long = b'{"type":"ticker","sid":' + b"9" * 5_000 + b',"seq":1,"msg":{}}'
    records = [(int(Kind.CONNECTED), START, 0, 0, b"kalshi"), (int(Kind.FRAME), START, 0, 0, long)]
    assert audited(records).findings == []
    assert [count(text) for text in ("9" * 18, "0", "1" + "0" * 18, "01", "9" * 5_000)] == [
        10**18 - 1, 0, None, None, None
    ]  # fmt: skip
