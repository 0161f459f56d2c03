"""A recording replays to the same records, bit for bit: one second of a feed, then its journal."""

import asyncio
import tempfile

from bookfeed import Engine, Feed, Market, Outcome
from bookfeed.recordings.reader import Journal
from bookfeed.recordings.replay import replay
from bookfeed.recordings.writer import JournalWriter
from bookfeed.sim.polymarket import SimConfig, serve


async def record(directory: str) -> str:
    """Follows a market for a second; returns the digest of everything the engine said."""
    venue = await serve(SimConfig(markets=1, rate=500))
    listed = venue.markets[0]
    market = Market(listed.condition_id, tuple(map(Outcome, listed.outcomes, listed.asset_ids)))
    engine = Engine(digest=True)
    recorder = JournalWriter(directory, prefix="example")
    async with Feed([market], url=venue.url, engine=engine, recorder=recorder) as feed:
        await feed.wait_live(timeout_s=10)
        await asyncio.sleep(1)
    await venue.close()
    return engine.digest()


with tempfile.TemporaryDirectory() as directory:
    live = asyncio.run(record(directory))
    again = Engine(digest=True)
    for progress in replay(again, Journal(directory)):
        print(f"{progress.records} records, {progress.frames} frames")
    print(live)
    print(again.digest())
    if again.digest() != live:
        raise SystemExit("the replay differs")
