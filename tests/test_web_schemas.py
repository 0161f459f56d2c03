"""What ``/openapi.json`` says of answers is what they are: each key of each, and no other."""

from pathlib import Path
from typing import Any, get_args

import orjson
import pytest
from session_server import NO, STAMPS, YES, Server, book_frame
from waiting import until
from web_server import Served, served, served_feed

from bookfeed.catalogue.listing import Listing, Strike
from bookfeed.rules.alerts import Alert
from bookfeed.web import schemas
from bookfeed.web.world import FeedState
from bookfeed.words import State

jsonschema = pytest.importorskip("jsonschema")

TRADE = (
    '[{"event_type":"last_trade_price","asset_id":"%s","market":"0xabc","price":"0.5",'
    '"size":"7","side":"BUY","timestamp":"%d","fee_rate_bps":"0"}]'
)


def strict(schema: Any) -> Any:
    """The same, with no key besides."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    return made | {"additionalProperties": False} if "required" in made else made


async def check(there: Served, described: Any, route: str, status: int, query: str = "") -> Any:
    where = route.replace("{venue}", "polymarket").replace("{symbol}", YES)
    found, told = await there.ask(where + query)
    assert found == status, route
    ((kind, content),) = described["paths"][route]["get"]["responses"][str(status)][
        "content"
    ].items()
    if kind != "application/json":
        assert isinstance(told, str)
        return told
    whole = {**content["schema"], "components": strict(described["components"])}
    jsonschema.Draft202012Validator(whole).validate(told)
    return told


async def test_each_answer_is_as_it_is_described(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "feed.sock"
    async with served_feed(server, path) as (feed, there):
        world = there.server.world
        peer = await server.peer(0)
        peer.text(book_frame(YES, "0.45"))
        peer.text((TRADE % (YES, STAMPS.next_ms())).encode())
        feed.know(
            Listing(
                venue="polymarket", market="0xabc", slug="up", title="Up?", status="open",
                strike=Strike("greater", None, None), open_ts=1, close_ts=2,
            )
        )  # fmt: skip
        alert = Alert(when="price", to=("bell",), symbol="mine", above="0.5")
        feed.tell_alert(alert, "mine", "told", sent=True)
        await until(lambda: world.trades() and world.alerts() and world.markets)
        await until(lambda: world.open_signals())
        fair = {"price": 0.5, "low": 0.4, "high": 0.6, "expected": 7.0}
        stamps = dict.fromkeys(("ts", "reference_ts"), world.pieces["feed"]["ts"])
        number = world.instrument("polymarket", YES)
        world.take_piece({"part": "fair", "fair": {number: {**stamps, **fair}}})
        _, described = await there.ask("/openapi.json")
        seen = {}
        for route in described["paths"]:
            if route not in ("/metrics", "/openapi.json"):
                seen[route] = await check(there, described, route, 200)
        # What is checked is there.
        assert seen["/arbitrage"]["markets"][0]["books"][0]["fair"] and seen["/markets"]["markets"]
        assert seen["/signals"]["open"][0]["legs"] and seen["/trades"]["trades"]
        assert seen["/status"]["connections"] and seen["/status"]["latency_ns"]
        await check(there, described, "/books/{venue}/{symbol}", 400, "?depth=0")
        await check(there, described, "/books", 400, "?offset=-1")
        status, told = await there.ask(f"/books/polymarket/{NO}-none")
        assert status == 404 and set(told) == {"error"}
    async with served(path) as there:
        for route in ("/arbitrage", "/status", "/books", "/signals"):
            await check(there, described, route, 200)
        await check(there, described, "/ready", 503)


def test_words_are_those_that_there_are() -> None:
    touch = schemas.components()["Touch"]["properties"]
    assert touch["state"]["enum"] == list(get_args(State))
    feed = schemas.components()["Books"]["properties"]["feed"]
    assert feed["enum"] == list(get_args(FeedState))
    assert orjson.dumps(schemas.components())
