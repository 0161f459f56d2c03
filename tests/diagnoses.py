"""What tests of ``bookfeed doctor`` share: how it is run, what it is run on, and who answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from session_server import MARKET
from test_signing import ED25519, pem

from bookfeed.cli import main

TICKER = "KXBTCD-26OCT0117-T84999.99"
KEY_ID = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c"


class Told(NamedTuple):
    """What a diagnosis came to."""

    code: int
    findings: list[dict[str, Any]]

    def of(self, check: str, where: str = "polymarket") -> dict[str, Any]:
        """The worst finding of a check."""
        grades = ("bad", "warn", "skip", "ok")
        found = [one for one in self.findings if (one["where"], one["check"]) == (where, check)]
        return min(found, key=lambda one: grades.index(one["grade"]))

    def bad(self) -> list[str]:
        """The checks of which something is bad."""
        return [one["check"] for one in self.findings if one["grade"] == "bad"]


Diagnose = Callable[..., Coroutine[Any, Any, Told]]


def diagnosing(folder: Path, printed: pytest.CaptureFixture[str]) -> Diagnose:
    """Runs the command on a configuration, in a thread beside the server of a test."""

    async def run(text: str, *more: str) -> Told:
        path = folder / "bookfeed.toml"
        path.write_text(text)
        arguments = ["doctor", str(path), "-o", "json", "-qq", "--wait=5", "--seconds=0.3", *more]
        code = await asyncio.to_thread(main, arguments)
        told = Told(code, json.loads(printed.readouterr().out)["findings"])
        assert all(one["advice"] or one["grade"] == "ok" for one in told.findings)
        assert code == (1 if told.bad() else 0)
        return told

    return run


def following(url: str, rest_url: str = "", *more: str) -> str:
    """A configuration that follows both outcomes of the market that servers of tests have."""
    outcomes = ", ".join(
        f'{{ name = "{outcome.name}", asset = "{outcome.symbol}" }}' for outcome in MARKET.outcomes
    )
    lines = [f'[polymarket]\nws_url = "{url}"\nrest_url = "{rest_url}"', *more]
    return "\n".join([*lines, f'[[market]]\nmarket = "0xabc"\noutcomes = [{outcomes}]\n'])


def following_kalshi(url: str, *key: str) -> str:
    """The same of one market of Kalshi."""
    lines = [f'[[market]]\nvenue = "kalshi"\nticker = "{TICKER}"', "[kalshi]", 'rest_url = ""']
    return "\n".join([*lines, f'ws_url = "{url}"' if url else "", *key])


def key_file(folder: Path, mode: int = 0o600) -> tuple[str, str]:
    """A key that can be used, as a configuration names it."""
    path = folder / "key.pem"
    path.write_text(pem(ED25519))
    path.chmod(mode)
    return f'api_key_id = "{KEY_ID}"', f'private_key_file = "{path}"'


@asynccontextmanager
async def resting(answer: Callable[[], web.Response]) -> AsyncIterator[str]:
    """The address of an HTTP server that answers ``GET /time``."""

    async def handle(_request: web.Request) -> web.Response:
        return answer()

    app = web.Application()
    app.router.add_get("/time", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def refusal(status: str, body: bytes, kind: str = "text/html") -> bytes:
    """An HTTP answer as it is on the wire."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
