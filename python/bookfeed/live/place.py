"""Where a venue is found: at its main address, or where it serves those that this turns away.

Some venues answer 403 or 451 by where one asks from, and have the same books at another address for
everybody. Whoever was turned away stays there until the process ends.
"""

import logging
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from bookfeed.venues.base import Endpoint

TURNED_AWAY: Final = frozenset((HTTPStatus.FORBIDDEN, HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS))

_log: Final = logging.getLogger("bookfeed.live.place")


class Place:
    """One address, and the other one if there is one; those that share it move together."""

    def __init__(self, url: str, elsewhere: str | None = None) -> None:
        self.url = url
        """Where to ask now."""
        self._elsewhere: Final = elsewhere

    def turned_away(self, url: str, status: int) -> bool:
        """``url`` answered with ``status``; whether another address is to be asked from now on."""
        if status not in TURNED_AWAY or self._elsewhere is None:
            return False
        if url == self.url != self._elsewhere:
            here, there = (urlsplit(one).hostname for one in (url, self._elsewhere))
            said = "%s does not serve this place (HTTP %d): %s is asked instead, from now on"
            _log.warning(said, here, status, there)
            self.url = self._elsewhere
        return url != self.url


def place_of(endpoint: Endpoint) -> Place:
    """Where the WebSocket of a venue is."""
    return Place(endpoint.url, None if endpoint.mirror is None else endpoint.mirror.url)


def rest_place(endpoint: Endpoint, rest_url: str) -> Place:
    """Where the REST of a venue is, whose main address is ``rest_url``."""
    return Place(rest_url, None if endpoint.mirror is None else endpoint.mirror.rest_url)
