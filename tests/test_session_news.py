"""What a stream of news left out is asked by REST, and what is answered holds for the engine."""

import json
import logging
from types import SimpleNamespace
from typing import Any, Final

from kalshi_server import market
from test_session_kalshi import QUICK
from waiting import PATIENCE_S, until

from bookfeed._bookfeed import BookView, Engine
from bookfeed.clock import NS_PER_S, AnchoredClock
from bookfeed.feed.feed import Endpoint, Feed
from bookfeed.live.http import RestError
from bookfeed.live.recovery import news
from bookfeed.live.recovery.news import NewsReader
from bookfeed.log import RateLimitedLog
from bookfeed.recordings.inputs import EngineInput
from bookfeed.sim.kalshi import KalshiSimConfig, serve
from bookfeed.venues.base import RestRequest
from bookfeed.venues.kalshi import NEWS, Credentials, kalshi
from bookfeed.venues.kalshi_keys import parse_key
from bookfeed.venues.secret import Secret

TICKER: Final = "KXA-26OCT01-T1.5"
EVENT: Final = "KXA-26OCT01"
T0: Final = 1_790_000_000 * NS_PER_S


class Venue:
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status, self.override = "active", None
        self.trading = True
        self.error: RestError | None = None

    async def fetch(self, request: RestRequest) -> bytes:
        self.asked.append(request.path)
        if self.error is not None:
            raise self.error
        return json.dumps(self.answer(request.path)).encode()

    def answer(self, path: str) -> dict[str, Any]:
        if path.startswith("/markets"):
            listed = {"ticker": TICKER, "event_ticker": EVENT, "status": self.status}
            return {"markets": [listed | {"close_time": "2030-01-01T00:00:00Z"}]}
        if path.startswith("/events"):
            fees = {"fee_type_override": None, "fee_multiplier_override": self.override}
            return {"event": {"event_ticker": EVENT, "series_ticker": "KXA"} | fees}
        if path.startswith("/series"):
            return {"series": {"ticker": "KXA", "fee_type": "quadratic", "fee_multiplier": 1}}
        if path == "/exchange/status":
            return {"exchange_active": True, "trading_active": self.trading}
        return {"schedule": {"maintenance_windows": []}}

    async def close(self) -> None:
        """Nothing is open."""


class Desk:
    """A reader of news over an engine with one market, under a clock of the test's."""

    def __init__(self) -> None:
        self.engine, self.venue, self.now = Engine(), Venue(), T0
        fee = "kalshi:quadratic;1;direct"
        self.engine.subscribe("kalshi", TICKER, 0, T0, event=EVENT, fee=fee)
        self.book: BookView = self.engine.book(0)
        session = SimpleNamespace(open=True, counters=SimpleNamespace(connects=1))
        self.shard: Any = SimpleNamespace(conn=0, session=session)
        log = RateLimitedLog(logging.getLogger("bookfeed.test"))
        connections: Any = SimpleNamespace(
            engine=self.engine,
            inputs=EngineInput(self.engine),
            clock=SimpleNamespace(now_ns=lambda: self.now),
            log=log,
            flush=self.engine.drain,
        )
        self.reader = NewsReader(connections, self.venue, NEWS)  # type: ignore[arg-type]
        self.seq = 0

    def begin(self) -> None:
        """The connection opens, and its news begin to come."""
        self.engine.connected(0, "kalshi", self.now)
        msg = {"channel": "market_lifecycle_v2", "sid": 3}
        self.say({"id": 3, "type": "subscribed", "msg": msg})

    def say(self, frame: dict[str, Any]) -> None:
        self.engine.ingest(0, json.dumps(frame).encode(), self.now)

    async def wait(self, seconds: float) -> list[str]:
        """Time passes, a second at a time; what was asked meanwhile."""
        before = len(self.venue.asked)
        for _ in range(int(seconds)):
            self.now += NS_PER_S
            self.engine.advance(self.now)
            self.reader.look([self.shard], self.now)
            await self.reader.close()
        return self.venue.asked[before:]

    @property
    def trading(self) -> str:
        return self.book.trading(self.now)


async def test_what_was_lost_with_a_connection_is_asked_until_an_answer_is_new_enough() -> None:
    desk = Desk()
    desk.begin()
    asked = await desk.wait(30)
    assert asked[:3] == [
        "/exchange/status",
        "/exchange/schedule",
        f"/markets?limit=1&tickers={TICKER}",
    ]
    assert desk.engine.questions(0) == []
    quiet = await desk.wait(60)
    assert set(quiet) == {"/exchange/status"}
    desk.engine.disconnected(0, desk.now)
    assert (desk.trading, desk.engine.questions(0)) == ("unknown", [])
    desk.begin()
    assert [kind for kind, _ in desk.engine.questions(0)] == ["market", "event"]
    await desk.wait(15)
    assert desk.trading == "unknown"
    await desk.wait(15)
    assert (desk.trading, desk.engine.questions(0)) == ("open", [])
    assert f"/events/{EVENT}" in desk.venue.asked and "/series/KXA" in desk.venue.asked


async def test_a_pause_that_nobody_told_of_is_known_as_soon_as_it_is_asked() -> None:
    desk = Desk()
    desk.venue.status = "inactive"
    desk.begin()
    await desk.wait(1)
    assert desk.trading == "paused"
    desk.venue.status = "active"
    await desk.wait(30)
    assert desk.trading == "open"
    desk.venue.trading = False
    await desk.wait(news.STATUS_NS // NS_PER_S)
    assert desk.trading == "paused", "the exchange as a whole"
    desk.venue.trading = True
    await desk.wait(news.STATUS_NS // NS_PER_S)
    assert desk.trading == "open"


async def test_on_thursday_morning_the_word_of_the_exchange_decides() -> None:
    desk = Desk()
    desk.now = 1_795_680_000 * NS_PER_S
    desk.begin()
    assert desk.trading == "paused"
    await desk.wait(1)
    assert desk.trading == "open"
    desk.venue.error = RestError("no answer")
    await desk.wait(90)
    assert desk.trading == "paused", "its word is old"


async def test_a_venue_that_cannot_be_asked_is_asked_again_and_nothing_is_assumed() -> None:
    desk = Desk()
    desk.begin()
    await desk.wait(30)
    desk.engine.disconnected(0, desk.now)
    desk.begin()
    desk.venue.error = RestError("429", 40 * NS_PER_S)
    assert len(await desk.wait(39)) == 1, "not before it may be, and nothing else either"
    desk.venue.error = None
    assert desk.trading == "unknown"
    await desk.wait(30)
    assert desk.trading == "open"
    assert desk.reader.failures > 0


async def test_what_a_venue_that_wants_quiet_was_not_asked_is_asked_when_it_may_be() -> None:
    desk = Desk()
    desk.venue.error = RestError("429", 3 * NS_PER_S)
    desk.begin()
    assert await desk.wait(3) == ["/exchange/status"]
    desk.venue.error = None
    everything = ["/exchange/status", "/exchange/schedule", f"/markets?limit=1&tickers={TICKER}"]
    assert (await desk.wait(1))[:3] == everything


async def test_a_schedule_that_did_not_come_is_asked_for_again_soon() -> None:
    desk = Desk()
    desk.venue.error = RestError("500")
    desk.begin()
    assert "/exchange/schedule" in await desk.wait(1)
    desk.venue.error = None
    assert "/exchange/schedule" in await desk.wait(news.STATUS_NS // NS_PER_S)
    assert "/exchange/schedule" not in await desk.wait(news.SCHEDULE_NS // NS_PER_S - 60)


async def test_the_same_question_is_asked_ever_more_rarely() -> None:
    desk = Desk()
    desk.venue.answer = lambda path: {}  # type: ignore[method-assign]
    desk.begin()
    asked = [path for path in await desk.wait(600) if path.startswith("/markets")]
    assert 10 <= len(asked) <= 20
    assert desk.trading == "open", "as it was listed"


async def test_a_feed_asks_the_venue_when_its_connections_open() -> None:
    server = await serve(KalshiSimConfig(seed=3, rate=200.0))
    try:
        assert server.key is not None
        ticker = server.venue.markets[-1].spec.ticker
        server.venue.by_ticker[ticker].status = "inactive"
        key = Credentials(server.key.key_id, parse_key(Secret(server.key.private_pem), "test"))
        endpoint = Endpoint(kalshi(credentials=key), server.url, server.rest_url)
        clock = AnchoredClock()
        async with Feed(
            [market(ticker)], endpoints={"kalshi": endpoint}, options=QUICK, clock=clock
        ) as feed:
            await feed.wait_live(PATIENCE_S)
            book = feed.book(ticker)
            await until(lambda: book.trading(clock.now_ns()) == "paused")
    finally:
        await server.close()


def test_names_of_markets_are_quoted() -> None:
    assert NEWS.market(["A/B", "C&D"]).path == "/markets?limit=2&tickers=A%2FB,C%26D"
    assert NEWS.event("../x").path == "/events/..%2Fx"
