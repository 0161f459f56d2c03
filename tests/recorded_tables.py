"""Recordings of simulated venues with faults, on disk; and tables of them read the slow way."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from audit_journals import (
    Records,
    kalshi_recorded,
    recorded,
    spot_recorded,
    two_venues_recorded,
)

from bookfeed import Batch, Engine, Signal, Update
from bookfeed.names import Name
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.writer import JournalWriter
from bookfeed.records import signals, updates
from bookfeed.sim.polymarket_kalshi.episodes import Episode
from bookfeed.sim.polymarket_kalshi.twovenue import TwoVenueConfig

COMPLEMENT: Final = ("complement", {"min_edge": "0.001", "confirm": "off"})
SPOT: Final = ("binance", "kraken", "coinbase", "bitstamp", "gemini", "cryptocom")


def _both(seed: int) -> TwoVenueConfig:
    """Two venues between which something is to be had."""
    episodes = tuple(
        Episode("genuine", name, at_s=at_s)
        for name, at_s in (("pair0", 2), ("basket0", 3), ("ladder0", 4))
    )
    return TwoVenueConfig(seed=seed, inverted=seed % 2, episodes=episodes)


RECORDED: Final[dict[str, Callable[[int], tuple[Records, dict[str, Any]]]]] = {
    "polymarket": lambda seed: recorded(seed, items=600, rules=[COMPLEMENT]),
    "kalshi": lambda seed: (kalshi_recorded(seed, use_yes_price=bool(seed % 2), items=500), {}),
    "both": lambda seed: (two_venues_recorded(_both(seed), items=900), {}),
    **{venue: partial(spot_recorded, venue, items=900) for venue in SPOT},
}


def journal(directory: Path, records: Records, engine: dict[str, Any]) -> Path:
    """The records as a journal, whose notes say with which engine they were made."""
    notes = {"venues": ["polymarket"], "engine": engine}
    with JournalWriter(directory, prefix="rec", notes=notes) as writer:
        for kind, ts, conn, epoch, payload in records:
            writer.append(kind, ts, conn, epoch, payload)
    return directory


def batches(records: Records, engine: Engine) -> Iterator[tuple[EngineInput, Batch, int]]:
    """What the engine gives after each record: the slow reading."""
    door = EngineInput(engine)
    for kind, ts, conn, _, payload in records:
        door.apply(kind, ts, conn, payload)
        yield door, engine.drain(), ts


def told(
    records: Records, engine: dict[str, Any]
) -> tuple[list[Update], list[Signal], dict[int, Name]]:
    """All updates and signals as objects, and what the books are called."""
    all_updates: list[Update] = []
    all_signals: list[Signal] = []
    for door, batch, _ in batches(records, Engine(**engine)):
        all_updates += updates(batch, door.names)
        all_signals += signals(batch, door.names)
    return all_updates, all_signals, dict(door.names)


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """A table as objects; times are Unix nanoseconds."""
    columns = {
        name: (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    found: list[dict[str, Any]] = pa.table(columns).to_pylist()
    return found
