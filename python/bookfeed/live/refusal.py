"""What can be learned from the answer to a handshake that was refused.

Most clients show the status and hide the rest. The body's error code and the ``Date`` header
are what tells a wrong key from a wrong clock.
"""

import re
from typing import Final

from picows import WSUpgradeResponse

from bookfeed.live.http import retry_after_ns
from bookfeed.live.skew import clock_ahead_s
from bookfeed.venues.base import HandshakeRefusal

# Who we are is not accepted; asking again soon does not help.
DENIED: Final = (401, 403)

# A word, and nothing of the body that a log should not hold, such as our own key's id.
_CODE: Final = re.compile(rb'"code"\s*:\s*"([A-Za-z_]{1,64})"')


def status_of(error: Exception | None) -> int:
    """What a handshake was answered with; 0 where there was no answer."""
    response = _response(error)
    return 0 if response is None else int(response.status)


def retry_after(error: Exception | None) -> int:
    """How long the server asked to be left alone, in nanoseconds; 0 if it did not."""
    response = _response(error)
    return 0 if response is None else retry_after_ns(response.headers.get("Retry-After"))


def refusal(error: Exception | None, now_s: float) -> HandshakeRefusal | None:
    """What the answer says if it is a 401 or 403; ``now_s`` is Unix time by the wall clock."""
    response = _response(error)
    if response is None or int(response.status) not in DENIED:
        return None
    found = _CODE.search(getattr(error, "raw_body", None) or b"")
    code = found[1].decode() if found else None
    return HandshakeRefusal(int(response.status), code, clock_ahead_s(response, now_s))


def _response(error: Exception | None) -> WSUpgradeResponse | None:
    response = getattr(error, "response", None)
    return response if isinstance(response, WSUpgradeResponse) else None
