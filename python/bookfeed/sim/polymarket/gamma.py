"""Gamma, simulated on loopback: what Polymarket lists, searched and paged as the venue does it.

``Gamma(listed(venue, now_ms))`` lists the markets of a simulated venue. Limits are clamped without
a word, a cursor is there only while more follows, and closed markets hide from those who do not ask
for them. Needs aiohttp.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from bookfeed.sim.rest import RestBase, json_answer

_PAGE_DEFAULT: Final = 20
_PAGE_MAX: Final = 100
_OFFSET_MAX: Final = 2000
_SORTS: Final = (
    "id", "volumeNum", "volume24hr", "liquidityNum", "endDate", "startDate", "createdAt",
)  # fmt: skip
_TOO_FAR: Final = "offset too large, use /{kind}/keyset for deeper pagination"

Object = dict[str, Any]


class _Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class Gamma(RestBase):
    """Serves ``events``, each with its markets in it; objects may be changed while it runs."""

    def __init__(self, events: Sequence[Object]) -> None:
        self.events = list(events)
        self.hidden: set[str] = set()
        """Slugs of events that are not listed yet."""
        self.busy: list[int | None] = []
        """One for each of the next requests that is answered with 429: its ``Retry-After``."""
        paths: dict[str, Callable[[web.Request], Any]] = {
            "/events": lambda request: self._offset(request, "events"),
            "/markets": lambda request: self._offset(request, "markets"),
            "/events/keyset": lambda request: self._keyset(request, "events"),
            "/markets/keyset": lambda request: self._keyset(request, "markets"),
            "/events/slug/{slug}": lambda request: self._by_slug(request, "events"),
            "/markets/slug/{slug}": lambda request: self._by_slug(request, "markets"),
            "/public-search": self._search,
        }
        super().__init__(web.get(path, self._answering(answer)) for path, answer in paths.items())

    def _answering(self, answer: Callable[[web.Request], Any]) -> Any:
        async def handle(request: web.Request) -> web.Response:
            if self.busy:
                after = self.busy.pop(0)
                headers = {} if after is None else {"Retry-After": str(after)}
                return web.Response(status=429, headers=headers)
            try:
                body = json.dumps(answer(request))
            except _Refused as error:
                return json_answer(json.dumps({"error": str(error)}), error.status)
            # For telling answers apart, not for safety.
            etag = f'W/"{hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()}"'
            if request.headers.get("If-None-Match") == etag:
                return web.Response(status=304, headers={"ETag": etag})
            response = json_answer(body)
            response.headers["ETag"] = etag
            return response

        return handle

    # what there is

    def _all(self, kind: str) -> list[Object]:
        events = [event for event in self.events if event["slug"] not in self.hidden]
        if kind == "events":
            return events
        outer = [{key: value for key, value in one.items() if key != "markets"} for one in events]
        return [
            market | {"events": [event]}
            for event, one in zip(outer, events, strict=True)
            for market in one["markets"]
        ]

    def _by_slug(self, request: web.Request, kind: str) -> Object:
        slug = request.match_info["slug"]
        for found in self._all(kind):
            if found["slug"] == slug:
                return found
        raise _Refused(404, "not found")

    # lists

    def _wanted(self, request: web.Request, kind: str) -> list[Object]:
        """What fits the filters, sorted."""
        query = request.query
        found = self._all(kind)
        closed = query.get("closed", "false" if kind == "markets" else None)
        if closed is not None:
            found = [one for one in found if one["closed"] is (closed == "true")]
        for key, field in (("condition_ids", "conditionId"), ("clob_token_ids", "clobTokenIds")):
            if wanted := query.getall(key, []):
                _check_ids(key, wanted)
                found = [one for one in found if any(id_ in one.get(field, "") for id_ in wanted)]
        if slugs := query.getall("slug", []):
            found = [one for one in found if one["slug"] in slugs]
        if tag := query.get("tag_slug"):
            found = [one for one in found if tag in [own["slug"] for own in one.get("tags", [])]]
        if before := query.get("end_date_max"):
            found = [one for one in found if one["endDate"] <= before]
        if after := query.get("end_date_min"):
            found = [one for one in found if one["endDate"] >= after]
        return _ordered(found, query, kind)

    def _offset(self, request: web.Request, kind: str) -> list[Object]:
        offset = _number(request, "offset", 0)
        if offset > _OFFSET_MAX:
            raise _Refused(422, _TOO_FAR.format(kind=kind))
        limit = min(_number(request, "limit", _PAGE_DEFAULT), _PAGE_MAX)
        return self._wanted(request, kind)[offset : offset + limit]

    def _keyset(self, request: web.Request, kind: str) -> Object:
        if "offset" in request.query:
            raise _Refused(422, "offset is not supported, use after_cursor")
        found = self._wanted(request, kind)
        limit = min(_number(request, "limit", _PAGE_DEFAULT), _PAGE_MAX)
        asked = [(k, v) for k, v in request.query.items() if k not in ("limit", "after_cursor")]
        bound = hashlib.sha256(repr(sorted(asked)).encode()).hexdigest()[:8]
        start = _start(request.query.get("after_cursor", ""), bound)
        page = found[start : start + limit]
        body: Object = {kind: page}
        if len(page) == limit:
            body["next_cursor"] = base64.b64encode(f"{start + limit}:{bound}".encode()).decode()
        return body

    def _search(self, request: web.Request) -> Object:
        words = request.query.get("q", "").lower().split()
        if not words:
            raise _Refused(422, "q is required")
        limit, page = _number(request, "limit_per_type", 5), _number(request, "page", 1)
        found = [one for one in self._all("events") if _holds(one, words)]
        if request.query.get("events_status") == "active":
            found = [one for one in found if not one["closed"]]
        start = (page - 1) * limit
        more = start + limit < len(found)
        return {
            "events": found[start : start + limit] or None,
            "profiles": None,
            "pagination": {"hasMore": more, "totalResults": len(found)},
        }


def _ordered(found: list[Object], query: Mapping[str, str], kind: str) -> list[Object]:
    order = query.get("order")
    if order is None:
        return found
    if order == "competitive" and kind == "events":
        raise _Refused(500, "internal error")
    if order not in _SORTS:
        raise _Refused(422, "order fields are not valid")
    down = query.get("ascending") == "false"
    return sorted(found, key=lambda one: one.get(order, 0), reverse=down)


def _check_ids(key: str, ids: Sequence[str]) -> None:
    numbers = key != "clob_token_ids" or all(one.isdigit() for one in ids)
    if any("," in one for one in ids) or not numbers:
        raise _Refused(422, f"{key} is invalid")


def _number(request: web.Request, name: str, default: int) -> int:
    given = request.query.get(name, str(default))
    if not (given.isascii() and given.isdigit()):
        raise _Refused(422, f"{name} is invalid")
    return int(given)


def _start(cursor: str, bound: str) -> int:
    if not cursor:
        return 0
    try:
        start, _, found = base64.b64decode(cursor, validate=True).decode().partition(":")
    except ValueError:
        found = ""
    if found != bound:
        raise _Refused(400, "invalid cursor")
    return int(start)


def _holds(event: Object, words: Sequence[str]) -> bool:
    titles = [event["title"], *(market["question"] for market in event["markets"])]
    told = " ".join(titles).lower()
    return all(word in told for word in words)
