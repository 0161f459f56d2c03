"""``bookfeed replay``: a recording through the engine, and what came of it.

Journals and captures alike. Time is what the recording says; reading the file does not count
into ``elapsed_s`` and ``frames_per_s``. The ``digest`` is a SHA-256 over all records the engine
made: the same for the same recording on every machine.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bookfeed._bookfeed import BookView, Engine, PaperFill
from bookfeed.cli.paper import engine_options
from bookfeed.cli.progress import Progress
from bookfeed.errors import ExitCode
from bookfeed.monitor.objects import fill_object, paper_object, rule_object, why_object
from bookfeed.monitor.output import write_json, write_line, write_pairs, write_table
from bookfeed.monitor.paper import PaperTape
from bookfeed.monitor.text import printable
from bookfeed.recordings.bounds import chunks
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.opened import engine_of, open_source
from bookfeed.recordings.replay import Record, replay
from bookfeed.rules.pairs import basis_line
from bookfeed.rules.rule import Rule
from bookfeed.rules.why import PolarityAlarm, warn_without_terms
from bookfeed.rules.why import why as why_not

# What was wrong with the frames themselves; a recording of a healthy stream has none.
_TROUBLE: Final = ("decode_errors", "malformed", "gaps", "regressions", "underflows")

# Of what came of it, what is shown below the rest.
_APART: Final = ("rules", "paper", "paper_lags", "why")

# Records read, then applied, in turns, so that the clock can stop while reading.
_READ_AT_ONCE: Final = 4_096


def execute(args: argparse.Namespace) -> ExitCode:
    """Replays, prints, and tells by the exit code whether the recording was whole."""
    recording = open_source(Path(args.file), args.mode)
    options = recording.engine | ({"hash_check": args.hash_check} if args.hash_check else {})
    options |= engine_options(args) | {"digest": True}
    engine = engine_of(recording, args.file, options)
    door, tape = EngineInput(engine), PaperTape(engine)
    fills: list[PaperFill] = []
    with Progress("replaying", args.frames) as progress:
        frames, elapsed_s = run(
            door, recording.records, args.frames, progress, lambda: fills.extend(tape.fresh())
        )
    result = _result(engine, recording.venues, frames, elapsed_s) | _found(door, why=args.why)
    PolarityAlarm().look(engine, door.rules)
    warn_without_terms(door.rules.values(), told=door.terms_told)
    if frames and not engine.books():
        print(f"bookfeed replay: {frames} frames, and no book was subscribed", file=sys.stderr)
    problems = recording.problems(door.records_refused, whole=args.frames is None)
    for problem in problems:
        print(f"bookfeed replay: {problem}", file=sys.stderr)
    _show(args, result, engine, [_fill(fill, door.rules) for fill in fills])
    return ExitCode.DATA if problems else ExitCode.OK


def run(
    door: EngineInput,
    records: Iterable[Record],
    frames_max: int | None,
    progress: Progress,
    pause: Callable[[], object] = lambda: None,
) -> tuple[int, float]:
    """Feeds records until ``frames_max`` frames; frames, and seconds of work.

    ``pause`` is called now and then, while the clock stands.
    """
    frames, elapsed_ns = 0, 0
    source = records if frames_max is None else _first_frames(records, frames_max)
    for chunk in chunks(source, _READ_AT_ONCE):
        start_ns = time.perf_counter_ns()
        for state in replay(door.engine, chunk, inputs=door):
            done = state.frames
        elapsed_ns += time.perf_counter_ns() - start_ns
        frames += done
        progress.reach(frames)
        pause()
    return frames, elapsed_ns / 1e9


def _first_frames(records: Iterable[Record], count: int) -> Iterator[Record]:
    """Everything up to frame number ``count``, and nothing behind it."""
    if not count:
        return
    for record in records:
        yield record
        count -= record[0] == Kind.FRAME
        if not count:
            return


def _result(engine: Engine, venues: Sequence[str], frames: int, elapsed_s: float) -> dict[str, Any]:
    counters = engine.counters()
    return {
        "venues": list(venues),
        "frames": frames,
        "messages": engine.messages(),
        **{name: counters[name] for name in _TROUBLE},
        "updates": counters["updates"],
        "signals": counters["signals"],
        "digest": engine.digest(),
        "elapsed_s": elapsed_s,
        "frames_per_s": frames / elapsed_s if elapsed_s else 0.0,
    }


def _found(door: EngineInput, *, why: bool) -> dict[str, Any]:
    """Rules with a name, the paper ledger's sums, refusals: what there is, or was asked for."""
    totals = door.engine.paper()
    found: dict[str, Any] = {
        "rules": [rule_object(number, r) for number, r in door.rules.items() if r.name] or None,
        "paper": None if totals is None else paper_object(totals),
        "paper_lags": [paper_object(each) for each in door.engine.papers()] or None,
        "why": [why_object(one) for one in why_not(door.engine, door.rules)] if why else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _fill(fill: PaperFill, rules: Mapping[int, Rule]) -> dict[str, Any]:
    rule = rules.get(fill.rule_id)
    return fill_object(fill, "" if rule is None else rule.name)


def _show(
    args: argparse.Namespace,
    result: dict[str, Any],
    engine: Engine,
    fills: Sequence[dict[str, Any]],
) -> None:
    views = engine.books() if args.books else []
    if args.output == "json":
        books = {"books": {view.symbol: book_object(view) for view in views}}
        write_json(result | (books if args.books else {}))
    elif args.output == "ndjson":
        for fill in fills:
            write_line(fill)
        for view in views:
            write_line({"type": "book", "symbol": view.symbol, **book_object(view)})
        write_line({"type": "summary", **result})
    else:
        _show_tables(result, views)


def _show_tables(result: dict[str, Any], views: Sequence[BookView]) -> None:
    messages = ", ".join(f"{name} {count:,}" for name, count in result["messages"].items())
    plain = {name: value for name, value in result.items() if name not in _APART}
    venues = ", ".join(result["venues"])
    write_pairs((plain | {"venues": venues, "messages": messages}).items())
    for rule in result.get("rules", []):
        basis = basis_line(Rule(rule["rule"], {}, rule["name"], rule))
        if basis is not None:
            print(printable(basis))
    if "paper" in result:
        print()
        write_pairs((f"paper {name}", value) for name, value in result["paper"].items())
        lags = sorted(result["paper_lags"], key=lambda one: one["latency_ms"])
        write_table(
            ("paper, after ms", "claimed", "captured", "whole", "in part", "gone", "unhedged"),
            [
                (one["latency_ms"], one["net_claimed"], one["net_captured"], one["whole"],
                 one["partial"], one["gone"], one["unhedged"])
                for one in lags
            ],
        )  # fmt: skip
    if "why" in result:
        print()
        refused = (
            (one["name"] or one["rule"], one["reason"], one["count"], one["text"])
            for one in result["why"]
        )
        write_table(("not signalled", "why", "times", ""), list(refused))
    if views:
        print()
        header = ("book", "state", "cause", "epoch", "bids", "bid", "ask", "asks")
        write_table(header, [_book_row(view) for view in views])


def book_object(view: BookView) -> dict[str, Any]:
    """A book as plain values: levels best first, numbers as decimal text without trailing zeros."""
    return {
        "state": view.state,
        "cause": view.cause,
        "epoch": view.epoch,
        "bids": view.as_strings("bid"),
        "asks": view.as_strings("ask"),
        "evidence": view.evidence,
    }


def _book_row(view: BookView) -> tuple[object, ...]:
    bids, asks = view.as_strings("bid"), view.as_strings("ask")
    symbol = view.symbol if len(view.symbol) <= 20 else f"{view.symbol[:19]}…"
    bid, ask = (side[0][0] if side else None for side in (bids, asks))
    return symbol, view.state, view.cause, view.epoch, len(bids), bid, ask, len(asks)
