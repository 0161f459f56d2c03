"""The life of a connection under a virtual clock: backoff, heartbeats, silence, storms."""

import itertools
import random
from collections.abc import Callable

import pytest

from bookfeed.live.connection import (
    Abort,
    Action,
    Close,
    Closed,
    Connect,
    ConnectionLogic,
    ConnectionPolicy,
    Data,
    Event,
    Failed,
    Heard,
    Opened,
    Phase,
    Reconnect,
    Send,
    Start,
    Stop,
    Tick,
    Wait,
)
from bookfeed.live.pacing import Backoff, Stagger, TokenBucket

S = 1_000_000_000
MS = 1_000_000
MINUTE = 60 * S


class Bench:
    """One connection under a virtual clock; ``log`` holds what it did and when."""

    def __init__(
        self,
        policy: ConnectionPolicy | None = None,
        *,
        seed: int = 0,
        stagger: Stagger | None = None,
    ) -> None:
        self.now = 1_800_000_000 * S
        self.logic = ConnectionLogic(
            policy or ConnectionPolicy(ping_text="PING"),
            lambda: ("subscribe",),
            rng=random.Random(seed),
            stagger=stagger or Stagger(0),
        )
        self.log: list[tuple[int, Action]] = []
        self.wait: int | None = None

    def tell(self, event: Event) -> list[Action]:
        done = list(self.logic.handle(self.now, event))
        for action in done:
            if isinstance(action, Wait):
                assert action.until_ns > self.now
                self.wait = action.until_ns
            else:
                self.log.append((self.now, action))
        return done

    def run_until(self, until: int, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, telling the logic when each of its waits is over."""
        while self.wait is not None and self.wait <= until and not stop():
            self.now, self.wait = max(self.now, self.wait), None
            self.tell(Tick())
        if not stop():
            self.now = max(self.now, until)

    def run(self, duration: int) -> None:
        self.run_until(self.now + duration)

    def until_connect(self) -> None:
        """Let time pass until it connects."""
        self.run_until(self.now + 3600 * S, stop=lambda: self.logic.phase is Phase.CONNECTING)
        assert self.logic.phase is Phase.CONNECTING

    def open(self) -> None:
        self.until_connect()
        self.tell(Opened())

    def times(self, kind: type[Action]) -> list[int]:
        return [at for at, action in self.log if isinstance(action, kind)]


def opened(policy: ConnectionPolicy | None = None) -> Bench:
    bench = Bench(policy)
    bench.tell(Start())
    bench.open()
    return bench


def test_subscribes_at_once_and_pings_only_afterwards() -> None:
    bench = opened()
    begin = bench.now
    for second in range(100):
        bench.run_until(begin + second * S)
        bench.tell(Data())
        bench.tell(Heard())
    sends = [(at - begin, a.text) for at, a in bench.log if isinstance(a, Send)]
    assert sends[0] == (0, "subscribe")
    assert sends[1:] == [(k * 10 * S, "PING") for k in range(1, 10)]


def test_where_the_venue_wants_a_pause_its_first_word_is_said_after_it_and_once() -> None:
    policy = ConnectionPolicy(ping_text="PING", subscribe_after_ns=S, silence_ns=S)
    bench = opened(policy)
    begin = bench.now
    bench.run(S)
    for _ in range(30):
        bench.run(250 * MS)
        bench.tell(Data())
    assert bench.log[1:] == [(begin + S, Send("subscribe"))], "its silence is no silence"
    bench.run(2 * S)
    assert bench.times(Close) == [begin + S + 30 * 250 * MS + S]
    bench.tell(Closed(1006))
    bench.open()
    begin = bench.now
    bench.run(S)
    assert bench.log[-1] == (begin + S, Send("subscribe"))


def test_a_connection_is_replaced_a_little_before_the_venue_would_end_it() -> None:
    day = 24 * 3600 * S
    ages = []
    for seed in range(20):
        bench = Bench(ConnectionPolicy(lifetime_ns=day), seed=seed)
        bench.tell(Start())
        bench.open()
        begin = bench.now
        while not bench.times(Close) and bench.now < begin + 2 * day:
            bench.run(10 * S)
            bench.tell(Data())
        ages.append(bench.times(Close)[0] - begin)
    assert all(0.94 * day < age <= day for age in ages)
    assert max(ages) - min(ages) > 0.02 * day, "each at a time of its own"


def test_each_connection_subscribes_exactly_once() -> None:
    bench = opened()
    for _ in range(5):
        bench.tell(Data())
        bench.tell(Closed(1006))
        bench.open()
    assert [a for _, a in bench.log if isinstance(a, Send)] == [Send("subscribe")] * 6
    assert [a.attempt for _, a in bench.log if isinstance(a, Connect)] == [1, 2, 3, 4, 5, 6]


def test_no_ping_where_the_venue_has_none() -> None:
    bench = opened(ConnectionPolicy(ping_text=None, silence_ns=100 * S))
    bench.run(99 * S)
    assert [a for _, a in bench.log if isinstance(a, Send)] == [Send("subscribe")]
    assert bench.logic.phase is Phase.OPEN


def test_pong_is_not_data() -> None:
    bench = opened()
    begin = bench.now
    for second in range(1, 31):
        bench.run_until(begin + second * S)
        bench.tell(Heard())
    assert bench.times(Close) == [begin + 30 * S]


def test_missing_pong_does_not_end_a_connection_that_has_data() -> None:
    bench = opened()
    begin = bench.now
    for second in range(1, 40):
        bench.run_until(begin + second * S)
        bench.tell(Data())
    assert bench.times(Close) == []


def test_a_connection_with_data_and_pongs_is_left_alone() -> None:
    bench = opened()
    for _ in range(3600):
        bench.run(S)
        bench.tell(Data())
        bench.tell(Heard())
    assert not bench.times(Close)


def test_a_peer_that_does_not_close_is_dropped() -> None:
    bench = opened()
    bench.tell(Reconnect(1000, "test"))
    assert bench.logic.phase is Phase.CLOSING
    bench.run(900 * MS)
    assert bench.times(Abort) == [bench.times(Close)[0] + 500 * MS]
    bench.tell(Closed(1006))
    assert bench.logic.phase in (Phase.WAITING, Phase.CONNECTING)


def delays(bench: Bench, count: int) -> list[int]:
    """Delays before ``count`` attempts that all fail."""
    found = []
    for _ in range(count):
        begin = bench.now
        bench.tell(Failed("refused"))
        bench.until_connect()
        found.append(bench.now - begin)
    return found


def unbounded(**changes: object) -> ConnectionPolicy:
    """A policy whose token bucket never interferes, to see the backoff alone."""
    return ConnectionPolicy(attempts_burst=10_000, **changes)  # type: ignore[arg-type]


def test_backoff_grows_to_its_cap_within_its_jitter() -> None:
    bench = Bench(unbounded())
    bench.tell(Start())
    for failures, delay in enumerate(delays(bench, 12)):
        ceiling = min(60 * S, S << failures)
        assert ceiling // 2 <= delay <= ceiling


def test_jitter_spreads_clients_at_the_cap() -> None:
    found = []
    for seed in range(200):
        bench = Bench(unbounded(), seed=seed)
        bench.tell(Start())
        found.append(delays(bench, 8)[-1])
    assert max(found) - min(found) > 20 * S
    assert len({delay // (100 * MS) for delay in found}) > 100


def test_backoff_is_reset_by_data_and_not_by_connecting() -> None:
    bench = Bench(unbounded())
    bench.tell(Start())
    delays(bench, 6)
    for _ in range(3):
        bench.tell(Opened())
        begin = bench.now
        bench.tell(Closed(1006))
        bench.until_connect()
        assert bench.now - begin >= 30 * S
    bench.tell(Opened())
    bench.tell(Data())
    begin = bench.now
    bench.tell(Closed(1006))
    bench.until_connect()
    assert bench.now - begin <= S


def test_a_policy_refusal_waits_longer_even_after_data() -> None:
    bench = Bench(unbounded())
    bench.tell(Start())
    waits = []
    for _ in range(3):
        bench.open()
        bench.tell(Data())
        begin = bench.now
        bench.tell(Closed(1008, "invalid subscription payload"))
        bench.until_connect()
        waits.append(bench.now - begin)
    assert waits[0] >= 4 * S
    assert waits[1] >= 30 * S
    assert waits[2] >= 30 * S


def test_policy_refusals_are_forgiven_after_a_minute_of_data() -> None:
    bench = Bench(unbounded())
    bench.tell(Start())
    bench.open()
    bench.tell(Closed(1008))
    bench.open()
    for _ in range(7):
        bench.run(10 * S)
        bench.tell(Data())
        bench.tell(Heard())
    begin = bench.now
    bench.tell(Closed(1006))
    bench.until_connect()
    assert bench.now - begin <= S


def test_the_server_s_retry_after_is_honoured_and_capped() -> None:
    bench = Bench()
    bench.tell(Start())
    begin = bench.now
    bench.tell(Failed("429", retry_after_ns=90 * S))
    bench.until_connect()
    assert bench.now - begin >= 90 * S
    begin = bench.now
    bench.tell(Failed("429", retry_after_ns=10**9 * S))
    bench.until_connect()
    assert bench.now - begin == 600 * S


@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_drops_are_no_storm(seed: int) -> None:
    """Whatever the server does, attempts stay within the bucket: 6 at once, then 6 a minute."""
    rng = random.Random(seed)
    bench = Bench(seed=seed)
    bench.tell(Start())
    begin = bench.now
    for _ in range(1000):
        bench.until_connect()
        fate = rng.randrange(4)
        if fate == 0:
            bench.tell(Failed("refused"))
            continue
        bench.tell(Opened())
        if fate != 1:
            bench.tell(Data())
        bench.now += rng.randrange(200) * MS
        bench.tell(Closed(1001))
    attempts = bench.times(Connect)
    assert len(attempts) == 1000
    for minute in range(begin, attempts[-1], MINUTE):
        assert sum(minute <= at < minute + MINUTE for at in attempts) <= 12
    assert len(attempts) <= 6 + (attempts[-1] - begin) / (10 * S)


def test_thousands_of_faults_leave_no_connection_stuck() -> None:
    """Random events in random order: the logic always waits for something or has a socket."""
    rng = random.Random(7)
    bench = Bench()
    bench.tell(Start())
    events: list[Event] = [
        Data(), Heard(), Opened(), Closed(1006), Closed(1008), Failed("x"), Tick(), Start(),
        Reconnect(1002, "x"),
    ]  # fmt: skip
    for _ in range(20_000):
        bench.tell(rng.choice(events))
        phase = bench.logic.phase
        if phase in (Phase.WAITING, Phase.OPEN, Phase.CLOSING):
            assert bench.wait is not None
        if rng.random() < 0.3:
            bench.run(rng.randrange(20) * S)
    bench.tell(Closed(1006))
    bench.run(3600 * S)
    if bench.logic.phase is Phase.CLOSING:
        bench.tell(Closed(1006))
    bench.until_connect()


def test_connections_are_staggered() -> None:
    stagger = Stagger(100 * MS)
    benches = [Bench(seed=i, stagger=stagger) for i in range(50)]
    for bench in benches:
        bench.tell(Start())
    for bench in benches:
        bench.until_connect()
    times = sorted(bench.now for bench in benches)
    assert [b - a for a, b in itertools.pairwise(times)] == [100 * MS] * 49


def test_a_stagger_slot_is_not_taken_before_the_backoff_is_over() -> None:
    stagger = Stagger(100 * MS)
    slow, quick = Bench(stagger=stagger), Bench(stagger=stagger)
    slow.tell(Start())
    slow.tell(Failed("x", retry_after_ns=300 * S))
    quick.now += S
    begin = quick.now
    quick.tell(Start())
    assert quick.times(Connect) == [begin]


def test_a_quiet_market_is_reconnected_ever_more_rarely() -> None:
    bench = Bench(ConnectionPolicy(ping_text=None))
    bench.tell(Start())
    begin = bench.now
    while bench.now - begin < 24 * 3600 * S:
        bench.open()
        bench.tell(Data())  # the initial books, and then nothing
        bench.run_until(bench.now + 3600 * S, stop=lambda: bench.logic.phase is Phase.CLOSING)
        bench.tell(Closed(1006))
    attempts = bench.times(Connect)
    assert len(attempts) < 120
    assert attempts[2] - attempts[1] > attempts[1] - attempts[0] + 20 * S


def test_silence_can_be_switched_off() -> None:
    for ping_text in (None, "PING"):
        bench = opened(ConnectionPolicy(ping_text=ping_text, silence_ns=0))
        for _ in range(1000):
            bench.run(10 * S)
            bench.tell(Heard())
        assert bench.logic.phase is Phase.OPEN


def test_patience_ends_when_data_flows_again() -> None:
    bench = opened(ConnectionPolicy(ping_text=None))
    for _ in range(4):
        bench.run_until(bench.now + 3600 * S, stop=lambda: bench.logic.phase is Phase.CLOSING)
        bench.tell(Closed(1006))
        bench.open()
    bench.run(10 * S)
    bench.tell(Data())
    begin = bench.now
    bench.run_until(begin + 3600 * S, stop=lambda: bench.logic.phase is Phase.CLOSING)
    assert bench.now - begin == 30 * S


@pytest.mark.parametrize("phase", list(Phase))
def test_stop_ends_every_phase(phase: Phase) -> None:
    bench = Bench(stagger=Stagger(S))
    if phase is not Phase.IDLE:
        bench.tell(Start())
    if phase in (Phase.OPEN, Phase.CLOSING, Phase.STOPPING):
        bench.tell(Opened())
    if phase is Phase.CLOSING:
        bench.tell(Reconnect(1000, "x"))
    if phase is Phase.STOPPING:
        bench.tell(Stop())
    if phase is Phase.WAITING:
        bench.tell(Failed("x"))
    if phase is Phase.STOPPED:
        bench.tell(Failed("x"))
        bench.tell(Stop())
    assert bench.logic.phase is phase
    bench.tell(Stop())
    bench.run(S)
    if bench.logic.phase is Phase.STOPPING:
        assert bench.times(Abort)
        bench.tell(Closed(1006))
    assert bench.logic.phase is Phase.STOPPED
    before = len(bench.log)
    for event in (Start(), Tick(), Opened(), Data(), Closed(1000), Reconnect(1000, "x")):
        assert bench.tell(event) == []
    assert len(bench.log) == before


def test_token_bucket_bounds_every_window() -> None:
    rng = random.Random(3)
    bucket = TokenBucket(4, 500 * MS)
    now, taken = 0, []
    for _ in range(20_000):
        now += rng.randrange(100) * MS
        ready = bucket.ready_ns(now)
        if bucket.take(now):
            assert ready == now
            taken.append(now)
        else:
            assert ready > now
    for first, last in zip(taken, taken[10:], strict=False):
        assert last - first >= (10 - 3) * 500 * MS
    assert len(taken) >= now // (500 * MS)


def test_backoff_survives_absurd_counts() -> None:
    backoff = Backoff()
    for failures in (-1, 0, 63, 64, 10**6):
        assert 0 < backoff.delay_ns(failures, random.Random(1)) <= 60 * S


def test_token_bucket_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="burst"):
        TokenBucket(0, 1)


@pytest.mark.parametrize(
    "ends",
    [
        [Failed("refused")],
        [Opened(), Closed(1006)],
        [Opened(), Data(), Closed(1008)],
        [Opened(), Reconnect(1000, "no data"), Closed(1000)],
    ],
)
def test_without_reconnecting_one_end_is_the_end(ends: list[Event]) -> None:
    bench = Bench(ConnectionPolicy(reconnect=False, lifetime_ns=MINUTE))
    bench.tell(Start())
    for event in ends:
        bench.tell(event)
    assert bench.logic.phase is Phase.STOPPED
    bench.now += 3600 * S
    assert bench.tell(Tick()) == []
    assert sum(isinstance(action, Connect) for _, action in bench.log) == 1


def test_without_reconnecting_a_connection_may_grow_old() -> None:
    policy = ConnectionPolicy(reconnect=False, lifetime_ns=MINUTE, silence_ns=0)
    bench = Bench(policy)
    bench.tell(Start())
    bench.tell(Opened())
    bench.now += 10 * MINUTE
    assert not any(isinstance(action, Close) for action in bench.tell(Tick()))
    assert bench.logic.phase is Phase.OPEN
