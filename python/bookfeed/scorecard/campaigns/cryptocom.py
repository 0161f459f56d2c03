"""What a simulated Crypto.com is played with: a client that subscribes again, and who judges it.

Books say at which number they stand, and are held against the window of the true book of that
number.
"""

from bookfeed._bookfeed import BookView
from bookfeed.scorecard.campaigns.binance_kraken_client import Client
from bookfeed.scorecard.campaigns.binance_kraken_referee import Referee
from bookfeed.scorecard.campaigns.levels import sides_of
from bookfeed.sim.cryptocom.stream import CryptocomStream
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.spot_faults import SpotFault
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.spot_truth import top
from bookfeed.sim.spot_venue import SpotVenueConfig


class CryptocomClient(Client[CryptocomStream]):
    """Books come on the stream, with a subscription; the venue's questions are answered."""

    VENUE = "cryptocom"

    @property
    def depth(self) -> int:
        return self.stream.depth

    def take(self, item: SpotItem) -> None:
        """One item of the stream."""
        super().take(item)
        for notice in self.engine.notices(item.conn):
            if notice.kind == "asks":
                self.stream.respond(item.conn, notice.id)

    def ask(self, symbol: str) -> None:
        self.stream.resubscribe(symbol)


class CryptocomReferee(Referee[CryptocomStream]):
    """Books say where they stand."""

    def hides(self, event: FaultEvent) -> bool:
        return event.duty == "unprovable"

    def is_whole(self, item: SpotItem) -> bool:
        return item.whole

    def check(self, symbol: str, view: BookView, item: SpotItem) -> None:
        if not view.live or symbol in self.unproved:
            return
        stands_at = view.update_id
        truth = None if stands_at is None else self.stream.truth.at(symbol, stands_at)
        if stands_at is None or truth is None:
            self._problem(f"{symbol} live at {stands_at}, where no book is")
            return
        true = top(truth, self.stream.depth)
        if sides_of(view) != (true.bids, true.asks):
            self._problem(f"{symbol} live and wrong at {stands_at}")
        if item.kind == "frame" and item.is_book and stands_at < item.last:
            self._problem(f"{symbol} live at {stands_at}, but {item.last} was told")


def cryptocom(seed: int, schedule: tuple[SpotFault, ...]) -> CryptocomStream:
    """A run of the simulated Crypto.com with these faults."""
    return CryptocomStream(
        SpotVenueConfig(seed=seed, markets=1 + seed % 3, levels=12 if seed % 4 == 0 else 40),
        faults=schedule,
        conns=1 + seed % 2,
        rate=60.0,
        depth=10 if seed % 3 else 50,
    )
