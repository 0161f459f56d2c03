"""The arguments of every subcommand, with their help; nothing here does any work."""

import argparse
from typing import Final

from bookfeed.cli.arguments import duration_s, moment, numbered, path, within
from bookfeed.cli.installing_commands import add_completion, add_man
from bookfeed.cli.looking_commands import add_mcp, add_top
from bookfeed.cli.options import (
    SERVICE,
    WORK,
    Commands,
    addresses,
    child,
    one_book,
    outlets,
    output,
    paper,
    simulated,
    source,
    target,
    wanted,
    why,
)
from bookfeed.cli.recording_commands import (
    add_audit,
    add_calibrate,
    add_export,
    add_import,
    add_replay,
    add_signals,
)
from bookfeed.sim import BOTH
from bookfeed.sim import names as simulators

_PORT_MAX: Final = 65_535


def add_run(commands: Commands) -> None:
    """``bookfeed run``."""
    run = commands.add(
        "run",
        "follow markets, and show their books and signals as they change",
        more="Name the markets on the command line, in a file, or take --demo, which needs no "
        "account and no network. On a terminal it draws a live table; into a pipe or a file it "
        "writes a line of JSON for each thing that happens.",
        example="run --demo --seconds 30",
        codes=SERVICE,
    )
    source(run)
    outlets(run)
    why(run)
    wanted(run)
    run.add_argument(
        "--every",
        type=within(float, 0.1, 3_600),
        default=1.0,
        metavar="S",
        help="lines of JSON tell every S seconds which books changed (default: %(default)g)",
    )
    paper(run)
    output(run, "table on a terminal, else ndjson")


def add_serve(commands: Commands) -> None:
    """``bookfeed serve``."""
    serve = commands.add(
        "serve",
        "hand out what a running feed tells: WebSockets, HTTP, Prometheus",
        more="The feed runs elsewhere on this machine, with a [[sink]] of kind socket. Only this "
        "machine can reach the server unless --expose and a token say otherwise.",
        example="serve --port 8700",
        codes=SERVICE,
    )
    serve.add_argument(
        "socket",
        nargs="?",
        metavar="SOCKET",
        help="the socket of the feed (default: the user's own)",
    )
    serve.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (%(default)s)"
    )
    serve.add_argument(
        "--port",
        type=within(int, 0, _PORT_MAX),
        default=8_700,
        metavar="N",
        help="which port (default: %(default)s; 0: any free one)",
    )
    serve.add_argument(
        "--token-file",
        type=path,
        metavar="FILE",
        help="whoever asks has to show the token in this file, which its owner alone may read "
        "(or the environment: BOOKFEED_SERVER_TOKEN)",
    )
    serve.add_argument(
        "--expose",
        action="store_true",
        help="let other machines in, if --host says so; needs a token",
    )
    serve.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which it is reached besides; may be given several times",
    )
    serve.add_argument(
        "--clients",
        type=within(int, 1, 1_000_000),
        default=20_000,
        metavar="N",
        help="so many connections may be open at once (default: %(default)s, or as many as the "
        "system gives it descriptors for)",
    )
    serve.add_argument(
        "--otlp",
        nargs="?",
        const="",
        metavar="URL",
        help="push what /metrics has to a collector of OpenTelemetry, such as "
        "http://127.0.0.1:4318/v1/metrics (without URL: OTEL_EXPORTER_OTLP_ENDPOINT)",
    )
    serve.add_argument(
        "--otlp-every",
        type=within(float, 0.1, 3_600),
        default=10.0,
        metavar="S",
        help="push every S seconds (default: %(default)g)",
    )
    child(serve)


def add_record(commands: Commands) -> None:
    """``bookfeed record``."""
    record = commands.add(
        "record",
        "follow markets as `run` does, and write every frame into a journal",
        more="`bookfeed replay` gives the same books and signals from it, bit for bit, and "
        "`bookfeed audit` checks them.",
        example="record --config bookfeed.toml --directory recordings",
        codes=SERVICE,
    )
    source(record)
    record.add_argument(
        "--directory",
        type=path,
        metavar="DIR",
        help="where to write (default: directory in [record] of the file, else recordings)",
    )
    outlets(record)
    output(record, "table on a terminal, else ndjson")


def add_markets(commands: Commands) -> None:
    """``bookfeed markets``."""
    markets = commands.add(
        "markets",
        "list markets of the venues, by a text, by name, or the foremost",
        more="Each has the name to paste. No key is needed.",
        example="markets bitcoin --ending 1d",
        codes={**WORK, 1: "failed (nothing of that name, no answer)"},
    )
    markets.add_argument(
        "text",
        nargs="*",
        metavar="TEXT",
        help="words of a title; or one name: the address of a page, a slug, a ticker, an id, a "
        "rolling series (default: the markets with the highest volume)",
    )
    markets.add_argument("--venue", metavar="NAME", help="of one venue only (default: of all)")
    markets.add_argument(
        "--series",
        metavar="NAME",
        help="only of this series; of a rolling one its next windows",
    )
    markets.add_argument(
        "--ending",
        type=duration_s,
        metavar="TIME",
        help="only what closes within 30m, 1h, 2d, … from now",
    )
    markets.add_argument(
        "--top",
        type=within(int, 1, 1_000),
        default=20,
        metavar="N",
        help="at most N markets (default: %(default)s)",
    )
    addresses(markets)
    output(markets)


# Exit codes of commands that ask once.
_ONCE: Final = {
    **WORK,
    1: "the book may not be believed or is too thin; or failed (no answer)",
    2: "wrong arguments or configuration",
}


def add_book(commands: Commands) -> None:
    """``bookfeed book``."""
    book = commands.add(
        "book",
        "show one book once, and whether to believe it",
        more="It is followed until it is live, then shown as of that moment.",
        example="book btc-updown-15m --outcome down",
        codes=dict(sorted(_ONCE.items())),
    )
    one_book(book)
    book.add_argument(
        "--depth",
        type=within(int, 1, 10_000),
        metavar="N",
        help="at most N levels a side (default: 10, on a terminal no more than fit)",
    )
    output(book)


def add_price(commands: Commands) -> None:
    """``bookfeed price``."""
    price = commands.add(
        "price",
        "show what a size would really cost now, and whether to believe it",
        more="The book is walked as deep as the size needs: average and worst price, fee, "
        "slippage. Nothing is ordered.",
        example="price btc-updown-15m buy 500usd",
        codes=dict(sorted(_ONCE.items())),
    )
    one_book(price)
    price.add_argument("side", choices=("buy", "sell"), help="buy takes asks, sell takes bids")
    price.add_argument(
        "amount",
        metavar="AMOUNT",
        help="how much: 500usd or 200sh of a contract; of a pair of currencies 0.5btc, 900usdt",
    )
    output(price)


def add_trades(commands: Commands) -> None:
    """``bookfeed trades``."""
    trades = commands.add(
        "trades",
        "list the newest trades of a market",
        more="Its venue is asked for them by REST; the newest come first. No key is needed.",
        example="trades KXBTC15M -n 50",
        codes={**WORK, 1: "failed (no trades, nothing of that name, no answer)"},
    )
    target(trades)
    trades.add_argument(
        "-n",
        "--count",
        type=within(int, 1, 500),
        default=20,
        metavar="N",
        help="at most N trades (default: %(default)s)",
    )
    output(trades)


def add_add(commands: Commands) -> None:
    """``bookfeed add``."""
    add = commands.add(
        "add",
        "look markets up, and write them as a configuration has them",
        more="The blocks are printed, or put at the end of a file, which stays as it was if they "
        "do not go together.",
        example="add ADDRESS-OF-A-PAGE --to bookfeed.toml",
        codes={**WORK, 2: "wrong arguments, or blocks that do not go with the file"},
    )
    add.add_argument(
        "targets",
        nargs="+",
        metavar="NAME",
        help="the address of a page, a slug, a ticker, an event, an id, a rolling series (its "
        "present window), or @FILE with one a line",
    )
    add.add_argument("--to", type=path, metavar="FILE", help="add to this file (default: print)")
    addresses(add)


def add_init(commands: Commands) -> None:
    """``bookfeed init``."""
    init = commands.add(
        "init",
        "begin a configuration file that tells what may be set",
        more="On a terminal it asks for the keys of venues that need one: their ids, and the paths "
        "of their files, never the keys themselves.",
        example="init bookfeed.toml",
        codes={**WORK, 2: "wrong arguments, a key that cannot be used, or the file is there"},
    )
    init.add_argument(
        "file",
        nargs="?",
        type=path,
        default="bookfeed.toml",
        metavar="FILE",
        help="what to write (default: %(default)s)",
    )


def add_pairs(commands: Commands) -> None:
    """``bookfeed pairs``."""
    pairs = commands.add(
        "pairs",
        "suggest markets of two venues that may be about the same",
        more="Each candidate names its relation, with rules, oracles, strikes and cut-offs side by "
        "side. Nothing becomes a pair until you accept it.",
        example="pairs suggest bitcoin",
        codes={**WORK, 1: "failed (no candidate, no answer)"},
    )
    pairs.add_argument("action", choices=("suggest",), metavar="suggest", help="compare markets")
    pairs.add_argument(
        "text",
        nargs="*",
        metavar="TEXT",
        help="words of a title (default: the foremost markets, and windows of their assets)",
    )
    pairs.add_argument(
        "--top",
        type=within(int, 1, 1_000),
        default=5,
        metavar="N",
        help="at most N candidates (default: %(default)s)",
    )
    pairs.add_argument(
        "--accept",
        action="append",
        type=numbered,
        metavar="N[:NAME]",
        help="write candidate N into the file of --to, if NAME is one of its markets; may be given "
        "several times",
    )
    pairs.add_argument("--to", type=path, metavar="FILE", help="where accepted candidates go")
    addresses(pairs)
    output(pairs)


def add_sim(commands: Commands) -> None:
    """``bookfeed sim``."""
    sim = commands.add(
        "sim",
        "serve a simulated venue on this machine, to try and to test a client",
        more="It speaks the venue's protocol on loopback, knows the true books, and makes faults "
        "on demand; with --from it serves a recording in their place. The first line it prints is "
        "JSON: where it listens, and its markets.",
        example="sim --markets 20 --rate 1000 --fault disconnect@5s",
        codes=SERVICE,
    )
    simulated(sim, markets=10, rate=500)
    sim.add_argument(
        "--venue",
        choices=(*simulators(), BOTH),
        metavar="NAME",
        help="whose protocol to speak: %(choices)s (two venues whose markets belong together); "
        "by default the venue of a [[market]] that names none",
    )
    sim.add_argument(
        "--variant",
        default="",
        metavar="NAME",
        help="another form of the venue, where it has one, such as another country's site",
    )
    port = within(int, 0, _PORT_MAX)
    sim.add_argument(
        "--port", type=port, default=0, metavar="N", help="WebSocket port (default: any free one)"
    )
    sim.add_argument(
        "--rest-port", type=port, default=0, metavar="N", help="REST port (default: any free one)"
    )
    sim.add_argument(
        "--tls",
        type=path,
        metavar="CA.pem",
        help="serve TLS by a certificate made for it, and write here whom clients have to trust "
        "for that (SSL_CERT_FILE=CA.pem)",
    )
    sim.add_argument(
        "--unmirrored",
        type=within(int, 0, 100_000),
        default=0,
        metavar="N",
        help="let N markets trade their outcomes apart, so that YES and NO together sometimes "
        "cost less than 1 (default: 0)",
    )
    sim.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND@WHEN",
        help="make a fault after so many frames (drop@500) or seconds (freeze@2.5s); may be "
        "given several times",
    )
    sim.add_argument(
        "--faults",
        type=path,
        metavar="PLAN.toml",
        help="make the faults of this file, too: tables [[fault]] with kind, at_s, every_s, …",
    )
    _served_recording(sim)
    child(sim)


def _served_recording(sim: argparse.ArgumentParser) -> None:
    """What can be said of a recording that is served in place of a simulation."""
    sim.add_argument(
        "--from",
        dest="recording",
        type=path,
        metavar="RECORDING",
        help="serve this recording in place of simulated markets: its frames as they were "
        "received, once somebody has subscribed",
    )
    sim.add_argument(
        "--speed",
        type=within(float, 0, 1_000_000),
        metavar="N",
        help="how many times as fast as it was received; 0: as fast as clients read (default: 1)",
    )
    sim.add_argument(
        "--at",
        type=moment,
        metavar="TIME",
        help="where in the recording to begin, such as 2026-11-30T03:15:00Z (UTC), or +90s from "
        "its beginning",
    )


def add_bench(commands: Commands) -> None:
    """``bookfeed bench``."""
    bench = commands.add(
        "bench",
        "measure what a frame costs on this machine, beside a plain Python client",
        more="Every answer is compared with the simulator's truth before any clock starts.",
        example="bench --quick",
        codes=WORK,
    )
    bench.add_argument(
        "--quick", action="store_true", help="take a few seconds instead of a minute"
    )
    output(bench)


def add_doctor(commands: Commands) -> None:
    """``bookfeed doctor``."""
    doctor = commands.add(
        "doctor",
        "say what stands between this machine and live books, and what to do about it",
        more="It looks at the machine, then at each venue's name, TLS, clock, key, handshake and "
        "first book, and whether its messages are as they were.",
        example="doctor bookfeed.toml --seconds 10",
        codes={**WORK, 1: "something is bad", 2: "wrong arguments or configuration"},
    )
    doctor.add_argument(
        "file",
        nargs="?",
        type=path,
        metavar="FILE",
        help="the configuration whose venues are looked at (default: all venues, no markets)",
    )
    doctor.add_argument(
        "--seconds",
        type=within(float, 0.1, 86_400),
        default=60.0,
        metavar="N",
        help="watch for N seconds what comes (default: %(default)g)",
    )
    doctor.add_argument(
        "--wait",
        type=within(float, 0.1, 3_600),
        default=15.0,
        metavar="N",
        help="wait at most N seconds for the books (default: %(default)g)",
    )
    doctor.add_argument(
        "--compare",
        type=within(float, 1, 86_400),
        metavar="N",
        help="stream and poll the same books side by side for N seconds",
    )
    doctor.add_argument(
        "--newest", action="store_true", help="ask pip whether there are newer packages"
    )
    output(doctor, "a line for each finding")


def add_score(commands: Commands) -> None:
    """``bookfeed score``."""
    score = commands.add(
        "score",
        "measure how far the warranty of books goes, on this machine",
        more="One line a row: what it came to, what is asked of it, and the command that plays a "
        "failure again. Rows that need the source tree are amber without it.",
        example="score A1 F14 --quick",
        codes={**WORK, 1: "a row failed", 2: "wrong arguments"},
    )
    score.add_argument(
        "ids",
        nargs="*",
        metavar="ID",
        help="rows, such as A1 or F14, or a letter for all of its rows (default: all of the tier)",
    )
    tier = score.add_mutually_exclusive_group()
    tier.add_argument("--quick", action="store_true", help="a few minutes (default)")
    tier.add_argument("--full", action="store_true", help="all there is, more than an hour")
    score.add_argument(
        "--seed",
        type=within(int, 0, 2**31),
        metavar="N",
        help="play seed N alone, such as one that failed",
    )
    score.add_argument(
        "--workers",
        type=within(int, 1, 1_024),
        metavar="N",
        help="share seeds out to N processes (default: one for each processor)",
    )
    score.add_argument(
        "--keep",
        type=path,
        metavar="DIR",
        help="keep each result as DIR/ID.TIER.json; while it is there, and of this build, the row "
        "is not played again",
    )
    score.add_argument(
        "--tell",
        action="store_true",
        help="play nothing: tell what --keep has, of either tier and of whatever build",
    )
    score.add_argument(
        "--tests",
        type=path,
        metavar="XML",
        help="what pytest told of this tree, in JUnit XML: tests that are in it are not run again",
    )
    score.add_argument("--list", action="store_true", help="list the rows, and play none")
    score.add_argument(
        "-o",
        "--output",
        choices=("table", "json", "ndjson", "markdown"),
        help="a line for people as each row is done, one JSON object at the end, one JSON object "
        "a line, or a page (default: table)",
    )


def add_alert(commands: Commands) -> None:
    """``bookfeed alert``."""
    alert = commands.add(
        "alert",
        "send a test message to wherever alerts go",
        more="`alert test` sends one to each target of each [[alert]] of the file, and says which "
        "arrived; nothing is followed.",
        example="alert test --config bookfeed.toml",
        codes={**WORK, 1: "failed (a message was not taken)"},
    )
    alert.add_argument("what", choices=("test",), help="what to do")
    alert.add_argument(
        "name", nargs="*", metavar="NAME", help="only of alerts of these names (default: of all)"
    )
    alert.add_argument(
        "--config", type=path, required=True, metavar="FILE", help="the configuration (TOML)"
    )


EVERY: Final = (
    add_run,
    add_serve,
    add_mcp,
    add_top,
    add_record,
    add_replay,
    add_audit,
    add_calibrate,
    add_signals,
    add_export,
    add_import,
    add_markets,
    add_book,
    add_price,
    add_trades,
    add_init,
    add_add,
    add_pairs,
    add_doctor,
    add_alert,
    add_sim,
    add_bench,
    add_score,
    add_completion,
    add_man,
)
"""In the order in which help lists them."""
