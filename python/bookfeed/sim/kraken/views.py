"""A window of a market as Kraken tells it: with a sum over its best levels as they are printed."""

from bookfeed.sim.kraken import wire
from bookfeed.sim.kraken.wire import Printed
from bookfeed.sim.spot_window import Window


class View(Window):
    """One market as it is told to subscribers of one depth."""

    def checksum(self) -> int:
        """The sum over what is shown now."""
        spec = self.market.spec
        bids = wire.printed(spec, self.market.top(True, min(self.depth, 10)))
        asks = wire.printed(spec, self.market.top(False, min(self.depth, 10)))
        return wire.checksum(asks, bids)

    def edge(self) -> Printed:
        """The worst bid and ask that the sum covers, as printed; empty for an empty side."""
        spec = self.market.spec
        worst = [wire.printed(spec, self.market.top(is_bid, 10)[-1:]) for is_bid in (True, False)]
        bid, ask = (levels[0][0] if levels else "" for levels in worst)
        return bid, ask
