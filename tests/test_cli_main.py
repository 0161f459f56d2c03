"""The command line as a shell sees it: help, exit codes, streams, starting quickly."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE_S

import bookfeed
from bookfeed.cli import main

COMMANDS = ("run", "replay", "record", "import", "sim", "bench")
TINY = Path(__file__).parent / "data" / "tiny.ndjson"


def shell(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bookfeed", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=os.environ | environ,
    )


def test_version() -> None:
    done = shell("--version")
    assert (done.returncode, done.stdout) == (0, f"bookfeed {bookfeed.__version__}\n")
    assert done.stderr == ""


def test_version_and_help_load_nothing_heavy() -> None:
    program = (
        "import sys; from bookfeed.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'asyncio', 'picows', 'aiohttp', 'orjson'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    for arguments in (["--version"], ["run", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_exit_codes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert f"example:\n  bookfeed {command} " in text
    assert "exit codes:\n  0 " in text
    assert "--log-format" in text


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"    {command} " in text for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["frob"], "invalid choice: 'frob'"),
        (["run", "--demo", "--config", "x"], "not allowed with"),
        (["run", "--demo", "--seconds", "nan"], "must be a number from 0.1"),
        (["run", "--demo", "--markets", "0"], "must be a number from 1 to 100000"),
        (["replay", "x", "--hash-check", "maybe"], "invalid choice: 'maybe'"),
        (["replay", "x", "-o", "yaml"], "invalid choice: 'yaml'"),
        (["sim", "--port", "70000"], "must be a number from 0 to 65535"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_a_wrong_configuration_names_file_key_and_what_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "bookfeed.toml"
    path.write_text('[engine]\nhash_check = "allways"\n')
    done = shell("run", "--config", str(path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f'bookfeed run: {path}: engine.hash_check: must be one of "always", "sampled", "off", '
        'not "allways" (did you mean "always"?)\n'
    )


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bookfeed.toml"
    path.write_text("")
    done = shell("run", "--config", str(path), BOOKFEED_FEED__BUSY_POLL="perhaps")
    assert done.returncode == 2
    assert done.stderr.startswith("bookfeed run: BOOKFEED_FEED__BUSY_POLL: feed.busy_poll: ")


def test_a_configuration_without_markets_has_nothing_to_follow(tmp_path: Path) -> None:
    path = tmp_path / "bookfeed.toml"
    path.write_text("")
    done = shell("record", "--config", str(path))
    assert done.returncode == 2
    assert "add a [[market]]" in done.stderr


def test_a_reader_that_leaves_is_no_traceback() -> None:
    # More than a pipe holds, so that writing must fail.
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "bookfeed", "replay", str(TINY), "--books", "-o", "ndjson"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE_S,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_data_and_logs_keep_apart() -> None:
    done = shell("replay", str(TINY), "-o", "json", "-vv", "--log-format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["venues"] == ["polymarket"]
    assert all(json.loads(line)["level"] for line in done.stderr.splitlines())


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_load_next_to_nothing(flag: str) -> None:
    """What takes long to import is imported by the command that needs it, so that help is quick."""
    command = [sys.executable, "-X", "importtime", "-m", "bookfeed", flag]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "bookfeed.cli.parser" in loaded, "the list of imports is not read rightly"
    slow = {"asyncio", "dataclasses", "inspect", "logging", "numpy", "orjson", "picows", "uvloop"}
    assert loaded.isdisjoint(slow | {"bookfeed.config", "bookfeed.feed", "bookfeed.venues"})
