"""``bookfeed doctor`` names what is broken: one broken set-up a test, and one that is well."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
import trustme
from aiohttp import web
from kalshi_server import KalshiServer, serving_kalshi
from raw_server import RawServer, raw_serving
from session_server import MARKET, YES, Peer, Server, Stamps, book_message
from test_architecture import change_frame
from test_signing import ED25519, pem
from tls import tls_at
from waiting import PATIENCE_S

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


Diagnose = Callable[..., Any]


@pytest.fixture(autouse=True)
def _nobodys_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KALSHI_API_KEY_ID", "KALSHI_PRIVATE_KEY_PATH", "KALSHI_PRIVATE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def diagnose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Diagnose:
    """Runs the command in a thread, beside the server of a test."""

    async def run(text: str, *more: str) -> Told:
        path = tmp_path / "bookfeed.toml"
        path.write_text(text)
        arguments = ["doctor", str(path), "-o", "json", "-qq", "--wait=5", "--seconds=0.3", *more]
        code = await asyncio.to_thread(main, arguments)
        told = Told(code, json.loads(capsys.readouterr().out)["findings"])
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


@pytest.fixture
def raw() -> Iterator[RawServer]:
    with raw_serving() as server:
        yield server


@pytest.fixture
async def kalshi() -> AsyncIterator[KalshiServer]:
    async with serving_kalshi() as server:
        yield server


# What is well.


async def test_what_is_well_is_said_to_be(server: Server, diagnose: Diagnose) -> None:
    async with resting(lambda: web.Response(text=str(int(time.time())))) as rest_url:
        told = await diagnose(following(server.url, rest_url))
    assert (told.code, told.bad()) == (0, [])
    for check in ("dns", "tcp", "handshake", "rest", "clock", "first book", "books", "schema"):
        assert told.of(check)["grade"] == "ok", check
    assert told.of("first book")["books"] == 2
    # Whole seconds of several answers, and yet it is known to a fraction of one.
    assert abs(told.of("clock")["ahead_s"]) <= told.of("clock")["error_s"] < 0.5
    assert told.of("versions", "machine")["versions"]["picows"]


async def test_a_key_that_is_accepted_is_said_to_be(
    kalshi: KalshiServer, diagnose: Diagnose, tmp_path: Path
) -> None:
    told = await diagnose(following_kalshi(kalshi.url, *key_file(tmp_path)))
    assert told.bad() == []
    assert [told.of(c, "kalshi")["grade"] for c in ("key file", "key", "first book")] == ["ok"] * 3


async def test_without_a_market_only_the_way_is_looked_at(
    server: Server, diagnose: Diagnose
) -> None:
    addresses = [
        f'[polymarket]\nws_url = "{server.url}"\nrest_url = ""',
        f'[kraken]\nws_url = "{server.url}"',
        f'[binance]\nws_url = "{server.url}"\nrest_url = "{server.url.replace("ws", "http", 1)}"',
        f'[kalshi]\nws_url = "{server.url}"\nrest_url = ""',
    ]
    told = await diagnose("\n".join(addresses))
    assert told.of("handshake")["grade"] == "ok"
    assert told.of("first book")["grade"] == "skip"


# The way there.


async def test_1_a_name_that_is_none(diagnose: Diagnose) -> None:
    told = await diagnose(following("ws://no-such-host.invalid:1/ws"))
    assert told.bad() == ["dns"]
    assert "no-such-host.invalid" in told.of("dns")["found"]
    assert "ws_url" in told.of("dns")["advice"]
    assert told.of("first book")["grade"] == "skip"


async def test_2_a_port_at_which_nothing_listens(diagnose: Diagnose) -> None:
    told = await diagnose(following("ws://127.0.0.1:1/ws"))
    assert told.bad() == ["tcp"]
    assert "nothing listens at 127.0.0.1 port 1" in told.of("tcp")["found"]


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """Whose certificates this machine believes."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


async def with_certificate(diagnose: Diagnose, certificate: trustme.LeafCert | None = None) -> Told:
    _, theirs = tls_at("localhost")
    if certificate is not None:
        certificate.configure_cert(theirs)
    with raw_serving(theirs) as server:
        told: Told = await diagnose(following(server.url))
        return told


async def test_a_certificate_that_is_good(authority: trustme.CA, diagnose: Diagnose) -> None:
    in_a_year = datetime.now(UTC) + timedelta(days=365)
    good = authority.issue_cert("localhost", not_after=in_a_year)
    told = await with_certificate(diagnose, good)
    assert (told.of("tls")["grade"], told.of("handshake")["grade"]) == ("ok", "ok")
    assert told.of("tls")["ends_s"] == pytest.approx(in_a_year.timestamp(), abs=2)
    soon = authority.issue_cert("localhost", not_after=datetime.now(UTC) + timedelta(days=2))
    assert (await with_certificate(diagnose, soon)).of("tls")["grade"] == "warn"


async def test_3_a_certificate_that_is_over(authority: trustme.CA, diagnose: Diagnose) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    told = await with_certificate(diagnose, authority.issue_cert("localhost", not_after=yesterday))
    assert told.bad() == ["tls"]
    assert "expired" in told.of("tls")["found"] and "clock" in told.of("tls")["advice"]


async def test_4_a_certificate_of_somebody_else(authority: trustme.CA, diagnose: Diagnose) -> None:
    told = await with_certificate(diagnose, authority.issue_cert("elsewhere.example"))
    assert told.bad() == ["tls"]
    assert "ostname mismatch" in told.of("tls")["found"] and "ws_url" in told.of("tls")["advice"]


async def test_5_an_authority_that_nobody_knows(diagnose: Diagnose) -> None:
    told = await with_certificate(diagnose)
    assert told.bad() == ["tls"] and "SSL_CERT_FILE" in told.of("tls")["advice"]


# The clock.


@pytest.mark.parametrize(("off_s", "side"), [(120, "ahead of"), (-120, "behind")])
async def test_6_a_clock_that_is_off(
    server: Server, diagnose: Diagnose, off_s: int, side: str
) -> None:
    server.headers = {"Date": formatdate(time.time() - off_s, usegmt=True)}
    told = await diagnose(following(server.url))
    assert told.of("clock")["grade"] == "bad"
    assert side in told.of("clock")["found"] and "timedatectl" in told.of("clock")["advice"]
    assert told.of("clock")["ahead_s"] == pytest.approx(off_s, abs=3)


# The door.


async def test_7_a_venue_that_lets_nobody_in(raw: RawServer, diagnose: Diagnose) -> None:
    page = b"<html><title>403 Forbidden</title></html>"
    raw.refusals = [refusal("403 Forbidden", page)]
    told = await diagnose(following(raw.url))
    assert told.bad() == ["handshake"]
    finding = told.of("handshake")
    assert (finding["status"], finding["page"]) == (403, True)
    assert "'403 Forbidden'" in finding["found"] and "country" in finding["advice"]


async def test_8_a_key_that_is_refused(raw: RawServer, diagnose: Diagnose, tmp_path: Path) -> None:
    body = b'{"error":{"code":"token_authentication_failure"}}'
    raw.refusals = [refusal("401 Unauthorized", body, "application/json")]
    told = await diagnose(following_kalshi(raw.url, *key_file(tmp_path)))
    assert told.bad() == ["key"]
    finding = told.of("key", "kalshi")
    assert "token_authentication_failure" in finding["found"]
    assert "environment" in finding["advice"]
    assert KEY_ID not in json.dumps(told.findings)


async def test_9_a_key_that_others_may_read(
    kalshi: KalshiServer, diagnose: Diagnose, tmp_path: Path
) -> None:
    told = await diagnose(following_kalshi(kalshi.url, *key_file(tmp_path, 0o644)))
    assert told.bad() == ["settings"]
    finding = told.of("settings", "kalshi")
    assert "0644" in finding["found"] and finding["advice"].startswith("chmod 600 ")
    assert kalshi.requests == [], "nothing was sent"
    private = key_file(tmp_path)
    assert finding["advice"].endswith(str(tmp_path / "key.pem"))
    assert (await diagnose(following_kalshi(kalshi.url, *private))).bad() == []


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ((), "needs an API key"),
        ((f'api_key_id = "{KEY_ID}"',), "no private key"),
        ((f'api_key_id = "{KEY_ID}"', 'private_key_file = "/nowhere/key.pem"'), "cannot read"),
    ],
)
async def test_10_a_key_that_is_missing(
    diagnose: Diagnose, key: tuple[str, ...], said: str
) -> None:
    told = await diagnose(following_kalshi("", *key))
    assert told.bad() == ["settings"]
    finding = told.of("settings", "kalshi")
    assert said in finding["found"]


async def test_11_something_that_answers_in_the_venues_place(
    raw: RawServer, diagnose: Diagnose
) -> None:
    raw.refusals = [refusal("200 OK", b"<!DOCTYPE html><title>Welcome to Hotel Wi-Fi</title>")]
    told = await diagnose(following(raw.url))
    assert told.bad() == ["handshake"]
    assert "Hotel Wi-Fi" in told.of("handshake")["found"]
    assert "portal" in told.of("handshake")["advice"]


async def test_12_a_page_where_answers_are_due(server: Server, diagnose: Diagnose) -> None:
    page = "<html><title>Just a moment...</title></html>"
    async with resting(lambda: web.Response(text=page, content_type="text/html")) as rest_url:
        told = await diagnose(following(server.url, rest_url))
    assert told.bad() == ["rest"]
    assert "Just a moment" in told.of("rest")["found"]
    assert told.of("first book")["grade"] == "ok", "the stream is another matter"


async def test_13_too_much_is_asked(server: Server, diagnose: Diagnose) -> None:
    headers = {"Retry-After": "30"}
    async with resting(lambda: web.Response(status=429, headers=headers)) as rest_url:
        told = await diagnose(following(server.url, rest_url))
    assert told.bad() == ["rest"] and told.of("rest")["status"] == 429
    assert "less often" in told.of("rest")["advice"]


async def test_something_that_says_nothing(
    diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookfeed.live.handshake.HANDSHAKE_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = await diagnose(following(f"ws://127.0.0.1:{silent.getsockname()[1]}/ws"))
    assert told.bad() == ["handshake"]
    assert "no WebSocket" in told.of("handshake")["advice"]


async def test_no_secret_of_an_address_is_told(
    raw: RawServer, diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "Canary-7f3a"
    place = raw.url.removeprefix("ws://")
    url = f"ws://me:{secret}@{place}?token={secret}"
    rest_url = f"http://me:{secret}@127.0.0.1:1?token={secret}"
    for status, body in (("403 Forbidden", secret), ("500 Oops", ""), ("200 OK", "<html>")):
        raw.refusals = [refusal(status, body.encode(), "text/plain")]
        told = await diagnose(following(url, rest_url))
        assert "handshake" in told.bad() and secret not in json.dumps(told.findings)


# What comes.


async def test_14_no_book_comes(server: Server, diagnose: Diagnose) -> None:
    server.on_subscribe = None
    told = await diagnose(following(server.url), "--wait=0.5")
    assert told.bad() == ["first book", "books"]
    assert "none of 2 books" in told.of("first book")["found"]
    assert "[[market]]" in told.of("first book")["advice"]


@pytest.mark.parametrize(
    ("clock_off_s", "bad"), [(0, ["books", "delay"]), (30, ["clock", "books"])]
)
async def test_15_a_stream_that_is_late(
    server: Server, diagnose: Diagnose, clock_off_s: int, bad: list[str]
) -> None:
    """It is told from a clock that is ahead: there, too, books are held back."""
    stamps = Stamps(ago_ms=30_000)

    def send_changes(peer: Peer) -> None:
        if not peer.gone.is_set():
            ms = stamps.next_ms()
            peer.text(change_frame(ms, [(YES, "0.40", str(ms % 97 + 1), "BUY", "0.40", "0.60")]))
            asyncio.get_running_loop().call_later(0.02, send_changes, peer)

    def send_old(peer: Peer, symbols: list[str]) -> None:
        books = [book_message(symbol, ts_ms=stamps.next_ms()) for symbol in symbols]
        peer.text(orjson.dumps(books))
        send_changes(peer)

    server.headers = {"Date": formatdate(time.time() - clock_off_s, usegmt=True)}
    server.on_subscribe = send_old
    told = await diagnose(following(server.url), "--wait=0.5")
    assert told.bad() == bad
    assert told.of("delay")["delay_s"] == pytest.approx(30, abs=3)
    assert told.of("books")["causes"] == ["late"]


async def test_16_fields_and_types_that_nobody_knows(server: Server, diagnose: Diagnose) -> None:
    def send_new(peer: Peer, symbols: list[str]) -> None:
        books = [book_message(symbol) | {"venue_mood": 7} for symbol in symbols]
        books[0]["hash"] = None
        peer.text(orjson.dumps(books))
        peer.text(b'{"event_type":"fortune","asset_id":"1"}')

    server.on_subscribe = send_new
    told = await diagnose(following(server.url))
    finding = told.of("schema")
    assert (finding["grade"], told.code) == ("warn", 0)
    odd = {(one["message"], one["path"]): one for one in finding["oddities"]}
    assert odd.keys() == {("book", "venue_mood"), ("book", "hash"), ("fortune", "")}
    assert odd["book", "venue_mood"]["types"] == ["number"]
    assert (odd["book", "venue_mood"]["count"], odd["fortune", ""]["count"]) == (2, 1)
    assert odd["book", "hash"]["types"] == ["null"]


# The machine.


async def test_17_too_few_files_may_be_open(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "bookfeed.toml"
    path.write_text(following(server.url))
    command = f"{sys.executable} -m bookfeed doctor {path} -o ndjson --seconds 0.1"
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-c", f"ulimit -n 60; exec {command}"], capture_output=True
    )
    findings = [orjson.loads(line) for line in done.stdout.splitlines()]
    (files,) = [one for one in findings if one["check"] == "open files"]
    assert (files["grade"], files["limit"], files["need"]) == ("bad", 60, 67)
    assert files["advice"].startswith("ulimit -n 67") and done.returncode == 1


async def test_18_a_folder_that_is_full_of_nothing_to_write(
    server: Server, diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1 << 20})
    monkeypatch.setattr("bookfeed.doctor.machine.shutil.disk_usage", lambda _path: usage)
    told = await diagnose(following(server.url))
    assert told.of("disk", "machine")["grade"] == "warn"


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
