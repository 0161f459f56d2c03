"""A connection that is reset behind unread data is lost at once, on every loop, with and without
TLS; however little is written.
"""

import asyncio

import pytest
from raw_server import raw_serving, reset
from session_server import MARKET, YES, book_frame, raw_frame
from tls import PLAIN, Tls
from waiting import PATIENCE_S, PatientClock

from bookfeed import loops
from bookfeed.feed.feed import Endpoint, Feed, SessionOptions
from bookfeed.live import resets
from bookfeed.venues.polymarket import polymarket

# A connection may be attempted so often at once; more would have to wait for the budget.
RESETS_A_FEED = 5
FEEDS = 4
NOTICED_NS_MAX = 100_000_000


async def reset_often(tls: Tls) -> list[int]:
    """How long each reset was not noticed, in nanoseconds of a clock that waits for the machine."""
    took: list[int] = []
    options = SessionOptions(backoff_min_s=0.001, backoff_max_s=0.01, connect_stagger_s=0.0)
    clock = PatientClock()
    for _ in range(FEEDS):
        with raw_serving(tls.theirs) as server:
            endpoint = Endpoint(polymarket(), server.url, ssl_context=tls.ours)
            async with Feed([MARKET], endpoints={"polymarket": endpoint}, options=options) as feed:
                for number in range(1, RESETS_A_FEED + 1):
                    await feed.wait_live(PATIENCE_S)
                    sock = await asyncio.to_thread(server.opened.get)
                    epoch = feed.book(YES).epoch
                    reset(sock, raw_frame(0x1, book_frame(YES, "0.41")))

                    def is_lost(number: int = number) -> bool:
                        return feed.counters()["disconnects"] == number

                    took.append(await clock.took(is_lost))
                    # It may be back already.
                    assert not feed.book(YES).live or feed.book(YES).epoch > epoch
    return took


@pytest.mark.usefixtures("either_loop")
def test_a_reset_behind_unread_data(tls: Tls) -> None:
    took = loops.run(reset_often(tls))
    assert len(took) == FEEDS * RESETS_A_FEED
    assert max(took) < NOTICED_NS_MAX


def test_where_there_is_no_epoll_a_timer_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resets, "HAS_EPOLL", False)
    took = loops.run(reset_often(PLAIN))
    assert max(took) < NOTICED_NS_MAX
