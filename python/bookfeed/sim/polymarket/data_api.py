"""The simulated Polymarket's data interface: trades, and how markets were resolved.

``GET /v2/trades?condition=…``, newest first: one row a print of the market channel, its numbers as
JSON numbers, its time in whole seconds; a cursor leads to older rows and carries the size of its
pages. ``GET /v2/resolutions?condition=a,b``. Needs aiohttp.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from bookfeed.sim.polymarket.market import MarketSpec
from bookfeed.sim.polymarket.wire import Message
from bookfeed.sim.rest import RestBase, json_answer

_LIMIT: Final = 100
_LIMIT_MAX: Final = 500
_CONDITIONS_MAX: Final = 20
_CONDITION: Final = re.compile(r"0x[0-9a-f]{64}")
_MS: Final = 1_000


class DataApi(RestBase):
    """Serves ``trades``, messages of the market channel, oldest first; of ``specs`` by condition
    id. The sequence may grow while it runs.
    """

    def __init__(self, trades: Sequence[Message], specs: Mapping[str, MarketSpec]) -> None:
        super().__init__(
            [
                web.get("/v2/trades", self._trades_of),
                web.get("/v2/resolutions", self._resolutions_of),
            ]
        )
        self._trades = trades
        self._specs = specs
        self.resolutions: dict[str, dict[str, Any]] = {}
        """What is said of the resolution of markets, by condition id; see ``resolve``."""

    def resolve(self, condition_id: str, payouts: Sequence[int], at: str) -> None:
        """Say from now on that a market is resolved; ``payouts`` in micro-dollars a share."""
        self.resolutions[condition_id] = {
            "condition_id": condition_id,
            "status": "resolved",
            "was_disputed": False,
            "payouts": list(payouts),
            "resolution_source": "reported",
            "last_update_timestamp": at,
            "resolved_at": at,
        }

    async def _trades_of(self, request: web.Request) -> web.Response:
        cursor, given = request.query.get("cursor", ""), request.query.get("limit", str(_LIMIT))
        # So many newer rows there are, and the size of the pages.
        start, _, size = cursor.partition(":") if cursor else ("0", "", given)
        if not all(one.isascii() and one.isdigit() for one in (start, size)):
            return json_answer('{"error":"limit is invalid"}', 400)
        limit = min(int(size), _LIMIT_MAX)
        spec = self._specs.get(request.query.get("condition", ""))
        index = -1 if spec is None else spec.index
        prints = [one for one in reversed(self._trades) if one.market == index]
        rows = [] if spec is None else [_row(one, spec) for one in prints[int(start) :][:limit]]
        after = int(start) + limit
        more = after < len(prints)
        page = {
            "limit": limit,
            "has_more": more,
            "next_cursor": f"{after}:{limit}" if more else None,
        }
        return json_answer(json.dumps({"data": rows, "pagination": page}))

    async def _resolutions_of(self, request: web.Request) -> web.Response:
        """What is said of up to 20 markets; those of which nothing is said are left out."""
        asked = request.query.get("condition", "").split(",")
        if len(asked) > _CONDITIONS_MAX or not all(_CONDITION.fullmatch(one) for one in asked):
            return json_answer('{"error":"condition is invalid"}', 400)
        rows = [self.resolutions[one] for one in asked if one in self.resolutions]
        return json_answer(json.dumps({"data": rows}))


def _row(message: Message, spec: MarketSpec) -> dict[str, Any]:
    told = json.loads(message.text(message.mask))
    index = spec.asset_ids.index(told["asset_id"])
    return {
        "token_id": told["asset_id"],
        "condition_id": spec.condition_id,
        "title": spec.question,
        "outcome": spec.outcomes[index],
        "outcome_index": index,
        "price": float(told["price"]),
        "size": float(told["size"]),
        "side": told["side"],
        "timestamp": message.ts_ms // _MS,
        "transaction_hash": told["transaction_hash"],
    }
