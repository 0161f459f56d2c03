"""The page of other faces: its programs run, against a simulated venue on a thread of its own."""

import threading
from pathlib import Path
from typing import Final

import pytest
from test_pages import blocks
from venue_apart import markets_of, venue

from bookfeed.sim.polymarket.server import SimServer

__all__ = ["venue"]

PAGE: Final = Path(__file__).parents[1] / "docs" / "faces.md"
PROGRAMS: Final = [(number, body) for number, (body, why) in enumerate(blocks(PAGE)) if why is None]


@pytest.mark.parametrize(("number", "body"), PROGRAMS)
def test_a_program_of_the_page_runs(
    number: int, body: str, venue: SimServer, capsys: pytest.CaptureFixture[str]
) -> None:
    market, other = markets_of(venue)
    exec(body, {"market": market, "other": other, "url": venue.url})
    assert capsys.readouterr().out, f"block {number} printed nothing"
    assert "bookfeed-feed" not in {thread.name for thread in threading.enumerate()}
