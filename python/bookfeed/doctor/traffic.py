"""What comes once a feed is open: the first book, how much, how late, and whether it is known."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bookfeed.audit.drift import Drift
from bookfeed.doctor.clock import ClockWindow
from bookfeed.doctor.finding import Finding, Tell
from bookfeed.feed.feed import Feed
from bookfeed.status import BookStatus, ConnectionStatus

_WAITING_LOOK_S: Final = 0.05
_LOOK_S: Final = 0.25
# So much of the time goes into reading what comes, beyond what a first burst takes: books that are
# late because somebody reads along would be held against the venue.
_READING_SHARE: Final = 0.2
_READING_S: Final = 0.5
# A book that arrived, whatever it is worth.
_NOT_THERE: Final = ("idle", "syncing")
_SHOWN_MAX: Final = 5
# Worth a word, though no book is held back for it.
_DELAY_S_WARN: Final = 1.0

_PAGE: Final = "see docs/troubleshooting.md, books that are not live"
_ADVICE: Final = {
    "subscribed": "check the id: no such market, or it is over",
    "absent": "the venue has no such book: correct the id, or remove the market",
    "late": "set the clock if it is off; else the network or the venue is slow",
    "silence": "nothing came: raise silence_s in [engine] if the market is only quiet",
    "disconnect": "the connection was lost: see the log",
    "malformed": "the venue says what is not understood: upgrade bookfeed, or report it",
    "resolved": "the market is over: remove it",
    "gap": "frames are lost on the way: see whether it recovers",
}


@dataclass(slots=True)
class Watched:
    """What is seen of one venue."""

    symbols: Sequence[str]
    drift: Drift | None
    clock: ClockWindow
    first_s: float | None = None
    """When the first book was there, in seconds since the feed was opened."""
    all_s: float | None = None
    """When every book was live, or polled."""
    frames: int = 0
    payload_bytes: int = 0
    unread: int = 0
    """Frames whose fields and types were not looked at, because too many came."""
    delays_s: list[float] = field(default_factory=list)
    _since_s: float = field(default_factory=lambda: time.monotonic())
    _reading_s: float = 0.0

    def hear(self, _conn: int, payload: bytes, _ts_recv: int) -> None:
        """A frame came; of many, not all are read."""
        self.frames += 1
        self.payload_bytes += len(payload)
        if self.drift is None:
            return
        begun_s = time.monotonic()
        if self._reading_s <= _READING_S + _READING_SHARE * (begun_s - self._since_s):
            self.drift.hear(payload)
            self._reading_s += time.monotonic() - begun_s
        else:
            self.unread += 1


async def watch(
    feed: Feed,
    venues: Mapping[str, Watched],
    *,
    wait_s: float,
    seconds: float,
    delay_s_max: float,
    beside: Sequence[Callable[[float], Awaitable[None]]],
    tell: Tell,
) -> None:
    """Watches an open feed, until its books are there or ``wait_s`` are over, then ``seconds``;
    then, what goes on ``beside`` it is begun, too.
    """
    for name, venue in venues.items():
        feed.on_raw(venue.hear, venue=name)
    begun_s = time.monotonic()
    while (passed_s := time.monotonic() - begun_s) < wait_s:
        _look(feed, venues, passed_s)
        if all(venue.all_s is not None for venue in venues.values()):
            break
        await asyncio.sleep(_WAITING_LOOK_S)
    for name, venue in venues.items():
        for finding in _arrived(name, venue, _connections(feed, name), wait_s):
            tell(finding)
    before = {name: (venue.frames, venue.payload_bytes) for name, venue in venues.items()}
    since_s = time.monotonic()

    async def look_on() -> None:
        while (left_s := since_s + seconds - time.monotonic()) > 0:
            await asyncio.sleep(min(left_s, _LOOK_S))
            _look(feed, venues, time.monotonic() - begun_s)

    await asyncio.gather(look_on(), *(go(seconds) for go in beside))
    took_s, status = time.monotonic() - since_s, feed.status()
    for name, venue in venues.items():
        frames, size = venue.frames - before[name][0], venue.payload_bytes - before[name][1]
        for finding in (
            *_standing(name, [book for book in status.books if book.venue == name]),
            *(_traffic(name, frames, size, took_s) if _streams(feed, name) else ()),
            *_delayed(name, venue, delay_s_max),
            *_drifted(name, venue),
            *turned(name, feed.senses().get(name, {})),
        ):
            tell(finding)


def _connections(feed: Feed, name: str) -> list[ConnectionStatus]:
    return [one for one in feed.status().connections if one.venue == name]


def _streams(feed: Feed, name: str) -> bool:
    return any(one.state != "polling" for one in _connections(feed, name))


def _look(feed: Feed, venues: Mapping[str, Watched], passed_s: float) -> None:
    status = feed.status()
    for name, venue in venues.items():
        books = [book for book in status.books if book.venue == name]
        if venue.first_s is None and any(book.state not in _NOT_THERE for book in books):
            venue.first_s = passed_s
        if venue.all_s is None and all(book.live or book.polled for book in books):
            venue.all_s = passed_s
        for connection in status.connections:
            if connection.venue == name and connection.delay_s is not None:
                venue.delays_s.append(connection.delay_s)


def _arrived(
    name: str, venue: Watched, connections: Sequence[ConnectionStatus], wait_s: float
) -> Iterator[Finding]:
    count = len(venue.symbols)
    polled = [one for one in connections if one.state == "polling"]
    lost = [one for one in connections if one.state != "connected" and one not in polled]
    if polled:
        text = f"nothing streams on {len(polled)} of {len(connections)}: {polled[0].cause}"
        advice = "books are polled until something does; signals leave them out"
        yield Finding(name, "connections", "warn", text, advice)
    if lost:
        text = f"{len(lost)} of {len(connections)} connections are not open: {lost[0].cause}"
        advice = "follow fewer markets if the venue refuses so many; else see the log: -v"
        yield Finding(name, "connections", "bad", text, advice)
    if venue.first_s is None:
        text = f"none of {count} books came in {wait_s:g} s"
        advice = "check the ids in its [[market]] blocks: no such market, or it is over"
        yield Finding(name, "first book", "bad", text, advice, {"books": count})
        return
    how = "polled" if polled else "live"
    more = "" if venue.all_s is None else f", all {count} {how} after {venue.all_s:.2f} s"
    facts = {"books": count, "first_s": venue.first_s, "all_s": venue.all_s}
    yield Finding(name, "first book", "ok", f"after {venue.first_s:.2f} s{more}", facts=facts)


def _standing(name: str, books: Sequence[BookStatus]) -> Iterator[Finding]:
    polled = [book for book in books if book.polled]
    lost = [book for book in books if not (book.live or book.polled)]
    live = len(books) - len(lost) - len(polled)
    facts: dict[str, Any] = {"books": len(books), "live": live, "polled": len(polled)}
    if polled and not lost:
        age_s = max(book.evidence_age_s or 0.0 for book in polled)
        text = f"{len(polled)} of {len(books)} are live_poll, the oldest {age_s:.1f} s old"
        advice = "a rule takes them if it says allow_poll; have them streamed to act on them"
        yield Finding(name, "books", "warn", text, advice, {**facts, "age_s": age_s})
        return
    if not lost:
        yield Finding(name, "books", "ok", f"all {len(books)} are live", facts=facts)
        return
    causes = {book.cause: book for book in lost}
    shown = ", ".join(f"{book.symbol} {book.state}({book.cause})" for book in lost[:_SHOWN_MAX])
    more = f" and {len(lost) - _SHOWN_MAX} more" if len(lost) > _SHOWN_MAX else ""
    advice = "; ".join(dict.fromkeys(_ADVICE.get(cause, _PAGE) for cause in causes))
    text = f"{len(lost)} of {len(books)} are not live: {shown}{more}"
    yield Finding(name, "books", "bad", text, advice, {**facts, "causes": sorted(causes)})


def _traffic(name: str, frames: int, size: int, took_s: float) -> Iterator[Finding]:
    facts = {"frames": frames, "bytes": size, "seconds": took_s}
    if not frames:
        text = f"nothing came in {took_s:.0f} s"
        advice = "quiet markets say nothing: look longer (--seconds), or follow a busier one"
        yield Finding(name, "traffic", "warn", text, advice, facts)
        return
    text = f"{frames / took_s:.1f} frames/s, {size / took_s / 1024:.1f} KiB/s"
    yield Finding(name, "traffic", "ok", text, facts=facts)


def _delayed(name: str, venue: Watched, delay_s_max: float) -> Iterator[Finding]:
    if not venue.delays_s:
        return
    seen_s, worst_s = statistics.median(venue.delays_s), max(venue.delays_s)
    # A clock that may be right is taken to be.
    off = venue.clock.known and venue.clock.surely_beyond(0.0)
    ahead_s, room_s = (venue.clock.ahead_s, venue.clock.error_s) if off else (0.0, 0.0)
    true_s = seen_s - ahead_s
    text = f"{seen_s:.3f} s (median), at most {worst_s:.3f} s"
    text += f"; {true_s:.2f} s if our clock were the venue's" if off else ""
    facts = {"delay_s": seen_s, "delay_s_max": worst_s, "clock_ahead_s": ahead_s}
    if delay_s_max and true_s - room_s > delay_s_max:
        advice = (
            f"books are held suspect(late) beyond {delay_s_max:g} s: another network or a region "
            "nearer to the venue; max_delay_s in [engine] only hides it"
        )
        yield Finding(name, "delay", "bad", text, advice, facts)
    elif true_s - room_s > _DELAY_S_WARN:
        advice = "another network or a region nearer to the venue; else the venue itself is slow"
        yield Finding(name, "delay", "warn", text, advice, facts)
    elif true_s + room_s < -_DELAY_S_WARN:
        advice = "the venue's stamps are ahead of its own clock: trust no latency of these books"
        yield Finding(name, "delay", "warn", text, advice, facts)
    else:
        yield Finding(name, "delay", "ok", text, facts=facts)


def _drifted(name: str, venue: Watched) -> Iterator[Finding]:
    if venue.drift is None or not venue.frames:
        return
    oddities = venue.drift.found()
    unread = f" ({venue.unread} frames were not read, too many came)" if venue.unread else ""
    facts: dict[str, Any] = {"messages": venue.drift.messages, "frames_unread": venue.unread}
    if not oddities:
        text = f"every field and type of {venue.drift.messages} messages is known{unread}"
        yield Finding(name, "schema", "ok", text, facts=facts)
        return
    shown = "; ".join(str(one) for one in oddities[:_SHOWN_MAX])
    more = f"; and {len(oddities) - _SHOWN_MAX} more" if len(oddities) > _SHOWN_MAX else ""
    advice = (
        "the venue has changed: upgrade bookfeed, else report this line; what is not understood "
        "takes its books out of live"
    )
    facts["oddities"] = [one.to_dict() for one in oddities]
    yield Finding(name, "schema", "warn", f"{shown}{more}{unread}", advice, facts)


def turned(name: str, sense: Mapping[str, int]) -> Iterator[Finding]:
    """Whether trades are on the side of the mid on which their aggressor should be."""
    decided, agreed = sense.get("decided", 0), sense.get("agreed", 0)
    if not decided:
        return
    text, facts = f"{agreed} of {decided} are on their side of the mid", dict(sense)
    if sense["alarms"]:
        advice = (
            "the venue has turned round whom it names, or is misread: trust no aggressor of its "
            "trades, upgrade bookfeed, else report this line"
        )
        yield Finding(name, "aggressors", "warn", text, advice, facts)
    else:
        yield Finding(name, "aggressors", "ok", text, facts=facts)
