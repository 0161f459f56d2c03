"""What is asked for by HTTP: the same objects as over WebSockets, one answer each.

Every route only reads: there is none that orders, changes or stops anything.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import orjson
from aiohttp import web

from bookfeed._bookfeed import __version__
from bookfeed.errors import SessionError
from bookfeed.names import name_of
from bookfeed.web import metrics, schemas
from bookfeed.web.channels import DEPTH_MAX, Channels, Subscription
from bookfeed.web.world import World

BOOKS_MAX: Final = 1_000
"""Books in one answer; ``offset`` goes on."""
OFFSET_MAX: Final = 1 << 31


class Parameter(NamedTuple):
    """One parameter of a route."""

    name: str
    where: str
    about: str
    bounds: tuple[int, int] | None = None
    """From where to where, if it is a whole number."""

    def described(self) -> dict[str, Any]:
        """The same in OpenAPI."""
        schema: dict[str, Any] = {"type": "string", "maxLength": 256}
        if self.bounds is not None:
            least, most = self.bounds
            schema = {"type": "integer", "minimum": least, "maximum": most}
        required, about = self.where == "path", self.about
        return {
            "name": self.name, "in": self.where, "required": required, "description": about,
            "schema": schema,
        }  # fmt: skip


class Route(NamedTuple):
    """One route, and what its description says."""

    path: str
    about: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    parameters: tuple[Parameter, ...] = ()
    answers: str = ""
    """The name of what it answers with, in ``schemas.py``; empty for what has none."""
    errors: tuple[int, ...] = ()
    """What else it may answer, besides what each route may."""


_ERRORS: Final = {
    400: "A number that is none, or is out of its bounds",
    401: "The token is missing or wrong",
    403: "A page of another origin asks",
    404: "There is no such book",
    421: "The name of the host is none of the server's",
    429: "Too many wrong tokens",
    503: "The feed is not heard, or does not answer",
}
_REFUSED: Final = (401, 403, 421, 429)
"""What each route may answer to who may not come in."""
_VENUE: Final = Parameter("venue", "query", "of this venue only")
_MARKET: Final = Parameter("market", "query", "of this market only, by the venue's id")
_RULE: Final = Parameter("rule", "query", "of this kind of rule, or of the rule of this name")


def answer(content: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    body = orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
    return web.Response(body=body, status=status, content_type="application/json")


class Rest:
    """The handlers; ``ask`` has the feed show a book, ``counts`` are the server's own."""

    def __init__(
        self,
        world: World,
        channels: Channels,
        ask: Callable[[int, int], Awaitable[dict[str, Any] | None]],
        counts: Callable[[], dict[str, float]],
    ) -> None:
        self._world: Final = world
        self._channels: Final = channels
        self._ask: Final = ask
        self._counts: Final = counts
        book_parameters = (
            Parameter("venue", "path", "the venue's name"),
            Parameter("symbol", "path", "the venue's symbol of the book"),
            Parameter("depth", "query", "levels a side; 10 unless given", (1, DEPTH_MAX)),
        )
        offset = Parameter(
            "offset", "query", f"leave so many out; an answer has {BOOKS_MAX}", (0, OFFSET_MAX)
        )
        self.routes: Final = (
            Route("/arbitrage", "Spot, markets with strikes and prices, signals", self.arbitrage,
                  (), "Arbitrage"),
            Route("/books", "How each book stands", self.books, (_VENUE, _MARKET, offset),
                  "Books", (400,)),
            Route("/books/{venue}/{symbol}", "One book with levels", self.book, book_parameters,
                  "Book", (400, 404, 503)),
            Route("/trades", "The newest trades", self.trades, (_VENUE, _MARKET), "Trades"),
            Route("/signals", "Open signals, and those that have closed", self.signals,
                  (_VENUE, _MARKET, _RULE), "Signals"),
            Route("/alerts", "What alerts told last, the oldest first", self.alerts, (), "Alerts"),
            Route("/markets", "What is known of markets", self.markets, (), "Markets"),
            Route("/status", "How the feed is doing", self.status, (), "Status"),
            Route("/health", "Whether the server runs, and what it hears", self.health, (),
                  "Health"),
            Route("/ready", "200 while the feed is heard, else 503", self.ready, (), "Ready",
                  (503,)),
            Route("/metrics", "For Prometheus", self.metrics),
            Route("/openapi.json", "This description", self.openapi),
        )  # fmt: skip

    async def arbitrage(self, _: web.Request) -> web.Response:
        """Everything at once."""
        return answer(self._world.arbitrage())

    async def books(self, request: web.Request) -> web.Response:
        """How each book stands."""
        found = self._channels.books(_filter("books", request))
        offset = _whole(request, "offset", 0, 0, OFFSET_MAX)
        shown = found[offset : offset + BOOKS_MAX]
        return answer({"feed": self._world.feed, "count": len(found), "books": shown})

    async def book(self, request: web.Request) -> web.Response:
        """One book with levels, asked of the feed."""
        depth = _whole(request, "depth", 10, 1, DEPTH_MAX)
        venue, symbol = request.match_info["venue"], request.match_info["symbol"]
        instrument = self._world.instrument(venue, symbol)
        if instrument is None:
            return answer({"error": "there is no such book; /books lists them"}, 404)
        if self._world.feed != "heard":
            return answer({"error": "the feed is not heard", "feed": self._world.feed}, 503)
        try:
            book = await self._ask(instrument, depth)
        except SessionError as error:
            return answer({"error": str(error)}, 503)
        if book is None:
            return answer({"error": "the feed has no such book any more"}, 404)
        name = name_of(self._world.names, instrument)
        return answer(book | {"title": name.title})

    async def trades(self, request: web.Request) -> web.Response:
        """The newest trades."""
        return answer({"trades": self._channels.trades(_filter("trades", request), 500)})

    async def signals(self, request: web.Request) -> web.Response:
        """Open signals, and those that have closed."""
        wanted = _filter("signals", request)
        told = {"open": self._channels.signals(wanted), "closed": self._channels.closed(wanted)}
        return answer({"feed": self._world.feed, **told})

    async def alerts(self, _: web.Request) -> web.Response:
        """What alerts told last."""
        return answer({"feed": self._world.feed, "alerts": self._world.alerts()})

    async def markets(self, _: web.Request) -> web.Response:
        """What is known of markets."""
        return answer({"markets": list(self._world.markets.values())})

    async def status(self, _: web.Request) -> web.Response:
        """How the feed is doing."""
        return answer(self._world.standing())

    async def health(self, _: web.Request) -> web.Response:
        """Whether the server runs, and what it hears."""
        return answer({"server": "running", "version": __version__, "feed": self._world.feed})

    async def ready(self, _: web.Request) -> web.Response:
        """Whether what is told may be believed."""
        heard = self._world.feed == "heard"
        return answer({"ready": heard, "feed": self._world.feed}, 200 if heard else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        """For Prometheus."""
        text = metrics.page(self._world, self._counts())
        return web.Response(body=text.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def openapi(self, _: web.Request) -> web.Response:
        """The description of these routes, in OpenAPI 3.1."""
        return answer(description(self.routes))


def description(routes: tuple[Route, ...]) -> dict[str, Any]:
    """Routes in OpenAPI 3.1."""
    paths = {
        route.path: {
            "get": {
                "summary": route.about,
                "parameters": [one.described() for one in route.parameters],
                "responses": _responses(route),
            }
        }
        for route in routes
    }
    scheme = {"bearer": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "bookfeed", "version": __version__},
        # Where a token is set, and where none is.
        "security": [{}, {"bearer": []}],
        "paths": paths,
        "components": {"schemas": schemas.components(), "securitySchemes": scheme},
    }


def _responses(route: Route) -> dict[str, Any]:
    told: dict[str, Any] = {"200": {"description": route.about}}
    if route.answers:
        told["200"]["content"] = _json(route.answers)
    for status in (*route.errors, *_REFUSED):
        told[str(status)] = {"description": _ERRORS[status]}
        if status == 503 and route.answers == "Ready":
            told["503"]["content"] = _json("Ready")
        elif status in (404, 503):
            told[str(status)]["content"] = _json("Error")
        else:
            told[str(status)]["content"] = {"text/plain": {"schema": {"type": "string"}}}
    return told


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": schemas.reference(name)}}


def _filter(channel: str, request: web.Request) -> Subscription:
    query = request.query
    venue, market, rule = (query.get(name, "")[:256] for name in ("venue", "market", "rule"))
    return Subscription(channel, venue=venue, market=market, rule=rule)


def _whole(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    """A number of the query; raises the answer to one that is none."""
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 11 and least <= int(text) <= most):
        raise web.HTTPBadRequest(text=f"{name} is a number from {least} to {most}")
    return int(text)
