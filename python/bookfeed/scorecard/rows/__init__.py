"""The rows of the scorecard, a file for each part of it."""

from typing import Final

from bookfeed.scorecard.row import Row
from bookfeed.scorecard.rows import (
    campaign,
    crowd,
    index,
    matrix,
    oracle,
    recorder,
    security,
    source,
    stated,
)

ROWS: Final[tuple[Row, ...]] = (
    *campaign.ROWS,
    *matrix.ROWS,
    *oracle.ROWS,
    *index.ROWS,
    *source.ROWS,
    *recorder.ROWS,
    *crowd.ROWS,
    *security.ROWS,
    *stated.ROWS,
)
"""All of them, in the order in which they are told."""
