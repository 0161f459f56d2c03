"""Why not: what every rule refused and how often, in words; and what of it is worth a warning.

A refusal is an opportunity that was there at the touch and not signalled. The reasons are those of
``docs/signals.md``; ``SENTENCES`` says each of them to people.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bookfeed._bookfeed import Engine
from bookfeed.rules.rule import Rule

SENTENCES: Final[dict[str, str]] = {
    "not_live": "a leg's book may not be believed",
    "status": "a leg's market is paused, not open yet, or closed",
    "closing": "a leg's market closes too soon (min_time_to_close_ms)",
    "age": "a leg has not been heard of for too long (max_age_ms)",
    "reference": "its reference has not ticked for too long (max_reference_age_ms)",
    "unproven": "its venue does not vouch for a leg's book as it stands (proof)",
    "skew": "the legs were heard of too far apart (max_skew_ms)",
    "lag": "one venue delivers later than the other (max_lag_ms)",
    "polarity": "not seen to agree yet, or opposites (polarity_check)",
    "augmented": "outcomes may be added, so that the sum says nothing",
    "crossed": "a leg's book is crossed or locked",
    "torn": "the two books of the market do not mirror each other",
    "hash": "no hash vouches for both books as they stand",
    "fee_type": "a leg's fee type is not one that can be computed",
    "fee_unknown": "a leg's fees are not known, and unknown is not zero",
    "overflow": "the numbers do not fit",
    "fees": "fees eat the edge (min_edge)",
    "min_qty": "too little can be executed (min_qty)",
    "own": "without orders of your own it would not be there",
    "unconfirmed": "a leg has not been heard of again yet (confirm)",
    "hold": "it had not lasted long enough (min_hold_ms)",
    "cooldown": "the one before ended too recently (cooldown_ms)",
}

PAIRS: Final = ("box", "strike_gap")
"""Rules whose sides may be opposites."""
REFERENCED: Final = ("delay", "fair_value")
"""Rules that find nothing where no contract has terms of settlement."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Why:
    """How often one rule refused for one reason. ``name`` is empty for rules without one."""

    rule_id: int
    """Number of the rule."""
    rule: str
    """Kind of the rule, one of ``RULES``."""
    name: str
    reason: str
    """The reason, one of ``REFUSALS``."""
    count: int
    """How often."""
    text: str
    """The reason as a sentence."""


def why(engine: Engine, rules: Mapping[int, Rule]) -> list[Why]:
    """Every refusal that has happened, by rule, the most frequent reason first."""
    refusals: list[Why] = []
    for number, rule in sorted(rules.items()):
        counts = sorted(engine.refusals(number).items(), key=lambda item: (-item[1], item[0]))
        refusals += [
            Why(number, rule.kind, rule.name, reason, count, SENTENCES[reason])
            for reason, count in counts
            if count
        ]
    return refusals


class PolarityAlarm:
    """Says once for each pair that its sides may be opposites.

    A pair that is stated rightly may get here, too, as long as it has not been watched for long.
    """

    def __init__(self) -> None:
        self._warned: Final[set[int]] = set()

    def look(self, engine: Engine, rules: Mapping[int, Rule]) -> None:
        """Warns of pairs whose refusals for ``polarity`` have begun to count."""
        for number, rule in rules.items():
            due = rule.kind in PAIRS and number not in self._warned
            if not due or not engine.refusals(number)["polarity"]:
                continue
            self._warned.add(number)
            _log.warning(
                "%s: there was an edge, and it is not signalled: the two sides have not been seen "
                "to agree yet, or are opposites: %s. If that goes on, check outcome and polarity "
                "of both legs, and that both are on the same event",
                f'pair "{rule.name}"' if rule.name else f"rule {number} ({rule.kind})",
                " and ".join(_sides(rule)),
            )


def warn_without_terms(rules: Iterable[Rule], *, told: bool) -> None:
    """Warns of rules that find nothing because nobody ``told`` what any contract settles on."""
    kinds = sorted({rule.kind for rule in rules if rule.kind in REFERENCED})
    if kinds and not told:
        _log.warning(
            "rule %s: no contract has terms of settlement, so nothing is found. They come from "
            "listings: follow markets about a price by their names, and their reference as well "
            "(spot books in dollars, or a relay's price); or state them in a program with "
            "feed.add_terms(symbol, SettlementTerms(…)), as docs/metrics.md shows",
            " and ".join(kinds),
        )


def _sides(rule: Rule) -> list[str]:
    """The legs of a box, as they were stated."""
    stated: Any = rule.about.get("legs")
    if not stated:
        return [str(rule.params["a"]), str(rule.params["b"])]
    return [
        f"{leg['venue']} {leg['symbol']} {leg['outcome']} ({leg['polarity']})" for leg in stated
    ]
