"""``bookfeed audit``: a recording read a second time, independently, and held against the engine.

What is taken from the engine as given, and what is recomputed, says ``bookfeed.audit``.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from bookfeed.audit import Auditor, AuditReport
from bookfeed.audit.model import Waits
from bookfeed.cli.paper import BESIDE_MS
from bookfeed.cli.progress import Progress
from bookfeed.errors import ExitCode, RecordingError
from bookfeed.monitor.output import write_json, write_line, write_pairs, write_table
from bookfeed.recordings.bounds import chunks
from bookfeed.recordings.opened import engine_of, open_source
from bookfeed.recordings.replay import Record
from bookfeed.scorecard.witness import EngineWitness

# Records between two looks at the progress bar.
_AT_ONCE: Final = 1_024
# Findings in the table; the other forms have all of them.
_SHOWN: Final = 50


def execute(args: argparse.Namespace) -> ExitCode:
    """Audits, prints, and succeeds only if nothing was found and the recording was whole."""
    recording = open_source(Path(args.file), args.mode)
    ledgers = {"paper_latency_s": [latency_ms / 1e3 for latency_ms in BESIDE_MS]}
    witness = EngineWitness(engine_of(recording, args.file, recording.engine | ledgers))
    told = {name: recording.engine[name] for name in Waits._fields if name in recording.engine}
    auditor = Auditor(
        witness,
        auto_subscribe=bool(recording.engine.get("auto_subscribe")),
        waits=Waits(**told),
    )
    with Progress("auditing", None) as progress:
        for chunk in chunks(recording.records, _AT_ONCE):
            for record in chunk:
                _take(auditor, record, args.file)
            progress.reach(auditor.report.frames)
    auditor.compare_all()
    problems = recording.problems()
    for problem in problems:
        print(f"bookfeed audit: {problem}", file=sys.stderr)
    _show(args.output, auditor.report)
    if auditor.report.findings_total:
        return ExitCode.FAILURE
    return ExitCode.DATA if problems else ExitCode.OK


def _take(auditor: Auditor, record: Record, source: str) -> None:
    kind, ts, conn, payload = record[0], record[1], record[2], record[-1]
    try:
        auditor.take(kind, ts, conn, payload)
    except Exception as error:
        place = f"{source}: record {auditor.report.records} (kind {kind}, at {ts})"
        raise RecordingError(f"{place} cannot be audited: {error!r}") from error


def _result(report: AuditReport) -> dict[str, Any]:
    return {
        "records": report.records,
        "frames": report.frames,
        "records_refused": report.refused,
        "touches_compared": report.touches,
        "books_compared": report.books,
        "second_sources_compared": report.seconds,
        "trades_compared": report.trades,
        "changes_overtaken": report.overtaken,
        "signals_between_ticks": report.between,
        "index_values_agreed": report.index_ticks,
        "paper_fills_agreed": report.fills,
        "fair_values_agreed": report.fair_values,
        "windows_agreed": report.windows,
        "signals_agreed": report.agreed,
        "signals": dict(sorted(report.signals.items())),
        "findings": report.findings_total,
    }


def _findings(report: AuditReport) -> list[dict[str, Any]]:
    return [
        {"finding": each.kind, "record": each.record, "ts": each.ts, "what": each.what}
        for each in report.findings
    ]


def _show(output: str | None, report: AuditReport) -> None:
    result, findings = _result(report), _findings(report)
    if output == "json":
        write_json(result | {"found": findings})
    elif output == "ndjson":
        for finding in findings:
            write_line({"type": "finding", **finding})
        write_line({"type": "summary", **result})
    else:
        signals = ", ".join(f"{name} {count:,}" for name, count in result["signals"].items())
        write_pairs((result | {"signals": signals}).items())
        if findings:
            print()
            rows = [tuple(finding.values()) for finding in findings[:_SHOWN]]
            write_table(("finding", "record", "ts", "what"), rows)
        if len(findings) > _SHOWN:
            print(f"… and {report.findings_total - _SHOWN:,} more; -o json has them")
