"""bookfeed without ``async``: a feed on a thread of its own, for programs that have no event loop.

    from bookfeed.sync import Feed

    with Feed([market]) as feed:
        feed.wait_live(timeout_s=10)
        for update in feed:
            print(update.symbol, update.bid, update.ask)

Everything may be called from any thread.
"""

from bookfeed.sync.feed import Feed, market
from bookfeed.sync.listener import Listener
from bookfeed.sync.stream import Stream

__all__ = ["Feed", "Listener", "Stream", "market"]
