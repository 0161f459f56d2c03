"""What is really in the simulated Polymarket's books, message by message."""

from bookfeed.sim.polymarket.ladder import PRICE_E9_PER_PIP, QTY_E8_PER_MICRO
from bookfeed.sim.polymarket.wire import Levels, Message
from bookfeed.sim.truth import Books


class Truth(Books):
    """Polymarket's books, by asset."""

    def __init__(self, past_max: int = 1024) -> None:
        super().__init__(PRICE_E9_PER_PIP, QTY_E8_PER_MICRO, past_max)

    def apply(self, message: Message) -> None:
        """Takes in the next message of the venue, whatever became of it on the way."""
        change = message.change
        if not change:
            return
        if isinstance(change, Levels):
            book = self._book(change.asset.asset_id)
            book.replace(change.bids, change.asks)
            self._close_version(change.asset.asset_id, message.torn)
            return
        touched = {}
        for asset, is_bid, price, size in change:
            touched[asset.index] = asset.asset_id
            self._book(asset.asset_id).put(is_bid, price, size)
        for symbol in touched.values():
            self._close_version(symbol, message.torn)

    def start(self, levels: Levels) -> None:
        """Version 0 of an asset."""
        book = self._book(levels.asset.asset_id)
        book.replace(levels.bids, levels.asks)
        book.past.append((0, book.fingerprint, False))
