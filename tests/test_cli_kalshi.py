"""``bookfeed run`` and ``record`` with a configuration of Kalshi."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from kalshi_server import KalshiServer, serving_kalshi
from test_cli_run import Told, run_until
from test_signing import ED25519, pem
from waiting import PATIENCE_S

from bookfeed import config
from bookfeed.errors import ConfigError
from bookfeed.feed.settings import endpoints

TICKER = "KXBTCD-26OCT0117-T84999.99"
KEY_ID = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c"
POLYMARKET = {"market": "0xabc", "outcomes": [{"name": "Yes", "asset": "71"}]}
MARKET = {"venue": "kalshi", "ticker": TICKER, "name": "Bitcoin above 85,000?"}


def keyless() -> dict[str, str]:
    """This process' environment without anybody's key."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("KALSHI_", "BOOKFEED_"))}


async def live(word: str, *arguments: str) -> Told:
    """A command beside the server of a test, ended as soon as the one book is live."""
    return await asyncio.to_thread(
        run_until, lambda so_far: len(so_far.live) == 1, *arguments, word=word, env=keyless()
    )


async def told(*arguments: str, code: int = 0) -> tuple[str, str]:
    """Standard output and error of a command, which runs beside the server of a test."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bookfeed", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=keyless(),
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode == code, err.decode()
    return out.decode(), err.decode()


def written(directory: Path, server: KalshiServer, key: Path | None = None) -> str:
    """A configuration file that follows one market on ``server``."""
    lines = ["[[market]]", *(f'{name} = "{value}"' for name, value in MARKET.items())]
    lines += ["[kalshi]", f'ws_url = "{server.url}"']
    if key is not None:
        lines += [f'api_key_id = "{KEY_ID}"', f'private_key_file = "{key}"']
    path = directory / "bookfeed.toml"
    path.write_text("\n".join(lines))
    return str(path)


def everything(directory: Path) -> bytes:
    """What is in all files of a directory."""
    return b"".join(file.read_bytes() for file in directory.iterdir())


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_text(pem(ED25519))
    path.chmod(0o600)
    return path


async def test_run_follows_a_market(tmp_path: Path, key: Path) -> None:
    async with serving_kalshi() as server:
        path = written(tmp_path, server, key)
        summary = (await live("run", "--config", path)).lines[-1]
        assert server.handshakes[0]["KALSHI-ACCESS-KEY"] == KEY_ID
    (book,) = summary["books"]
    assert (book["market"], book["outcome"]) == ("Bitcoin above 85,000?", "Yes")
    assert (book["bid"], book["ask"], book["state"]) == (0.44, 0.45, "live")


async def test_record_and_replay_come_to_the_same(tmp_path: Path, key: Path) -> None:
    directory = str(tmp_path / "recordings")
    async with serving_kalshi() as server:
        path = written(tmp_path, server, key)
        recorded = await live("record", "--config", path, "--directory", directory)
    replayed, _ = await told("replay", directory, "-o", "json")
    assert json.loads(replayed)["digest"] == recorded.lines[-1]["digest"]
    assert json.loads(replayed)["venues"] == ["kalshi"]
    assert KEY_ID.encode() not in everything(Path(directory))


async def test_without_a_key_and_without_rest_nothing_is_started(tmp_path: Path) -> None:
    path = tmp_path / "bookfeed.toml"
    market = f'[[market]]\nvenue = "kalshi"\nticker = "{TICKER}"\n'
    path.write_text(f'{market}[kalshi]\nrest_url = ""\n')
    _, err = await told("run", "--config", str(path), "--seconds", "3", code=2)
    assert "KALSHI_API_KEY_ID and KALSHI_PRIVATE_KEY_PATH" in err


async def test_a_key_file_that_others_may_read_is_named(tmp_path: Path, key: Path) -> None:
    os.chmod(key, 0o644)  # noqa: PTH101 - pathlib's would be refused in a coroutine
    async with serving_kalshi() as server:
        path = written(tmp_path, server, key)
        _, err = await told("run", "--config", path, "--seconds", "3", code=2)
        assert server.handshakes == []
    assert f"{path}:8: kalshi.private_key_file: " in err
    assert f"chmod 600 {key}" in err


def test_an_endpoint_for_every_venue_that_has_markets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("KALSHI_")]:
        monkeypatch.delenv(name)
    table = {
        "market": [POLYMARKET, MARKET],
        "polymarket": {"assets_per_connection": 7},
        "kalshi": {"environment": "demo", "markets_per_connection": 9, "probe_interval_s": 3},
    }
    both = endpoints(config.parse(table), "x")
    assert list(both) == ["polymarket", "kalshi"]
    assert both["polymarket"].venue.symbols_per_connection == 7
    assert both["polymarket"].url.startswith("wss://ws-subscriptions-clob.polymarket.com/")
    assert both["kalshi"].venue.symbols_per_connection == 9
    assert both["kalshi"].venue.probe_interval_s == 3
    assert both["kalshi"].url == "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2"
    assert list(endpoints(config.parse({"market": [POLYMARKET]}), "x")) == ["polymarket"]


def test_half_a_key_in_the_file_is_an_error_of_that_file(key: Path) -> None:
    table = {"market": [MARKET], "kalshi": {"private_key_file": str(key)}}
    with pytest.raises(ConfigError) as caught:
        endpoints(config.parse(table), "mine.toml")
    assert (caught.value.source, caught.value.key) == ("mine.toml", "kalshi.api_key_id")
