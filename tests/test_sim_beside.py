"""Faults beside frames strike by name and on a schedule, at every simulated venue that has them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from bookfeed.cli import main
from bookfeed.sim import rest_faults
from bookfeed.sim.beside import ANSWERS, BESIDE, ELSEWHERE, HANDSHAKES
from bookfeed.sim.binance.server import BinanceSimConfig
from bookfeed.sim.bitstamp.server import BitstampSimConfig
from bookfeed.sim.coinbase.faults import CoinbaseFault
from bookfeed.sim.coinbase.server import CoinbaseSimConfig
from bookfeed.sim.cryptocom.server import CryptocomSimConfig
from bookfeed.sim.faults import Mishap
from bookfeed.sim.gemini.server import GeminiSimConfig
from bookfeed.sim.kalshi.faults import KalshiFault
from bookfeed.sim.kalshi.server import KalshiSimConfig
from bookfeed.sim.kraken.faults import KrakenFault, KrakenInjector
from bookfeed.sim.kraken.server import KrakenSimConfig
from bookfeed.sim.polymarket.faults import Fault
from bookfeed.sim.polymarket.server import SimConfig
from bookfeed.sim.polymarket.stream import Stream
from bookfeed.sim.polymarket.venue import VenueConfig
from bookfeed.sim.virtual import START_NS

aiohttp = pytest.importorskip("aiohttp")

CONFIGS: list[tuple[str, Any]] = [
    ("polymarket", SimConfig), ("kalshi", KalshiSimConfig), ("binance", BinanceSimConfig),
    ("bitstamp", BitstampSimConfig), ("kraken", KrakenSimConfig), ("coinbase", CoinbaseSimConfig),
    ("gemini", GeminiSimConfig), ("cryptocom", CryptocomSimConfig),
]  # fmt: skip
WITH_REST = CONFIGS[:4]
PATHS = {
    "polymarket": "/book?token_id={asset}",
    "kalshi": "/exchange/status",
    "binance": "/api/v3/time",
    "bitstamp": "/api/v2/order_book/btcusd/",
}


@asynccontextmanager
async def serving(venue: str, config: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A server, and somebody who asks it."""
    server = await import_module(f"bookfeed.sim.{venue}.server").serve(config())
    try:
        async with aiohttp.ClientSession() as http:
            yield server, http
    finally:
        await server.close()


def asked_of(server: Any, venue: str) -> str:
    """The address of something that the venue answers to anybody."""
    asset = server.markets[0].asset_ids[0] if venue == "polymarket" else ""
    url: str = server.rest_url + PATHS[venue].format(asset=asset)
    return url


def fault_of(venue: str, kind: str, **more: Any) -> Mishap:
    faults = import_module(f"bookfeed.sim.{venue}.faults")
    (found,) = {
        one for one in vars(faults).values()
        if isinstance(one, type) and issubclass(one, Mishap) and one.__module__ == faults.__name__
    }  # fmt: skip
    made: Mishap = found(kind, **more)
    return made


@pytest.mark.parametrize("variant", HANDSHAKES["refuse"])
@pytest.mark.parametrize(("venue", "config"), CONFIGS, ids=[name for name, _ in CONFIGS])
async def test_handshakes_are_refused_while_it_lasts(venue: str, config: Any, variant: str) -> None:
    async with serving(venue, config) as (server, http):
        lasts = fault_of(venue, "refuse", variant=variant, duration_s=1_000)
        server.inject(lasts)
        with pytest.raises(aiohttp.WSServerHandshakeError) as told:
            await http.ws_connect(server.url)
        assert told.value.status == int(variant)
        (event,) = server.fault_log
        assert (event.fault, event.conn) == (lasts, -1)


@pytest.mark.parametrize(("venue", "config"), CONFIGS, ids=[name for name, _ in CONFIGS])
async def test_handshakes_are_sent_elsewhere(venue: str, config: Any) -> None:
    upgrade = {
        "Connection": "upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    async with serving(venue, config) as (server, http):
        server.inject(fault_of(venue, "redirect"))
        url = server.url.replace("ws", "http", 1)
        answer = await http.get(url, headers=upgrade, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (302, ELSEWHERE)


@pytest.mark.parametrize("variant", HANDSHAKES["page"])
@pytest.mark.parametrize(("venue", "config"), CONFIGS, ids=[name for name, _ in CONFIGS])
async def test_handshakes_are_answered_with_a_page(venue: str, config: Any, variant: str) -> None:
    async with serving(venue, config) as (server, http):
        server.inject(fault_of(venue, "page", variant=variant))
        answer = await http.get(server.url.replace("ws", "http", 1))
        assert (answer.status, answer.content_type) == (int(variant), "text/html")
        assert (await answer.text()).startswith("<!DOCTYPE html>")


async def test_a_cache_keeps_answers_for_half_a_minute_each_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert rest_faults.KEPT_S == 30.0
    monkeypatch.setattr(rest_faults, "KEPT_S", 0.2)
    async with serving("binance", BinanceSimConfig) as (server, http):
        server.inject(fault_of("binance", "rest-cached"))
        symbols = server.venue.symbols[:2]
        asked = [f"{server.rest_url}/api/v3/exchangeInfo?symbol={symbol}" for symbol in symbols]
        first, other = [await (await http.get(url)).text() for url in asked]
        assert symbols[0] in first and symbols[1] in other
        assert await (await http.get(asked[0])).text() == first
        await asyncio.sleep(0.25)
        again = await http.get(asked[0])
        assert "Age" not in again.headers and await again.text() != first


@pytest.mark.parametrize("kind", sorted(ANSWERS))
@pytest.mark.parametrize(("venue", "config"), WITH_REST, ids=[name for name, _ in WITH_REST])
async def test_answers_are_spoilt_while_it_lasts(venue: str, config: Any, kind: str) -> None:
    async with serving(venue, config) as (server, http):
        url = asked_of(server, venue)
        assert (await http.get(url)).status == 200
        # Long enough for a machine that is busy; ended by hand.
        lasts = fault_of(venue, kind, at_s=0.0, duration_s=1_000)
        server.inject(lasts)
        await spoilt(http, url, kind)
        assert [event.fault.kind for event in server.fault_log] == [kind]
        server.injector.end_beside()
        answer = await http.get(url)
        assert answer.status == 200 and (await answer.text())[:1] in ("[", "{")
        assert "Age" not in answer.headers


def test_a_fault_lasts_from_its_time_on_for_as_long_as_it_says() -> None:
    fault = KrakenFault("refuse", at_s=5.0, duration_s=2.0)
    injector = KrakenInjector((fault, KrakenFault("redirect", at_s=6.0)), 1, START_NS)
    lasting = [
        [one.kind for one in injector.beside(HANDSHAKES, START_NS + int(at_s * 1e9))]
        for at_s in (0.0, 4.9, 5.0, 6.5, 7.0, 1e6)
    ]
    assert lasting == [[], [], ["refuse"], ["refuse", "redirect"], ["redirect"], ["redirect"]]
    assert injector.beside(ANSWERS, START_NS + 10**10) == []
    assert [event.ts_ns - START_NS for event in injector.log] == [5 * 10**9, 65 * 10**8]


async def spoilt(http: Any, url: str, kind: str) -> None:
    """Asks, and holds the answer to what the fault says."""
    if kind == "rest-cut":
        with pytest.raises(aiohttp.ClientPayloadError):
            await (await http.get(url)).read()
    elif kind in ("rest-hang", "rest-late"):
        with pytest.raises(TimeoutError):
            await http.get(url, timeout=aiohttp.ClientTimeout(total=0.2))
    else:
        answer = await http.get(url, allow_redirects=False)
        text = await answer.text()
        if kind == "rest-page":
            assert answer.status == 200 and text.startswith("<!DOCTYPE html>")
        elif kind == "rest-redirect":
            assert answer.status == 302
        elif kind == "rest-cached":
            again = await http.get(url)
            assert "Age" in again.headers and await again.text() == text
        elif kind == "rest-older":
            first, _, third = text, *[await (await http.get(url)).text() for _ in range(2)]
            assert third == first
        else:
            assert answer.status == int(kind[-3:]) and answer.headers["Retry-After"] == "2"


@pytest.mark.parametrize("variant", ANSWERS["rest-429"])
async def test_when_to_come_again_is_told_in_every_way(variant: str) -> None:
    async with serving("polymarket", SimConfig) as (server, http):
        server.inject(Fault("rest-503", variant=variant))
        answer = await http.get(asked_of(server, "polymarket"))
        assert answer.status == 503
    told = answer.headers.get("Retry-After")
    if variant == "date":
        assert told is not None
        assert 0 < (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds() < 3
    else:
        wanted = {"seconds": "2", "absent": None, "absurd": "1000000000", "negative": "-5"}
        assert told == wanted[variant]


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(ValueError, match="strikes no frame: say when in seconds"):
        Fault("refuse", at_frame=5)
    for kind in (KrakenFault, CoinbaseFault):
        with pytest.raises(ValueError, match=r"unknown fault .rest-429.; known: drop, .*redirect"):
            kind("rest-429")
    assert BESIDE.keys() <= KalshiFault.KNOWN.keys()
    with pytest.raises(ValueError, match="fault rest-page needs a server"):
        Stream(VenueConfig(), faults=(Fault("rest-page"),))


def test_a_plan_may_have_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('[[fault]]\nkind = "rest-429"\nvariant = "absurd"\nat_frame = 3\n')
    assert main(["sim", "--faults", str(plan)]) != 0
    assert "fault 1: fault rest-429 strikes no frame" in capsys.readouterr().err
    plan.write_text('[[fault]]\nkind = "rest-430"\nat_s = 1\n')
    assert main(["sim", "--faults", str(plan)]) != 0
    told = capsys.readouterr().err
    assert "unknown fault 'rest-430'; known: drop" in told and "rest-cached" in told
