"""The audit itself: each journal record into the auditor's model and the engine, then compared.

A frame may hold several messages. The engine's records of it are matched to them in order: a
message is applied here, the records it caused are taken, and the subjects are asked where the
engine must have asked them: after the books a message published, and where a book left live.
"""

import contextlib
from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from bookfeed.audit.answers import ANSWERS, poll, rest_book
from bookfeed.audit.books import Instrument, Side, Touch
from bookfeed.audit.compare import differences, key_of, name_of, signal_name
from bookfeed.audit.estimates import Estimates
from bookfeed.audit.lines import Lines
from bookfeed.audit.lives import Lives, Standing, Step, Watched
from bookfeed.audit.model import WAITS, Model, Waits
from bookfeed.audit.numbers import PRICE_UNITS, QTY_UNITS, units
from bookfeed.audit.paper import Papers
from bookfeed.audit.reading import Effects, Message, Reading, Trade
from bookfeed.audit.relayed import RelayedTouches
from bookfeed.audit.report import AuditReport, Finding
from bookfeed.audit.second import MODE as SECOND
from bookfeed.audit.second import Seconds
from bookfeed.audit.senses import Senses
from bookfeed.audit.terms import Contracts, Fair, Made, told_tick
from bookfeed.audit.witness import Record, Witness, is_signal, is_update
from bookfeed.recordings.bounds import control_object
from bookfeed.recordings.kinds import RELAY_KINDS, Kind

if TYPE_CHECKING:
    from bookfeed.records import Signal, Update

# All live books are compared after so many journal records, and at the end.
COMPARE_ALL_EVERY: Final = 1_000

_JSON_KINDS: Final = (
    Kind.SUBSCRIBE, Kind.UNSUBSCRIBE, Kind.FORGET, Kind.RESYNC_BEGIN, Kind.RULE, Kind.RULE_END,
    Kind.OWN, Kind.LINE, Kind.INDEX, Kind.TERMS, Kind.STRIKE, Kind.TOUCH,
)  # fmt: skip
# Causes that are recomputed: what has them must show in the frames.
_SHOWN_BY_FRAMES: Final = ("gap", "out_of_order", "underflow", "channel", "checksum_mismatch")
_REPRICED: Final = ("trading", "fees")
# What has a time of its own that the engine is not told, or nothing to do with it.
_TIMELESS: Final = (Kind.RULE, Kind.NOTE, Kind.DROPPED)
# What does not tell an index of the time, besides.
_UNCOUNTED: Final = (*_TIMELESS, Kind.FORGET, Kind.MARKET, *RELAY_KINDS)
# How late a whole book that shows its delivery may be, ns: one that is older may be quiet.
_FRESH_NS: Final = 1_000_000_000


class Auditor:
    """Holds an engine against an independent reading of what it is fed.

    ``auto_subscribe`` says that the engine follows every book that comes, as for captures;
    ``waits`` what it was told of waiting, where that is not the usual.
    """

    def __init__(
        self, witness: Witness, *, auto_subscribe: bool = False, waits: Waits = WAITS
    ) -> None:
        self.report: Final = AuditReport()
        self._witness: Final = witness
        self._model: Final = Model(witness.qty, witness.number if auto_subscribe else None, waits)
        self._lines: Final = Lines(waits)
        self._seconds: Final = Seconds(self._model)
        self._lives: Final = Lives(self._model)
        self._estimates: Final = Estimates(self._model, witness.standing, self._lines.has)
        self._papers: Final = Papers(self._model, self._lines.has)
        self._papers.follow(witness.ledgers())
        self._contracts: Final = Contracts()
        self._relayed: Final = RelayedTouches()
        self._queue: deque[Record] = deque()
        self._ts = 0
        self._asked = 0
        """When the poll in hand was asked for."""
        self._reading: Reading | None = None
        """That of the frame or answer in hand."""
        self._messages: list[Message] = []
        """Its messages."""
        self._later: list[Message] = []
        """Those behind the one in hand."""
        self._heard: set[int] = set()
        """Instruments that the messages so far were about."""
        self._awaited: set[int] = set()
        """Instruments that later messages of the frame are about."""
        self._before: dict[int, Standing] = {}
        """How those of a frame of several messages stood before it."""
        self._between: frozenset[int] = frozenset()
        """Contracts whose reference ticks more than once with the journal record in hand."""
        self._open_there: set[tuple[object, ...]] = set()
        """Subjects on which the engine has an opportunity open."""
        self._undelayed: set[int] = set()
        """The connection of such a frame, until a message of it shows how late it comes."""
        self._published: dict[int, Touch] = {}
        self._senses: Final = Senses()
        self._left_live: set[int] = set()
        """Books that a state record took out of live in this journal record."""
        self._broken: dict[int, str] = {}
        self._expired: set[int] = set()
        """Books that hold no longer with this journal record."""
        self._trades: deque[Trade] = deque()
        """Those of the message in hand that the engine has yet to tell."""
        self._unread: set[str] = set()
        """Findings of this kind so far."""
        self._changed: set[int] = set()
        self._live_before: set[int] = set()
        self._based_before: set[int] = set()

    @property
    def instruments(self) -> Sequence[Instrument]:
        """Every book so far, by number, as it is read here."""
        return self._model.instruments

    def run(self, records: Iterable[tuple[Any, ...]]) -> AuditReport:
        """Audits a whole journal: records ``(kind, ts, conn, …, payload)``."""
        for record in records:
            self.take(record[0], record[1], record[2], record[-1])
        self.compare_all()
        return self.report

    def take(self, kind: int, ts: int, conn: int, payload: bytes) -> None:
        """One journal record, compared."""
        self.report.records += 1
        self.report.frames += kind == Kind.FRAME
        self._ts = ts
        self._heard.clear()
        self._left_live.clear()
        self._broken.clear()
        self._changed.clear()
        self._undelayed.clear()
        self._between = frozenset()
        self._later = []
        self._live_before, self._based_before = set(), set()
        if kind not in _UNCOUNTED:
            self._estimates.pass_time(ts)
        self._expire(kind, ts)
        self._reading, self._messages, self._before = None, [], {}
        if self._passes_time(kind, conn):
            self._papers.settle(ts, self._standing_now)
        told = self._told_index(kind, conn, payload)
        resting = self._resting(kind, payload)
        on_told = self._standings_on([told[0]]) if told is not None else {}
        waiting = self._ask_waiting(kind, conn, resting)
        self._read(kind, conn, payload)
        if not self._witness.apply(kind, ts, conn, payload):
            self.report.refused += 1
            self._queue = self._witness.records()
            self._take_indices()
            self._take_references(None, resting)
            return
        self._queue = self._witness.records()
        self._take_indices()
        self._take_references(payload if kind == Kind.REFERENCE else None, resting)
        self._take_expired()
        self._expect(waiting)
        if told is not None:
            # It ticks with the message, after what waits was asked and what time brought.
            if any(is_update(each) for each in self._queue):
                self._consume(Message("nothing", everyone=True), last=True)
                on_told = self._standings_on([told[0]])
            self._take_ticks([(*told, Made())], on_told)
        if self._passes_time(kind, conn):
            self._model.pass_time(ts)
        self._control(kind, conn, payload)
        if self._lines.carries(conn) and kind in (Kind.FRAME, *ANSWERS):
            self._take_lines(kind, conn, payload)
        for index, message in enumerate(self._messages):
            self._later = self._messages[index + 1 :]
            self._awaited = {n for later in self._later for n in later.named}
            self._apply(kind, conn, message)
            self._trades = deque(message.trades or ())
            self._consume(message, last=index + 1 == len(self._messages))
        if not self._messages:
            self._consume(Message("nothing", everyone=True), last=True)
        if kind == Kind.ADVANCE:
            self._expect(list(self._lives.ask_open(ts, self._standing)))
        self._extra()
        self._compare_papers()
        self._judge_standing(passed=self._passes_time(kind, conn))
        self._compare_changed()

    # What time alone brings.

    def _take_indices(self) -> None:
        for what in self._estimates.compare(self._witness.indices()):
            if what is None:
                self.report.index_ticks += 1
            else:
                self._find("index", what)
        for what in self._estimates.missing():
            self._find("index", what)

    def _told_index(self, kind: int, conn: int, payload: bytes) -> tuple[str, int, int] | None:
        """The value of an index that contracts rest on, where a venue's frame tells one."""
        connection = self._model.connections.get(conn)
        if kind != Kind.FRAME or connection is None or not connection.up:
            return None
        if not self._contracts.rests_on_venues:
            return None
        reading = self._model.reading(connection.venue)
        told = None if reading is None else reading.read_index(payload)
        return None if told is None else (f"venue {told[0]}", *told[1:])

    def _resting(self, kind: int, payload: bytes) -> dict[int, Standing]:
        """The contracts whose references tick with this record, and how their books stand."""
        ticking = [f"index {name}" for name in self._estimates.due]
        if kind == Kind.REFERENCE:
            with contextlib.suppress(ValueError, TypeError, KeyError):
                ticking.append(told_tick(payload)[0])
        return self._standings_on(ticking)

    def _standings_on(self, references: Iterable[str]) -> dict[int, Standing]:
        """How the books of contracts on these stand now."""
        return {number: self._standing_now(number) for number in self._contracts.on(references)}

    def _take_references(self, told: bytes | None, resting: dict[int, Standing]) -> None:
        """References that tick by themselves or are told have new values."""
        ticks = [
            (
                f"index {tick.name}",
                tick.ts,
                tick.value_e9 * 10**9,
                self._estimates.made(tick.number, tick.ts),
            )
            for tick in self._witness.indices()
            if tick.value_e9 is not None
        ]
        if told is not None:
            ticks.append(told_tick(told))
        self._take_ticks(ticks, resting)

    def _take_ticks(
        self, ticks: list[tuple[str, int, int, Made]], resting: dict[int, Standing]
    ) -> None:
        """What rests on references with new values is compared, and asked."""
        for reference, at, value_e18, made in ticks:
            self._contracts.tick(reference, at, value_e18, made)
        touched = self._contracts.on(reference for reference, *_ in ticks)
        fairs = {number: self._witness.fair(number) for number in touched}
        windows = {number: self._witness.window(number) for number in touched}
        at = ticks[-1][1] if ticks else 0
        for one in self._contracts.differences(fairs, windows, at):
            if one.different is not None:
                self._find(one.kind, one.different)
            elif one.kind == "fair":
                self.report.fair_values += 1
            else:
                self.report.windows += 1
        many = {name for name, count in Counter(name for name, *_ in ticks).items() if count > 1}
        self._between |= set(self._contracts.on(many))
        for number, fair in fairs.items():
            self._take_fair(number, fair)
            self._take_answer(number, fair, resting[number], once=number not in self._between)
            steps = self._lives.ask_worth(number, self._ts, resting.__getitem__)
            self._expect(list(steps))

    def _take_answer(
        self, number: int, fair: Fair | None, standing: Standing, *, once: bool
    ) -> None:
        """What the book of a contract has not answered, now that its reference has ticked."""
        waiting = None
        if once:
            mid_twice = self._model.instruments[number].mid_twice if standing.live else None
            waits = self._witness.waits(number)
            waiting = self._contracts.answer(number, fair, mid_twice, waits=waits)
        else:
            # Books were asked of values between these, which nobody can ask for now.
            self._contracts.lose(number)
        if not self._contracts.of[number].moves.known:
            self._lives.dispute_worth(number)
        if waiting is None:
            self._model.waiting.pop(number, None)
        else:
            self._model.waiting[number] = waiting

    def _take_fair(self, number: int, fair: Fair | None) -> None:
        if fair is None:
            self._model.fairs.pop(number, None)
            self._model.waiting.pop(number, None)
        else:
            age_max = self._contracts.of[number].age_max
            self._model.fairs[number] = fair._replace(age_max=age_max)

    def _expire(self, kind: int, ts: int) -> None:
        """Whatever a record with a time is, books whose time is over are so before it."""
        self._model.now = ts
        due = () if kind in _TIMELESS else self._model.expires.items()
        self._expired = {number for number, expires in due if ts >= expires}

    def _take_expired(self) -> None:
        """What the engine wrote of them, and of the opportunities that closed with them."""
        for number in self._expired:
            del self._model.expires[number]
            self._model.instruments[number].based = False
        while self._queue:
            record = self._queue[0]
            if not is_update(record) or record.kind != "state" or record.cause != "expired":
                break
            self._queue.popleft()
            if record.instrument not in self._expired:
                self._find("standing", f"book {record.instrument} is stale before its time")
            if not self._known(record):
                continue
            self._other(record, Message("nothing"))
        for number in self._expired:
            one = self._model.instruments[number]
            if one.running or one.state == "live_poll":
                self._find("standing", f"book {number} is believed beyond its time")

    # What the record says.

    def _ask_waiting(self, kind: int, conn: int, apart: Collection[int]) -> list[Step]:
        """What waits is asked before anything else is done with a frame, but for those ``apart``
        that were asked because their reference ticks.
        """
        if not self._passes_time(kind, conn):
            return []
        return list(self._lives.ask_waiting(self._ts, self._standing_now, apart))

    def _passes_time(self, kind: int, conn: int) -> bool:
        """Whether a record tells the engine the time, before anything else."""
        connection = self._model.connections.get(conn)
        late = kind == Kind.FRAME and connection is not None and not connection.up
        return not late and kind in (Kind.FRAME, Kind.ADVANCE)

    def _standing_now(self, number: int) -> Standing:
        """How a book stands before anything else is done with the record in hand."""
        standing = self._witness.standing(number)
        known = self._witness.delay_known(self._model.instruments[number].conn)
        live = standing.live and number not in self._expired
        return standing._replace(live=live, delay_known=known)

    def _read(self, kind: int, conn: int, payload: bytes) -> None:
        """Reads the messages of a frame or a REST answer, by the venue's own reading."""
        if self._lines.carries(conn):
            return
        if kind == Kind.REST_BOOK:
            self._read_rest_book(payload)
        elif kind == Kind.POLL:
            self._read_poll(conn, payload)
        elif kind in (Kind.FRAME, Kind.REST):
            connection = self._model.connections.get(conn)
            if connection is None:
                return  # nobody announced it: what comes on it is nobody's
            if connection.mode == SECOND:
                self._read_second(conn, payload)
                return
            self._reading = self._model.reading(connection.venue)
            if self._reading is not None and kind == Kind.REST:
                self._messages = self._reading.read_rest(payload, None, None)
            elif self._reading is not None and connection.up:
                self._messages = self._reading.read(conn, payload)
        if len(self._messages) > 1:
            named = {number for message in self._messages for number in message.named}
            self._before = {number: self._standing_now(number) for number in named}
            if not self._witness.delay_known(conn):
                self._undelayed.add(conn)

    def _read_second(self, conn: int, payload: bytes) -> None:
        for what in self._seconds.take(conn, payload) if self._model.connections[conn].up else ():
            self._find("second", what)
        self.report.seconds = self._seconds.compared

    def _read_rest_book(self, payload: bytes) -> None:
        try:
            answer = rest_book(payload)
            one = self._model.instruments[answer.instrument]
        except (ValueError, IndexError):
            return  # the engine has to refuse it
        self._reading = self._model.reading_of(one)
        if self._reading is not None:
            self._messages = self._reading.read_rest(
                answer.body, answer.instrument, answer.stands_at
            )

    def _read_poll(self, conn: int, payload: bytes) -> None:
        connection = self._model.connections.get(conn)
        try:
            self._asked, body, about = poll(payload)
        except ValueError:
            return  # the engine has to refuse it
        self._reading = None if connection is None else self._model.reading(connection.venue)
        if self._reading is not None:
            self._messages = self._reading.read_poll(body, about)

    def _take_poll(self, message: Message) -> None:
        """A book of an answer to a poll that the engine took; whether it may is looked at."""
        (number,) = message.named
        taken = (each for each in self._queue if is_update(each) and each.instrument == number)
        if not any(each.state in ("live", "live_poll") for each in taken):
            message.whole = False
            return
        one, asked, reading = self._model.instruments[number], self._asked, self._reading
        assert reading is not None, "the answer was read"
        self.report.polled += 1
        wrong = reading.take_poll(one, message, asked)
        if wrong:
            self._find("standing", f"book {number} {wrong}")
        if one.state in ("live", "suspect") or asked <= self._model.asked.get(number, asked - 1):
            self._find("standing", f"book {number}: a poll replaced something newer")
        self._model.asked[number] = asked
        self._model.expires[number] = asked + self._model.poll_age_ns

    def _control(self, kind: int, conn: int, payload: bytes) -> None:
        if kind in (Kind.FRAME, Kind.ADVANCE, *ANSWERS):
            return
        options = control_object(payload) if kind in _JSON_KINDS else {}
        if kind in (Kind.CONNECTED, Kind.DISCONNECTED):
            self._seconds.renewed(conn)
        if kind == Kind.SUBSCRIBE:
            self._lines.control(kind, conn, payload, options)
        self._model.control(kind, conn, payload, options)
        if kind == Kind.SUBSCRIBE:
            number = self._model.find(options["venue"], options["symbol"])
            assert number is not None, "it was subscribed"
            self._lines.subscribed(number, conn)
        else:
            self._lines.control(kind, conn, payload, options)
        if kind == Kind.RULE:
            self._lives.add_rule(options["kind"], dict(options["params"]))
        elif kind == Kind.INDEX:
            self._estimates.add(options["name"], dict(options["params"]), self._ts)
        elif kind == Kind.TERMS:
            number = options["instrument"]
            self._contracts.add(number, dict(options["params"]))
            self._take_fair(number, None)
            self._expect(list(self._lives.ask_worth(number, self._ts, self._standing)))
        elif kind == Kind.STRIKE:
            self._contracts.tell_strike(options["instrument"], options["strike_e18"])
        elif kind == Kind.RULE_END:
            self._expect(list(self._lives.remove_rule(options["rule"])))
        elif kind == Kind.SUBSCRIBE:
            self._lives.watch()
        elif kind == Kind.FORGET:
            self._lives.forget(options["instrument"])
            self._contracts.forget(options["instrument"])
            self._take_fair(options["instrument"], None)
        elif kind == Kind.TOUCH:
            self._relayed.take(options, self._model.instruments[options["instrument"]], self._ts)
        elif kind == Kind.OWN:
            steps = self._lives.ask(options["instrument"], self._ts, self._standing)
            self._expect(list(steps))
        self._tell_unread()

    def _tell_unread(self) -> None:
        """Venues and rules that nobody has written down here are findings, once each."""
        unread = {f"venue {name}" for name in self._model.unread}
        unread |= {f"rule {name}" for name in self._lives.unread}
        for what in sorted(unread - self._unread):
            self._find("unread", f"{what} is not audited: there is no reading of it")
        self._unread |= unread

    def _take_lines(self, kind: int, conn: int, payload: bytes) -> None:
        """A frame or an answer of one of two lines: its books are those that a line has told."""
        named = [n for n in self._lines.take(kind, conn, payload, self._ts) if self._lines.has(n)]
        for number in named:
            self._adopt(number)
        self._changed.update(named)
        self._consume(Message("lines", named=named, everyone=True), last=True)

    def _adopt(self, number: int) -> bool:
        """Whether a book is one that a line has told; it is so here, too."""
        levels = self._witness.levels
        found = self._lines.like(number, (levels(number, "bid"), levels(number, "ask")), self._ts)
        if found is not None:
            one = self._model.instruments[number]
            sides: tuple[Side, Side] = ("bid", "ask")
            bids, asks = (dict(found.book.levels(side)) for side in sides)
            one.book.load(bids, asks)
            one.ts_event, one.based = found.ts_event, True
        return found is not None

    def _apply(self, kind: int, conn: int, message: Message) -> None:
        reading = self._reading
        assert reading is not None, "a message was read without a reading"
        if reading.judges:
            on = message.named if kind in ANSWERS else [one.number for one in self._model.on(conn)]
            ones = [self._model.instruments[number] for number in on]
            self._live_before = {one.number for one in ones if one.state == "live"}
            self._based_before = {one.number for one in ones if one.based}
        if kind == Kind.POLL:
            self._take_poll(message)
            effects = Effects()
        elif kind in ANSWERS:
            effects = reading.apply_rest(message)
        else:
            effects = reading.apply(conn, message)
        for what in self._model.disputed:
            self._find("standing", what)
        self._model.disputed.clear()
        if message.ts_event is not None and _shows_delay(message, self._ts - message.ts_event):
            self._undelayed.discard(conn)
        self._heard.update(message.named)
        self._changed.update(message.named)
        self._broken.update(effects.broken)
        self.report.overtaken += effects.overtaken

    # What the engine made of it.

    def _consume(self, message: Message, *, last: bool) -> None:
        """Takes the engine's records of one message, asking what it must have asked."""
        published: set[int] = set()
        while self._queue:
            record = self._queue[0]
            if not is_update(record):
                if not any(is_update(each) for each in self._queue):
                    break  # of open opportunities that are asked at the end
                self._extra()
            elif not last and not self._belongs(record, message, published):
                break
            elif not self._known(record):
                self._queue.popleft()
                self._find("standing", _unfollowed(record))
            elif record.kind == "book":
                self._books(message, published, last=last)
            else:
                self._queue.popleft()
                self._other(record, message)
        for trade in self._trades:
            self._find("trade", f"{trade} only here")
        self._trades.clear()

    def _known(self, record: "Update") -> bool:
        return record.instrument < len(self._model.instruments)

    def _belongs(self, record: "Update", message: Message, published: set[int]) -> bool:
        """Whether a record can be of ``message``, when more messages follow."""
        if not self._known(record):
            return False
        one = self._model.instruments[record.instrument]
        near = record.instrument in message.named
        if one.sibling in message.named and record.instrument not in self._awaited:
            near = True
        if record.kind == "state":
            return near or message.everyone
        if record.kind == "trade" and message.trades is not None:
            return bool(self._trades)
        if record.kind != "book":
            return near and not message.levels
        claims = message.claims.get(record.instrument)
        touch = one.book.touch
        torn = claims is not None and claims != (touch.bid, touch.ask)
        fits = touch.in_units() == _touch_of(record)
        return near and fits and not torn and record.instrument not in published

    def _books(self, message: Message, published: set[int], *, last: bool) -> None:
        """A row of published books, and every subject with a leg on one of them."""
        row: list[Update] = []
        while self._queue:
            record = self._queue[0]
            if not is_update(record) or record.kind != "book":
                break
            if not self._known(record):
                break
            if not last and not self._belongs(record, message, published):
                break
            self._queue.popleft()
            published.add(record.instrument)
            row.append(record)
        for record in row:
            self._senses.book(record)
            self._compare_touch(record)
        for record in row:
            number = record.instrument
            touch = self._model.instruments[number].book.touch
            moved = self._published.get(number) != touch
            self._published[number] = touch
            steps = self._lives.ask(number, self._ts, self._standing, moved=moved)
            self._expect(list(steps))

    def _other(self, record: "Update", message: Message) -> None:
        number = record.instrument
        if record.kind == "state":
            self._senses.state(number)
            whole = number in message.named and message.whole
            self._model.state_changed(number, record.state, record.cause, snapshot=whole)
            self._relayed.lost(self._model.instruments[number], self._ts)
            self._changed.add(number)
            if record.state != "live_poll" and number in self._model.asked:
                self._model.expires.pop(number, None)
            # The first book of a run is news, whatever was published before.
            self._published.pop(number, None)
            if record.state in ("live", "live_poll"):
                return
            self._left_live.add(number)
            self._seconds.lost(number, record.cause)
            self._judge_cause(record)
        elif record.kind == "trade" and message.trades is not None:
            self._compare_trade(record)
            return
        elif record.kind == "trade":
            self._pass_over_trade(self._model.instruments[number])
            return
        elif record.kind not in _REPRICED:
            return
        self._expect(list(self._lives.ask(number, self._ts, self._standing)))

    def _standing(self, number: int) -> Standing:
        """How a book stands at this point of the journal record."""
        if number in self._before and number not in self._heard:
            return self._before[number]
        standing = self._witness.standing(number)
        one = self._model.instruments[number]
        known = self._witness.delay_known(one.conn) and one.conn not in self._undelayed
        # A later message of the frame, of its sibling, may have contradicted it since.
        live = standing.live or one.sibling in self._awaited
        return standing._replace(live=live and one.state == "live", delay_known=known)

    # Signals.

    def _expect(self, steps: list[Step]) -> None:
        """Finds the engine's record of each step at the head of what it wrote."""
        for step in steps:
            signal = self._take_signal(step)
            if any(self._lines.has(leg.instrument) for leg in step.watched.subject.legs):
                continue  # how new each line is, and which of them counts, is not known here
            if signal is None:
                self._missing(step)
                continue
            if step.phase == "open" and signal.rule != "spread":
                if step.watched.disputed:
                    self._papers.pass_over(signal)
                else:
                    payout = step.watched.rule.paid(step.watched.subject, self._model)
                    self._papers.send(signal, payout, self._ts)
            different = differences(step, signal)
            if different and not step.watched.disputed:
                what = f"{signal_name(signal)}: {'; '.join(different)}"
                self._find("different", what)
            elif not different:
                self.report.agreed += 1
                self.report.signals[f"{signal.rule} {signal.phase}"] += 1
            if step.phase == "close":
                step.watched.disputed = False

    def _take_signal(self, step: Step) -> "Signal | None":
        for index, record in enumerate(self._queue):
            if not is_signal(record):
                return None
            if record.phase == step.phase and key_of(record) == step.watched.key:
                del self._queue[index]
                self._note(record)
                return record
        return None

    def _missing(self, step: Step) -> None:
        watched = step.watched
        if not watched.disputed:
            found = step.opened.last
            self._find("missing", f"{name_of(watched)} {step.phase} ({step.reason}): {found}")
        # One finding for each opportunity that only one side has.
        doubtful = watched.disputed and watched.rule.on_reference
        watched.disputed = self._stands(watched) if doubtful else step.phase == "open"

    def _extra(self) -> None:
        """Signals at the head of the engine's records that nothing here explains."""
        while self._queue and is_signal(signal := self._queue[0]):
            self._queue.popleft()
            self._note(signal)
            if signal.phase == "open":
                self._papers.pass_over(signal)
            if any(self._lines.has(leg.instrument) for leg in signal.legs):
                continue
            watched = self._lives.of_key(key_of(signal))
            if watched is not None and self._is_doubtful(watched):
                watched.disputed = self._stands(watched)
                self.report.between += 1
                continue
            self._find("extra", f"{signal_name(signal)} ({signal.reason})")

    def _note(self, signal: "Signal") -> None:
        if signal.phase == "open":
            self._open_there.add(key_of(signal))
        elif signal.phase == "close":
            self._open_there.discard(key_of(signal))

    def _stands(self, watched: Watched) -> bool:
        """Whether an opportunity on it is open here or there."""
        return watched.open is not None or watched.key in self._open_there

    def _is_doubtful(self, watched: Watched) -> bool:
        """Whether the engine may have been asked of it with a worth that nobody can ask for now."""
        if not watched.rule.on_reference:
            return False
        (leg,) = watched.subject.legs
        contract = self._contracts.of.get(leg.instrument)
        unknown = contract is not None and not contract.moves.known
        return watched.disputed or unknown or leg.instrument in self._between

    def _compare_papers(self) -> None:
        for place, latency_ns in enumerate(self._witness.ledgers()):
            for what in self._papers.compare(latency_ns, self._witness.fills(place)):
                if what is None:
                    self.report.fills += 1
                else:
                    self._find("paper", what)
        for what in self._papers.missing():
            self._find("paper", what)

    # Books.

    def _compare_touch(self, record: "Update") -> None:
        if record.state != "live" or self._lines.has(record.instrument):
            return
        self.report.touches += 1
        mine = self._model.instruments[record.instrument].book.touch.in_units()
        if mine != _touch_of(record):
            theirs = _touch_of(record)
            self._find("touch", f"book {record.instrument}: {mine} here, {theirs} there")

    def _compare_trade(self, record: "Update") -> None:
        """A trade that was told, beside the next one of the message."""
        self.report.trades += 1
        theirs = record.instrument, record.aggressor, record.price_e9, record.qty_e8
        trade = self._trades.popleft() if self._trades else None
        mine = None if trade is None else _trade_in_units(trade)
        if mine != theirs:
            self._find("trade", f"{mine} here, {theirs} there")
        one = self._model.instruments[record.instrument]
        if one.payout is None:
            for what in self._senses.trade(one.venue, record):
                self._find("aggressor", what)
        if trade is not None:
            self._take_print(one, trade, record)

    def _take_print(self, one: Instrument, trade: Trade, record: "Update") -> None:
        """A trade is a tick of the contracts that rest on those of its pair. A time that the engine
        does not believe is none.
        """
        reference = _reference_of(one)
        if record.off_book or record.ts_event is None or not self._contracts.follows(reference):
            return
        if trade.ts != record.ts_event:
            self._find("trade", f"{one.symbol} at {trade.ts} here, {record.ts_event} there")
            return
        self._contracts.hear_number(reference, trade.name)
        value_e18 = units(trade.price, PRICE_UNITS) * 10**9
        touched = self._contracts.on([reference])
        later = (each for message in self._later for each in message.trades or ())
        if any(each.instrument == one.number for each in (*self._trades, *later)):
            # What the engine made of this one nobody can ask for behind the whole frame.
            self._contracts.tick(reference, trade.ts, value_e18)
            self._between |= set(touched)
            return
        standings = {number: self._standing(number) for number in touched}
        self._take_ticks([(reference, trade.ts, value_e18, Made())], standings)

    def _pass_over_trade(self, one: Instrument) -> None:
        """A trade that is not read here: nobody knows what rests on it but the engine."""
        reference = _reference_of(one)
        if not self._contracts.follows(reference):
            return
        self._contracts.unhear(reference)
        for number in self._contracts.on([reference]):
            self._between |= {number}
            self._take_fair(number, self._witness.fair(number))
            self._contracts.lose(number)
            self._model.waiting.pop(number, None)
            self._lives.dispute_worth(number)

    def _judge_cause(self, record: "Update") -> None:
        """What a book is said to have left live for must show in the frames."""
        number, cause = record.instrument, record.cause
        unfounded = number in self._based_before and number not in self._broken
        one = self._model.instruments[number]
        reading = self._model.reading_of(one)
        shown = cause in _SHOWN_BY_FRAMES
        if reading is not None and cause in reading.shows:
            shown = not reading.denied(one)
        if unfounded and record.state == "stale" and shown:
            self._find("standing", f"book {number} is stale ({cause}), which no frame shows")

    def _judge_standing(self, *, passed: bool) -> None:
        """What broke left live, and what is live rests on a whole book since."""
        for number, why in self._broken.items():
            if number in self._live_before and number not in self._left_live:
                self._find("standing", f"book {number} stayed live: {why}")
        if passed:
            for number in self._relayed.overdue(self._model.instruments, self._ts):
                if self._witness.standing(number).live:
                    self._find("standing", f"book {number} is live, and not what a relay told")
        for number in self._changed:
            one = self._model.instruments[number]
            reading = self._model.reading_of(one)
            judges = reading is not None and reading.judges and not self._lines.has(number)
            if judges and not one.based and self._witness.standing(number).live:
                self._find("standing", f"book {number} is live without a snapshot since")

    def _compare_changed(self) -> None:
        if self.report.records % COMPARE_ALL_EVERY == 0:
            self.compare_all()
            return
        for number in self._changed:
            self._compare_levels(number)

    def compare_all(self) -> None:
        """Every live book, level by level."""
        for one in self._model.instruments:
            if not one.gone:
                self._compare_levels(one.number)

    def _compare_levels(self, number: int) -> None:
        polled = self._model.instruments[number].state == "live_poll"
        if not (polled or self._witness.standing(number).live):
            return
        self.report.books += 1
        if self._lines.has(number):
            self.report.lined += 1
            if not self._adopt(number) and self._lines.unlike(number, self._ts):
                self._find("levels", f"book {number} is what neither of its lines has told")
            return
        one = self._model.instruments[number]
        sides: tuple[Side, Side] = ("bid", "ask")
        told = {side: self._witness.levels(number, side) for side in sides}
        deeper = one.deeper
        if deeper is not None and all(deeper.in_units(side) == told[side] for side in sides):
            one.book, one.deeper = deeper, None
        for side, theirs in told.items():
            mine = one.book.in_units(side)
            if mine != theirs:
                only_mine = [level for level in mine if level not in theirs]
                only_theirs = [level for level in theirs if level not in mine]
                what = f"book {number} {side}s: {only_mine} only here, {only_theirs} only there"
                self._find("levels", what)

    def _find(self, kind: str, what: str) -> None:
        self.report.find(Finding(kind, self.report.records, self._ts, what))


def _shows_delay(message: Message, delay_ns: int) -> bool:
    """Whether a message's stamp is of now: that of a whole book may be of its last change."""
    return not message.whole or delay_ns <= _FRESH_NS


def _unfollowed(record: "Update") -> str:
    return f"book {record.instrument} is followed there, but nobody subscribed it here"


def _trade_in_units(trade: Trade) -> tuple[int, str | None, int, int]:
    price, qty = units(trade.price, PRICE_UNITS), units(trade.qty, QTY_UNITS)
    return trade.instrument, trade.side, price, qty


def _reference_of(one: Instrument) -> str:
    """What contracts on the trades of a pair rest on."""
    return f"trades {one.venue} {one.symbol}"


def _touch_of(record: "Update") -> tuple[int | None, int | None, int | None, int | None]:
    return record.bid_e9, record.bid_qty_e8, record.ask_e9, record.ask_qty_e8
