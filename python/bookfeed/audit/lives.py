"""The auditor's own lives of opportunities: when subjects are asked, gates, open, update, close."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from bookfeed.audit.books import Instrument
from bookfeed.audit.model import Model
from bookfeed.audit.reading import Heard, Proof
from bookfeed.audit.rule import Found, Rule, Subject
from bookfeed.audit.rules import rule_class

# Scores of the two sides of a box: what one reading counts at most, the bounds of the sum, and
# from where on a pair is spoken of.
_VOTE_MAX: Final = 4
_SCORE_MAX: Final = 32
_TRUSTED: Final = 8
# Readings are of one time if the venues were last heard of so close to each other, ns.
_READING_LAG_MAX: Final = 250_000_000
# Those that count are so far apart, ns.
_READING_EVERY: Final = 100_000_000

# Refusals that time alone may undo: they are asked again without news.
_PASSING: Final = ("age", "skew", "lag", "status", "unconfirmed", "unproven")
_REASONS: Final = {
    "fees": "edge", "not_live": "not_live", "age": "age", "skew": "skew", "lag": "lag",
    "status": "status", "closing": "closing", "min_qty": "min_qty", "polarity": "polarity",
}  # fmt: skip


_UNPROVED: Final = Proof(None, None)


class Standing(NamedTuple):
    """What is taken from the engine about a book at one moment."""

    live: bool
    verified: bool
    ts_evidence: int | None
    delay_known: bool = False
    """Whether its connection has shown how late it delivers; the auditor knows which that is."""


@dataclass(slots=True)
class Seen:
    """An opportunity since it was first found, without a failure in between."""

    since: int
    ts_first: int | None
    """Up to when the first leg was proved then."""
    ahead: set[int] = field(default_factory=set)
    """Legs that were proved further than the first at some time."""
    behind: set[int] = field(default_factory=set)


class Measured(NamedTuple):
    """What gates look at of all legs together; times in nanoseconds, ``None`` if not known."""

    skew: int | None
    """How far apart their newest evidence was received."""
    lag: int | None
    """How much later the newest message of one venue was received than that of the other."""
    heard: int | None
    """How far apart the venue times are at which their venues were last heard of."""
    delays_known: bool
    """Whether every leg's connection has shown how late it delivers."""
    vouched: list[bool]
    """Whether each leg's venue vouches for its book as it stands, by what it gives for that."""
    proved: list[Proof]
    """Up to when their books are proved, but for those that stand by themselves."""
    by_themselves: bool
    """Whether any of them does; what is of time is then of the others."""


Standings = Callable[[int], Standing]


@dataclass(slots=True)
class Open:
    """An opportunity that is open."""

    ts_open: int
    qty_open: int
    peak_edge: int
    last: Found
    id: int | None = None
    """The engine's number of it, learned when it opened."""


@dataclass(slots=True)
class Watched:
    """One subject of a rule, and the opportunity on it."""

    rule: Rule
    subject: Subject
    open: Open | None = None
    seen: Seen | None = None
    ts_close: int | None = None
    waits_until: int | None = None
    """When it is asked again without news."""
    shut: Instrument | None = None
    """A leg whose market did not trade when it was asked: until it does, the answer is the same,
    as whatever else might change it is news.
    """
    score: int = 0
    """What speaks for the two sides of a box being one event, less what speaks against."""
    reading: tuple[Decimal, Decimal] | None = None
    """What they were last seen to say."""
    read_ns: int | None = None
    """When that was."""
    disputed: bool = False
    """Whether the engine says otherwise, which has been reported once."""

    @property
    def key(self) -> tuple[object, ...]:
        """What records tell it by."""
        return self.rule.number, self.subject.direction, self.subject.legs

    def still_shut(self, now: int) -> bool:
        """Whether the market of a leg has not traded since it was asked."""
        return self.shut is not None and not self.shut.status_ok(now)


class Step(NamedTuple):
    """A step in an opportunity's life; ``skew`` and ``lag`` are absent where they mean nothing."""

    watched: Watched
    phase: str
    reason: str
    opened: Open
    skew: int | None
    lag: int | None


@dataclass(slots=True)
class Lives:
    """All that is watched."""

    model: Model
    rules: list[Rule] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    """Kinds of rules that nobody has written down here."""
    watched: list[Watched] = field(default_factory=list)
    _by_instrument: dict[int, list[Watched]] = field(default_factory=dict)
    _waiting: dict[tuple[object, ...], Watched] = field(default_factory=dict)
    _known: set[tuple[object, ...]] = field(default_factory=set)
    _rules_told: int = 0

    def add_rule(self, kind: str, params: dict[str, Any]) -> None:
        """A RULE record."""
        number, self._rules_told = self._rules_told, self._rules_told + 1
        found = rule_class(kind)
        if found is None:
            self.unread.add(kind)
            return
        self.rules.append(found(number, params))
        self.watch()

    def watch(self) -> None:
        """Watches what has become watchable: a rule or an instrument is new."""
        for rule in self.rules:
            for subject in rule.subjects(self.model):
                watched = Watched(rule, subject)
                if watched.key in self._known:
                    continue
                self._known.add(watched.key)
                self.watched.append(watched)
                for number in dict.fromkeys(leg.instrument for leg in subject.legs):
                    self._by_instrument.setdefault(number, []).append(watched)

    def remove_rule(self, number: int) -> Iterator[Step]:
        """A RULE_END record: what is open of the rule is closed."""
        self.rules[:] = [rule for rule in self.rules if rule.number != number]
        for watched in [watched for watched in self.watched if watched.rule.number == number]:
            if watched.open is not None:
                yield Step(watched, "close", "removed", watched.open, None, None)
            self._watch_no_more(watched)

    def forget(self, number: int) -> None:
        """A FORGET record: nothing with a leg on the instrument is watched any more."""
        for watched in self._by_instrument.pop(number, []):
            self._watch_no_more(watched)

    def _watch_no_more(self, watched: Watched) -> None:
        self.watched[:] = [each for each in self.watched if each is not watched]
        self._waiting.pop(watched.key, None)
        for leg in watched.subject.legs:
            if (ones := self._by_instrument.get(leg.instrument)) is not None:
                ones[:] = [each for each in ones if each is not watched]

    def ask(
        self, number: int, now: int, standings: Standings, *, moved: bool = False
    ) -> Iterator[Step]:
        """Every subject with a leg on ``number``; ``moved`` if its touch is new."""
        for watched in self._by_instrument.get(number, ()):
            yield from self._ask(watched, now, standings, moved=moved)

    def ask_worth(self, number: int, now: int, standings: Standings) -> Iterator[Step]:
        """Every subject that rests on what the contract of ``number`` is worth, which is news."""
        for watched in self._by_instrument.get(number, ()):
            if watched.rule.on_reference:
                yield from self._ask(watched, now, standings, moved=False)

    def dispute_worth(self, number: int) -> None:
        """What the engine asked of these is not known in full: it is not held against anything
        until it is over.
        """
        for watched in self._by_instrument.get(number, ()):
            if watched.rule.on_reference:
                watched.disputed = True

    def of_key(self, key: tuple[object, ...]) -> Watched | None:
        """What is watched under a key."""
        return next((watched for watched in self.watched if watched.key == key), None)

    def ask_waiting(
        self, now: int, standings: Standings, apart: Collection[int] = ()
    ) -> Iterator[Step]:
        """What only time kept from being opened, but for what rests on the references of these."""
        for key, watched in list(self._waiting.items()):
            if watched.rule.on_reference and watched.subject.legs[0].instrument in apart:
                continue
            if watched.waits_until is None:
                del self._waiting[key]
            elif watched.waits_until <= now and not watched.still_shut(now):
                yield from self._ask(watched, now, standings, moved=False)

    def ask_open(self, now: int, standings: Standings) -> Iterator[Step]:
        """Every open opportunity."""
        for watched in self.watched:
            if watched.open is not None:
                yield from self._ask(watched, now, standings, moved=False)

    def _ask(
        self, watched: Watched, now: int, standings: Standings, *, moved: bool
    ) -> Iterator[Step]:
        rule, subject = watched.rule, watched.subject
        watched.waits_until = watched.shut = None
        legs = [self.model.instruments[leg.instrument] for leg in subject.legs]
        taken = [standings(leg.number) for leg in legs]
        measured = _measure(self.model, legs, taken)
        at_one_time = measured.heard is not None and measured.heard <= _READING_LAG_MAX
        believed = all(standing.live for standing in taken)
        if moved and rule.asks_polarity and believed and at_one_time:
            _read_polarity(watched, legs, now)
        silent = rule.quiet(subject, self.model, opened=watched.open is not None)
        if silent and watched.open is None:
            watched.seen = None
            return
        answer: Found | str | None = _gate(rule, legs, taken, now, measured, self.model)
        if answer == "status":
            watched.shut = next(leg for leg in legs if not leg.status_ok(now))
        if answer is None and rule.asks_polarity and watched.score < _TRUSTED:
            answer = "polarity"
        if answer is None and not silent:
            vouched = all(standing.verified for standing in taken)
            answer = rule.assess(subject, self.model, vouched=vouched)
        if isinstance(answer, Found):
            yield from _found(watched, answer, now, measured)
        else:
            yield from _gone(watched, answer, now, silent=silent)
        if watched.waits_until is not None:
            self._waiting[watched.key] = watched


def _gate(
    rule: Rule,
    legs: list[Instrument],
    taken: list[Standing],
    now: int,
    measured: Measured,
    model: Model,
) -> str | None:
    """The first gate that is shut."""
    gates = rule.gates
    for leg, standing, vouched in zip(legs, taken, measured.vouched, strict=True):
        polled = gates.allow_poll and leg.state == "live_poll"
        if not (standing.live or polled):
            return "not_live"
        if not leg.status_ok(now):
            return "status"
        if leg.close_ts is not None and leg.close_ts - now < gates.min_time_to_close:
            return "closing"
        if standing.ts_evidence is None or abs(now - standing.ts_evidence) > gates.max_age:
            return "age"
        if gates.on_reference:
            fair, most = model.fairs.get(leg.number), gates.max_reference_age
            if fair is None:
                return "reference"
            if now - fair.newest + fair.books_age > (fair.age_max if most is None else most):
                return "reference"
        if gates.proof and not vouched:
            return "unproven"
    skew, lag = measured.skew, measured.lag
    if skew is not None and skew > gates.max_skew:
        return "skew"
    allowed = gates.lag_allowed(legs)
    too_far = len(legs) > 1 and allowed and (lag is None or lag > allowed)
    if too_far or not measured.delays_known:
        return "lag"
    return None


def _measure(model: Model, legs: list[Instrument], taken: list[Standing]) -> Measured:
    readings = [model.reading_of(leg) for leg in legs]
    read = [
        (leg, standing, reading)
        for leg, standing, reading in zip(legs, taken, readings, strict=True)
        if reading is None or not reading.stands_by_itself
    ]
    # A polled book has no time to hold against those of others.
    streamed = [each for each in read if each[0].state != "live_poll"]
    heard = [Heard() if reading is None else reading.heard(leg) for leg, _, reading in streamed]
    return Measured(
        skew=_span([standing.ts_evidence for _, standing, _ in read]),
        lag=_span([each.delay for each in heard]),
        heard=_span([each.ts for each in heard]),
        delays_known=all(standing.delay_known for _, standing, _ in streamed),
        vouched=[
            standing.verified or not (reading is None or reading.digests)
            for standing, reading in zip(taken, readings, strict=True)
        ],
        proved=[
            _UNPROVED if reading is None else reading.proved(leg) for leg, _, reading in streamed
        ],
        by_themselves=len(streamed) < len(legs),
    )


def _span(times: list[int | None]) -> int | None:
    """How far apart some times are; ``None`` if one is not known."""
    known = [ts for ts in times if ts is not None]
    return max(known, default=0) - min(known, default=0) if len(known) == len(times) else None


def _confirmed(seen: Seen, measured: Measured) -> bool:
    """Looks at an opportunity that is found; whether its books once stood so at one time."""
    if not measured.proved:
        return True
    first, *others = measured.proved
    for number, (stream, ts) in enumerate(others):
        apart = stream is None or stream != first.stream
        if apart and ts is not None and first.ts is not None and ts != first.ts:
            (seen.ahead if ts > first.ts else seen.behind).add(number)
    later = seen.ts_first is not None and first.ts is not None and first.ts > seen.ts_first
    return (later or not measured.by_themselves) and all(
        later if one.stream is not None and one.stream == first.stream
        else number in seen.ahead and number in seen.behind
        for number, one in enumerate(others)
    )  # fmt: skip


def _read_polarity(watched: Watched, legs: list[Instrument], now: int) -> None:
    """Takes a reading of the two sides of a box, if both books have both sides."""
    mids = []
    for one, leg in zip(legs, watched.subject.legs, strict=True):
        touch = one.book.touch
        if touch.bid is None or touch.ask is None:
            return
        mid = touch.bid + touch.ask
        mids.append(2 - mid if leg.complement else mid)
    # The second leg pays when the event does not happen: turned round to the claimed polarity.
    reading = mids[0], 2 - mids[1]
    too_soon = watched.read_ns is not None and now < watched.read_ns + _READING_EVERY
    if too_soon or reading == watched.reading:
        return
    watched.read_ns, watched.reading, (a, b) = now, reading, reading
    same, inverse = abs(a - b), abs(a + b - 2)
    vote = int((inverse - same) * 10)  # cut off towards zero
    vote = max(-_VOTE_MAX, min(vote, _VOTE_MAX))
    watched.score = max(-_SCORE_MAX, min(watched.score + vote, _SCORE_MAX))


def _found(watched: Watched, found: Found, now: int, measured: Measured) -> Iterator[Step]:
    opened, gates = watched.open, watched.rule.gates
    if opened is not None:
        if opened.last != found:
            opened.last = found
            opened.peak_edge = max(opened.peak_edge, found.net_edge)
            yield Step(watched, "update", "none", opened, measured.skew, measured.lag)
        return
    if watched.seen is None:
        watched.seen = Seen(now, measured.proved[0].ts if measured.proved else None)
    if gates.confirm and not _confirmed(watched.seen, measured):
        watched.waits_until = now
        return
    if now - watched.seen.since < gates.min_hold:
        watched.waits_until = watched.seen.since + gates.min_hold
        return
    if watched.ts_close is not None and now - watched.ts_close < gates.cooldown:
        watched.waits_until = watched.ts_close + gates.cooldown
        return
    watched.open = Open(now, found.qty, found.net_edge, found)
    yield Step(watched, "open", "none", watched.open, measured.skew, measured.lag)


def _gone(watched: Watched, refusal: str | None, now: int, *, silent: bool) -> Iterator[Step]:
    watched.seen = None
    if refusal in _PASSING and not silent:
        watched.waits_until = now
    opened, watched.open = watched.open, None
    if opened is None:
        return
    watched.ts_close = now
    reason = "edge" if refusal is None else _REASONS.get(refusal, "refused")
    yield Step(watched, "close", reason, opened, None, None)
