"""Draws the curves of ``benches.growth``: ``growth.svg`` beside ``BENCHMARKS.md``."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benches import growth
from benches.timing import Row

Table = dict[str, Row]
COLOURS = ("#1f5fa8", "#c2571a")


def draw_curve(axes: Axes, table: Table, label: str, colour: str) -> None:
    """A line through the medians, and a band from the least to the most of the rounds."""
    rows = list(table.values())
    x = [row.facts["x"] for row in rows]
    axes.plot(x, [row.median for row in rows], "o-", color=colour, label=label, markersize=4)
    low, high = [row.min for row in rows], [row.max for row in rows]
    axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)


def finish(axes: Axes, table: Table, title: str, x_label: str) -> None:
    """What both panels have; ``table`` says where there is something to read off."""
    axes.set_xscale("log")
    axes.set_xticks([row.facts["x"] for row in table.values()], list(table))
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.set_ylabel("µs a frame")
    axes.grid(visible=True, which="major", alpha=0.3)


def draw(tables: dict[str, Table], path: Path) -> None:
    """Writes the picture; its kind is that of the file's name."""
    # The same rows make the same file: names in it are not drawn by lot, text stays text.
    with mpl.rc_context({"svg.hashsalt": "bookfeed", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(9.0, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        draw_curve(left, tables[growth.ALL], "all of them change", COLOURS[0])
        draw_curve(left, tables[growth.QUIET], "ten of them change", COLOURS[1])
        finish(
            left, tables[growth.ALL], "Instruments", "instruments of one engine, ten levels a side"
        )
        left.legend(frameon=False)
        draw_curve(right, tables[growth.LEVELS], "", COLOURS[0])
        finish(right, tables[growth.LEVELS], "Levels", "levels a side, 200 instruments")
        # No date: it would differ without anything having changed.
        facts = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, dpi=150, metadata=facts)
