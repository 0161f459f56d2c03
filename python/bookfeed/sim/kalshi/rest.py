"""The REST side of the simulated Kalshi: books and listings, as public calls answer them.

Needs aiohttp. Answers are of this moment, not as stale as a cache's may be; nobody need sign.
"""

import ssl
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from aiohttp import web

from bookfeed.sim.kalshi import rest_text as text
from bookfeed.sim.kalshi.market import Market
from bookfeed.sim.kalshi.rest_history import BadRequest, History
from bookfeed.sim.kalshi.venue import SimKalshi
from bookfeed.sim.kalshi.wire import Message, dump
from bookfeed.sim.rest import RestBase, json_answer

BASE_PATH: Final = "/trade-api/v2"
_DEPTH_MAX: Final = 100
_BATCH_MAX: Final = 100
_LIMIT_MAX: Final = 1000
_EVENTS_MAX: Final = 200
_TIME_MAX: Final = 10**11
_MISSING: Final = '{"error":{"code":"not_found","message":"not found"}}'


class KalshiRest(RestBase):
    """Serves what ``venue`` lists; ``catch_up`` brings it to the present first. ``trades`` are the
    newest prints, oldest first; ``archived`` are the tickers of markets that stand among old ones.
    """

    def __init__(
        self,
        venue: SimKalshi,
        catch_up: Callable[[], None],
        trades: Sequence[Message] = (),
        archived: Collection[str] = (),
    ) -> None:
        self._venue = venue
        self._catch_up = catch_up
        self._prints = trades
        self._archived = archived
        paths = {
            "/markets": self._markets,
            "/markets/orderbooks": self._orderbooks,
            "/markets/trades": self._trades,
            "/markets/{ticker}": self._market,
            "/markets/{ticker}/orderbook": self._orderbook,
            "/events": self._events,
            "/events/{ticker}": self._event,
            "/series": self._all_series,
            "/series/{ticker}": self._series,
            "/exchange/status": self._status,
            "/exchange/schedule": self._schedule,
            **History(venue, trades, archived).paths,
        }
        super().__init__(
            web.get(f"{BASE_PATH}{path}", self._answering(answer)) for path, answer in paths.items()
        )

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Listens; port 0 picks a free one. ``OSError`` if it cannot."""
        await super().start(host, port, tls)
        self.url += BASE_PATH

    def _answering(self, answer: Callable[[web.Request], str]) -> Any:
        async def handle(request: web.Request) -> web.Response:
            self._catch_up()
            try:
                return json_answer(answer(request))
            except KeyError:
                return json_answer(_MISSING, 404)
            except BadRequest as error:
                body = {"error": {"code": "bad_request", "message": str(error)}}
                return json_answer(dump(body), 400)

        return handle

    def _orderbook(self, request: web.Request) -> str:
        (ticker,) = self.faults.given([request.match_info["ticker"]]) or [""]
        market = self._venue.given(ticker)
        return text.orderbook(market, _number(request, "depth", 0, _DEPTH_MAX))

    def _orderbooks(self, request: web.Request) -> str:
        tickers = request.query.getall("tickers", [])
        if not 1 <= len(tickers) <= _BATCH_MAX:
            raise BadRequest(f"tickers must be given 1 to {_BATCH_MAX} times")
        # A list with commas is no ticker: the parameter is repeated, and the first one counts.
        names = [ticker.partition(",")[0] for ticker in tickers]
        return text.orderbooks(list(self._venue.known(self.faults.given(names))))

    def _trades(self, request: web.Request) -> str:
        """A page of prints, newest first; the cursor is how many newer ones there are."""
        ticker = request.query.get("ticker")
        since_ms = _number(request, "min_ts", 0, _TIME_MAX) * 1_000
        found = [
            one
            for one in reversed(self._prints)
            if ticker in (None, one.ticker)
            and one.ts_ms >= since_ms
            and one.ticker not in self._archived
        ]
        limit = _number(request, "limit", 100, _LIMIT_MAX) or 100
        start = _number(request, "cursor", 0, len(found))
        after = start + limit
        return dump(
            {
                "trades": [text.trade_object(one) for one in found[start:after]],
                "cursor": str(after) if after < len(found) else "",
            }
        )

    def _market(self, request: web.Request) -> str:
        market = self._venue.by_ticker[request.match_info["ticker"]]
        if market.spec.ticker in self._archived:
            raise KeyError(market.spec.ticker)
        return dump({"market": text.market_object(market)})

    def _markets(self, request: web.Request) -> str:
        query = request.query
        found = self._venue.markets
        if tickers := query.get("tickers"):
            wanted = set(tickers.split(","))
            found = [market for market in found if market.spec.ticker in wanted]
        if event := query.get("event_ticker"):
            found = [market for market in found if market.spec.event_ticker == event]
        if series := query.get("series_ticker"):
            found = [market for market in found if market.spec.series_ticker == series]
        if word := query.get("status"):
            if word not in text.STATUS_OF_FILTER:
                raise BadRequest(f"status must be one of {', '.join(text.STATUS_OF_FILTER)}")
            found = [market for market in found if market.status in text.STATUS_OF_FILTER[word]]
        return self._page(request, _closing(request, found))

    def _page(self, request: web.Request, found: list[Market]) -> str:
        """One page; the cursor is where the next one begins."""
        limit = _number(request, "limit", 100, _LIMIT_MAX) or 100
        start = _number(request, "cursor", 0, len(found))
        page = found[start : start + limit]
        after = start + limit
        body = {
            "markets": [text.market_object(market) for market in page],
            "cursor": str(after) if after < len(found) else "",
        }
        return dump(body)

    def _events(self, request: web.Request) -> str:
        """A page of events that have a market of the ``status`` that is asked for."""
        query = request.query
        word, nested = query.get("status"), query.get("with_nested_markets") == "true"
        if word is not None and word not in text.STATUS_OF_FILTER:
            raise BadRequest(f"status must be one of {', '.join(text.STATUS_OF_FILTER)}")
        found = []
        for event in self._venue.events.values():
            own = [m for m in self._venue.markets if m.spec.event_ticker == event.ticker]
            fits = query.get("series_ticker") in (None, event.series.ticker)
            if fits and (word is None or any(m.status in text.STATUS_OF_FILTER[word] for m in own)):
                markets = {"markets": [text.market_object(m) for m in own]} if nested else {}
                found.append(text.event_object(event) | markets)
        limit = _number(request, "limit", _EVENTS_MAX, _EVENTS_MAX) or _EVENTS_MAX
        start = _number(request, "cursor", 0, len(found))
        after = start + limit
        cursor = str(after) if after < len(found) else ""
        return dump({"events": found[start:after], "cursor": cursor})

    def _all_series(self, _request: web.Request) -> str:
        return dump({"series": [text.series_object(one) for one in self._venue.series.values()]})

    def _event(self, request: web.Request) -> str:
        event = self._venue.events[request.match_info["ticker"]]
        listed = [one for one in self._venue.markets if one.spec.event_ticker == event.ticker]
        if event.markets and not listed:
            raise KeyError(event.ticker)  # its markets are listed later, and it with them
        kept = (market for market in listed if market.spec.ticker not in self._archived)
        markets = [text.market_object(market) for market in kept]
        body = text.event_object(event)
        if request.query.get("with_nested_markets") == "true":
            return dump({"event": body | {"markets": markets}})
        return dump({"event": body, "markets": markets})

    def _series(self, request: web.Request) -> str:
        series = self._venue.series[request.match_info["ticker"]]
        return dump({"series": text.series_object(series)})

    def _schedule(self, request: web.Request) -> str:
        return text.EXCHANGE_SCHEDULE

    def _status(self, request: web.Request) -> str:
        return text.exchange_status(self._venue.active and not self._venue.halted)


def _closing(request: web.Request, found: list[Market]) -> list[Market]:
    """Those that close within the bounds that are given, Unix seconds, which only go with markets
    that are closed or of any status.
    """
    bounds = {key: _number(request, key, 0, _TIME_MAX) for key in ("min_close_ts", "max_close_ts")}
    given = {key: at_s for key, at_s in bounds.items() if at_s}
    if given and request.query.get("status") not in (None, "closed"):
        raise BadRequest(f"{', '.join(given)} cannot be given with this status")
    first_s, last_s = bounds["min_close_ts"], bounds["max_close_ts"] or _TIME_MAX
    return [market for market in found if first_s * 1000 <= market.close_ms <= last_s * 1000]


def _number(request: web.Request, name: str, default: int, most: int) -> int:
    given = request.query.get(name, "")
    if not given:
        return default
    if not (given.isascii() and given.isdigit()) or int(given) > most:
        raise BadRequest(f"{name} must be a number up to {most}")
    return int(given)
