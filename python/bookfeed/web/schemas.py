"""What the answers of routes hold, as JSON Schema, for ``/openapi.json``.

Each object is written as its keys and what they are: a name below, ``?`` after it for ``null``, and
``[]`` for a list of it. ``tests/test_web_schemas.py`` holds them against what is answered.
"""

from collections.abc import Mapping
from typing import Any, Final

_DECIMAL: Final = {"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "description": "exact"}
_VALUES: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "string"},
    "yes": {"type": "boolean"},
    "count": {"type": "integer", "minimum": 0},
    "number": {"type": "number"},
    "decimal": _DECIMAL,
    "ts": {"type": "integer", "description": "Unix nanoseconds"},
    "ns": {"type": "integer", "description": "nanoseconds"},
    "state": {"enum": ["idle", "syncing", "live", "suspect", "stale", "live_poll"]},
    "feed": {"enum": ["heard", "silent", "lost"]},
    "level": {"type": "array", "prefixItems": [_DECIMAL, _DECIMAL], "minItems": 2, "maxItems": 2},
    "any": {},
}

_BOOK: Final = (
    "ts_recv:ts? ts_event:ts? ts_evidence:ts? venue:text market:text outcome:text symbol:text "
    "instrument:count epoch:count state:state cause:text "
    "bid:decimal? bid_qty:decimal? ask:decimal? ask_qty:decimal? record:text title:text "
)
_MARKET: Final = (
    "venue:text market:text title:text? series:text? strike:number? open_ts:ts? close_ts:ts? "
    "played_ts:ts[]? result:text? "
)
_MORE: Final = "slug:text status:text strike_cap:number? outcomes:Outcome[] "
_TOUCH: Final = f"{_BOOK} seq:count? conn:count? live:yes hash_verified:yes "
_COUNTS: Final = {"type": "object", "additionalProperties": _VALUES["count"]}

_OBJECTS: Final[dict[str, str]] = {
    "Touch": _TOUCH,
    "Priced": f"{_TOUCH} fair:Fair?",
    "Fair": "ts:ts reference_ts:ts price:number low:number high:number expected:number",
    "Book": f"{_BOOK} bids:level[] asks:level[]",
    "Trade": f"{_BOOK.replace('title:text ', '')} kind:text seq:count? conn:count? price:decimal? "
    "qty:decimal? aggressor:text? off_book:yes touch_changed:yes hash_verified:yes gap:any",
    "Signal": "record:text phase:text reason:text? ts_recv:ts ts_open:ts seq:count id:count "
    "rule:text rule_id:count name:text direction:any qty:decimal? gross_edge:decimal? "
    "net_edge:decimal? maker_edge:decimal? peak_edge:decimal? value:decimal? fee:decimal? "
    "capital:decimal? qty_open:decimal? skew_ns:ns? lag_ns:ns? both_lose:any both_win:any "
    "legs:Leg[]",
    "Leg": "venue:text market:text outcome:text symbol:text instrument:count epoch:count "
    "state:state side:text view:text qty:decimal? avg_price:decimal? worst_price:decimal? "
    "fee:decimal? maker_fee:decimal? age_ns:ns?",
    "Outcome": "outcome:text symbol:text",
    "Market": _MARKET + _MORE,
    "MarketBooks": f"{_MARKET} books:Priced[]",
    "Alert": "number:count ts:ts when:text name:text about:text text:text sent:yes",
    "Connection": "part:text key:count venue:text conn:count state:text cause:text since_ns:ts "
    "books:count live:count delay_s:number? reconnects:count polled:count clock_ahead_s:number? "
    "freshness:text delay_grows:yes",
    "Why": "rule_id:count rule:text name:text reason:text count:count text:text",
    "Latency": "count:count min:ns? p50:ns? p90:ns? p99:ns? p999:ns? max:ns? mean:number? "
    "below:any",
    "Arbitrage": "feed:feed spot:Touch[] markets:MarketBooks[] signals:Signal[]",
    "Books": "feed:feed count:count books:Touch[]",
    "Trades": "trades:Trade[]",
    "Signals": "feed:feed open:Signal[] closed:Signal[]",
    "Alerts": "feed:feed alerts:Alert[]",
    "Markets": "markets:Market[]",
    "Status": "feed:feed ts:ts? failure:text? states:any signals_open:count latency_ns:any "
    "connections:Connection[] why:Why[] rules:any",
    "Health": "server:text version:text feed:feed",
    "Ready": "ready:yes feed:feed",
    "Error": "error:text",
}
_LEFT_OUT: Final = {"MarketBooks": _MORE, "Error": "feed:feed"}
"""Keys that need not be there: nothing is known of a market, say."""


def reference(name: str) -> dict[str, str]:
    """Where an object is described."""
    return {"$ref": f"#/components/schemas/{name}"}


def components() -> dict[str, dict[str, Any]]:
    """All objects by their names."""
    made = {name: _object(keys, _LEFT_OUT.get(name, "")) for name, keys in _OBJECTS.items()}
    status = made["Status"]["properties"]
    status["states"] = _COUNTS
    status["latency_ns"] = {"type": "object", "additionalProperties": reference("Latency")}
    return made


def _object(keys: str, optional: str) -> dict[str, Any]:
    required = dict(one.split(":") for one in keys.split())
    known = required | dict(one.split(":") for one in optional.split())
    properties: Mapping[str, Any] = {key: _value(what) for key, what in known.items()}
    return {"type": "object", "properties": properties, "required": list(required)}


def _value(what: str) -> dict[str, Any]:
    if what.endswith("?"):
        return {"anyOf": [_value(what[:-1]), {"type": "null"}]}
    if what.endswith("[]"):
        return {"type": "array", "items": _value(what[:-2])}
    found = _VALUES.get(what)
    return reference(what) if found is None else found
