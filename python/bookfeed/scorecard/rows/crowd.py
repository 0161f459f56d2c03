"""Rows G4 to G6: many clients at the server, some that read nothing, some that say nothing."""

import sys
from typing import Any, Final

from bookfeed.scorecard.campaigns.world import found
from bookfeed.scorecard.row import Effort, Figure, NotMeasuredError, Row


def _played(play: str, count: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    if sys.platform != "linux":
        raise NotMeasuredError("reads the resident set from /proc")
    (crowd,) = found("CROWD")
    figures, problems = crowd(play, count)
    return figures, tuple(problems)


def crowded(effort: Effort) -> Figure:
    """G4."""
    figures, problems = _played("full", effort.of(1_000, 10_000))
    alone, beside = (ns / 1_000 for ns in figures["ingest_ns"])
    text = (
        f"{figures['open']} in after {figures['connect_s']:.1f} s, "
        f"{figures['idle_bytes'] / 1024:.0f} KiB each, the last told "
        f"{figures['told']['after_first_ms']['p99']:.0f} ms (p99) after the first; "
        f"p99 of a record in the feed {alone:.0f} µs, {beside:.0f} µs beside them"
    )
    return Figure(text, problems)


def _told(figures: dict[str, Any]) -> str:
    before, beside = (one["age_ms"]["p99"] for one in figures["told"])
    return f"others told after {beside:.0f} ms (p99), {before:.0f} ms before"


def stalled(effort: Effort) -> Figure:
    """G5."""
    figures, problems = _played("stalled", effort.of(200, 1_000))
    cut = "not cut" if figures["cut_s"] is None else f"cut after {figures['cut_s']:.1f} s"
    text = (
        f"{figures['stalled']} of {figures['open']} read nothing: {cut}, "
        f"{figures['grown_bytes'] / 1024:.0f} KiB each; {_told(figures)}"
    )
    return Figure(text, problems)


def flooded(effort: Effort) -> Figure:
    """A part of F34."""
    figures, problems = _played("flood", effort.of(100, 1_000))
    last_s = max(figures["cut_s"], default=0)
    text = f"{figures['flooding']} that flood are closed after {last_s:.2f} s at most"
    return Figure(f"{text}; {_told(figures)}", problems)


def slow(effort: Effort) -> Figure:
    """G6."""
    figures, problems = _played("loris", effort.of(200, 2_000))
    text = (
        f"{figures['slow']} that say a byte a second are cut after {figures['cut_s'][1]:.1f} s, "
        f"{figures['grown_bytes'] / 1024:.0f} KiB each; one too many: {figures['beyond'][0]}"
    )
    return Figure(text, problems)


ROWS: Final = (
    Row("G4", "1,000 or 10,000 clients of the server",
        "in within 10 s, 32 KiB each, last told 250 ms after the first, feed p99 <= 1.2x", crowded),
    Row("G5", "clients of whom a tenth reads nothing",
        "others' p99 <= 1.2x, 1 MiB each, cut 5 s after they take no more", stalled),
    Row("G6", "clients that are slow to say what they want, and one too many",
        "cut after 5 s, 503, memory flat", slow),
)  # fmt: skip
