"""A typed door to pytest-benchmark's untyped ``pedantic``."""

from collections.abc import Callable
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture


def time_rounds(
    benchmark: BenchmarkFixture,
    work: Callable[..., object],
    *,
    rounds: int,
    argument: Callable[[], object] | None = None,
) -> None:
    """Times ``work`` once a round; ``argument`` makes what it is given, untimed."""
    pedantic: Any = benchmark.pedantic
    if argument is None:
        pedantic(work, rounds=rounds, iterations=1)
    else:
        pedantic(work, setup=lambda: ((argument(),), {}), rounds=rounds, iterations=1)
