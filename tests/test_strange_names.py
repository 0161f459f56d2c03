"""Names that strangers give to things never become places: nothing is read, made or run that they
lead to, whether they come in a recording, a directory of one, a listing or a prefix.
"""

import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from bookfeed import JournalWriter
from bookfeed.catalogue.listing import ListedEvent, ListedOutcome, Listing
from bookfeed.catalogue.store import Store
from bookfeed.cli import main
from bookfeed.errors import BookfeedError, JournalError
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.reader import Journal
from bookfeed.recordings.upkeep import SUFFIX

TS: Final = 1_790_000_000_000_000_000
NAMES: Final = (
    "", " ", ".", "..", "../x", "../../x", "../../../../../../etc/passwd", "/etc/passwd",
    "//etc/passwd", "/dev/zero", "/proc/self/mem", "./x", "a/b", "a/../../b", "a//b", "x/", "..x/",
    "~", "~root/x", "$HOME/x", "${HOME}", "%HOME%", "`id`", "$(id)", "x;id", "x|id", "x&id", "x>y",
    "..%2f..%2fx", "%2e%2e%2fx", "..%c0%afx", "..\\x", "..\\..\\x", "C:\\x", "C:x",
    "\\\\host\\share", "file:///etc/passwd", "http://127.0.0.1/x", "CON", "NUL", "aux.txt", "LPT1",
    "x\0.bfj", "\0", "x\ny", "\r", "\x1b[2J", "\u202ex", "\uff0e\uff0e\uff0fx", "\u2025/x",
    "-rf", "--help", "*", "[a-z]", ".ssh", ".env", "x" * 5_120, "\u00e9" * 3_000, "os", "__init__",
)  # fmt: skip
# What makes, changes or runs something.
DEEDS: Final = ("os.", "shutil.", "subprocess.", "socket.connect", "tempfile.")

_seen: list[tuple[str, tuple[Any, ...]]] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is not None and (event in ("open", "import") or event.startswith(DEEDS)):
        _seen.append((event, arguments))


# It cannot be taken away again, so it sleeps.
sys.addaudithook(_hook)


@contextmanager
def confined(root: Path) -> Iterator[None]:
    """Nothing outside ``root`` is written, and no module comes from outside Python's own places."""
    global _seen
    seen: list[tuple[str, tuple[Any, ...]]] = []
    _seen = seen
    try:
        yield
    finally:
        _seen = None
    for event, arguments in seen:
        where = [Path(os.fsdecode(a)) for a in arguments if isinstance(a, str | bytes | Path)]
        if event == "open":
            path, _, flags = arguments
            written = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            outside = isinstance(path, str | bytes) and not inside(where[0], root)
            assert not (outside and (written or not of_python(where[0]))), arguments
        elif event == "import":
            assert not any(c in arguments[0] for c in "/\\\0 "), arguments
        elif event in ("os.listdir", "os.scandir", "os.putenv", "os.unsetenv"):
            pass
        else:
            paths = [path for path in where if str(path)]
            assert event.startswith(("os.", "shutil.")), (event, arguments)
            assert all(inside(path, root) for path in paths), (event, arguments)


def inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def of_python(path: Path) -> bool:
    """Whether Python or the package may read it for its own sake."""
    import bookfeed

    places = {sys.prefix, sys.base_prefix, *sys.path, str(Path(bookfeed.__file__).parents[1])}
    system = ("/usr/share", "/usr/lib", "/etc/localtime", "/proc/meminfo", "/sys/fs/cgroup")
    return any(path.resolve().is_relative_to(Path(p).resolve()) for p in (*places, *system) if p)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is all there is to work in, with something beside it that must stay."""
    (tmp_path / "x").write_text("canary")
    room = tmp_path / "a" / "room"
    room.mkdir(parents=True)
    (tmp_path / "a" / "x").write_text("canary")
    monkeypatch.chdir(room)
    return room


@pytest.fixture(autouse=True)
def canaries_stay(tmp_path: Path) -> Iterator[None]:
    yield
    around = {path for path in tmp_path.rglob("*") if "room" not in path.parts}
    expected = {tmp_path / "a", tmp_path / "x", tmp_path / "a" / "x"}
    assert around in (set(), expected)
    assert all(path.read_text() == "canary" for path in around if path.is_file())


def test_there_are_sixty_of_them() -> None:
    assert len(set(NAMES)) == len(NAMES) == 60


@pytest.mark.parametrize("name", NAMES)
def test_a_prefix_is_a_plain_name_or_refused(name: str, root: Path) -> None:
    directory = root / "recording"
    with confined(root):
        try:
            with JournalWriter(directory, prefix=name) as writer:
                writer.append(Kind.NOTE, TS, 0, 0, b"{}")
        except JournalError as error:
            assert "letters, digits" in str(error)
            assert not directory.exists()
        else:
            (made,) = directory.iterdir()
            assert made.name.startswith(f"{name}-") and made.suffix == SUFFIX
            assert made.is_file() and not made.is_symlink()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["venue", "symbol", "rule", "notes"])
def test_what_a_recording_calls_things_leads_nowhere(name: str, place: str, root: Path) -> None:
    told = {"venue": "polymarket", "symbol": "71", "rule": "spread", "notes": "x"}
    told[place] = name
    notes = {"venue": told["notes"], "recording": name, "source": name, "engine": {}}
    if place != "notes":
        notes = {"venue": "polymarket", "engine": {}}
    terms = {"venue": told["venue"], "symbol": told["symbol"], "fee": f"{told['venue']}:0.07;1"}
    terms |= {"market": name, "event": name, "series": name, "title": name}
    rule = {"kind": told["rule"], "params": {"legs": name}, "name": name}
    with JournalWriter(root / "in", notes=notes) as writer:
        writer.append(Kind.CONNECTED, TS, 0, 0, told["venue"].encode())
        writer.append(Kind.SUBSCRIBE, TS, 0, 0, json.dumps(terms).encode())
        writer.append(Kind.RULE, TS, 0, 0, json.dumps(rule).encode())
        writer.append(Kind.FRAME, TS, 0, 1, json.dumps({"event_type": name}).encode())
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with confined(root):
        for command in ("replay", "audit"):
            assert main([command, str(root / "in"), "-o", "json"]) in range(8)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_of_a_directory_only_files_are_read(root: Path, tmp_path: Path) -> None:
    directory = root / "recording"
    with JournalWriter(directory) as writer:
        writer.append(Kind.NOTE, TS, 0, 0, b"{}")
    (whole,) = Journal(directory).segments
    elsewhere = tmp_path / "a" / "room" / "elsewhere"
    elsewhere.mkdir()
    stranger = elsewhere / whole.name
    stranger.write_bytes(whole.read_bytes())
    (directory / f"link{SUFFIX}").symlink_to(stranger)
    (directory / f"loop{SUFFIX}").symlink_to(directory / f"loop{SUFFIX}")
    (directory / f"secret{SUFFIX}").symlink_to("/etc/passwd")
    (directory / f"directory{SUFFIX}").mkdir()
    os.mkfifo(directory / f"pipe{SUFFIX}")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"s{SUFFIX}")  # a path of a socket is short
        Path(f"s{SUFFIX}").rename(directory / f"socket{SUFFIX}")
        with confined(root):
            journal = Journal(directory)
            assert len(list(journal)) == 1
            missing = {one.segment.stem: one.reason for one in journal.report().missing}
    link = "a link, which is followed only if it is named itself"
    assert missing == {
        "link": link, "loop": link, "secret": link,
        "directory": "no file", "pipe": "no file", "socket": "no file",
    }  # fmt: skip
    # Who names it wants it.
    assert len(list(Journal(directory / f"link{SUFFIX}"))) == 1


def test_a_link_that_comes_in_between_is_not_followed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = root / "recording"
    for _ in range(2):
        JournalWriter(directory).close()
    first, second = Journal(directory).segments
    look = Path.lstat

    def swapped(path: Path) -> os.stat_result:
        seen = look(path)
        if path == second and stat.S_ISREG(seen.st_mode):
            path.unlink()
            path.symlink_to(first)
        return seen

    monkeypatch.setattr(Path, "lstat", swapped)
    with pytest.raises(JournalError, match="cannot read"):
        list(Journal(directory))


async def test_what_a_listing_is_called_is_no_place(root: Path) -> None:
    store = Store(root / "kept" / "catalogue.db")
    plain = Listing(venue="polymarket", market="m", slug="s", title="t", status="open")
    with confined(root):
        async with store:
            for n, name in enumerate(NAMES):
                one = replace(
                    plain, market=f"{n}{name}", slug=name, title=name, event=name, series=name,
                    outcomes=(ListedOutcome(name, f"{n}"),),
                )  # fmt: skip
                event = ListedEvent(venue="polymarket", event=name, title=name, markets=(one,))
                await store.remember([one], [event], witness=name)
                try:
                    found = await store.named("polymarket", f"{n}{name}")
                except BookfeedError:
                    continue
                assert [each.title for each in found] == [name]
    assert {path.name.split("-")[0] for path in (root / "kept").iterdir()} == {"catalogue.db"}
