"""Who is to come onto an open connection and who is to leave it, said at the venue's pace.

Many symbols share a frame. Nothing here knows a socket or reads a clock.
"""

from collections.abc import Sequence

from bookfeed.clock import NS_PER_S, seconds_ns
from bookfeed.live.pacing import TokenBucket
from bookfeed.venues.base import Membership

# What was sent when a connection opened counts for this long.
_OPENED_NS = NS_PER_S


class Roll:
    """The commands of one connection: their numbers, their pace, and the symbols that wait."""

    def __init__(self, members: Membership) -> None:
        self._members = members
        self._bucket = TokenBucket(members.burst, seconds_ns(members.interval_s))
        self._hold_ns = 0
        self._next_id = members.first_id
        self._leaving: dict[str, None] = {}
        self._joining: dict[str, None] = {}

    def take_id(self) -> int:
        """Return the number of the next command."""
        self._next_id += 1
        return self._next_id

    def ready(self, now_ns: int) -> bool:
        """Whether a frame may be sent now."""
        return self._hold_ns <= now_ns and self._bucket.ready_ns(now_ns) <= now_ns

    def take(self, now_ns: int) -> bool:
        """Whether a frame may be sent now, which then counts."""
        return self._hold_ns <= now_ns and self._bucket.take(now_ns)

    def hold(self, until_ns: int) -> None:
        """Nothing is to be sent before ``until_ns``."""
        self._hold_ns = max(self._hold_ns, until_ns)

    def opened(self, now_ns: int) -> None:
        """The connection is new, and everybody on it is subscribed with its first frames."""
        self._leaving.clear()
        self._joining.clear()
        self.hold(now_ns + _OPENED_NS)

    def add(self, symbols: Sequence[str]) -> None:
        """Symbols are to come onto the connection, after whoever is to leave."""
        self._joining.update(dict.fromkeys(symbols))

    def remove(self, symbols: Sequence[str]) -> None:
        """Symbols are to leave the connection; those that were not said yet never come."""
        for symbol in symbols:
            if symbol in self._joining:
                del self._joining[symbol]
            else:
                self._leaving[symbol] = None

    def leaving(self, symbol: str) -> bool:
        """Whether it has yet to be said that a symbol leaves."""
        return symbol in self._leaving

    def due(self, now_ns: int) -> list[str]:
        """Return the frames to send now."""
        frames: list[str] = []
        while (self._leaving or self._joining) and self.take(now_ns):
            members = self._members
            waiting, say = (
                (self._leaving, members.leave) if self._leaving else (self._joining, members.join)
            )
            symbols = list(waiting)[: members.symbols_max]
            for symbol in symbols:
                del waiting[symbol]
            said = say(self.take_id(), symbols)
            # A venue that wants several frames for one step has a pace with room for them.
            frames += said
        return frames
