"""Never wrong while live: seeded fault runs of the simulator, in process, against its truth.

As a program with ``--seeds 1000`` it runs that many seeds and exits with 1 if in any of
them a book that was shown as live differed from the truth beyond the bound that
docs/states.md states, if a fault was not named by a fitting cause, if a trade was left out or
told twice, or if a clean run changed any state. A failure prints its seed, and the same seed fails
again the same way.

The client here does what the session does: it asks REST for a book that went stale, and
reconnects where REST cannot help.
"""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Final

from bookfeed._bookfeed import CAUSES, STATES, UPDATE_KINDS, BookView, Engine
from bookfeed.scorecard.campaigns.calm import Calm, Delivery, stamped_readably
from bookfeed.scorecard.campaigns.levels import Levels, sides_of
from bookfeed.scorecard.campaigns.polymarket_trades import ToldTrades
from bookfeed.scorecard.campaigns.seeds import Report, Trace, arguments, play
from bookfeed.scorecard.campaigns.seen import APPLIED_ONCE, seen
from bookfeed.scorecard.campaigns.world import World
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.polymarket.faults import Fault, random_faults
from bookfeed.sim.polymarket.stream import Item, Stream
from bookfeed.sim.polymarket.venue import VenueConfig

MS: Final = 1_000_000
SILENCE_NS: Final = 2_000 * MS
GRACE_NS: Final = 250 * MS
SAMPLE_NS: Final = 250 * MS
MAX_DELAY_NS: Final = 1_000 * MS
TIMER_NS: Final = 100 * MS
RESYNC_AFTER_NS: Final = 40 * MS
RESYNC_EVERY_NS: Final = 1_000 * MS
ARRIVE_NS: Final = 2_000 * MS
"""How long a book may take to come by itself."""
DOUBTED_EVERY_NS: Final = 700 * MS
"""How often the client asks REST for a live book of a connection that is behind."""

STATE_KIND: Final = UPDATE_KINDS.index("state")
TRADE_KIND: Final = UPDATE_KINDS.index("trade")
STALE: Final = STATES.index("stale")
# Messages whose time stamps say how late they come.
TIMED: Final = ("price_change", "best_bid_ask")
GHOST: Final = re.compile(
    rb'"bids":\[{"price":"0.01","size":"1000"}\],"asks":\[{"price":"0.99","size":"1000"}\]'
)

# What each fault may be called by the engine. A fault that the very next frame heals, or that
# changes nothing, needs no name.
FITTING: Final[dict[str, frozenset[str]]] = {
    "drop": frozenset({"bbo_mismatch", "hash_mismatch", "crossed", "mirror_mismatch"}),
    "drop+noop": frozenset({"bbo_mismatch", "hash_mismatch", "crossed", "mirror_mismatch"}),
    "duplicate": frozenset({"out_of_order"}),
    # It may come inside a batch.
    "freeze": frozenset({"silence", "mirror_mismatch", "hash_mismatch", "bbo_mismatch", "crossed"}),
    "disconnect": frozenset({"disconnected"}),
    "reset": frozenset({"disconnected"}),
    "wrong_hash": frozenset({"hash_mismatch", "mirror_mismatch"}),
    "hash": frozenset({"hash_mismatch", "untrusted_hash", "mirror_mismatch"}),
    "malformed": frozenset({"malformed"}),
    # The hash of a whole book covers the tick size, which it need not state.
    "lifecycle": frozenset({"malformed", "hash_mismatch"}),
    "swap": frozenset(
        {"hash_mismatch", "bbo_mismatch", "crossed", "out_of_order", "mirror_mismatch"}
    ),
    "corrupt_size": frozenset({"hash_mismatch", "mirror_mismatch", "bbo_mismatch"}),
    "sibling-ghost": frozenset({"mirror_mismatch", "bbo_mismatch", "hash_mismatch", "crossed"}),
    "reset-behind-data": frozenset({"disconnected"}),
    # These concern no book.
    "broadcast": frozenset(),
    "fill": frozenset(),
    # It may come inside a batch; one that comes again is older than the changes before it.
    "first-book": frozenset(
        {"bbo_mismatch", "hash_mismatch", "crossed", "mirror_mismatch", "out_of_order"}
    ),
    "pong": frozenset(),
    "absent": frozenset(),
    "stamp": frozenset({"out_of_order", "late", "hash_mismatch", "bbo_mismatch"}),
    # A book by REST is ahead of a stream that is late: what that says of it, and of the other
    # outcome, contradicts it.
    "late": frozenset({"late", "out_of_order", "hash_mismatch", "bbo_mismatch", "mirror_mismatch"}),
}
MUST_BE_NAMED: Final = frozenset(
    {"disconnect", "reset", "reset-behind-data", "malformed", "lifecycle"}
)
# The bare consequences of a session that mends books; they name no fault.
ORDINARY: Final = frozenset(
    {"subscribed", "snapshot", "resync", "evidence", "tick_change", "resolved"}
)


class Client:
    """An engine with the part of a session that mends books, under the stream's clock."""

    def __init__(self, stream: Stream, *, hash_check: str, start_ns: int) -> None:
        self.stream = stream
        self.engine = Engine(
            hash_check=hash_check,  # type: ignore[arg-type]
            hash_interval_s=SAMPLE_NS / 1e9,
            batch_grace_s=GRACE_NS / 1e9,
            silence_s=SILENCE_NS / 1e9,
            max_delay_s=MAX_DELAY_NS / 1e9,
        )
        self.symbols: list[str] = []
        self.views: dict[str, BookView] = {}
        self.conn_of: dict[str, int] = {}
        self.sibling_of: dict[str, str] = {}
        self.newest: dict[str, bytes] = {}
        """What was last told of each book, by the stream or by REST."""
        self.changes: list[tuple[int, str, str, str]] = []
        """State changes: time, symbol, state, cause."""
        self.trades: Counter[str] = Counter()
        self.told = ToldTrades()
        self.resync_ns: dict[int, int] = {}
        self.next_resync_ns: dict[int, int] = {}
        self.fetched_ns: dict[str, int] = {}
        self.answered_ns: dict[str, int] = {}
        """The venue's time of the answer by REST that the run of each book began with."""
        self.doubted_ns: dict[int, int] = {}
        """When a live book of each connection was last asked for because that is behind."""
        self.timer_ns = start_ns
        self.signals = 0
        self.trace = Trace()
        self.reconnects = 0
        for market in stream.venue.markets:
            first, second = (asset.asset_id for asset in market.assets)
            self.sibling_of |= {first: second, second: first}
            for asset in market.assets:
                self._subscribe(asset.asset_id, market.spec.condition_id, start_ns)
        self.engine.add_rule("spread", {"mode": "absolute", "open": "0.03", "close": "0.02"})
        self.engine.add_rule("complement", {"min_edge": "0.001"})

    def _subscribe(self, symbol: str, market: str, ts: int) -> None:
        config = self.stream.venue.config
        conn = next(c for c in range(self.stream.conns) if symbol in self.stream.asset_ids(c))
        instrument = self.engine.subscribe(
            "polymarket",
            symbol,
            conn,
            ts,
            market=market,
            min_order_size=config.min_order_size,
            hints=f"neg_risk={str(config.neg_risk).lower()}",
            fee=f"polymarket:{config.fee_rate};{config.fee_exponent}",
        )
        self.symbols.append(symbol)
        self.views[symbol] = self.engine.book(instrument)
        self.conn_of[symbol] = conn

    def books_of(self, event: FaultEvent) -> list[str]:
        """The books that a fault may cost something: those it names, and what mirrors them."""
        if not event.assets:
            return [symbol for symbol, conn in self.conn_of.items() if conn == event.conn]
        markets = [market.spec.asset_ids for market in self.stream.venue.markets]
        return [one for pair in markets if set(pair) & set(event.assets) for one in pair]

    def take(self, item: Item) -> None:
        """One item of the stream."""
        if item.kind == "connected":
            self.engine.connected(item.conn, "polymarket", item.ts_ns)
        elif item.kind == "disconnected":
            self.engine.disconnected(item.conn, item.ts_ns)
        elif item.kind == "frame":
            self.engine.ingest(item.conn, item.payload, item.ts_ns)
            self.told.hear(item.payload)
            for symbol in self.symbols if item.message is not None else ():
                if symbol.encode() in item.payload:
                    self.newest[symbol] = item.payload
        self.drain()

    def advance(self, ts: int) -> None:
        """Lets time pass in steps of the session's timer, and mends what is due."""
        while self.timer_ns + TIMER_NS <= ts:
            self.timer_ns += TIMER_NS
            self.engine.advance(self.timer_ns)
        self.drain()
        for instrument, due in list(self.resync_ns.items()):
            if due <= ts:
                del self.resync_ns[instrument]
                self._resync(instrument, ts)
        for conn in range(self.stream.conns):
            due = self.doubted_ns.get(conn, 0) + DOUBTED_EVERY_NS
            if self.stream.lateness(conn) and ts >= due:
                self.doubted_ns[conn] = ts
                self._doubt(conn, ts)

    def _doubt(self, conn: int, ts: int) -> None:
        """Asks REST for the live book of a late connection that was asked for longest ago."""
        live = [
            number
            for number, symbol in enumerate(self.symbols)
            if self.conn_of[symbol] == conn and self.views[symbol].live
        ]
        known = [number for number in live if self.symbols[number] in self.stream.venue.assets]
        if known:
            number = min(known, key=lambda one: self.fetched_ns.get(self.symbols[one], 0))
            self._fetch(number, ts, asked=True)

    def _resync(self, instrument: int, ts: int) -> None:
        symbol = self.symbols[instrument]
        view = self.views[symbol]
        if view.state not in ("stale", "syncing") or view.cause in ("disconnected", "resolved"):
            return
        if view.cause in ("silence", "transport"):
            self.stream.reconnect(self.conn_of[symbol])
            self.reconnects += 1
            return
        if symbol not in self.stream.venue.assets:
            return  # REST has it no more, either.
        self._fetch(instrument, ts, asked=False)

    def _fetch(self, instrument: int, ts: int, *, asked: bool) -> None:
        symbol = self.symbols[instrument]
        self.engine.resync_begin(instrument, ts, asked=asked)
        self.newest[symbol] = self.stream.rest_book(symbol)
        self.engine.ingest_rest(self.conn_of[symbol], self.newest[symbol], ts)
        self.fetched_ns[symbol] = ts
        self.drain()
        ts_event = self.views[symbol].ts_event if self.views[symbol].live else None
        if ts_event is None:
            self.answered_ns.pop(symbol, None)
        else:
            self.answered_ns[symbol] = ts_event

    def drain(self) -> None:
        batch = self.engine.drain()
        self.trace.take(batch)
        self.signals += len(batch.signals)
        for row in batch.signals:
            if row["phase"] != 2:
                self._check_legs(batch, row)
        for update in batch.updates:
            if update["kind"] == TRADE_KIND:
                self.trades[self.symbols[int(update["instrument"])]] += 1
            if update["kind"] != STATE_KIND:
                continue
            instrument = int(update["instrument"])
            ts = int(update["ts_recv_ns"])
            cause = CAUSES[update["cause"]]
            self.changes.append((ts, self.symbols[instrument], STATES[update["state"]], cause))
            if STATES[update["state"]] not in ("live", "suspect"):
                self.answered_ns.pop(self.symbols[instrument], None)  # another run begins
            if cause == "subscribed":
                self.resync_ns[instrument] = ts + ARRIVE_NS
            if update["state"] == STALE and cause not in ("disconnected", "resolved"):
                due = max(ts + RESYNC_AFTER_NS, self.next_resync_ns.get(instrument, 0))
                self.resync_ns[instrument] = due
                self.next_resync_ns[instrument] = due + RESYNC_EVERY_NS

    def _check_legs(self, batch: object, row: object) -> None:
        legs = batch.legs[row["leg_start"] : row["leg_start"] + row["legs"]]  # type: ignore[attr-defined,index]
        for leg in legs:
            if STATES[leg["state"]] != "live":
                raise AssertionError(f"a signal rests on a book that is {STATES[leg['state']]}")


class Referee:
    """Holds every book that is shown as live against the truth."""

    def __init__(
        self, stream: Stream, client: Client, report: Report, *, bound_ns: int, hashes: bool
    ) -> None:
        self.stream = stream
        self.client = client
        self.report = report
        self.bound_ns = bound_ns
        """With sampled hash checks: how long a change may go unchecked."""
        self.hashes = hashes
        """Whether hashes are checked; without them only best prices are vouched for."""
        self.wrong_since: dict[str, int] = {}
        self.spoke_ns: dict[int, int] = {}
        """When each connection last said something about a book."""
        self.delivery = [
            Delivery(
                conn, client, stream.fault_log, max_ns=MAX_DELAY_NS, grace_ns=GRACE_NS + TIMER_NS
            )
            for conn in range(stream.conns)
        ]
        self.blind: set[str] = set()
        """Books whose newest message has no time that could be read, and so no hash."""
        self.unread: set[str] = set()
        """Those of first books without a time, until a hash of theirs was read."""

    def look(self, item: Item) -> None:
        """After an item: the books it was about, or all of them now and then."""
        if item.payload[:1] == b"[" and not stamped_readably(item.payload):
            self.unread |= {
                symbol for symbol in self.client.symbols if symbol.encode() in item.payload
            }
        news = item.message is not None and item.message.kind == "new_market"
        pong = b"PONG" in item.payload[:16].upper()
        if item.kind == "frame" and not pong and not news:
            self.spoke_ns[item.conn] = item.ts_ns
        if item.kind == "frame" and item.message and item.message.kind in TIMED:
            delivery = self.delivery[item.conn]
            self.report.problems += delivery.problems(item.message.ts_ms * MS, item.ts_ns)
        if item.message is None:
            for symbol in self.client.symbols:
                self.check(symbol, item.ts_ns, heard=False)
        elif item.message.kind in ("book", "price_change"):
            for asset in self.stream.venue.markets[item.message.market].assets:
                # Initial books that come late are of the time of the connection's beginning.
                heard = asset.asset_id.encode() in item.payload and item.payload[:1] != b"["
                if heard:
                    self.note_stamps(asset.asset_id, item.payload)
                self.check(asset.asset_id, item.ts_ns, heard=heard)

    def note_stamps(self, symbol: str, payload: bytes) -> None:
        """Whether the newest message about a book can have a hash."""
        if stamped_readably(payload):
            self.blind.discard(symbol)
        else:
            self.blind.add(symbol)

    def check(self, symbol: str, ts: int, *, heard: bool) -> None:
        """Whether the book is right, or wrong within the bound.

        A frame about the book must put it right, or take it out of live, within the sampling
        interval. A change that was lost without a trace cannot be known before the next frame
        about the book; but a connection that says nothing may not hold it live for longer
        than the silence it is allowed.
        """
        view = self.client.views[symbol]
        self.report.checks += 1
        # What is under way has not been told: the book is of the time before it.
        behind = self.stream.is_behind(self.client.conn_of[symbol])
        if behind and view.live:
            self.check_answer(symbol, view, ts)
        right = behind or not view.live or self.right(symbol, view)
        if right or self.unopposed(symbol):
            self.wrong_since.pop(symbol, None)
            return
        if heard:
            self.wrong_since.setdefault(symbol, ts)
        since = self.wrong_since.get(symbol)
        spoke_ns = self.spoke_ns.get(self.client.conn_of[symbol], ts)
        silent_ns = ts - max(spoke_ns, self.client.fetched_ns.get(symbol, 0))
        overdue = since is not None and ts - since >= self.bound_ns
        if overdue or silent_ns > SILENCE_NS + TIMER_NS:
            wrong_ms = (ts - (since or ts)) / MS
            self.report.problems.append(
                f"{symbol[:8]} live and wrong at {ts}, {wrong_ms:.0f} ms after a frame about it, "
                f"{silent_ns / MS:.0f} ms after the last of its connection"
            )
            self.wrong_since[symbol] = ts + 3_600_000 * MS

    def check_answer(self, symbol: str, view: BookView, ts: int) -> None:
        """What a late stream tells never takes a live book back to before an answer by REST, as
        long as no stamp on its connection is wrong."""
        conn = self.client.conn_of[symbol]
        if any(e.fault.kind == "stamp" and e.conn == conn for e in self.stream.fault_log):
            return
        answered_ns = self.client.answered_ns.get(symbol)
        if answered_ns is not None and (view.ts_event or 0) < answered_ns:
            self.report.problems.append(
                f"{symbol[:8]} live at {ts} as it was before the answer by REST"
            )
            del self.client.answered_ns[symbol]

    def unopposed(self, symbol: str) -> bool:
        """Whether it is a ghost that nothing can deny yet: its hash fits, nothing was told of the
        book since, and the sibling is not live itself."""
        ghost = GHOST.search(self.client.newest.get(symbol, b"")) is not None
        return ghost and not self.client.views[self.client.sibling_of[symbol]].live

    def right(self, symbol: str, view: BookView) -> bool:
        """Whether the book is the true one; inside a batch, the one the venue's hash is of.

        A book that says that its hashes are not trusted promises its best prices alone.
        """
        truth = self.stream.truth(symbol)
        mine, true = sides_of(view), (truth.bids, truth.asks)
        if view.verified:
            self.unread.discard(symbol)
        unheard = symbol in self.blind or symbol in self.unread
        if not self.hashes or view.cause == "untrusted_hash" or unheard:
            # Inside a batch the book may be that of its end already, by REST: no hash says so.
            return truth.torn or [_best_price(side) for side in mine] == [
                _best_price(side) for side in true
            ]
        same = mine == true
        return view.verified if truth.torn else same


def _best_price(levels: Levels) -> int | None:
    return levels[0][0] if levels else None


def schedule_of(seed: int, *, faults: int, frames: int) -> tuple[Fault, ...]:
    """The faults of a seed: drawn ones, lost changes of which only a hash tells, what concerns no
    book, fills that are alike, copies of trades, first books that come late; in some seeds wrong
    time stamps, a connection that falls behind, hashes that are not those of books, a reset behind
    unread data, news that cannot be read, or an asset that the venue has no more when its
    connection opens again."""
    drawn = random_faults(seed, count=faults, frames=frames)
    noop = random_faults(seed + 1, count=2, frames=frames, kinds=("drop+noop",))
    # Where outcomes trade apart, nothing but hashes tells that from a torn book.
    foreign = (Fault("hash", at_frame=frames // 4),) if seed % 6 == 2 else ()
    beside = random_faults(seed + 2, count=2, frames=frames, kinds=("broadcast", "pong"))
    fills = random_faults(seed + 4, count=3, frames=frames, kinds=("fill",))
    # Of a reconnect, if there is one, and in some seeds of the very first connection.
    first = random_faults(seed + 5, count=1, frames=frames, kinds=("first-book",))
    if seed % 5 == 1:
        first += (Fault("first-book", variant=("late", "unstamped")[seed % 2]),)
    behind = (Fault("reset-behind-data", at_frame=frames // 3),) if seed % 6 == 4 else ()
    stamp = random_faults(seed + 2, count=seed % 2, frames=frames, kinds=("stamp",))
    late = random_faults(seed + 3, count=seed % 4 == 0, frames=frames, kinds=("late",))
    news = (Fault("lifecycle", at_frame=frames // 5),) if seed % 6 in (0, 3) else ()
    gone = (Fault("absent", at_frame=1), Fault("disconnect", at_frame=frames // 4))
    absent = gone if seed % 7 == 3 else ()
    beside = (*beside, *fills, *first)
    return (*drawn, *noop, *foreign, *beside, *behind, *stamp, *late, *news, *absent)


def named_by_cause(event: FaultEvent, client: Client, until_ns: int) -> bool:
    """Whether the fault has a fitting name among the state changes after it."""
    fitting = FITTING[event.fault.kind]
    assets = event.assets or client.books_of(event)
    for ts, symbol, _, cause in client.changes:
        if event.ts_ns <= ts <= until_ns and symbol in assets and cause in fitting:
            return True
    return False


def already_out(event: FaultEvent, client: Client) -> bool:
    """Whether no book that the fault concerns was in ``live`` any more: nothing to name."""
    for symbol in event.assets or client.books_of(event):
        states = [
            state for ts, name, state, _ in client.changes if name == symbol and ts <= event.ts_ns
        ]
        if states and states[-1] in ("live", "suspect"):
            return False
    return True


def run(
    seed: int,
    *,
    items: int = 1_000,
    faults: int = 6,
    hash_check: str = "always",
    clean: bool = False,
    hashes: bool = True,
    schedule: tuple[Fault, ...] | None = None,
) -> Report:
    """One seed: a stream with random faults, those of ``schedule``, or none, judged after every
    item. With ``hashes`` false only best prices are held against the truth."""
    report = Report(seed)
    config = VenueConfig(
        markets=2 + seed % 3,
        seed=seed,
        unmirrored=seed % 2,
        neg_risk=seed % 5 == 0,
        tick_change_every=0 if clean else 400,
    )
    if schedule is None:
        schedule = () if clean else schedule_of(seed, faults=faults, frames=items * 2 // 3)
    stream = Stream(config, faults=schedule, conns=1 + seed % 2, rate=60.0)
    client: Client | None = None
    referee: Referee | None = None
    calm: Calm | None = None
    live_at = 0
    for item in stream.items(items):
        if client is None or referee is None or calm is None:
            client = Client(stream, hash_check=hash_check, start_ns=item.ts_ns)
            bound = 0 if hash_check == "always" else SAMPLE_NS + TIMER_NS
            referee = Referee(stream, client, report, bound_ns=bound, hashes=hashes)
            calm = Calm(report, stream.fault_log, client.views, client.books_of)
            start_ns = live_at = item.ts_ns
        calm.pass_time(item.ts_ns)
        if item.kind == "connected":
            calm.connected(item.conn, item.ts_ns)
        client.advance(item.ts_ns)
        client.take(item)
        referee.look(item)
        report.frames += item.kind == "frame"
        share = sum(view.live for view in client.views.values()) / len(client.views)
        report.live_ns += int((item.ts_ns - live_at) * share)
        live_at = item.ts_ns
    assert client is not None
    end_ns = live_at
    report.total_ns = end_ns - start_ns
    report.signals = client.signals
    report.digest = client.trace.digest()
    report.transitions = len(client.changes)
    report.seen = seen(stream.fault_log, client.changes, FITTING)
    report.causes.update(cause for _, _, _, cause in client.changes)
    judge_faults(stream, client, report, end_ns)
    judge_trades(stream, client, report)
    if clean:
        judge_clean(client, report)
    return report


def judge_faults(stream: Stream, client: Client, report: Report, end_ns: int) -> None:
    """Every fault that the engine could not miss must have its name."""
    for event in stream.fault_log:
        report.faults[event.fault.kind] += 1
        ended = event.ts_ns > end_ns - 1_000 * MS
        owed = event.fault.kind in MUST_BE_NAMED and not ended and not already_out(event, client)
        # What was under way may have been lost with its connection.
        late = any(e.fault.kind == "late" and e.conn == event.conn for e in stream.fault_log)
        if owed and not late and not named_by_cause(event, client, end_ns):
            report.problems.append(f"a fault was not named: {event}")
    explained = ORDINARY.union(*(FITTING[kind] for kind in report.faults))
    if client.reconnects:
        explained |= FITTING["disconnect"]
    for cause in sorted(set(report.causes) - explained):
        report.problems.append(f"cause {cause} names no fault of this run ({dict(report.faults)})")


def judge_trades(stream: Stream, client: Client, report: Report) -> None:
    """Every trade is told once. Nothing tells a copy from a second fill where stamps are wrong, or
    nothing newer came in between on a stream that is behind.
    """
    owed = client.told.owed(stream.fault_log)
    untold = report.faults["stamp"] or report.faults["late"]
    if client.trades != owed and not untold:
        report.problems.append(f"trades told {dict(client.trades)}, there were {dict(owed)}")


def judge_clean(client: Client, report: Report) -> None:
    """Without faults a book changes state twice: subscribed, then live."""
    evidence = client.engine.evidence()
    for symbol in client.symbols:
        states = [state for _, name, state, _ in client.changes if name == symbol]
        if states not in (["syncing", "live"], ["syncing", "syncing", "live"]):
            report.problems.append(f"clean run, but {symbol[:8]} went through {states}")
    for kind in ("bbo_mismatch", "hash_change_mismatch", "hash_book_mismatch", "malformed"):
        if evidence[kind]:
            report.problems.append(f"clean run, but {evidence[kind]} {kind}")


def drawn(seed: int, count: int, frames: int) -> tuple[Fault, ...]:
    """Random faults of a seed."""
    return random_faults(seed, count=count, frames=frames)


WORLDS: Final = (
    World(
        "polymarket",
        run,
        Fault,
        drawn,
        {
            "F01": ("reset", "reset-behind-data"),
            "F02": ("disconnect",),
            "F04": ("freeze",),
            "F05": ("late:2", "late:5", "late:20"),
            "F08": ("malformed:invalid_utf8",),
            "F09": ("malformed:truncated", "malformed:unattributable", "broadcast:surrogate"),
            "F10": ("broadcast:foreign", "broadcast:words", "lifecycle"),
            "F11": ("malformed:bad_number",),
            "F14": ("drop", "drop+noop"),
            "F15": (
                "duplicate:at_once", "duplicate:reversed", "duplicate:later", "fill:again",
            ),
            "F16": ("swap",),
            "F17": (
                "first-book:late & disconnect", "first-book:unstamped & disconnect",
                "first-book:lost & disconnect", "first-book:foreign & disconnect",
            ),
            "F18": ("first-book:again & disconnect", "sibling-ghost:stream"),
            "F20": ("wrong_hash:one", "wrong_hash:all", "corrupt_size:one", "corrupt_size:all"),
            "F29": (
                "stamp:ahead", "stamp:back", "stamp:seconds", "stamp:micros", "stamp:text",
                "stamp:negative",
            ),
        },
        SILENCE_NS,
        {
            "duplicate": APPLIED_ONCE,
            "swap": "until the overtaken message comes, within the time that a batch may last, the "
            "book is suspect to whoever looks, of which no record is made",
        },
    ),
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--hash-check", default="always", choices=("always", "sampled", "off"))
    options = parser.parse_args(argv)
    return play(
        options.first,
        options.seeds,
        lambda seed: run(
            seed,
            items=options.items,
            hash_check=options.hash_check,
            clean=options.clean,
            hashes=options.hash_check != "off",
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
