"""Which trades a client must have told, by the frames that came and what was wrong with them."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from bookfeed.sim.faults import FaultEvent

TRADE: Final = b'"event_type":"last_trade_price"'
_ASSET: Final = re.compile(rb'"asset_id":"([0-9]+)"')
_TRANSACTION: Final = re.compile(rb'"transaction_hash":"(\w+)"')


class ToldTrades:
    """The trades that came: each is one, however often it came, unless the venue had two."""

    def __init__(self) -> None:
        self._came: Counter[bytes] = Counter()

    def hear(self, payload: bytes) -> None:
        """A frame came."""
        if TRADE in payload:
            self._came[payload] += 1

    def owed(self, log: Sequence[FaultEvent]) -> Counter[str]:
        """How many trades of each asset there were."""
        alike = {event.detail for event in log if event.fault.kind == "fill"}
        owed: Counter[str] = Counter()
        for payload, times in self._came.items():
            asset, transaction = _ASSET.search(payload), _TRANSACTION.search(payload)
            assert asset is not None and transaction is not None
            fills = 2 if f"twice {transaction.group(1).decode()}" in alike else 1
            owed[asset.group(1).decode()] += min(times, fills)
        return owed
