"""Fair values of the markets in a recording, as they could be computed while it was made.

Each market about a price is asked about some times before its end: with what had been received by
then, what was it worth, and what did its book say? How it ended the venue says, or, where it does
not, the reference itself.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bookfeed.clock import NS_PER_S
from bookfeed.errors import EngineError
from bookfeed.fair.beside import TOLD, Comparison, IndexBeside
from bookfeed.fair.estimates import Asked, FairValues, Volatilities
from bookfeed.fair.scores import DEFAULT_TAILS, Forecast, Tails
from bookfeed.feed.question import answer_of
from bookfeed.feed.replay import Replay
from bookfeed.recordings.replay import Record

LEFTS_S: Final = (300, 120, 60, 30, 10)
"""How long before their ends markets are asked about."""

_E18: Final = 10**18


class Recorded:
    """The forecasts of one recording; ``run`` goes through it.

    ``tails`` and ``volatility`` are those of ``FairValues``. Raises what ``replay``
    does for a recording that cannot be read.
    """

    def __init__(
        self,
        source: str | Path | Iterable[Record],
        *,
        mode: str | None = None,
        lefts_s: Sequence[int] = LEFTS_S,
        tails: Tails = DEFAULT_TAILS,
        volatility: Volatilities | None = None,
    ) -> None:
        self.left_out: Final[Counter[str]] = Counter()
        """Why markets have no forecast, and how many."""
        self._lefts_s: Final = sorted(set(lefts_s))
        self._replay: Final = Replay(source, mode=mode)
        self._fair: Final = FairValues(self._replay, tails=tails, volatility=volatility)
        self._beside: Final[dict[int, IndexBeside]] = {}
        self._due: Final[dict[tuple[str, str], list[int]]] = {}
        """How many seconds before its end a market is still to be asked about, the first last."""
        self._said: Final[dict[tuple[str, str], list[Forecast]]] = {}
        self._replay.every(1.0, self._second)

    def run(self) -> list[Forecast]:
        """All forecasts whose outcome is known, in the order of their markets' ends."""
        self._replay.run()
        self._fair.look()
        self.left_out.update(self._fair.why_not.values())
        asked = sorted(self._fair.markets(), key=_end)
        return [forecast for one in asked for forecast in self._decided(one)]

    @property
    def beside(self) -> dict[str, Comparison]:
        """Of estimated indexes with values of the index itself beside them what these came to, by
        the name of the index itself.
        """
        found = {one.told: one.summary() for one in self._beside.values()}
        return {name: one for name, one in found.items() if one.values is not None}

    @property
    def problems(self) -> list[str]:
        """What of the recording could not be used, in words."""
        return self._replay.problems

    def _second(self, ts: int) -> None:
        for number, index in self._replay.names.indices.items():
            if number not in self._beside:
                told = TOLD[index.asset]
                self._beside[number] = IndexBeside(self._replay, index.name, told)
        for one in self._fair.open_markets():
            left_ns = self._fair.left_ns(one, ts)
            length_s = (one.question.end_ts - one.question.start_ts) // NS_PER_S
            due = self._due.setdefault(
                one.question.key, [left_s for left_s in self._lefts_s if left_s < length_s]
            )
            while due and left_ns <= due[-1] * NS_PER_S:
                left_s = due.pop()
                # What was missed in a gap of the recording is not made up for.
                if left_ns > (left_s - 1) * NS_PER_S:
                    self._ask(one, left_s, ts)

    def _ask(self, one: Asked, left_s: int, ts: int) -> None:
        bounds, value = self._fair.bounds(one), self._fair.value(one, ts)
        if bounds is None or value is None:
            return
        forecast = Forecast(
            market=" ".join(one.question.key),
            left_s=left_s,
            expected_e18=value.expected_e18,
            sd=value.sd_e18 / _E18,
            at_least_e18=bounds.at_least_e18,
            below_e18=bounds.below_e18,
            said=value.price,
            mid=self._mid(one.question.symbol),
            yes=False,
        )
        self._said.setdefault(one.question.key, []).append(forecast)

    def _mid(self, symbol: str) -> float | None:
        try:
            return self._replay.book(symbol).mid
        except (KeyError, EngineError):
            return None

    def _decided(self, one: Asked) -> Iterator[Forecast]:
        yes = answer_of(one.listing)
        if yes is None and one.question.own and one.outcome in ("yes", "no"):
            yes = one.outcome == "yes"
        said = self._said.get(one.question.key, ())
        if not said:
            self.left_out["nothing could be said before its end"] += 1
        elif yes is None:
            self.left_out["it is not known how it ended"] += 1
        else:
            yield from (replace(forecast, yes=yes) for forecast in said)


def _end(one: Asked) -> tuple[int, tuple[str, str]]:
    return one.question.end_ts, one.question.key
