"""A user's own prices as books: what is taken, how long it holds, and that recordings have it."""

import math
from decimal import Decimal, localcontext
from typing import Any

import orjson
import pytest
from session_server import MARKET, NO, YES, FailingEngine, Server, book_frame
from spot_live import Tape, audited
from waiting import PATIENCE_S, PatientClock

import bookfeed
from bookfeed import config
from bookfeed.errors import EngineError, SessionError
from bookfeed.feed.feed import Feed, SessionOptions
from bookfeed.market import Market, Outcome
from bookfeed.records import Update
from bookfeed.rules.pairs import Pair, PairLeg
from bookfeed.venues import FeeSchedule
from bookfeed.venues.user_quote import max_age_ns, quote_frame

S = 1_000_000_000
MINE = "my-fair-BTC"
# Beats are rare: that a quote ends in time is not owed to them.
OPTIONS = SessionOptions(advance_s=60, backoff_min_s=0.01)


def frame(**sides: Any) -> dict[str, Any]:
    bid = (sides.get("bid"), sides.get("bid_qty"))
    ask = (sides.get("ask"), sides.get("ask_qty"))
    found: dict[str, Any] = orjson.loads(quote_frame(MINE, bid, ask, 7))
    return found


@pytest.mark.parametrize(
    ("price", "written"),
    [
        ("0.50", "0.5"),
        (0.1, "0.1"),
        (Decimal("5E-1"), "0.5"),
        (1e-05, "0.00001"),
        ("0.123456789", "0.123456789"),
        ("0.1234567890000", "0.123456789"),
    ],
)
def test_numbers_are_written_exactly(price: Any, written: str) -> None:
    told = frame(bid=price, bid_qty=100)
    assert told == {"symbol": MINE, "bid": [written, "100"], "ask": None, "max_age_ns": 7}


@pytest.mark.parametrize(
    ("sides", "problem"),
    [
        ({"bid": math.nan, "bid_qty": 1}, "above zero"),
        ({"bid": math.inf, "bid_qty": 1}, "above zero"),
        ({"bid": "-0.1", "bid_qty": 1}, "above zero"),
        ({"bid": 0, "bid_qty": 1}, "above zero.*None"),
        ({"bid": "0.5", "bid_qty": 0}, "bid_qty must be above zero"),
        ({"bid": "half", "bid_qty": 1}, "must be a number"),
        ({"bid": True, "bid_qty": 1}, "must be a number"),
        ({"bid": "0.5"}, "bid needs bid_qty"),
        ({"ask_qty": 1}, "ask_qty needs ask"),
        ({"bid": 0.1 + 0.2, "bid_qty": 1}, "more than 9 decimals: round it"),
        ({"bid": "0.5", "bid_qty": "0.123456789"}, "more than 8 decimals"),
        ({"bid": "0.5", "bid_qty": 10**12}, "too large"),
        ({"bid": "0.5", "bid_qty": 10**40}, "too large"),
        ({"bid": "0.5", "bid_qty": Decimal("1E+500000000")}, "too large"),
        ({"bid": Decimal("1E-500000000"), "bid_qty": 1}, "more than 9 decimals"),
        ({"bid": "0_5", "bid_qty": 1}, "plain decimal text"),
        ({"bid": " 0.5", "bid_qty": 1}, "plain decimal text"),
        ({"bid": "5e-1", "bid_qty": 1}, "plain decimal text"),
        ({"bid": "\u0660.\u0665", "bid_qty": 1}, "plain decimal text"),
        ({"ask": 1, "ask_qty": 1}, "not below 1"),
        ({"bid": "0.6", "bid_qty": 1, "ask": "0.5", "ask_qty": 1}, "crossed"),
        ({"bid": "0.5", "bid_qty": 1, "ask": 0.5, "ask_qty": 1}, "not below ask"),
    ],
)
def test_what_is_no_quote_is_refused_and_says_what_to_do(
    sides: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        frame(**sides)


def test_a_price_is_exact_whatever_precision_the_caller_works_with() -> None:
    with localcontext(prec=3):
        assert frame(bid="0.1234567", bid_qty="98765.4321")["bid"] == ["0.1234567", "98765.4321"]


@pytest.mark.parametrize("max_age_s", ["5", None, True, Decimal(5)])
def test_an_age_is_a_number_of_seconds(max_age_s: Any) -> None:
    with pytest.raises(TypeError, match="max_age_s must be a number of seconds"):
        max_age_ns(max_age_s)


@pytest.mark.parametrize("max_age_s", [0, -1, math.nan, math.inf, 1e-12, 1e9, 2e9])
def test_an_age_that_cannot_be_is_refused(max_age_s: float) -> None:
    with pytest.raises(ValueError, match="max_age_s"):
        max_age_ns(max_age_s)


def test_an_age_is_never_more_than_was_stated() -> None:
    assert (max_age_ns(1.5), max_age_ns(0.1), max_age_ns(1e-9)) == (1_500_000_000, 100_000_000, 1)


def test_nothing_is_pushed_into_a_feed_that_is_not_open() -> None:
    with pytest.raises(SessionError, match="not open"):
        Feed().push_quote(MINE, max_age_s=1)


async def test_a_quote_is_a_book_until_its_age_is_over_and_no_longer() -> None:
    clock = PatientClock()
    states: list[tuple[int, str, str]] = []

    def keep(update: bookfeed.Update) -> None:
        if update.kind == "state":
            states.append((update.ts_recv, update.state, update.cause))

    async with Feed(options=OPTIONS, clock=clock, on_update=keep) as feed:
        book = feed.push_quote(MINE, bid="0.48", bid_qty=100, ask=0.52, ask_qty=50, max_age_s=0.05)
        pushed_ns = book.ts_recv
        assert pushed_ns is not None
        assert (book.live, book.bid, book.ask, book.ask_qty) == (True, 0.48, 0.52, 50)
        assert (book.venue, book.symbol, feed.book(MINE).bid) == ("user", MINE, 0.48)
        assert feed.names[book.instrument].venue == "user"
        assert await feed.wait_live(PATIENCE_S, symbols=[MINE]) == []
        (status,) = feed.status().books
        assert (status.venue, status.live, status.conn) == ("user", True, None)
        assert feed.status().connections == ()
        await clock.passed(0.06)
        assert (book.state, str(book.cause)) == ("stale", "expired")
        assert 0 <= states[-1][0] - pushed_ns - 50_000_000 < 20_000_000
        # A side that is left out is empty, and the other one is new.
        book = feed.push_quote(MINE, bid="0.47", bid_qty=1, max_age_s=60)
        assert (book.live, book.bid, book.ask) == (True, 0.47, None)
        assert await feed.wait_live(0.0, symbols=[MINE]) == []
    assert (feed.book(MINE).state, feed.book(MINE).cause) == ("stale", "disconnected")
    assert states[-1][1:] == ("stale", "disconnected")


async def test_an_older_quote_holds_for_so_much_shorter() -> None:
    clock = PatientClock()
    async with Feed(options=OPTIONS, clock=clock) as feed:
        now_ns = clock.now_ns()
        with pytest.raises(ValueError, match="holds no more"):
            feed.push_quote(MINE, bid="0.4", bid_qty=1, max_age_s=1, ts=now_ns - S)
        with pytest.raises(ValueError, match="ahead"):
            feed.push_quote(MINE, bid="0.4", bid_qty=1, max_age_s=1, ts=now_ns + 60 * S)
        made_ns = clock.now_ns() - S
        book = feed.push_quote(MINE, bid="0.4", bid_qty=1, max_age_s=1.05, ts=made_ns)
        assert book.live
        await clock.passed(0.06)
        assert str(book.cause) == "expired"


async def test_a_bad_quote_leaves_the_last_one_and_its_neighbours() -> None:
    async with Feed(options=OPTIONS) as feed:
        for symbol in (MINE, "other"):
            feed.push_quote(symbol, bid="0.4", bid_qty=1, max_age_s=60)
        with pytest.raises(ValueError, match="crossed"):
            feed.push_quote(MINE, bid="0.6", bid_qty=1, ask="0.5", ask_qty=1, max_age_s=60)
        with pytest.raises(ValueError, match="printable"):
            feed.push_quote('a"b', bid="0.4", bid_qty=1, max_age_s=60)
        assert [book.live for book in feed.books()] == [True, True]
        assert feed.book(MINE).bid == 0.4


async def test_markets_of_one_s_own_come_and_go(server: Server) -> None:
    mine = Market("fair", (Outcome("Up", MINE),), name="What I think", venue="user")
    feed = Feed([MARKET, mine], url=server.url, options=OPTIONS)
    async with feed:
        # Nobody waits for what nobody sends.
        assert await feed.wait_live(PATIENCE_S) == []
        (missing,) = await feed.wait_live(0.01, symbols=[MINE, YES])
        assert (missing.symbol, missing.market, missing.outcome) == (MINE, "fair", "Up")
        assert [status.venue for status in feed.status().connections] == ["polymarket"]
        book = feed.push_quote(MINE, ask="0.3", ask_qty=5, max_age_s=60)
        assert feed.names[book.instrument].title == "What I think"
        with pytest.raises(SessionError, match="push one"):
            feed.resync(MINE)
        await feed.remove_markets([mine])
        with pytest.raises(KeyError):
            feed.book(MINE)
        added = await feed.add_markets([Market("b", (Outcome("Up", "b"),), venue="user")])
        assert list(added.values()) == ["b"]
        assert feed.push_quote("b", ask="0.3", ask_qty=5, max_age_s=60).live


async def test_a_failed_engine_is_told_where_there_is_no_connection() -> None:
    engine: Any = FailingEngine()
    async with Feed(engine=engine, options=OPTIONS) as feed:
        feed.push_quote(MINE, bid="0.4", bid_qty=1, max_age_s=60)
        engine.error = EngineError("the engine failed")
        with pytest.raises(EngineError):
            feed.push_quote(MINE, bid="0.4", bid_qty=1, max_age_s=60)
        assert isinstance(feed.failure, EngineError)
        assert not feed.status().running


FACTS = {"oracle": "the same", "strike": "1", "cut_off": "noon"}


async def test_a_box_with_a_leg_of_one_s_own_opens_and_closes_with_it(server: Server) -> None:
    """At 0.60 the event costs less than the user thinks that its opposite is worth."""
    market = Market(
        "0xabc", (Outcome("Yes", YES), Outcome("No", NO)), fee=FeeSchedule("0"), min_order_size="1"
    )
    mine = Market("fair", (Outcome("yes", MINE),), venue="user")
    pair = Pair(
        name="mine",
        leg=(
            PairLeg("polymarket", YES, "Yes", "same", **FACTS),
            PairLeg("user", MINE, "yes", "same", **FACTS),
        ),
        confirm="off",
        polarity_check="off",
    )
    signals: list[bookfeed.Signal] = []
    updates: list[bookfeed.Update] = []
    tape, clock = Tape(), PatientClock()
    feed = Feed(
        [market, mine],
        url=server.url,
        rules=[pair.rule()],
        options=OPTIONS,
        clock=clock,
        recorder=tape,
        on_signal=signals.append,
        on_update=updates.append,
    )
    async with feed:
        await feed.wait_live(PATIENCE_S)
        feed.push_quote(MINE, bid="0.70", bid_qty=40, max_age_s=0.1)
        (await server.peer(0)).text(book_frame(YES, "0.39", "0.60"))
        await server.until(lambda: signals)
        opened = signals[0]
        assert (opened.phase, opened.rule, opened.name) == ("open", "box", "mine")
        assert opened.net_edge == pytest.approx(0.1)
        assert {leg.venue for leg in opened.legs} == {"polymarket", "user"}
        assert opened.qty == 10
        await clock.passed(0.11)
        assert [s.phase for s in signals] == ["open", "close"]
        assert signals[-1].reason == "not_live"
        assert str(feed.book(MINE).cause) == "expired"
    again: list[bookfeed.Signal] = []
    seen = bookfeed.replay(tape.records, on_signal=again.append)
    assert list(seen) == updates
    assert again == signals
    report = audited(tape.records)
    assert (report.findings, report.refused) == ([], 0)
    assert report.signals["box open"] or report.agreed


async def test_a_configuration_may_have_a_leg_of_one_s_own(server: Server) -> None:
    leg = {"polarity": "same", **FACTS}
    pair = [
        {"venue": "polymarket", "symbol": YES, "outcome": "Yes", **leg},
        {"venue": "user", "symbol": MINE, "outcome": "yes", **leg},
    ]
    table = {
        "polymarket": {"ws_url": server.url, "rest_url": ""},
        "market": [
            {
                "market": "0xabc",
                "fee": {"rate": "0"},
                "outcomes": [{"name": "Yes", "asset": YES}],
            },
            {"venue": "user", "symbol": MINE, "fee_a_share": "0.01"},
        ],
        "pair": [{"name": "mine", "leg": pair, "confirm": "off", "polarity_check": "off"}],
    }
    signals: list[bookfeed.Signal] = []
    feed = Feed.from_config(config.parse(table), on_signal=signals.append)
    async with feed:
        await feed.wait_live(PATIENCE_S)
        feed.push_quote(MINE, bid="0.70", bid_qty=40, max_age_s=60)
        await server.until(lambda: signals)
        # The contract's own fee is on it.
        assert signals[0].net_edge == pytest.approx(0.09)


async def test_the_longest_age_that_may_be_stated_is_believed() -> None:
    async with Feed() as feed:
        assert feed.push_quote(MINE, bid="0.4", bid_qty=1, max_age_s=999_999_999).live


async def test_a_listener_that_answers_its_own_quotes_comes_to_an_end() -> None:
    async with Feed() as feed:
        answered: list[Update] = []

        def answer(update: Update) -> None:
            answered.append(update)
            feed.push_quote(MINE, bid="0.4", bid_qty=len(answered), max_age_s=60)

        listener = feed.on_update(answer)
        feed.push_quote(MINE, bid="0.4", bid_qty=10**6, max_age_s=60)
        assert listener.errors > 0 and len(answered) < 1_000
        # Nobody's records are lost, and other quotes are as welcome as before.
        assert feed.book(MINE).bid_qty == len(answered) - listener.errors
        listener.close()
        assert feed.push_quote(MINE, bid="0.5", bid_qty=1, max_age_s=60).live
