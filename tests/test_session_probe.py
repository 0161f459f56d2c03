"""Signs of life, refused handshakes and markets that have not opened, under a virtual clock."""

import random

import pytest
from test_session_logic import MINUTE, Bench, S

from bookfeed.live.connection import (
    Close,
    Closed,
    ConnectionLogic,
    ConnectionPolicy,
    Data,
    Failed,
    Heard,
    Opened,
    Phase,
    Send,
    Start,
)
from bookfeed.live.pacing import Stagger

POLICY = ConnectionPolicy(probe_interval_ns=10 * S)


class Probing(Bench):
    """A bench whose connection can be asked for a sign of life."""

    def __init__(
        self, policy: ConnectionPolicy = POLICY, *, seed: int = 0, opens_ns: int = 0
    ) -> None:
        super().__init__(policy, seed=seed)
        self.openings = 0
        self.probe: str | None = "alive?"
        self.proof: int | None = None
        self.vouched = 0
        self.logic = ConnectionLogic(
            policy,
            self.subscription,
            rng=random.Random(seed),
            stagger=Stagger(0),
            probe=lambda: self.probe,
            proof_ns=lambda: self.proof,
            vouched_ns=lambda: self.vouched,
            quiet_until_ns=lambda: opens_ns,
        )
        self.tell(Start())

    def subscription(self) -> tuple[str, ...]:
        self.openings += 1
        return (f"subscribe {self.openings}",)

    def sends(self) -> list[tuple[int, str]]:
        return [(at, str(action.text)) for at, action in self.log if isinstance(action, Send)]


def test_frames_are_made_anew_for_every_connection() -> None:
    bench = Probing()
    for _ in range(3):
        bench.open()
        bench.tell(Data())
        bench.tell(Closed(1006))
    assert [text for _, text in bench.sends()] == ["subscribe 1", "subscribe 2", "subscribe 3"]


def test_a_quiet_connection_is_asked_and_its_answer_is_data() -> None:
    bench = Probing()
    bench.open()
    begin = bench.now
    for step in range(1, 100):
        bench.run_until(begin + step * 10 * S)
        assert bench.sends()[-1] == (begin + step * 10 * S, "alive?")
        bench.tell(Data())
    assert not bench.times(Close)


def test_a_connection_with_data_is_not_asked() -> None:
    bench = Probing()
    bench.open()
    for _ in range(100):
        bench.run(9 * S)
        bench.tell(Data())
    assert len(bench.sends()) == 1


def test_without_an_answer_it_is_asked_within_reason_and_given_up() -> None:
    bench = Probing()
    bench.open()
    begin = bench.now
    bench.run(29 * S)
    bench.tell(Heard())
    assert [at - begin for at, text in bench.sends() if text == "alive?"] == [10 * S, 20 * S]
    bench.run(S)
    assert bench.times(Close) == [begin + 30 * S]


def test_a_witness_beside_the_stream_tells_quiet_from_lost_for_as_long_as_it_does() -> None:
    bench = Probing()
    bench.probe = None
    bench.open()
    for _ in range(100):
        bench.run(25 * S)
        bench.vouched = bench.now
    assert not bench.times(Close)
    begin = bench.now
    bench.run(29 * S)
    assert not bench.times(Close)
    bench.run(S)
    assert bench.times(Close) == [begin + 30 * S]


def test_a_witness_does_not_speak_for_a_stream_that_proves_itself() -> None:
    bench = Probing()
    bench.open()
    bench.proof = begin = bench.now
    for _ in range(30):
        bench.run(S)
        bench.vouched = bench.now
    assert bench.times(Close) == [begin + 30 * S]


def test_other_data_does_not_prove_the_books_stream_alive() -> None:
    bench = Probing()
    bench.open()
    begin = bench.proof = bench.now
    for _ in range(29):
        bench.run(S)
        bench.tell(Data())
    assert [at - begin for at, text in bench.sends() if text == "alive?"] == [10 * S, 20 * S]
    bench.run(S)
    assert bench.times(Close) == [begin + 30 * S]
    # On the next connection proofs of the one before do not count, nor against it.
    bench.tell(Closed(1000))
    bench.open()
    bench.run(29 * S)
    assert bench.logic.phase is Phase.OPEN


def test_a_stream_that_proves_itself_is_left_alone() -> None:
    bench = Probing()
    bench.open()
    for _ in range(100):
        bench.run(9 * S)
        bench.proof = bench.now
    assert not bench.times(Close)
    assert len(bench.sends()) == 1


def test_where_there_is_nothing_to_ask_silence_counts_as_ever() -> None:
    bench = Probing()
    bench.probe = None
    bench.open()
    begin = bench.now
    bench.run(30 * S)
    assert bench.times(Close) == [begin + 30 * S]
    assert len(bench.sends()) == 1


@pytest.mark.parametrize("probing", [True, False])
def test_before_the_first_market_opens_silence_is_no_alarm(probing: bool) -> None:
    policy = POLICY if probing else ConnectionPolicy()
    start = Bench().now
    bench = Probing(policy, opens_ns=start + 10 * MINUTE)
    bench.open()
    for _ in range(59):
        bench.run(10 * S)
        if probing:
            bench.tell(Data())
    assert not bench.times(Close)
    assert bench.logic.phase is Phase.OPEN
    bench.run(MINUTE)
    assert [at - start for at in bench.times(Close)] == (
        [590 * S + 30 * S] if probing else [10 * MINUTE + 30 * S]
    )


def test_unanswered_questions_are_an_alarm_at_any_time() -> None:
    bench = Probing(opens_ns=Bench().now + 10 * MINUTE)
    bench.open()
    begin = bench.now
    bench.run(MINUTE)
    assert bench.times(Close) == [begin + 30 * S]


@pytest.mark.parametrize("seed", range(20))
def test_who_is_refused_waits_half_a_minute_and_then_longer(seed: int) -> None:
    bench = Probing(seed=seed)
    waits = []
    for _ in range(8):
        bench.until_connect()
        begin = bench.now
        bench.tell(Failed("401", denied=True))
        bench.until_connect()
        waits.append(bench.now - begin)
    assert min(waits) >= 30 * S
    assert waits[-1] >= 5 * MINUTE
    # Once it is let in, what came before is forgotten.
    bench.tell(Opened())
    bench.tell(Data())
    bench.tell(Closed(1006))
    bench.until_connect()
    begin = bench.now
    bench.tell(Failed("401", denied=True))
    bench.until_connect()
    assert 30 * S <= bench.now - begin <= MINUTE


def test_those_who_are_refused_do_not_come_back_together() -> None:
    waits = set()
    for seed in range(100):
        bench = Probing(seed=seed)
        bench.until_connect()
        begin = bench.now
        bench.tell(Failed("401", denied=True))
        bench.until_connect()
        waits.add((bench.now - begin) // S)
    assert len(waits) > 15
