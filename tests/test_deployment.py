"""What is installed beside the command: completion, the manual page, units of systemd, an image.

Each is tried by the program that reads it, where that is here: bash, zsh and fish complete, groff
and mandoc read the page, systemd-analyze judges units, and a demo runs as the image would run it.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from test_cli_run import DEMO
from waiting import PATIENCE_S

from bookfeed.cli.grammar import grammar
from bookfeed.cli.man import page
from bookfeed.cli.notify import Service, watchdog_s

# What is made once for the whole file is made in one process.
pytestmark = pytest.mark.xdist_group("deployment")

ROOT: Final = Path(__file__).parents[1]
DEPLOY: Final = ROOT / "deploy"
UNITS: Final = sorted(DEPLOY.glob("*.service"))
BOOKFEED: Final = (sys.executable, "-m", "bookfeed")


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skips a test by the name of the program that is not here."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not here: {', '.join(missing)}")


def done(*command: str, cwd: Path = ROOT, stdin: str = "") -> str:
    """What a program says, standard error included; it has to succeed."""
    ran = subprocess.run(
        command, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
    return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The completion script of each shell, in a file."""
    folder = tmp_path_factory.mktemp("completion")
    found = {}
    for shell in ("bash", "zsh", "fish"):
        found[shell] = folder / f"bookfeed.{shell}"
        found[shell].write_text(done(*BOOKFEED, "completion", shell))
    return found


# The parser as data.


def test_the_grammar_has_what_help_has() -> None:
    known = grammar()
    by_name = {command.name: command for command in known.commands}
    run = by_name["run"]
    (output,) = (each for each in run.options if "--output" in each.flags)
    assert (output.flags, output.choices) == (("-o", "--output"), ("table", "json", "ndjson"))
    (config,) = (each for each in run.options if "--config" in each.flags)
    assert (config.takes, config.shown) == ("a path", "FILE")
    (demo,) = (each for each in run.options if "--demo" in each.flags)
    assert demo.takes == "perhaps a word"
    assert [each.shown for each in by_name["price"].places] == ["TARGET", "buy|sell", "AMOUNT"]
    assert by_name["price"].places[1].choices == ("buy", "sell")
    for command in known.commands:
        assert command.short and command.about and command.usage.startswith("bookfeed ")
        assert all(each.about and "%(" not in each.about for each in command.options)


# Completion, in the shells themselves.

CASES: Final = [
    ("bookfeed ca", "calibrate"),
    ("bookfeed --v", "--version"),
    ("bookfeed run --de", "--demo"),
    ("bookfeed run --output nd", "ndjson"),
    ("bookfeed run --log-format ", "json text"),
    ("bookfeed alert ", "test"),
    ("bookfeed completion z", "zsh"),
    ("bookfeed run --config feed.t", "feed.toml"),
    ("bookfeed replay rec", "recordings"),
    ("bookfeed run --seconds ", ""),
]


@needs("bash")
@pytest.mark.parametrize(("typed", "offered"), CASES)
def test_bash_completes(typed: str, offered: str, scripts: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "feed.toml").touch()
    (tmp_path / "recordings").mkdir()
    words = typed.split(" ")
    ask = (
        f"source {scripts['bash']}; COMP_WORDS=({' '.join(map(repr, words))}); "
        f"COMP_CWORD={len(words) - 1}; _bookfeed; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    assert sorted(done("bash", "-c", ask, cwd=tmp_path).split()) == offered.split()


@needs("fish")
@pytest.mark.parametrize(("typed", "offered"), CASES)
def test_fish_completes(typed: str, offered: str, scripts: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "feed.toml").touch()
    (tmp_path / "recordings").mkdir()
    told = done("fish", "-c", f"source {scripts['fish']}; complete -C '{typed}'", cwd=tmp_path)
    found = {line.split("\t")[0].rstrip("/") for line in told.splitlines()}
    assert sorted(found) == offered.split()


@needs("zsh")
def test_zsh_completes(scripts: dict[str, Path], tmp_path: Path) -> None:
    """What zsh would offer is heard where it is offered; a terminal is its own affair."""
    ask = f"""
        autoload -Uz compinit && compinit -u -d {tmp_path}/dump
        source {scripts["zsh"]}
        print -r -- $_comps[bookfeed]
        _describe() {{ print -rl -- "${{(@P)argv[-1]}}" }}
        _arguments() {{ print -rl -- "$@" }}
        words=(bookfeed ''); CURRENT=2; _bookfeed
        words=(bookfeed run ''); CURRENT=3; _bookfeed
    """
    told = done("zsh", "-f", "-c", ask).splitlines()
    assert told[0] == "_bookfeed"
    assert {line.partition(":")[0] for line in told} >= {each.name for each in grammar().commands}
    (output,) = (line for line in told if ")--output[" in line)
    assert output.startswith("(-o --output)--output[") and output.endswith("(table json ndjson)")
    (config,) = (line for line in told if "--config[" in line)
    assert config.endswith(":FILE:_files")


@needs("shellcheck")
def test_nothing_is_wrong_with_scripts_of_shells(scripts: dict[str, Path]) -> None:
    done("shellcheck", "--shell=bash", str(scripts["bash"]))
    done("shellcheck", str(ROOT / "scripts" / "wheels"))


# The manual page.


def test_the_manual_has_every_option() -> None:
    known = grammar()
    text = page(known, "1.2")
    for command in known.commands:
        assert f".SS bookfeed {command.name}\n" in text
        for option in command.options:
            flag = option.flags[-1].replace("-", r"\-")
            assert rf"\fB{flag}\fR" in text
    # A line that begins with a dot or a quote would be a macro.
    macros = {line.split(" ")[0] for line in text.splitlines() if line.startswith((".", "'"))}
    assert macros == {".TH", ".nh", ".SH", ".SS", ".B", ".I", ".PP", ".TP", ".nf", ".fi"}


@needs("groff")
def test_groff_reads_the_manual() -> None:
    text = page(grammar(), "1.2")
    assert done("groff", "-man", "-ww", "-Tutf8", "-z", stdin=text) == ""
    told = done("groff", "-man", "-Tutf8", "-P-cbou", stdin=text)
    assert "--paper-latency-ms N" in told and "Data goes to standard output" in told


@needs("mandoc")
def test_mandoc_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    path = tmp_path / "bookfeed.1"
    path.write_text(page(grammar(), "1.2"))
    told = done("mandoc", "-T", "lint", "-W", "error", str(path))
    assert told == ""


# Under systemd.


class Heard:
    """What a command tells whoever it was started by."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(PATIENCE_S)

    def next(self) -> dict[str, str]:
        lines = self.socket.recv(4_096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def drain(self) -> None:
        """Takes all that was told until now."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.next()

    def until(self, key: str, pattern: str = "") -> dict[str, str]:
        while True:
            told = self.next()
            if re.search(pattern, told.get(key, "\0")):
                return told


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    there = Heard(tmp_path / "notify")
    yield there
    there.socket.close()


@pytest.mark.slow
def test_a_feed_says_that_it_is_ready_goes_on_and_stops(heard: Heard) -> None:
    environ = os.environ | {"NOTIFY_SOCKET": str(heard.path), "WATCHDOG_USEC": "400000"}
    process = subprocess.Popen(
        [*BOOKFEED, "run", *DEMO, "-o", "json"], stdout=subprocess.DEVNULL, env=environ
    )
    try:
        assert "READY" in heard.next()
        # Half of the 0.4 s, after which it would be ended.
        told = heard.until("STATUS", "^([1-9][0-9]*) of .* books live")
        assert told["WATCHDOG"] == "1"
        # One that hangs says nothing.
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        heard.drain()
        heard.socket.settimeout(1.0)
        with pytest.raises(TimeoutError):
            heard.next()
        heard.socket.settimeout(PATIENCE_S)
        process.send_signal(signal.SIGCONT)
        heard.until("WATCHDOG")
        process.send_signal(signal.SIGTERM)
        heard.until("STOPPING")
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()


async def test_whoever_was_not_started_by_systemd_tells_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    async with Service(lambda: pytest.fail("nobody asked")):
        await asyncio.sleep(0)


async def test_a_name_without_a_file_and_one_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"bookfeed-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        async with Service(lambda: "up"):
            assert there.recv(100) == b"READY=1\nSTATUS=up"
    async with Service(lambda: "nobody hears it"):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("told", "whose", "expected"),
    [
        ("30000000", "", 30.0),
        ("30000000", "mine", 30.0),
        ("30000000", "1", float("inf")),
        ("", "", float("inf")),
        ("soon", "", float("inf")),
        ("0", "", float("inf")),
    ],
)
def test_whom_the_watchdog_watches(
    told: str, whose: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", told)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if whose == "mine" else whose)
    assert watchdog_s() == expected


@needs("systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_units(unit: Path, tmp_path: Path) -> None:
    # The program of the unit is where it is installed, not here.
    here = tmp_path / unit.name
    here.write_text(unit.read_text().replace("/opt/bookfeed/bin/bookfeed", "/bin/true"))
    assert done("systemd-analyze", "verify", "--man=no", str(here)) == ""
    done("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(unit))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_what_the_units_start_is_there(unit: Path) -> None:
    (command,) = re.findall(r"^ExecStart=\S+/bookfeed (.*)$", unit.read_text(), re.MULTILINE)
    name, *arguments = command.split()
    (found,) = (each for each in grammar().commands if each.name == name)
    flags = {flag for option in found.options for flag in option.flags}
    assert {each for each in arguments if each.startswith("-")} <= flags


# In a container.


def test_the_image_is_built_from_what_is_there_and_runs_as_nobody_special() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    steps = re.findall(r"^([A-Z]+) (.*(?:\\\n.*)*)", text, re.MULTILINE)
    last = [index for index, (name, _) in enumerate(steps) if name == "FROM"][-1]
    image = [name for name, _ in steps[last:]]
    said = dict(steps[last:])
    assert said["USER"] == "10001" and "COPY" not in image[image.index("USER") :]
    assert said["ENTRYPOINT"] == '["bookfeed"]'
    extras = re.search(r"\[([\w,]+)\]\"", said["RUN"])
    assert extras is not None
    known = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert set(extras[1].split(",")) <= set(known)
    ignore = (ROOT / ".containerignore").read_text().splitlines()
    taken = [line[1:] for line in ignore if line.startswith("!")]
    assert all((ROOT / name).exists() for name in taken)
    # Docker knows another name for it.
    assert (ROOT / ".dockerignore").read_text() == (ROOT / ".containerignore").read_text()


def may_remount() -> bool:
    """Whether this machine lets a test have mounts of its own."""
    tried = ["unshare", "--mount", "true"]
    return shutil.which("unshare") is not None and subprocess.run(tried).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not may_remount(), reason="no mounts of its own here")
def test_a_demo_runs_where_nothing_can_be_written(tmp_path: Path) -> None:
    """As with ``--read-only``: no file system takes a byte, and there is no home."""
    program = (
        "cut -d' ' -f2 /proc/self/mounts | while read -r at; do "
        'mount -o remount,bind,ro "$at" 2>/dev/null; done; '
        'touch ./probe /dev/shm/probe 2>/dev/null && exit 99; exec "$@"'
    )
    environ = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_RUNTIME_DIR")}
    command = [*BOOKFEED, "run", "--demo", "--seconds", "3", "-o", "json"]
    ran = subprocess.run(
        ["unshare", "--mount", "sh", "-c", program, "sh", *command],
        cwd=tmp_path,
        env=environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_S,  # three processes start in it
    )
    assert ran.returncode == 0, ran.stderr
    assert '"live"' in ran.stdout
