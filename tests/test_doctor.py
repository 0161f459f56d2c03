"""``bookfeed doctor`` names what is broken: one broken set-up a test, and one that is well."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path

import orjson
import pytest
import trustme
from aiohttp import web
from diagnoses import (
    KEY_ID,
    Diagnose,
    Told,
    following,
    following_kalshi,
    key_file,
    refusal,
    resting,
)
from kalshi_server import KalshiServer, serving_kalshi
from raw_server import RawServer, raw_serving
from session_server import YES, Peer, Server, Stamps, book_message
from test_architecture import change_frame
from tls import tls_at

from bookfeed.sim.kalshi import KalshiSimConfig
from bookfeed.sim.kalshi import serve as serve_kalshi


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
        f'[kraken]\nws_url = "{server.url}"\nrest_url = ""',
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
    assert told.of("clock")["ahead_s"] == pytest.approx(off_s, abs=20)


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


async def test_books_of_kalshi_are_polled_without_a_key(diagnose: Diagnose) -> None:
    venue = await serve_kalshi(KalshiSimConfig(seed=4))
    market = f'[[market]]\nvenue = "kalshi"\nticker = "{venue.venue.markets[0].spec.ticker}"'
    # There is no such host, and nobody asks for it.
    there = f'[kalshi]\nws_url = "wss://kalshi.invalid/"\nrest_url = "{venue.rest_url}"'
    try:
        told = await diagnose(f"{market}\n{there}")
    finally:
        await venue.close()
    assert told.bad() == []
    key = told.of("key file", "kalshi")
    assert key["grade"] == "warn" and key["found"].startswith("no API key")
    assert "KALSHI_API_KEY_ID" in key["advice"]
    assert "polled" in told.of("first book", "kalshi")["found"]
    books = told.of("books", "kalshi")
    assert (books["polled"], books["live"]) == (1, 0) and "live_poll" in books["found"]


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


@pytest.mark.parametrize(("age", "bad"), [({"Age": "3600"}, []), ({}, ["clock"])])
async def test_an_answer_that_was_kept_tells_no_time(
    server: Server, diagnose: Diagnose, age: dict[str, str], bad: list[str]
) -> None:
    def answer() -> web.Response:
        date = formatdate(time.time() - 3600, usegmt=True)
        return web.Response(text="ok", headers={"Date": date, **age})

    async with resting(answer) as rest_url:
        told = await diagnose(following(server.url, rest_url))
    assert told.bad() == bad
    assert [one["check"] for one in told.findings if one["check"] == "clock"] == bad


# What comes.


async def test_a_venue_that_hangs_up(server: Server, diagnose: Diagnose) -> None:
    def hang_up(peer: Peer, _symbols: list[str]) -> None:
        assert peer.transport is not None
        peer.transport.send_close(1008, b"too many")  # type: ignore[arg-type]
        peer.transport.disconnect()

    server.on_subscribe = hang_up
    told = await diagnose(following(server.url), "--wait=0.5")
    assert "connections" in told.bad() and "1008 'too many'" in told.of("connections")["found"]


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

    if clock_off_s:
        server.headers = {"Date": formatdate(time.time() - clock_off_s, usegmt=True)}
    server.on_subscribe = send_old
    told = await diagnose(following(server.url), "--wait=0.5")
    assert told.bad() == bad
    assert told.of("delay")["delay_s"] == pytest.approx(30, abs=10)
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
