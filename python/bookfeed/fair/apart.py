"""``Apart``: an engine beside a source, which knows contracts and their references and no books.

Recordings have been made without terms, or with others than those that are asked about. What
contracts are worth by terms of one's own is computed here, by the same rules as in a live feed,
from what the source hears.
"""

from collections.abc import Mapping
from typing import Final, Literal

from bookfeed._bookfeed import VENUES, BookView, Engine, SpotIndex
from bookfeed.feed.question import INDEX, Question
from bookfeed.feed.settling import Settling
from bookfeed.feed.source import BookSource
from bookfeed.feed.worth import CONSTITUENTS, reference_of
from bookfeed.market import Market, Outcome
from bookfeed.recordings.inputs import EngineInput
from bookfeed.records.points import PricePoint

_ASSETS: Final[Mapping[str, Literal["BTC", "ETH", "SOL", "XRP"]]] = {
    "BTC": "BTC", "ETH": "ETH", "SOL": "SOL", "XRP": "XRP",
}  # fmt: skip
_E9: Final = 10**9
INCLUDED: Final = "included"
"""How a constituent stands that is in an index."""
_CONNS: Final = {name: number for number, name in enumerate(VENUES)}


class Apart:
    """Contracts on what ``source`` hears; ``params`` are those of all terms."""

    def __init__(self, source: BookSource, params: Mapping[str, object]) -> None:
        self.engine: Final = Engine()
        self._inputs: Final = EngineInput(self.engine)
        self._source: Final = source
        self._ts = 0
        self._instruments: Final[dict[tuple[str, str], int]] = {}
        self._calculated: Final[dict[str, SpotIndex]] = {}
        # Of each venue the bit that it has among the constituents of an index.
        self._places: Final[dict[str, int]] = {}
        self.settling: Final = Settling(
            self._inputs,
            lambda: self._ts,
            book=self._book,
            index=lambda asset: f"told {INDEX}{asset}",
            pace=lambda: source.pace,
            params=params,
        )
        self._listener: Final = source.on_price(self._price)

    def close(self) -> None:
        """Hears no more."""
        self._listener.close()

    def tell(self, asset: str, ts: int, value_e9: int, standings: Mapping[str, str]) -> None:
        """An index has a value, of the venues that stand so."""
        of = 0
        for name, standing in standings.items():
            place = self._places.setdefault(name, len(self._places))
            of |= (standing == INCLUDED) << place
        self._told(f"{INDEX}{asset}", ts, value_e9 * _E9, of)

    def estimate(self, asset: str, ts: int) -> float | None:
        """An index by the spot books of now, where the source estimates none."""
        if asset not in self._calculated:
            self._calculated[asset] = SpotIndex(_ASSETS[asset])
        pair = f"{asset}-USD"
        books: dict[str, BookView] = {
            view.venue: view
            for view in self._source.books()
            if view.venue in CONSTITUENTS and pair in (view.market, view.symbol)
        }
        value = self._calculated[asset].tick(ts, dict(books)) if books else None
        if value is None:
            return None
        self.tell(asset, ts, value.value_e9, self.standings(asset))
        return value.value

    def standings(self, asset: str) -> Mapping[str, str]:
        """How each venue stood in such an index last."""
        index = self._calculated.get(asset)
        return {} if index is None else index.standings

    def forget(self, question: Question) -> None:
        """A market is over."""
        instrument = self._instruments.pop(question.key, None)
        if instrument is not None:
            self.settling.gone([instrument])
            self._inputs.unsubscribe(instrument, self._ts)
            self._inputs.forget(instrument, self._ts)

    def _price(self, point: PricePoint) -> None:
        if not point.carried:
            self._told(reference_of(point), point.ts_event, point.value_e18)

    def _told(self, name: str, ts: int, value_e18: int, of: int = 0) -> None:
        # Nothing here goes by when it was heard, so that the newest time will do.
        self._ts = max(self._ts, ts)
        self.settling.hear(name, ts, value_e18, of)
        if self.engine.pending:
            self.engine.drain(self._ts)

    def _book(self, question: Question) -> int:
        """The instrument of a contract, by the venue's id of its market, which no other has."""
        key = question.key
        if key not in self._instruments:
            venue, market = key
            listed = Market(market=market, outcomes=(Outcome("yes", market),), venue=venue)
            number = self._inputs.subscribe(listed, listed.outcomes[0], _CONNS[venue], self._ts)
            self._instruments[key] = number
        return self._instruments[key]
