"""A feed in a process of its own, with the sinks that it is told: how long records take in it.

Its argument is a configuration, which has its sinks. The first line on standard input is what a
simulated Polymarket told when it began; every further one asks how long it took, since the line
before, from receiving a frame to handing its records out.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bookfeed import loops
from bookfeed._bookfeed import Histogram
from bookfeed.feed.feed import Feed
from bookfeed.scorecard.campaigns.polymarket_kalshi_churn import listing_of

STAGE: Final = "recv_to_emit"
LIVE_WITHIN_S: Final = 60
_STEPS: Final = 40


def share_within(histogram: Histogram, limit_ns: int) -> float:
    """How many of its durations are at most so long."""
    low, high = 0.0, 100.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        told = histogram.percentile(middle)
        low, high = (middle, high) if told is not None and told <= limit_ns else (low, middle)
    return histogram.count * low / 100


def since(before: Histogram, now: Histogram, percent: float) -> int:
    """A percentile, ns, of what was counted between two looks at one histogram.

    ``ValueError`` if that is nothing.
    """
    counted = now.count - before.count
    if not counted:
        raise ValueError("nothing was counted in between")
    low, high = 0, now.max or 0
    while low < high:
        middle = (low + high) // 2
        within = share_within(now, middle) - share_within(before, middle)
        low, high = (middle + 1, high) if within < counted * percent / 100 else (low, middle)
    return low


async def follow(config: Path, told: dict[str, Any]) -> None:
    """The feed, until there are no more questions."""
    markets, endpoint = listing_of("polymarket", told)
    made = Feed.from_config(config, markets=markets, endpoints={"polymarket": endpoint})
    async with made as feed:
        await feed.wait_live(LIVE_WITHIN_S)
        print(json.dumps({"books": len(feed.books())}), flush=True)
        before = feed.latency()[STAGE]
        while await asyncio.to_thread(sys.stdin.readline):
            now = feed.latency()[STAGE]
            counted = now.count - before.count
            figures = {"counted": counted, "sinks": [asdict(one) for one in feed.sink_status()]}
            if counted:
                figures |= {f"p{p:g}_ns": since(before, now, p) for p in (50.0, 99.0)}
            print(json.dumps(figures), flush=True)
            before = now


if __name__ == "__main__":
    loops.run(follow(Path(sys.argv[1]), json.loads(sys.stdin.readline())))
