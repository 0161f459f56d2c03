"""The command line as a shell sees it: help, exit codes, streams, starting quickly."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE_S

import bookfeed
from bookfeed.cli import main

COMMANDS = (
    "run",
    "serve",
    "mcp",
    "top",
    "record",
    "replay",
    "audit",
    "calibrate",
    "export",
    "signals",
    "import",
    "markets",
    "book",
    "price",
    "trades",
    "init",
    "add",
    "pairs",
    "doctor",
    "alert",
    "sim",
    "bench",
    "score",
    "completion",
    "man",
)
TINY = Path(__file__).parent / "data" / "tiny.ndjson"
CLI_PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def help_of(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


def options_in(text: str) -> set[str]:
    """The long options that a help lists, each on a line of its own."""
    listed = re.findall(r"^  -.*", text, re.MULTILINE)
    return {option for line in listed for option in OPTION.findall(line)}


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
    text = help_of(command, capsys)
    assert f"example:\n  bookfeed {command} " in text
    assert "exit codes:\n  0 " in text
    assert "--log-format" in text


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns_and_begins_with_what_it_is_for(command: str) -> None:
    done = shell(*command.split(), "--help", COLUMNS="80")
    assert max(map(len, done.stdout.splitlines())) <= 80
    usage, purpose, *_ = done.stdout.split("\n\n")
    assert usage.startswith(f"usage: bookfeed {command}".rstrip())
    assert purpose[0].isupper() and purpose.endswith(".")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_what_it_does(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = re.findall(r"^  (-.*)\n( {24})?", help_of(command, capsys), re.MULTILINE)
    assert len(listed) >= 4
    for line, goes_on in listed:
        assert goes_on or re.search(r"\S {2,}\w", line), line


def test_the_page_of_the_command_line_has_the_options_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The usage of each command on the page names all of its options, and no other."""
    there = {command: options_in(help_of(command, capsys)) for command in COMMANDS}
    page = CLI_PAGE.read_text(encoding="utf-8")
    first, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    everywhere = set(OPTION.findall(first))
    assert set.intersection(*there.values()) <= everywhere
    told: dict[str, set[str]] = {}
    for section in sections:
        names, _, body = section.partition("\n")
        usage = re.match(r"\n((?: {4}.*\n)+)", body)
        if not usage or not set(names.split(", ")) <= there.keys():
            continue
        for line in re.split(r"^ {4}bookfeed ", usage[1], flags=re.MULTILINE)[1:]:
            told.setdefault(line.split()[0], set()).update(OPTION.findall(line))
    assert told == {name: options - everywhere for name, options in there.items()}
    assert set(OPTION.findall(page)) <= set.union(*there.values())


@pytest.mark.parametrize(
    ("asked", "same"), [([], ""), (["help"], ""), (["help", "replay"], "replay")]
)
def test_help_is_there_for_who_asks_for_it(
    asked: list[str], same: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(asked)
    assert ended.value.code == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out == help_of(same, capsys)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of("", capsys)
    assert all(re.search(rf"^    {command}\s", text, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frob"], "no such command: 'frob'; `bookfeed help` lists what there is"),
        (["replya", "x"], "no such command: 'replya'; did you mean 'replay'?"),
        (["help", "recrod"], "no such command: 'recrod'; did you mean 'record'?"),
        (["kalshi:KXA"], "did you mean `bookfeed run kalshi:KXA`?"),
        (["--demo"], "--demo stands behind a command: bookfeed COMMAND --demo"),
        (["-v", "run"], "-v stands behind a command: bookfeed run -v"),
        ([""], "no such command: ''"),
        (["run", "--demo", "--secnds=3"], "'--secnds=3'; did you mean '--seconds'?"),
        (["run", "--demo", "-x"], "no such argument: '-x'; `bookfeed help` lists"),
        (["replay", "x", "y"], "no such argument: 'y': it is one too many"),
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
        f'bookfeed run: {path}:2: engine.hash_check: must be one of "always", "sampled", "off", '
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


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("127.0.0.1:1", "cannot connect: OSError: cannot connect to 127.0.0.1 port 1"),
        ("absent.invalid", "cannot connect: OSError: no address of absent.invalid is known"),
    ],
)
@pytest.mark.parametrize("command", ["run", "record"])
def test_a_run_that_never_connected_has_failed_and_says_to_what(
    host: str,
    words: str,
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bookfeed.toml").write_text(
        f'[polymarket]\nws_url = "ws://{host}/ws"\n[[market]]\nmarket = ""\n'
        'outcomes = [{ name = "Yes", asset = "71" }]\n'
    )
    asked = [command, "--config", "bookfeed.toml", "--seconds", "0.5", "-o", "json", "-qq"]
    assert main(asked) == 1
    told = capsys.readouterr()
    assert told.err.startswith(f"bookfeed {command}: never connected to polymarket: {words}")
    (connection,) = json.loads(told.out)["connections"]
    assert (connection["state"], connection["live"]) == ("connecting", 0)
    assert words in connection["cause"]
