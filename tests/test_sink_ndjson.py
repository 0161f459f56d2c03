"""``ndjson``: exact lines, private files, disks that are full."""

import asyncio
import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from session_server import MARKET, YES, book_frame, serving
from sink_records import BOOK, TRADE, Records
from waiting import PATIENCE_S, until

from bookfeed import (
    ABSENT,
    LEG_DTYPE,
    SIGNAL_DTYPE,
    UPDATE_DTYPE,
    Batch,
    Feed,
    Names,
    Rule,
    format_price,
)
from bookfeed.errors import SessionError
from bookfeed.sinks import NdjsonSink, SinkSet, ndjson


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@contextmanager
def opened(path: Path | str, **options: Any) -> Iterator[NdjsonSink]:
    sink = NdjsonSink(path, **options)
    sink.open(Names())
    yield sink
    sink.close()


def known() -> Names:
    names = Names()
    names.learn(1, venue="polymarket", symbol="71", market="0xabc", outcome="Yes", title="Will it?")
    names.learn_rule(4, "mine")
    return names


def test_an_update_is_told_exactly(tmp_path: Path) -> None:
    update = np.zeros(1, UPDATE_DTYPE)
    for name in UPDATE_DTYPE.names or ():
        if UPDATE_DTYPE.fields is not None and UPDATE_DTYPE.fields[name][0] == np.dtype("<i8"):
            update[name] = ABSENT
    update["seq"], update["instrument"], update["kind"] = 9, 1, TRADE
    price, qty = (name for name in UPDATE_DTYPE.names or () if name.startswith("bid"))
    update[price], update[qty] = 1, 12
    sink = NdjsonSink(tmp_path / "out")
    sink.open(known())
    sink.write(Batch(update.tobytes()))
    sink.close()
    (line,) = lines(tmp_path / "out")
    assert (line["record"], line["kind"], line["seq"]) == ("update", "trade", 9)
    assert (line["bid"], line["bid_qty"]) == ("0.000000001", "0.00000012")
    assert line["ask"] is line["qty"] is line["ts_event"] is line["aggressor"] is None
    assert (line["venue"], line["market"], line["outcome"]) == ("polymarket", "0xabc", "Yes")
    assert (line["symbol"], line["instrument"]) == ("71", 1)


def test_a_signal_is_told_with_its_legs_in_its_place(tmp_path: Path) -> None:
    signal, legs, updates = (
        np.zeros(1, SIGNAL_DTYPE),
        np.zeros(2, LEG_DTYPE),
        np.zeros(2, UPDATE_DTYPE),
    )
    updates["seq"] = [1, 3]
    signal["seq"], signal["legs"], signal["rule_id"] = 2, 2, 4
    legs["instrument"] = [1, 7]
    sink = NdjsonSink(tmp_path / "out")
    sink.open(known())
    sink.write(Batch(updates.tobytes(), signal.tobytes(), legs.tobytes()))
    sink.close()
    first, told, last = lines(tmp_path / "out")
    assert (first["seq"], told["seq"], last["seq"]) == (1, 2, 3)
    assert (told["record"], told["name"], told["rule_id"]) == ("signal", "mine", 4)
    assert [leg["venue"] for leg in told["legs"]] == ["polymarket", ""]
    assert told["legs"][0]["avg_price"] == "0"


def test_changes_of_levels_are_a_line_a_message(tmp_path: Path) -> None:
    records = Records(1)
    levels = records.any_levels(2)
    with opened(tmp_path / "out") as sink:
        sink.write(Batch(level_bytes=levels))
    first, second = lines(tmp_path / "out")
    assert first["record"] == second["record"] == "levels"
    assert len(first["changes"]) + len(second["changes"]) == records.levels
    assert second["changes"][-1]["price"] == format_price(records.levels - 1)


async def test_a_feeds_records_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "records.ndjson"
    rule = Rule("spread", {"mode": "bps", "open": "20"}, name="wide")
    async with serving() as server:
        feed = Feed([MARKET], url=server.url, sinks=[NdjsonSink(path)], rules=[rule])
        async with feed:
            await feed.wait_live(PATIENCE_S)
            (await server.peer(0)).text(book_frame(YES, "0.456", "0.9"))
            await until(lambda: feed.book(YES).bid == 0.456)
    found = lines(path)
    assert len(found) == feed.counters()["sink_ndjson_sink_written"]
    assert [line["seq"] for line in found] == sorted(line["seq"] for line in found)
    assert any(line["record"] == "signal" and line["name"] == "wide" for line in found)
    assert any(line.get("bid") == "0.456" and line["symbol"] == YES for line in found)


def test_a_file_is_private_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "out"
    records = Records()
    for _ in range(2):
        with opened(path) as sink:
            sink.write(records.books(1))
    assert [line["seq"] for line in lines(path)] == [1, 2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("absent/x.ndjson", "No such file or directory; make its directory first"),
        ("file/x.ndjson", "Not a directory; a part of the path is a file"),
        ("", "Is a directory; name a file in it"),
    ],
)
def test_a_file_that_cannot_be_opened_is_named_with_what_to_do(
    name: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / name
    with pytest.raises(SessionError) as caught:
        SinkSet([NdjsonSink(path)], Names()).open_waiting()
    assert str(caught.value) == f"sink ndjson_sink cannot be opened: {path}: {told}"


def test_half_a_line_that_is_there_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b'{"seq":0}\n{"se')
    with opened(path) as sink:
        sink.write(Records().books(1))
    assert [json.loads(line)["seq"] for line in path.read_bytes().splitlines()[::2]] == [0, 1]


def test_a_renamed_file_is_left_and_a_new_one_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ndjson, "_LOOK_EVERY_S", 0.0)
    path, records = tmp_path / "out", Records()
    with opened(path) as sink:
        sink.write(records.books(1))
        path.rename(tmp_path / "out.1")
        sink.write(records.books(1))
    assert [line["seq"] for line in lines(tmp_path / "out.1")] == [1]
    assert [line["seq"] for line in lines(path)] == [2]


async def test_a_full_disk_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    records = Records()
    sinks = SinkSet([NdjsonSink("/dev/full")], Names())
    await sinks.open()
    with caplog.at_level(logging.WARNING, "bookfeed.sinks"):
        sinks.write(records.books(1, 2))
        await until(lambda: sinks.status()[0].errors == 1)
    (status,) = sinks.status()
    assert (status.state, status.written, status.dropped) == ("failing", 0, 2)
    assert "No space left on device" in status.error
    assert "No space left on device" in caplog.text
    await sinks.close()


def test_a_batch_that_does_not_fit_is_not_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it was written when the disk was full: the file is what it was before."""
    path, records = tmp_path / "out", Records()
    write = os.write
    room = 100_000

    def limited(fd: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        written = write(fd, data[:room])
        room -= written
        return written

    with opened(path) as sink:
        sink.write(records.books(1))
        before = path.read_bytes()
        room = len(before) + 10
        monkeypatch.setattr(os, "write", limited)
        with pytest.raises(OSError, match="No space"):
            sink.write(records.books(1, 1, 1))
        assert path.read_bytes() == before
        room = 100_000
        sink.write(records.books(1))
    assert [line["seq"] for line in lines(path)] == [1, 5]


@pytest.mark.parametrize(("sync", "times"), [("never", 0), ("close", 1), ("write", 3)])
def test_when_the_disk_must_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: str, times: int
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    records = Records()
    with opened(tmp_path / "out", sync=sync) as sink:
        sink.write(records.books(1))
        sink.write(records.books(1))
    assert len(synced) == times


def test_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    with opened("-") as sink:
        sink.write(Records().batch([(BOOK, 1)]))
    assert json.loads(capfd.readouterr().out)["record"] == "update"
    print("still open")
    assert capfd.readouterr().out == "still open\n"


CONFIG = """
[polymarket]
ws_url = "{url}"
rest_url = ""

[[market]]
market = "0xabc"
outcomes = [{{ name = "Yes", asset = "{yes}" }}]

[[sink]]
kind = "ndjson"
path = "{path}"
"""


async def run(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bookfeed", "run", *arguments,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.mark.slow
@pytest.mark.parametrize("to_stdout", [False, True])
async def test_the_command_writes_to_configured_sinks(tmp_path: Path, to_stdout: bool) -> None:
    path = tmp_path / "records.ndjson"
    config = tmp_path / "bookfeed.toml"
    async with serving() as server:
        where = "-" if to_stdout else str(path)
        config.write_text(CONFIG.format(url=server.url, yes=YES, path=where))
        how = () if to_stdout else ("--output", "json")
        code, out, err = await run("--config", str(config), "--seconds", "2", *how)
        assert (code, err) == (0, "")
        written = out.splitlines() if to_stdout else path.read_text().splitlines()
        records = [json.loads(line) for line in written]
        assert {record["record"] for record in records} == {"update"}
        assert any(record["state"] == "live" and record["symbol"] == YES for record in records)
        if not to_stdout:
            (sink,) = json.loads(out)["sinks"]
            assert (sink["name"], sink["state"]) == ("ndjson", "closed")
            assert sink["written"] == sink["received"] == len(records)
        else:
            code, out, err = await run("--config", str(config), "--output", "json")
            assert (code, out) == (2, "")
            assert "a sink writes to standard output; leave --output json out" in err
