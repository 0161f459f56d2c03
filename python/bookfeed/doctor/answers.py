"""What an answer over HTTP is that is not the one that was asked for, and what to do about it."""

import re
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Final

from bookfeed.live.handshake import quoted

_TITLE: Final = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
# Headers by which servers tell how much of what may be asked is used up.
_BUDGET: Final = re.compile(r"rate-?limit|used-weight|^retry-after$", re.IGNORECASE)

_ADVICE: Final = {
    HTTPStatus.UNAUTHORIZED: "check the key",
    HTTPStatus.FORBIDDEN: "the venue lets nobody in from here: it may exclude the country, a data "
    "centre or a VPN; try another network",
    HTTPStatus.NOT_FOUND: "check the path of {what}",
    HTTPStatus.UPGRADE_REQUIRED: "check {what}: the address speaks another protocol",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "put the name and password of the proxy into "
    "HTTPS_PROXY",
    HTTPStatus.TOO_MANY_REQUESTS: "wait, and ask less often: something else here may ask, too",
    HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS: "the venue excludes this country",
}


def is_page(content_type: str, body: bytes) -> bool:
    """Whether a body is a page for people."""
    start = body[:256].lstrip().lower()
    return "html" in content_type.lower() or start.startswith((b"<!doctype html", b"<html"))


def refused(
    what: str, status: int, content_type: str, body: bytes, hidden: Collection[str] = ()
) -> tuple[str, str]:
    """What an answer is, and what to do; ``what`` is the key of the address in a configuration.

    A page may say again what is ``hidden``.
    """
    text = f"answered with HTTP {status}"
    if is_page(content_type, body):
        title = _TITLE.search(body)
        named = f" {quoted(title[1].decode(errors='replace'), hidden)}" if title else ""
        text += f", a page of HTML{named}"
    if 300 <= status < 400:
        return text, f"check {what}: it leads somewhere else"
    if status in _ADVICE:
        return text, _ADVICE[HTTPStatus(status)].format(what=what)
    if status >= 500:
        return text, "the venue has trouble: see its status page, and try again later"
    if is_page(content_type, body):
        return text, (
            "something answers in the venue's place, a portal, a proxy or a firewall: open the "
            f"address in a browser, and check {what}"
        )
    return text, f"check {what}: the address is none of this venue's"


def budgets(headers: Mapping[str, str]) -> dict[str, str]:
    """What headers tell of how much may be asked, and how much was."""
    return {name.lower(): value for name, value in headers.items() if _BUDGET.search(name)}
