"""The touch of books as a relay tells it: a witness that is on no connection of the books.

PolyBolt tells the best prices of tokens to everybody, numbered, on a socket of its own. What it
says of a book is told to the engine, which decides what that means (``Engine.tell_touch``). That it
is there today says nothing of tomorrow, so nothing rests on it: one book is asked for as a trial,
and the others once that was answered; where it is not, it is tried again ever more rarely. The
busiest books come first, since a connection has room for 64.

What is told here is nobody else's: it is neither an event of a feed's, nor a frame of a recording,
which has what was told to the engine.
"""

import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

from bookfeed.clock import NS_PER_S, Clock
from bookfeed.errors import EngineError, SessionError
from bookfeed.live.options import SessionOptions
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.relays import RelayInput
from bookfeed.records.told import RelayEvent, TokenTouch, told
from bookfeed.relays.lines import RelayLines, RelayOutlet
from bookfeed.status import ConnectionStatus
from bookfeed.venues.relay import Relay, Topic

TouchState = Literal["off", "trying", "told", "away"]
"""``off``: not wanted, or no books; ``trying`` whether the relay answers; ``told`` of books;
``away``: it did not answer, and is tried again later."""

# How long a trial may take, and how soon the next one is made: at first, and at the longest.
TRIAL_NS: Final = 15 * NS_PER_S
AGAIN_NS: Final = 600 * NS_PER_S
AGAIN_NS_MAX: Final = 3_600 * NS_PER_S
# Without a connection for so long it is away.
GONE_NS: Final = 60 * NS_PER_S
# How often it is looked who is busiest. Who is told of is given up for one twice as busy.
RANK_NS: Final = 60 * NS_PER_S
STAYS: Final = 2

_log: Final = logging.getLogger("bookfeed.relays")


class TouchWitness:
    """Has the touch of up to ``books_max`` books of ``venue`` told to the engine.

    ``flush`` hands over the engine's records, ``failed`` is called if the engine fails.
    """

    def __init__(
        self,
        relay: Relay,
        url: str,
        *,
        venue: str,
        books_max: int,
        inputs: EngineInput,
        clock: Clock,
        rng: random.Random,
        options: SessionOptions,
        conns: Iterator[int],
        flush: Callable[[], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        self._relay: Final = relay
        self._venue: Final = venue
        self._books_max: Final = books_max
        self._inputs: Final = inputs
        self._clock: Final = clock
        self._flush: Final = flush
        self._failed: Final = failed
        # Not recorded: what comes of it is, where it is told to the engine.
        self._heard: Final = RelayInput(lambda *_: None)
        self._lines: Final = RelayLines(
            relay,
            url,
            inputs=self._heard,
            outlet=RelayOutlet(self._take, self._gone, lambda _status: None),
            clock=clock,
            rng=rng,
            options=options,
            conns=conns,
        )
        self.state: TouchState = "off"
        """How the relay is."""
        self.told = 0
        """Touches that were told to the engine."""
        self.lost = 0
        """How often frames of it were missing."""
        self._asked: Final[dict[str, Topic]] = {}
        self._due_ns = 0
        self._again_ns = AGAIN_NS
        self._rank_ns = 0
        self._open_ns = 0
        self._changes: dict[str, int] = {}

    # Time.

    def beat(self, now_ns: int) -> None:
        """Time has passed: do what is due by now."""
        if self.state in ("off", "away"):
            if now_ns >= self._due_ns:
                self._try(now_ns)
        elif self.state == "trying" and now_ns >= self._due_ns:
            self._leave(now_ns, "it does not answer")
        elif self.state == "told":
            if any(session.open for session in self._lines.sessions):
                self._open_ns = now_ns
            if now_ns - self._open_ns >= GONE_NS:
                self._leave(now_ns, "its connection is gone")
            elif now_ns >= self._rank_ns:
                self._follow(now_ns)
        self._lines.beat(now_ns)

    def _try(self, now_ns: int) -> None:
        wanted = self._busiest()
        if not wanted:
            self.state, self._due_ns = "off", now_ns + NS_PER_S
            return
        self.state, self._due_ns = "trying", now_ns + TRIAL_NS
        self._ask(wanted[:1])

    def _answered(self, now_ns: int) -> None:
        if self.state != "trying":
            return
        _log.info("%s tells the touch of books: it is a witness now", self._relay.venue.name)
        self.state, self._again_ns, self._open_ns = "told", AGAIN_NS, now_ns
        self._follow(now_ns)

    def _leave(self, now_ns: int, why: str) -> None:
        """It is of no use now; books do without."""
        level = logging.WARNING if self.state == "told" else logging.INFO
        _log.log(level, "%s tells no touch of books: %s", self._relay.venue.name, why)
        self.state, self._due_ns = "away", now_ns + self._again_ns
        self._again_ns = min(2 * self._again_ns, AGAIN_NS_MAX)
        self._give_up(list(self._asked))
        for instrument in self._followed():
            self._tell(instrument, None)

    # Which books.

    def _books(self) -> dict[str, int]:
        """The live books of the venue by symbol, and how many changes each has had."""
        views = (view for view in self._inputs.engine.books() if view.venue == self._venue)
        return {view.symbol: view.evidence["bbo_match"] for view in views if view.live}

    def _busiest(self) -> list[str]:
        changes, before = self._books(), self._changes
        self._changes = changes

        def rate(symbol: str) -> int:
            lately = changes[symbol] - before.get(symbol, 0)
            return lately * STAYS if symbol in self._asked else lately

        return sorted(changes, key=rate, reverse=True)[: self._books_max]

    def _follow(self, now_ns: int) -> None:
        self._rank_ns = now_ns + RANK_NS
        wanted = self._busiest()
        # One that is not live at the moment is heard of again when it is.
        gone = [symbol for symbol in self._asked if symbol not in wanted]
        spare = self._books_max - len(wanted)
        books = {view.symbol for view in self._inputs.engine.books() if view.venue == self._venue}
        kept = [symbol for symbol in gone if symbol in books][: max(spare, 0)]
        self._give_up([symbol for symbol in gone if symbol not in kept])
        self._ask(wanted)

    def _ask(self, symbols: Iterable[str]) -> None:
        fresh = [symbol for symbol in symbols if symbol not in self._asked]
        name, topic = self._relay.venue.name, self._relay.touch_topic
        topics = [Topic(name, topic, symbol=symbol) for symbol in fresh]
        try:
            self._lines.add(topics)
        except SessionError as error:  # more than there may be connections for
            _log.warning("%s", error)
        self._asked.update(zip(fresh, topics, strict=True))

    def _give_up(self, symbols: Iterable[str]) -> None:
        self._lines.remove([self._asked.pop(symbol) for symbol in symbols])

    def _followed(self) -> list[int]:
        found = (self._inputs.engine.instrument(self._venue, symbol) for symbol in self._asked)
        return [instrument for instrument in found if instrument is not None]

    # What is told.

    def _take(self) -> None:
        """Tell the engine what came."""
        if not self._heard.relays.pending:
            return
        for event in told(self._heard.drain().events):
            self._hear(event)
        self._flush()

    def _hear(self, event: RelayEvent) -> None:
        self._lines.take(event)
        if isinstance(event, TokenTouch):
            instrument = self._inputs.engine.instrument(self._venue, event.asset)
            if instrument is not None and event.asset in self._asked:
                self._tell(instrument, event)
            self._answered(event.ts_recv)
        elif event.kind == "acknowledged" and event.type == "subscribed":
            self._answered(event.ts_recv)
        elif event.kind == "refused" and self.state == "trying":
            self._leave(event.ts_recv, f"it refuses ({event.fields.get('code') or 'no reason'})")
        elif event.kind == "lost":
            self.lost += 1
            # Something newer may have been among it: what was told before is void.
            for instrument in self._followed():
                self._tell(instrument, None)

    def _tell(self, instrument: int, touch: TokenTouch | None) -> None:
        try:
            self._inputs.tell_touch(instrument, touch, self._clock.now_ns())
        except EngineError as error:
            self._failed(error)
            return
        self.told += touch is not None

    def _gone(self, error: BaseException) -> None:
        """What reads it failed; books are not concerned."""
        _log.error("%s tells no touch of books any more: %r", self._relay.venue.name, error)
        self.state, self._due_ns = "away", self._clock.now_ns() + AGAIN_NS_MAX
        self._lines.abandon()

    # How it is.

    def connections(self) -> list[ConnectionStatus]:
        """How each connection to the relay is."""
        return [self._lines.status(session) for session in self._lines.sessions]

    def counts(self) -> Counter[str]:
        """What its connections counted."""
        return self._lines.counts()

    async def end(self) -> None:
        """Close every connection."""
        await self._lines.stop()

    def abandon(self) -> None:
        """Drop whatever is left; harmless after ``end``."""
        self._lines.abandon()
