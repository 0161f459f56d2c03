"""``bookfeed replay`` and ``import``: the books of a recording, its digest, its damage."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from bookfeed.cli import main

DATA = Path(__file__).parent / "data"
TINY = DATA / "tiny.ndjson"
# Written from the simulator's own truth, not by the engine.
EXPECTED = json.loads((DATA / "tiny.expected.json").read_text())
CAPTURES = Path(__file__).parents[2] / "shared" / "captures" / "polymarket"

Capsys = pytest.CaptureFixture[str]


def replayed(capsys: Capsys, *arguments: object, code: int = 0) -> dict[str, Any]:
    assert main(["replay", *map(str, arguments), "-o", "json"]) == code
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def sides(result: dict[str, Any]) -> dict[str, Any]:
    books = result["books"].items()
    return {symbol: {side: book[side] for side in ("bids", "asks")} for symbol, book in books}


@pytest.mark.parametrize("checkpoint", EXPECTED["checkpoints"], ids=lambda c: str(c["frames"]))
def test_books_at_every_checkpoint(checkpoint: dict[str, Any], capsys: Capsys) -> None:
    result = replayed(capsys, TINY, "--frames", checkpoint["frames"], "--books")
    assert result["frames"] == checkpoint["frames"]
    assert sides(result) == checkpoint["books"]
    for book in result["books"].values():
        assert book["state"] == "live"
        assert book["evidence"]["hash_book_match"] >= 1
        assert book["evidence"]["hash_book_mismatch"] == 0


def test_the_whole_of_it(capsys: Capsys) -> None:
    result = replayed(capsys, TINY)
    assert set(result) == {
        *("venues", "frames", "messages", "updates", "signals", "digest"),
        *("decode_errors", "malformed", "gaps", "regressions", "underflows"),
        *("elapsed_s", "frames_per_s"),
    }
    assert result["venues"] == ["polymarket"]
    assert result["frames"] == EXPECTED["frames"]
    assert result["messages"] == EXPECTED["types"]
    assert all(result[name] == 0 for name in ("decode_errors", "malformed", "gaps", "underflows"))
    assert result["frames_per_s"] == pytest.approx(result["frames"] / result["elapsed_s"])
    assert len(bytes.fromhex(result["digest"])) == 32


def test_the_digest_is_of_what_happened(capsys: Capsys) -> None:
    whole = replayed(capsys, TINY)["digest"]
    assert replayed(capsys, TINY)["digest"] == whole
    assert replayed(capsys, TINY, "--frames", 39)["digest"] != whole
    assert replayed(capsys, TINY, "--frames", 40)["digest"] == whole
    assert replayed(capsys, TINY, "--frames", 4_000_000)["digest"] == whole


def test_no_frames_no_books(capsys: Capsys) -> None:
    result = replayed(capsys, TINY, "--frames", 0, "--books")
    assert (result["frames"], result["books"], result["frames_per_s"]) == (0, {}, 0.0)


def test_hashes_are_checked_as_told(capsys: Capsys) -> None:
    def checked(*arguments: str) -> int:
        books = replayed(capsys, TINY, "--books", *arguments)["books"].values()
        return sum(n for b in books for kind, n in b["evidence"].items() if "hash" in kind)

    always = checked()
    assert checked("--hash-check", "always") == always
    assert 0 < checked("--hash-check", "sampled") < always
    assert checked("--hash-check", "off") == 0


def test_compressed_captures_are_the_same(tmp_path: Path, capsys: Capsys) -> None:
    packed = tmp_path / "tiny.gz"
    packed.write_bytes(gzip.compress(TINY.read_bytes()))
    assert replayed(capsys, packed)["digest"] == replayed(capsys, TINY)["digest"]


def test_tables_and_lines(capsys: Capsys) -> None:
    assert main(["replay", str(TINY), "--books"]) == 0
    table = capsys.readouterr().out
    assert "venues         polymarket\n" in table
    assert table.count(" live ") == 2
    assert main(["replay", str(TINY), "--books", "-o", "ndjson"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines] == ["book", "book", "summary"]


def test_import_and_replay_come_to_the_same(tmp_path: Path, capsys: Capsys) -> None:
    journal = tmp_path / "tiny.bfj"
    assert main(["import", str(TINY), str(journal), "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["frames"] == EXPECTED["frames"]
    assert told["records"] == len(TINY.read_text().splitlines()) - 1
    assert told["bytes"] == journal.stat().st_size
    by_capture, by_journal = (replayed(capsys, path, "--books") for path in (TINY, journal))
    for timing in ("elapsed_s", "frames_per_s"):
        del by_capture[timing], by_journal[timing]
    assert by_capture == by_journal
    assert replayed(capsys, tmp_path)["digest"] == by_journal["digest"]
    assert replayed(capsys, tmp_path / "ti")["digest"] == by_journal["digest"]


def test_import_never_overwrites(tmp_path: Path, capsys: Capsys) -> None:
    journal = tmp_path / "tiny.bfj"
    journal.write_bytes(b"precious")
    assert main(["import", str(TINY), str(journal)]) == 1
    assert str(journal) in capsys.readouterr().err
    assert journal.read_bytes() == b"precious"


def test_a_damaged_journal_gives_what_is_left_and_says_so(tmp_path: Path, capsys: Capsys) -> None:
    journal = tmp_path / "tiny.bfj"
    assert main(["import", str(TINY), str(journal)]) == 0
    capsys.readouterr()
    journal.write_bytes(journal.read_bytes()[:-60])  # the end mark, and a part of a block
    assert main(["replay", str(journal), "-o", "json"]) == 3
    told = capsys.readouterr()
    assert json.loads(told.out)["frames"] < EXPECTED["frames"]
    assert f"{journal} at byte " in told.err
    assert "bytes lost" in told.err


@pytest.mark.parametrize("command", ["replay", "audit"])
def test_a_journal_without_its_end_says_so_without_losses(
    command: str, tmp_path: Path, capsys: Capsys
) -> None:
    journal = tmp_path / "tiny.bfj"
    assert main(["import", str(TINY), str(journal)]) == 0
    journal.write_bytes(journal.read_bytes()[:-52])  # the end mark
    assert main([command, str(journal), "-o", "json"]) == 3
    told = capsys.readouterr().err
    assert f"{journal} at byte {journal.stat().st_size}: no end mark" in told
    assert "lost" not in told


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "1: the file is empty"),
        (b"{}\n", "1: not a capture"),
        (b'{"capture": 1, "venue": "polymarket"}\n{"ts_recv": "x"}\n', '2: "ts_recv" must be'),
        (b'{"capture": 1, "venue": "atlantis"}\n', 'no venue "atlantis"'),
        (b"BFJ? no", "bad.file"),
        (b"\x89PNG\r\n", "not UTF-8 at byte 0; a capture is JSON lines"),
        ('{"capture": 1}'.encode("utf-16"), "not UTF-8 at byte 0"),
        (b"\x1f\x8b\x08broken", "damaged or cut short"),
    ],
)
def test_what_is_no_recording_is_a_data_error(
    content: bytes, words: str, tmp_path: Path, capsys: Capsys
) -> None:
    path = tmp_path / "bad.file"
    path.write_bytes(content)
    assert main(["replay", str(path)]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"bookfeed replay: {path}")
    assert words in told.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replay", "absent"), "absent: no journal and no capture there"),
        (("replay", "file/absent"), "file/absent: no journal and no capture there"),
        (("replay", "."), "no journal at"),
        (("audit", "absent"), "absent: no journal and no capture there"),
        (("import", "absent", "new.bfj"), "absent: cannot read (No such file or directory)"),
        (("import", ".", "new.bfj"), ": cannot read (Is a directory)"),
        (("import", "tiny", "absent/new.bfj"), "absent/new.bfj: No such file or directory"),
        (("import", "tiny", "file/new.bfj"), "file/new.bfj: Not a directory"),
        (("record", "--demo", "--directory", "file"), "Not a directory"),
        (("record", "--demo", "--directory", "file/sub"), "Not a directory"),
        (("record", "--demo", "--directory", "/proc/sub"), "cannot record to /proc/sub"),
    ],
    ids=" ".join,
)
def test_a_path_that_cannot_be_used_is_a_failure(
    arguments: tuple[str, ...],
    words: str,
    tmp_path: Path,
    capsys: Capsys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing was wrong with any data."""
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("tiny").write_bytes(TINY.read_bytes())
    assert main([*arguments, "-q"]) == 1
    told = capsys.readouterr()
    assert told.err.startswith(f"bookfeed {arguments[0]}: ") and told.err.count("\n") == 1
    assert words in told.err
    assert told.out == "" and not list(tmp_path.rglob("*.bfj"))


@pytest.mark.parametrize(
    "command", ["replay", "audit", "record --demo --directory", "run --config"]
)
def test_a_path_from_a_variable_that_is_not_set_is_no_path(command: str, capsys: Capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), ""])
    assert ended.value.code == 2
    assert "must be a path, and is empty" in capsys.readouterr().err


def test_a_journal_is_not_imported_again(tmp_path: Path, capsys: Capsys) -> None:
    journal, again = tmp_path / "tiny.bfj", tmp_path / "again.bfj"
    assert main(["import", str(TINY), str(journal)]) == 0
    capsys.readouterr()
    assert main(["import", str(journal), str(again)]) == 3
    wanted = (
        f"bookfeed import: {journal}:1: a journal already: `replay` and `audit` take it as it is"
    )
    assert capsys.readouterr().err.strip() == wanted
    assert not again.exists()


def test_a_capture_may_begin_with_a_mark_of_its_encoding(tmp_path: Path, capsys: Capsys) -> None:
    marked = tmp_path / "marked.ndjson"
    marked.write_bytes(b"\xef\xbb\xbf" + TINY.read_bytes())
    assert replayed(capsys, marked)["digest"] == replayed(capsys, TINY)["digest"]


def test_frames_of_no_book_are_told(tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "a.ndjson"
    lines = [{"capture": 1, "venue": "kalshi"}, {"ts_recv": 1, "conn": "a", "frame": "{}"}]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert main(["replay", str(path), "-o", "json"]) == 0
    assert "1 frames, and no book was subscribed" in capsys.readouterr().err


def captures() -> list[Any]:
    found = sorted(CAPTURES.glob("*.expected.json"))
    if not found:
        return [pytest.param(None, marks=pytest.mark.skip(f"no captures at {CAPTURES}"))]
    return [pytest.param(path, id=path.name.removesuffix(".expected.json")) for path in found]


@pytest.mark.parametrize("expected", captures())
def test_real_captures_at_every_checkpoint(expected: Path, capsys: Capsys) -> None:
    wanted = json.loads(expected.read_text())
    capture = expected.with_name(expected.name.replace(".expected.json", ".ndjson.gz"))
    for checkpoint in wanted["checkpoints"]:
        result = replayed(capsys, capture, "--frames", checkpoint["frames"], "--books")
        assert sides(result) == checkpoint["books"]
    assert replayed(capsys, capture)["messages"] == wanted["types"]
