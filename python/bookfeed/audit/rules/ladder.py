"""Ladder: strikes in rising order, YES of a lower and NO of a higher one."""

from collections.abc import Iterator
from itertools import combinations

from bookfeed.audit.bundle import Bundle, stated_legs
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import ONE
from bookfeed.audit.rule import Subject


class Ladder(Bundle):
    """See ``Rule``."""

    kind = "ladder"
    confirms = True

    def subjects(self, model: Model) -> Iterator[Subject]:
        """Every pair of strikes that is there."""
        for lower, higher in combinations(stated_legs(model, str(self.params["legs"])), 2):
            if lower is not None and higher is not None:
                yield Subject((lower, higher.other), "buy", ONE)


RULE = Ladder
