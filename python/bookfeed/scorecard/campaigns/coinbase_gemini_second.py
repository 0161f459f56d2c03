"""Second sources under faults: beside each connection of a simulated venue one to another interface
of it, all under one virtual clock.

As a program with ``--venue coinbase --seeds 1000`` it plays so many seeds, and exits with 1 if one
of them fails. Seeds are of three kinds, in turn:

* ``true``: nothing befalls the books, and faults the second source alone. A book may be lost for
  what that says only if it was hurt twice, once and again after it had begun anew, and is back
  soon. What only makes it late, or costs its connection, costs no book anything.
* ``withheld``: the venue keeps changes of a book back, and counts on. The second source is sound,
  or late: the book is lost, or right, within ``FOUND_NS``.
* ``both``: faults on both. Books are judged as they are without a second source.
"""

import json
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from bookfeed.scorecard.campaigns.binance_kraken import (
    PLAYS,
    Schedule,
    coinbase_drawn,
    gemini_drawn,
    judge_faults,
)
from bookfeed.scorecard.campaigns.binance_kraken_client import Client
from bookfeed.scorecard.campaigns.coinbase import CoinbaseClient
from bookfeed.scorecard.campaigns.gemini import GeminiClient
from bookfeed.scorecard.campaigns.levels import sides_of
from bookfeed.scorecard.campaigns.seeds import Report, arguments
from bookfeed.scorecard.campaigns.seeds import play as play_seeds
from bookfeed.sim.coinbase.exchange import BATCHES, HEARTBEAT, ExchangeInjector, ExchangeSession
from bookfeed.sim.coinbase.stream import CoinbaseStream
from bookfeed.sim.gemini.faults import GeminiInjector
from bookfeed.sim.gemini.session import PATH_OF_VERSION_2, GeminiSession
from bookfeed.sim.gemini.stream import GeminiStream
from bookfeed.sim.gemini.venue import GeminiVenueConfig
from bookfeed.sim.gemini.wire import L2
from bookfeed.sim.spot_faults import Out, SpotInjector
from bookfeed.sim.spot_stream import SpotItem, SpotStream
from bookfeed.sim.spot_venue import SpotVenueConfig
from bookfeed.sim.virtual import NS_PER_S, START_NS

Kind = Literal["true", "withheld", "both"]
KINDS: Final[tuple[Kind, ...]] = ("true", "withheld", "both")

ANEW_NS: Final = 2 * NS_PER_S
"""How often a second source begins anew; a feed is in less of a hurry."""
FOUND_NS: Final = {"coinbase": 10 * NS_PER_S, "gemini": 18 * NS_PER_S}
"""How long a book may be wrong whose changes are kept back. Until a sign of life shows how far the
second source has come it takes 1 s, or 5 s; then a difference 2 s. This comes twice, and between
them a connection (0.5 s) and its turn (``ANEW_NS``)."""
BACK_NS: Final = 3 * NS_PER_S
"""How soon a book is back that was lost."""
BEAT_NS: Final = {"coinbase": NS_PER_S, "gemini": 5 * NS_PER_S}
_NOT_YET_NS: Final = 2 * START_NS
# What makes a second source wrong without a word.
HURTS: Final = frozenset({"drop", "duplicate", "swap", "bit_flip", "corrupt", "part", "freeze"})
# What ends connections of others, or is of numbers that it has not.
_NEVER: Final = frozenset({"restart", "refused", "gap"})


class _Beside(SpotStream):
    """A stream with a connection to a second source beside each of its own, whose numbers they
    follow; those have faults of their own.
    """

    beside: SpotInjector

    def first_of(self, conn: int) -> int:
        """The connection that one of the others stands beside."""
        return conn - self.conns

    def _make_room(self) -> None:
        for conn in range(self.conns, 2 * self.conns):
            self._late[conn] = deque()
            self._back_ns[conn] = START_NS

    def _hand_over(self, conn: int, out: Out) -> Iterator[SpotItem]:
        if conn < self.conns:
            yield from super()._hand_over(conn, out)
            return
        first = self.injector
        self.injector = self.beside
        try:
            items = list(super()._hand_over(conn, out))
        finally:
            self.injector = first
        yield from items


class CoinbaseBeside(_Beside, CoinbaseStream):
    """The simulated Coinbase with a connection to its Exchange beside each to Advanced Trade."""

    def __init__(
        self, config: SpotVenueConfig, faults: Schedule, second: Schedule, conns: int
    ) -> None:
        super().__init__(config, faults=faults, conns=conns, rate=60.0)
        self.beside = ExchangeInjector(second, config.seed, START_NS)
        self.beside.only_frames()
        self._beats_ns = dict.fromkeys(range(conns, 2 * conns), START_NS)
        self._sessions += [ExchangeSession(self.venue, conn) for conn in self._beats_ns]
        # Their signs of life are of another kind.
        self._beat_ns += [_NOT_YET_NS] * conns
        self._make_room()

    def _open(self, conn: int) -> Iterator[Out]:
        if conn < self.conns:
            yield from super()._open(conn)
            return
        self._sessions[conn] = ExchangeSession(self.venue, conn)
        symbols = list(self.symbols(self.first_of(conn)))
        command = {"type": "subscribe", "product_ids": symbols, "channels": [BATCHES, HEARTBEAT]}
        yield from self._sessions[conn].receive(json.dumps(command), self._now_ns)

    def _happen(self) -> Iterator[SpotItem]:
        yield from super()._happen()
        for conn, beat_ns in self._beats_ns.items():
            outs = self._sessions[conn].batches(self._now_ns)
            if self._now_ns - beat_ns >= BEAT_NS["coinbase"]:
                self._beats_ns[conn] = self._now_ns
                outs += self._sessions[conn].heartbeats(self._now_ns)
            for out in outs:
                yield from self._hand_over(conn, out)

    def withhold(self, symbol: str) -> None:
        """Tells nothing more of a book on its connection, and counts on."""
        self._sessions[self.conn_of(symbol)].withheld.add(symbol)


class GeminiBeside(_Beside, GeminiStream):
    """The simulated Gemini with a connection to version 2 beside each to the fast interface."""

    def __init__(
        self, config: GeminiVenueConfig, faults: Schedule, second: Schedule, conns: int
    ) -> None:
        super().__init__(config, faults=faults, conns=conns, rate=60.0)
        self.beside = GeminiInjector(second, config.seed, START_NS)
        self.beside.only_frames()
        self._beats_ns = dict.fromkeys(range(conns, 2 * conns), START_NS)
        self._sessions += [
            GeminiSession(self.venue, conn, PATH_OF_VERSION_2) for conn in self._beats_ns
        ]
        self._make_room()

    def _open(self, conn: int) -> Iterator[Out]:
        if conn < self.conns:
            yield from super()._open(conn)
            return
        self._sessions[conn] = GeminiSession(self.venue, conn, PATH_OF_VERSION_2)
        names = [symbol.upper() for symbol in self.symbols(self.first_of(conn))]
        command = {"type": "subscribe", "subscriptions": [{"name": L2, "symbols": names}]}
        yield from self._sessions[conn].receive(json.dumps(command), self._now_ns)

    def _happen(self) -> Iterator[SpotItem]:
        yield from super()._happen()
        for conn, beat_ns in self._beats_ns.items():
            beat = self._sessions[conn].heartbeat(self._now_ns)
            if self._now_ns - beat_ns >= BEAT_NS["gemini"] and beat is not None:
                self._beats_ns[conn] = self._now_ns
                yield from self._hand_over(conn, beat)

    def withhold(self, symbol: str) -> None:
        """Tells nothing more of a book on its connection."""
        self._sessions[self.conn_of(symbol)].withheld.add(symbol)


Beside = CoinbaseBeside | GeminiBeside
CLIENTS: Final[dict[str, type[Client[Any]]]] = {"coinbase": CoinbaseClient, "gemini": GeminiClient}


class Checked:
    """A client with second sources: what a feed does for them."""

    def __init__(self, client: Client[Any], stream: Beside) -> None:
        self.client, self.stream = client, stream
        self._anew_ns = dict.fromkeys(range(stream.conns, 2 * stream.conns), 0)

    def take(self, item: SpotItem) -> None:
        """One item of a second source's connection."""
        engine = self.client.engine
        if item.kind == "connected":
            engine.connected(item.conn, self.client.VENUE, item.ts_ns, mode="second")
        elif item.kind == "disconnected":
            engine.disconnected(item.conn, item.ts_ns)
        elif item.kind == "frame":
            engine.ingest(item.conn, item.payload, item.ts_ns)
        self.client.drain()

    def look(self, ts_ns: int) -> None:
        """Begins those anew that have to."""
        for standing in self.standings():
            conn = standing["conn"]
            if standing["wanted"] and ts_ns - self._anew_ns[conn] >= ANEW_NS:
                self._anew_ns[conn] = ts_ns
                self.stream.reconnect(conn)

    def standings(self) -> Sequence[dict[str, int]]:
        """How they stand to the books."""
        return list(self.client.engine.second_sources().values())


class Wrong:
    """How long levels of a book whose changes are kept back have been wrong while it was live."""

    def __init__(self, report: Report, found_ns: int) -> None:
        self._report, self._found_ns = report, found_ns
        self._since: dict[tuple[str, int, int], int] = {}

    def look(self, client: Client[Any], stream: Beside, symbol: str, ts_ns: int) -> None:
        """The book as it is now."""
        view, before, self._since = client.views[symbol], self._since, {}
        truth = stream.truth.at(symbol, stream.truth.version(symbol))
        if not view.live or truth is None:
            return
        self._report.checks += 1
        for side, (mine, true) in enumerate(
            zip(sides_of(view), (truth.bids, truth.asks), strict=True)
        ):
            for price, _ in set(mine) ^ set(true):
                since = before.get((symbol, side, price), ts_ns)
                self._since[symbol, side, price] = since
                if ts_ns - since > self._found_ns:
                    self._report.problems.append(
                        f"{symbol} live at {ts_ns}, and wrong at {price} since {since}"
                    )
                    self._since.clear()
                    return


def made(seed: int, venue: str, kind: Kind, items: int) -> Beside:
    """A run of a venue with faults that fit the kind."""
    conns, markets, levels = 1 + seed % 2, 1 + seed % 3, 8 if seed % 4 == 0 else 40
    draw = coinbase_drawn if venue == "coinbase" else gemini_drawn
    faults = draw(seed, 5, items // 2) if kind == "both" else ()
    second = tuple(
        fault for fault in draw(seed + 1_000_000, 8, items // 3) if fault.kind not in _NEVER
    )
    if kind == "withheld":
        second = tuple(fault for fault in second if fault.kind == "delay")
    elif seed % 2:
        second = tuple(fault for fault in second if fault.kind not in HURTS)
    if venue == "coinbase":
        return CoinbaseBeside(
            SpotVenueConfig(seed=seed, markets=markets, levels=levels), faults, second, conns
        )
    config = GeminiVenueConfig(seed=seed, markets=markets, levels=levels)
    return GeminiBeside(config, faults, second, conns)


def run(seed: int, *, venue: str, items: int = 4_000, kind: Kind | None = None) -> Report:
    """One seed, of the kind that it is or the one that is given."""
    kind = KINDS[seed % len(KINDS)] if kind is None else kind
    report, stream = Report(seed), made(seed, venue, kind, items)
    client = CLIENTS[venue](stream, START_NS)
    checked, referee = Checked(client, stream), PLAYS[venue].referee(client, report)
    wrong, withheld, ts_ns = Wrong(report, FOUND_NS[venue]), "", START_NS
    for number, item in enumerate(stream.items(items)):
        ts_ns = item.ts_ns
        client.advance(ts_ns)
        report.frames += item.kind == "frame"
        if item.conn >= stream.conns:
            checked.take(item)
        else:
            client.take(item)
            if kind != "withheld":
                referee.look(item)
        checked.look(ts_ns)
        if kind == "withheld" and number == items // 4:
            withheld = client.symbols[seed % len(client.symbols)]
            stream.withhold(withheld)
        if withheld:
            wrong.look(client, stream, withheld, ts_ns)
    report.transitions = len(client.changes)
    report.causes.update(cause for _, _, _, cause in client.changes)
    report.faults.update(f"second {event.fault.kind}" for event in stream.beside.log)
    if kind == "both":
        judge_both(referee, report, ts_ns)
    elif kind == "withheld":
        lost = {symbol for _, symbol, _, cause in client.changes if cause == "withheld"}
        report.problems += [f"{symbol} was lost for nothing" for symbol in lost - {withheld}]
    else:
        judge_true(client, stream, report, ts_ns)
    return report


def judge_both(referee: Any, report: Report, end_ns: int) -> None:
    """As without second sources, which may lose books for what befell them."""
    second = dict(report.faults)
    report.faults.clear()
    referee.client.brought.add("withheld")
    judge_faults(referee, report, end_ns)
    report.faults.update(second)


def judge_true(client: Client[Any], stream: Beside, report: Report, end_ns: int) -> None:
    """True books are lost to a second source that was hurt twice, and to nothing else."""
    hurts = sorted(event.ts_ns for event in stream.beside.log if event.fault.kind in HURTS)
    lost = 0
    for at, (ts_ns, symbol, state, cause) in enumerate(client.changes):
        if state != "stale" or cause in client.brought:
            continue
        if cause != "withheld":
            report.problems.append(f"{symbol} was lost for {cause}, and nothing befell it")
            continue
        lost += 1
        if 2 * lost > sum(hurt <= ts_ns for hurt in hurts):
            report.problems.append(f"{symbol} was lost at {ts_ns} to a sound second source")
        back = [ts for ts, name, now, _ in client.changes[at:] if name == symbol and now == "live"]
        if min(back, default=end_ns) - ts_ns > BACK_NS:
            report.problems.append(f"{symbol} was lost at {ts_ns}, and did not come back")
    for symbol, view in client.views.items():
        truth = stream.truth.at(symbol, stream.truth.version(symbol))
        report.checks += truth is not None and view.live


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--venue", default="coinbase", choices=tuple(BEAT_NS))
    parser.set_defaults(items=4_000)
    options = parser.parse_args(argv)
    return play_seeds(
        options.first,
        options.seeds,
        lambda seed: run(seed, venue=options.venue, items=options.items),
    )


if __name__ == "__main__":
    sys.exit(main())
