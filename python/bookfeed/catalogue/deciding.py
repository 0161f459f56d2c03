"""What decides a market, without I/O: its strike, and how it ended, as witnesses tell it.

The first who says something is believed, provisionally; a second one who agrees, or one who has the
last word, makes it certain. Who says something else is a disagreement, which is told once and
changes nothing: the user decides. Of what nobody tells it is said that it has expired.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final, NamedTuple

from bookfeed.catalogue.fields import plain
from bookfeed.catalogue.listing import ListedOutcome, Listing, Strike
from bookfeed.catalogue.news import MarketNews
from bookfeed.clock import NS_PER_S

PATIENCE_S: Final = 1_800.0
"""How long after its end a market that nobody decides has expired."""

# Some witnesses print a price exactly, others the double that is nearest to it.
_DOUBLE: Final = Decimal(2) ** -52


class Verdict(NamedTuple):
    """How a market ended, as one witness tells it."""

    witness: str
    """``stream``, ``resolutions``, ``listing``, ``books``; the venue's ways of saying it."""
    payouts: tuple[Decimal, ...]
    """What a share of each outcome pays, in dollars, in the market's order."""
    final: bool
    """Whether this witness has the last word."""


class Decision:
    """What is known of one market's strike and end; each method returns the news of it."""

    def __init__(self, listing: Listing, *, patience_s: float = PATIENCE_S) -> None:
        self.listing = listing
        """The market, with strike and result as they are believed."""
        self._patience_ns: Final = round(patience_s * NS_PER_S)
        self._strike_final = listing.strike is not None
        self._told: Final[dict[str, tuple[Decimal, ...]]] = {}
        self._payouts: tuple[Decimal, ...] | None = None
        self._final = self._expired = False
        self._at_odds: Final[set[tuple[str, str]]] = set()

    @property
    def strike_known(self) -> bool:
        """Whether the strike is certain."""
        return self._strike_final

    @property
    def ended(self) -> bool:
        """Whether it is certain how it ended."""
        return self._final

    def strike(self, strike: Strike, witness: str, *, final: bool) -> list[MarketNews]:
        """A witness tells the strike; ``final`` if it is the venue's own word."""
        before, was_final = self.listing.strike, self._strike_final
        if was_final and before == strike:
            return []
        news = []
        if before is not None and not _alike(before, strike):
            news = self._odds("strike", witness, f"strike {strike}, not {before}")
            if not final or was_final:
                return news
        elif before is not None and not final:
            return []
        self._strike_final = was_final or final
        self.listing = replace(self.listing, strike=strike)
        told = MarketNews(
            kind="strike", listing=self.listing, witness=witness, provisional=not final
        )
        return [*news, told]

    def moved(self, close_ts: int | None) -> None:
        """The venue has moved its end."""
        if close_ts != self.listing.close_ts:
            self.listing = replace(self.listing, close_ts=close_ts)

    def verdict(self, verdict: Verdict) -> list[MarketNews]:
        """A witness tells how it ended."""
        witness, payouts, final = verdict
        payouts = tuple(Decimal(plain(one)) for one in payouts)
        if len(payouts) != len(self.listing.outcomes) or not all(0 <= one <= 1 for one in payouts):
            return self._odds("payouts", witness, f"payouts {_numbers(payouts)} fit no outcomes")
        self._told[witness] = payouts
        if self._payouts not in (None, payouts):
            was = _numbers(self._payouts or ())
            return self._odds("result", witness, f"payouts {_numbers(payouts)}, not {was}")
        agree = sum(told == payouts for told in self._told.values())
        certain = final or agree > 1
        if self._payouts == payouts and (self._final or not certain):
            return []
        self._payouts, self._final = payouts, certain
        outcomes = tuple(
            ListedOutcome(one.name, one.symbol, paid)
            for one, paid in zip(self.listing.outcomes, payouts, strict=True)
        )
        self.listing = replace(
            self.listing, outcomes=outcomes, status="settled", result=_result(outcomes)
        )
        return [
            MarketNews(
                kind="decided", listing=self.listing, witness=witness, provisional=not certain
            )
        ]

    def passed(self, now_ns: int) -> list[MarketNews]:
        """Time has passed: where nobody tells how it ended it has expired, which is told once."""
        close_ts = self.listing.close_ts
        if self._expired or self._payouts is not None or close_ts is None:
            return []
        if now_ns < close_ts + self._patience_ns:
            return []
        self._expired = True
        return [MarketNews(kind="expired", listing=self.listing)]

    def _odds(self, what: str, witness: str, remark: str) -> list[MarketNews]:
        """A disagreement, unless it was told."""
        if (witness, remark) in self._at_odds:
            return []
        self._at_odds.add((witness, remark))
        return [
            MarketNews(kind="disagreement", listing=self.listing, witness=witness, remark=remark)
        ]


def _result(outcomes: Sequence[ListedOutcome]) -> str | None:
    """The outcome that takes all; of a market with one book Yes or No; ``None`` if it is shared."""
    winner = next((one.name for one in outcomes if one.payout == 1), None)
    if winner is None and len(outcomes) == 1 and outcomes[0].payout == 0:
        return "no"
    return winner if len(outcomes) > 1 or winner is None else winner.lower()


def _alike(one: Strike, other: Strike) -> bool:
    """Whether two strikes are the same one, as far as a double can tell."""
    for a, b in ((one.floor, other.floor), (one.cap, other.cap)):
        if a is None or b is None:
            if a is not b:
                return False
        elif abs(a - b) > abs(a) * _DOUBLE:
            return False
    return True


def _numbers(payouts: Sequence[Decimal]) -> str:
    return "/".join(map(plain, payouts))
