"""The benchmarks' own judgement: what was disturbed has no verdict, what is wrong has no time."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from benches import (
    ingest,
    ours,
    paced,
    questions,
    report,
    sinks_cost,
    spot,
    spot_peers,
    targets,
    where,
)
from benches.competitors import peer
from benches.dashboard import Smooth
from benches.growth import Grown, Size
from benches.ingest import fresh_us_per_frame
from benches.paced import BARE, BUSY, OURS, Round, row_of, tried
from benches.report import Measured
from benches.tables import ROW_SETS
from benches.targets import paced_targets
from benches.timing import Row
from benches.where_lines import BID, HASHED, where_lines

from bookfeed.config import load
from bookfeed.sinks import SINKS, NdjsonSink

TABLE = "paced plain 10000/s"


def a_round(p50: float, *, late_us: float = 1.0, core_wait: float = 0.0) -> Round:
    """A round of one latency."""
    return Round({"p50": p50, "p99": 2 * p50}, [p50], {"p50": late_us, "p99": late_us}, core_wait)


def measuring(rounds: list[Round]) -> Callable[[], Round]:
    """Rounds as they come."""
    coming: Iterator[Round] = iter(rounds)
    return lambda: next(coming)


@pytest.mark.parametrize("disturbed", [{"late_us": 51.0}, {"core_wait": 0.06}])
def test_a_round_that_was_disturbed_in_one_row_is_repeated_in_all(
    disturbed: dict[str, float],
) -> None:
    rows = {
        "a": measuring([a_round(1), a_round(2), a_round(3)]),
        "b": measuring([a_round(10), a_round(20, **disturbed), a_round(30)]),
    }
    kept = tried(rows, 2)
    assert [one["a"].latencies for one in kept] == [[1], [3]]
    assert [one["b"].latencies for one in kept] == [[10], [30]]


def test_a_machine_that_is_never_quiet_gives_no_verdict() -> None:
    rows = {"a": measuring([a_round(i, late_us=1_000.0) for i in range(100)])}
    kept = tried(rows, 2)
    assert len(kept) == 2 * paced.ATTEMPTS
    row = row_of(TABLE, "a", [one["a"] for one in kept])
    assert row.facts["disturbed"] == len(kept)
    with pytest.raises(targets.Disturbed):
        targets.undisturbed(row)


def test_a_paced_row_is_judged_by_the_medians_of_its_rounds() -> None:
    values = {BARE: [10.0, 11.0, 90.0], OURS: [12.5, 1.0, 400.0], BARE + BUSY: [1.0]}
    table = {
        name: row_of(TABLE, name, [a_round(p50) for p50 in p50s]) for name, p50s in values.items()
    }
    verdicts = {line[0]: line[1:] for line in (t.verdict({TABLE: table}) for t in paced_targets())}
    assert verdicts[f"{TABLE}: p50 behind bare picows"] == ["at most 2 µs", "1.5 µs", "pass"]
    assert verdicts[f"{TABLE}: p99 of bare picows'"] == ["at most 1.1 x", "1.14 x", "**MISS**"]
    assert verdicts[f"{TABLE}{BUSY}: p50 behind bare picows"][-1] == targets.NOT_MEASURED


def test_fresh_frames_are_copies_and_every_one_is_taken_in_order() -> None:
    frames, times = [b"frame %d" % i for i in range(150)], list(range(150))
    taken: list[tuple[bytes, int]] = []

    def take(block: list[bytes], ts_recv: list[int]) -> None:
        taken.extend(zip(block, ts_recv, strict=True))

    fresh_us_per_frame(frames, times, take)
    assert taken == list(zip(frames, times, strict=True))
    assert all(copy is not frame for (copy, _), frame in zip(taken, frames, strict=True))


@pytest.mark.parametrize("venue", spot.VENUES)
def test_every_row_of_a_spot_venue_finds_what_its_frames_say(venue: str) -> None:
    corpus = spot.make(spot.Spec(venue, frames=150, books=2))
    build = partial(ours.build_spot_engine, corpus)
    for name in spot_peers.NAMES:
        make = peer(name, spot_peers.peers(corpus))
        if not isinstance(make, str):
            ingest.check_peer(corpus, name, make)
    ingest.check_ours(corpus, build, 64)
    cut = replace(corpus, frames=corpus.frames[:-1], ts_recv=corpus.ts_recv[:-1])
    with pytest.raises(ValueError, match="touch sum"):
        ingest.check_ours(cut, build, 64)


def test_growth_notices_a_book_that_is_not_the_model() -> None:
    grown = Grown(Size(instruments=4, changing=4, depth=10))
    grown.measure(200)
    grown.check()
    grown.change()  # and nobody is told
    with pytest.raises(ValueError, match="wrong"):
        grown.check()


def test_row_sets_that_are_measured_one_by_one_make_a_whole_of_one_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Row("stages", "one", "ns", rounds=[1.0, 2.0], facts={"target": 3.0})]
    measured = Measured(rows, "2026-01-01 00:00", 0.5, report.build())
    for name in ROW_SETS:
        assert report.all_kept(tmp_path) is None, name
        assert f"{name}: measured not yet" in capsys.readouterr().err
        measured.keep(tmp_path / f"{name}.json")
    kept = report.all_kept(tmp_path)
    assert kept is not None
    assert list(kept) == list(ROW_SETS)
    assert all(one == measured for one in kept.values())
    # With another build there is nothing yet.
    monkeypatch.setattr(report, "build", lambda: "another")
    assert report.all_kept(tmp_path) is None
    assert "by another build" in capsys.readouterr().err


def test_samples_belong_to_the_stage_of_the_function_they_hit() -> None:
    lib = "/venv/site-packages"
    sampled = [
        "9.999999999:  ffff some_early_thing ([kernel.kallsyms])",
        "10.000000000:  ffff copy_to_user ([kernel.kallsyms])",
        f"10.000000001:  7f00 [unknown] ({lib}/uvloop/loop.cpython-311-x86_64-linux-gnu.so)",
        f"10.000000002:  7f01 read_frame ({lib}/picows/picows.cpython-311-x86_64-linux-gnu.so)",
        "10.000000003:  7f02 bookfeed_core::venue::kalshi::decode (/t/lib_bookfeed.so)",
        "10.000000004:  7f03 bookfeed_core::engine::rules::Rules::ask (/t/lib_bookfeed.so)",
        "10.000000005:  7f04 bookfeed_core::engine::Engine::ingest (/t/lib_bookfeed.so)",
        "10.000000006:  7f05 sha1::compress::x86::compress (/t/lib_bookfeed.so)",
        "10.000000007:  7f06 _bookfeed::listening::take (/t/lib_bookfeed.so)",
        "10.000000008:  7f07 __memmove_avx512_unaligned_erms (/lib/x86_64-linux-gnu/libc.so.6)",
        "10.000000009:  7f08 _PyEval_EvalFrameDefault (/lib/libpython3.11.so.1.0)",
        "10.000000010:  7f09 EVP_DecryptUpdate (/lib/x86_64-linux-gnu/libcrypto.so.3)",
        "10.000000011:  7f0a some_late_thing (/lib/libpython3.11.so.1.0)",
        "",
    ]
    found = where.shared_out(sampled, 10 * 10**9, 10 * 10**9 + 10)
    assert found == Counter(where.STAGES)


def test_what_keeps_other_things_from_their_targets_is_said_in_figures() -> None:
    def ns(value: float, **facts: float) -> Row:
        return Row("", "", "ns", [value], facts=facts)

    def scene(client: str, **took: float) -> tuple[str, dict[str, Row]]:
        name = f"{where.TABLE}{client}, plain"
        stages = dict.fromkeys((*where.STAGES, where.TOGETHER), 10.0) | {where.KERNEL: 20.0}
        found = {stage: ns(value) for stage, value in stages.items()}
        found |= {stage: ns(value, samples=9.0) for stage, value in took.items()}
        return name, found

    table = paced.table_of("plain", 1_000)
    latencies = {BARE + BUSY: {"p50": 13.0}, OURS + BUSY: {"p50": 22.5}}
    checks = {"off": ns(1.0), "sampled": ns(1.6, hash_match=10.0, bbo_match=5.0)}
    checks["always"] = ns(11.0, hash_match=150.0, hash_unknown=50.0)
    tables = dict(
        [
            scene(where.CLIENTS[0], together=300.0),
            scene(where.CLIENTS[1], together=1_000.0),
            scene(where.RECORDED, together=1_300.0, kernel=120.0),
        ]
    )
    tables[ingest.HASH] = {HASHED.format(check): row for check, row in checks.items()}
    tables[questions.SPREAD] = {"bookfeed": ns(35.6)}
    tables[questions.TRUST] = {BID: ns(34.0)}
    tables[table] = {name: Row(table, name, "µs", spread=each) for name, each in latencies.items()}
    said = " ".join("\n".join(where_lines(tables)).split())
    assert "They take 0.60. Comparing every one takes 10.00; sampling compares 5.0% of" in said
    assert "which comes to 0.50, and the rest is memory" in said
    assert "it takes 300: kernel +100, " in said and "+200 elsewhere" in said
    assert "It takes 35.6; `book.bid`, one price of the same object, 34.0." in said
    assert "it is 9.5 behind." in said and "all of a frame's way takes 1.00 µs" in said
    assert f"| {where.RECORDED}, plain |" in said


def test_what_keeps_a_socket_from_its_target_is_said_in_figures() -> None:
    bare, ours = (f"{where.TABLE}{client}, plain" for client in where.CLIENTS)
    took = dict.fromkeys(where.STAGES, 10.0) | {where.DECODE: 300.0, where.HASHES: 100.0}
    tables = {
        bare: {stage: Row(bare, stage, "ns", [50.0]) for stage in where.STAGES},
        ours: {stage: Row(ours, stage, "ns", [ns]) for stage, ns in took.items()},
    }
    for name, together in ((bare, 400.0), (ours, 1_000.0)):
        facts = {where.SAMPLES: 1_234.0}
        tables[name][where.TOGETHER] = Row(name, where.TOGETHER, "ns", [together], facts=facts)
    printed = "\n".join(where_lines(tables))
    assert "| decode | 50 | 300 |" in printed
    assert "| samples | 1,234 | 1,234 |" in printed
    said = " ".join(printed.split())
    assert "takes 400 ns, so 680 may be taken; bookfeed takes 1000." in said
    assert "leaves 630 for a frame's text" in said
    assert "it would be 1.48 times bare" in said
    assert "tls" not in said, "it was not measured"
    skipped = {ours: {where.TOGETHER: Row(ours, where.TOGETHER, "ns", skipped="no perf")}}
    assert "Not measured: no perf." in where_lines(skipped)


def test_every_kind_of_sink_is_in_the_feed_whose_cost_is_measured(tmp_path: Path) -> None:
    there = sinks_cost.Services(
        "redis://127.0.0.1:1", "redis://127.0.0.1:2", "nats://127.0.0.1:3",
        "postgresql://u@127.0.0.1:4/d", 0,
    )  # fmt: skip
    path = tmp_path / "all.toml"
    path.write_text(sinks_cost.configuration(tmp_path, there))
    assert {section.kind for section in load(path).sink} == set(SINKS)


def test_what_a_sink_takes_is_counted_from_live_books(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks_cost, "TAKEN_S", 0.0)
    monkeypatch.setattr(sinks_cost, "BATCH", 400)
    path = tmp_path / "records.ndjson"
    assert sinks_cost.taken(NdjsonSink(path)) > 0
    assert len(path.read_text().splitlines()) == 400
    engine, names = sinks_cost.filled()
    assert len(names) == sinks_cost.BOOKS and all(book.live for book in engine.books())


def test_frames_that_come_late_and_long_tasks_are_told() -> None:
    smooth = Smooth("books", [16.7] * 96 + [40.0] * 4, [])
    assert smooth.problems() == []
    late = Smooth("books", [16.7] * 90 + [40.0] * 10, [73.0])
    assert late.problems() == ["books: frames are 40.0 ms apart (p95)", "books: a task of 73 ms"]
    assert "1 tasks over 50 ms, the longest 73 ms" in late.line()
