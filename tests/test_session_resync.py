"""The resync plan under a virtual clock: budgets, fairness, and books that cannot be had."""

import random

import pytest

from bookfeed.live.recovery.plan import ResyncPlan, ResyncPolicy

S = 1_000_000_000
MS = 1_000_000


def plan(*, can_fetch: bool = True, seed: int = 0) -> ResyncPlan:
    return ResyncPlan(ResyncPolicy(), random.Random(seed), can_fetch)


def test_a_wanted_book_is_fetched_at_once_and_only_once_at_a_time() -> None:
    p = plan()
    p.want(3, "bbo_mismatch", 0)
    assert p.take_fetch([1, 2, 3], 50, 0) == [3]
    assert p.take_fetch([1, 2, 3], 50, 60 * S) == []
    p.settled(3, S)
    assert p.wanted() == 0


def test_a_book_that_stays_bad_is_not_hammered() -> None:
    p = plan()
    p.want(0, "hash_mismatch", 0)
    fetches = []
    for now in range(0, 3600 * S, 100 * MS):
        if p.take_fetch([0], 50, now):
            fetches.append(now)
            p.fetched(0, now)
    assert len(fetches) < 130
    assert fetches[1] - fetches[0] >= 500 * MS
    assert fetches[-1] - fetches[-2] >= 30 * S


def test_fetches_stay_within_the_budget_and_reach_every_book() -> None:
    p = plan()
    for instrument in range(1000):
        p.want(instrument, "silence", 0)
    fetches: list[int] = []
    reached: set[int] = set()
    for now in range(0, 30 * S, 100 * MS):
        due = p.take_fetch(range(1000), 50, now)
        assert len(due) <= 50
        if due:
            fetches.append(now)
            reached.update(due)
            for instrument in due:
                p.settled(instrument, now)
    assert reached == set(range(1000))
    for first, last in zip(fetches, fetches[4:], strict=False):
        assert last - first >= 500 * MS


def test_what_a_book_has_cost_is_forgotten_only_after_it_was_live_for_a_while() -> None:
    p = plan()
    now = 0
    for _ in range(6):
        p.want(0, "crossed", now)
        while not p.take_fetch([0], 50, now):
            now += 100 * MS
        p.fetched(0, now)
        p.settled(0, now + MS)
    flapping = now
    p.want(0, "crossed", now + 2 * MS)
    while not p.take_fetch([0], 50, now):
        now += 100 * MS
    assert now - flapping >= 10 * S
    p.settled(0, now)
    now += 61 * S
    p.want(0, "crossed", now)
    assert p.take_fetch([0], 50, now) == [0]


def test_the_server_s_wish_to_be_left_alone_is_respected() -> None:
    p = plan()
    p.want(0, "crossed", 0)
    p.hold(20 * S)
    assert p.take_fetch([0], 50, 19 * S) == []
    assert p.take_fetch([0], 50, 20 * S) == [0]


def test_a_reconnect_is_asked_for_only_when_fetching_did_not_help() -> None:
    p = plan()
    p.want(0, "crossed", 0)
    now = 0
    for fetches in range(3):
        assert not p.take_reconnect(0, [0], now), fetches
        while not p.take_fetch([0], 50, now):
            now += 100 * MS
        p.fetched(0, now)
    assert p.take_reconnect(0, [0], now)


def test_without_rest_the_connection_is_replaced_but_never_in_a_storm() -> None:
    p = plan(can_fetch=False)
    assert p.take_fetch([0], 50, 0) == []
    reconnects = []
    for now in range(0, 24 * 3600 * S, S):
        # One book that no reconnect ever cures, among others that are fine.
        p.want(0, "crossed", now)
        if p.take_reconnect(0, [0, 1, 2], now):
            reconnects.append(now)
    assert reconnects[0] == 0
    assert len(reconnects) < 60
    assert reconnects[-1] - reconnects[-2] > 1700 * S


def test_one_budget_bounds_reconnects_for_different_books() -> None:
    p = plan(can_fetch=False)
    reconnects = []
    for now in range(0, 600 * S, S):
        instrument = now // S
        p.want(instrument, "crossed", now)
        if p.take_reconnect(0, [instrument], now):
            reconnects.append(now)
        p.settled(instrument, now)
    assert len(reconnects) == 20
    assert p.take_reconnect_now(1, 600 * S)
    assert not p.take_reconnect_now(1, 600 * S)


@pytest.mark.parametrize("can_fetch", [True, False])
def test_nothing_happens_for_books_that_are_well(can_fetch: bool) -> None:
    p = plan(can_fetch=can_fetch)
    p.settled(0, 0)
    p.fetched(0, 0)
    assert p.take_fetch([0], 50, 0) == []
    assert not p.take_reconnect(0, [0], 0)
    assert p.cause(0) == "none"


def test_books_that_come_with_another_s_fetch_are_not_fetched_twice() -> None:
    p = plan()
    for instrument in (0, 1, 2):
        p.want(instrument, "gap", 0)
    assert p.take_fetch([0], 50, 0) == [0]
    assert p.due([0, 1, 2, 3], 0) == [1, 2]
    p.adopt([0, 1])
    assert p.due([0, 1, 2, 3], 0) == [2]
    assert p.wanted_of([0, 1, 2, 3]) == [0, 1, 2]
    p.fetched(1, S)
    assert (p.attempts(0), p.attempts(1), p.attempts(3)) == (0, 1, 0)
    assert p.due([1], S) == []
    assert p.due([1], 3 * S) == [1]
    p.settled(1, 3 * S)
    assert p.attempts(1) == 0


def test_what_is_forgotten_is_wanted_no_more_and_costs_nothing() -> None:
    p = plan()
    p.want(0, "gap", 0)
    p.take_fetch([0], 50, 0)
    p.fetched(0, 0)
    p.forget(0)
    p.forget(1)
    assert p.wanted() == 0
    p.fetched(0, 0)
    p.want(0, "gap", 0)
    assert p.take_fetch([0], 50, 0) == [0]
