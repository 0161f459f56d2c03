"""``run --serve`` and ``--sink``: what goes with a run begins with it, outlives kills, and ends."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from services import LOOPBACK, free_port
from waiting import wait_until

from bookfeed import config
from bookfeed.cli.parser import parse
from bookfeed.cli.serving import serving, with_socket
from bookfeed.cli.source import Source
from bookfeed.config import Config, ServerConfig
from bookfeed.errors import ConfigError, SessionError
from bookfeed.sinks.socket import SocketSection, default_path

pytestmark = pytest.mark.xdist_group("cli_serving")


def asked(url: str) -> Any:
    """What a server answers; ``None`` while it does not."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError):
        return None


def servers(parent: int) -> list[int]:
    """The servers among the children of a process."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [
        int(child)
        for child in children
        if b"\0serve\0" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for sockets that is no other test's."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_a_demo_is_shown_and_kept_and_nothing_is_left_of_it(here: Path) -> None:
    kept = here / "feed.sqlite"
    command = [sys.executable, "-m", "bookfeed", "run", "--demo", "--markets", "2", "--rate", "50"]
    command += ["--serve", "--sink", f"sqlite,path={kept},trades=true", "-o", "json"]
    env = {**os.environ, "BOOKFEED_SERVER__PORT": "0"}
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        try:
            assert run.stderr is not None
            said = []
            for line in run.stderr:
                said.append(line)
                if line.startswith("serving "):
                    break
            assert said and said[-1].startswith("serving "), "".join(said)
            url = said[-1].split()[1]

            def shown() -> bool:
                told = asked(f"{url}books")
                return told is not None and any(book["live"] for book in told["books"])

            wait_until(shown)
            (server,) = servers(run.pid)
            os.kill(server, signal.SIGKILL)
            wait_until(lambda: server not in servers(run.pid))
            wait_until(shown)  # at the same address
            (again,) = servers(run.pid)
            run.send_signal(signal.SIGTERM)
            out, _ = run.communicate(timeout=60)
        finally:
            run.kill()
    assert run.returncode == 0
    assert not Path(f"/proc/{again}").exists(), "it ends with the run"
    summary = json.loads(out)
    assert [sink["name"] for sink in summary["sinks"]] == ["sqlite", "socket"]
    base = sqlite3.connect(kept)
    assert base.execute("SELECT count(*) FROM states WHERE state = 'live'").fetchone()[0] > 0
    base.close()


async def test_a_server_that_cannot_begin_is_said(here: Path, capfd: Any) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        asking = ServerConfig(port=taken.getsockname()[1])
        with pytest.raises(SessionError, match="did not begin"):
            async with serving(asking, str(here / "none.sock")):
                pass
    assert "cannot listen" in capfd.readouterr().err


async def test_a_server_ends_when_who_began_it_is_gone(here: Path) -> None:
    command = [sys.executable, "-m", "bookfeed", "serve", str(here / "none.sock")]
    command += ["--exit-with-parent", "--port", str(free_port())]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin is not None and process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"serving ")
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 30) == 0


def test_the_socket_is_the_users_own_unless_a_feed_listens_there(here: Path) -> None:
    source = Source("a test", Config())
    with with_socket(source) as (followed, path):
        assert path == default_path() == str(here / "bookfeed.sock")
        assert [section.called for section in followed.config.sink] == ["socket"]
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(default_path())
        other.listen()
        with with_socket(source) as (followed, path):
            (section,) = followed.config.sink
            assert isinstance(section, SocketSection) and section.path == path != default_path()
            assert Path(path).parent.stat().st_mode & 0o077 == 0
        assert not Path(path).parent.exists()
    own = Source("a test", Config(sink=(SocketSection(kind="socket", path="/run/mine"),)))
    with with_socket(own) as (followed, path):
        assert (followed, path) == (own, "/run/mine"), "one is enough"


def test_what_is_configured(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[server]\nport = 8701\nallow_host = ['desk.lan']\n")
    found = config.load(path, {}).server
    assert found == ServerConfig(port=8701, allow_host=("desk.lan",)) and found.enabled
    assert not Config().server.enabled, "nothing listens unasked"
    path.write_text("[server]\nenabled = false\n")
    assert not config.load(path, {}).server.enabled
    path.write_text("[server]\nhost = 'a b'\n")
    with pytest.raises(ConfigError, match=r"server\.host"):
        config.load(path, {})
    assert config.load(None, {}).fingerprint() == Config(server=ServerConfig()).fingerprint()


def test_sinks_of_the_command_line_are_those_of_a_file(tmp_path: Path) -> None:
    texts = [f"ndjson,path={tmp_path}/a.ndjson,queue_max=1000", "sqlite,path=b,trades=yes,name=b"]
    found = Config().with_sinks(texts, "--sink").sink
    assert [section.called for section in found] == ["ndjson", "b"]
    assert found[0].queue_max == 1_000 and getattr(found[1], "trades") is True  # noqa: B009
    for text, problem in (
        ("ndjsn,path=x", 'mean "ndjson"|one of "ndjson"'),
        ("ndjson,path", "KIND,KEY=VALUE"),
        ("ndjson,pth=x", 'mean "path"'),
        ("sqlite,path=x,trades=maybe", "true or false"),
        ("ndjson", "is required"),
    ):
        with pytest.raises(ConfigError, match=problem) as refused:
            Config().with_sinks([text], "--sink")
        assert refused.value.source == "--sink"


def test_the_arguments_are_those_of_run_and_record() -> None:
    for command in ("run", "record"):
        args = parse([command, "--demo", "--serve", "--sink", "socket"])
        assert (args.serve, args.sink) == (True, ["socket"])
