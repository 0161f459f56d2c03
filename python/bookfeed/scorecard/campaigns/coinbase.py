"""What a simulated Coinbase is played with: a client that subscribes again, and who judges it.

A hole in the numbers of a connection costs all of its books, and a message in order proves each of
them. So a live book is the whole true one as of the last message about it.
"""

from bookfeed._bookfeed import BookView
from bookfeed.scorecard.campaigns.binance_kraken_client import Client
from bookfeed.scorecard.campaigns.binance_kraken_referee import Referee
from bookfeed.scorecard.campaigns.levels import sides_of
from bookfeed.scorecard.campaigns.seeds import Report
from bookfeed.sim.coinbase.stream import CoinbaseStream
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.spot_faults import SpotFault
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.spot_venue import SpotVenueConfig

# Where a frame says that it has a whole book, from its beginning.
_KIND_BYTES = 160


class CoinbaseClient(Client[CoinbaseStream]):
    """Books come on the stream, with a subscription."""

    VENUE = "coinbase"

    @property
    def depth(self) -> int | None:
        return None

    def books_of(self, event: FaultEvent) -> list[str]:
        """All books of a connection have one count."""
        if event.fault.kind == "restart":
            return self.symbols
        return [one for one in self.symbols if self.stream.conn_of(one) == event.conn]

    def ask(self, symbol: str) -> None:
        # Asked twice, a book may come with the first answer and be given up by the second.
        self.brought.add("channel")
        self.stream.resubscribe(symbol)


class CoinbaseReferee(Referee[CoinbaseStream]):
    """Books are as of the newest message that was heard: a copy takes none of them back."""

    def __init__(self, client: Client[CoinbaseStream], report: Report) -> None:
        super().__init__(client, report)
        self.told = dict.fromkeys(client.symbols, 0)

    def hides(self, event: FaultEvent) -> bool:
        return event.duty == "unprovable"

    def is_whole(self, item: SpotItem) -> bool:
        return b'"type":"snapshot"' in item.payload[:_KIND_BYTES]

    def check(self, symbol: str, view: BookView, item: SpotItem) -> None:
        if item.is_book:
            self.told[symbol] = max(item.last, self.told[symbol])
        if not view.live or not item.is_book or symbol in self.unproved:
            return
        truth = self.stream.truth.at(symbol, self.told[symbol])
        assert truth is not None, "a message is of a version that is yet to come"
        if sides_of(view) != (truth.bids, truth.asks):
            self._problem(f"{symbol} live and wrong at {item.ts_ns}")


def coinbase(seed: int, schedule: tuple[SpotFault, ...]) -> CoinbaseStream:
    """A run of the simulated Coinbase with these faults."""
    return CoinbaseStream(
        SpotVenueConfig(seed=seed, markets=1 + seed % 3, levels=8 if seed % 4 == 0 else 40),
        faults=schedule,
        conns=1 + seed % 2,
        rate=60.0,
    )
