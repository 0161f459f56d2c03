"""Strikes and results, as witnesses tell them: in order, provisional until certain, at odds."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import pytest
from waiting import until

from bookfeed import UPDATE_DTYPE, UPDATE_KINDS, Catalogue, CatalogueError, Feed
from bookfeed.catalogue.catalogue import only
from bookfeed.catalogue.deciding import Decision, Verdict
from bookfeed.catalogue.fields import Fields, Malformed, parse
from bookfeed.catalogue.listing import ListedOutcome, Listing, Strike
from bookfeed.catalogue.news import MarketNews
from bookfeed.catalogue.polymarket import verdicts as said
from bookfeed.catalogue.store import Store
from bookfeed.clock import NS_PER_S
from bookfeed.feed import deciding as deciding_module
from bookfeed.feed.deciding import Deciding
from bookfeed.feed.question import strike_ts
from bookfeed.sim.polymarket_kalshi import listed
from bookfeed.sim.polymarket_kalshi.listed import ListedConfig, ListedServer

SAMPLES: Final = Path(__file__).parents[2] / "shared" / "captures" / "polymarket" / "samples"
END_NS: Final = 1_790_000_000 * NS_PER_S
MARKET: Final = Listing(
    venue="polymarket",
    market="0x789f0872f66cfffd21a33020e5c90e11f95f947e03be77ac2df7e86b0cb71527",
    slug="btc-updown-15m-1789999100",
    title="Bitcoin Up or Down",
    outcomes=(ListedOutcome("Up", "11"), ListedOutcome("Down", "22")),
    status="open",
    start_ts=END_NS - 900 * NS_PER_S,
    close_ts=END_NS,
)
UP: Final = (Decimal(1), Decimal(0))
DOWN: Final = (Decimal(0), Decimal(1))
HALF: Final = (Decimal("0.5"), Decimal("0.5"))


def told(news: list[MarketNews]) -> list[tuple[str, str, bool]]:
    return [(one.kind, one.witness, one.provisional) for one in news]


def at(price: str) -> Strike:
    return Strike("greater_or_equal", Decimal(price), None)


# Strikes.


def test_a_strike_is_provisional_until_the_venue_tells_it() -> None:
    decision = Decision(MARKET)
    assert told(decision.strike(at("83884.3"), "index", final=False)) == [("strike", "index", True)]
    assert decision.listing.strike == at("83884.3") and not decision.strike_known
    assert decision.strike(at("83884.3"), "index", final=False) == []
    assert told(decision.strike(at("83884.3"), "listing", final=True)) == [
        ("strike", "listing", False)
    ]
    assert decision.strike_known
    assert decision.strike(at("83884.3"), "listing", final=True) == []


def test_the_venues_strike_counts_and_another_one_is_told_as_a_disagreement() -> None:
    decision = Decision(MARKET)
    decision.strike(at("83884.3"), "index", final=False)
    odds, strike = decision.strike(at("83884.4"), "listing", final=True)
    assert (odds.kind, odds.remark) == ("disagreement", "strike 83884.4, not 83884.3")
    assert (strike.kind, strike.provisional) == ("strike", False)
    assert decision.listing.strike == at("83884.4")
    late = decision.strike(at("83884.3"), "index", final=False)
    assert [one.kind for one in late] == ["disagreement"]
    assert decision.strike(at("83884.3"), "index", final=False) == [], "it is told once"
    assert decision.listing.strike == at("83884.4")


def test_a_strike_that_is_listed_from_the_beginning_is_certain() -> None:
    assert Decision(replace(MARKET, strike=at("1"))).strike_known


# Results.


def test_one_witness_is_believed_and_two_are_certain() -> None:
    decision = Decision(MARKET)
    assert told(decision.verdict(Verdict("stream", UP, final=False))) == [
        ("decided", "stream", True)
    ]
    assert (decision.listing.status, decision.listing.result) == ("settled", "Up")
    assert decision.verdict(Verdict("stream", UP, final=False)) == []
    assert told(decision.verdict(Verdict("books", UP, final=False))) == [
        ("decided", "books", False)
    ]
    assert decision.ended
    assert decision.verdict(Verdict("listing", UP, final=False)) == []


def test_who_has_the_last_word_makes_it_certain_alone() -> None:
    decision = Decision(MARKET)
    (news,) = decision.verdict(
        Verdict("resolutions", (Decimal("1.000000"), Decimal(0)), final=True)
    )
    assert (news.provisional, news.listing.result, decision.ended) == (False, "Up", True)
    assert str(news.listing.outcomes[0].payout) == "1"


def test_a_disagreement_changes_nothing_and_is_told_once() -> None:
    decision = Decision(MARKET)
    decision.verdict(Verdict("stream", UP, final=False))
    (odds,) = decision.verdict(Verdict("books", DOWN, final=False))
    assert (odds.kind, odds.witness, odds.remark) == (
        "disagreement",
        "books",
        "payouts 0/1, not 1/0",
    )
    assert odds.listing.result == "Up"
    assert decision.verdict(Verdict("books", DOWN, final=False)) == []
    assert not decision.ended
    (again,) = decision.verdict(Verdict("books", HALF, final=False))
    assert again.remark == "payouts 0.5/0.5, not 1/0"


def test_shared_payouts_and_a_market_of_one_book() -> None:
    decision = Decision(MARKET)
    (news,) = decision.verdict(Verdict("resolutions", HALF, final=True))
    assert news.listing.result is None and news.listing.status == "settled"
    one = replace(MARKET, venue="kalshi", outcomes=(ListedOutcome("Yes", "A"),))
    for value, result in (("1", "yes"), ("0", "no"), ("0.37", None)):
        (news,) = Decision(one).verdict(Verdict("listing", (Decimal(value),), final=True))
        assert news.listing.result == result


@pytest.mark.parametrize(
    "payouts", [(), (Decimal(1),), (Decimal(2), Decimal(0)), (Decimal(-1), Decimal(0))]
)
def test_payouts_that_fit_no_outcomes_decide_nothing(payouts: tuple[Decimal, ...]) -> None:
    decision = Decision(MARKET)
    (news,) = decision.verdict(Verdict("stream", payouts, final=True))
    assert news.kind == "disagreement" and "fit no outcomes" in news.remark
    assert not decision.ended and decision.listing.status == "open"


def test_what_nobody_decides_expires_once_and_may_be_decided_after_all() -> None:
    decision = Decision(MARKET, patience_s=60)
    assert decision.passed(END_NS) == decision.passed(END_NS + 59 * NS_PER_S) == []
    assert told(decision.passed(END_NS + 60 * NS_PER_S)) == [("expired", "", False)]
    assert decision.passed(END_NS + 90 * NS_PER_S) == []
    assert told(decision.verdict(Verdict("stream", UP, final=False))) == [
        ("decided", "stream", True)
    ]
    decided = Decision(MARKET, patience_s=60)
    decided.verdict(Verdict("stream", UP, final=False))
    assert decided.passed(END_NS + 90 * NS_PER_S) == []


@pytest.mark.parametrize("seed", range(50))
def test_whatever_the_order_the_first_is_believed_and_others_are_told(seed: int) -> None:
    """Compared with the plain reading: the first word counts, a second like it or a last word
    makes it certain, each other word is a disagreement of its witness."""
    rng = Random(seed)
    decision = Decision(MARKET)
    first: tuple[Decimal, ...] | None = None
    agreeing: set[str] = set()
    certain, odds = False, set[tuple[str, tuple[Decimal, ...]]]()
    for _ in range(20):
        verdict = Verdict(
            rng.choice(("stream", "resolutions", "listing", "books")),
            rng.choice((UP, UP, UP, DOWN)),
            final=rng.random() < 0.1,
        )
        news = decision.verdict(verdict)
        if first is None:
            first = verdict.payouts
        if verdict.payouts != first:
            agreeing.discard(verdict.witness)
            key = verdict.witness, verdict.payouts
            assert bool(news) == (key not in odds)
            odds.add(key)
        else:
            agreeing.add(verdict.witness)
            certain = certain or verdict.final or len(agreeing) > 1
        assert decision.ended is certain
        paid = tuple(one.payout for one in decision.listing.outcomes)
        assert paid == first


# What each witness says.


def test_the_stored_answers_about_resolutions() -> None:
    path = SAMPLES / "data_v2_resolutions.json"
    if not path.exists():
        pytest.skip("no captures beside the project")
    stored = parse(path.read_bytes())
    assert said.resolved(stored["resolved"], MARKET) == Verdict("resolutions", UP, final=True)
    for row in stored["pending"]["data"]:
        pending = replace(MARKET, market=row["condition_id"])
        assert said.resolved(stored["pending"], pending) is None, row["status"]
    assert said.resolved(stored["resolved"], replace(MARKET, market="0x01")) is None


def test_the_stored_answers_of_the_books() -> None:
    path = SAMPLES / "clob_market_closed_binary_accepting_false.json"
    if not path.exists():
        pytest.skip("no captures beside the project")
    whole = parse(path.read_bytes())
    outcomes = tuple(ListedOutcome(one["outcome"], one["token_id"]) for one in whole["tokens"])
    listing = replace(MARKET, outcomes=outcomes)
    assert said.won(Fields(whole), listing) == Verdict("books", DOWN, final=False)
    assert said.won(Fields(whole), replace(listing, outcomes=outcomes[::-1])) == Verdict(
        "books", UP, final=False
    ), "by the token, and not by the place"
    assert said.won(Fields(whole), MARKET) is None


@pytest.mark.parametrize(
    ("payouts", "paid"),
    [([1_000_000, 0], UP), ([500_000, 500_000], HALF), (["1000000", "0"], UP), ([], None)],
)
def test_payouts_are_micro_dollars(payouts: list[Any], paid: tuple[Decimal, ...] | None) -> None:
    row = {"condition_id": MARKET.market.upper().replace("0X", "0x"), "status": "resolved"}
    found = said.resolved({"data": [row | {"payouts": payouts}]}, MARKET)
    assert (None if found is None else found.payouts) == paid


@pytest.mark.parametrize("answer", [None, [], {"data": [1]}, {"data": "x"}])
def test_an_answer_that_is_none(answer: object) -> None:
    with pytest.raises(Malformed):
        said.resolved(answer, MARKET)


# Asked of simulated venues.


@pytest.fixture
async def over(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ListedServer]:
    """A world of which all windows end as soon as it is there."""
    monkeypatch.setattr(listed, "_unix_s", lambda _text: 0)
    server = await listed.serve(ListedConfig(rate=1))
    yield server
    await server.close()


async def test_three_witnesses_tell_the_same(over: ListedServer, tmp_path: Path) -> None:
    event = over.gamma.events[-1]
    async with (
        Store(tmp_path / "c") as store,
        Catalogue(urls=listed.ready(over)["lookup"], store=store) as catalogue,
    ):
        listing = await catalogue.market(event["slug"])
        async with asyncio.timeout(20):
            while len(found := await catalogue.verdicts(listing)) < 3:  # noqa: ASYNC110 - a venue
                await asyncio.sleep(0.05)
        assert [one.witness for one in found] == ["resolutions", "listing", "books"]
        assert len({tuple(map(int, one.payouts)) for one in found}) == 1
        (label,) = await catalogue.labels()
        assert (label.slug, label.witness) == (listing.slug, "resolutions")
        assert label.payouts == tuple(Decimal(int(one)) for one in found[0].payouts)


async def test_kalshi_says_it_when_it_is_determined_and_again_when_it_is_paid(
    over: ListedServer,
) -> None:
    market = next(m for m in over.kalshi.venue.markets if m.trading)
    async with Catalogue(urls=listed.ready(over)["lookup"]) as catalogue:
        listing = await catalogue.market(market.spec.ticker)
        assert await catalogue.verdicts(listing) == ()
        market.status = "determined"
        (verdict,) = await catalogue.verdicts(listing)
        assert verdict == ("listing", (Decimal(market.settlement_text),), False)
        market.status = "finalized"
        (verdict,) = await catalogue.verdicts(listing)
        assert verdict.final


# On a feed.


class Venue:
    """A catalogue that says what it is told to say."""

    def __init__(self) -> None:
        self.said: list[Verdict] = []
        self.strike: Strike | None = None
        self.asked = 0
        self.error: Exception | None = None

    async def listed_now(self, listing: Listing) -> Listing:
        return replace(listing, strike=self.strike)

    async def verdicts(self, listing: Listing) -> tuple[Verdict, ...]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return tuple(self.said)


class Told:
    """A feed that notes what it is told, of markets that it knows of."""

    def __init__(self, *markets: Listing) -> None:
        self.news: list[MarketNews] = []
        self.listings = {(one.venue, one.market): one for one in markets}

    def tell(self, news: MarketNews) -> None:
        self.news.append(news)

    names: Final = {
        number: SimpleNamespace(symbol=symbol) for number, symbol in ((1, "11"), (2, "22"))
    }

    def on_batch(self, fn: Callable[[SimpleNamespace], None]) -> SimpleNamespace:
        self.batch = fn
        return SimpleNamespace(close=lambda: None)

    def paid(self, dollars: Sequence[int], ts: int) -> None:
        """The stream says what shares of the outcomes pay."""
        updates = np.zeros(2, UPDATE_DTYPE)
        updates["kind"] = UPDATE_KINDS.index("resolved")
        updates["instrument"], updates["ts_recv_ns"] = [1, 2], ts
        updates["price_e9"] = [one * 10**9 for one in dollars]
        self.batch(SimpleNamespace(updates=updates))


class Now:
    def __init__(self, ns: int) -> None:
        self.ns = ns

    def __call__(self) -> int:
        return self.ns


async def test_from_the_start_of_a_window_to_its_end() -> None:
    feed, venue, now = Told(MARKET), Venue(), Now(END_NS - 1_000 * NS_PER_S)
    ticks: dict[str, Decimal] = {}
    deciding = Deciding(
        feed,  # type: ignore[arg-type]
        venue,
        strike_at=lambda listing: ticks.get(listing.slug),
        now_ns=now,
    )
    await deciding.look()
    assert feed.news == [] and venue.asked == 0
    now.ns = END_NS - 900 * NS_PER_S
    ticks[MARKET.slug] = Decimal("83884.31639475992")
    await deciding.look()
    assert told(feed.news) == [("strike", "index", True)]
    now.ns += 40 * NS_PER_S
    venue.strike = at("83884.31639475992")
    await deciding.look()
    assert told(feed.news)[1:] == [("strike", "listing", False)]
    now.ns = END_NS + NS_PER_S
    venue.error = CatalogueError("away")
    await deciding.look()
    venue.error = None
    venue.said = [Verdict("resolutions", UP, final=True)]
    asked = venue.asked
    await deciding.look()
    assert venue.asked == asked, "it is asked again later"
    now.ns += 120 * NS_PER_S
    await deciding.look()
    assert told(feed.news)[2:] == [("decided", "resolutions", False)]
    now.ns += 7_200 * NS_PER_S
    asked = venue.asked
    await deciding.look()
    assert venue.asked == asked and len(feed.news) == 3, "there is nothing left to ask"


async def test_who_nobody_answers_for_expires() -> None:
    feed, venue, now = Told(MARKET), Venue(), Now(END_NS)
    deciding = Deciding(feed, venue, now_ns=now)  # type: ignore[arg-type]
    for _ in range(200):
        await deciding.look()
        now.ns += 10 * NS_PER_S
    assert told(feed.news) == [("expired", "", False)]
    assert venue.asked < 50, "it is asked ever less often"


async def test_a_strike_is_asked_for_where_there_is_one() -> None:
    """A question has none; a window has one from its start on, which some listings do not say."""
    quarter = replace(MARKET, venue="kalshi", series="KXBTC15M", start_ts=None, open_ts=7)
    assert strike_ts(quarter) == 7
    assert strike_ts(replace(quarter, series="KXHIGHNY")) is None
    assert strike_ts(replace(MARKET, start_ts=None, open_ts=7)) is None
    assert strike_ts(MARKET) == MARKET.start_ts


async def test_an_end_that_was_moved_counts() -> None:
    feed, venue, now = Told(MARKET), Venue(), Now(END_NS)
    deciding = Deciding(feed, venue, now_ns=now)  # type: ignore[arg-type]
    await deciding.look()
    asked = venue.asked
    later = replace(MARKET, close_ts=END_NS + 7_200 * NS_PER_S)
    feed.listings[later.venue, later.market] = later
    now.ns += 3_600 * NS_PER_S
    await deciding.look()
    assert (venue.asked, feed.news) == (asked, []), "it goes on"
    now.ns += 7_200 * NS_PER_S
    await deciding.look()
    assert [one.kind for one in feed.news] == ["expired"] and venue.asked == asked + 1


async def test_what_is_no_longer_known_is_not_asked_about() -> None:
    feed, venue, now = Told(MARKET), Venue(), Now(END_NS)
    deciding = Deciding(feed, venue, now_ns=now)  # type: ignore[arg-type]
    await deciding.look()
    feed.listings.clear()
    now.ns += 600 * NS_PER_S
    asked = venue.asked
    await deciding.look()
    assert venue.asked == asked


class Slow(Venue):
    """A catalogue that notes what it is asked, and answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []
        self.waiting: dict[str, int] = {}
        self.most = 0
        self.go = asyncio.Semaphore(0)

    async def _wait(self, what: str, listing: Listing) -> None:
        self.order.append(f"{what} {listing.market}")
        count = self.waiting[listing.venue] = self.waiting.get(listing.venue, 0) + 1
        self.most = max(self.most, count)
        await self.go.acquire()
        self.waiting[listing.venue] -= 1

    async def listed_now(self, listing: Listing) -> Listing:
        await self._wait("strike", listing)
        return await super().listed_now(listing)

    async def verdicts(self, listing: Listing) -> tuple[Verdict, ...]:
        await self._wait("end", listing)
        return await super().verdicts(listing)


def ladder(count: int) -> list[Listing]:
    known = replace(MARKET, strike=at("84000"))
    return [replace(known, market=f"0x{number}") for number in range(count)]


async def test_a_ladder_that_ends_holds_nothing_up() -> None:
    """One question a venue at a time; the strike of the next window, and another venue, first."""
    venue = Slow()
    following = replace(MARKET, market="next", start_ts=END_NS, close_ts=END_NS + 900 * NS_PER_S)
    other = replace(MARKET, venue="kalshi", market="other", strike=at("84000"))
    feed = Told(*ladder(50), following, other)
    deciding = Deciding(feed, venue, now_ns=Now(END_NS))  # type: ignore[arg-type]
    looking = asyncio.create_task(deciding.look())
    await until(lambda: len(venue.order) == 2)
    assert set(venue.order) == {"strike next", "end other"}
    assert sum(venue.waiting.values()) == 2
    for _ in range(60):
        venue.go.release()
    await looking
    assert len(venue.order) == 52 and venue.most == 1


async def test_what_the_stream_says_waits_for_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding_module, "LOOK_S", 0.01)
    venue, feed = Slow(), Told(*ladder(3))
    deciding = Deciding(feed, venue, now_ns=Now(END_NS))  # type: ignore[arg-type]
    async with deciding:
        await until(lambda: len(venue.order) == 1)
        feed.paid((1, 0), END_NS)
        await until(lambda: len(feed.news) == 3)
        assert told(feed.news) == [("decided", "stream", True)] * 3
        assert len(venue.order) == 1


async def test_what_was_paid_before_its_end_was_another_window() -> None:
    """In the hour that clocks show twice two windows have one symbol."""
    now = Now(END_NS)
    feed = Told(replace(MARKET, closes_firmly=True))
    deciding = Deciding(feed, Venue(), now_ns=now)  # type: ignore[arg-type]
    async with deciding:
        feed.paid((1, 0), END_NS - 3_000 * NS_PER_S)
        await deciding.look()
        assert feed.news == []
        feed.paid((0, 1), END_NS + NS_PER_S)
        await deciding.look()
    assert [one.listing.result for one in feed.news] == ["Down"]


async def test_a_market_that_is_never_closed_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    feed, venue, now = Told(MARKET), Venue(), Now(END_NS + 40 * 86_400 * NS_PER_S)
    venue.error = CatalogueError("away")
    deciding = Deciding(feed, venue, now_ns=now)  # type: ignore[arg-type]
    await deciding.look()
    assert venue.asked == 1, "of one that ended long ago it is asked, too"
    now.ns = END_NS
    deciding = Deciding(feed, venue, now_ns=now)  # type: ignore[arg-type]
    for _ in range(400):
        await deciding.look()
        now.ns += 600 * NS_PER_S
    assert venue.asked < 150
    assert [one.kind for one in feed.news] == ["expired"]
    assert sum("away" in record.message for record in caplog.records) == 2, "once each"


async def test_a_defect_in_one_market_is_told_and_stops_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    feed, venue = Told(MARKET), Venue()
    venue.error = RuntimeError("a defect")
    deciding = Deciding(feed, venue, now_ns=Now(END_NS))  # type: ignore[arg-type]
    await deciding.look()
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_the_stream_is_heard_on_a_live_feed(over: ListedServer) -> None:
    """It tells first, and the venue's other witnesses agree."""
    news: list[MarketNews] = []
    async with Catalogue(urls=listed.ready(over)["lookup"]) as catalogue:
        market = over.polymarket.venue.markets[0]
        listing = await catalogue.market(market.spec.condition_id)
        feed = Feed(
            [listing.to_market()], url=over.polymarket.url, rest_url=over.polymarket.rest_url
        )
        async with feed, Deciding(feed, catalogue):
            feed.on_market(news.append)
            await feed.wait_live(timeout_s=10)
            feed.know(listing)
            over.polymarket.resolve(market)
            await until(lambda: any(one.kind == "decided" for one in news))
    decided = next(one for one in news if one.kind == "decided")
    assert (decided.witness, decided.provisional) == ("stream", True)
    assert decided.listing.result == market.spec.outcomes[market.winner or 0]


def test_orders_of_three_witnesses_that_agree_all_end_certain() -> None:
    for order in permutations(("stream", "listing", "books")):
        decision = Decision(MARKET)
        news = [one for who in order for one in decision.verdict(Verdict(who, UP, final=False))]
        assert [one.provisional for one in news] == [True, False], order
    assert json.dumps(decision.listing.result) == '"Up"'
    assert only("x", [decision.listing]) is decision.listing
