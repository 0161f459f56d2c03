"""Never wrong while live, on numbered streams: seeded fault runs of the simulated Kalshi.

As a program with ``--seeds 1000`` it runs that many seeds and exits with 1 if in any
of them a book that was shown as live differed from the truth after a frame of its stream, stayed
live through a longer silence than it is allowed, was lost without a fault, or if a clean run
changed any state. A failure prints its seed, and the same seed fails again the same way.

The client here does what the session does: it asks the stream for fresh books, subscribes anew
where the subscription ended, reconnects where nothing else helps, and asks a silent stream for a
sign of life.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Final

from bookfeed._bookfeed import CAUSES, STATES, UPDATE_KINDS, BookView, Engine
from bookfeed.scorecard.campaigns.calm import Calm, Delivery
from bookfeed.scorecard.campaigns.kalshi_schedule import detectable, schedule_of
from bookfeed.scorecard.campaigns.levels import sides_of
from bookfeed.scorecard.campaigns.seeds import Report, Trace, arguments, play
from bookfeed.scorecard.campaigns.seen import seen
from bookfeed.scorecard.campaigns.world import World
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.faults import (
    KALSHI_VARIANTS,
    KalshiFault,
    KalshiFaultKind,
    random_kalshi_faults,
)
from bookfeed.sim.kalshi.stream import KalshiItem, KalshiStream
from bookfeed.sim.numbers import NUMBERS

MS: Final = 1_000_000
SILENCE_NS: Final = 3_000 * MS
GRACE_NS: Final = 250 * MS
MAX_DELAY_NS: Final = 1_000 * MS
PROBE_NS: Final = 1_000 * MS
PROBED: Final = 4
"""How many books of a connection are compared at once, in turn."""
TIMER_NS: Final = 100 * MS
MEND_AFTER_NS: Final = 40 * MS
MEND_EVERY_NS: Final = 1_000 * MS
ARRIVE_NS: Final = 2_000 * MS
"""How long a book may take to come after it was subscribed."""

STATE_KIND: Final = UPDATE_KINDS.index("state")
STALE: Final = STATES.index("stale")
BOOKS: Final = "orderbook_delta"
NEWS: Final = "market_lifecycle_v2"
ASK_NEWS_NS: Final = 1_000 * MS
NEWS_BOUND_NS: Final = ASK_NEWS_NS + TIMER_NS
"""How long a pause of the whole exchange may go unnoticed."""

# What each fault may be called by the engine.
FITTING: Final[dict[KalshiFaultKind, frozenset[str]]] = {
    # A connection that is lost before the next frame of the stream takes the secret with it.
    "drop": frozenset({"gap", "disconnected"}),
    # The first of the two may be what shows that others before it were lost.
    "duplicate": frozenset({"out_of_order", "gap"}),
    "swap": frozenset({"gap", "out_of_order"}),
    "malformed": frozenset({"malformed", "gap"}),
    "corrupt": frozenset({"malformed", "gap", "out_of_order"}),
    "numbers": frozenset({"gap", "out_of_order", "malformed"}),
    # Either may come in the midst of a trade that moves through several levels.
    "freeze": frozenset({"silence", "gap", "crossed"}),
    "zombie": frozenset({"silence", "gap", "crossed"}),
    "disconnect": frozenset({"disconnected"}),
    "reset": frozenset({"disconnected"}),
    # The error has the number that the venue counts, whatever its frames were given since.
    "terminal": frozenset({"channel", "gap", "out_of_order"}),
    "deltas-stop": frozenset({"withheld", "underflow", "crossed", "gap"}),
    "snapshot": frozenset({"gap", "out_of_order", "malformed"}),
    "reset-behind-data": frozenset({"disconnected"}),
    # These concern no book.
    "lifecycle": frozenset(),
    "pause": frozenset(),
    "broadcast": frozenset(),
    "pong": frozenset(),
    "absent": frozenset(),
    # A book that was held for being late is live by evidence, once it is in time.
    "stamp": frozenset({"late", "evidence"}),
    "late": frozenset({"late", "evidence"}),
}
MUST_BE_NAMED: Final = frozenset(
    {"drop", "numbers", "malformed", "terminal", "disconnect", "reset-behind-data"}
)
# What a session that mends books, and the venue's own news, bring about.
ORDINARY: Final = frozenset({"subscribed", "snapshot", "resync", "resolved"})
OVER: Final = frozenset({"disconnected", "resolved", "unsubscribed"})


class Client:
    """An engine with the part of a session that mends books, under the stream's clock."""

    def __init__(self, stream: KalshiStream, start_ns: int) -> None:
        self.stream = stream
        self.engine = Engine(silence_s=SILENCE_NS / 1e9, max_delay_s=MAX_DELAY_NS / 1e9)
        self.views: dict[str, BookView] = {}
        self.conn_of: dict[str, int] = {}
        self.symbols: list[str] = []
        self.changes: list[tuple[int, str, str, str]] = []
        """State changes: time, ticker, state, cause."""
        self.mend_ns: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.given: set[str] = set()
        """Books that came since they were subscribed last."""
        self.timer_ns = self.probed_ns = self.news_ns = start_ns
        self.probes = 0
        self.reconnects = self.signals = 0
        self.trace = Trace()
        for conn in range(stream.conns):
            for ticker in stream.tickers(conn):
                spec = stream.venue.by_ticker[ticker].spec
                instrument = self.engine.subscribe(
                    "kalshi",
                    ticker,
                    conn,
                    start_ns,
                    market=ticker,
                    event=spec.event_ticker,
                    open_ts=spec.open_ms * MS,
                    close_ts=spec.close_ms * MS,
                    fee="kalshi:quadratic;1;direct|;",
                )
                self.symbols.append(ticker)
                self.views[ticker] = self.engine.book(instrument)
                self.conn_of[ticker] = conn
        self.engine.add_rule("spread", {"open": "0.03", "close": "0.02"})

    def books_of(self, event: FaultEvent) -> list[str]:
        """The books that a fault may cost something: one number lost is a hole for all."""
        return [ticker for ticker, conn in self.conn_of.items() if conn == event.conn]

    def take(self, item: KalshiItem) -> None:
        """One item of the stream."""
        if item.kind == "connected":
            mode = "use_yes_price" if self.stream.use_yes_price else ""
            self.engine.connected(item.conn, "kalshi", item.ts_ns, mode=mode)
        elif item.kind == "disconnected":
            self.engine.disconnected(item.conn, item.ts_ns)
        elif item.kind == "frame":
            self.engine.ingest(item.conn, item.payload, item.ts_ns)
        self.drain()

    def advance(self, ts: int) -> None:
        """Lets time pass in steps of the session's timer; probes, and mends what is due."""
        while self.timer_ns + TIMER_NS <= ts:
            self.timer_ns += TIMER_NS
            self.engine.advance(self.timer_ns)
        self.drain()
        if ts - self.news_ns >= ASK_NEWS_NS:
            self.news_ns = ts
            self.ask_news(ts)
        if ts - self.probed_ns >= PROBE_NS:
            self.probed_ns = ts
            for conn in range(self.stream.conns):
                tickers = self.stream.tickers(conn)
                start = self.probes % max(1, len(tickers))
                self.stream.get_snapshot(conn, (tickers[start:] + tickers[:start])[:PROBED])
            self.probes += PROBED
        due = sorted(ticker for ticker, when in self.mend_ns.items() if when <= ts)
        for ticker in due:
            del self.mend_ns[ticker]
        for conn in range(self.stream.conns):
            wanted = [ticker for ticker in due if self.conn_of[ticker] == conn]
            if wanted:
                self.mend(conn, wanted, ts)

    def ask_news(self, ts: int) -> None:
        """Asks what the news left out; the exchange as a whole is asked every time."""
        self.engine.ingest_rest(0, self.stream.rest_status(), ts)
        for conn in range(self.stream.conns):
            for kind, name in self.engine.questions(conn):
                self.engine.ingest_rest(conn, self.stream.rest_news(kind, name), ts)
        self.drain()

    def mend(self, conn: int, tickers: list[str], ts: int) -> None:
        """The ladder: ask for the books, subscribe anew, reconnect."""
        tickers = [t for t in tickers if self.views[t].state in ("stale", "suspect", "syncing")]
        tickers = [t for t in tickers if self.views[t].cause not in OVER]
        if not tickers:
            return
        for ticker in tickers:
            self.asked[ticker] += 1
            self.mend_ns[ticker] = ts + MEND_EVERY_NS
        withheld = any(self.views[ticker].cause == "withheld" for ticker in tickers)
        here = [ticker for ticker in self.symbols if self.conn_of[ticker] == conn]
        # A book that the venue does not give shall not cost the others theirs.
        lost = self.given.intersection(tickers) if self.given.intersection(here) else tickers
        if withheld or max((self.asked[ticker] for ticker in lost), default=0) > 2:
            self.stream.reconnect(conn)
            self.reconnects += 1
            self.asked.subtract({t: self.asked[t] for t in self.symbols if self.conn_of[t] == conn})
        elif self.engine.sid(conn, BOOKS) is None:
            self.stream.subscribe(conn)
        else:
            for ticker in tickers:
                self.engine.resync_begin(self.views[ticker].instrument, ts)
            self.stream.get_snapshot(conn, tickers)
        self.drain()

    def round_ns(self) -> int:
        """How long it takes at most until every book is compared with a whole one."""
        return (2 + len(self.symbols) // PROBED) * PROBE_NS

    def drain(self) -> None:
        """Takes in what changed, and plans to mend what was lost."""
        batch = self.engine.drain()
        self.trace.take(batch)
        self.signals += len(batch.signals)
        for update in batch.updates:
            if update["kind"] != STATE_KIND:
                continue
            ticker = self.symbols[int(update["instrument"])]
            ts, cause = int(update["ts_recv_ns"]), CAUSES[update["cause"]]
            self.changes.append((ts, ticker, STATES[update["state"]], cause))
            if STATES[update["state"]] == "live":
                self.asked[ticker] = 0
                self.given.add(ticker)
                self.mend_ns.pop(ticker, None)
            elif cause == "subscribed":
                self.given.discard(ticker)
                self.mend_ns[ticker] = ts + ARRIVE_NS
            elif update["state"] == STALE and cause not in OVER:
                self.mend_ns.setdefault(ticker, ts + MEND_AFTER_NS)


class Referee:
    """Holds every book that is shown as live against the truth."""

    def __init__(self, stream: KalshiStream, client: Client, report: Report) -> None:
        self.stream = stream
        self.client = client
        self.report = report
        self.spoke_ns: dict[int, int] = {}
        """When the stream of books of each connection last brought something."""
        self.books_sid: dict[int, int] = {}
        """Its number, by what came on it: the reply that says so may be lost."""
        self.heard_ns: dict[tuple[int, int], list[int]] = {}
        """When something came on each stream of each connection."""
        self.wrong_since: dict[str, int] = {}
        """Since when a live book differs, for want of changes that were kept back."""
        self.delivery = [
            Delivery(
                conn, client, stream.fault_log, max_ns=MAX_DELAY_NS, grace_ns=GRACE_NS + TIMER_NS
            )
            for conn in range(stream.conns)
        ]
        self.news_sid: dict[int, int] = {}
        self.news_missed: set[int] = set()
        """Connections on which news was lost, and nothing came since that could show it."""
        self.shut_since: dict[str, int] = {}
        """Since when a market is called open that is not."""

    def look(self, item: KalshiItem) -> None:
        """After a frame of a stream of books each of its books is right; at any other time none
        has been silent for too long."""
        if b'"type":"orderbook_' in item.payload[:60]:
            self.books_sid[item.conn] = item.sid
        if item.kind == "frame":
            self.heard_ns.setdefault((item.conn, item.sid), []).append(item.ts_ns)
        if item.kind == "frame" and item.sid and item.sid == self.books_sid.get(item.conn):
            self.spoke_ns[item.conn] = item.ts_ns
            for ticker, conn in self.client.conn_of.items():
                if conn == item.conn:
                    self.check(ticker, item)
        if item.kind == "frame" and item.message and item.message.kind == "orderbook_delta":
            delivery = self.delivery[item.conn]
            self.report.problems += delivery.problems(item.message.ts_ms * MS, item.ts_ns)
        for ticker, view in self.client.views.items():
            silent_ns = item.ts_ns - self.spoke_ns.get(self.client.conn_of[ticker], item.ts_ns)
            if view.live and silent_ns > SILENCE_NS + TIMER_NS:
                self.report.problems.append(f"{ticker} live after {silent_ns / MS:.0f} ms")

    def look_trading(self, item: KalshiItem) -> None:
        """No market of a live book is called open that is not, unless nothing could show it yet."""
        if item.message is not None and item.message.channel == NEWS:
            if item.kind == "frame":
                self.news_sid[item.conn] = item.sid
            else:
                self.news_missed.add(item.conn)
        if item.kind == "frame" and item.sid == self.news_sid.get(item.conn):
            self.news_missed.discard(item.conn)
        venue = self.stream.venue
        # What is on its way there is no loss, and shows when it comes.
        late = {e.conn for e in self.stream.fault_log if e.fault.kind == "late"}
        for ticker, view in self.client.views.items():
            trading = view.trading(item.ts_ns)
            self.report.trading[trading] += 1
            market = venue.by_ticker[ticker]
            opens = market.status == "initialized" and item.ts_ns >= market.spec.open_ms * MS
            shut = venue.halted or not (market.trading or opens)
            if not (shut and view.live and trading == "open"):
                self.shut_since.pop(ticker, None)
                continue
            since = self.shut_since.setdefault(ticker, item.ts_ns)
            unseen = self.client.conn_of[ticker] in self.news_missed | late
            waited = item.ts_ns - since
            if waited > (NEWS_BOUND_NS if venue.halted else 0) and not unseen:
                self.report.problems.append(f"{ticker} is not open at {item.ts_ns}, and called so")

    def check(self, ticker: str, item: KalshiItem) -> None:
        """Whether a live book is the true one."""
        view = self.client.views[ticker]
        self.report.checks += 1
        truth = self.stream.truth(ticker)
        # What is under way has not been told: the book is of the time before it.
        behind = self.stream.is_behind(item.conn)
        if behind or not view.live:
            self.wrong_since.pop(ticker, None)
        if behind or not view.live or truth.torn:
            return
        if sides_of(view) == (truth.bids, truth.asks):
            self.wrong_since.pop(ticker, None)
            return
        since = self.wrong_since.setdefault(ticker, item.ts_ns)
        if item.ts_ns - since >= self.bound_ns(ticker, since):
            self.report.problems.append(f"{ticker} live and wrong at {item.ts_ns}")

    def bound_ns(self, ticker: str, since: int) -> int:
        """How long a book may be wrong: not at all, or until it is compared with a whole one if its
        connection has kept changes back.
        """
        changes = self.client.changes
        ends = [ts for ts, one, _, cause in changes if one == ticker and cause == "disconnected"]
        kept_back = any(
            event.fault.kind == "deltas-stop" and ticker in event.assets
            for event in self.stream.fault_log
            if max(ends, default=0) < event.ts_ns <= since
        )
        return self.client.round_ns() if kept_back else 0


def named(event: FaultEvent, client: Client, until_ns: int, also: frozenset[str]) -> bool:
    """Whether a fault has a fitting name among the state changes after it."""
    fitting = FITTING[event.fault.kind] | also  # type: ignore[index]
    tickers = event.assets or client.books_of(event)
    return any(
        event.ts_ns <= ts <= until_ns and ticker in tickers and cause in fitting
        for ts, ticker, _, cause in client.changes
    )


def must_be_named(event: FaultEvent) -> bool:
    """Whether nobody could miss it. What comes late may never come, and the answer to a request
    may come twice.
    """
    fault = event.fault
    if fault.kind == "duplicate":
        return fault.variant == "at_once" and event.detail.startswith("orderbook_delta")
    return fault.kind in MUST_BE_NAMED


def was_live(event: FaultEvent, client: Client, shows_ns: int) -> bool:
    """Whether a book that the fault concerns was live until it could be seen."""
    for ticker in event.assets or client.books_of(event):
        states = [s for ts, t, s, _ in client.changes if t == ticker and ts <= shows_ns]
        if states and states[-1] == "live":
            return True
    return False


def silenced_ns(event: FaultEvent, fault_log: Sequence[FaultEvent]) -> int:
    """From when on nothing is answered on the connection of a fault: that is silence, and noticed
    as such.
    """
    later = (e for e in fault_log if e.conn == event.conn and e.ts_ns >= event.ts_ns)
    return min(
        (e.ts_ns for e in later if e.fault.kind in ("freeze", "zombie")), default=sys.maxsize
    )


def unnoticed(event: FaultEvent, client: Client, end_ns: int) -> bool:
    """Whether changes were kept back until every book was compared, and a book was live through."""
    until_ns = event.ts_ns + client.round_ns()
    if until_ns > min(end_ns, event.ts_ns + int((event.fault.duration_s or 0) * 1e9)):
        return False
    for ticker in event.assets:
        states = [(ts, state) for ts, one, state, _ in client.changes if one == ticker]
        before = [state for ts, state in states if ts <= event.ts_ns]
        since = [state for ts, state in states if event.ts_ns < ts <= until_ns]
        if before[-1:] == ["live"] and not since:
            return True
    return False


def run(
    seed: int,
    *,
    items: int = 1_000,
    faults: int = 6,
    clean: bool = False,
    schedule: tuple[KalshiFault, ...] | None = None,
) -> Report:
    """One seed: a stream with random faults, those of ``schedule``, or none, judged after every
    item."""
    report = Report(seed)
    config = KalshiVenueConfig(
        seed=seed,
        windows=1 + seed % 2,
        window_s=30.0 if seed % 3 == 0 else 900.0,
        elapsed_s=20.0 if seed % 3 == 0 else 120.0,
        levels_max=12,
        pause_every=0 if clean else 300,
        fee_change_every=400,
        structure_change_every=500,
        early_close_every=0 if clean else 900,
        use_yes_price_default=bool(seed % 2),
    )
    if schedule is None:
        schedule = () if clean else schedule_of(seed, faults=faults, items=items)
    stream = KalshiStream(
        config,
        faults=schedule,
        conns=1 + seed % 2,
        rate=60.0,
        use_yes_price=seed % 4 < 2,
        channels=(BOOKS, "trade", "market_lifecycle_v2"),
    )
    client: Client | None = None
    referee: Referee | None = None
    calm: Calm | None = None
    live_at = 0
    for item in stream.items(items):
        if client is None or referee is None or calm is None:
            client = Client(stream, item.ts_ns)
            referee = Referee(stream, client, report)
            calm = Calm(report, stream.fault_log, client.views, client.books_of)
            live_at = item.ts_ns
        calm.pass_time(item.ts_ns)
        if item.kind == "connected":
            calm.connected(item.conn, item.ts_ns)
        client.advance(item.ts_ns)
        client.take(item)
        referee.look(item)
        referee.look_trading(item)
        report.frames += item.kind == "frame"
        # A market that is over is not owed.
        there = [view for view in client.views.values() if view.cause != "resolved"]
        if there:
            share = sum(view.live for view in there) / len(there)
            report.live_ns += int((item.ts_ns - live_at) * share)
            report.total_ns += item.ts_ns - live_at
        live_at = item.ts_ns
    assert client is not None and referee is not None
    report.signals = client.signals
    report.digest = client.trace.digest()
    report.transitions = len(client.changes)
    report.seen = seen(stream.fault_log, client.changes, FITTING)
    report.causes.update(cause for _, _, _, cause in client.changes)
    judge_faults(stream, referee, report, live_at)
    if clean:
        judge_clean(client, report)
    return report


def judge_faults(stream: KalshiStream, referee: Referee, report: Report, end_ns: int) -> None:
    """Every fault that the engine could not miss has its name, and no book is lost without one."""
    client = referee.client
    for event in stream.fault_log:
        report.faults[event.fault.kind] += 1
        ended = event.ts_ns > end_ns - 2_000 * MS
        shows_ns = event.ts_ns
        if event.fault.kind == "drop":
            # A hole shows with the next frame; silence may end belief in its books before that.
            heard = referee.heard_ns.get((event.conn, event.sid), ())
            shows_ns = min((ts for ts in heard if ts > event.ts_ns), default=end_ns) - 1
        owed = must_be_named(event) and not ended and was_live(event, client, shows_ns)
        # What was under way may have been lost with its connection.
        late = any(e.fault.kind == "late" and e.conn == event.conn for e in stream.fault_log)
        # A stream that was convicted of something else in the same read was out before.
        kept_back = any(
            e.fault.kind == "deltas-stop" and (e.conn, e.sid) == (event.conn, event.sid)
            for e in stream.fault_log
            if e.ts_ns < event.ts_ns
        )
        also = frozenset({"withheld"} if kept_back else ())
        if owed and not late and not named(event, client, end_ns, also):
            report.problems.append(f"a fault was not named: {event}")
        until_ns = min(end_ns, silenced_ns(event, stream.fault_log))
        if event.fault.kind == "deltas-stop" and unnoticed(event, client, until_ns):
            report.problems.append(f"changes were kept back, and nobody noticed: {event}")
    kinds = [kind for kind in KALSHI_VARIANTS if report.faults[kind]]
    explained = ORDINARY.union(*(FITTING[kind] for kind in kinds))
    if client.reconnects:
        explained |= {"disconnected"}
    for cause in sorted(set(report.causes) - explained):
        report.problems.append(f"cause {cause} names no fault of this run ({dict(report.faults)})")


def judge_clean(client: Client, report: Report) -> None:
    """Without faults a book changes state once: it becomes live, and at its end is resolved."""
    counters = client.engine.counters()
    for ticker in client.symbols:
        changes = [(s, c) for _, name, s, c in client.changes if name == ticker]
        states = [state for state, cause in changes if cause != "resolved"]
        if states not in (["syncing", "live"], ["syncing"]):
            report.problems.append(f"clean run, but {ticker} went through {changes}")
    if report.trading["unknown"]:
        report.problems.append("clean run, but trading was unknown")
    for kind in ("gaps", "regressions", "underflows", "malformed", "decode_errors"):
        if counters[kind]:
            report.problems.append(f"clean run, but {counters[kind]} {kind}")


def drawn(seed: int, count: int, frames: int) -> tuple[KalshiFault, ...]:
    """Random faults of a seed, but for what nothing gives away."""
    return tuple(filter(detectable, random_kalshi_faults(seed, count=count, frames=frames)))


WORLDS: Final = (
    World(
        "kalshi",
        run,
        KalshiFault,
        drawn,
        {
            "F01": ("reset", "reset-behind-data"),
            "F02": ("disconnect",),
            "F04": (
                "freeze:connection", "freeze:subscription", "zombie", "deltas-stop:subscription",
                "deltas-stop:market",
            ),
            "F05": ("late:2", "late:5", "late:20"),
            "F08": ("malformed:invalid_utf8",),
            "F09": ("malformed:truncated", "malformed:unattributable", "broadcast:surrogate"),
            "F10": ("broadcast:foreign", "lifecycle:malformed", "corrupt:ticker"),
            "F11": ("malformed:bad_number",),
            "F14": ("drop", "corrupt:seq", *(f"numbers:{variant}" for variant in NUMBERS)),
            "F15": ("duplicate:at_once", "duplicate:later"),
            "F16": ("swap",),
            "F17": (
                "disconnect & snapshot:lost", "disconnect & snapshot:late",
                "disconnect & snapshot:foreign",
            ),
            "F18": ("disconnect & snapshot:again",),
            "F22": ("pause", "lifecycle:lost"),
            "F29": (
                "stamp:ahead", "stamp:back", "stamp:seconds", "stamp:micros", "stamp:text",
                "stamp:negative",
            ),
            "F39": ("terminal:25", "terminal:10", "disconnect & lifecycle:refused"),
        },
        SILENCE_NS,
        {"lifecycle": "it concerns trading, and no book"},
        lasts_s=30,
    ),
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = arguments(__doc__)
    options = parser.parse_args(argv)
    return play(
        options.first,
        options.seeds,
        lambda seed: run(seed, items=options.items, clean=options.clean),
    )


if __name__ == "__main__":
    sys.exit(main())
