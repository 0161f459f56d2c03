"""What can go wrong with the REST side of any simulated venue, from now until it is mended.

    faults.begin("limit", retry_after_s=2)
    ...
    faults.end("limit")

Kinds, as the venues' pages have them:

* ``limit``: 429, with ``Retry-After`` or without; ``away``: 503, likewise; ``abroad``: 451.
* ``page``: 200, with an HTML page in place of an answer; ``hang``: no answer for a while.
* ``late``: an answer of when it was asked for is sent a while later.
* ``older``: every third answer is the one before the last, and does not say so.
* ``stale``: what a cache keeps for 30 s: the first answer of an address, with its ``Age``.
* ``poison``: a request that names ``symbol`` is refused as a whole, with 422.
* ``clamp``: an answer has the first ``count`` books that were asked for, and does not say so.
* ``hidden``: ``symbol`` is not known yet.
* ``ghost``: the book of ``symbol``, or any, is 0.01 to 0.99, under a fresh time.

Faults of a schedule (``bookfeed.sim.beside``) come on top of these, by their own names.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from aiohttp import web

from bookfeed.sim.beside import ELSEWHERE, LATE_S, PAGE, retry_after
from bookfeed.sim.faults import Mishap

RestFaultKind = Literal[
    "limit",
    "away",
    "abroad",
    "page",
    "hang",
    "late",
    "older",
    "stale",
    "poison",
    "clamp",
    "hidden",
    "ghost",
]
_STATUS: Final[dict[str, int]] = {"limit": 429, "away": 503, "abroad": 451}
_STATUSES: Final = {"rest-429": 429, "rest-418": 418, "rest-503": 503}
# What a fault of a schedule is begun as, here; the others are answers of their own.
_AS: Final[dict[str, RestFaultKind]] = {
    "rest-page": "page",
    "rest-hang": "hang",
    "rest-late": "late",
    "rest-older": "older",
    "rest-cached": "stale",
}
KEPT_S: Final = 30.0
"""How long a cache keeps an answer."""
Scheduled = Callable[[], Sequence[Mishap]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class RestFault:
    """One thing that goes wrong; what is not said of it does not matter for its kind."""

    retry_after_s: int | None = None
    symbol: str = ""
    count: int = 0
    hang_s: float = 60.0


class RestFaults:
    """What goes wrong now, and how often it did."""

    def __init__(self) -> None:
        self.scheduled: Scheduled = tuple
        """What of a schedule lasts now."""
        self._planned: set[RestFaultKind] = set()
        self._now: dict[RestFaultKind, RestFault] = {}
        self._kept: dict[str, tuple[float, str]] = {}
        self._newest: dict[str, list[str]] = {}
        self.hits: Counter[RestFaultKind] = Counter()
        """Requests, or books, that each kind has spoilt so far."""

    def begin(
        self,
        kind: RestFaultKind,
        *,
        retry_after_s: int | None = None,
        symbol: str = "",
        count: int = 0,
        hang_s: float = 60.0,
    ) -> None:
        """Something goes wrong from now on."""
        self._now[kind] = RestFault(retry_after_s, symbol, count, hang_s)

    def end(self, kind: RestFaultKind) -> None:
        """It does so no more."""
        self._now.pop(kind, None)
        if kind == "stale":
            self._kept.clear()
        if kind == "older":
            self._newest.clear()

    def _hit(self, kind: RestFaultKind) -> RestFault | None:
        fault = self._now.get(kind)
        if fault is not None:
            self.hits[kind] += 1
        return fault

    # Whole answers.

    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The answer to a request, by ``handler`` or in its place."""
        if (spoilt := await self._as_scheduled(request)) is not None:
            return spoilt
        kinds: tuple[RestFaultKind, ...] = ("limit", "away", "abroad")
        for kind in kinds:
            if (fault := self._hit(kind)) is not None:
                after = fault.retry_after_s
                headers = {} if after is None else {"Retry-After": str(after)}
                body = '{"error":"too many requests"}' if kind == "limit" else ""
                return web.Response(status=_STATUS[kind], text=body, headers=headers)
        if (fault := self._hit("hang")) is not None:
            await asyncio.sleep(fault.hang_s)
        if self._hit("page") is not None:
            return web.Response(text=PAGE, content_type="text/html")
        poison = self._now.get("poison")
        if poison is not None and poison.symbol in request.path_qs + await request.text():
            self._hit("poison")
            return web.Response(status=422, text='{"error":"invalid payload"}')
        if "stale" in self._now:
            return await self._cached(request, handler)
        answer = await handler(request)
        if "older" in self._now:
            answer = await self._set_back(request, answer)
        if (fault := self._hit("late")) is not None:
            await asyncio.sleep(fault.hang_s)
        return answer

    async def _as_scheduled(self, request: web.Request) -> web.StreamResponse | None:
        """What a schedule answers in place of the venue; begins and ends what it has in common."""
        lasting = {fault.kind: fault for fault in self.scheduled()}
        planned = {_AS[kind] for kind in lasting if kind in _AS}
        for kind in planned - self._planned:
            self.begin(kind, hang_s=LATE_S if kind == "late" else 60.0)
        for kind in self._planned - planned:
            self.end(kind)
        self._planned = planned
        for name, status in _STATUSES.items():
            if (fault := lasting.get(name)) is not None:
                return web.Response(status=status, headers=retry_after(fault.variant))
        if "rest-redirect" in lasting:
            return web.Response(status=302, headers={"Location": ELSEWHERE})
        return await _cut(request) if "rest-cut" in lasting else None

    async def _set_back(
        self, request: web.Request, answer: web.StreamResponse
    ) -> web.StreamResponse:
        """The answer, or one that came before the last."""
        if answer.status != 200 or not isinstance(answer, web.Response):
            return answer
        newest = self._newest.setdefault(request.path_qs + await request.text(), [])
        if len(newest) < 2:
            newest.append(answer.text or "")
            return answer
        self._hit("older")
        text = newest[0]
        newest.clear()
        return web.Response(text=text, content_type="application/json")

    async def _cached(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        key = request.path_qs
        now_s = time.monotonic()
        if key not in self._kept or now_s - self._kept[key][0] >= KEPT_S:
            answer = await handler(request)
            if answer.status != 200 or not isinstance(answer, web.Response):
                return answer
            self._kept[key] = now_s, answer.text or ""
            return answer
        self._hit("stale")
        since_s, text = self._kept[key]
        age = {"Age": str(int(now_s - since_s))}
        return web.Response(text=text, content_type="application/json", headers=age)

    # Books of an answer.

    def given(self, symbols: Sequence[str]) -> list[str]:
        """Those of the books asked for that an answer has."""
        hidden, clamp = self._now.get("hidden"), self._now.get("clamp")
        found = [s for s in symbols if hidden is None or s != hidden.symbol]
        if len(found) < len(symbols):
            self._hit("hidden")
        if clamp is not None and len(found) > clamp.count:
            self._hit("clamp")
            return found[: clamp.count]
        return found

    def is_ghost(self, symbol: str) -> bool:
        """Whether a book is answered with one that says nothing."""
        fault = self._now.get("ghost")
        return fault is not None and fault.symbol in ("", symbol) and self._hit("ghost") is not None


async def _cut(request: web.Request) -> web.StreamResponse:
    """An answer whose connection is lost in the middle of a chunk."""
    answer = web.StreamResponse(headers={"Content-Type": "application/json"})
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    await answer.write(b'{"bids":[["0.')
    if request.transport is not None:
        request.transport.abort()
    return answer
