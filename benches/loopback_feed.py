"""bookfeed's ``Feed`` as a row of the loopback benchmarks: everything on, records in a callback."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benches import ours
from benches.competitors import FinalBooks
from benches.corpus import Corpus
from benches.frames import TS_START_MS, books_sha256
from benches.market import MIN_ORDER_SIZE, TICK_SIZE
from bookfeed import UPDATE_DTYPE, Batch, Feed
from bookfeed.clock import AnchoredClock, Clock
from bookfeed.market import Market, Outcome
from bookfeed.recordings.inputs import Recorder
from bookfeed.rules.rule import Rule
from bookfeed.sinks import Given, SinkStatus
from bookfeed.venues import FeeSchedule
from bookfeed.words import State

NS_PER_S = 1_000_000_000


def markets_of(corpus: Corpus) -> list[Market]:
    """The corpus' markets as a feed is told of them."""
    return [
        Market(
            market=market.condition,
            outcomes=(Outcome("Yes", market.yes), Outcome("No", market.no)),
            tick_size=TICK_SIZE,
            min_order_size=MIN_ORDER_SIZE,
            neg_risk=False,
            fee=FeeSchedule(ours.FEE_RATE),
        )
        for market in corpus.markets
    ]


@dataclass
class Arrivals:
    """What a feed delivered: each batch with the CLOCK_MONOTONIC ns at which it was in hand.

    ``done_ns`` is when the last one was, on the feed's own clock, which also stamps the records;
    ``cpu_ns`` is the CPU time of this thread from opening the feed until then, ``flow_cpu_ns`` from
    the first batch on; ``emit_us`` are
    percentiles of the engine's ``recv_to_emit``; ``sinks`` is how they were when the feed was
    closed; ``native`` is whether every frame went into the engine without Python.
    """

    batches: list[tuple[int, bytes]]
    done_ns: int
    cpu_ns: int
    flow_cpu_ns: int
    books: FinalBooks
    states: set[State]
    emit_us: dict[str, float]
    sinks: tuple[SinkStatus, ...]
    native: bool

    def us_per_frame(self, frames: int) -> tuple[float, float]:
        """Wall and CPU time, µs a frame.

        The wall time begins with the socket read that brought the first book; the CPU time also
        holds connecting and subscribing, some milliseconds for the whole run.
        """
        elapsed_ns = self.done_ns - int(self.updates()["ts_recv_ns"][0])
        return elapsed_ns / frames / 1e3, self.cpu_ns / frames / 1e3

    def updates(self) -> NDArray[np.void]:
        """All update records in order."""
        return np.frombuffer(b"".join(data for _, data in self.batches), np.dtype(UPDATE_DTYPE))


def records_of(frame: bytes) -> int:
    """Records of books that a frame makes: one for each asset it changes."""
    return 2 if b'"price_changes":' in frame else frame.count(b'"event_type":"book"')


def book_records(corpus: Corpus, frames: int) -> int:
    """The same of the first ``frames`` frames."""
    if frames == len(corpus.frames):
        return corpus.answers.touch_reads
    return sum(map(records_of, corpus.frames[:frames]))


def corpus_clock() -> AnchoredClock:
    """A clock that is where the corpus begins: venue times of another day would not be believed."""
    ahead_ns = time.time_ns() - TS_START_MS * 1_000_000
    return AnchoredClock(wall_ns=lambda: time.time_ns() - ahead_ns)


class Collector:
    """The user's callback: keeps what it is given, and says when enough records have come."""

    def __init__(self, book_records: int, clock: Clock) -> None:
        self.left = book_records
        self.clock = clock
        self.done_ns = 0
        self.first_cpu_ns = 0
        self.cpu_ns = 0
        self.batches: list[tuple[int, bytes]] = []
        self.done = asyncio.Event()

    def on_batch(self, batch: Batch) -> None:
        """Takes a batch."""
        data = batch.update_bytes
        now_ns = time.monotonic_ns()
        books = data[ours.KIND_OFFSET :: ours.UPDATE.itemsize].count(ours.BOOK)
        if books:
            if not self.batches:
                self.first_cpu_ns = time.thread_time_ns()
            self.batches.append((now_ns, data))
            self.left -= books
            if self.left <= 0:
                self.done_ns = self.clock.now_ns()
                self.cpu_ns = time.thread_time_ns()
                self.done.set()


async def receive(
    corpus: Corpus,
    url: str,
    tls: ssl.SSLContext | None,
    book_records: int,
    *,
    busy_poll: bool,
    timeout_s: float,
    sinks: Sequence[Given] = (),
    recorder: Recorder | None = None,
) -> Arrivals:
    """Runs a feed until it delivered so many records of books."""
    clock = corpus_clock()
    collector = Collector(book_records, clock)
    feed = Feed(
        markets=markets_of(corpus),
        url=url,
        rules=[
            Rule("spread", ours.SPREAD_RULE),
            Rule("complement", ours.COMPLEMENT_RULE),
        ],
        on_batch=collector.on_batch,
        busy_poll=busy_poll,
        ssl_context=tls,
        clock=clock,
        sinks=sinks,
        recorder=recorder,
    )
    cpu_before_ns = time.thread_time_ns()
    async with feed:
        async with asyncio.timeout(timeout_s):
            await collector.done.wait()
        engine = feed.engine
        if odd := engine.counters()["odd_stamps"]:
            raise ValueError(f"{odd} venue times were not believed: they ran ahead of the clock")
        states = {view.state for view in engine.books()}
        books = ours.final_books(engine)
        emit = feed.latency()["recv_to_emit"]
        native = not feed.counters()["python_listeners"]
    return Arrivals(
        collector.batches,
        collector.done_ns,
        collector.cpu_ns - cpu_before_ns,
        collector.cpu_ns - collector.first_cpu_ns,
        books,
        states,
        {name: (emit.percentile(p) or 0) / 1e3 for name, p in (("p50", 50.0), ("p99", 99.0))},
        feed.sink_status(),
        native,
    )


def wrong_answer(arrivals: Arrivals, corpus: Corpus) -> str | None:
    """What is wrong with a feed that was sent the whole corpus, or None."""
    found = ours.touch_sum_e18_wrapped(arrivals.updates())
    if found != corpus.answers.touch_sum_e8 * ours.E10 % ours.WORD:
        return "touch sum differs"
    if books_sha256(arrivals.books) != corpus.answers.books_sha256:
        return "final books differ"
    if arrivals.states != {"live"}:
        return f"books are {', '.join(sorted(arrivals.states))}"
    return None


def latencies_us(
    arrivals: Arrivals, corpus: Corpus, first: int, count: int, t0_ns: int, rate: int
) -> list[float]:
    """From the due time of each paced frame to its first record in the callback, µs.

    Paced frames are ``count`` from index ``first``. Records come in the order of their frames, so
    a record's place says which frame made it. Frames that change no book make no such record and
    are left out.
    """
    firsts, made = [], book_records(corpus, first)
    for i, frame in enumerate(corpus.frames[first : first + count]):
        records = records_of(frame)
        if records:
            firsts.append((made, t0_ns + i * NS_PER_S // rate))
        made += records
    latencies: list[float] = []
    seen = 0
    for at_ns, data in arrivals.batches:
        updates = np.frombuffer(data, ours.UPDATE)
        seen += int((updates["kind"] == ours.BOOK).sum())
        while len(latencies) < len(firsts) and firsts[len(latencies)][0] < seen:
            latencies.append((at_ns - firsts[len(latencies)][1]) / 1e3)
    return latencies
