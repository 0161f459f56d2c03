"""What a contract on a reference settles on, and how, as it is handed to an engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Measure = Literal["mean", "tick", "first", "last"]
FAIR_AGE_MAX_NS: Final = 5_000_000_000
"""What a contract is worth is told to others for so long after its reference was heard last."""


@dataclass(frozen=True, slots=True)
class SettlementTerms:
    """What decides a contract, so that a feed can say what it is worth (``feed.fair_value``)::

        SettlementTerms("index btc", start_ts=start, end_ts=end)  # up or down
        SettlementTerms("index btc", end_ts=end, at_least="84000")  # above a strike

    Without ``at_least`` and ``below`` it is the window's own question: whether it closes at its
    strike or above. Numbers are decimal text.
    """

    reference: str
    """``"index NAME"`` (an ``IndexEstimate`` of the feed), ``"venue NAME"`` (an index that a venue
    tells on a followed connection), ``"trades VENUE SYMBOL"`` (those of a followed book) or
    ``"told NAME"`` (``feed.tell_reference``).
    """
    end_ts: int
    """When its window ends, Unix nanoseconds."""
    start_ts: int | None = None
    """When its window begins; only its own question needs that."""
    at_least: str | None = None
    """It pays if the closing value is at least this."""
    below: str | None = None
    """It pays if the closing value is below this."""
    strike: str | None = None
    """What its own question asks for, where the venue states it; else its opening value."""
    opening: Measure = "mean"
    """How the opening value is had, as in ``BoundaryMeasure``."""
    closing: Measure = "mean"
    """How the closing value is had."""
    tie: Literal["yes", "half"] = "yes"
    """What it means that the closing value equals the strike: yes, or half each."""
    params: Mapping[str, object] = field(default_factory=dict)
    """The others, as ``docs/metrics.md`` has them: sampling, volatility, tails, doubts."""

    def texts(self) -> dict[str, object]:
        """Its parameters, as an engine takes them."""
        stated = {
            "reference": self.reference,
            "end_ts": self.end_ts,
            "start_ts": self.start_ts,
            "at_least": self.at_least,
            "below": self.below,
            "strike": self.strike,
            "opening": self.opening,
            "closing": self.closing,
            "tie": self.tie,
        }
        return {
            **self.params,
            **{name: value for name, value in stated.items() if value is not None},
        }
