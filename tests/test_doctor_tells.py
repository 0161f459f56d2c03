"""How ``bookfeed doctor`` tells: no secrets, lines for people, what polling would have missed."""

import asyncio
import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from diagnoses import Diagnose, following, refusal, resting
from raw_server import RawServer, raw_serving
from session_server import Server, book_message
from waiting import PATIENCE_S

from bookfeed.cli import main
from bookfeed.venues import Endpoint


@pytest.fixture
def raw() -> Iterator[RawServer]:
    with raw_serving() as server:
        yield server


SECRET = "Canary-7f3a"


@pytest.mark.parametrize(
    "answer",
    [
        refusal("403 Forbidden", SECRET.encode()),
        refusal("500 Oops", f"<html><title>?token={SECRET}</title>".encode()),
        f"HTTP/1.1 {SECRET}\r\n\r\n".encode(),
    ],
)
async def test_no_secret_of_an_address_is_told_by_the_door(
    raw: RawServer, diagnose: Diagnose, answer: bytes
) -> None:
    raw.refusals = [answer]
    place = raw.url.removeprefix("ws://")
    told = await diagnose(following(f"ws://me:{SECRET}@{place}?token={SECRET}"))
    assert told.bad() == ["handshake"] and SECRET not in json.dumps(told.findings)


@pytest.mark.parametrize("fails", [False, True])
async def test_no_secret_of_an_address_is_told_by_rest(
    server: Server, diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    async def ask(_session: object, endpoint: Endpoint, _request: object) -> Any:
        raise aiohttp.InvalidURL(endpoint.rest_url or "")

    if fails:
        monkeypatch.setattr("bookfeed.doctor.rest._ask", ask)
    page = f"<html><title>{SECRET}</title>"
    async with resting(lambda: web.Response(text=page, content_type="text/html")) as rest_url:
        place = rest_url.removeprefix("http://")
        told = await diagnose(following(server.url, f"http://me:{SECRET}@{place}"))
    assert told.bad() == ["rest"] and SECRET not in json.dumps(told.findings)


# Beside the stream.


async def test_polling_is_compared_with_the_stream(server: Server, diagnose: Diagnose) -> None:
    async def answer(request: web.Request) -> web.Response:
        asked = [row["token_id"] for row in orjson.loads(await request.read())]
        return web.Response(body=orjson.dumps([book_message(symbol) for symbol in asked]))

    app = web.Application()
    app.router.add_post("/books", answer)
    app.router.add_get("/time", _now)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    told = await diagnose(following(server.url, f"http://{host}:{port}"), "--compare=1")
    await runner.cleanup()
    finding = told.of("compare")
    assert (finding["grade"], finding["books"], finding["polls"]) == ("ok", 2, 1)
    assert (finding["apart_share"], finding["changes"]) == (0, 0)


async def _now(_request: web.Request) -> web.Response:
    return web.Response(text=str(int(time.time())))


async def test_ctrl_c_ends_it(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "bookfeed.toml"
    path.write_text(following(server.url))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bookfeed", "doctor", str(path), "-o", "ndjson"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    while b"first book" not in await process.stdout.readline():
        assert not process.stdout.at_eof()
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 130


async def test_lines_for_people_say_what_to_do(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on_subscribe = None
    path = tmp_path / "bookfeed.toml"
    path.write_text(following(server.url))
    arguments = ["doctor", str(path), "--wait=0.3", "--seconds=0.1", "-qq"]
    assert await asyncio.to_thread(main, arguments) == 1
    out = capsys.readouterr().out
    assert re.search(
        r"^bad   polymarket  first book +none of 2 books .*\n      -> check", out, re.M
    )
    assert re.search(r"^\d+ bad, \d+ to look at, \d+ ok$", out.splitlines()[-1])
