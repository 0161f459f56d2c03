"""JSON, or by request MessagePack: the same content in either, since one is made of the other."""

import importlib.util
from typing import Any, Final, Literal

import orjson
from aiohttp import web

Format = Literal["json", "msgpack"]

MSGPACK: Final = "application/msgpack"
# As clients have called it before it had a name.
_CALLED: Final = frozenset({MSGPACK, "application/x-msgpack", "application/vnd.msgpack"})


def available() -> bool:
    """Whether the package msgpack is installed."""
    return importlib.util.find_spec("msgpack") is not None


def as_msgpack(payload: bytes) -> bytes:
    """What is in JSON, as MessagePack."""
    import msgpack

    packed: bytes = msgpack.packb(orjson.loads(payload))
    return packed


def of_socket(request: web.Request) -> Format:
    """The format in which a WebSocket asks for messages; raises the answer to one there is not."""
    wanted = request.query.get("format", "json")
    if wanted == "json":
        return "json"
    if wanted != "msgpack":
        raise web.HTTPBadRequest(text="format is json or msgpack")
    if not available():
        raise web.HTTPNotImplemented(text="the server lacks msgpack: pip install msgpack")
    return "msgpack"


def as_asked(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """A JSON answer as ``Accept`` wants it; JSON where it names neither, or JSON first."""
    if response.content_type != "application/json" or not isinstance(response, web.Response):
        return response
    accepted = [
        one.partition(";")[0].strip() for one in request.headers.get("Accept", "").split(",")
    ]
    first: Any = next((one for one in accepted if one in _CALLED or one == "application/json"), "")
    if first in _CALLED and isinstance(response.body, bytes) and available():
        return web.Response(
            body=as_msgpack(response.body), status=response.status, content_type=MSGPACK
        )
    return response
