"""``bookfeed init``, and ``.env``: what a folder begins with."""

import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from test_signing import ED25519, pem
from waiting import PATIENCE_S

from bookfeed import ConfigError, config
from bookfeed.cli import main
from bookfeed.cli.env import NAME, read, variables
from bookfeed.cli.init import begun
from bookfeed.config import Config

KEY_ID = "0123abcd-key-id"


def test_what_is_begun_is_how_it_is_without() -> None:
    text = begun("mine.toml", {})
    made = config.parse(tomllib.loads(text))
    assert made.rules.complement is not None
    assert config.parse({"rules": {"complement": {}}}) == made


def test_what_is_shown_is_what_holds() -> None:
    """Each line that may be set is set, and nothing changes; each section is there."""
    text = begun("mine.toml", {})
    uncommented = re.sub(r"^# (\w+ = .+)$", r"\1", text, flags=re.MULTILINE)
    uncommented = re.sub(r"^# \[rules.spread\]$", "[rules.spread]", uncommented, flags=re.MULTILINE)
    table = tomllib.loads(uncommented)
    assert len(re.findall(r"^# \w+ = ", uncommented, flags=re.MULTILINE)) == 0
    del table["rules"]
    assert config.parse(table) == Config()
    sections = Config().sections.keys() | {"engine", "feed", "record", "console"}
    assert table.keys() == sections


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    assert main(["init", str(path)]) == 0
    path.write_text("# mine\n")
    assert main(["init", str(path)]) == 2
    assert "is there already" in capsys.readouterr().err and path.read_text() == "# mine\n"
    assert main(["init", str(tmp_path / "none" / "mine.toml")]) == 1


def asked(folder: Path, *answers: str) -> tuple[int, str]:
    """Runs it on a terminal, and answers what it asks."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bookfeed", "init"], stdin=end, stdout=end, stderr=end, cwd=folder
    )
    os.close(end)
    said = b""
    for answer in answers:
        while not re.search(rb": $", said):
            said += os.read(terminal, 4096)
        os.write(terminal, answer.encode() + b"\n")
        said += b"\n"
    code = process.wait(PATIENCE_S)
    while True:
        try:
            said += os.read(terminal, 4096)
        except OSError:
            break
    os.close(terminal)
    return code, said.decode()


@pytest.mark.slow
def test_on_a_terminal_it_asks_for_the_key(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text(pem(ED25519))
    key.chmod(0o600)
    code, said = asked(tmp_path, KEY_ID, "key.pem")
    assert code == 0 and "private_key_file: " in said
    made = config.load(tmp_path / "bookfeed.toml", {}).sections["kalshi"]
    assert [getattr(made, name) for name in made.SECRETS] == [KEY_ID, "key.pem"]


@pytest.mark.slow
def test_a_key_that_cannot_be_used_is_said_and_nothing_written(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text(pem(ED25519))
    key.chmod(0o644)
    code, said = asked(tmp_path, KEY_ID, "key.pem")
    assert code == 2 and "chmod 600" in said
    code, said = asked(tmp_path, KEY_ID, "")
    assert code == 2 and "no private key" in said
    assert not (tmp_path / "bookfeed.toml").exists()


# .env


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KALSHI_A=plain", "plain"),
        ("  export KALSHI_A = spaced  ", "spaced"),
        ("KALSHI_A=a#b # remark", "a#b"),
        ("KALSHI_A='a # b' # remark", "a # b"),
        ('KALSHI_A="a\\nb \\"c\\""', 'a\nb "c"'),
        ('KALSHI_A="first\nsecond"', "first\nsecond"),
        ("KALSHI_A='first\nsecond'", "first\nsecond"),
        ("KALSHI_A=", ""),
        ("KALSHI_A= # remark", ""),
        ("\ufeffKALSHI_A=bom", "bom"),
        ("KALSHI_A=windows\r", "windows"),
        ("KALSHI_A=first\nKALSHI_A=second", "second"),
    ],
)
def test_lines_as_many_tools_write_them(line: str, value: str) -> None:
    text = line.removeprefix("\ufeff")
    assert variables(f"# remark\n\nnonsense\n{text}\nOTHER=x\n") == {
        "KALSHI_A": value,
        "OTHER": "x",
    }


def test_the_environment_goes_before_it_and_others_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text(
        "\ufeffKALSHI_API_KEY_ID=here\nBOOKFEED_ENGINE__SILENCE_S=5\nPATH=/evil\nPYTHONPATH=/evil\n"
        "HTTPS_PROXY=http://evil\nKALSHI_PRIVATE_KEY_PATH=\n"
    )
    environ = {"BOOKFEED_ENGINE__SILENCE_S": "9"}
    read(path, environ)
    assert environ == {"BOOKFEED_ENGINE__SILENCE_S": "9", "KALSHI_API_KEY_ID": "here"}


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text("KALSHI_PRIVATE_KEY='-----BEGIN CANARY'\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600") as refused:
        read(path, {})
    assert "CANARY" not in str(refused.value)
    path.chmod(0o600)
    environ: dict[str, str] = {}
    read(path, environ)
    assert environ == {"KALSHI_PRIVATE_KEY": "-----BEGIN CANARY"}
    path.write_bytes(b"KALSHI_A=\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read(path, {})


def test_commands_read_the_one_of_their_folder(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("BOOKFEED_ENGINE__SILENCE=5\n")
    done = subprocess.run(
        [sys.executable, "-m", "bookfeed", "run", "kalshi:KX-1"],
        capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 2
    assert "BOOKFEED_ENGINE__SILENCE" in done.stderr and "silence_s" in done.stderr
