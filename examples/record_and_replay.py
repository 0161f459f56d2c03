"""A recording replays to the same records, bit for bit: a second of a feed, then its journal."""

import asyncio
import tempfile

from bookfeed import Engine, Feed, Market, Outcome, replay
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
    again = replay(directory, engine=Engine(digest=True))
    every_tenth = [again.book(0).mid for number, _ in enumerate(again) if number % 10 == 0]
    print(f"{again.progress.frames} frames; every tenth mid:", *every_tenth[:8], "…")
    print(live)
    print(again.engine.digest())
    if again.engine.digest() != live:
        raise SystemExit("the replay differs")
