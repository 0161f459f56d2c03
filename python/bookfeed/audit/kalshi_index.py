"""Values of indices that Kalshi passes on, as the auditor reads them: contracts rest on them.

Once a second a value comes as the source's own message, a text inside the venue's; five times a
second in fields of the venue's. Means of a minute come beside; where one cannot be read, the value
is none.
"""

from decimal import Decimal
from typing import Any, Final

from bookfeed.audit.numbers import PRICE_UNITS, count, is_text, millis, plain, read_json, units

_BY_THE_SECOND: Final = "cfbenchmarks_value"
_KINDS: Final = (_BY_THE_SECOND, "cfbenchmarks_value_5hz", "pyth_value")
_E9: Final = 10**9


def index_tick(payload: bytes) -> tuple[str, int, int] | None:
    """Name, time (ns) and value (1e-18) of an index in a frame; ``None`` if it tells none."""
    if b"_value" not in payload:
        return None
    try:
        document = read_json(payload)
        kind, msg = document.get("type"), document.get("msg")
        if kind not in _KINDS or not isinstance(msg, dict):
            return None
        named = (msg.get("index_id"), msg.get("underlying_ticker"))
        name = next((each for each in named if is_text(each)), None)
        at, value = _told(kind, msg)
        for key in ("avg_60s_data", "last_60s_windowed_average_15min"):
            _check_mean(msg.get(key), counted=key.startswith("last"))
    except (ValueError, TypeError, AttributeError):
        return None
    return None if name is None or at is None else (name, at, units(value, PRICE_UNITS) * _E9)


def _told(kind: str, msg: dict[str, Any]) -> tuple[int | None, Decimal]:
    if kind != _BY_THE_SECOND:
        return millis(msg.get("source_ts_ms")), plain(msg.get("value_usd"), 9)
    told = read_json(str(msg["data"]).encode()) if is_text(msg.get("data")) else {}
    return millis(told.get("time")), plain(told.get("value"), 9)


def _check_mean(mean: object, *, counted: bool) -> None:
    """Raise ``ValueError`` for a mean that is given and cannot be read."""
    if mean is None:
        return
    if not isinstance(mean, dict):
        raise ValueError("a mean that is no object")
    plain(mean.get("value"), 9)
    if counted and count(mean.get("window_size")) is None:
        raise ValueError("a mean without its window_size")
