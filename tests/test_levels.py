"""Level changes: what records of them say, and that a copy made from them is the book."""

import asyncio
import struct
from typing import Any, Final, Literal

import numpy as np
import pytest
from test_feed_sim import OPTIONS, markets_of, sending
from waiting import PATIENCE_S, PatientClock

from bookfeed import (
    CAUSES,
    STATES,
    Batch,
    BookView,
    Engine,
    Feed,
    LevelChange,
    LevelChanges,
    Listener,
    Update,
)
from bookfeed.dispatch.dispatcher import Dispatcher
from bookfeed.dispatch.listeners import WAITING_MAX
from bookfeed.recordings.inputs import EngineInput
from bookfeed.records.levels import LEVEL_BYTES, level_changes
from bookfeed.sim.polymarket import SimConfig, serve
from bookfeed.sim.polymarket.faults import Fault

LEVEL = struct.Struct("<QqqqqIBBBB")
BOTH: Final[tuple[Literal["bid", "ask"], ...]] = ("bid", "ask")


def level_bytes(
    seq: int, instrument: int, side: str, price_e9: int, old: int, new: int, *, whole: bool = False
) -> bytes:
    return LEVEL.pack(
        seq, 1_000 + seq, price_e9, old, new, instrument, ("bid", "ask").index(side),
        STATES.index("live"), CAUSES.index("snapshot"), whole,
    )  # fmt: skip


class Book:
    """Stands in for the view of a book."""

    state, cause, ts_recv = "live", "snapshot", 77

    def __init__(self, instrument: int, bids: list[tuple[int, int]]) -> None:
        self.instrument, self.symbol, self._bids = instrument, f"s{instrument}", bids

    def levels_exact(self, side: str) -> Any:
        return np.array(self._bids if side == "bid" else [], np.int64).reshape(-1, 2)


class Watched(EngineInput):
    """An engine whose books are made up; notes when it is asked for level records."""

    def __init__(self, *books: Book) -> None:
        super().__init__(Engine())
        self.on: list[bool] = []
        self._books = books

    @property
    def engine(self) -> Any:
        return self

    def books(self) -> tuple[Book, ...]:
        return self._books

    def watch_levels(self, on: bool) -> None:
        self.on.append(on)


def hand_over(hub: Dispatcher, *records: bytes) -> None:
    hub.dispatch(Batch(level_bytes=b"".join(records)))


class Copies:
    """A copy of each book, kept by level changes alone."""

    def __init__(self) -> None:
        self.books: dict[int, dict[str, dict[int, int]]] = {}
        self.heard = 0

    def __call__(self, told: LevelChanges) -> None:
        self.heard += 1
        book = self.books.setdefault(told.instrument, {"bid": {}, "ask": {}})
        for change in told.changes:
            levels = book[change.side]
            assert levels.get(change.price_e9, 0) == change.old_qty_e8
            assert change.new_qty_e8 != change.old_qty_e8
            if change.new_qty_e8:
                levels[change.price_e9] = change.new_qty_e8
            else:
                del levels[change.price_e9]

    def differs(self, view: BookView) -> bool:
        """Whether the copy is another book than the engine's."""
        copy = self.books.get(view.instrument, {"bid": {}, "ask": {}})
        return any(
            sorted(copy[side].items(), reverse=side == "bid")
            != [tuple(level) for level in view.levels_exact(side).tolist()]
            for side in BOTH
        )


def test_records_of_one_message_and_book_are_one_thing() -> None:
    records = (
        level_bytes(5, 1, "bid", 400_000_000, 0, 150_000_000, whole=True)
        + level_bytes(5, 1, "ask", 410_000_000, 50_000_000, 0, whole=True)
        + level_bytes(6, 2, "bid", 1, 2, 3)
    )
    assert len(records) == 3 * LEVEL_BYTES
    first, second = level_changes(records, {1: "a"})
    assert first == LevelChanges(
        1, "a", 1_005, "live", "snapshot", True,
        (
            LevelChange("bid", 400_000_000, 0, 150_000_000),
            LevelChange("ask", 410_000_000, 50_000_000, 0),
        ),
    )  # fmt: skip
    assert [type(first), type(first.changes[0])] == [LevelChanges, LevelChange]
    assert (first.live, first.changes[0].price, first.changes[0].new_qty) == (True, 0.4, 1.5)
    assert (first.changes[1].old_qty, first.changes[1].new_qty) == (0.5, 0.0)
    assert (second.instrument, second.symbol, second.whole) == (2, "", False)
    assert list(level_changes(b"", {})) == []
    with pytest.raises(struct.error):
        list(level_changes(records[:-1], {}))


def test_level_records_are_asked_for_while_somebody_listens() -> None:
    source = Watched()
    hub = Dispatcher(source)
    seen: list[LevelChanges] = []
    first, second = hub.on_levels(seen.append), hub.on_levels(lambda _told: first.close())
    hand_over(hub, level_bytes(1, 1, "bid", 1, 0, 1))
    assert (len(seen), set(source.on)) == (1, {True})
    hand_over(hub, level_bytes(2, 1, "bid", 1, 1, 2))
    assert (len(seen), first.calls, second.calls) == (1, 1, 2)
    second.close()
    assert source.on[-1] is False and source.on.count(False) == 1


def test_the_books_as_they_are_come_first_and_only_those_that_are_wanted() -> None:
    source = Watched(Book(0, [(5, 50), (4, 40)]), Book(1, []), Book(2, [(7, 70)]))
    for number in range(3):
        source.names.learn(number, venue="v", symbol=f"s{number}", market="", outcome="", title="")
    hub = Dispatcher(source)
    everything, one = Copies(), Copies()
    hub.on_levels(everything)
    hub.on_levels(one, symbols=["s2"])
    assert everything.books == {
        0: {"bid": {5: 50, 4: 40}, "ask": {}},
        2: {"bid": {7: 70}, "ask": {}},
    }
    assert list(one.books) == [2]
    hand_over(hub, level_bytes(1, 0, "bid", 5, 50, 0), level_bytes(2, 2, "ask", 9, 0, 90))
    assert everything.books[0]["bid"] == {4: 40}
    assert one.books == {2: {"bid": {7: 70}, "ask": {9: 90}}}


async def test_all_books_find_room_before_an_async_listener() -> None:
    books = WAITING_MAX + 10
    hub = Dispatcher(Watched(*(Book(number, [(1, 1)]) for number in range(books))))
    copies = Copies()

    async def later(told: LevelChanges) -> None:
        await asyncio.sleep(0)
        copies(told)

    listener = hub.on_levels(later)
    assert (listener.pending, listener.dropped) == (books, 0)
    while listener.task is not None:
        await asyncio.wait({listener.task})
    assert len(copies.books) == books


async def test_copies_kept_from_a_venue_with_faults_are_the_books() -> None:
    """Every fault of the stream, one after another; a copy may begin and end at any time."""
    kinds = (
        ("drop", ""), ("duplicate", "later"), ("wrong_hash", "one"), ("malformed", "truncated"),
        ("swap", ""), ("corrupt_size", "all"), ("disconnect", ""), ("reset", ""),
    )  # fmt: skip
    faults = tuple(
        Fault(kind, at_frame=60 + 30 * place, variant=variant)  # type: ignore[arg-type]
        for place, (kind, variant) in enumerate(kinds)
    )
    server = await serve(SimConfig(markets=3, rate=400, faults=faults, rest=True))
    begun, late = Copies(), Copies()
    compared: dict[str, int] = {}
    wrong: list[str] = []
    feed = Feed(
        markets_of(server),
        url=server.url,
        rest_url=server.rest_url,
        on_levels=begun,
        engine=Engine(hash_check="always", silence_s=1 / 3, suspect_grace_s=0.2),
        options=OPTIONS,
        clock=PatientClock(),
        seed=1,
    )

    def compare(update: Update) -> None:
        view = feed.book(update.instrument)
        compared[view.state] = compared.get(view.state, 0) + 1
        for copies in (begun, *((late,) if late.heard else ())):
            if copies.differs(view):
                wrong.append(f"{view.symbol[:6]} seq {update.seq} {view.state} {view.cause}")

    feed.on_update(compare)
    listeners: list[Listener] = []
    try:
        async with feed:
            await feed.wait_live(PATIENCE_S)
            await sending(server, 100)
            listeners.append(feed.on_levels(late))
            assert not any(late.differs(view) for view in feed.books())
            while len(server.fault_log) < 4:
                await sending(server, 80)
            await sending(server, 80)
            await feed.wait_live(PATIENCE_S)
            assert not any(begun.differs(view) for view in feed.books())
            assert feed.counters()["callback_errors"] == 0
    finally:
        await server.close()
    assert wrong == []
    assert compared.keys() >= {"live", "stale", "syncing"}
    assert sum(compared.values()) > 200 < begun.heard
