"""``bookfeed record``: follow markets and write every input of the engine into a journal.

What is written is what ``bookfeed replay`` needs to come to the same records again; the digest
printed at the end is the one a replay of the whole journal prints.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bookfeed._bookfeed import Engine
from bookfeed.cli.run import follow
from bookfeed.cli.source import opened
from bookfeed.errors import ExitCode
from bookfeed.feed.settings import journal
from bookfeed.monitor.output import write_pairs
from bookfeed.monitor.shows import Summary
from bookfeed.recordings.writer import JournalStatus


def execute(args: argparse.Namespace) -> ExitCode:
    """Records until the time is up, Ctrl-C or SIGTERM; fails if something was lost."""
    with opened(args) as source:
        engine = Engine(**source.config.engine.arguments(), digest=True)
        directory = Path(args.directory or source.config.record.directory)
        with journal(source.config, source.name, directory) as writer:

            def hint() -> str:
                status = writer.status()
                lost = f", {status.records_dropped:,} lost" if status.records_dropped else ""
                return f"{status.records_written:,} records{lost}, Ctrl-C ends"

            def summary() -> Summary:
                return {"digest": engine.digest(), "journal": _journal_object(writer.status())}

            follow(args, source, engine, recorder=writer, hint=hint, more=summary)
            status = writer.status()
    on_terminal = sys.stdout.isatty() and not source.config.writes_stdout()
    if args.output == "table" or (args.output is None and on_terminal):
        counts = {"directory": directory, "records": status.records_synced}
        write_pairs([*counts.items(), ("digest", engine.digest())])
    # What was lost, the writer has said.
    whole = status.records_synced == status.records_appended and not status.records_dropped
    return ExitCode.OK if whole else ExitCode.FAILURE


def _journal_object(status: JournalStatus) -> dict[str, Any]:
    return asdict(status) | {"segment": str(status.segment) if status.segment else None}
