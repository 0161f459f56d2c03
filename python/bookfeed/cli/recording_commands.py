"""The arguments of the subcommands that read a recording, or what was kept, with their help."""

from bookfeed.cli.arguments import duration_s, path, seconds, tables, within
from bookfeed.cli.options import (
    WORK,
    WORK_ON_DATA,
    Commands,
    hash_check,
    mode,
    output,
    paper,
    recording,
    why,
)
from bookfeed.tables.makers import CHANGE, DEFAULT_TABLES, DEPTH_MAX, FORMATS, TABLES


def add_replay(commands: Commands) -> None:
    """``bookfeed replay``."""
    replay = commands.add(
        "replay",
        "run a recording through the engine, and report on it",
        more="The engine gives the same books and signals as it gave live; the digest it prints "
        "proves it. Use it for research, back-tests and regression tests.",
        example="replay recordings --books -o json",
        codes=WORK_ON_DATA,
    )
    recording(replay)
    replay.add_argument(
        "--frames",
        type=within(int, 0, 2**63 - 1),
        metavar="N",
        help="stop after N frames (default: all)",
    )
    replay.add_argument(
        "--books", action="store_true", help="report every level of the books at the end"
    )
    hash_check(replay)
    mode(replay)
    why(replay)
    paper(replay)
    output(replay)


def add_audit(commands: Commands) -> None:
    """``bookfeed audit``."""
    audit = commands.add(
        "audit",
        "check a recording: compute every book and signal again, independently",
        more="It reads the frames in plain Python, with none of the engine's code, and compares "
        "what it finds with what the engine makes of them. It is slow on purpose.",
        example="audit recordings -o json",
        codes={**WORK_ON_DATA, 1: "something did not agree, or failed (nothing there)"},
    )
    recording(audit)
    mode(audit)
    output(audit)


def add_export(commands: Commands) -> None:
    """``bookfeed export``."""
    exporting = commands.add(
        "export",
        "write tables of a recording as Parquet, CSV, Arrow or DuckDB",
        more="Files are apart by table, day and venue, and complete or not there. coverage.json "
        "beside them says what the recording does not know: gaps, minutes in which a book could "
        "not be believed, and why.",
        example="export recordings --to parquet --table updates,trades --out tables",
        codes=WORK_ON_DATA,
    )
    recording(exporting)
    exporting.add_argument(
        "--to", choices=FORMATS, default="parquet", help="which format (default: parquet)"
    )
    exporting.add_argument(
        "--table",
        type=tables,
        default=DEFAULT_TABLES,
        metavar="TABLE,…",
        help=f"which of {', '.join(TABLES)} (default: {','.join(DEFAULT_TABLES)})",
    )
    exporting.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        help="the directory to make (default: FILE-FORMAT here)",
    )
    for name, what in (("start", "received from then on"), ("end", "received before")):
        exporting.add_argument(
            f"--{name}", metavar="TIME", help=f"what was {what}: 2026-11-30T18:00:00Z"
        )
    for name in ("market", "venue"):
        exporting.add_argument(
            f"--{name}",
            action="append",
            metavar=name.upper(),
            help=f"of this {name} alone; again for more",
        )
    exporting.add_argument(
        "--prices",
        choices=("decimal", "scaled"),
        default="decimal",
        help="exact decimals, or integers of 1e-9 and sizes of 1e-8 (default: decimal)",
    )
    exporting.add_argument(
        "--depth",
        type=within(int, 1, DEPTH_MAX),
        default=10,
        metavar="N",
        help="levels a side in the table of levels (default: 10)",
    )
    exporting.add_argument(
        "--every",
        default=CHANGE,
        metavar="TIME",
        help="how often there are levels: 'change', or 100ms, 1s, 5m (default: change)",
    )
    hash_check(exporting)
    mode(exporting)
    output(exporting)


def add_import(commands: Commands) -> None:
    """``bookfeed import``."""
    importing = commands.add(
        "import",
        "turn a capture (JSON lines) into a journal",
        more="A journal is checksummed and compressed.",
        example="import capture.ndjson.gz capture.bfj",
        codes=WORK_ON_DATA,
        module="importing",
    )
    importing.add_argument(
        "capture", type=path, metavar="CAPTURE", help="JSON lines, plain, gzip or zstd"
    )
    importing.add_argument(
        "journal", type=path, metavar="OUT.bfj", help="journal to write; it must not exist"
    )
    mode(importing)
    output(importing)


def add_signals(commands: Commands) -> None:
    """``bookfeed signals``."""
    signals = commands.add(
        "signals",
        "list the signals that a sink of kind sqlite has kept, the newest first",
        more="Each is one row: when it opened, how long it lived, its largest edge, what it would "
        "have left at its best moment, and why it closed. A feed may be writing the file.",
        example="signals --since 1d --rule box -o csv",
        codes={**WORK, 1: "failed (no signals, no such file)"},
    )
    signals.add_argument(
        "file",
        nargs="?",
        type=path,
        metavar="FILE",
        help="the file of the sink (default: that of the configuration)",
    )
    signals.add_argument(
        "--config",
        type=path,
        metavar="FILE",
        help="the configuration that has the sink (default: bookfeed.toml)",
    )
    signals.add_argument(
        "--since",
        type=duration_s,
        metavar="TIME",
        help="those that opened in the last 30m, 1h or 2d",
    )
    signals.add_argument(
        "--rule", metavar="NAME", help="those of one kind of rule, or of one rule by its name"
    )
    signals.add_argument(
        "-n",
        "--count",
        type=within(int, 1, 1_000_000),
        metavar="N",
        help="at most N signals (default: all)",
    )
    signals.add_argument(
        "-o",
        "--output",
        choices=("table", "json", "ndjson", "csv"),
        help="a table for people, one JSON object, one a line, or lines with commas "
        "(default: table)",
    )


def add_calibrate(commands: Commands) -> None:
    """``bookfeed calibrate``."""
    calibrate = commands.add(
        "calibrate",
        "say how good fair values were in a recording, and what markets said themselves",
        more="Each market about a price is asked some times before its end what it is worth, with "
        "what had been received by then; what was said is held against what came true. It takes "
        "a recording with the reference: prices of a relay, or spot books.",
        example="calibrate recordings -o json",
        codes=WORK_ON_DATA,
    )
    recording(calibrate)
    mode(calibrate)
    calibrate.add_argument(
        "--left",
        type=seconds,
        metavar="S,…",
        help="so many seconds before their ends markets are asked about "
        "(default: 300,120,60,30,10)",
    )
    calibrate.add_argument(
        "--freedom",
        type=within(int, 0, 100),
        default=4,
        metavar="N",
        help="degrees of freedom of Student's t, 3 to 100; 0 for normal moves (default: 4)",
    )
    calibrate.add_argument(
        "--scale",
        type=within(float, 0.01, 100),
        default=1.0,
        metavar="X",
        help="what deviations are multiplied by (default: 1)",
    )
    calibrate.add_argument(
        "--half-life",
        type=within(float, 1, 86_400),
        metavar="S",
        help="of the volatility, seconds (default: 300, and 20 where windows were simulated in "
        "haste)",
    )
    calibrate.add_argument(
        "--step",
        type=within(float, 0.1, 3_600),
        metavar="S",
        help="between the prices that volatility is measured by, seconds (default: 10, and 1 "
        "likewise)",
    )
    output(calibrate)
