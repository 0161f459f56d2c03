"""Faults beside the frames of a connection: of its bytes, its handshake and its TLS, and of answers
by REST, for as long as told.

They need sockets. A connection or a request that comes while one lasts is spoilt by it.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final, Literal

BesideKind = Literal[
    "refuse", "redirect", "page", "half-open", "slow-handshake", "tls",
    "rest-429", "rest-418", "rest-503", "rest-page", "rest-redirect", "rest-cut", "rest-hang",
    "rest-late", "rest-older", "rest-cached",
]  # fmt: skip
_WAIT: Final = ("seconds", "date", "absent", "absurd", "negative")

HANDSHAKES: Final[dict[BesideKind, tuple[str, ...]]] = {
    "refuse": ("503", "401", "403", "429"),
    "redirect": ("",),
    "page": ("200", "403"),
}
"""
refuse    handshakes are answered with that status
redirect  they are answered with 302, to somewhere else
page      they are answered with a page of HTML under that status, as before a challenge
"""

CONNECTIONS: Final[dict[BesideKind, tuple[str, ...]]] = {
    "half-open": ("open", "all"),
    "slow-handshake": ("drip", "never"),
    "tls": ("expired", "host", "unknown", "old", "cut", "plain"),
}
"""
half-open       no byte passes any more, either way, and nobody hangs up: of connections that are
                open, or of new ones, too; what waited meanwhile comes when it is over
slow-handshake  a connection that begins is answered a byte a second, or never
tls             its certificate is out of date, of another host, or of an authority that nobody
                knows; no version of TLS is spoken that is not too old; the handshake ends in its
                middle; it is answered without TLS

They strike at a gate before the venue (``bookfeed.sim.gate``), at its REST side as well.
"""

ANSWERS: Final[dict[BesideKind, tuple[str, ...]]] = {
    "rest-429": _WAIT,
    "rest-418": _WAIT,
    "rest-503": _WAIT,
    "rest-page": ("",),
    "rest-redirect": ("",),
    "rest-cut": ("",),
    "rest-hang": ("",),
    "rest-late": ("",),
    "rest-older": ("",),
    "rest-cached": ("",),
}
"""
rest-429       answers by REST are that status, with a Retry-After of 2 s, of a date, none, one of
               30 years, or one below 0; so are rest-418 and rest-503
rest-page      they are pages of HTML, with status 200
rest-redirect  they are 302, to somewhere else
rest-cut       they end in the middle of a chunk
rest-hang      there is none for a minute
rest-late      they are of when they were asked for, and come 3 s later
rest-older     every third is the one before the last, and does not say so
rest-cached    they are what a cache keeps for 30 s, with its Age
"""

WITHOUT_REST: Final[dict[BesideKind, tuple[str, ...]]] = {**HANDSHAKES, **CONNECTIONS}
"""The kinds of a venue without REST; the first variant is the default."""
BESIDE: Final[dict[BesideKind, tuple[str, ...]]] = {**WITHOUT_REST, **ANSWERS}
"""The kinds of one with REST."""
PAGE: Final = "<!DOCTYPE html><html><head><title>Just a moment</title></head></html>"
"""What a page of HTML is."""

ELSEWHERE: Final = "http://127.0.0.1:1/elsewhere"
"""Where redirects lead to: nothing listens there."""
LATE_S: Final = 3.0
_SOON_S: Final = 2
_ABSURD_S: Final = 1_000_000_000


def retry_after(variant: str) -> dict[str, str]:
    """The header of an answer that tells when to come again."""
    soon = datetime.fromtimestamp(time.time(), UTC) + timedelta(seconds=_SOON_S)
    told: Mapping[str, str] = {
        "seconds": str(_SOON_S),
        "date": format_datetime(soon, usegmt=True),
        "absurd": str(_ABSURD_S),
        "negative": "-5",
    }
    return {"Retry-After": told[variant]} if variant in told else {}


def status_of(variant: str) -> HTTPStatus:
    """With what a handshake is refused, or its page told."""
    return HTTPStatus(int(variant))
