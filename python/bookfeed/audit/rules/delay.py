"""Delay: a contract below what it is worth while its book has not answered its reference."""

from typing import Final

from bookfeed.audit.model import Model
from bookfeed.audit.numbers import NS_PER_MS, plain, units
from bookfeed.audit.rule import Subject
from bookfeed.audit.rules.fair_value import FairValue

_WAIT_MS: Final = 300


class Delay(FairValue):
    """See ``Rule``."""

    kind = "delay"

    def worth(self, subject: Subject, model: Model) -> Subject | None:
        """As there, while it is waited for an answer."""
        (leg,) = subject.legs
        waiting = model.waiting.get(leg.instrument)
        wait = units(plain(str(self.params.get("min_wait_ms", _WAIT_MS)), 6), NS_PER_MS)
        if waiting is None or waiting.up == leg.complement or waiting.waited < wait:
            return None
        mid_twice = model.instruments[leg.instrument].mid_twice
        return super().worth(subject, model) if waiting.stands(mid_twice) else None


RULE = Delay
