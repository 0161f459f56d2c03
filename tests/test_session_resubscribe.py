"""A book subscribed again, step by step under a virtual clock: answers, refusals, none at all."""

import logging
import random
from typing import Any, cast

import orjson
import pytest

from bookfeed._bookfeed import Engine
from bookfeed.live.recovery.base import Connections
from bookfeed.live.recovery.plan import ResyncPlan, ResyncPolicy
from bookfeed.live.recovery.resubscribe import ANSWER_NS, ResubscribeMender
from bookfeed.live.shard import Shard
from bookfeed.log import RateLimitedLog
from bookfeed.recordings.inputs import EngineInput
from bookfeed.venues.base import Resubscription
from bookfeed.venues.kraken import KrakenMarket, kraken

S = 1_000_000_000


class Session:
    """An open connection that keeps what is sent."""

    open = True

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send(self, text: str) -> None:
        self.sent.append(orjson.loads(text))

    def quoted(self, text: str) -> str:
        return repr(text)


class Bench:
    """One connection with two books, of which the first is wanted back."""

    def __init__(self) -> None:
        self.now = 1_800_000_000 * S
        self.engine = Engine()
        self.inputs = EngineInput(self.engine)
        self.plan = ResyncPlan(ResyncPolicy(), random.Random(1), can_fetch=True)
        self.log = RateLimitedLog(logging.getLogger("test"))
        self.clock = self
        venue = kraken()
        assert isinstance(venue.recovery, Resubscription)
        self.shard = Shard(venue, 0)
        self.session = Session()
        self.shard.session = cast("Any", self.session)
        for pair in ("BTC-USD", "ETH-USD"):
            market = KrakenMarket("kraken", pair).to_market(None)
            number = self.inputs.subscribe(market, market.outcomes[0], 0, self.now)
            self.shard.add(number, market.symbols[0], market)
        self.inputs.connected(0, "kraken", self.now)
        self.mender = ResubscribeMender(cast("Connections", self), venue.recovery, random.Random(1))
        self.mender.opened(self.shard, self.now)
        self.pass_time(ANSWER_NS)
        self.plan.want(0, "checksum_mismatch", self.now)

    def now_ns(self) -> int:
        return self.now

    def shard_of(self, instrument: int) -> Shard | None:
        return self.shard if instrument in self.shard.instruments else None

    def flush(self) -> None:
        self.engine.drain(self.now)

    def fail(self, error: BaseException) -> None:
        raise error

    def pass_time(self, duration_ns: int) -> None:
        end = self.now + duration_ns
        while self.now < end:
            self.now += S // 10
            self.mender.mend([self.shard], self.now)

    def answer(self, method: str, error: str | None = None) -> None:
        """What the venue says to the newest command."""
        id_ = self.session.sent[-1]["req_id"]
        told: dict[str, Any] = {"method": method, "req_id": id_, "success": error is None}
        if error is None:
            told["result"] = {"channel": "book", "symbol": "BTC/USD"}
        else:
            told |= {"error": error, "symbol": "BTC/USD"}
        self.engine.ingest(0, orjson.dumps(told), self.now)
        self.mender.hear(self.shard)

    def said(self) -> list[str]:
        return [frame["method"] for frame in self.session.sent]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_book_alone_is_given_up_and_subscribed_when_that_is_confirmed(bench: Bench) -> None:
    bench.pass_time(S)
    assert bench.said() == ["unsubscribe"]
    bench.answer("unsubscribe")
    assert bench.said() == ["unsubscribe", "subscribe"]
    for frame in bench.session.sent:
        assert frame["params"]["symbol"] == ["BTC/USD"]
        assert frame["params"]["channel"] == "book"
    bench.answer("subscribe")
    bench.mender.live(0)
    bench.plan.settled(0, bench.now)
    bench.pass_time(60 * S)
    assert len(bench.said()) == 2
    assert (bench.mender.resyncs, bench.mender.resync_failures) == (1, 0)


def test_a_book_that_was_not_subscribed_is_as_good_as_given_up(bench: Bench) -> None:
    bench.pass_time(S)
    bench.answer("unsubscribe", "Subscription Not Found")
    assert bench.said() == ["unsubscribe", "subscribe"]


@pytest.mark.parametrize("error", ["Already subscribed", "Currency pair not supported BTC/USD"])
def test_a_refused_subscription_is_begun_again_from_the_start(bench: Bench, error: str) -> None:
    bench.pass_time(S)
    bench.answer("unsubscribe")
    bench.answer("subscribe", error)
    assert bench.mender.resync_failures == 1
    bench.pass_time(2 * S)
    assert bench.said() == ["unsubscribe", "subscribe", "unsubscribe"]


def test_what_is_not_answered_is_begun_again_ever_more_rarely(bench: Bench) -> None:
    bench.pass_time(600 * S)
    assert set(bench.said()) == {"unsubscribe"}
    assert 8 < len(bench.said()) < 30
    assert not bench.mender.may_replace(bench.shard), "the neighbour is well"
    bench.plan.want(1, "checksum_mismatch", bench.now)
    assert bench.mender.may_replace(bench.shard)


def test_a_venue_that_has_had_enough_is_left_alone_at_no_cost_to_the_book(bench: Bench) -> None:
    bench.pass_time(S)
    bench.answer("unsubscribe", "Exceeded msg rate")
    assert bench.mender.resync_failures == 0
    bench.pass_time(S // 5)
    assert bench.said() == ["unsubscribe"]
    bench.pass_time(2 * S)
    assert bench.said() == ["unsubscribe", "unsubscribe"]


def test_a_book_that_leaves_meanwhile_is_not_subscribed_again(bench: Bench) -> None:
    bench.pass_time(S)
    bench.inputs.unsubscribe(0, bench.now)
    bench.shard.remove(0)
    bench.plan.forget(0)
    bench.mender.removed(bench.shard, ["BTC/USD"])
    bench.answer("unsubscribe")
    bench.pass_time(10 * S)
    assert "subscribe" not in bench.said()


def test_a_new_connection_begins_with_nothing_under_way(bench: Bench) -> None:
    bench.pass_time(S)
    bench.mender.opened(bench.shard, bench.now)
    bench.pass_time(ANSWER_NS - S)
    assert len(bench.said()) == 1, "its books are on their way by themselves"
    bench.pass_time(2 * S)
    assert len(bench.said()) == 2
