"""The page of other faces: its programs run, against a simulated venue on a thread of its own."""

import ast
import inspect
import json
import threading
from pathlib import Path
from typing import Any, Final

import pytest
from test_pages import blocks
from venue_apart import markets_of, venue

from bookfeed.sim.polymarket.server import SimServer

__all__ = ["venue"]

PAGE: Final = Path(__file__).parents[1] / "docs" / "faces.md"
NOTEBOOK: Final = PAGE.parents[1] / "examples" / "notebook.ipynb"
PROGRAMS: Final = [(number, body) for number, (body, why) in enumerate(blocks(PAGE)) if why is None]


@pytest.mark.parametrize(("number", "body"), PROGRAMS)
def test_a_program_of_the_page_runs(
    number: int, body: str, venue: SimServer, capsys: pytest.CaptureFixture[str]
) -> None:
    market, other = markets_of(venue)
    exec(body, {"market": market, "other": other, "url": venue.url})
    assert capsys.readouterr().out, f"block {number} printed nothing"
    assert "bookfeed-feed" not in {thread.name for thread in threading.enumerate()}


async def test_the_notebook_runs_cell_by_cell() -> None:
    """As Jupyter does it: cells share their names, and may await."""
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    names: dict[str, Any] = {}
    shown: list[str] = []
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        assert not cell["outputs"] and cell["execution_count"] is None
        body = "".join(cell["source"])
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        *lines, last = ast.parse(body).body
        done = eval(compile(ast.Module(lines, []), "cell", "exec", flags), names)
        if inspect.isawaitable(done):
            await done
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "cell", "eval", flags), names)
            value = await value if inspect.isawaitable(value) else value
            shown.append(getattr(value, "_repr_html_", lambda found=value: repr(found))())
        else:
            exec(compile(ast.Module([last], []), "cell", "exec", flags), names)
    assert any("<table" in each for each in shown)
