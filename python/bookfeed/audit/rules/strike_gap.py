"""Strike gap: a box whose contracts have a strike and a reference each, so that both may lose."""

import math
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from bookfeed.audit import fair
from bookfeed.audit.bundle import Bundle, stated_leg
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import ONE
from bookfeed.audit.rule import Found, Subject

# Probabilities are rounded up to so many parts of one, but for what computing is off by.
_PARTS: Final = 10**6
_NOISE: Final = 1e-6
_SLICES: Final = 20_000

Floats = npt.NDArray[np.float64]


class StrikeGap(Bundle):
    """See ``Rule``."""

    kind = "strike_gap"
    confirms = True

    @property
    def asks_polarity(self) -> bool:
        """See ``Rule``."""
        return self.on("polarity_check", "on")

    def subjects(self, model: Model) -> Iterator[Subject]:
        """Both ways, once both legs are there, as far as they pay anything."""
        a, b = (stated_leg(model, self.params[name]) for name in ("a", "b"))
        if a is None or b is None:
            return
        for legs, apart in (((a, b.other), self._gap), ((a.other, b), -self._gap)):
            payout = ONE - self._both_lose(apart)
            if payout > 0:
                yield Subject(legs, "buy", payout)

    def assess(self, subject: Subject, model: Model, *, vouched: bool) -> Found | str | None:
        """See ``Rule``."""
        found = super().assess(subject, model, vouched=vouched)
        if not isinstance(found, Found):
            return found
        # Both win where the legs of the other way would both lose.
        gap = self._gap if subject.legs[0] == stated_leg(model, self.params["a"]) else -self._gap
        lose, win = (int(self._both_lose(apart) * _PARTS) for apart in (gap, -gap))
        return replace(found, both=(lose, win))

    @property
    def _gap(self) -> float:
        """How far the strike of ``b`` is above that of ``a``."""
        return float(self.decimal("b_strike") - self.decimal("a_strike"))

    def _both_lose(self, gap: float) -> Decimal:
        """At most: two bounds, of which either holds."""
        sd, closing = float(self.decimal("reference_sd")), float(self.decimal("closing_sd", "0"))
        freedom = int(self.params.get("freedom", 4)) or None
        if sd == 0:
            most, excess = float(gap < 0), max(-gap, 0.0)
        else:
            most = fair.probability(0.0, sd, gap, None, freedom)
            excess = sd * _excess(gap / sd, freedom)
        if closing > 0:
            most = min(most, excess * float(_density(np.zeros(1), freedom)[0]) / closing)
        return Decimal(math.ceil(min(most, 1.0) * _PARTS - _NOISE)) / _PARTS


def _density(z: Floats, freedom: int | None) -> Floats:
    if freedom is None:
        return np.asarray(np.exp(-z * z / 2) / math.sqrt(2 * math.pi))
    scale = math.sqrt((freedom - 2) / freedom)
    log_norm = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    norm = math.exp(log_norm) / math.sqrt(freedom * math.pi) / scale
    return np.asarray(norm * (1 + (z / scale) ** 2 / freedom) ** (-(freedom + 1) / 2))


def _excess(z: float, freedom: int | None) -> float:
    """The mean of what a move is beyond ``z``: an area, over the tangent of an angle."""
    angles = np.linspace(math.atan(z), math.pi / 2, 2 * _SLICES + 1)[:-1]
    x = np.tan(angles)
    heights = (x - z) * _density(x, freedom) * (1 + x * x)
    weights = np.ones(2 * _SLICES)
    weights[1::2], weights[2::2] = 4, 2
    return float(heights @ weights) * (math.pi / 2 - math.atan(z)) / (2 * _SLICES) / 3


RULE = StrikeGap
