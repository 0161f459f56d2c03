"""Books that are not given are set apart: on a connection of their own, away from good ones.

They share one connection, which is opened anew when it is time to ask again. As soon as one of them
comes, that connection is one like others, and those still missing go to a further one.
"""

import random
from collections.abc import Iterable, Sequence
from typing import Final

from bookfeed.errors import EngineError
from bookfeed.live.recovery.absent import Absences, in_words
from bookfeed.live.recovery.base import Connections
from bookfeed.live.recovery.plan import NO_SNAPSHOT
from bookfeed.live.shard import Shard


class Apart:
    """Who is set apart among the books of a venue, and what is due for them."""

    def __init__(self, connections: Connections, rng: random.Random) -> None:
        self._connections: Final = connections
        self._absences: Final = Absences(rng)
        self._shard: Shard | None = None

    def __contains__(self, instrument: int) -> bool:
        return instrument in self._absences

    def given(self, instrument: int) -> None:
        """A book came after all, or anyway."""
        self._absences.forget(instrument)
        shard = self._connections.shard_of(instrument)
        if shard is not None:
            shard.apart = False

    def forget(self, instrument: int) -> None:
        """A book is not wanted any more."""
        self._absences.forget(instrument)

    def asking(self, shard: Shard) -> Iterable[int]:
        """The books for which a connection may be replaced: others would pay for the rest."""
        if shard.apart or not self._has_live((shard,)):
            return shard.instruments
        lone = set(self._connections.plan.lone(shard.instruments))
        return [i for i in shard.instruments if i not in lone]

    def look(self, up: Sequence[Shard], now_ns: int) -> None:
        """Set books apart that are not given, say which those are, and ask again when it is time.

        Where nothing is live at all, the venue may be at fault, and nobody is called absent.
        """
        plan = self._connections.plan
        self._again(now_ns)
        for shard in up:
            lone = plan.lone(shard.instruments)
            if not lone:
                continue
            if not shard.apart:
                if self._has_live((shard,)):
                    self._set_apart(shard, lone, now_ns)
            elif self._has_live(up):
                self._absent(shard, [i for i in lone if plan.not_given(i)], now_ns)

    def _has_live(self, shards: Iterable[Shard]) -> bool:
        engine = self._connections.engine
        return any(engine.book(i).live for shard in shards for i in shard.instruments)

    def _set_apart(self, shard: Shard, instruments: Sequence[int], now_ns: int) -> None:
        connections, there = self._connections, self._shard
        symbols = [shard.instruments[i] for i in instruments]
        room = connections.symbols_max - len(instruments)
        if there is not None and (not there.apart or len(there.instruments) > room):
            there = None
        if not connections.can_replace:
            there = None  # what is asked for there is asked for once
        if there is not None and not connections.plan.take_reconnect_now(there.conn, now_ns):
            return  # Somebody has just been asked for there; a little later.
        moved = connections.move(shard, instruments, in_words(symbols), onto=there)
        if moved is None:
            self._note(instruments, now_ns)
            return
        moved.apart = True
        self._shard = moved
        if there is not None:
            connections.replace(there, "further books are asked for there")

    def _absent(self, shard: Shard, instruments: Sequence[int], now_ns: int) -> None:
        if not instruments:
            return
        connections = self._connections
        self._note(instruments, now_ns)
        said = in_words(shard.instruments[i] for i in instruments)
        connections.log.warning(f"absent {said}", "connection %d: %s", shard.conn, said)
        if all(i in self._absences for i in shard.instruments):
            try:
                connections.inputs.invalidate(shard.conn, "absent", now_ns)
            except EngineError as error:
                connections.fail(error)
            connections.flush()

    def _note(self, instruments: Iterable[int], now_ns: int) -> None:
        for instrument in instruments:
            self._absences.note(instrument, now_ns)
            self._connections.plan.settled(instrument, now_ns)

    def _again(self, now_ns: int) -> None:
        connections = self._connections
        shards: dict[int, Shard] = {}
        for instrument in self._absences.take_due(now_ns):
            shard = connections.shard_of(instrument)
            if shard is not None and shard.apart:
                shards[shard.conn] = shard
            elif shard is not None:
                connections.plan.want(instrument, NO_SNAPSHOT, now_ns)
        for shard in shards.values():
            connections.replace(shard, "books that were not given are asked for again")
