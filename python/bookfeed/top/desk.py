"""``Desk``: what a terminal knows of the feed it is attached to, made ready to be listed.

It keeps what ``World`` does not: how late the messages of each book were, when the last one came,
the flow of trades, and a log of what changed. All of it is bounded, and all times are the feed's.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bookfeed._bookfeed import ABSENT, UPDATE_KINDS, Batch
from bookfeed.clock import NS_PER_S, AnchoredClock, Clock
from bookfeed.monitor.text import Style
from bookfeed.names import Names, name_of
from bookfeed.records import UPDATE_BYTES, Signal, Update
from bookfeed.web.world import FeedState, World

LOG_MAX: Final = 1_000
DELAYS_KEPT: Final = 128
"""Of each book, so many delays are what average and percentile are of."""
FLOW_S: Final = 60
"""The flow of trades is that of so many seconds."""
_STATES_LOGGED_MAX: Final = 200
_RATE_S: Final = 1.0
_TRADE: Final = UPDATE_KINDS.index("trade")
_STATE: Final = UPDATE_KINDS.index("state")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on what is shown is coloured as odd, and as bad."""

    warn_ms: float = 5.0
    alert_ms: float = 10.0
    quiet_s: float = 10.0
    """A book that had no update for so long says so."""
    silent_s: float = 30.0
    large_usd: float = 1_000.0
    """A trade of so many dollars is a large one."""

    def __post_init__(self) -> None:
        """What is bad is odd as well, whichever of them was set."""
        object.__setattr__(self, "alert_ms", max(self.alert_ms, self.warn_ms))
        object.__setattr__(self, "silent_s", max(self.silent_s, self.quiet_s))

    def late(self, delay_ns: float | None) -> Style:
        """How a delay looks."""
        if delay_ns is None:
            return "dim"
        ms = delay_ns / 1e6
        return "good" if ms < self.warn_ms else "warn" if ms <= self.alert_ms else "bad"

    def quiet(self, silence_ns: int) -> Style:
        """How a silence looks."""
        silence_s = silence_ns / NS_PER_S
        return "dim" if silence_s < self.quiet_s else "warn" if silence_s < self.silent_s else "bad"


class BookLine:
    """One book: how it stands, and how its messages come."""

    __slots__ = (
        "_computed",
        "_delays",
        "_mean_ns",
        "_p95_ns",
        "_seen",
        "rate",
        "timed",
        "told",
        "touch",
        "updated",
        "updates",
    )

    def __init__(self, touch: dict[str, Any]) -> None:
        self.touch = touch
        """As ``World.touch`` has it: no price unless it may be believed."""
        self.told = ("", "")
        """State and cause as they were logged last."""
        self.updated: int | None = None
        """When its newest message was received; ``None`` if none came since we are attached."""
        self.updates = 0
        self.rate = 0.0
        """Updates a second."""
        self.timed = 0
        """Delays known so far."""
        self._seen = 0
        self._delays = np.zeros(DELAYS_KEPT, np.int64)
        self._computed = 0
        self._mean_ns: float | None = None
        self._p95_ns: float | None = None

    def take_delays(self, delays: "np.ndarray[Any, np.dtype[np.int64]]") -> None:
        """Receipt less the venue's own time, of messages that state one."""
        fresh = delays[-DELAYS_KEPT:]
        places = (self.timed + np.arange(len(fresh))) % DELAYS_KEPT
        self._delays[places] = fresh
        self.timed += len(fresh)

    def pass_time(self, seconds: float) -> None:
        """So much time went by since the last call."""
        self.rate = (self.updates - self._seen) / seconds
        self._seen = self.updates

    @property
    def mean_ns(self) -> float | None:
        """Average of the newest delays."""
        self._compute()
        return self._mean_ns

    @property
    def p95_ns(self) -> float | None:
        """What 95 of a hundred of them do not exceed."""
        self._compute()
        return self._p95_ns

    def _compute(self) -> None:
        if self._computed == self.timed:
            return
        self._computed = self.timed
        kept = self._delays[: min(self.timed, DELAYS_KEPT)]
        self._mean_ns = float(kept.mean())
        self._p95_ns = float(np.percentile(kept, 95, method="inverted_cdf"))


@dataclass(frozen=True, slots=True)
class LogLine:
    """Something that changed, in words."""

    number: int
    ts: int
    text: str
    style: Style


@dataclass(slots=True)
class Flow:
    """Trades of one second, or of several; money in dollars."""

    trades: int = 0
    bought: float = 0.0
    sold: float = 0.0
    other: float = 0.0
    largest: float = 0.0
    large: int = 0
    """Trades that are large ones."""

    def add(self, usd: float, aggressor: str | None, large_usd: float) -> None:
        """One more trade; from ``large_usd`` on it is a large one."""
        self.trades += 1
        self.large += usd >= large_usd
        self.largest = max(self.largest, usd)
        if aggressor == "buy":
            self.bought += usd
        elif aggressor == "sell":
            self.sold += usd
        else:
            self.other += usd

    def join(self, more: "Flow") -> None:
        """The trades of another second as well."""
        self.trades += more.trades
        self.bought += more.bought
        self.sold += more.sold
        self.other += more.other
        self.large += more.large
        self.largest = max(self.largest, more.largest)


def worth_usd(trade: Update) -> float:
    """What a trade was worth, in dollars (in its own currency, if that is another)."""
    return (trade.price or 0.0) * (trade.qty or 0.0)


class Desk:
    """Books, signals, trades, connections and a log of one feed."""

    def __init__(
        self,
        thresholds: Thresholds,
        wanted: Callable[[Signal], bool] = lambda _: True,
        clock: Clock | None = None,
    ) -> None:
        self.thresholds: Final = thresholds
        self.wanted: Final = wanted
        """Which signals are listed."""
        self.world: Final = World()
        self.books: Final[dict[int, BookLine]] = {}
        self.log: Final[deque[LogLine]] = deque(maxlen=LOG_MAX)
        self.logged = 0
        self.updates_per_s = 0.0
        self.when_lost: Callable[[], object] = lambda: None
        """Called at once when the feed is gone, so that nothing of it stays in sight."""
        self.attached_ts: int | None = None
        """Since when the feed is attached, by its clock."""
        self._clock: Final = AnchoredClock() if clock is None else clock
        self._ahead_ns = 0
        self._connected: Final[dict[int, str]] = {}
        self._flow: Final[dict[int, Flow]] = {}
        self._rated_ns = self._clock.now_ns()
        self._rated_updates = 0

    @property
    def now_ns(self) -> int:
        """The feed's time now, Unix nanoseconds."""
        return self._clock.now_ns() + self._ahead_ns

    # What the feed tells.

    def begin(self, names: Names) -> None:
        """A feed is attached."""
        self.world.begin(names)
        self.books.clear()
        self._connected.clear()
        self.attached_ts = None

    def take(self, batch: Batch) -> None:
        """Take records in."""
        self.world.take(batch)
        updates = batch.updates
        if len(updates):
            self._time(updates[updates["seq"] != 0])
            self._log_states(batch)

    def take_piece(self, piece: Mapping[str, Any]) -> None:
        """Take in how the feed is doing."""
        self.world.take_piece(piece)
        if piece["part"] == "feed":
            self._ahead_ns = piece["ts"] - self._clock.now_ns()
            if self.attached_ts is None:
                self.attached_ts = piece["ts"]
        elif piece["part"] == "connection":
            self._log_connection(piece)

    def stand(self, feed: FeedState) -> None:
        """Whether the feed is heard."""
        if self.world.stand(feed):
            styles: dict[FeedState, Style] = {"heard": "good", "silent": "warn", "lost": "bad"}
            self.note(f"the feed is {feed}", styles[feed])

    def refresh(self) -> None:
        """Make ready what is new; called before it is listed."""
        changed, trades, signals = self.world.fresh()
        for instrument in changed:
            self._line(instrument).touch = self.world.touch(instrument)
        if len(self.books) > len(self.world):
            for gone in [number for number in self.books if number not in self.world]:
                del self.books[gone]
        for trade in trades:
            second = trade.ts_recv // NS_PER_S
            flow = self._flow.setdefault(second, Flow())
            flow.add(worth_usd(trade), trade.aggressor, self.thresholds.large_usd)
        for signal in signals:
            self._log_signal(signal)
        for alert in self.world.fresh_alerts(own=True):
            self.note(f"alert {alert['text']}", "warn")
        self._pass_time()

    # What is asked for.

    def silence_ns(self, line: BookLine) -> int:
        """How long a book has had no update, at least."""
        since = line.updated if line.updated is not None else self.attached_ts
        return 0 if since is None else max(self.now_ns - since, 0)

    def flow(self) -> Flow:
        """The trades of the last minute."""
        total = Flow()
        for one in self._flow.values():
            total.join(one)
        return total

    def title(self, instrument: int) -> str:
        """What a book's market is called."""
        return name_of(self.world.names, instrument).title

    def about(self, signal: Signal) -> str:
        """What a signal's rule is called, or else what its first book is about."""
        if signal.name or not signal.legs:
            return signal.name or signal.rule
        return self.title(signal.legs[0].instrument) or signal.legs[0].symbol

    def note(self, text: str, style: Style = "") -> None:
        """Add a line to the log."""
        self.logged += 1
        self.log.append(LogLine(self.logged, self.now_ns, text, style))

    # How it is done.

    def _line(self, instrument: int) -> BookLine:
        line = self.books.get(instrument)
        if line is None:
            line = self.books[instrument] = BookLine(self.world.touch(instrument))
        return line

    def _time(self, updates: "np.ndarray[Any, Any]") -> None:
        """When messages came, and how late."""
        if not len(updates):
            return
        order = np.argsort(updates["instrument"], kind="stable")
        found, starts = np.unique(updates["instrument"][order], return_index=True)
        for instrument, places in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
            if instrument not in self.world:
                continue
            own = updates[places]
            line = self._line(instrument)
            line.updates += len(own)
            line.updated = int(own["ts_recv_ns"][-1])
            stamped = own[own["ts_event_ns"] != ABSENT]
            if len(stamped):
                line.take_delays(stamped["ts_recv_ns"] - stamped["ts_event_ns"])

    def _log_states(self, batch: Batch) -> None:
        rows = np.flatnonzero(batch.updates["kind"] == _STATE)
        if len(rows) > _STATES_LOGGED_MAX:
            self.note(f"{len(rows) - _STATES_LOGGED_MAX} changes of state are not listed", "dim")
        data = batch.update_bytes
        for row in rows[-_STATES_LOGGED_MAX:].tolist():
            update = Update.from_bytes(data, row * UPDATE_BYTES, self.world.names)
            if update.instrument not in self.world:
                continue
            line = self._line(update.instrument)
            if line.told == (update.state, update.cause):
                continue
            line.told = (update.state, update.cause)
            name = name_of(self.world.names, update.instrument)
            cause = "" if update.cause == "none" else f" ({update.cause})"
            book = " ".join(part for part in (name.venue, name.title, name.outcome) if part)
            style: Style = "good" if update.state == "live" else "warn"
            self.note(f"{book}: {update.state}{cause}", style)

    def _log_connection(self, piece: Mapping[str, Any]) -> None:
        before = self._connected.get(piece["key"])
        state = piece["state"]
        self._connected[piece["key"]] = state
        if before is not None and before != state:
            cause = f": {piece['cause']}" if piece["cause"] else ""
            style: Style = "good" if state == "connected" else "bad"
            self.note(f"connection {piece['conn']} to {piece['venue']} {state}{cause}", style)

    def _log_signal(self, signal: Signal) -> None:
        if signal.phase == "update" or signal.direction is None:
            return
        what = f"{signal.rule}, {self.about(signal)}"
        if signal.phase == "close":
            self.note(f"closed ({signal.reason}): {what}", "dim")
            return
        usd = signal.net_total
        self.note(f"opened {'?' if usd is None else f'${usd:,.2f}'} net: {what}", "bold")

    def _pass_time(self) -> None:
        now_ns = self._clock.now_ns()
        seconds = (now_ns - self._rated_ns) / NS_PER_S
        if seconds < _RATE_S:
            return
        self.updates_per_s = (self.world.updates - self._rated_updates) / seconds
        self._rated_ns, self._rated_updates = now_ns, self.world.updates
        for line in self.books.values():
            line.pass_time(seconds)
        oldest = self.now_ns // NS_PER_S - FLOW_S
        for second in [one for one in self._flow if one <= oldest]:
            del self._flow[second]
