"""How far our clock is from a venue's, as the answer to a handshake shows it."""

from typing import Final

from picows import WSUpgradeResponse

from bookfeed.live.http import http_date_s

# Below, the clocks may be the same: what a handshake tells is cut to the second.
_CLOCK_OFF_S: Final = 3


def clock_ahead_s(response: WSUpgradeResponse, now_s: float) -> int | None:
    """How many whole seconds our clock is ahead of the server's; ``None`` if it does not say."""
    moment_s = http_date_s(response.headers.get("Date"))
    # The header is cut to the second: on average the server's clock is half a second further.
    return None if moment_s is None else round(now_s - (moment_s + 0.5))


def clock_complaint(ahead_s: int | None) -> str:
    """What to say of a clock that is not the venue's; nothing in a stream tells it from delay."""
    if ahead_s is None or abs(ahead_s) < _CLOCK_OFF_S:
        return ""
    effect = "looks like delay, and may hold books suspect(late)"
    if ahead_s < 0:
        effect = "makes the venue's time stamps look odd"
    side = "ahead of" if ahead_s > 0 else "behind"
    return (
        f"the clock of this computer is {abs(ahead_s)} s {side} the venue's, which {effect}; "
        "set it (NTP) and start again"
    )
