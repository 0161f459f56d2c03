"""The run of the scorecard over sockets: what strikes, what is counted, what its rows say of it."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from waiting import until

from bookfeed.scorecard.campaigns import socket_faults
from bookfeed.scorecard.campaigns.polymarket_kalshi_sockets import FEW, MANY, problems
from bookfeed.scorecard.campaigns.socket_faults import (
    Strikes,
    Told,
    begin,
    cells_of,
    plan_of,
    read_struck,
    schedule,
    struck_of,
)
from bookfeed.scorecard.campaigns.world import World, venues
from bookfeed.scorecard.held import both
from bookfeed.scorecard.kept import Kept
from bookfeed.scorecard.play import played
from bookfeed.scorecard.row import Effort, Row, Tier
from bookfeed.scorecard.rows import campaign, recorder
from bookfeed.sim.faults import FaultEvent, Mishap
from bookfeed.sim.plan import read_plan

FULL_S, EVERY_S = 1_800.0, 30.0


@pytest.mark.parametrize("world", venues(), ids=lambda one: one.name)
def test_every_cell_of_a_venue_is_due_in_a_full_run(world: World, tmp_path: Path) -> None:
    cells = cells_of(world)
    due = schedule(world, FULL_S, EVERY_S)
    assert {cell for cell, _ in due} == set(cells)
    # None comes again before all others did, and none at the very end.
    assert len({cell for cell, _ in due[: len(cells)]}) == len(cells)
    times = [at_s for _, at_s in due]
    assert times == sorted(set(times)) and times[0] > 0 and times[-1] <= FULL_S - EVERY_S / 2
    # The plan is one that the venue takes.
    plan = tmp_path / "plan.toml"
    plan.write_text(plan_of(due))
    faults = read_plan(plan).faults_of(world.fault)  # type: ignore[arg-type]
    assert len(faults) == sum(cell.count(" & ") + 1 for cell, _ in due)


def test_runs_of_other_seeds_have_another_order() -> None:
    (world,) = (one for one in venues() if one.name == "kalshi")
    first, again, other = (schedule(world, 20, 4, seed) for seed in (1, 1, 2))
    assert first == again != other and len(first) == 5
    everywhere = {cell for seed in range(60) for cell, _ in schedule(world, 20, 4, seed)}
    assert everywhere == set(cells_of(world)), "short runs have a part of all, not the first alone"


def _told(world: World, cell: str, at_s: float) -> list[Told]:
    each = (text.partition(":") for text in cell.split(" & "))
    faults = [world.fault(kind, variant=variant) for kind, _, variant in each]
    return [Told(at_s, one.kind, one.variant, at_s + 4) for one in faults]


def test_a_cell_counts_as_struck_when_all_of_it_did() -> None:
    (world,) = (one for one in venues() if one.name == "binance")
    cells = cells_of(world)
    due = [(cell, 4.0 * number) for number, cell in enumerate(cells)]
    told = [one for cell, at_s in due for one in _told(world, cell, at_s)]
    whole = struck_of([world], {"binance": due}, {"binance": told})
    assert whole.missed == [] and whole.struck == whole.cells == len(cells)
    # Of two that strike one after the other, the second did not.
    rest = [one for one in told if one.kind != "rest_stale"]
    part = struck_of([world], {"binance": due}, {"binance": rest})
    assert part.missed == ["binance disconnect & rest_stale"]
    assert part.matrix["disconnect & rest_stale"] == {"binance": 0}
    assert part.struck == part.cells - 1


def test_what_cannot_be_struck_is_no_failure_if_it_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (world,) = (one for one in venues() if one.name == "kraken")
    monkeypatch.setattr(socket_faults, "UNSTRUCK", {("kraken", "swap"): "a reason"})
    assert all(cell != "swap" for cell, _ in schedule(world, FULL_S, EVERY_S))
    none = struck_of([world], {"kraken": []}, {"kraken": []})
    assert "kraken swap" not in none.missed and "kraken drop" in none.missed
    assert none.matrix["swap"] == {"kraken": 0}


async def test_a_plan_begins_when_it_is_told_and_what_struck_is_written_down(
    tmp_path: Path,
) -> None:
    given: list[Mishap] = []
    log: list[FaultEvent] = []
    (world,) = (one for one in venues() if one.name == "kraken")
    server: Any = SimpleNamespace(inject=given.append, fault_log=log)
    plan = [world.fault("drop", at_s=6.0), world.fault("level", at_s=2.0)]
    strikes = Strikes(server, plan)
    await asyncio.sleep(0.05)
    assert given == []
    begin([os.getpid()])
    await until(lambda: len(given) == 2)
    # Its seconds count from now on, not from when the venue began.
    later_s = [(one.at_s or 0) - (was.at_s or 0) for one, was in zip(given, plan, strict=True)]
    assert all(0.05 <= one < 20 for one in later_s) and len(set(map(round, later_s))) == 1
    log.append(FaultEvent(given[1], int((strikes.begun_s + 2.5) * 1e9), 0, 9, ("BTC/USD",), ""))
    strikes.write(tmp_path / "struck")
    (told,) = read_struck(tmp_path / "struck")
    assert told[:3] == (2.0, "level", "top") and told.struck_s == pytest.approx(2.5)


FIGURES = {
    "wrong": [], "untrue": [], "untrue_count": 0, "refused": 0, "compared": 40, "shown": 90,
    "books": 75, "seconds": 20, "live_share": 0.99, "cells": 3, "cells_struck": 2,
    "cells_missed": ["kraken swap"], "struck": {"swap": {"kraken": 0}}, "growth_mib": 1.0,
    "callback_errors": 0, "frames": 9, "connects": 8, "sinks": {"a": 1}, "sinks_lost": [],
    "own_stall_ms_max": 20.0, "own_stall_ms_permille": 4.0, "stall_ms_max": 30.0,
}  # fmt: skip


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the run is said to have come to."""
    told = dict(FIGURES)
    monkeypatch.setattr(recorder, "over_sockets_of", lambda _tier: told)
    return told


def test_a_full_run_that_leaves_a_cell_unstruck_fails(figures: dict[str, Any]) -> None:
    quick, full = (campaign.over_real_sockets(Effort(tier)) for tier in ("quick", "full"))
    assert quick.problems == () and quick.text.startswith("2 of 3 cells struck, 0 findings in 40 ")
    assert "75 books, 20 s" in quick.text
    assert full.problems == ("never struck: kraken swap",)
    assert problems(figures) == ["never struck: kraken swap"]


def test_the_matrix_is_told_to_programs_and_kept(figures: dict[str, Any], tmp_path: Path) -> None:
    only = Row("A4", "a", "b", both(campaign.over_real_sockets))
    result = played(only, Effort("quick"))
    assert result.to_dict()["struck"] == figures["struck"]
    Kept(tmp_path).put(result)
    assert Kept(tmp_path).result(only, "quick") == result


@pytest.mark.parametrize(
    ("spoilt", "fails"),
    [
        ({"untrue": ["x was wrong"], "untrue_count": 7}, {"A4", "G9"}),
        ({"wrong": ["y is wrong"]}, {"A4", "G9"}),
        ({"refused": 2}, {"A4"}),
        ({"sinks_lost": [{"name": "a"}]}, {"G9"}),
        ({"growth_mib": 5.5}, {"G2"}),
        ({"own_stall_ms_max": 101.0}, {"G8"}),
        ({"live_share": 0.97}, {"G9"}),
    ],
)
def test_what_is_wrong_with_the_run_fails_its_row(
    figures: dict[str, Any], spoilt: dict[str, Any], fails: set[str]
) -> None:
    figures |= {"cells_missed": [], **spoilt}
    plays = {
        "A4": campaign.over_real_sockets, "G2": recorder.grown, "G8": recorder.stalled,
        "G9": recorder.held_against_the_truth,
    }  # fmt: skip
    told = {name: play(Effort("full")) for name, play in plays.items()}
    assert {name for name, one in told.items() if one.problems} == fails
    assert all("75 books, 20 s" in one.text for one in told.values())
    if figures["untrue_count"]:
        assert "7 of 90 live books" in told["G9"].text


def test_the_full_tier_plays_the_soak(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def run(*arguments: Any) -> dict[str, Any]:
        asked.append(arguments)
        return {}

    there = {"SOCKETS": (run,), "MANY_OVER_SOCKETS": (MANY,)}
    monkeypatch.setattr(recorder, "found", there.__getitem__)
    recorder.over_sockets_of.cache_clear()
    tiers: tuple[Tier, ...] = ("quick", "full", "full")
    for tier in tiers:
        recorder.over_sockets(Effort(tier))
    recorder.over_sockets_of.cache_clear()
    assert asked == [(20, 4), (1_800, 30, MANY)], "one run for all of its rows"
    assert set(FEW) == set(MANY) == {world.name for world in venues()}
    # A market of the first venue has two books.
    assert sum(MANY.values()) + MANY["polymarket"] >= 400
