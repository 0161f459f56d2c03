"""What can go wrong with whole books by REST, on spot venues whose books begin with them."""

import re
from collections.abc import Sequence
from typing import Final

from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.spot_faults import Duty, Out, SpotFault, SpotInjector, Wording

REST_VARIANTS: Final[dict[str, tuple[str, ...]]] = {
    "rest_late": ("",),
    "rest_stale": ("",),
    "rest_error": ("429", "500", "418"),
    "rest_short": ("",),
    "rest_malformed": ("truncated", "bad_number"),
}
"""
rest_late       the answer is of the time of the request, and takes seconds
rest_stale      the answer is of long before the request
rest_error      the answer is an error with that status
rest_short      the answer has fewer levels than was asked for
rest_malformed  the answer is not the message it should be
"""

LATE_S: Final = 3.0
SHORT_LEVELS: Final = 5


class RestInjector(SpotInjector):
    """Decides what becomes of every frame of every connection, and of every REST answer."""

    SHORT_DUTY: Duty = "none"
    """What is owed after an answer with too few levels."""

    def __init__(
        self, faults: Sequence[SpotFault], seed: int, start_ns: int, wording: Wording
    ) -> None:
        super().__init__(faults, seed, start_ns, wording)

    def rest(self, symbol: str, now_ns: int) -> SpotFault | None:
        """What goes wrong with the next answer about ``symbol``, if anything."""
        frames = max((link.frame for link in self._links.values()), default=-1)
        for fault in self._waiting:
            if fault.kind not in REST_VARIANTS or not self._due(fault, now_ns):
                continue
            if fault.asset not in (None, symbol):
                continue
            if fault.at_frame is not None and frames < fault.at_frame:
                continue
            self._waiting.remove(fault)
            # An answer that is of no use says nothing against a book that is there.
            duty = self.SHORT_DUTY if fault.kind == "rest_short" else "none"
            event = FaultEvent(fault, now_ns, -1, -1, (symbol,), fault.variant, duty=duty)
            self.log.append(event)
            return fault
        return None

    def _fits(self, fault: SpotFault, out: Out) -> bool:
        return fault.kind not in REST_VARIANTS and super()._fits(fault, out)


def damaged(body: str, variant: str) -> str:
    """A REST answer that is not what it should be."""
    if variant == "truncated":
        return body[: len(body) * 6 // 10]
    return re.sub(r'"([0-9.]+)"\]', r'"\1e1"]', body, count=1)
