"""Levels of a recording as rows, beside books that are looked at after each record."""

from pathlib import Path
from typing import Any, Literal

import pytest

pa = pytest.importorskip("pyarrow", reason="tables need pyarrow")

from audit_journals import Records  # noqa: E402
from recorded_tables import RECORDED, batches, journal, rows  # noqa: E402

from bookfeed import BookView, Engine, EngineError, RecordingError, open_recording  # noqa: E402
from bookfeed.records import updates  # noqa: E402

MS = 10**6
DEPTH = 3
SIDES: tuple[Literal["bid", "ask"], ...] = ("bid", "ask")


def standing(book: BookView) -> dict[str, Any]:
    """How a book stands, looked up level by level."""
    found: dict[str, Any] = {
        "venue": book.venue, "market": book.market, "outcome": book.outcome, "symbol": book.symbol,
        "instrument": book.instrument, "epoch": book.epoch, "state": book.state,
        "cause": book.cause,
    }  # fmt: skip
    for side in SIDES:
        levels, last = book.levels_exact(side).tolist(), book.depth_known(side)
        if last is not None:
            sign = 1 if side == "ask" else -1
            levels = [one for one in levels if sign * one[0] <= sign * round(last * 1e9)]
        for n in range(DEPTH):
            price, qty = levels[n] if n < len(levels) else (None, None)
            found |= {f"{side}_{n + 1}_e9": price, f"{side}_qty_{n + 1}_e8": qty}
    return found


def expected(records: Records, engine: dict[str, Any], every_ns: int) -> list[dict[str, Any]]:
    """The rows, made by looking at every book after every record, where it was told of."""
    found: list[dict[str, Any]] = []
    before: dict[int, dict[str, Any]] = {}
    now: dict[int, dict[str, Any]] = {}
    told_of: set[int] = set()
    last = 0

    def look(ts: int) -> None:
        for instrument in sorted(told_of & now.keys()):
            if before.get(instrument) != now[instrument]:
                found.append({"ts": ts, **now[instrument]})
            before[instrument] = now[instrument]
        told_of.clear()

    first, instant = True, 0
    world = Engine(**engine)
    for (door, batch, ts), _ in zip(batches(records, world), records, strict=True):
        if every_ns and not first:
            instant = -(-last // every_ns) * every_ns
            if instant < ts:
                look(instant)
        first, last = False, max(last, ts)
        now.clear()
        for instrument in door.names:
            try:
                now[instrument] = standing(world.book(instrument))
            except EngineError:
                continue
        told_of |= {update.instrument for update in updates(batch)}
        if not every_ns:
            look(last)
    return found


@pytest.mark.parametrize("name", ["polymarket", "kalshi", "kraken", "coinbase"])
@pytest.mark.parametrize("every", ["change", "100ms"])
def test_levels_are_those_of_the_books(name: str, every: str, tmp_path: Path) -> None:
    records, engine = RECORDED[name](3)
    records = records[:500]
    recording = open_recording(journal(tmp_path, records, engine))
    table = recording.levels(DEPTH, every, prices="scaled").to_arrow()
    table.validate(full=True)
    found = rows(table)
    wanted = expected(records, engine, 0 if every == "change" else 100 * MS)
    assert len(found) > 10
    assert {row["state"] for row in found} > {"live"}
    if name == "kalshi":
        assert table["bid_3_e9"].null_count and table["ask_1_e9"].null_count
    assert found == wanted


def test_slices_and_pieces_are_rows_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bookfeed.tables import levels

    records, engine = RECORDED["both"](2)
    recording = open_recording(journal(tmp_path, records, engine))
    whole = rows(recording.levels(2, "1s").to_arrow())
    monkeypatch.setattr(levels, "ROWS", 16)
    assert len(list(recording.levels(2, "1s"))) > 2
    assert rows(recording.levels(2, "1s").to_arrow()) == whole
    start = whole[len(whole) // 2]["ts"]
    assert rows(recording.levels(2, "1s", start=start, venue="kalshi").to_arrow()) == [
        row for row in whole if row["ts"] >= start and row["venue"] == "kalshi"
    ]
    assert all(row["ts"] % (1_000 * MS) == 0 for row in whole)


@pytest.mark.parametrize("every", ["", "ms", "0s", "1d", "1.5s", "-1s", "ch", "99999999h"])
def test_wrong_intervals(every: str, tmp_path: Path) -> None:
    recording = open_recording(journal(tmp_path, *RECORDED["kalshi"](1)))
    with pytest.raises(RecordingError, match='every: "change", or such as "100ms"'):
        recording.levels(every=every)
    with pytest.raises(RecordingError, match="depth: 1 to 1000 levels a side, not 0"):
        recording.levels(0)
