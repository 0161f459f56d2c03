"""Second sources over sockets: another interface of a simulated venue checks its books."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from spot_live import OPTIONS, Running, audited, following, replayed
from waiting import until

from bookfeed.audit.books import OwnBook
from bookfeed.audit.model import Model
from bookfeed.audit.second import LIMIT_NS, Seconds
from bookfeed.errors import ConfigError
from bookfeed.live import second
from bookfeed.recordings.kinds import Kind
from bookfeed.sim import coinbase, gemini
from bookfeed.sim.coinbase.faults import CoinbaseFault
from bookfeed.sim.gemini.faults import GeminiFault
from bookfeed.venues import Endpoint
from bookfeed.venues.coinbase import CoinbaseMarket, CoinbaseSection
from bookfeed.venues.gemini import GeminiMarket, GeminiSection

VENUES = ("coinbase", "gemini")
# Two at least, so that what happens to one shows at the other.
SETTINGS: dict[str, Any] = {"markets": 2, "levels": 30, "rate": 40.0}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second source begins anew as soon as it differs, and says often what time it is."""
    monkeypatch.setattr(second, "ANEW_NS", 0)
    monkeypatch.setattr("bookfeed.sim.gemini.server.HEARTBEAT_S", 0.5)


@asynccontextmanager
async def running(venue: str, **settings: Any) -> AsyncIterator[Running[Any]]:
    """A feed with second sources, whose connections carry all books."""
    settings = {**SETTINGS, **settings}
    one: Running[Any]
    endpoint: Endpoint
    if venue == "coinbase":
        server = await coinbase.serve(coinbase.CoinbaseSimConfig(**settings))
        markets = [
            CoinbaseMarket("coinbase", name).to_market(None) for name in server.venue.symbols
        ]
        one = Running(venue, server, markets, CoinbaseFault)
        section = CoinbaseSection(
            ws_url=server.url, rest_url="", second_source=True, second_url=server.exchange_url
        )
        endpoint = section.endpoint("test")
    else:
        served = await gemini.serve(gemini.GeminiSimConfig(**settings))
        pairs = [spec.name for spec in served.venue.specs]
        markets = [GeminiMarket("gemini", name).to_market(None) for name in pairs]
        one = Running(venue, served, markets, GeminiFault)
        url = served.url.rstrip("/")
        endpoint = GeminiSection(
            ws_url=url, rest_url="", second_source=True, second_url=url, symbols_per_connection=2
        ).endpoint("test")
    async with following(one, endpoint, replace(OPTIONS, silence_s=3.0)):
        yield one


def standings(one: Running[Any]) -> list[dict[str, int]]:
    return list(one.feed.engine.second_sources().values())


async def agreeing(one: Running[Any], times: int = 5) -> None:
    """Waits until each book has been agreed with so often."""
    await one.live()
    await until(
        lambda: (
            len(standings(one)) == len(one.symbols)
            and all(standing["agreed"] >= times for standing in standings(one))
        )
    )


@pytest.mark.parametrize("venue", VENUES)
async def test_true_books_are_agreed_with_and_none_is_lost(venue: str) -> None:
    async with running(venue) as one:
        await agreeing(one, times=10)
        await one.checked()
        assert {state for _, state, _ in one.watcher.states} == {"syncing", "live"}
        statuses = one.feed.status().connections
        assert [status.books for status in statuses] == [2, 0]
        assert one.feed.book(one.symbols[0]).evidence["snapshot_match"] >= 10
    assert replayed(one.tape.records) == b"".join(one.watcher.emitted)
    report = audited(one.tape.records)
    assert report.findings == []
    assert report.seconds > 2


@pytest.mark.parametrize("venue", VENUES)
async def test_a_book_that_is_held_back_in_order_is_found_and_comes_back(venue: str) -> None:
    async with running(venue) as one:
        await agreeing(one)
        one.watcher.truths.clear()  # it is wrong until it is found
        held = one.symbols[0]
        one.server.withhold(held)
        await one.lost(held, "withheld")
        # Who is held back on this connection is told again on another one.
        (number,) = (n for n, s in one.feed.engine.second_sources().items() if s["convicted"])
        assert one.feed.engine.book(number).symbol == held
    report = audited(one.tape.records)
    assert report.findings == []
    causes = [cause for name, _, cause in one.watcher.states if name != held]
    assert "withheld" not in causes


async def test_a_size_that_no_number_shows_is_found() -> None:
    # So slow that levels stay as they are for a while.
    async with running("coinbase", rate=6.0) as one:
        await agreeing(one)
        one.watcher.truths.clear()

        def found(*kinds: str) -> bool:
            return any(standing[kind] for standing in standings(one) for kind in kinds)

        # One that is changed again at once is right again, and nothing was to be found.
        for _ in range(60):
            one.inject("corrupt", asset="BTC-USD")
            await asyncio.sleep(0.3)
            if found("differed"):
                break
        # It may also be, before a fresh book has come.
        await until(lambda: found("convicted", "refuted"))
    assert audited(one.tape.records).findings == []


async def test_what_befalls_the_second_source_costs_no_book() -> None:
    async with running("coinbase") as one:
        await agreeing(one)
        for kind, variant in (
            ("drop", ""),
            ("malformed", "truncated"),
            ("malformed", "bad_number"),
            ("corrupt", ""),
            ("unknown", "type"),
            ("disconnect", "1001"),
            ("reset", ""),
            ("freeze", "connection"),
        ):
            before = len(one.server.exchange_injector.log)
            lasts_s = 1.0 if kind == "freeze" else None
            fault = CoinbaseFault(kind, variant=variant, duration_s=lasts_s)
            one.server.exchange_injector.add(fault)
            log = one.server.exchange_injector.log
            await until(lambda before=before, log=log: len(log) > before)  # type: ignore[misc]
        heard = [standing["agreed"] + standing["settled"] for standing in standings(one)]
        await until(
            lambda: all(
                now["agreed"] + now["settled"] > then
                for now, then in zip(standings(one), heard, strict=True)
            )
        )
        await one.checked()
        assert {state for _, state, _ in one.watcher.states} == {"syncing", "live"}
        assert all(standing["convicted"] == 0 for standing in standings(one))
    report = audited(one.tape.records)
    assert report.findings == []


async def test_markets_that_come_and_go_are_checked_as_they_do() -> None:
    async with running("coinbase", markets=3) as one:
        await agreeing(one)
        await one.feed.remove_markets([one.markets[0]])
        await until(lambda: len(standings(one)) == 2)
        await one.feed.add_markets([one.markets[0]])
        await one.live()
        await until(lambda: len(standings(one)) == 3 and all(s["whole"] for s in standings(one)))
        await one.checked()


async def test_a_refusal_of_the_second_source_is_said_and_costs_no_book(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running("coinbase") as one:
        await agreeing(one)
        one.server.refuse_exchange("not now")
        await until(lambda: "the venue says" in caplog.text)
        await one.checked()
        assert {state for _, state, _ in one.watcher.states} == {"syncing", "live"}


def test_an_audit_tells_a_book_that_should_have_been_lost() -> None:
    """No engine is there to lose it."""
    model = Model()
    model.control(Kind.CONNECTED, 0, b"coinbase", {})
    model.control(Kind.CONNECTED, 1, b"coinbase second", {})
    model.control(Kind.SUBSCRIBE, 0, b"", {"venue": "coinbase", "symbol": "BTC-USD"})
    (one,) = model.instruments
    one.state, one.book = "live", OwnBook()
    one.book.set("bid", Decimal(100), Decimal(1))
    seconds = Seconds(model)
    whole = (
        b'{"type":"snapshot","product_id":"BTC-USD","bids":[["100.00","%d"]],"asks":[],"time":""}'
    )
    found = []
    for at_s in range(1, 61):
        model.now = at_s * 10**9
        if at_s == 20:
            seconds.renewed(1)
        begins = at_s in (1, 20)
        same = b'{"type":"l2update","product_id":"BTC-USD","changes":[],"time":""}'
        found += [(at_s, what) for what in seconds.take(1, whole % 2 if begins else same)]
    # Of before its newest whole book, and for so long since.
    assert found[0][0] == 20 + LIMIT_NS // 10**9, found
    assert "BTC-USD is live" in found[0][1]
    assert seconds.compared == 60
    for _ in range(3):
        seconds.lost(one.number, "withheld")
    model.now += 100 * 10**9
    assert list(seconds.take(1, same)) == [], "it is believed no more"


def test_version_2_is_no_second_source_of_itself() -> None:
    with pytest.raises(ConfigError, match="second_source"):
        GeminiSection(api="v2", second_source=True).endpoint("test")
    assert GeminiSection().endpoint("test").second is None
    assert CoinbaseSection().endpoint("test").second is None
