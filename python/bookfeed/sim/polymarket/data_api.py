"""The simulated Polymarket's record of trades: ``GET /v2/trades?condition=…``, newest first.

One row a print of the market channel, its numbers as JSON numbers, its time in whole seconds.
Needs aiohttp.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

from aiohttp import web

from bookfeed.sim.polymarket.market import MarketSpec
from bookfeed.sim.polymarket.wire import Message
from bookfeed.sim.rest import RestBase, json_answer

_LIMIT: Final = 100
_LIMIT_MAX: Final = 500
_MS: Final = 1_000


class DataApi(RestBase):
    """Serves ``trades``, messages of the market channel, oldest first; of ``specs`` by condition
    id. The sequence may grow while it runs.
    """

    def __init__(self, trades: Sequence[Message], specs: Mapping[str, MarketSpec]) -> None:
        super().__init__([web.get("/v2/trades", self._answer)])
        self._trades = trades
        self._specs = specs

    async def _answer(self, request: web.Request) -> web.Response:
        given = request.query.get("limit", str(_LIMIT))
        if not (given.isascii() and given.isdigit()):
            return json_answer('{"error":"limit is invalid"}', 400)
        limit = min(int(given), _LIMIT_MAX)
        spec = self._specs.get(request.query.get("condition", ""))
        if spec is None:
            return json_answer('{"data":[]}')
        prints = (one for one in reversed(self._trades) if one.market == spec.index)
        rows = [_row(one, spec) for one in islice(prints, limit)]
        return json_answer(json.dumps({"data": rows}))


def _row(message: Message, spec: MarketSpec) -> dict[str, Any]:
    told = json.loads(message.text(message.mask))
    index = spec.asset_ids.index(told["asset_id"])
    return {
        "asset": told["asset_id"],
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
