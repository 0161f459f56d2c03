"""What an audit comes to: counts, and everything that did not agree."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

# Findings kept in full; more are counted only.
FINDINGS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement.

    ``kind`` is ``touch``, ``levels``, ``trade``, ``standing`` (a book is live that must not be, or
    stale for a cause that no frame shows), ``second`` (a second source has had another one for too
    long), ``index`` (a value of an estimated index), ``fair`` (a fair value), ``window`` (what
    is said of what a contract settles by: its values, its strike, who has won), ``missing`` (a
    signal is found here and not there), ``extra`` (there and not here), ``different`` (a signal
    with other values), ``paper`` (what an order on paper got) or ``unread`` (a venue or a rule that
    is not audited at all).
    """

    kind: str
    record: int
    """Number of the journal record, from 1."""
    ts: int
    what: str
    """What it is about: a book or a rule, and the values on both sides."""


@dataclass(slots=True)
class AuditReport:
    """Counts of what was compared, and the findings."""

    records: int = 0
    frames: int = 0
    refused: int = 0
    """Journal records that the engine did not understand."""
    touches: int = 0
    """Published touches that were compared."""
    books: int = 0
    """Live and polled books that were compared level by level."""
    lined: int = 0
    """Of the live ones, those that two lines carry; signals on them are not compared."""
    polled: int = 0
    """Books that an answer to a poll replaced."""
    seconds: int = 0
    """Comparisons of live books with second sources."""
    trades: int = 0
    """Trades that were compared, of venues whose reading reads them."""
    overtaken: int = 0
    """Changes not newer than their book, of which the engine told whether they were history."""
    index_ticks: int = 0
    """Values of estimated indices that agree."""
    fills: int = 0
    """Fills on paper that agree."""
    fair_values: int = 0
    """Fair values that agree; each contract is asked once in 5 s, and once in as many
    milliseconds as its reference has ticked.
    """
    windows: int = 0
    """What is said of windows, as often as of fair values, and whenever that changed."""
    between: int = 0
    """Signal records on contracts whose reference ticked more than once in a journal record: what
    they were worth in between, nobody can ask.
    """
    agreed: int = 0
    """Signal records that agree in every field."""
    signals: Counter[str] = field(default_factory=Counter)
    """Signal records that agree, by rule and phase."""
    findings: list[Finding] = field(default_factory=list)
    findings_total: int = 0

    def find(self, finding: Finding) -> None:
        """Notes a disagreement."""
        self.findings_total += 1
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)
