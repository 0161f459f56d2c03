"""The figures that the README states: by when faults are seen, and which are not, and why."""

import pytest

from bookfeed.scorecard import tree
from bookfeed.scorecard.campaigns.seen import Seen
from bookfeed.scorecard.campaigns.world import World, worlds
from bookfeed.scorecard.row import Effort, Figure
from bookfeed.scorecard.rows import matrix, stated
from bookfeed.scorecard.rows.bounds import AT_ONCE, STEP_NS, UNSEEN, bound_ns, parts, why_unseen
from bookfeed.scorecard.rows.matrix import Cell, Struck, cells

MS = 1_000_000
WORLDS = {world.name: world for world in worlds()}


def usual_ns(row: str, cell: Cell, text: str) -> int | None:
    """When a fault is seen where all is well."""
    if why_unseen(WORLDS[cell.venue], text):
        return None
    return 0 if row in AT_ONCE else 50 * MS


class Told:
    """What the runs of a tier are said to have seen; all is well but for what is set here."""

    def __init__(self) -> None:
        self.other: dict[tuple[str, str, int], int | None] = {}
        """Venue, fault and seed."""

    def struck(self, row: str, effort: Effort) -> tuple[Struck, ...]:
        return tuple(
            Struck(cell, seed, "", 1, 1, tuple(self.seen(row, cell, seed)))
            for cell in cells(row)
            for seed in effort.seeds(3, 20)
        )

    def seen(self, row: str, cell: Cell, seed: int) -> list[Seen]:
        found = []
        for text, kind in parts(cell.fault):
            usual = usual_ns(row, cell, text)
            found.append(Seen(kind, self.other.get((cell.venue, text, seed), usual)))
        return found

    def play(self, seed: int | None = None) -> Figure:
        return stated.until_seen(Effort("quick", seed))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    one = Told()
    monkeypatch.setattr(stated, "struck", one.struck)
    return one


def test_what_is_seen_in_time_passes_and_says_with_which_silence(told: Told) -> None:
    told.other["kalshi", "zombie", 1] = 3_040 * MS
    figure = told.play()
    assert figure.problems == ()
    said = figure.text.partition(":")[0]
    assert said.startswith(f"{len(AT_ONCE)} of ")
    assert said.endswith("the others within 3.0 s where silence may last 2 or 3 s")


@pytest.mark.parametrize(
    ("venue", "fault", "after_ms", "late"),
    [
        # With the message, where a row says so.
        ("kraken", "malformed:invalid_utf8", 1, True),
        ("binance", "reset", 1, True),
        # Within the silence of the venue, and a step of the timer.
        ("polymarket", "freeze", 2_100, False),
        ("polymarket", "freeze", 2_101, True),
        ("kalshi", "zombie", 3_100, False),
        ("kalshi", "zombie", 3_101, True),
        # Within what a row says of its own.
        ("polymarket", "wrong_hash:one", 350, False),
        ("polymarket", "wrong_hash:one", 351, True),
        ("polymarket", "late:2", 3_100, False),
        ("polymarket", "late:2", 3_101, True),
    ],
)
def test_what_is_seen_too_late_is_a_failure_with_its_seed(
    told: Told, venue: str, fault: str, after_ms: int, late: bool
) -> None:
    told.other[venue, fault, 2] = after_ms * MS
    figure = told.play()
    assert bool(figure.problems) == late
    if late:
        assert f"{venue} {fault}, seed 2: " in figure.problems[0] and figure.seed == 2
        # And that seed fails alone.
        assert told.play(seed=2).problems == figure.problems
        assert told.play(seed=3).problems == ()


def test_what_no_seed_shows_is_a_failure_unless_the_reason_is_stated(told: Told) -> None:
    told.other |= {("kraken", "checksum", seed): None for seed in (1, 2)}
    assert told.play().problems == ()
    told.other["kraken", "checksum", 3] = None
    figure = told.play()
    assert figure.problems == ("F20 kraken checksum was never seen in 3 runs",)
    # One seed need not show it, so that none is named.
    assert figure.seed is None and told.play(seed=3).problems == ()


def test_of_two_that_strike_together_each_has_to_be_seen(told: Told) -> None:
    told.other |= {("gemini", "part:best", seed): None for seed in (1, 2, 3)}
    assert told.play().problems == ("F18 gemini part:best was never seen in 3 runs",)


def test_every_reason_is_of_a_fault_that_there_is() -> None:
    everywhere: set[str] = set()
    for world in worlds():
        cells_of_it = (cell for faults in world.cells.values() for cell in faults)
        there = {name for cell in cells_of_it for one in parts(cell) for name in one}
        assert world.unseen.keys() <= there and all(world.unseen.values())
        everywhere |= there
    assert UNSEEN.keys() <= everywhere and all(UNSEEN.values())
    assert {one.id for one in matrix.ROWS} >= AT_ONCE


@pytest.mark.parametrize("world", worlds(), ids=lambda world: world.name)
def test_a_venue_s_bound_is_the_silence_that_its_campaign_allows(world: World) -> None:
    assert bound_ns("F04", world) == world.silence_ns + STEP_NS
    # A venue that says nothing more is found out then, and not before.
    (freeze, *_) = world.cells["F04"]
    (seen,) = world.alone(freeze, 2, items=matrix.ITEMS).seen
    assert seen.after_ns is not None
    assert world.silence_ns - 150 * MS < seen.after_ns <= bound_ns("F04", world)


def test_numbers_that_gemini_leaves_out_are_missed() -> None:
    for seed in (1, 2):
        report = WORLDS["gemini"].alone("gap", seed, items=matrix.ITEMS)
        assert report.problems == []
        (seen,) = report.seen
        assert seen.after_ns is not None, "a hole within a message is none"


def test_watching_over_books_adds_as_little_as_is_asked_by_the_counts_that_are_kept() -> None:
    folder = tree.root() / "rust" / "bookfeed-core" / "benches"
    _, *lines = (folder / "instructions.tsv").read_text().splitlines()
    kept = {name: int(count) for name, count in (line.split("\t") for line in lines)}
    added = kept["polymarket, watched"] / kept["polymarket, unwatched"] - 1
    # `make instructions` holds new counts to the same.
    assert "const WATCHING_PERCENT: f64 = 15.0;" in (folder / "instructions.rs").read_text()
    assert 0 < added <= 0.15
