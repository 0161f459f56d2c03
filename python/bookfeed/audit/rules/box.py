"""Box: one event on two venues, YES on one and NO on the other, both ways."""

from collections.abc import Iterator

from bookfeed.audit.bundle import Bundle, stated_leg
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import ONE
from bookfeed.audit.rule import Subject


class Box(Bundle):
    """See ``Rule``."""

    kind = "box"
    confirms = True

    @property
    def asks_polarity(self) -> bool:
        """See ``Rule``."""
        return self.on("polarity_check", "on")

    def subjects(self, model: Model) -> Iterator[Subject]:
        """Both ways, once both legs are there."""
        a, b = (stated_leg(model, self.params[name]) for name in ("a", "b"))
        if a is not None and b is not None:
            yield Subject((a, b.other), "buy", ONE)
            yield Subject((a.other, b), "buy", ONE)


RULE = Box
