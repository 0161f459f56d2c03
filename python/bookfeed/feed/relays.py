"""Relays on an open feed: which topics are followed, and how they are.

What they tell is handed over by ``on_price``, ``on_event`` and their iterators. They have
connections of their own, and no book waits for them; nor does a feed end because relays failed.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bookfeed.clock import Clock
from bookfeed.errors import EngineError
from bookfeed.feed.told import ToldMarkets
from bookfeed.live.options import SessionOptions
from bookfeed.recordings.inputs import EngineInput
from bookfeed.records.told import RelayEvent
from bookfeed.relays.lines import RelayLines, RelayOutlet
from bookfeed.relays.status import TopicStatus
from bookfeed.relays.touches import TouchState, TouchWitness
from bookfeed.status import ConnectionStatus
from bookfeed.venues import RELAYS, Endpoint, venue_of
from bookfeed.venues.relay import TOUCHES_MAX, Relay, Topic

_log: Final = logging.getLogger("bookfeed.relays")


@dataclass(frozen=True, slots=True)
class BooksOutlet:
    """What a witness of books needs of who owns them."""

    flush: Callable[[], object]
    """Hand the engine's records over."""
    failed: Callable[[BaseException], object]
    """The engine failed of this."""


class RelayFeed:
    """The relays of one feed. ``urls`` and ``credentials`` are by relay; ``touches`` says of how
    many books the touch is asked for.
    """

    def __init__(
        self,
        topics: Iterable[Topic],
        urls: Mapping[str, str] | None = None,
        credentials: Mapping[str, Any] | None = None,
        touches: int = 0,
    ) -> None:
        if not 0 <= touches <= TOUCHES_MAX:
            raise ValueError(f"touches must be 0 to {TOUCHES_MAX} books, not {touches}")
        self._touches: Final = touches
        self.witness: TouchWitness | None = None
        """Who is asked for the touch of books, if anybody is."""
        self.topics: Final[list[Topic]] = list(dict.fromkeys(topics))
        self._urls: Final = dict(urls or {})
        self._credentials: Final = dict(credentials or {})
        for name in self._urls.keys() | self._credentials.keys():
            if name not in RELAYS:
                raise ValueError(f"no relay {name!r}: there are {', '.join(RELAYS)}")
        self._lines: Final[dict[str, RelayLines]] = {}
        self._made: Callable[[str], RelayLines] | None = None
        self._made_witness: Callable[[], TouchWitness | None] | None = None
        self.failure: BaseException | None = None
        """What the relays failed of, if they did."""

    def begin(
        self,
        inputs: EngineInput,
        clock: Clock,
        rng: random.Random,
        options: SessionOptions,
        conns: Iterator[int],
        *,
        flush: Callable[[], object],
        status_changed: Callable[[ConnectionStatus], object],
        endpoints: Mapping[str, Endpoint],
        outlet: "BooksOutlet",
    ) -> None:
        """Begin connecting. ``endpoints`` are the venues of books, for which ``outlet`` speaks."""

        def made(name: str) -> RelayLines:
            relay = RELAYS[name]
            return RelayLines(
                relay,
                self._url(relay),
                inputs=inputs.relays,
                outlet=RelayOutlet(flush, self._fail, status_changed),
                clock=clock,
                rng=rng,
                options=options,
                conns=conns,
                credentials=self._credentials.get(name),
            )

        self._made = made
        self._add(self.topics)

        def witness() -> TouchWitness | None:
            relay = next((one for one in RELAYS.values() if one.touch_topic), None)
            endpoint = None if relay is None else endpoints.get(venue_of(relay))
            if relay is None or endpoint is None or not self._touches:
                return None
            if not asks_for_touches(relay, self._url(relay), endpoint):
                return None
            return TouchWitness(
                relay,
                self._url(relay),
                venue=venue_of(relay),
                books_max=self._touches,
                inputs=inputs,
                clock=clock,
                rng=rng,
                options=options,
                conns=conns,
                flush=outlet.flush,
                failed=outlet.failed,
            )

        self._made_witness = witness

    def _url(self, relay: Relay) -> str:
        return self._urls.get(relay.venue.name, relay.venue.ws_url)

    def add(self, topics: Iterable[Topic]) -> None:
        """Follow more topics."""
        fresh = [topic for topic in dict.fromkeys(topics) if topic not in self.topics]
        self._add(fresh)
        self.topics.extend(fresh)

    def _add(self, topics: list[Topic]) -> None:
        if self._made is None:
            return
        for name in dict.fromkeys(topic.relay for topic in topics):
            if name not in self._lines:
                self._lines[name] = self._made(name)
            self._lines[name].add(topic for topic in topics if topic.relay == name)

    def remove(self, topics: Iterable[Topic]) -> None:
        """Follow topics no more."""
        for topic in topics:
            if topic in self.topics:
                self.topics.remove(topic)
            if topic.relay in self._lines:
                self._lines[topic.relay].remove([topic])

    def take(self, event: RelayEvent) -> bool:
        """An event came; says whether users are to hear of it."""
        answers = [lines.take(event) for lines in self._of(event.conn)]
        return all(answers) if answers else event.kind != "acknowledged"

    def heard(self, conn: int, topic: str, symbol: str, now_ns: int) -> None:
        """Values of a topic came."""
        for lines in self._of(conn):
            lines.heard(conn, topic, symbol, now_ns)

    def _of(self, conn: int) -> list[RelayLines]:
        return [lines for lines in self._lines.values() if conn in lines]

    def beat(self, now_ns: int) -> None:
        """Time has passed."""
        for lines in self._lines.values():
            lines.beat(now_ns)
        if self.witness is None and self._made_witness is not None:
            self.witness = self._made_witness()  # Its venue may come later.
        if self.witness is not None:
            self.witness.beat(now_ns)

    def _fail(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = error
            _log.error("the relays failed, books go on: %r", error)
            for lines in self._lines.values():
                lines.abandon()

    def drained(self, drain: Callable[[], object]) -> None:
        """Have what waits drained, unless the relays failed."""
        if self.failure is not None:
            return
        try:
            drain()
        except EngineError as error:
            self._fail(error)

    def status(self) -> tuple[TopicStatus, ...]:
        """How each topic is."""
        return tuple(one for lines in self._lines.values() for one in lines.topics())

    def connections(self) -> list[ConnectionStatus]:
        """How each connection is."""
        return [lines.status(s) for lines in self._lines.values() for s in lines.sessions]

    def counts(self) -> Counter[str]:
        """What the connections counted."""
        counts: Counter[str] = Counter()
        for lines in self._lines.values():
            counts.update(lines.counts())
        if self.witness is not None:
            counts.update(self.witness.counts())
        return counts

    def told(self) -> dict[str, int]:
        """How many touches of books were told to the engine, and how often frames were missing."""
        witness = self.witness
        told, lost = (0, 0) if witness is None else (witness.told, witness.lost)
        return {"touches_told": told, "touches_lost": lost}

    async def end(self) -> None:
        """Close every connection."""
        ending = [lines.stop() for lines in self._lines.values()]
        if self.witness is not None:
            ending.append(self.witness.end())
        await asyncio.gather(*ending)

    def abandon(self) -> None:
        """Drop whatever is left; harmless after ``end``."""
        for lines in self._lines.values():
            lines.abandon()
        if self.witness is not None:
            self.witness.abandon()


class RelayFace(ToldMarkets):
    """What a user asks of relays; the base of ``Feed``."""

    _relay_feed: RelayFeed

    def _begin_relays(
        self, rng: random.Random, options: SessionOptions, endpoints: Mapping[str, Endpoint]
    ) -> None:
        self._relay_feed.begin(
            self._inputs,
            self._clock,
            rng,
            options,
            self._conns,
            flush=self._flush_relays,
            status_changed=self._relay_status_changed,
            endpoints=endpoints,
            outlet=BooksOutlet(self._flush, self._fail),
        )

    def _flush_relays(self) -> None:
        self._relay_feed.drained(lambda: self._deliver_relays(self._relay_feed.take))

    def _heard_topic(self, conn: int, topic: str, symbol: str) -> None:
        self._relay_feed.heard(conn, topic, symbol, self._clock.now_ns())

    def _relay_status_changed(self, status: ConnectionStatus) -> None:
        self._log.status(status)
        self._dispatcher.status(status)

    def touches(self) -> TouchState:
        """Return whether a relay tells the touch of books now, as a witness of theirs."""
        witness = self._relay_feed.witness
        return "off" if witness is None else witness.state

    def topics(self) -> tuple[TopicStatus, ...]:
        """Return how each topic of a relay is now; never waits. Empty before the feed is open."""
        return self._relay_feed.status()

    async def add_topics(self, topics: Iterable[Topic | str]) -> None:
        """Follow more topics of relays from now on; those that are followed notice nothing.

        Raises ``ValueError`` for a text that names no topic, ``SessionError`` if the feed is not
        open or so many connections are not allowed.
        """
        wanted = [topic_of(topic) for topic in topics]
        self._check_open()
        self._relay_feed.add(wanted)

    async def remove_topics(self, topics: Iterable[Topic | str]) -> None:
        """Follow topics no more; those that are not followed are passed over.

        Raises ``ValueError`` for a text that names no topic, ``SessionError`` if the feed is not
        open.
        """
        wanted = [topic_of(topic) for topic in topics]
        self._check_open()
        self._relay_feed.remove(wanted)


def asks_for_touches(relay: Relay, url: str, endpoint: Endpoint) -> bool:
    """Whether a relay at ``url`` may be a witness of books. It is not asked about those of a
    simulator, unless it has an address of its own; nor where no REST says who of two is right.
    """
    own = url != relay.venue.ws_url or endpoint.url == endpoint.venue.ws_url
    return endpoint.rest_url is not None and own


def topic_of(topic: Topic | str) -> Topic:
    """A topic, or the one that a text names; ``ValueError`` if it names none."""
    return Topic.parse(topic) if isinstance(topic, str) else topic
