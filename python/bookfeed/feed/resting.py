"""What of the user's own rests in the books of a feed, told to its rules: they take none of it."""

from collections.abc import Mapping
from typing import Final

from bookfeed.market import Market
from bookfeed.own.account import OwnAccount
from bookfeed.own.view import Resting, resting_in
from bookfeed.recordings.inputs import EngineInput


class RestingTold:
    """What the engine of a feed was told of it so far."""

    def __init__(self, inputs: EngineInput) -> None:
        self._inputs: Final = inputs
        self._told: dict[int, Resting] = {}
        # Markets, and how often orders changed, when it was told last.
        self._seen: tuple[object, ...] = ()

    def look(
        self, accounts: Mapping[str, OwnAccount], markets: tuple[Market, ...], now_ns: int
    ) -> bool:
        """Tell what is another by now, and say whether anything is.

        It is cheap where nothing changed. Raises ``EngineError`` if the engine failed.
        """
        changes = (account.state.order_changes for account in accounts.values())
        seen = (markets, *changes)
        if seen == self._seen:
            return False
        self._seen = seen
        wanted = self._wanted(accounts, markets)
        changed = [n for n, sizes in wanted.items() if sizes != self._told.get(n, {})]
        for instrument in changed:
            sizes = wanted[instrument]
            bids, asks = (
                sorted((price, qty) for (where, price), qty in sizes.items() if where == side)
                for side in ("bid", "ask")
            )
            self._inputs.own_resting(instrument, bids, asks, now_ns)
        # A book that is followed no more may be again, as long as it is not let go of.
        known = (self._told | wanted).items()
        self._told = {n: sizes for n, sizes in known if sizes and n in self._inputs.names}
        return bool(changed)

    def _wanted(
        self, accounts: Mapping[str, OwnAccount], markets: tuple[Market, ...]
    ) -> dict[int, Resting]:
        resting = {venue: account.state.resting_e8() for venue, account in accounts.items()}
        found = {}
        for market in markets:
            if (orders := resting.get(market.venue)) is None:
                continue
            for symbol in market.symbols:
                instrument = self._inputs.engine.instrument(market.venue, symbol)
                if instrument is not None:
                    found[instrument] = resting_in(orders, market, symbol)
        return found
