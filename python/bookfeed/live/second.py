"""Second sources: beside each connection of a venue one to another interface of it, which tells the
same books.

The engine holds the books of the first against what the second tells, and takes no book from it.
Here such a connection is opened, kept up, told of markets that come and go by a new connection, and
begun anew where the two differ: only a fresh book of the second source can say who is right.
Whatever happens to it costs no book anything.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from bookfeed._bookfeed import Engine
from bookfeed.clock import NS_PER_S
from bookfeed.live.session import Session
from bookfeed.live.shard import Shard
from bookfeed.log import RateLimitedLog

# How often a second source begins anew at most because it differs.
ANEW_NS: Final = 60 * NS_PER_S
# How often that is looked at.
LOOK_NS: Final = NS_PER_S // 2

_log: Final = RateLimitedLog(logging.getLogger("bookfeed.live.second"))


@dataclass(slots=True)
class Source:
    """One of them."""

    shard: Shard
    session: Session
    anew_ns: int = 0
    """When it was begun anew last."""


class SecondSources:
    """The second sources of one venue; none, if they are not ``wanted``.

    ``make`` makes the session of a connection number that is told what a shard carries.
    """

    def __init__(
        self,
        engine: Engine,
        conns: Iterator[int],
        make: Callable[[Shard, int], Session],
        *,
        wanted: bool,
    ) -> None:
        self._engine: Final = engine
        self._conns: Final = conns
        self._make: Final = make
        self._wanted: Final = wanted
        self._sources: Final[dict[int, Source]] = {}
        """By the connection of the shard."""
        self._looked_ns = 0

    @property
    def sessions(self) -> list[Session]:
        """The sessions of all of them."""
        return [source.session for source in self._sources.values()]

    def start(self, shard: Shard) -> None:
        """Begin connecting beside the connection of a shard."""
        if self._wanted:
            source = Source(shard, self._make(shard, next(self._conns)))
            self._sources[shard.conn] = source
            source.session.start()

    def changed(self, shard: Shard) -> None:
        """Markets came or went: it begins anew, with those there are."""
        if (source := self._sources.get(shard.conn)) is not None and shard.instruments:
            source.session.reconnect("its markets changed")

    def retire(self, shard: Shard) -> Session | None:
        """A connection is given up: that of its second source, to be stopped as well."""
        source = self._sources.pop(shard.conn, None)
        return None if source is None else source.session

    def look(self, now_ns: int) -> None:
        """Begin those anew that differ; and let the sessions look after themselves."""
        for source in self._sources.values():
            source.session.look(now_ns)
        if not self._sources or now_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = now_ns
        standings = self._engine.second_sources().values()
        wanted = {standing["conn"] for standing in standings if standing["wanted"]}
        for source in self._sources.values():
            self._hear(source)
            if source.session.conn in wanted and now_ns - source.anew_ns >= ANEW_NS:
                source.anew_ns = now_ns
                self._begin_anew(source)

    def _begin_anew(self, source: Source) -> None:
        conn = source.session.conn
        _log.warning("second", "connection %d: begun anew: it differs from what it checks", conn)
        source.session.reconnect("it differs from what it checks")

    def _hear(self, source: Source) -> None:
        """What the venue refuses it, nobody can mend here."""
        for notice in self._engine.notices(source.session.conn):
            if notice.kind == "error":
                said = source.session.quoted(notice.text)
                _log.warning("refused", "connection %d: the venue says %s", notice.conn, said)
