"""Questions asked of one book under pytest-benchmark; answers are compared before timing.

pytest-benchmark calls a function each time, which costs as much as the quickest answers here;
``python -m benches.questions`` times the bare statements.
"""

from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benches.competitors import installed
from benches.questions import ASKED, SPREAD, TOUCH, check_answer, vwap_names


@pytest.mark.parametrize("question", [TOUCH, SPREAD, *vwap_names().values()])
@pytest.mark.parametrize("stack", ASKED)
def test_question(benchmark: BenchmarkFixture, stack: str, question: str) -> None:
    needs, make = ASKED[stack]
    if needs is not None and installed(needs) is None:
        pytest.skip(f"{needs} is not installed")
    statement, names = make()[question]
    ask: Any = eval(f"lambda: {statement}", dict(names))
    check_answer(stack, question, ask())
    benchmark.group = question
    benchmark(ask)
