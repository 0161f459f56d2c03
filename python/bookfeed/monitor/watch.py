"""What ``run`` and ``record`` know about a running feed: rates, states and signals, and how to
tell it, as a screen for people and as plain objects for programs.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from bookfeed import UPDATE_DTYPE, records
from bookfeed._bookfeed import Batch, BookView, Engine, Histogram
from bookfeed.catalogue.news import MarketNews
from bookfeed.clock import NS_PER_S, Clock
from bookfeed.fair.estimates import FairValues
from bookfeed.feed.feed import Feed
from bookfeed.feed.windows import WindowEnd
from bookfeed.monitor.console import BookRow, LatencyRow, Screen
from bookfeed.monitor.objects import (
    fill_object,
    outcome_word,
    paper_object,
    rule_object,
    signal_object,
    why_object,
)
from bookfeed.monitor.opportunities import LegRow, PaperRow, RefusalRow, SignalRow
from bookfeed.monitor.paper import PaperTape
from bookfeed.monitor.wanted import ALL, Wanted
from bookfeed.monitor.worth import Worth, worth_object, worth_of
from bookfeed.names import Names
from bookfeed.records import KIND_STATE, UPDATE_BYTES, UPDATE_KIND_OFFSET, Leg, Signal, Update
from bookfeed.rules.pairs import basis_line

_SIGNALS_KEPT: Final = 64
# How many windows that ended are told on the screen, and for how long.
_ENDS_KEPT: Final = 2
_END_SHOWN_NS: Final = 300 * NS_PER_S
_NEWS_KEPT: Final = 2
_NEWS_SHOWN_NS: Final = 60 * NS_PER_S
# Updates are counted by book when this many bytes have gathered, at the latest.
_UNCOUNTED_MAX: Final = 1 << 20
_PERCENTILES: Final = (("p50", 50.0), ("p99", 99.0), ("p999", 99.9))

# Counters worth a word on the screen when they are not zero, and the words.
_TOLD: Final = {
    "decode_errors": "bad frames",
    "malformed": "malformed",
    "resyncs": "resyncs",
    "reconnects": "reconnects",
    "callback_errors": "callback errors",
    "loop_stalls": "stalls",
}


class Watch:
    """Follows a feed through its batches; made before the feed, which calls ``on_batch``.

    With ``why`` it tells what was refused, too. Signals are shown that are ``wanted``, from then on
    to their end; all are counted.
    """

    def __init__(
        self,
        source: str,
        engine: Engine,
        clock: Clock,
        *,
        why: bool = False,
        wanted: Wanted = ALL,
    ) -> None:
        self.source: Final = source
        self._why: Final = why
        self.engine: Final = engine
        self._clock: Final = clock
        self.on_state: Callable[[Update], None] | None = None
        self.on_signal: Callable[[Signal], None] | None = None
        self.on_window_end: Callable[[WindowEnd], None] | None = None
        self.on_news: Callable[[MarketNews], None] | None = None
        self.on_records: Callable[[Batch], None] | None = None
        self._feed: Feed | None = None
        self._fair: FairValues | None = None
        self._tape: Final = PaperTape(engine)
        self._started_ns = clock.now_ns()
        self._uncounted: Final[list[bytes]] = []
        self._uncounted_bytes = 0
        self._updates = np.zeros(0, np.int64)
        self._signals: Final[deque[Signal]] = deque(maxlen=_SIGNALS_KEPT)
        self._open: Final[set[int]] = set()
        self._wanted: Final = wanted
        # Open ones that were shown: what becomes of them is shown, too.
        self._shown: Final[set[int]] = set()
        self._ends: Final[deque[tuple[int, str]]] = deque(maxlen=_ENDS_KEPT)
        self._news: Final[deque[tuple[int, str]]] = deque(maxlen=_NEWS_KEPT)
        self._opened: Final[dict[str, int]] = {}
        self._closed: Final[dict[str, int]] = {}
        self._pace: _Pace = _Pace(self._started_ns, {}, np.zeros(0, np.int64))

    @property
    def feed(self) -> Feed:
        """The feed that is followed; ``RuntimeError`` before ``attach``."""
        if self._feed is None:
            raise RuntimeError("nothing is followed yet")
        return self._feed

    def attach(self, feed: Feed) -> None:
        """Begins to follow a feed, best before it is open: its first records have names then."""
        self._feed = feed
        feed.on_market(self.market_told)
        self._started_ns = self._clock.now_ns()
        self._pace = _Pace(self._started_ns, feed.counters(), self._counted())

    def estimate(self, fair: FairValues) -> None:
        """Shows what markets are worth, too."""
        self._fair = fair

    def on_batch(self, batch: Batch) -> None:
        """Takes in what the engine handed out; cheap for plain book updates."""
        data = batch.update_bytes
        self._uncounted.append(data)
        self._uncounted_bytes += len(data)
        if self._uncounted_bytes > _UNCOUNTED_MAX:
            self._counted()
        if self.on_records is not None:
            self.on_records(batch)
        if self.on_state is not None and KIND_STATE in data[UPDATE_KIND_OFFSET::UPDATE_BYTES]:
            for update in records.updates(batch, self._names):
                if update.kind == "state":
                    self.on_state(update)
        if batch.signal_bytes:
            for signal in records.signals(batch, self._names):
                self._take_signal(signal)

    def window_ended(self, end: WindowEnd) -> None:
        """Takes in how a window of a rolling series came out."""
        self._ends.appendleft((self._clock.now_ns(), end.line()))
        if self.on_window_end is not None:
            self.on_window_end(end)

    def market_told(self, news: MarketNews) -> None:
        """Takes in news of a market: its strike, how it ended, who differs."""
        self._news.appendleft((self._clock.now_ns(), news.line()))
        if self.on_news is not None:
            self.on_news(news)

    def _take_signal(self, signal: Signal) -> None:
        if signal.phase == "open":
            self._opened[signal.rule] = self._opened.get(signal.rule, 0) + 1
            self._open.add(signal.id)
        elif signal.phase == "close":
            self._closed[signal.reason] = self._closed.get(signal.reason, 0) + 1
            self._open.discard(signal.id)
        if self._wanted(signal):
            self._shown.add(signal.id)
        elif signal.id not in self._shown:
            return
        if signal.phase == "close":
            self._shown.discard(signal.id)
        for place, known in enumerate(self._signals):
            if known.id == signal.id:
                self._signals[place] = signal
                break
        else:
            self._signals.append(signal)
        if self.on_signal is not None:
            self.on_signal(signal)

    def _counted(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Updates so far by instrument number."""
        if self._uncounted:
            instruments = np.frombuffer(b"".join(self._uncounted), UPDATE_DTYPE)["instrument"]
            self._uncounted.clear()
            self._uncounted_bytes = 0
            counts = np.bincount(instruments, minlength=len(self._updates)).astype(np.int64)
            counts[: len(self._updates)] += self._updates
            self._updates = counts
        return self._updates

    # For people.

    def screen(self, hint: str = "") -> Screen:
        """Everything worth showing now; rates are since the screen before."""
        now_ns, counters, updates = self._clock.now_ns(), self.feed.counters(), self._counted()
        before, self._pace = self._pace, _Pace(now_ns, counters, updates)
        seconds = max((now_ns - before.ts_ns) / NS_PER_S, 1e-3)

        def rate(name: str) -> float:
            return (counters[name] - before.counters.get(name, 0)) / seconds

        def book_rate(instrument: int) -> float:
            return (_at(updates, instrument) - _at(before.updates, instrument)) / seconds

        views = self.feed.books()
        return Screen(
            source=self.source,
            uptime_s=(now_ns - self._started_ns) / NS_PER_S,
            frames_per_s=rate("frames"),
            bytes_per_s=rate("bytes"),
            books=[self._book_row(view, now_ns, book_rate(view.instrument)) for view in views],
            latencies=[
                _latency_row(name, histogram) for name, histogram in self.feed.latency().items()
            ],
            signals=[self._signal_row(signal, now_ns) for signal in self._signals],
            signals_opened=sum(self._opened.values()),
            signals_open=len(self._open),
            counters=[(word, counters.get(name, 0)) for name, word in _TOLD.items()],
            hint=hint,
            notes=self._notes(now_ns),
            paper=None if (totals := self.engine.paper()) is None else PaperRow(**totals),
            refusals=self._refusal_rows() if self._why else None,
            worth=self._worth(now_ns),
        )

    def _worth(self, now_ns: int) -> Worth | None:
        if self._fair is None:
            return None
        return worth_of(self._fair, self.feed, now_ns)

    def _notes(self, now_ns: int) -> list[str]:
        ends = [line for ts, line in self._ends if now_ns - ts < _END_SHOWN_NS]
        ends += [line for ts, line in self._news if now_ns - ts < _NEWS_SHOWN_NS]
        rules = self.feed.rules.values()
        bases = dict.fromkeys(line for rule in rules if (line := basis_line(rule)))
        return [*ends, *bases]

    def _refusal_rows(self) -> list[RefusalRow]:
        return [RefusalRow(w.name or w.rule, w.reason, w.count, w.text) for w in self.feed.why()]

    def _book_row(self, view: BookView, now_ns: int, rate: float) -> BookRow:
        market, outcome = self._name(view.instrument, view.symbol)
        return BookRow(
            venue=view.venue,
            market=market,
            outcome=outcome,
            bid_e9=view.bid_e9,
            ask_e9=view.ask_e9,
            bid_qty_e8=view.bid_qty_e8,
            ask_qty_e8=view.ask_qty_e8,
            state=view.state,
            cause=view.cause,
            evidence_age_ns=_age_ns(view, now_ns),
            rate=rate,
            freshness=view.freshness,
        )

    def _signal_row(self, signal: Signal, now_ns: int) -> SignalRow:
        over = signal.phase == "close"
        names = [self._name(leg.instrument, leg.symbol) for leg in signal.legs]
        markets = dict.fromkeys(market for market, _ in names)
        outcomes = {outcome for _, outcome in names}
        # One outcome is worth saying; several of a market are the market.
        about = "".join(f"{outcome}: " for outcome in outcomes) if len(outcomes) == 1 else ""
        return SignalRow(
            opened=datetime.fromtimestamp(signal.ts_open / NS_PER_S, UTC).strftime("%H:%M:%S"),
            rule=signal.rule,
            market=signal.name or about + " ".join(markets),
            direction=signal.direction or "",
            qty_e8=signal.qty_e8,
            net_edge_e9=signal.net_edge_e9,
            value_e9=signal.value_e9,
            lasted_ns=(signal.ts_recv if over else now_ns) - signal.ts_open,
            closed=signal.reason if over else "",
            legs=[self._leg_row(leg) for leg in signal.legs] if signal.direction else [],
            gross_edge_e9=signal.gross_edge_e9,
            maker_edge_e9=signal.maker_edge_e9,
            fee_e9=signal.fee_e9,
            capital_e9=signal.capital_e9,
            net_e9=signal.net_total_e9 if signal.direction else None,
            roi=signal.roi if signal.direction else None,
            age_ns=max((leg.age_ns for leg in signal.legs if leg.age_ns is not None), default=None),
        )

    def _leg_row(self, leg: Leg) -> LegRow:
        market, _ = self._name(leg.instrument, leg.symbol)
        return LegRow(
            side=leg.side,
            outcome=outcome_word(leg),
            venue=leg.venue,
            market=market,
            qty_e8=leg.qty_e8,
            avg_price_e9=leg.avg_price_e9,
            fee_e9=leg.fee_e9,
        )

    @property
    def _names(self) -> Names:
        return Names() if self._feed is None else self._feed.names

    def _name(self, instrument: int, symbol: str) -> tuple[str, str]:
        """The title of a book's market and its outcome."""
        name = self._names.get(instrument)
        return (symbol, "") if name is None else (name.title, name.outcome)

    # For programs.

    def books(self) -> list[dict[str, Any]]:
        """Every book's touch and state now."""
        now_ns = self._clock.now_ns()
        return [self._book_object(view, now_ns) for view in self.feed.books()]

    def rules(self) -> list[dict[str, Any]]:
        """The rules that have a name, with their legs and the facts that decide them."""
        return [rule_object(number, rule) for number, rule in self.feed.rules.items() if rule.name]

    def signal(self, signal: Signal) -> dict[str, Any]:
        """A signal."""
        return signal_object(signal)

    def fills(self) -> list[dict[str, Any]]:
        """What became of signals on paper since the last call."""
        rules = self._names.rules
        return [fill_object(fill, rules.get(fill.rule_id, "")) for fill in self._tape.fresh()]

    def refusals(self) -> list[dict[str, Any]] | None:
        """What was refused so far, ``None`` if nobody asked."""
        return [why_object(why) for why in self.feed.why()] if self._why else None

    def worth(self) -> dict[str, Any] | None:
        """What markets about a price are worth now, ``None`` where there are none."""
        found = self._worth(self._clock.now_ns())
        return None if found is None else worth_object(found)

    def ledgers(self) -> list[PaperRow]:
        """The sums of each paper ledger."""
        return [PaperRow(**totals) for totals in self.engine.papers()]

    def paper(self) -> dict[str, Any] | None:
        """The sums of the paper ledger, ``None`` if there is none."""
        totals = self.engine.paper()
        return None if totals is None else paper_object(totals)

    def _papers(self) -> list[dict[str, Any]]:
        return [paper_object(totals) for totals in self.engine.papers()]

    def standing(self) -> str:
        """How many books may be believed, in a line."""
        views = self.feed.books()
        live = sum(view.live for view in views)
        return f"{live} of {len(views)} books live, {len(self._open)} signals open"

    def summary(self) -> dict[str, Any]:
        """The whole of what happened so far."""
        counters = self.feed.counters()
        elapsed_s = (self._clock.now_ns() - self._started_ns) / NS_PER_S
        views = self.feed.books()
        states: dict[str, int] = {}
        for view in views:
            states[view.state] = states.get(view.state, 0) + 1
        engine = self.engine
        asked = {
            "rules": self.rules() or None,
            "paper": self.paper(),
            "paper_lags": self._papers() or None,
            "why": self.refusals(),
        }
        return {
            "source": self.source,
            "elapsed_s": round(elapsed_s, 3),
            "frames": counters["frames"],
            "frames_per_s": round(counters["frames"] / max(elapsed_s, 1e-3), 1),
            "messages": engine.messages(),
            "states": states,
            "signals": {
                "opened": dict(self._opened),
                "closed": dict(self._closed),
                "open": len(self._open),
                "refused": engine.refusals(),
            },
            "latency_ns": {
                name: _histogram_object(histogram)
                for name, histogram in self.feed.latency().items()
            },
            "evidence": engine.evidence(),
            "connections": [asdict(one) for one in self.feed.status().connections],
            "counters": counters,
            **{name: answer for name, answer in asked.items() if answer is not None},
            "books": self.books(),
        }

    def _book_object(self, view: BookView, now_ns: int) -> dict[str, Any]:
        market, outcome = self._name(view.instrument, view.symbol)
        return {
            "venue": view.venue,
            "symbol": view.symbol,
            "market": market,
            "outcome": outcome,
            "state": view.state,
            "cause": view.cause,
            "epoch": view.epoch,
            "bid": view.bid,
            "bid_qty": view.bid_qty,
            "ask": view.ask,
            "ask_qty": view.ask_qty,
            "spread": view.spread,
            "evidence_age_ns": _age_ns(view, now_ns),
            "freshness": view.freshness,
        }


class _Pace:
    """Counts at one moment, for the rates of the next."""

    def __init__(
        self,
        ts_ns: int,
        counters: Mapping[str, int],
        updates: np.ndarray[Any, np.dtype[np.int64]],
    ) -> None:
        self.ts_ns: Final = ts_ns
        self.counters: Final = counters
        self.updates: Final = updates


def _at(counts: np.ndarray[Any, np.dtype[np.int64]], place: int) -> int:
    return int(counts[place]) if place < len(counts) else 0


def _age_ns(view: BookView, now_ns: int) -> int | None:
    return None if view.ts_evidence is None else now_ns - view.ts_evidence


def _latency_row(name: str, histogram: Histogram) -> LatencyRow:
    p50, p99, p999 = (histogram.percentile(p) for _, p in _PERCENTILES)
    shown = name.replace("_to_", " → ")
    return LatencyRow(shown, histogram.count, p50, p99, p999, histogram.max)


def _histogram_object(histogram: Histogram) -> dict[str, int | None]:
    named = {name: histogram.percentile(p) for name, p in _PERCENTILES}
    return {"count": histogram.count, "min": histogram.min, **named, "max": histogram.max}
