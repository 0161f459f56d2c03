"""What every test finds as it was: the logs, which a command run in the process configures."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command's handler would write to a closed stream, and hide logs from ``caplog``."""
    logger = logging.getLogger("bookfeed")
    kept = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = kept[0], kept[2]
    logger.setLevel(kept[1])
