"""What alerts have told of an open feed: ``alerts``, ``on_alert``; a base of ``Feed``.

``Alerts`` decides and sends; here it is kept for those who look at the feed, in this process or
beside it, and handed to sinks that ask for it.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias, overload

from bookfeed.clock import Clock
from bookfeed.dispatch.fanout import FanOut
from bookfeed.dispatch.listeners import Listener
from bookfeed.rules.alerts import Alert, Alerted

KEPT: Final = 50
"""So many alerts are remembered: the newest."""

OnAlert: TypeAlias = Callable[[Alerted], object]

_log: Final = logging.getLogger("bookfeed.alerts")


class AlertsTold:
    """The alerts of one feed, the newest of them, and who hears of each."""

    def __init__(self, clock: Clock) -> None:
        self._clock: Final = clock
        self.kept: Final[deque[Alerted]] = deque(maxlen=KEPT)
        self.count = 0
        self.fan_out: Final[FanOut[Alerted]] = FanOut("on_alert", _log)

    def tell(self, alert: Alert, about: str, text: str, *, sent: bool) -> None:
        """Something happened of which an alert tells."""
        self.count += 1
        told = Alerted(
            number=self.count,
            ts=self._clock.now_ns(),
            when=alert.when,
            name=alert.called,
            about=about,
            text=text,
            sent=sent,
        )
        self.kept.append(told)
        self.fan_out.deliver(told)


class AlertFace:
    """What a user asks of alerts; a base of ``Feed``."""

    _alerted: AlertsTold

    def alerts(self) -> list[Alerted]:
        """Return what alerts told last, the oldest first, at most 50; ``Alerts`` has them told."""
        return list(self._alerted.kept)

    @overload
    def on_alert(self, fn: OnAlert) -> Listener: ...

    @overload
    def on_alert(self) -> Callable[[OnAlert], Listener]: ...

    def on_alert(self, fn: Any = ...) -> Listener | Callable[[OnAlert], Listener]:
        """Call ``fn(alerted)`` with each ``Alerted`` from now on, in quiet hours as well.

        Raises ``TypeError`` if ``fn`` cannot be called.
        """
        if fn is ...:
            return lambda fn: self.on_alert(fn)
        return self._alerted.fan_out.add(fn)

    def tell_alert(self, alert: Alert, about: str, text: str, *, sent: bool) -> None:
        """Keep what an alert tells of ``about``; ``sent`` says whether its targets hear of it."""
        self._alerted.tell(alert, about, text, sent=sent)
