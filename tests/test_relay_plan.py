"""Topics of relays under faults: back by themselves, nothing wrong, nothing told twice."""

import json
from collections import Counter
from typing import Any

import pytest
from relay_world import START_MS, World

from bookfeed._bookfeed import RELAYS as READ
from bookfeed.sim import names
from bookfeed.sim.entry import OptionError, Options, simulator
from bookfeed.sim.plan import Plan
from bookfeed.sim.polymarket.polybolt import session as bolt
from bookfeed.sim.polymarket.rtds import session as sim
from bookfeed.sim.relay_prices import Prices
from bookfeed.venues import RELAYS
from bookfeed.venues.relay import Topic
from bookfeed.venues.secret import Secret

SIXTY = Topic("rtds", "crypto_prices_twap_sixty", symbol="btc/usd")
SPOT = Topic("rtds", "crypto_prices_chainlink", symbol="eth/usd")
BINANCE = Topic("rtds", "crypto_prices", symbol="btcusdt")
POISON = Topic("rtds", "definitely_not_a_topic")
ACTIVITY = Topic("rtds", "activity")
COIN = Topic("polybolt", "price.crypto", symbol="btcusd")
MEAN = Topic("polybolt", "price.crypto.twap", symbol="hypeusd")
TOUCH = Topic("polybolt", "price.polymarket", symbol="123")


class Key:
    """Credentials of the simulated relay."""

    api_key, secret, passphrase = (Secret(text) for text in bolt.KEY)


def of_rtds(*topics: Topic, faults: sim.Faults | None = None, seed: int = 1) -> World:
    prices = Prices(seed)

    def peer(attempt: int, opened_ms: int) -> sim.RtdsSession:
        wrong = faults if faults is not None and attempt == 0 else sim.Faults()
        return sim.RtdsSession(prices, opened_ms, seed + attempt, wrong)

    world = World(RELAYS["rtds"], peer, prices, seed)
    for topic in topics:
        world.plan.add(topic)
    return world


def of_polybolt(
    *topics: Topic, faults: bolt.Faults | None = None, key: Any = Key, always: bool = False
) -> World:
    prices = Prices(1)

    def peer(attempt: int, opened_ms: int) -> bolt.PolyboltSession:
        wrong = faults if faults is not None and (always or attempt == 0) else bolt.Faults()
        return bolt.PolyboltSession(prices, opened_ms, attempt, wrong)

    world = World(RELAYS["polybolt"], peer, prices, credentials=key)
    for topic in topics:
        world.plan.add(topic)
    return world


def all_once(world: World) -> None:
    """Nothing wrong, and no value told twice, except exactly after a double of it."""
    assert not world.wrong
    told = Counter((p.topic, p.symbol, p.ts_event, p.exact) for p in world.points)
    assert set(told.values()) == {1}


def test_one_poisoned_topic_silences_no_other() -> None:
    world = of_rtds(SIXTY, POISON, SPOT, BINANCE, ACTIVITY)
    world.run(120)
    all_once(world)
    states = {topic: world.plan.status(topic)[0] for topic in world.plan.topics}
    assert states == {
        SIXTY: "live", POISON: "refused", SPOT: "live", BINANCE: "live", ACTIVITY: "live",
    }  # fmt: skip
    assert world.attempts == 1
    for topic in (SIXTY, SPOT, BINANCE):
        assert not world.missing(topic, START_MS + 1_000, world.now_ms - 1_000)
    # Asked for again, ever more rarely.
    world.run(1_000)
    asked = [text for text in world.sent if "definitely" in text and '"subscribe"' in text]
    assert 4 <= len(asked) <= 6
    assert world.attempts == 1 and not world.wrong


def test_the_simulated_relay_is_as_poisonous_as_the_real_one() -> None:
    session = sim.RtdsSession(Prices(1), START_MS)
    frame = (
        '{"action":"subscribe","subscriptions":[{"topic":"crypto_prices","type":"update"},'
        '{"topic":"nonsense","type":"update"}]}'
    )
    assert "401" in session.receive(frame, START_MS)[0]
    assert not session.subscriptions


def test_values_may_come_as_late_as_they_were_seen_to() -> None:
    session = sim.RtdsSession(Prices(1), START_MS, late=True)
    session.greeting()
    asked = {"topic": "crypto_prices_chainlink", "type": "update"}
    session.receive(json.dumps({"action": "subscribe", "subscriptions": [asked]}), START_MS)
    late: list[int] = []
    seconds: list[int] = []
    for now_ms in range(START_MS, START_MS + 900_000, 20):
        if now_ms % 5_000 == 0:
            session.receive("PING", now_ms)
        for told in map(json.loads, session.tick(now_ms)):
            if told["payload"]["symbol"] == "btc/usd":
                late.append(now_ms - told["payload"]["timestamp"])
                seconds.append(told["payload"]["timestamp"])
    assert seconds == sorted(set(seconds)) and len(late) > 700
    # The shares of the day that was seen, to within a turn and chance.
    for share, wanted in ((0.05, 1_174), (0.5, 1_636), (0.95, 2_230)):
        assert abs(sorted(late)[int(share * len(late))] - wanted) < 80, share


@pytest.mark.parametrize("seconds", [20, 60, 110])
def test_a_stream_that_freezes_with_its_socket_open_comes_back(seconds: int) -> None:
    frozen = ((60_000, 60_000 + seconds * 1_000),)
    world = of_rtds(SIXTY, BINANCE, faults=sim.Faults(frozen=frozen))
    world.run(300)
    all_once(world)
    # Silence is borne for 15 s, and a new connection has the past.
    back_ms = world.heard_again_after(SIXTY, START_MS + 61_000)
    assert back_ms is not None and back_ms <= START_MS + 60_000 + 20_000
    for topic in (SIXTY, BINANCE):
        assert not world.missing(topic, START_MS + 1_000, world.now_ms - 1_000)
    assert {world.plan.status(topic)[0] for topic in (SIXTY, BINANCE)} == {"live"}


def test_one_topic_that_freezes_costs_no_neighbour_its_connection() -> None:
    faults = sim.Faults(frozen=((60_000, 10_000_000),), frozen_topic="crypto_prices_twap_sixty")
    world = of_rtds(SIXTY, BINANCE, faults=faults)
    world.run(200)
    assert world.attempts == 1
    assert world.plan.status(SIXTY)[0] == "silent" and world.plan.status(BINANCE)[0] == "live"
    assert world.plan.hopeless() == [SIXTY]
    all_once(world)


def test_a_minute_without_a_connection_is_filled_from_the_past() -> None:
    world = of_rtds(SIXTY, SPOT, BINANCE)
    world.run(100)
    world.drop()
    gone_ms = world.now_ms
    # Nobody answers for a while.
    world.run(40)
    all_once(world)
    for topic in (SIXTY, SPOT, BINANCE):
        back_ms = world.heard_again_after(topic, gone_ms)
        assert back_ms is not None
        assert not world.missing(topic, START_MS + 1_000, world.now_ms - 1_000)


@pytest.mark.parametrize("seed", range(6))
def test_lost_doubled_and_broken_frames(seed: int) -> None:
    faults = sim.Faults(doubled_one_in=5, lost_one_in=12, broken_one_in=15)
    world = of_rtds(SIXTY, SPOT, BINANCE, faults=faults, seed=seed)
    world.run(300)
    all_once(world)
    assert any(event.type == "unread" for event in world.events)
    for topic in (SIXTY, SPOT, BINANCE):
        assert world.plan.status(topic)[0] == "live"
        # What broke was asked for again, so that only the newest can be missing.
        assert len(world.missing(topic, START_MS + 1_000, world.now_ms - 30_000)) < 10


def test_the_heartbeat_keeps_it_telling() -> None:
    world = of_rtds(SIXTY)
    world.run(500)
    pings = [text for text in world.sent if text == "PING"]
    assert 95 <= len(pings) <= 101
    assert world.attempts == 1 and not world.missing(SIXTY, START_MS + 1_000, world.now_ms - 1_000)


def test_quiet_topics_prove_nothing_so_their_connection_is_replaced() -> None:
    world = of_rtds(Topic("rtds", "comments"))
    world.run(1_300)
    assert world.attempts == 3
    assert set(world.closes) == {"old, and nothing of it proves that it lives"}


def test_topics_come_and_go_without_a_gap_for_the_others() -> None:
    world = of_rtds(SIXTY)
    world.run(60)
    world.plan.add(SPOT)
    world.run(60)
    world.plan.remove(SPOT)
    heard = sum(point.symbol == "eth/usd" for point in world.points)
    assert heard
    world.run(60)
    assert sum(point.symbol == "eth/usd" for point in world.points) <= heard + 1
    assert not world.missing(SIXTY, START_MS + 1_000, world.now_ms - 1_000)
    assert world.attempts == 1
    all_once(world)


def test_no_filter_has_a_blank() -> None:
    """One with a blank would get the past, and never an update."""
    frame = RELAYS["rtds"].subscribe(SPOT, "")
    assert r"{\"symbol\":\"eth/usd\"}" in frame
    session = sim.RtdsSession(Prices(1), START_MS)
    session.greeting()
    assert session.receive(frame.replace(r"\":\"", r"\": \""), START_MS)
    for ms in range(START_MS, START_MS + 20_000, 1_000):
        assert not session.tick(ms)


# PolyBolt.


@pytest.mark.parametrize("numbered", [False, True])
def test_what_is_dropped_is_had_again(numbered: bool) -> None:
    faults = bolt.Faults(dropped=((60_000, 80_000),), dropped_numbered=numbered)
    world = of_polybolt(COIN, MEAN, faults=faults)
    world.run(200)
    all_once(world)
    lost = [event for event in world.events if event.kind == "lost"]
    assert {event.topic for event in lost} == {"price.crypto", "price.crypto.twap"}
    assert {event.type for event in lost} == {"dropped"}
    assert all(event.fields["dropped"] for event in lost)
    for topic in (COIN, MEAN):
        assert not world.missing(topic, START_MS + 1_000, world.now_ms - 1_000)
        assert world.plan.status(topic)[0] == "live"
    assert world.attempts == 1


def test_a_minute_without_polybolt() -> None:
    world = of_polybolt(COIN, MEAN, TOUCH, faults=bolt.Faults(frozen=((60_000, 120_000),)))
    world.run(300)
    all_once(world)
    for topic in (COIN, MEAN):
        assert not world.missing(topic, START_MS + 1_000, world.now_ms - 1_000)
    assert any(event.kind == "touch" for event in world.events)


def test_without_a_key_the_public_channel_is_all_there_is() -> None:
    world = of_polybolt(COIN, TOUCH, key=None)
    world.run(60)
    state, cause, _ = world.plan.status(COIN)
    assert state == "refused" and "POLYMARKET_API_KEY" in cause
    assert world.plan.status(TOUCH)[0] == "live"
    assert not any("auth" in text for text in world.sent)


def test_a_key_that_is_refused_is_not_shown_again_and_again() -> None:
    class Wrong:
        api_key, secret, passphrase = Secret("a"), Secret("b"), Secret("c")

    world = of_polybolt(COIN, TOUCH, key=Wrong)
    world.run(120)
    assert world.plan.status(COIN)[0] == "refused"
    assert sum('"op":"auth"' in text for text in world.sent) == 1
    assert world.plan.status(TOUCH)[0] == "live"


def test_limits_are_kept() -> None:
    topics = [Topic("polybolt", "price.polymarket", symbol=str(n)) for n in range(64)]
    world = of_polybolt(*topics)
    world.run(30)
    assert world.attempts == 1
    assert not any(event.kind == "refused" for event in world.events)
    assert {world.plan.status(topic)[0] for topic in topics} == {"live"}


@pytest.mark.parametrize(
    ("code", "least_s", "most_s"), [(4001, 30, 60), (4008, 30, 60), (4003, 0, 10), (1006, 0, 2)]
)
def test_close_codes(code: int, least_s: float, most_s: float) -> None:
    world = of_polybolt(COIN, faults=bolt.Faults(close=(20_000, code)))
    world.run(19.5)
    assert world.attempts == 1
    while world.other is not None:
        world.run(0.25)
    closed_ms = world.now_ms
    while world.attempts == 1:
        world.run(0.25)
    assert least_s <= (world.now_ms - closed_ms) / 1_000 <= most_s + 0.5
    world.run(60)
    all_once(world)
    assert not world.missing(COIN, START_MS + 1_000, world.now_ms - 1_000)


def test_a_code_that_says_go_away_is_heeded_ever_longer() -> None:
    world = of_polybolt(COIN, faults=bolt.Faults(close=(500, 4008)), always=True)
    world.run(1_800)
    # 60 s, 120 s, 240 s, … 600 s, less jitter.
    assert 4 <= world.attempts <= 8


def test_a_channel_that_is_none_harms_no_other() -> None:
    world = of_polybolt(COIN, Topic("polybolt", "price.moon", symbol="moon"), MEAN)
    world.run(120)
    all_once(world)
    assert [world.plan.status(topic)[0] for topic in world.plan.topics] == [
        "live", "refused", "live",
    ]  # fmt: skip


def test_each_relay_that_the_core_reads_can_be_followed_and_simulated() -> None:
    assert RELAYS.keys() == set(READ) <= set(names())
    assert all(relay.venue.name == name for name, relay in RELAYS.items())


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (Options(rest_port=1), "--rest-port"),
        (Options(faults=("drop@1",)), "--fault"),
        (Options(plan=Plan("plan.toml", ())), "--faults"),
        (Options(unmirrored=1), "--unmirrored"),
    ],
)
def test_a_simulated_relay_refuses_what_it_cannot_do(options: Options, wrong: str) -> None:
    for relay in RELAYS:
        with pytest.raises(OptionError) as caught:
            simulator(relay).configured(options)
        assert caught.value.option == wrong


def test_topics_as_text() -> None:
    for text in (
        "rtds:activity/trades",
        "rtds:crypto_prices_twap_sixty:btc/usd",
        "polybolt:price.crypto:btcusd",
        "rtds:comments",
    ):
        assert str(Topic.parse(text)) == text
    for text, said in (
        ("rtd:x", "no relay"),
        ("rtds:", "topic"),
        ("rtds:clob_market", "retired"),
        ("rtds:activity/Tra des", "type"),
        ("rtds:crypto_prices:btc usdt", "symbol"),
    ):
        with pytest.raises(ValueError, match=said):
            Topic.parse(text)
