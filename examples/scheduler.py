"""A job of APScheduler that looks at a book every so often, in a program without ``async``.

    pip install bookfeed 'apscheduler<4'

As it is, it runs on a simulated venue on a thread of its own and ends after three looks. For the
real venue leave all but the feed and the scheduler out.
"""

import threading

from apscheduler.schedulers.background import BackgroundScheduler

from bookfeed import Market, Outcome
from bookfeed.sim.polymarket import SimConfig, serve
from bookfeed.sync import Feed
from bookfeed.sync.thread import LoopThread

LOOKS = 3


def follow(market: Market, url: str | None = None) -> None:
    done = threading.Event()
    seen: list[str] = []

    def look() -> None:
        book = feed.book(market.symbols[0])
        seen.append(f"{book.state} {book.bid} {book.ask}")
        if len(seen) == LOOKS:
            done.set()

    with Feed([market], url=url) as feed:
        feed.wait_live(timeout_s=10)
        scheduler = BackgroundScheduler()
        scheduler.add_job(look, "interval", seconds=0.1)
        scheduler.start()
        done.wait(timeout=30)
        scheduler.shutdown()
    print("\n".join(seen[:LOOKS]))


if __name__ == "__main__":
    thread = LoopThread("venue")
    thread.start()
    venue = thread.run(serve(SimConfig(markets=1)))
    listed = venue.markets[0]
    follow(
        Market(listed.condition_id, tuple(map(Outcome, listed.outcomes, listed.asset_ids))),
        venue.url,
    )
    thread.run(venue.close())
    thread.stop()
