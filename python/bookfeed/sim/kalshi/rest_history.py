"""What the simulated Kalshi remembers of markets: candles of their prints, and those of long ago.

A market that is ``archived`` stands among old ones alone, where names of numbers have no ending.
Needs aiohttp.
"""

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Any, Final

from aiohttp import web

from bookfeed.sim.kalshi import rest_text as text
from bookfeed.sim.kalshi.venue import SimKalshi
from bookfeed.sim.kalshi.wire import Message, dump, rfc3339_seconds

OLD: Final = "/historical"
_PERIODS: Final = ("1", "60", "1440")
_CANDLES_MAX: Final = 5_000


class BadRequest(Exception):
    """A request that is answered with 400."""


class History:
    """The paths of what is remembered, by what answers them."""

    def __init__(
        self, venue: SimKalshi, trades: Sequence[Message], archived: Collection[str]
    ) -> None:
        self._venue = venue
        self._trades = trades
        self._archived = archived
        self.paths: dict[str, Callable[[web.Request], str]] = {
            "/series/{series}/markets/{ticker}/candlesticks": self._candles,
            f"{OLD}/cutoff": self._cutoff,
            f"{OLD}/markets/{{ticker}}": self._old_market,
            f"{OLD}/markets/{{ticker}}/candlesticks": self._old_candles,
            f"{OLD}/trades": self._old_trades,
        }

    def _cutoff(self, _request: web.Request) -> str:
        """Later than all that is archived, and earlier than all that is not."""
        settled = [
            market.settled_ms
            for market in self._venue.markets
            if market.spec.ticker in self._archived
        ]
        at = rfc3339_seconds(max(settled, default=0) + 1_000)
        return dump({"market_settled_ts": at, "trades_created_ts": at, "orders_updated_ts": at})

    def _old_market(self, request: web.Request) -> str:
        market = self._venue.by_ticker[self._old(request)]
        return dump({"market": text.market_object(market)})

    def _old_trades(self, request: web.Request) -> str:
        ticker = request.query.get("ticker", "")
        old = [one for one in reversed(self._trades) if one.ticker == ticker in self._archived]
        return dump({"trades": [text.trade_object(one) for one in old], "cursor": ""})

    def _candles(self, request: web.Request) -> str:
        ticker = request.match_info["ticker"]
        if ticker in self._archived or ticker not in self._venue.by_ticker:
            raise KeyError(ticker)
        return self._drawn(request, ticker, prices="_dollars", sizes="_fp")

    def _old_candles(self, request: web.Request) -> str:
        return self._drawn(request, self._old(request), prices="", sizes="")

    def _old(self, request: web.Request) -> str:
        ticker = request.match_info["ticker"]
        if ticker not in self._archived:
            raise KeyError(ticker)
        return ticker

    def _drawn(self, request: web.Request, ticker: str, *, prices: str, sizes: str) -> str:
        query = request.query
        period = query.get("period_interval", "")
        try:
            start_s, end_s = int(query["start_ts"]), int(query["end_ts"])
        except (KeyError, ValueError) as error:
            raise BadRequest("start_ts and end_ts are required") from error
        if period not in _PERIODS:
            raise BadRequest(f"period_interval must be one of {', '.join(_PERIODS)}")
        length_s = int(period) * 60
        if (end_s - start_s) // length_s > _CANDLES_MAX:
            raise BadRequest(f"at most {_CANDLES_MAX} candlesticks")
        periods: dict[int, list[dict[str, Any]]] = {}
        for one in self._trades:
            end = (one.ts_ms // 1_000 // length_s + 1) * length_s
            if one.ticker == ticker and start_s <= end <= end_s:
                periods.setdefault(end, []).append(text.trade_object(one))
        candles = [_candle(end, own, prices, sizes) for end, own in sorted(periods.items())]
        return dump({"ticker": ticker, "candlesticks": candles})


def _candle(
    end_s: int, prints: Sequence[dict[str, Any]], prices: str, sizes: str
) -> dict[str, Any]:
    told = [Decimal(one["yes_price_dollars"]) for one in prints]
    drawn = {"open": told[0], "high": max(told), "low": min(told), "close": told[-1]}
    touch = {name + prices: str(price) for name, price in drawn.items()}
    return {
        "end_period_ts": end_s,
        "yes_bid": touch,
        "yes_ask": touch,
        "price": touch | {f"previous{prices}": None},
        f"volume{sizes}": str(sum(Decimal(one["count_fp"]) for one in prints)),
        f"open_interest{sizes}": "0.00",
    }
