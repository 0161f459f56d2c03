"""How the table of ``where.py`` is printed, and what it says of the targets that are missed."""

import contextlib
import textwrap
from collections.abc import Callable
from typing import Final

from benches import ingest, paced, questions, stages, where
from benches.timing import Row

Tables = dict[str, dict[str, Row]]
SCENES: Final = (
    *(f"{client}, plain" for client in (*where.CLIENTS, where.RECORDED)),
    *(f"{client}, tls" for client in where.CLIENTS),
    *(f"{venue}, in process" for venue in where.VENUES),
)
ANY_CLIENT: Final = (where.KERNEL, where.TLS, where.LOOP, where.SOCKETS)
"""What any client of these sockets has."""
OURS: Final = (where.CALL, where.DECODE, where.ENGINE, where.RULES, where.HASHES, where.LIBC)
OF_BARE: Final = {"plain": 1.7, "tls": 1.45}
ASKED_NS: Final = {"polymarket": 370, "kalshi": 200, "binance": 1_700}
ORJSON_THERE_US: Final = 1.47
"""What orjson takes for Polymarket's frames where the absolute targets were set."""
HASH = "parts: hash of a book of 97 levels a side, digested with another"
SHA1 = "parts: hash of a book of 97 levels a side, SHA-1 of its text alone"
HASHED: Final = 'hash_check="{}", frames received at 10,000/s'
CHECKS: Final = ("off", "sampled", "always")
SAMPLED_US: Final = 0.40
"""What sampling may add to a frame at that rate."""
BID: Final = "book.bid"
ABOUT: Final = """\
The receiving thread is sampled while frames come as fast as it takes them; rounds without sampling
say how long a frame takes, the samples which share of that a stage has. A function that the
compiler put inside another counts as part of that one, and what libc does for any of them is a line
of its own. The columns beside sockets sample hashes, as a feed does by default; those in process
have them off, their frames lie cold in memory, and `Python` is the loop that feeds them.
`python -m benches.where` measures this section alone; it needs `perf`.
"""


def wrapped(text: str) -> str:
    """A line of a list, no wider than a page."""
    return textwrap.fill(text, 100, subsequent_indent="  ", break_on_hyphens=False)


def median(tables: Tables, scene: str, stages: tuple[str, ...]) -> float:
    """What stages take together. Raises ``KeyError`` where they were not measured."""
    table = tables[where.TABLE + scene]
    return sum(table[stage].median for stage in stages)


def of_sockets(tables: Tables, transport: str) -> str:
    """What keeps a saturated socket from its target. Raises ``KeyError`` if it was not measured."""
    bare, ours = (f"{client}, {transport}" for client in where.CLIENTS)
    whole = {scene: median(tables, scene, (where.TOGETHER,)) for scene in (bare, ours)}
    allowed = whole[bare] * OF_BARE[transport]
    sockets, work = median(tables, ours, ANY_CLIENT), median(tables, ours, OURS)
    python = median(tables, ours, (where.PYTHON,))
    decode = median(tables, ours, (where.DECODE,))
    checks = median(tables, ours, (where.RULES, where.HASHES))
    free = (whole[ours] - decode - checks) / whole[bare]
    return wrapped(
        f"* **Saturated, {transport}, at most {OF_BARE[transport]} times bare picows.** Bare picows"
        f" takes {whole[bare]:.0f} ns, so {allowed:.0f} may be taken; bookfeed takes"
        f" {whole[ours]:.0f}. {sockets:.0f} of them are the kernel, the loop and picows,"
        f" {python:.0f} Python, which is called once a read; that leaves"
        f" {allowed - sockets - python:.0f} for a frame's text, its books, their evidence and the"
        f" records, which take {work:.0f}. Decoding takes {decode:.0f} of that, rules and hashes"
        f" {checks:.0f}: if none of the three took any time, it would be {free:.2f} times bare."
    )


def in_process(tables: Tables, venue: str) -> str:
    """What keeps a call from its target. Raises ``KeyError`` if it was not measured."""
    scene = f"{venue}, in process"
    here = tables[ingest.PARSE]["orjson"].median / ORJSON_THERE_US
    asked = ASKED_NS[venue]
    told = ", ".join(
        f"{stage.partition(':')[0]} {median(tables, scene, (stage,)):.0f}"
        for stage in (*OURS, where.PYTHON)
        if median(tables, scene, (stage,)) >= 1
    )
    return wrapped(
        f"* **{venue.capitalize()}, one call a frame, at most {asked:,} ns.** Where that was set,"
        f" orjson took {ORJSON_THERE_US} µs for a Polymarket frame; here it takes {here:.2f} times"
        f" as long, so that {asked:,} ns there are {asked * here:,.0f} here. A frame takes"
        f" {median(tables, scene, (where.TOGETHER,)):,.0f}: {told}."
    )


def of_hashes(tables: Tables) -> str:
    """What is left to gain in a hash. Raises ``KeyError`` if it was not measured."""
    whole, digest = (tables[stages.STAGES][name].median for name in (HASH, SHA1))
    return wrapped(
        f"* **Hashes.** Printing and digesting a book of 97 levels a side takes {whole:,.0f} ns,"
        f" SHA-1 of its text alone {digest:,.0f}, by the quickest instructions that this processor"
        f" has for it: {max(whole - digest, 0):,.0f} ns is all there is to save."
    )


def of_sampling(tables: Tables) -> str:
    """What sampled hashes cost, and why. Raises ``KeyError`` if it was not measured."""
    rows = {check: tables[ingest.HASH][HASHED.format(check)] for check in CHECKS}
    off, sampled, always = (row.median for row in rows.values())
    compared = {
        check: sum(count for name, count in row.facts.items() if name.startswith("hash_"))
        for check, row in rows.items()
    }
    share = compared["sampled"] / compared["always"]
    return wrapped(
        f"* **Hashes sampled at 10,000 frames a second, at most {SAMPLED_US:.2f} µs a frame over"
        f" none.** They take {sampled - off:.2f}. Comparing every one takes {always - off:.2f};"
        f" sampling compares {share:.1%} of them, which comes to {share * (always - off):.2f}, and"
        " the rest is memory (inferred): a book that is compared long after it changed has left"
        " the caches. Comparing fewer would leave a book longer without the venue's word for it."
    )


def of_recording(tables: Tables) -> str:
    """What recording costs the loop's thread, by stage. Raises ``KeyError`` if not measured."""
    without, recorded = (f"{client}, plain" for client in (where.CLIENTS[1], where.RECORDED))
    added = {
        stage: median(tables, recorded, (stage,)) - median(tables, without, (stage,))
        for stage in (*where.STAGES, where.TOGETHER)
    }
    most = (where.KERNEL, where.LIBC, where.CALL)
    told = ", ".join(f"{stage} {added[stage]:+.0f}" for stage in most)
    elsewhere = added[where.TOGETHER] - sum(added[stage] for stage in most)
    return wrapped(
        f"* **Recording, at most 150 ns a frame on the loop's thread.** As fast as frames come, it"
        f" takes {added[where.TOGETHER]:.0f}: {told}, {elsewhere:+.0f} elsewhere. The thread that"
        " compresses has the same core here and falls behind, so that frames wait in memory that"
        " is new each time and has to be mapped; where it keeps up, the same buffers are filled"
        " again."
    )


def of_spread(tables: Tables) -> str:
    """What there is to gain in a question. Raises ``KeyError`` if it was not measured."""
    spread = tables[questions.SPREAD]["bookfeed"].median
    bid = tables[questions.TRUST][BID].median
    return wrapped(
        f"* **Spread of a book, at most 35 ns.** It takes {spread:.1f}; `{BID}`, one price of the"
        f" same object, {bid:.1f}. A subtraction lies between: the rest is Python's call, and the"
        " float that it makes."
    )


def of_pacing(tables: Tables) -> str:
    """What a frame that comes alone costs. Raises ``KeyError`` if it was not measured."""
    table = tables[paced.table_of("plain", 1_000)]
    bare, ours = (table[name + paced.BUSY].spread for name in (paced.BARE, paced.OURS))
    warm = median(tables, f"{where.CLIENTS[1]}, plain", (where.TOGETHER,)) / 1e3
    return wrapped(
        f"* **Paced, p50 at most 5 µs behind bare picows at 1,000 frames a second.** Awake all the"
        f" time (busy-poll) it is {ours['p50'] - bare['p50']:.1f} behind. Where frames follow each"
        f" other at once, all of a frame's way takes {warm:.2f} µs: what is more is code and books"
        " that left the caches in the millisecond before (inferred). Bare picows has neither."
    )


def told(tables: Tables) -> list[str]:
    """A line for each target of which the rows are there."""
    asked: list[tuple[Callable[..., str], tuple[str, ...]]] = [
        *((of_sockets, (transport,)) for transport in OF_BARE),
        *((in_process, (venue,)) for venue in where.VENUES),
        (of_hashes, ()),
        (of_sampling, ()),
        (of_recording, ()),
        (of_spread, ()),
        (of_pacing, ()),
    ]
    lines = []
    for line, about in asked:
        with contextlib.suppress(KeyError, ValueError):
            lines.append(line(tables, *about))
    return lines


def table_lines(tables: Tables) -> list[str]:
    """The table: a line a stage, a column a scene."""
    scenes = [scene for scene in SCENES if where.TABLE + scene in tables]
    lines = ["| stage | " + " | ".join(scenes) + " |", "|" + "---|" * (len(scenes) + 1)]
    for stage in (*where.STAGES, where.TOGETHER):
        cells = [f"{tables[where.TABLE + scene][stage].median:,.0f}" for scene in scenes]
        lines.append("| " + " | ".join([stage, *cells]) + " |")
    samples = [
        f"{tables[where.TABLE + scene][where.TOGETHER].facts[where.SAMPLES]:,.0f}"
        for scene in scenes
    ]
    return [*lines, "| " + " | ".join(["samples", *samples]) + " |", ""]


def where_lines(tables: Tables) -> list[str]:
    """The section."""
    head = ["## Where the time of a frame goes, ns", "", ABOUT]
    first = tables[where.TABLE + SCENES[1]]
    skipped = first[where.TOGETHER].skipped
    if skipped is not None:
        return [*head, f"Not measured: {skipped}.", ""]
    return [*head, *table_lines(tables), *told(tables), ""]
