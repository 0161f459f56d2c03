"""A simulated spot venue without sockets whose whole books are asked of REST, and which says
before it ends a connection that it will.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from random import Random
from typing import ClassVar, Final, Literal, NamedTuple

from bookfeed.sim.spot_faults import Out, SpotDelivery
from bookfeed.sim.spot_rest_faults import LATE_S, SHORT_LEVELS, RestInjector, damaged
from bookfeed.sim.spot_stream import SpotItem, SpotStream
from bookfeed.sim.virtual import NS_PER_MS

_REST_MS: Final = (20, 200)
_SHUTDOWN_AFTER_NS: Final = 500 * NS_PER_MS


class _Answer(NamedTuple):
    """A REST answer under way."""

    arrive_ns: int
    kind: Literal["rest", "poll"]
    symbol: str
    status: int
    body: str
    last: int


class SpotRestStream(SpotStream):
    """Answers come as items of kind ``rest`` or ``poll``, each with its status, after ``ask``."""

    ERRORS: ClassVar[Mapping[int, str]]
    """Bodies of the answers that are errors, by status."""
    LEVELS: ClassVar[int]
    """How many levels a side an answer has at most."""

    def __init__(self, rng: Random, injector: RestInjector, conns: int, rate: float) -> None:
        super().__init__(rng, injector, conns, rate)
        self._rest = injector
        self._asked: list[tuple[str, int, Literal["rest", "poll"]]] = []
        self._answering: list[_Answer] = []
        self._shutdown_ns: dict[int, int] = {}
        """When connections end that were told so."""

    def ask(
        self, symbol: str, limit: int | None = None, kind: Literal["rest", "poll"] = "rest"
    ) -> None:
        """Asks REST for a book; the answer is an item of that kind, with its status.

        ``KeyError`` if there is no such symbol.
        """
        self.listed[symbol]
        self._asked.append((symbol, self.LEVELS if limit is None else limit, kind))

    @abstractmethod
    def _book(self, symbol: str, limit: int, *, stale: bool) -> tuple[str, int]:
        """The book as it is, or was long ago, and the version of it."""

    @abstractmethod
    def _warning(self, conn: int) -> Out | None:
        """What a connection is told half a second before it ends, if anything."""

    def _ending(self) -> Iterator[SpotItem]:
        """Connections that end now, as they were told."""
        for conn, end_ns in list(self._shutdown_ns.items()):
            if self._now_ns >= end_ns:
                del self._shutdown_ns[conn]
                if conn not in self._back_ns:
                    self._down(conn, None)
                    yield self._gone(conn)

    def _end(self, conn: int, delivery: SpotDelivery) -> Iterator[SpotItem]:
        if delivery.end != "shutdown":
            yield from super()._end(conn, delivery)
        elif conn not in self._shutdown_ns:
            self._shutdown_ns[conn] = self._now_ns + _SHUTDOWN_AFTER_NS
            warning = self._warning(conn)
            if warning is not None:
                yield from self._hand_over(conn, warning)

    def _answers(self) -> Iterator[SpotItem]:
        asked, self._asked = self._asked, []
        for symbol, limit, kind in asked:
            self._answering.append(self._answer(symbol, limit, kind))
        here = sorted(one for one in self._answering if one.arrive_ns <= self._now_ns)
        self._answering = [one for one in self._answering if one.arrive_ns > self._now_ns]
        for _, kind, symbol, status, body, last in here:
            yield SpotItem(
                kind,
                self._arrival_ns(),
                self.conn_of(symbol),
                body.encode(),
                "depth",
                symbol,
                last,
                last,
                status == 200,
                status,
            )

    def _answer(self, symbol: str, limit: int, asked: Literal["rest", "poll"]) -> _Answer:
        """The answer as it is now, with what goes wrong with it."""
        fastest, slowest = _REST_MS
        arrive_ns = self._now_ns + int(self._rng.uniform(fastest, slowest) * NS_PER_MS)
        fault = self._rest.rest(symbol, self._now_ns)
        kind = fault.kind if fault else ""
        status = 200
        if kind == "rest_short":
            limit = min(limit, SHORT_LEVELS)
        body, last = self._book(symbol, limit, stale=kind == "rest_stale")
        if fault and kind == "rest_late":
            arrive_ns += int((fault.duration_s or LATE_S) * 1e9)
        if fault and kind == "rest_malformed":
            body = damaged(body, fault.variant)
        if fault and kind == "rest_error":
            status = int(fault.variant)
            body, last = self.ERRORS[status], 0
        return _Answer(arrive_ns, asked, symbol, status, body, last)
