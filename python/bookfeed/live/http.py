"""The REST client: sends one request, and says what came of it.

It needs aiohttp (``pip install bookfeed[rest]``); without it a session resyncs by reconnecting.
Bodies are handed to the engine as they came; only the engine reads market data.
"""

import asyncio
import email.utils
import importlib
import importlib.util
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Self, cast
from urllib.parse import urlsplit

from bookfeed.clock import NS_PER_S, seconds_ns
from bookfeed.errors import ConfigError, SessionError
from bookfeed.live.handshake import told
from bookfeed.live.lookup import Resolver
from bookfeed.live.place import Place
from bookfeed.live.proxy import proxy_of
from bookfeed.venues.base import Endpoint, RestRequest

if TYPE_CHECKING:
    import aiohttp

TIMEOUT_S: Final = 5.0
BODY_BYTES_MAX: Final = 32 * 1024 * 1024
RETRY_AFTER_NS_MAX: Final = 600 * NS_PER_S

_CHUNK_BYTES: Final = 64 * 1024


class RestError(SessionError):
    """A REST request that brought no answer; ``retry_after_ns`` is what the server asked for,
    ``status`` what it answered with, 0 if it did not.
    """

    def __init__(self, problem: str, retry_after_ns: int = 0, status: int = 0) -> None:
        super().__init__(problem)
        self.status: Final = status
        self.retry_after_ns: Final = retry_after_ns


class Answer(NamedTuple):
    """What was answered to a request."""

    status: int
    body: bytes
    etag: str
    """What tells this body from later ones; empty if the server does not say."""
    age_s: int | None = None
    """For how many whole seconds a cache on the way has kept it; ``None``: none did."""


def available() -> bool:
    """Whether aiohttp is installed."""
    return importlib.util.find_spec("aiohttp") is not None


def required_rest_url(endpoint: Endpoint) -> str:
    """The REST address of a venue that is of no use without; ``ConfigError`` if there is none."""
    if endpoint.rest_url is not None:
        return endpoint.rest_url
    name = endpoint.venue.name
    if not available():
        problem = "its books begin with a whole book by REST, which needs aiohttp: pip install"
        raise ConfigError(name, "rest_url", f"{problem} 'bookfeed[rest]'")
    raise ConfigError(name, "rest_url", "is needed: its books begin with a whole book by REST")


def retry_after_ns(value: str | None, *, now_s: float | None = None) -> int:
    """Return a ``Retry-After`` header as nanoseconds from now, at most ten minutes.

    It holds seconds or an HTTP date. Absent, negative and unreadable values are 0.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        # Ten digits are 300 years; longer numbers need not be converted to be capped.
        return min(int(text[:10]) * NS_PER_S, RETRY_AFTER_NS_MAX)
    moment_s = http_date_s(text)
    if moment_s is None:
        return 0
    now = time.time() if now_s is None else now_s
    return min(max(0, seconds_ns(moment_s - now)), RETRY_AFTER_NS_MAX)


def http_date_s(text: str | None) -> float | None:
    """Return an HTTP date as Unix seconds; ``None`` if it is absent or unreadable."""
    try:
        return email.utils.parsedate_to_datetime(text or "").timestamp()
    except Exception:  # what others wrote: a zone may overflow, a year may be out of range
        return None


class RestClient:
    """Sends requests to one address over kept-alive connections; to the other one of its place,
    if that address turns it away.

    ``sign`` makes headers of a request and its path, from the root of the host on and without its
    query; ``hidden`` is what errors must not show.
    Raises ``SessionError`` if aiohttp is not installed or the address is not http or https.
    """

    def __init__(
        self,
        url: str | Place,
        *,
        ssl_context: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
        sign: Callable[[RestRequest, str], Mapping[str, str]] | None = None,
        hidden: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        place = Place(url) if isinstance(url, str) else url
        if urlsplit(place.url).scheme not in ("http", "https"):
            raise SessionError(f"REST address {place.url!r} must begin with http:// or https://")
        if not available():
            raise SessionError(
                "a REST address needs aiohttp: pip install 'bookfeed[rest]', or leave it out"
            )
        # Now, and not when the first book is lost: the loop would stand still for it.
        importlib.import_module("aiohttp")
        self._place: Final = place
        self._url = place.url.rstrip("/")
        self._ssl: Final = ssl_context
        self._timeout_s: Final = timeout_s
        self._proxy = proxy_of(place.url)
        self._sign: Final = sign
        self._hidden: Final = hidden
        self._session: aiohttp.ClientSession | None = None
        # Those that are used no more, until nothing is under way.
        self._left: list[aiohttp.ClientSession] = []
        self._under_way = 0

    async def fetch(self, request: RestRequest) -> bytes:
        """Return the body of the answer; raises ``RestError`` unless it is whole, and is one."""
        return (await self.ask(request)).body

    async def ask(self, request: RestRequest, *, unless_etag: str = "") -> Answer:
        """Return the answer; raises ``RestError`` unless it is whole, and is one.

        With ``unless_etag`` the server may answer 304, without a body, that nothing has changed.
        """
        self._under_way += 1
        asked = self._place.url
        try:
            return await self._ask(request, unless_etag)
        except RestError as error:
            if not self._place.turned_away(asked, error.status):
                raise
            self._url, self._proxy = self._place.url.rstrip("/"), proxy_of(self._place.url)
            return await self._ask(request, unless_etag)
        finally:
            self._under_way -= 1
            await self._close_left()

    async def _ask(self, request: RestRequest, unless_etag: str) -> Answer:
        headers = {"Content-Type": "application/json"}
        if self._sign is not None:
            path = urlsplit(self._url).path + request.path.partition("?")[0]
            headers |= self._sign(request, path)
        answers = request.answers
        if unless_etag:
            headers["If-None-Match"] = unless_etag
            answers |= {HTTPStatus.NOT_MODIFIED}
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._open().request(
                    request.method,
                    self._url + request.path,
                    data=request.body,
                    headers=headers,
                    allow_redirects=False,
                    proxy=self._proxy,
                    ssl=True if self._ssl is None else self._ssl,
                ) as response,
            ):
                if response.status not in answers:
                    raise RestError(
                        f"{request.method} {request.path} answered {response.status}",
                        retry_after_ns(response.headers.get("Retry-After")),
                        response.status,
                    )
                etag = response.headers.get("ETag", "")
                age_s = _age_s(response.headers.get("Age"))
                return Answer(response.status, await _body(response), etag, age_s)
        except RestError:
            raise
        except TimeoutError as error:
            problem = f"{request.method} {request.path} failed: no answer in {self._timeout_s:g} s"
            raise RestError(problem) from error
        except Exception as error:  # whatever the answer was like: there is none
            said = told(error, self._hidden())
            raise RestError(f"{request.method} {request.path} failed: {said}") from error

    def _open(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._session is None:
            resolver = cast("aiohttp.abc.AbstractResolver", Resolver())
            connector = aiohttp.TCPConnector(resolver=resolver)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session

    def renew(self) -> None:
        """Use the connections there are for nothing more: what is asked next takes fresh ones."""
        if self._session is not None:
            self._left.append(self._session)
            self._session = None

    async def _close_left(self) -> None:
        """Close the connections that are used no more, unless an answer may come on one."""
        while self._left and not self._under_way:
            await self._left.pop().close()

    async def close(self) -> None:
        """Close the connections; the client can be used again afterwards."""
        self.renew()
        for session in self._left:
            await session.close()
        self._left.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def _age_s(value: str | None) -> int | None:
    """An ``Age`` header in seconds; ``None`` where there is none that can be read."""
    text = (value or "").strip()
    return int(text[:10]) if text.isascii() and text.isdigit() else None


async def _body(response: "aiohttp.ClientResponse") -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise RestError(f"an answer of more than {BODY_BYTES_MAX} bytes")
    return bytes(body)
