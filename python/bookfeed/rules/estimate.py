"""An index of spot books to be estimated, as it is handed to an engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bookfeed.names import IndexName

_TICK_MS: Final = 200
"""Between effective times, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class IndexEstimate:
    """An index that a feed estimates from its books as time passes, and hands to ``on_index``::

        IndexEstimate("btc", "BTC", {market.venue: market.symbols[0] for market in markets})

    ``name`` is what it is called, ``asset`` is ``"BTC"``, ``"ETH"``, ``"SOL"`` or ``"XRP"``;
    ``constituents`` are symbols by venue, whose markets are to be followed by themselves.
    ``params`` are the switches of the method (``docs/metrics.md``), ``tick_ms`` among them: the
    distance of effective times. It is an estimate of ours, not the administrator's value, and must
    not be called by its name.
    """

    name: str
    asset: str
    constituents: Mapping[str, str]
    params: Mapping[str, object] = field(default_factory=dict)

    def texts(self) -> dict[str, object]:
        """Its parameters, as an engine takes them."""
        listed = "; ".join(f"{venue} {symbol}" for venue, symbol in self.constituents.items())
        return {**self.params, "asset": self.asset, "constituents": listed}


def index_name(name: str, params: Mapping[str, object]) -> IndexName:
    """What an index is called, and of what it is, by the parameters an engine took."""
    parts = [part.split() for part in str(params["constituents"]).split(";")]
    books = tuple((part[0], part[1]) for part in parts if part)
    tick_ms = round(float(str(params.get("tick_ms", _TICK_MS))))
    return IndexName(name, str(params["asset"]), books, tick_ms)
