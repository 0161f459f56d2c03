"""The tables of ``BENCHMARKS.md``: each row set, the process that measures it and its lines."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from benches import growth, ingest, loopback, paced, questions, sinks, spot, stages
from benches.timing import Row
from benches.where_lines import where_lines

Table = dict[str, Row]
Tables = dict[str, Table]


def number(value: float) -> str:
    """Three significant digits or so."""
    if value >= 1_000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def lines_of(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return [*lines, ""]


def rounds_of(row: Row) -> list[str]:
    """min, median, max of the rounds."""
    return [number(row.min), number(row.median), number(row.max)]


def race_lines(table: Table) -> list[str]:
    """Bytes to book to touch."""
    body = []
    for name, row in table.items():
        if row.skipped is not None:
            body.append([name, *["-"] * 6, f"skipped: {row.skipped}"])
            continue
        peer = not name.startswith("bookfeed")
        ours = table[ingest.OURS + (ingest.FRESH if name.endswith(ingest.FRESH) else "")]
        ratio = f"{row.median / ours.median:.1f} x" if peer else ""
        calls = [number(row.spread[p]) if row.spread else "" for p in ("p50", "p99", "max")]
        body.append([name, *rounds_of(row), *calls, ratio])
    head = ["stack", "min", "median", "max", "call p50", "call p99", "call max", "bookfeed is"]
    return lines_of(head, body)


def plain_lines(table: Table, unit: str) -> list[str]:
    """Rows with nothing but their rounds."""
    body = [
        [name, *(rounds_of(row) if row.skipped is None else ["-", "-", f"skipped: {row.skipped}"])]
        for name, row in table.items()
    ]
    return lines_of([unit, "min", "median", "max"], body)


def saturated_lines(table: Table) -> list[str]:
    """Wall time of the rounds, the receiving thread's CPU time, and both beside counting alone."""
    body = []
    bare = table[loopback.COUNT_ONLY]
    for name, row in table.items():
        if row.skipped is not None:
            body.append([name, *["-"] * 6, f"skipped: {row.skipped}"])
            continue
        times = [row.median / bare.median, row.facts["cpu"] / bare.facts["cpu"]]
        wall, cpu = (f"{value:.2f} x" for value in times)
        wait = f"{row.facts['core wait']:.1%}"
        body.append([name, *rounds_of(row), wall, number(row.facts["cpu"]), cpu, wait])
    head = ["client", "min", "median", "max", "of bare", "CPU, median", "of bare", "core wait"]
    return lines_of(head, body)


def question_lines(tables: dict[str, Table]) -> list[str]:
    """One line a stack, one column a question: median, and p99 over the rounds."""
    asked = [questions.TOUCH, questions.SPREAD, *questions.vwap_names().values()]
    body = []
    for stack in questions.ASKED:
        cells = []
        for question in asked:
            row = tables[question][stack]
            cells.append(
                f"skipped: {row.skipped}"
                if row.skipped is not None
                else " / ".join(
                    number(x) for x in (row.min, row.median, row.spread["p99"], row.max)
                )
            )
        body.append([stack, *cells])
    return lines_of(["min / median / p99 / max", *asked], body)


def paced_lines(table: Table) -> list[str]:
    """Latency percentiles, and the difference to bare picows at p50 and p99."""
    body = []
    for name, row in table.items():
        bare = table[paced.BARE + (paced.BUSY if name.endswith(paced.BUSY) else "")]
        against = [
            "" if row is bare else f"{row.spread[p] - bare.spread[p]:+.1f}" for p in ("p50", "p99")
        ]
        late = " / ".join(number(row.facts[f"sender late {p}"]) for p in ("p50", "p99"))
        spread = [number(row.spread[p]) for p in ("p50", "p99", "p99.9", "max")]
        disturbed = f"{row.facts['disturbed']:.0f} of {len(row.rounds)}"
        others = [late, f"{row.facts['core wait']:.1%}", disturbed]
        body.append([name, *spread, *against, *others])
    head = ["client", "p50", "p99", "p99.9", "max", "p50 - bare", "p99 - bare"]
    return lines_of([*head, "sender late p50 / p99", "core wait", "rounds disturbed"], body)


def sink_lines(table: Table) -> list[str]:
    """What the feed takes with more and more sinks."""
    body = []
    for name, row in table.items():
        cells = [row.facts["emit p50"], row.facts["emit p99"], row.spread["p50"], row.spread["p99"]]
        late = row.facts["sender late p99"]
        body.append([name, *map(number, (*cells, row.facts["cpu"], late))])
    head = ["sinks", "recv to emit p50", "p99", "due to callback p50", "p99"]
    return lines_of([*head, "loop's CPU a frame", "sender late p99"], body)


def disturbance_lines(rows: Iterable[Row]) -> list[str]:
    """A warning where rounds were disturbed, however often they were repeated."""
    if not any(row.facts.get("disturbed") for row in rows):
        return []
    return [
        "**Disturbed run: the sender was late or the receiver waited for its core, in every",
        "attempt to repeat a round. Latencies of rows with disturbed rounds are not to be",
        "trusted.**",
        "",
    ]


def race_section(title: str, told: Sequence[str], race: Table, parsing: Table) -> list[str]:
    """A venue's two tables."""
    return [
        f"## {title}: bytes to book to touch, µs a frame",
        "",
        *told,
        "",
        *race_lines(race),
        f"## {title}: parsing alone, µs a frame",
        "",
        *plain_lines(parsing, "row"),
    ]


def polymarket_lines(tables: Tables) -> list[str]:
    """Polymarket's race, and what checking hashes costs."""
    told = [
        "The same corpus, books and touches in every row, compared before timing. CPU time over",
        "the whole corpus; single calls on the wall clock, timer included. Frames are fresh where",
        "they were copied just before, 64 at a time and untimed, as a socket leaves them.",
    ]
    parsing = tables[ingest.PARSE] | tables[ingest.CALL]
    return [
        *race_section("Polymarket", told, tables[ingest.RACE], parsing),
        "## What checking the venue's hashes costs, µs a frame",
        "",
        "A shorter corpus with valid hashes on every `book` and `price_change`. Sampling goes by",
        "receive time, so it costs less a frame the faster frames come.",
        "",
        *plain_lines(tables[ingest.HASH], "row"),
    ]


def kalshi_lines(tables: Tables) -> list[str]:
    """Kalshi's race."""
    told = [
        "As Polymarket, another corpus. bookfeed has the spread rule on every market and a box",
        "with a Polymarket outcome on every second one; some boxes open, some are refused for",
        "fees.",
    ]
    return race_section("Kalshi", told, tables[ingest.KALSHI_RACE], tables[ingest.KALSHI_PARSE])


def binance_lines(tables: Tables) -> list[str]:
    """Binance's race."""
    told = [
        "As Polymarket, another corpus: differences of 20 to 100 levels, of books of 1,000 levels",
        "a side and some far away. bookfeed checks the update ids and has the spread rule on each.",
    ]
    return race_section("Binance", told, tables[ingest.BINANCE_RACE], tables[ingest.BINANCE_PARSE])


def spot_lines(tables: Tables) -> list[str]:
    """The races of the other spot venues."""
    lines = [
        "## The other spot venues: bytes to book to touch, µs a frame",
        "",
        "As Binance, a corpus each; as many levels a message as the venue tells at once. bookfeed",
        "checks what proves its books: sums (Kraken), numbers (Coinbase, Gemini, Crypto.com) or",
        "times (Bitstamp).",
        "",
    ]
    for venue in spot.VENUES:
        lines += [f"### {venue}", "", *race_lines(tables[ingest.spot_race(venue)])]
    return lines


def stage_lines(tables: Tables) -> list[str]:
    """The core's stages."""
    return [
        "## The core's own stages, ns",
        "",
        "Rust alone, by `cargo bench --bench stages`, which compares each answer before it is",
        "timed. The time of an `ingest` is everything the engine does with a frame.",
        "",
        *plain_lines(tables[stages.STAGES], "stage"),
    ]


def asked_lines(tables: Tables) -> list[str]:
    """Questions, and what relying on a book costs."""
    return [
        "## Questions asked of a book, 97 levels a side, ns",
        "",
        *question_lines(tables),
        "## What relying on a book costs, ns",
        "",
        "A price is read; the book is asked whether it is live, its evidence at most two seconds",
        "old, and the venue's hash vouches for it as it stands.",
        "",
        *plain_lines(tables[questions.TRUST], "statement"),
    ]


def all_saturated_lines(tables: Tables) -> list[str]:
    """Socket to record, as fast as it goes."""
    lines: list[str] = []
    for transport in ("plain", "tls"):
        table = tables.get(f"saturated {transport}")
        if table is not None:
            title = f"## Saturated loopback, {transport}, µs a frame"
            lines += [title, "", *saturated_lines(table)]
    return lines


def paced_section(transport: str, rate: int) -> Callable[[Tables], list[str]]:
    """Latency at a rate; the first one says what all of them are."""
    told = [
        "Open-loop schedule; a stall delays every frame that was due meanwhile and all of them",
        "count. p50 and p99 are medians of the rounds, the others are of all frames together.",
        "`bare` is picows with a callback that only looks at the clock. The sender's own lateness",
        "(worst round) is part of every latency; `core wait` is the share of its time for which",
        "the receiver was ready and another had its core. Rounds that something else disturbed are",
        "repeated.",
        "",
    ]
    first = (transport, rate) == ("plain", paced.RATES[0])

    def lines(tables: Tables) -> list[str]:
        table = tables.get(paced.table_of(transport, rate), {})
        if not table:
            return []
        title = f"## Paced loopback, {transport}, {rate:,} frames a second, µs from due to callback"
        disturbed = disturbance_lines(table.values())
        return [title, "", *(told if first else []), *disturbed, *paced_lines(table)]

    return lines


def all_sink_lines(tables: Tables) -> list[str]:
    """What sinks cost the feed."""
    return [
        f"## Sinks, {sinks.RATE:,} frames a second, µs",
        "",
        "The paced loopback with more and more sinks. The healthy one writes lines of JSON into a",
        "file; the stalling one never comes back from its first batch, so its queue is full and is",
        "conflated; the raising one raises at every batch. `recv to emit` is the engine's own",
        "histogram, medians of the rounds.",
        "",
        *sink_lines(tables[sinks.TABLE]),
    ]


def growth_lines(tables: Tables) -> list[str]:
    """What a frame costs as an engine grows."""
    body = []
    for title in (growth.ALL, growth.QUIET, growth.LEVELS):
        for name, row in tables[title].items():
            each = row.facts["bytes a book"]
            # Of few books the allocator's own steps are the larger part.
            memory = number(each) if title == growth.ALL and row.facts["x"] >= 1_000 else ""
            body.append([title.removeprefix("growth: "), name, *rounds_of(row), memory])
    return [
        "## Growth, µs a frame",
        "",
        "`price_change` frames with two mirrored entries, fresh; spread and complement rules on.",
        "Where ten instruments change, the others, and the rules on them, are to cost nothing.",
        "",
        "![µs a frame by instruments and by levels](growth.svg)",
        "",
        *lines_of(["of", "so many", "min", "median", "max", "bytes a book"], body),
    ]


@dataclass(frozen=True)
class RowSet:
    """A process that measures, how its rows are printed, and whether the quick tier has them."""

    command: tuple[str, ...]
    lines: Callable[[Tables], list[str]]
    quick: bool = True


ROW_SETS: Final = {
    "polymarket": RowSet(("ingest", "polymarket"), polymarket_lines),
    "kalshi": RowSet(("ingest", "kalshi"), kalshi_lines),
    "binance": RowSet(("ingest", "binance"), binance_lines),
    "spot": RowSet(("ingest", *spot.VENUES), spot_lines),
    "stages": RowSet(("stages",), stage_lines),
    "questions": RowSet(("questions",), asked_lines),
    "saturated": RowSet(("loopback",), all_saturated_lines),
    "where": RowSet(("where",), where_lines, quick=False),
    **{
        f"paced-{transport}-{rate}": RowSet(
            ("paced", transport, str(rate)),
            paced_section(transport, rate),
            quick=(transport, rate) == paced.USUAL,
        )
        for transport, rate in paced.SETTINGS
    },
    "growth": RowSet(("growth",), growth_lines),
    "sinks": RowSet(("sinks",), all_sink_lines),
}
"""In the order of the report."""
