"""Whether a venue answers by REST, how soon, what time it is there, and what may be asked."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Collection
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from bookfeed.doctor import answers
from bookfeed.doctor.clock import DATE_STEP_S, ClockWindow, told_time
from bookfeed.doctor.finding import Finding
from bookfeed.live.handshake import secrets, shown, told
from bookfeed.live.http import available, http_date_s
from bookfeed.live.proxy import proxy_of
from bookfeed.venues.base import Endpoint, RestRequest

if TYPE_CHECKING:
    import aiohttp

TIMEOUT_S: Final = 5.0
# Asked so often, each at another fifth of a second, the clock is known to a fraction of one,
# although answers are cut to seconds.
QUESTIONS: Final = 5
_APART_S: Final = 0.4
_BODY_BYTES_MAX: Final = 64 * 1024
# For a venue that has no question about the time: any answer has a date.
_BY_ITSELF: Final = RestRequest("GET", "/")


class _Answer(NamedTuple):
    """An answer, and when it was asked for and came, by the wall clock."""

    status: int
    headers: dict[str, str]
    body: bytes
    asked_s: float
    came_s: float

    def header(self, name: str) -> str:
        """A header, empty if there is none."""
        found = (value for key, value in self.headers.items() if key.lower() == name.lower())
        return next(found, "")


async def asked(endpoint: Endpoint, clock: ClockWindow) -> AsyncIterator[Finding]:
    """What came of asking; ``clock`` hears what time it is there."""
    name, request = endpoint.venue.name, endpoint.venue.time or _BY_ITSELF
    if endpoint.rest_url is None:
        return
    if not available():
        yield Finding(
            name, "rest", "warn", "aiohttp is not installed", "pip install 'bookfeed[rest]'"
        )
        return
    import aiohttp

    hidden = secrets(endpoint.rest_url, {}) | secrets(proxy_of(endpoint.rest_url) or "", {})
    took_s: list[float] = []
    left: dict[str, str] = {}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        for number in range(QUESTIONS):
            if number:
                await asyncio.sleep(_APART_S)
            try:
                answer = await _ask(session, endpoint, request)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                text = f"{request.method} {request.path} failed: {told(error, hidden)}"
                advice = "without REST, books come back by reconnecting: see the lines above"
                yield Finding(name, "rest", "bad", text, advice)
                return
            took_s.append(answer.came_s - answer.asked_s)
            left |= answers.budgets(answer.headers)
            _hear(clock, answer)
            if wrong := _wrong(name, request, answer, hidden):
                yield wrong
                return
    # The first one opens the connection.
    usual_s = statistics.median(took_s[1:])
    text = f"{request.method} {request.path} answers in {usual_s * 1e3:.1f} ms"
    yield Finding(name, "rest", "ok", text, facts={"took_s": usual_s})
    if left:
        said = ", ".join(f"{key}: {shown(value, hidden)}" for key, value in sorted(left.items()))
        yield Finding(name, "rate budget", "ok", said, facts={"headers": left})


async def _ask(
    session: "aiohttp.ClientSession", endpoint: Endpoint, request: RestRequest
) -> _Answer:
    url = (endpoint.rest_url or "").rstrip("/") + request.path
    asked_s = time.time()
    async with session.request(
        request.method,
        url,
        data=request.body,
        allow_redirects=False,
        proxy=proxy_of(url),
        ssl=True if endpoint.ssl_context is None else endpoint.ssl_context,
    ) as response:
        came_s = time.time()  # before the body: the time in it is that of the beginning
        body = await response.content.read(_BODY_BYTES_MAX)
        return _Answer(response.status, dict(response.headers), body, asked_s, came_s)


def _hear(clock: ClockWindow, answer: _Answer) -> None:
    """What an answer tells of the time, unless it is one that was kept."""
    if answer.header("Age") not in ("", "0"):
        return
    date_s = http_date_s(answer.header("Date"))
    if date_s is not None:
        clock.hear(answer.asked_s, answer.came_s, date_s, DATE_STEP_S)
    if answer.status == HTTPStatus.OK and (said := told_time(answer.body)) is not None:
        clock.hear(answer.asked_s, answer.came_s, *said)


def _wrong(
    name: str, request: RestRequest, answer: _Answer, hidden: Collection[str]
) -> Finding | None:
    """What is wrong with an answer; a server without the question that was asked is one."""
    kind = answer.header("Content-Type")
    page = answers.is_page(kind, answer.body)
    known = request is not _BY_ITSELF
    if not page and (answer.status == HTTPStatus.OK or not known):
        return None
    text, advice = answers.refused("rest_url", answer.status, kind, answer.body, hidden)
    return Finding(
        name,
        "rest",
        "bad",
        f"{request.method} {request.path} {text}",
        advice,
        {"status": answer.status, "page": page},
    )
