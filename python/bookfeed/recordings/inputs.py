"""The one door into an engine: every call that changes it, done and recorded in the same breath.

Replay is exact only if the recording holds every change in the order in which it happened. So
nobody else calls the changing methods of an ``Engine``: the live session calls ``EngineInput``,
and a replay feeds the records back through ``EngineInput.apply``.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, runtime_checkable

import orjson

from bookfeed._bookfeed import Engine, FrameDoor, JournalEncoder
from bookfeed.errors import BookfeedError
from bookfeed.log import RateLimitedLog
from bookfeed.market import Market, Outcome
from bookfeed.names import Names
from bookfeed.recordings.bounds import TS_MAX, control_object
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.listing import listing
from bookfeed.recordings.pace import PACE_NOTE, Pace
from bookfeed.recordings.relays import RelayInput
from bookfeed.records.told import TokenTouch
from bookfeed.rules.estimate import IndexEstimate, index_name
from bookfeed.rules.rule import Rule
from bookfeed.rules.terms import SettlementTerms

_log: Final = RateLimitedLog(logging.getLogger("bookfeed.recordings.inputs"))

# The connection of records that belong to none.
CONN_NONE: Final = 0

# The key of a note that says what a rule is called, and what it is about.
RULE_NOTE: Final = "rule"


class Recorder(Protocol):
    """Where records go; ``recordings.writer.JournalWriter`` is one. Times in nanoseconds."""

    def append(self, kind: int, ts: int, conn: int, epoch: int, payload: bytes) -> None:
        """Take one record; must neither block nor fail."""

    def poll(self, now_ns: int) -> None:
        """Write out what has waited long enough."""

    def close(self, timeout_s: float) -> object:
        """Write out everything; gives up after ``timeout_s``."""


@runtime_checkable
class Flushing(Recorder, Protocol):
    """A recorder that says how long a record may wait in memory."""

    @property
    def flush_interval_s(self) -> float:
        """The longest that a record waits; 0 for as long as whoever polls lets it."""

    def flush(self) -> None:
        """Have everything written soon; must neither block nor fail."""


@runtime_checkable
class Packing(Recorder, Protocol):
    """A recorder whose encoder may be given frames without a call of ``append``."""

    @property
    def encoder(self) -> JournalEncoder | None:
        """The encoder; ``None`` where ``append`` is to be called for each frame."""

    def attend(self) -> None:
        """The encoder has blocks to write, or holds too much; must neither block nor fail."""


class EngineInput:
    """Performs the changing calls of ``engine`` and records each of them.

    ``ingest(conn, payload, ts)`` is the hot one: without a recorder it is the engine's own
    method, at no extra cost. ``door`` is the way for frames that does the same without Python,
    where there is one. Times are Unix nanoseconds.
    """

    __slots__ = (
        "_engine", "_epochs", "_recorder", "_untapped", "door", "ingest", "names", "on_market",
        "pace", "records_failed", "records_refused", "relays", "rules", "terms_told", "venues",
    )  # fmt: skip

    ingest: Callable[[int, bytes, int], int]

    def __init__(self, engine: Engine, recorder: Recorder | None = None) -> None:
        self._engine = engine
        self._recorder = recorder
        self._epochs: dict[int, int] = {}
        self.rules: dict[int, Rule] = {}
        """The rules by number, with what a recording says about them."""
        self.names = Names()
        """What books and rules are called; titles of markets are in news of them."""
        self.on_market: Callable[[bytes], object] | None = None
        """Called with each piece of news of a market; it does not concern the engine."""
        self.pace: Pace | None = None
        """How windows are simulated in haste, if they are."""
        self.venues: Final[dict[int, str]] = {}
        """The venue of each connection by its number, as soon as it was open once."""
        self.terms_told = False
        """Whether it was said of any contract what it settles on."""
        self.records_refused = 0
        self.records_failed = 0
        self.relays: Final = RelayInput(self._append)
        """The way of whatever relays tell beside the books."""
        self._untapped = engine.ingest if recorder is None else self._ingest_recorded
        self.ingest = self._untapped
        self.door: Final = self._door()

    def _door(self) -> FrameDoor | None:
        """The way of frames past Python, unless an engine or a recorder is not one of ours."""
        if not isinstance(self._engine, Engine):
            return None
        if self._recorder is None:
            return FrameDoor(self._engine)
        if not isinstance(self._recorder, Packing) or (encoder := self._recorder.encoder) is None:
            return None
        # Looked up here: whether it is one takes longer to find out than a block to fill.
        attend = self._recorder.attend
        return FrameDoor(
            self._engine,
            encoder=encoder,
            attend=lambda: self._minded(attend),
            kind=Kind.FRAME,
        )

    def epoch(self, conn: int) -> int:
        """Which attempt of a connection it is: the number of its ``connected`` so far."""
        return self._epochs.get(conn, 0)

    @property
    def recorded(self) -> bool:
        """Whether there is a recorder."""
        return self._recorder is not None

    @property
    def engine(self) -> Engine:
        """The engine, for reading."""
        return self._engine

    def _record(self, kind: Kind, ts: int, conn: int, payload: bytes) -> None:
        if self._recorder is not None:
            self._append(kind, ts, conn, payload, self.epoch(conn))

    def _append(self, kind: Kind, ts: int, conn: int, payload: bytes, epoch: int) -> None:
        if self._recorder is None:
            return
        try:
            self._recorder.append(kind, ts, conn, epoch, payload)
        except Exception as error:  # a recorder must never be able to stop the feed
            self.records_failed += 1
            _log.warning("record", "a record could not be journalled: %r", error)

    def _ingest_recorded(self, conn: int, payload: bytes, ts: int) -> int:
        self._record(Kind.FRAME, ts, conn, payload)
        return self._engine.ingest(conn, payload, ts)

    def tap(self, take: Callable[[int, bytes, int], object] | None) -> None:
        """Hand every frame to ``take`` before it goes into the engine; to nobody if ``None``.

        Whoever ingests reads ``ingest`` anew for each frame: so a tap costs nothing when there is
        none.
        """
        ingest = self._untapped

        def tapped(conn: int, payload: bytes, ts: int) -> int:
            if take is not None:
                take(conn, payload, ts)
            return ingest(conn, payload, ts)

        self.ingest = ingest if take is None else tapped
        if self.door is not None:
            self.door.open = take is None

    def watch_levels(self, on: bool) -> None:
        """Have the engine write a record of every change of a level from here on, or none.

        No other record depends on it, so it is not recorded.
        """
        self._engine.watch_levels(on)

    def poll(self, now_ns: int) -> None:
        """Let the recorder write out what has waited long enough."""
        if (recorder := self._recorder) is not None:
            self._minded(lambda: recorder.poll(now_ns))

    def _minded(self, work: Callable[[], None]) -> None:
        """Work of a recorder, whose errors are counted: they must not be able to stop the feed."""
        try:
            work()
        except Exception as error:
            self.records_failed += 1
            _log.warning("poll", "the journal could not be written: %r", error)

    def connected(self, conn: int, venue: str, ts: int, *, mode: str = "") -> None:
        """A connection is open; its epoch begins. ``mode`` is how the venue was asked to speak."""
        self._epochs[conn] = self._epochs.get(conn, 0) + 1
        self.venues[conn] = venue
        self._record(Kind.CONNECTED, ts, conn, f"{venue} {mode}".rstrip().encode())
        self._engine.connected(conn, venue, ts, mode=mode)

    def add_line(self, conn: int, beside: int, ts: int) -> None:
        """A connection is to carry the same books as ``beside``; before it is open."""
        self._record(Kind.LINE, ts, conn, json.dumps({"beside": beside}).encode())
        self._engine.add_line(conn, beside, ts)

    def end_line(self, conn: int, ts: int) -> None:
        """A connection carries no books any more; before it is closed."""
        self._record(Kind.LINE, ts, conn, json.dumps({"beside": None}).encode())
        self._engine.end_line(conn, ts)

    def disconnected(self, conn: int, reason: str, ts: int) -> None:
        """A connection is gone; every book of it is stale."""
        self._record(Kind.DISCONNECTED, ts, conn, reason.encode())
        self._engine.disconnected(conn, ts)

    def invalidate(self, conn: int, cause: str, ts: int) -> None:
        """Something was lost on a connection; every book of it is stale."""
        self._record(Kind.INVALIDATE, ts, conn, cause.encode())
        self._engine.invalidate(conn, cause, ts)

    def subscribe(self, market: Market, outcome: Outcome, conn: int, ts: int) -> int:
        """Add a book and return its instrument number."""
        hints = None
        if market.neg_risk is not None:
            hints = f"neg_risk={'true' if market.neg_risk else 'false'}"
        known = {
            "market": market.market or None,
            "outcome": outcome.name,
            "tick_size": market.tick_size,
            "min_order_size": market.min_order_size,
            "event": market.event,
            "open_ts": market.open_ts,
            "close_ts": market.close_ts,
            "fee": None if market.fee is None else market.fee.text(),
            "hints": hints,
            "base": market.base,
            "quote": market.quote,
            "depth": market.depth,
        }
        options = {name: value for name, value in known.items() if value is not None}
        return self._subscribe(market.venue, outcome.symbol, conn, ts, options, market.name)

    def _subscribe(
        self,
        venue: str,
        symbol: str,
        conn: int,
        ts: int,
        options: dict[str, Any],
        title: str = "",
    ) -> int:
        payload = {"venue": venue, "symbol": symbol, **options}
        self._record(Kind.SUBSCRIBE, ts, conn, json.dumps(payload).encode())
        instrument = self._engine.subscribe(venue, symbol, conn, ts, **listing(venue, options))
        market, outcome = options.get("market", ""), options.get("outcome", "")
        self.names.learn(
            instrument, venue=venue, symbol=symbol, market=market, outcome=outcome, title=title
        )
        return instrument

    def unsubscribe(self, instrument: int, ts: int) -> None:
        """Remove a book."""
        self._record(Kind.UNSUBSCRIBE, ts, CONN_NONE, _instrument(instrument))
        self._engine.unsubscribe(instrument, ts)

    def forget(self, instrument: int, ts: int) -> None:
        """Let go of a book that was unsubscribed; its symbol, subscribed anew, is another."""
        self._record(Kind.FORGET, ts, CONN_NONE, _instrument(instrument))
        self._engine.forget(instrument, ts)
        self.names.forget(instrument)

    def remove_rule(self, number: int, ts: int) -> None:
        """Remove a signal rule; what is open of it is closed."""
        self._record(Kind.RULE_END, ts, CONN_NONE, json.dumps({"rule": number}).encode())
        self._engine.remove_rule(number, ts)
        self.rules.pop(number, None)

    def add_rule(self, rule: Rule, ts: int) -> int:
        """Add a signal rule and return its number."""
        content = {"kind": rule.kind, "params": dict(rule.params)}
        self._record(Kind.RULE, ts, CONN_NONE, json.dumps(content).encode())
        number = self._engine.add_rule(rule.kind, rule.params)
        self.rules[number] = rule
        self.names.learn_rule(number, rule.name)
        if rule.name or rule.about:
            self._note_rule(number, rule, ts)
        return number

    def add_index(self, index: IndexEstimate, ts: int) -> int:
        """Have an index estimated from here on; returns its number."""
        return self._add_index(index.name, index.texts(), ts)

    def _add_index(self, name: str, params: Mapping[str, object], ts: int) -> int:
        content = {"name": name, "params": dict(params)}
        self._record(Kind.INDEX, ts, CONN_NONE, json.dumps(content).encode())
        number = self._engine.add_index(name, params, ts)
        self.names.learn_index(number, index_name(name, params))
        return number

    def note_pace(self, pace: Pace, ts: int) -> None:
        """Windows are simulated in haste."""
        self.pace = pace
        self.note({PACE_NOTE: pace.told()}, ts)

    def add_terms(self, instrument: int, terms: SettlementTerms, ts: int) -> None:
        """Say what a contract settles on, and how."""
        self._add_terms(instrument, terms.texts(), ts)

    def _add_terms(self, instrument: int, params: Mapping[str, object], ts: int) -> None:
        told = {"instrument": instrument, "params": dict(params)}
        self._record(Kind.TERMS, ts, CONN_NONE, json.dumps(told).encode())
        self._engine.add_terms(instrument, params, ts)
        self.terms_told = True

    def tell_strike(self, instrument: int, strike_e18: int, ts: int) -> None:
        """Say the strike of a contract, in 1e-18."""
        told = {"instrument": instrument, "strike_e18": strike_e18}
        self._record(Kind.STRIKE, ts, CONN_NONE, json.dumps(told).encode())
        self._engine.tell_strike(instrument, strike_e18, ts)

    def tell_reference(
        self, name: str, ts_event: int, value_e18: int, ts: int, *, of: int = 0
    ) -> int:
        """Tell a value of a reference, in 1e-18, and of which constituents it was estimated, a bit
        for each; returns the records pending.
        """
        told: dict[str, object] = {"name": name, "ts_event": ts_event, "value_e18": value_e18}
        if of:
            told["of"] = of
        self._record(Kind.REFERENCE, ts, CONN_NONE, json.dumps(told).encode())
        return self._engine.tell_reference(name, ts_event, value_e18, ts, of=of)

    def tell_touch(self, instrument: int, touch: TokenTouch | None, ts: int) -> int:
        """Tell the touch of a book as a relay has it; ``None``: what it told before is void.

        Returns the records pending; raises ``EngineError`` if there is no such instrument.
        """
        told: dict[str, Any] = {"instrument": instrument, "bid_e9": None, "ask_e9": None}
        if touch is not None:
            told |= {"bid_e9": touch.bid_e9, "ask_e9": touch.ask_e9, "hash": touch.hash}
            told |= {"ts_event": touch.ts_event, "ts_sent": touch.ts_sent}
        return self._tell_touch(told, ts)

    def _tell_touch(self, told: Mapping[str, Any], ts: int) -> int:
        self._record(Kind.TOUCH, ts, CONN_NONE, json.dumps(dict(told)).encode())
        given = dict(told)
        prices = (given.pop("instrument"), given.pop("bid_e9"), given.pop("ask_e9"))
        return self._engine.tell_touch(*prices, ts, **given)

    def describe_rule(self, number: int, about: Mapping[str, object], ts: int) -> None:
        """Say anew what a rule is about, which changes nothing of what it does."""
        self.rules[number] = replace(self.rules[number], about=about)
        self._note_rule(number, self.rules[number], ts)

    def _note_rule(self, number: int, rule: Rule, ts: int) -> None:
        about = {"number": number, "name": rule.name, "about": dict(rule.about)}
        self.note({RULE_NOTE: about}, ts)

    def own_resting(
        self,
        instrument: int,
        bids: Sequence[tuple[int, int]],
        asks: Sequence[tuple[int, int]],
        ts: int,
    ) -> None:
        """Say what of the user's own rests in a book, in place of what was said before.

        Price in 1e-9 and size in 1e-8 of each level; rules take none of it.
        """
        told = {"instrument": instrument, "bids": list(bids), "asks": list(asks)}
        self._record(Kind.OWN, ts, CONN_NONE, json.dumps(told).encode())
        self._engine.own_resting(instrument, bids, asks, ts)

    def resync_begin(self, instrument: int, ts: int, *, asked: bool = False) -> None:
        """A whole book is being fetched for ``instrument``; ``asked`` if it may be live still."""
        self._record(Kind.RESYNC_BEGIN, ts, CONN_NONE, _instrument(instrument, asked=asked))
        self._engine.resync_begin(instrument, ts, asked=asked)

    def ingest_rest(self, conn: int, body: bytes, ts: int) -> int:
        """Apply the answer to a request for whole books; returns the records pending."""
        self._record(Kind.REST, ts, conn, body)
        return self._engine.ingest_rest(conn, body, ts)

    def ingest_rest_book(
        self, conn: int, instrument: int, body: bytes, ts: int, *, stands_at: int | None = None
    ) -> int:
        """Apply a whole book by REST that does not say which book it is.

        ``stands_at`` is the update at which it stands, where the body does not say that either.
        Returns the records pending; raises ``EngineError`` if there is no such instrument.
        """
        head = json.dumps({"instrument": instrument, "stands_at": stands_at}).encode()
        self._record(Kind.REST_BOOK, ts, conn, head + b"\n" + body)
        return self._engine.ingest_rest(conn, body, ts, instrument=instrument, stands_at=stands_at)

    def ingest_poll(
        self, conn: int, body: bytes, ts: int, *, asked: int, instrument: int | None = None
    ) -> int:
        """Apply the answer to a poll that was ``asked`` for then; returns the records pending.

        ``instrument`` says which book it is where the body does not; raises ``EngineError`` if
        there is no such one.
        """
        head = json.dumps({"asked": asked, "instrument": instrument}).encode()
        self._record(Kind.POLL, ts, conn, head + b"\n" + body)
        return self._engine.ingest_poll(conn, body, ts, asked=asked, instrument=instrument)

    def advance(self, ts: int) -> int:
        """Let time pass; returns the records pending."""
        self._record(Kind.ADVANCE, ts, CONN_NONE, b"")
        return self._engine.advance(ts)

    def note(self, content: Mapping[str, object], ts: int) -> None:
        """Record something that does not change the engine."""
        self._record(Kind.NOTE, ts, CONN_NONE, json.dumps(dict(content)).encode())

    def market(self, news: bytes, ts: int) -> None:
        """Record news of a market, and have them heard; they do not change the engine.

        Raises what whoever hears them raises.
        """
        self._record(Kind.MARKET, ts, CONN_NONE, news)
        if self.on_market is not None:
            self.on_market(news)

    def apply(self, kind: int, ts: int, conn: int, payload: bytes) -> bool:
        """Feed one record of a recording back and say whether it was understood.

        Never raises on a bad record: it is counted in ``records_refused`` and left out. Records
        of kinds that do not change an engine, or are not known, count as understood. Raises
        ``EngineError`` only if the engine itself failed.
        """
        if abs(ts) > TS_MAX:
            return self._refuse(kind, f"its time is {ts}")
        if kind == Kind.FRAME:
            self.ingest(conn, payload, ts)
            return True
        if kind == Kind.ADVANCE:
            self.advance(ts)
            return True
        if kind == Kind.REST:
            self.ingest_rest(conn, payload, ts)
            return True
        try:
            if not self.relays.apply(kind, ts, conn, payload):
                self._apply_control(kind, ts, conn, payload)
        except (BookfeedError, ValueError, TypeError, KeyError, OverflowError) as error:
            return self._refuse(kind, repr(error))
        return True

    def _refuse(self, kind: int, why: str) -> bool:
        self.records_refused += 1
        _log.warning("apply", "a record of kind %d was left out: %s", kind, why)
        return False

    def _apply_control(self, kind: int, ts: int, conn: int, payload: bytes) -> None:
        if kind == Kind.CONNECTED:
            venue, space, mode = payload.decode().partition(" ")
            if space and not mode:
                raise ValueError("a connection of a mode without a name")
            self.connected(conn, venue, ts, mode=mode)
        elif kind == Kind.DISCONNECTED:
            self.disconnected(conn, payload.decode(errors="replace"), ts)
        elif kind == Kind.INVALIDATE:
            self.invalidate(conn, payload.decode(), ts)
        elif kind == Kind.LINE:
            beside = control_object(payload)["beside"]
            if beside is None:
                self.end_line(conn, ts)
            else:
                self.add_line(conn, beside, ts)
        elif kind == Kind.SUBSCRIBE:
            options = control_object(payload)
            self._subscribe(options.pop("venue"), options.pop("symbol"), conn, ts, options)
        elif kind == Kind.UNSUBSCRIBE:
            self.unsubscribe(control_object(payload)["instrument"], ts)
        elif kind == Kind.FORGET:
            self.forget(control_object(payload)["instrument"], ts)
        elif kind == Kind.RULE_END:
            self.remove_rule(control_object(payload)["rule"], ts)
        elif kind == Kind.RESYNC_BEGIN:
            resync = control_object(payload)
            asked = resync.get("asked") is True
            self.resync_begin(resync["instrument"], ts, asked=asked)
        elif kind == Kind.REST_BOOK:
            line, _, body = payload.partition(b"\n")
            head = control_object(line)
            stands_at = head["stands_at"]
            self.ingest_rest_book(conn, head["instrument"], body, ts, stands_at=stands_at)
        elif kind == Kind.POLL:
            line, _, body = payload.partition(b"\n")
            head = control_object(line)
            asked, instrument = head["asked"], head["instrument"]
            self.ingest_poll(conn, body, ts, asked=asked, instrument=instrument)
        elif kind == Kind.RULE:
            rule = control_object(payload)
            self.add_rule(Rule(rule["kind"], dict(rule["params"])), ts)
        elif kind == Kind.INDEX:
            index = control_object(payload)
            self._add_index(index["name"], dict(index["params"]), ts)
        elif kind == Kind.TERMS:
            terms = control_object(payload)
            self._add_terms(terms["instrument"], dict(terms["params"]), ts)
        elif kind == Kind.STRIKE:
            strike = control_object(payload)
            self.tell_strike(strike["instrument"], strike["strike_e18"], ts)
        elif kind == Kind.REFERENCE:
            tick = control_object(payload)
            value = tick["name"], tick["ts_event"], tick["value_e18"]
            self.tell_reference(*value, ts, of=tick.get("of", 0))
        elif kind == Kind.TOUCH:
            self._tell_touch(control_object(payload), ts)
        elif kind == Kind.OWN:
            own = control_object(payload)
            bids, asks = ([(price, qty) for price, qty in own[side]] for side in ("bids", "asks"))
            self.own_resting(own["instrument"], bids, asks, ts)
        elif kind == Kind.MARKET:
            self.market(payload, ts)
        elif kind == Kind.NOTE:
            self._record(Kind.NOTE, ts, CONN_NONE, payload)
            self._learn(payload)

    def _learn(self, note: bytes) -> None:
        """What a note says about a rule, or the pace of windows; any other is not looked at."""
        try:
            told = control_object(note)
            if PACE_NOTE in told:
                self.pace = Pace.of(told[PACE_NOTE])
                return
            given = told[RULE_NOTE]
            number, name, about = given["number"], str(given["name"]), dict(given["about"])
            # As programs are told it: not every JSON text can be written again.
            orjson.dumps({"rules": [about | {"name": name}]})
            self.rules[number] = replace(self.rules[number], name=name, about=about)
            self.names.learn_rule(number, name)
        except (ValueError, TypeError, KeyError):
            return


def _instrument(instrument: int, *, asked: bool = False) -> bytes:
    told = {"instrument": instrument, "asked": True} if asked else {"instrument": instrument}
    return json.dumps(told).encode()
