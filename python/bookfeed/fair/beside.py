"""An index that a feed estimates, beside the values that a venue passes on of the index itself: how
far apart they were, and which venue explains it.

    beside = IndexBeside(feed, "btc", "BRTI")
    ...
    print(beside.summary())

It works on a replay as it does live. A value is compared with the estimate of its own time, a mean
of 60 s with that of the estimates of the same seconds.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final, NamedTuple

from bookfeed._bookfeed import Index
from bookfeed.clock import NS_PER_S
from bookfeed.feed.source import BookSource
from bookfeed.records.indices import IndexTick

PERCENTILES: Final = (50, 95, 99)
TOLD: Final[Mapping[str, str]] = {
    "BTC": "BRTI", "ETH": "ETHUSD_RTI", "SOL": "SOLUSD_RTI", "XRP": "XRPUSD_RTI",
}  # fmt: skip
"""What the index of an asset is called where a venue passes it on."""
_E9: Final = 10**9
_LOOK_S: Final = 0.1
_MEAN_S: Final = 60
_KEPT_NS: Final = 2 * _MEAN_S * NS_PER_S
ERRORS_MAX: Final = 100_000
"""So many of the newest differences are kept of each kind."""
_FEW: Final = 20
"""Of fewer differences nothing is explained."""


class Difference(NamedTuple):
    """One comparison, in dollars."""

    ts: int
    """The source's time, Unix nanoseconds."""
    ours: float
    told: float
    basis: Mapping[str, float]
    """How far the mid of each venue was above our estimate then."""

    @property
    def error(self) -> float:
        """Ours less what was told."""
        return self.ours - self.told


@dataclass(frozen=True, slots=True)
class Apart:
    """How far values were apart, in dollars."""

    count: int
    mean: float
    """Of ours less what was told."""
    percentiles: Mapping[str, float]
    """Of the distances, whichever way, as ``p50``, ``p95``, ``p99``."""
    largest: float
    largest_ts: int
    """When that was, Unix nanoseconds."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison came to; a part is ``None`` where nothing was told of it."""

    values: Apart | None
    means: Apart | None
    """Of means of 60 s."""
    explained: Mapping[str, float]
    """Which part of the differences goes with how far a venue's mid is from the estimate: the
    square of their correlation. The largest one explains most.
    """
    missing_s: int = 0
    """Seconds, since the first value, of which the venue passed none on. Windows count them as
    missing, too.
    """


class _Then(NamedTuple):
    ts: int
    value: float | None
    basis: dict[str, float]


class IndexBeside:
    """Compares the index that ``source`` (``Feed`` or ``Replay``) estimates by the name ``index``
    with what is ``told`` of it by the venue's name, from the moment it is made.
    """

    def __init__(self, source: BookSource, index: str, told: str) -> None:
        self.index: Final = index
        self.told: Final = told
        self.values: Final[deque[Difference]] = deque(maxlen=ERRORS_MAX)
        self.means: Final[deque[Difference]] = deque(maxlen=ERRORS_MAX)
        self._source: Final = source
        self._ours: Final[deque[_Then]] = deque()
        self._waiting: Final[deque[Index]] = deque(maxlen=_MEAN_S)
        self._newest_ts = self._missing_s = 0
        self._listeners: Final = (
            source.on_index(self._estimated, name=index),
            source.every(_LOOK_S, self._look),
        )

    def close(self) -> None:
        """Compares no more."""
        for listener in self._listeners:
            listener.close()

    def summary(self) -> Comparison:
        """What all comparisons came to."""
        explained = _explained(self.values)
        return Comparison(_apart(self.values), _apart(self.means), explained, self._missing_s)

    def _estimated(self, tick: IndexTick) -> None:
        basis: dict[str, float] = {}
        if tick.value is not None:
            books = self._source.names.indices[tick.number].books
            for view in self._source.books():
                if (view.venue, view.symbol) in books and view.mid is not None:
                    basis[view.venue] = view.mid - tick.value
        self._ours.append(_Then(tick.ts, tick.value, basis))
        while self._ours[0].ts < tick.ts - _KEPT_NS:
            self._ours.popleft()

    def _look(self, _: int) -> None:
        found = self._source.engine.indices().get(self.told)
        if found is not None and (found.ts_event or 0) > self._newest_ts:
            if self._newest_ts:
                gap_s = (found.ts_event or 0) // NS_PER_S - self._newest_ts // NS_PER_S
                self._missing_s += max(0, gap_s - 1)
            self._newest_ts = found.ts_event or 0
            self._waiting.append(found)
        while (
            self._waiting and self._ours and self._ours[-1].ts >= (self._waiting[0].ts_event or 0)
        ):
            self._compare(self._waiting.popleft())

    def _compare(self, told: Index) -> None:
        """What was told once there is an estimate of the same time, or a later one."""
        ts = told.ts_event or 0
        then = next((one for one in reversed(self._ours) if one.ts == ts), None)
        if then is not None and then.value is not None:
            self.values.append(Difference(ts, then.value, told.value_e9 / _E9, then.basis))
        if told.mean_60s_e9 is None:
            return
        first = ts - _MEAN_S * NS_PER_S
        seconds = [one for one in self._ours if first <= one.ts < ts and one.ts % NS_PER_S == 0]
        known = [one.value for one in seconds if one.value is not None]
        # The same seconds: a mean of fewer is another one.
        if len(known) == _MEAN_S:
            self.means.append(Difference(ts, fmean(known), told.mean_60s_e9 / _E9, {}))


def _apart(differences: Sequence[Difference]) -> Apart | None:
    if not differences:
        return None
    distances = sorted(abs(one.error) for one in differences)
    worst = max(differences, key=lambda one: abs(one.error))
    return Apart(
        count=len(distances),
        mean=fmean(one.error for one in differences),
        percentiles={f"p{at}": distances[-(-at * len(distances) // 100) - 1] for at in PERCENTILES},
        largest=worst.error,
        largest_ts=worst.ts,
    )


def _explained(differences: Sequence[Difference]) -> dict[str, float]:
    """By venue, the greatest part first."""
    found = {}
    for venue in dict.fromkeys(name for one in differences for name in one.basis):
        pairs = [(one.error, one.basis[venue]) for one in differences if venue in one.basis]
        part = _square_of_correlation(pairs)
        if part is not None:
            found[venue] = part
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _square_of_correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    if len(pairs) < _FEW:
        return None
    x_mean, y_mean = fmean(x for x, _ in pairs), fmean(y for _, y in pairs)
    apart = [(x - x_mean, y - y_mean) for x, y in pairs]
    xx, yy = sum(x * x for x, _ in apart), sum(y * y for _, y in apart)
    xy = sum(x * y for x, y in apart)
    return xy * xy / (xx * yy) if xx and yy else None
