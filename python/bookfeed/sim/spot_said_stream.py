"""A simulated spot venue without sockets whose clients send commands that bring whole books."""

from collections.abc import Iterator
from random import Random
from typing import Any

from bookfeed.sim.spot_faults import Out, SpotInjector
from bookfeed.sim.spot_stream import SpotItem, SpotStream


class SpotSaidStream(SpotStream):
    """What the client says takes effect before the next moment; it is lost if the connection is
    down when it goes out.
    """

    _sessions: list[Any]
    """The venue's end of each connection."""

    def __init__(self, rng: Random, injector: SpotInjector, conns: int, rate: float) -> None:
        super().__init__(rng, injector, conns, rate)
        self._said: list[tuple[int, str]] = []

    def _begin(self, conn: int) -> None:
        """A connection is new: nothing was said on it."""
        self._said = [said for said in self._said if said[0] != conn]

    def _beat(self, conn: int) -> SpotItem:
        return SpotItem("ping", self._arrival_ns(), conn)

    def _stumble(self, conn: int, symbol: str) -> None:
        self._sessions[conn].refuse()

    def _answers(self) -> Iterator[SpotItem]:
        said, self._said = self._said, []
        for conn, text in said:
            if conn in self._back_ns:
                continue
            for out in self._sessions[conn].receive(text, self._now_ns):
                yield from self._send(conn, out)

    def _send(self, conn: int, out: Out) -> Iterator[SpotItem]:
        """The venue says something on a connection."""
        yield from self._hand_over(conn, out)
