"""``Attached``: a process that follows a running feed over its socket, and what it knows of it.

For programs that are asked now and then. ``Server`` has clients to tell besides, at ticks.
"""

import asyncio
import logging
from typing import Any, Final

from bookfeed.errors import SessionError
from bookfeed.sinks.remote import RemoteFeed
from bookfeed.web.world import World

_LOOK_S: Final = 0.1
_log: Final = logging.getLogger("bookfeed.web")


class Attached:
    """Follows the feed that listens at ``path`` (by default the user's own) while it runs."""

    def __init__(self, path: str | None = None) -> None:
        self.world: Final = World()
        self.remote: Final = RemoteFeed(
            path,
            on_batch=self.world.take,
            on_piece=self.world.take_piece,
            on_begin=lambda: self.world.begin(self.remote.names),
            on_lost=self.look,
        )

    async def run(self) -> None:
        """Follow until cancelled; raises ``WireError`` for a feed of another version."""
        following = asyncio.create_task(self.remote.run(), name="bookfeed-remote")
        try:
            while not following.done():
                self.look()
                # Nobody is told of what is new; who asks is told how it stands.
                self.world.fresh()
                await asyncio.wait([following], timeout=_LOOK_S)
            await following
        finally:
            following.cancel()

    def look(self) -> None:
        """Whether the feed is heard; where it is not, no book is believed."""
        heard = self.remote.heard
        if self.world.stand("heard" if heard else "silent" if self.remote.attached else "lost"):
            _log.info("the feed at %s is %s", self.remote.path, self.world.feed)

    async def book(self, venue: str, symbol: str, depth: int) -> dict[str, Any]:
        """A book with levels; raises ``SessionError`` without one, or if the feed is not heard."""
        self.look()
        number = self.world.instrument(venue, symbol)
        if number is None:
            raise SessionError(f"there is no book {symbol} of {venue}")
        if self.world.feed != "heard":
            raise SessionError(f"the feed is {self.world.feed}: no book may be believed")
        book = await self.remote.book(number, depth)
        if book is None:
            raise SessionError(f"the feed has no book {symbol} of {venue} any more")
        return book
