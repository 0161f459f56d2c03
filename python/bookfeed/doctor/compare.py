"""The same books streamed and polled side by side: what polling would have missed.

What is polled goes into an engine of its own; only the touch is compared.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bookfeed._bookfeed import BookView, Engine
from bookfeed.doctor.finding import Finding
from bookfeed.feed.feed import Feed
from bookfeed.live.handshake import secrets, shown
from bookfeed.live.http import RestClient, RestError, available
from bookfeed.records import Update
from bookfeed.venues.base import Endpoint, RestBooks

# As often as books are polled where there is no stream.
EVERY_S: Final = 1.5
_BOOKS_MAX: Final = 20
_CONN: Final = 0

Touch = tuple[int | None, int | None]


@dataclass(slots=True)
class Race:
    """One book as the stream has it and as polling has it; times in seconds."""

    streamed: Touch | None = None
    polled: Touch | None = None
    since_s: float = 0.0
    """When the stream came to its touch."""
    changes: int = 0
    """How often the stream's touch changed."""
    seen: int = 0
    """How often that of polling did."""
    apart_s: float = 0.0
    both_s: float = 0.0
    behind_s: list[float] = field(default_factory=list)
    """How much later than the stream polling learned of a touch that still holds."""
    _last_s: float = 0.0

    def _pass(self, now_s: float) -> None:
        if self.streamed is not None and self.polled is not None:
            self.both_s += now_s - self._last_s
            self.apart_s += now_s - self._last_s if self.streamed != self.polled else 0.0
        self._last_s = now_s

    def stream(self, touch: Touch, now_s: float) -> None:
        """The stream's touch, at a moment no earlier than the last."""
        self._pass(now_s)
        if touch != self.streamed:
            self.changes += self.streamed is not None
            self.streamed, self.since_s = touch, now_s

    def poll(self, touch: Touch, now_s: float) -> None:
        """That of an answer."""
        self._pass(now_s)
        if touch != self.polled:
            self.seen += self.polled is not None
            if self.polled is not None and touch == self.streamed:
                self.behind_s.append(now_s - self.since_s)
            self.polled = touch

    def end(self, now_s: float) -> None:
        """What holds at the end held until now."""
        self._pass(now_s)


class Comparison:
    """Polls some books of a venue while a feed streams them."""

    def __init__(self, feed: Feed, endpoint: Endpoint, symbols: Sequence[str]) -> None:
        self._feed: Final = feed
        self._name: Final = endpoint.venue.name
        self._rest_url: Final = endpoint.rest_url if available() else None
        self._ssl_context: Final = endpoint.ssl_context
        recovery = endpoint.venue.recovery
        self._books: Final = recovery if isinstance(recovery, RestBooks) else None
        most = 0 if self._books is None else min(_BOOKS_MAX, self._books.symbols_max)
        self._races: Final = {symbol: Race() for symbol in symbols[:most]}
        self._took_s: Final[list[float]] = []
        self._failed: Final[list[str]] = []

    async def poll(self, seconds: float) -> None:
        """Asks again and again, for so long."""
        if self._books is None or self._rest_url is None:
            return
        request, end_s = self._books.request(list(self._races)), time.monotonic() + seconds
        listener = self._feed.on_update(self._streamed, symbols=list(self._races))
        for symbol in self._races:
            self._note(self._feed.book(symbol))
        async with RestClient(self._rest_url, ssl_context=self._ssl_context) as client:
            due_s = time.monotonic()
            while due_s < end_s:
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                begun_s = time.monotonic()
                due_s = begun_s + EVERY_S
                try:
                    body = await client.fetch(request)
                except RestError as error:
                    self._failed.append(shown(str(error), secrets(self._rest_url, {})))
                else:
                    self._took_s.append(time.monotonic() - begun_s)
                    self._answered(body)
            await asyncio.sleep(max(0.0, end_s - time.monotonic()))
        listener.close()
        for race in self._races.values():
            race.end(time.monotonic())

    def _streamed(self, update: Update) -> None:
        self._note(self._feed.book(update.instrument))

    def _note(self, book: BookView) -> None:
        if book.live:
            self._races[book.symbol].stream((book.bid_e9, book.ask_e9), time.monotonic())

    def _answered(self, body: bytes) -> None:
        # A new engine: one that has a book already would only compare it.
        engine, now_ns = Engine(hash_check="off"), time.time_ns()
        engine.connected(_CONN, self._name, now_ns)
        books = {s: engine.subscribe(self._name, s, _CONN, now_ns) for s in self._races}
        for instrument in books.values():
            engine.resync_begin(instrument, now_ns)  # an answer that nobody waits for is refused
        engine.ingest_rest(_CONN, body, now_ns)
        for symbol, instrument in books.items():
            book = engine.book(instrument)
            if book.live:
                self._races[symbol].poll((book.bid_e9, book.ask_e9), time.monotonic())

    def finding(self) -> Finding:
        """Which of the two knew more, and when."""
        if self._books is None or self._rest_url is None:
            text, advice = "nothing was polled", "this venue's books are not polled: stream them"
            if self._books is not None:
                advice = "polling needs rest_url and aiohttp: pip install 'bookfeed[rest]'"
            return Finding(self._name, "compare", "skip", text, advice)
        if not self._took_s:
            why = self._failed[-1] if self._failed else "there was no time"
            advice = "see what is said of REST above"
            return Finding(self._name, "compare", "warn", f"no poll was answered: {why}", advice)
        races = self._races.values()
        changes, seen = sum(race.changes for race in races), sum(race.seen for race in races)
        both_s, apart_s = sum(race.both_s for race in races), sum(race.apart_s for race in races)
        behind_s = [s for race in races for s in race.behind_s]
        request_s = statistics.median(self._took_s)
        share = apart_s / both_s if both_s else 0.0
        missed = max(0, changes - seen)
        late = f", learns of a change {statistics.median(behind_s):.2f} s later" if behind_s else ""
        text = (
            f"{len(self._races)} books: the stream told {changes} changes of a touch; polling "
            f"every {EVERY_S:g} s ({request_s * 1e3:.1f} ms a request) misses {missed} of them, "
            f"shows another touch {share:.0%} of the time{late}"
        )
        facts = {
            "books": len(self._races),
            "changes": changes,
            "changes_polled": seen,
            "apart_share": share,
            "behind_s": statistics.median(behind_s) if behind_s else None,
            "request_s": request_s,
            "polls": len(self._took_s),
            "polls_failed": len(self._failed),
        }
        if self._failed:
            advice = f"{len(self._failed)} polls failed, the last one: {self._failed[-1]}"
            return Finding(self._name, "compare", "warn", text, advice, facts)
        return Finding(self._name, "compare", "ok", text, facts=facts)
