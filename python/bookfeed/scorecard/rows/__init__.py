"""The rows of the scorecard, a file for each part of it."""

from typing import Final

from bookfeed.scorecard.row import Row
from bookfeed.scorecard.rows import (
    campaign,
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
    *security.ROWS,
    *stated.ROWS,
)
"""All of them, in the order in which they are told."""
