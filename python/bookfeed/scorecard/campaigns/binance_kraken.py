"""Never wrong while live, on spot venues: seeded fault runs of the simulated ones.

As a program with ``--venue binance --seeds 1000`` it runs that many seeds and exits with
1 if in any of them a book that was shown as live differed from the truth at the place where it
says it stands, stayed live through a longer silence than it is allowed or through damage that
could be seen, was lost without a fault, or if a clean run changed any state. A failure prints its
seed, and the same seed fails again the same way.

Binance's books say at which update id they stand, so they are held against the truth at that id.
They are known to the last level of the REST book: as far as that, every level; and their touch
always. Before the price leaves what is known of a book, more of it must be known, unless the price
is too fast for that; one that it has left (``window``) is held against the truth as well. So is one
that is polled while its stream is silent, and it must be no older than the question.
Kraken's are held against the truth of the message that was heard last: the best ten levels a side
always, which its sums cover; the whole window unless a fault that no sum can show has struck since
the last whole book. Coinbase's are held against it whole, since every message has a number.
Bitstamp's say of when they are, and are held against the newest message that was heard where stamps
are wrong; what no message shows, its best levels must show soon. Wrong stamps cost no other venue's
books anything. Gemini's
say at which update they are; a whole book that is none, its best prices must show soon. Those of
its version 2 say nothing, so that they are held against the truth until something was lost.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from bookfeed._bookfeed import BookView
from bookfeed.scorecard.campaigns.binance_kraken_client import (
    MS,
    BinanceClient,
    Client,
    KrakenClient,
    known_to,
)
from bookfeed.scorecard.campaigns.binance_kraken_referee import Referee
from bookfeed.scorecard.campaigns.bitstamp import BitstampClient, BitstampReferee, bitstamp
from bookfeed.scorecard.campaigns.calm import Calm
from bookfeed.scorecard.campaigns.coinbase import CoinbaseClient, CoinbaseReferee, coinbase
from bookfeed.scorecard.campaigns.cryptocom import CryptocomClient, CryptocomReferee, cryptocom
from bookfeed.scorecard.campaigns.gemini import (
    GeminiClient,
    GeminiReferee,
    GeminiV2Referee,
    gemini,
)
from bookfeed.scorecard.campaigns.levels import SIDES, Levels, Side, sides_of
from bookfeed.scorecard.campaigns.seeds import Report, arguments
from bookfeed.scorecard.campaigns.seeds import play as play_seeds
from bookfeed.scorecard.campaigns.seen import seen
from bookfeed.sim.binance.faults import random_binance_faults
from bookfeed.sim.binance.stream import BinanceStream
from bookfeed.sim.binance.venue import BinanceVenueConfig
from bookfeed.sim.bitstamp.faults import random_bitstamp_faults
from bookfeed.sim.coinbase.faults import random_coinbase_faults
from bookfeed.sim.cryptocom.faults import random_cryptocom_faults
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.gemini.faults import random_gemini_faults
from bookfeed.sim.kraken.faults import random_kraken_faults
from bookfeed.sim.kraken.stream import KrakenStream
from bookfeed.sim.spot_faults import SpotFault
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.spot_truth import top
from bookfeed.sim.spot_venue import SpotVenueConfig
from bookfeed.sim.truth import BookTruth

SUMMED: Final = 10
"""Levels a side that a sum covers."""

# What a session that mends books brings about.
ORDINARY: Final = frozenset({"subscribed", "snapshot", "resync", "evidence", "polled"})
# What the referee holds against the truth where it happens.
JUDGED: Final = frozenset({"window"})

DEEPER_WITHIN_NS: Final = 1_000 * MS
"""How long more of a side may take to be known, when half of what an answer tells is used up."""

SPARED: Final = frozenset({"corrupt"})
"""Kinds that books without a sum are spared: nothing gives another number away, and it stays."""
_NUMBERED: Final = frozenset({"gap", "out_of_order"})
_SUMS: Final = frozenset({"checksum_mismatch", "crossed"})
_BESIDE: Final = frozenset({"withheld"})
"""What the best levels on a channel of their own show."""
_ANY: Final = _NUMBERED | _SUMS | _BESIDE | {"malformed", "bbo_mismatch"}
_QUIET: Final = frozenset({"silence", "late", "expired"})
# What each fault may be called by the engine. Faults that no engine need notice have no name.
FITTING: Final[dict[str, frozenset[str]]] = {
    "drop": _NUMBERED | _SUMS | _BESIDE,
    "duplicate": _NUMBERED | _SUMS,
    "swap": _NUMBERED | _SUMS | _BESIDE,
    "delay": _QUIET,
    # Only where there is no other order, or nobody could be right without one.
    "stamp": frozenset({"malformed", "out_of_order", "withheld", "crossed"}),
    "malformed": _ANY,
    "bit_flip": _ANY,
    "unknown": frozenset(),
    "foreign": frozenset(),
    "freeze": _QUIET | _NUMBERED | _SUMS | _BESIDE,
    "disconnect": frozenset({"disconnected"}),
    "reset": frozenset({"disconnected"}),
    "restart": frozenset({"disconnected"}),
    "shutdown": frozenset({"disconnected"}),
    "gap": _NUMBERED,
    "rewind": _NUMBERED,
    "numbers": _NUMBERED | {"malformed"},
    "chain": _NUMBERED | {"malformed"},
    "corrupt": _SUMS | _BESIDE | {"bbo_mismatch"},
    "checksum": _SUMS,
    "level": _SUMS,
    # What the next message says of its own number may lie in what is lacking.
    "part": frozenset({"bbo_mismatch", "out_of_order"}),
    "refused": frozenset(),
    # Where the first message has to be the whole book, a change in its place is none.
    "snapshot": _NUMBERED | _SUMS | {"bbo_mismatch", "malformed"},
    "rest_late": frozenset(),
    "rest_stale": frozenset(),
    "rest_error": frozenset(),
    "rest_short": _BESIDE,
    "rest_malformed": frozenset({"malformed"}),
}


class BinanceReferee(Referee[BinanceStream]):
    """Books say where they stand."""

    def __init__(self, client: Client[BinanceStream], report: Report) -> None:
        super().__init__(client, report)
        self.told = dict.fromkeys(client.symbols, 0)
        """By symbol: the newest update that a book has come to, if all went well."""
        self._heard: dict[str, list[tuple[int, int]]] = {symbol: [] for symbol in client.symbols}
        """By symbol: when it was told of which update."""
        self._known: dict[tuple[str, Side], tuple[int | None, int]] = {}
        """By book and side: how far it is known, and the update at which it came to be."""

    def hides(self, event: FaultEvent) -> bool:
        return event.duty == "unprovable"

    def is_whole(self, item: SpotItem) -> bool:
        return self.made_whole(item)

    def check(self, symbol: str, view: BookView, item: SpotItem) -> None:
        if symbol in self.unproved:
            return
        if item.is_book and item.kind in ("frame", "rest", "poll"):
            self.told[symbol] = max(item.last, 0 if item.kind == "frame" else self.told[symbol])
            self._heard[symbol].append((item.ts_ns, item.last))
        if (symbol, "stale", "window") in self.fresh:
            self._left(symbol, view, item)
        for side in SIDES:
            if (reach := known_to(view, side)) != self._known.get((symbol, side), (None, 0))[0]:
                self._known[symbol, side] = reach, self.told[symbol]
        if not (view.live or view.polled):
            return
        stands_at = view.update_id
        truth = None if stands_at is None else self.stream.truth.at(symbol, stands_at)
        if stands_at is None or truth is None:
            self._problem(f"{symbol} {view.state} at {stands_at}, where no book is")
            return
        if view.live and item.is_book and item.kind == "frame" and stands_at < item.last:
            self._problem(f"{symbol} live at {stands_at}, but {item.last} was told")
        if view.polled and item.kind == "poll":
            self._polled(symbol, stands_at)
        for side, mine, true in zip(SIDES, sides_of(view), sides_in(truth), strict=True):
            self._side(side, mine, true, view)

    def _side(self, name: Side, mine: Levels, true: Levels, view: BookView) -> None:
        """Every level is a true one, and as far as the book is known none is missing; the best
        one never is.
        """
        if mine == true:
            return
        reach = known_to(view, name)
        owed = {level for level in true if reach is None or outwards(name, level[0]) <= reach}
        wrong = sorted(set(mine) - set(true))
        missing = sorted((owed | set(true[:1])) - set(mine))
        if wrong or missing:
            self._problem(
                f"{view.symbol} {view.state} and wrong at {view.update_id}: {name}s that are not "
                f"{wrong[:2]}, that lack {missing[:2]}, known to {reach}"
            )

    def _polled(self, symbol: str, stands_at: int) -> None:
        """An answer that was taken is no older than the question, unless the venue's was."""
        self.report.polls += 1
        assert isinstance(self.client, BinanceClient), "nobody else polls"
        stale = any(event.fault.kind == "rest_stale" for event in self.stream.fault_log)
        if not stale and stands_at < self.client.polled_at[symbol]:
            self._problem(f"{symbol} polled at {stands_at}, which was over when it was asked for")

    def _left(self, symbol: str, view: BookView, item: SpotItem) -> None:
        """A book was lost because the price left what is known of it: so it did."""
        truth = self.stream.truth.at(symbol, self.told[symbol])
        if truth is None:
            return
        for side, true in zip(SIDES, sides_in(truth), strict=True):
            reach = known_to(view, side)
            if reach is not None and (not true or outwards(side, true[0][0]) > reach):
                best = outwards(side, true[0][0]) if true else reach
                clean = not self.stream.fault_log
                slow = self._halfway(symbol, side, reach, item.ts_ns)
                if clean and slow and not self._sudden(symbol, side, best, item.ts_ns):
                    self._problem(f"{symbol} lost to its window at {item.ts_ns} by a slow price")
                return
        self._problem(f"{symbol} lost to its window at {item.ts_ns}, which the price is in")

    def _halfway(self, symbol: str, side: Side, reach: int, ts_ns: int) -> bool:
        """Whether half of what was known of a side was used up in time to ask for more of it."""
        _, since = self._known[symbol, side]
        in_time = [
            v for ts, v in self._heard[symbol] if v > since and ts + DEEPER_WITHIN_NS < ts_ns
        ]
        first, *later = (self._left_of(symbol, side, reach, v) for v in (since, *in_time))
        return any(2 * way < first[0] or 2 * levels < first[1] for way, levels in later)

    def _left_of(self, symbol: str, side: Side, reach: int, version: int) -> tuple[int, int]:
        """How far it was from the touch to ``reach`` at an update, and by how many levels."""
        truth = self.stream.truth.at(symbol, version)
        prices = (
            [outwards(side, price) for price, _ in sides_in(truth)[side == "ask"]] if truth else []
        )
        known = [price for price in prices if price <= reach]
        return (reach - known[0], len(known)) if known else (0, 0)

    def _sudden(self, symbol: str, side: Side, best: int, ts_ns: int) -> bool:
        """Whether the price has come to ``best`` faster than more of a side could be asked for."""
        versions = [version for ts, version in self._heard[symbol] if ts + DEEPER_WITHIN_NS < ts_ns]
        before = self.stream.truth.at(symbol, versions[-1]) if versions else None
        if before is None:
            return True
        levels = sides_in(before)[side == "ask"][: self.client.depth]
        prices = [outwards(side, price) for price, _ in levels]
        passed = sum(price < best for price in prices)
        return 2 * (best - prices[0]) > prices[-1] - prices[0] or 2 * passed > len(prices)


def outwards(side: Side, price: int) -> int:
    """A price so that more is further from the touch."""
    return -price if side == "bid" else price


def sides_in(truth: BookTruth) -> tuple[Levels, Levels]:
    """Bids and asks of a true book."""
    return truth.bids, truth.asks


class KrakenReferee(Referee[KrakenStream]):
    """Books are as of the message that was heard last, and never of an older one than before."""

    def __init__(self, client: Client[KrakenStream], report: Report) -> None:
        super().__init__(client, report)
        self._told = dict.fromkeys(client.symbols, 0)
        """By symbol: the newest version that was heard of."""

    def hides(self, event: FaultEvent) -> bool:
        return event.duty in ("unprovable", "resync", "silence")

    def is_whole(self, item: SpotItem) -> bool:
        return b'"type":"snapshot"' in item.payload[:60]

    def check(self, symbol: str, view: BookView, item: SpotItem) -> None:
        if not item.is_book:
            return
        self._told[symbol] = max(item.last, self._told[symbol])
        if not view.live:
            return
        truth = self.stream.truth.at(symbol, self._told[symbol])
        assert truth is not None, "a message is of a version that is yet to come"
        depth = SUMMED if symbol in self.unproved else self.stream.depth
        true = top(truth, depth)
        bids, asks = sides_of(view)
        if (bids[:depth], asks[:depth]) != (true.bids, true.asks):
            self._problem(f"{symbol} live and wrong in the best {depth} at {item.ts_ns}")
        if max(len(bids), len(asks)) > self.stream.depth:
            self._problem(f"{symbol} has more levels than its window at {item.ts_ns}")


def named(event: FaultEvent, client: Client[Any], until_ns: int) -> bool:
    """Whether a fault has a fitting name among the state changes after it."""
    symbols = event.assets or tuple(client.symbols)
    return any(
        event.ts_ns <= ts <= until_ns and symbol in symbols and cause in FITTING[event.fault.kind]
        for ts, symbol, _, cause in client.changes
    )


Schedule = tuple[SpotFault, ...]


def _drawn(draw: Callable[..., Schedule], seed: int, count: int, frames: int) -> Schedule:
    return draw(seed, count=count, frames=frames)


def _spared(draw: Callable[..., Schedule], seed: int, count: int, frames: int) -> Schedule:
    schedule = draw(seed, count=count, frames=frames)
    return tuple(fault for fault in schedule if fault.kind not in SPARED)


# Random faults of each venue, but for what nothing gives away there.
binance_drawn: Final = partial(_spared, random_binance_faults)
kraken_drawn: Final = partial(_drawn, random_kraken_faults)
coinbase_drawn: Final = partial(_spared, random_coinbase_faults)
bitstamp_drawn: Final = partial(_drawn, random_bitstamp_faults)
gemini_drawn: Final = partial(_drawn, random_gemini_faults)
cryptocom_drawn: Final = partial(_spared, random_cryptocom_faults)


def binance(seed: int, schedule: Schedule) -> BinanceStream:
    """A run of the simulated Binance with these faults."""
    return BinanceStream(
        BinanceVenueConfig(
            seed=seed, markets=1 + seed % 3, levels=12 if seed % 4 == 0 else 40, us=seed % 5 == 0
        ),
        faults=schedule,
        conns=1 + seed % 2,
        rate=60.0,
        combined=seed % 7 != 0,
    )


def kraken(seed: int, schedule: Schedule) -> KrakenStream:
    """A run of the simulated Kraken with these faults."""
    return KrakenStream(
        SpotVenueConfig(seed=seed, markets=1 + seed % 3, levels=8 if seed % 4 == 0 else 40),
        faults=schedule,
        conns=1 + seed % 2,
        rate=60.0,
        depth=(10, 25, 100)[seed % 3],
    )


def gemini_v2_drawn(seed: int, count: int, frames: int) -> Schedule:
    """Random faults of Gemini's version 2, which has no numbers to leave out."""
    schedule = random_gemini_faults(seed, count=count, frames=frames)
    return tuple(fault for fault in schedule if fault.kind not in ("gap", "part"))


class Play(NamedTuple):
    """What a venue is played with."""

    draw: Callable[[int, int, int], Schedule]
    stream: Callable[[int, Schedule], Any]
    client: Callable[[Any, int], Client[Any]]
    referee: Callable[[Any, Report], Referee[Any]]


PLAYS: Final = {
    "binance": Play(binance_drawn, binance, BinanceClient, BinanceReferee),
    "kraken": Play(kraken_drawn, kraken, KrakenClient, KrakenReferee),
    "coinbase": Play(coinbase_drawn, coinbase, CoinbaseClient, CoinbaseReferee),
    "bitstamp": Play(bitstamp_drawn, bitstamp, BitstampClient, BitstampReferee),
    "gemini": Play(gemini_drawn, gemini, GeminiClient, GeminiReferee),
    "cryptocom": Play(cryptocom_drawn, cryptocom, CryptocomClient, CryptocomReferee),
    "gemini-v2": Play(gemini_v2_drawn, partial(gemini, api="v2"), GeminiClient, GeminiV2Referee),
}


def run(
    seed: int,
    *,
    venue: str,
    items: int = 1_000,
    faults: int = 6,
    clean: bool = False,
    schedule: Schedule | None = None,
) -> Report:
    """One seed: a stream with random faults, those of ``schedule``, or none, judged after every
    item."""
    report = Report(seed)
    play = PLAYS[venue]
    if schedule is None:
        schedule = () if clean else play.draw(seed, faults, items * 2 // 3)
    stream = play.stream(seed, schedule)
    client: Client[Any] | None = None
    referee: Referee[Any] | None = None
    calm: Calm | None = None
    start_ns = live_at = 0
    for item in stream.items(items):
        if client is None or referee is None or calm is None:
            client = play.client(stream, item.ts_ns)
            referee = play.referee(client, report)
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
    assert client is not None and referee is not None
    report.total_ns = live_at - start_ns
    report.signals = client.signals
    report.digest = client.trace.digest()
    report.transitions = len(client.changes)
    report.seen = seen(stream.fault_log, client.changes, FITTING)
    report.causes.update(cause for _, _, _, cause in client.changes)
    judge_faults(referee, report, live_at)
    if clean:
        judge_clean(client, report)
    return report


def judge_faults(referee: Referee[Any], report: Report, end_ns: int) -> None:
    """Every fault that the engine could not miss has its name, and no book is lost without one."""
    client = referee.client
    for event in referee.stream.fault_log:
        report.faults[event.fault.kind] += 1
    for event in referee.owed:
        ended = event.ts_ns > end_ns - 1_000 * MS
        if not ended and not named(event, client, end_ns):
            report.problems.append(f"a fault was not named: {event}")
    costly = [kind for kind in report.faults if kind != "stamp" or referee.BY_TIME]
    explained = (ORDINARY | JUDGED | client.brought).union(*(FITTING[k] for k in costly))
    for cause in sorted(set(report.causes) - explained):
        report.problems.append(f"cause {cause} names no fault of this run ({dict(report.faults)})")


def judge_clean(client: Client[Any], report: Report) -> None:
    """Without faults a book changes state twice, subscribed, then live; and whenever the price
    leaves what is known of it until another answer is there, which may be under way, or be too
    old when it comes.
    """
    for symbol in client.symbols:
        told = [(state, cause) for _, name, state, cause in client.changes if name == symbol]
        changes = [change for change in told if change != ("syncing", "resync")]
        came, later = changes[:2], changes[2:]
        if came != [("syncing", "subscribed"), ("live", "snapshot")] or not comes_back(later):
            report.problems.append(f"clean run, but {symbol} went through {told}")
    for kind in ("malformed", "bbo_mismatch", "checksum_mismatch"):
        if client.engine.evidence().get(kind):
            report.problems.append(f"clean run, but {client.engine.evidence()[kind]} {kind}")


def comes_back(changes: Sequence[tuple[str, str]]) -> bool:
    """Whether a book that is live was lost to its window alone, and was live again after it."""
    lost = False
    for change in changes:
        if lost and change == ("stale", "resync"):
            continue
        if not (change[0] == "live" if lost else change == ("stale", "window")):
            return False
        lost = not lost
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--venue", default="binance", choices=tuple(PLAYS))
    options = parser.parse_args(argv)
    return play_seeds(
        options.first,
        options.seeds,
        lambda seed: run(seed, venue=options.venue, items=options.items, clean=options.clean),
    )


if __name__ == "__main__":
    sys.exit(main())
