"""Rows R and G: how durable a recording is, and what long use leaves behind."""

import sys
from functools import cache
from typing import Any, Final

from bookfeed.scorecard.campaigns.world import found
from bookfeed.scorecard.held import both, held, held_by_rust
from bookfeed.scorecard.row import Effort, Figure, NotMeasuredError, Row, Tier

GROWTH_MAX_MIB: Final = 5.0
LIVE_MIN: Final = 0.98


def soaked(effort: Effort) -> Figure:
    """G1."""
    if sys.platform != "linux":
        raise NotMeasuredError("reads the resident set from /proc")
    (soak,) = found("SOAK")
    frames = effort.of(3_000_000, 100_000_000)
    figures = soak(frames, effort.of(1_000_000, 10_000_000))
    grew = float(figures["growth_mib"])
    problems = [] if grew <= GROWTH_MAX_MIB else [f"grew by {grew} MiB"]
    if figures["errors"]:
        problems.append(f"{figures['errors']} errors")
    return Figure(f"+{grew} MiB over {figures['frames']} frames", tuple(problems))


@cache
def over_sockets_of(tier: Tier) -> dict[str, Any]:
    """All simulated venues over sockets, with faults; once for all rows that look at it."""
    (run,), (many,) = found("SOCKETS"), found("MANY_OVER_SOCKETS")
    figures: dict[str, Any] = run(1_800, 30, many) if tier == "full" else run(20, 4)
    return figures


def over_sockets(effort: Effort) -> dict[str, Any]:
    """The run of a tier: 20 s of few books, or what ``make soak-faults`` plays, half an hour."""
    return over_sockets_of(effort.tier)


def played(figures: dict[str, Any]) -> str:
    """What such a run played."""
    return f"{figures['books']} books, {figures['seconds']:g} s"


def grown(effort: Effort) -> Figure:
    """G2."""
    figures = over_sockets(effort)
    grew = figures["growth_mib"]
    problems = [] if grew <= GROWTH_MAX_MIB else [f"grew by {grew} MiB"]
    if figures["callback_errors"]:
        problems.append(f"{figures['callback_errors']} errors of callbacks")
    text = f"+{grew} MiB over {figures['frames']} frames, {figures['connects']} connects, "
    text += played(figures)
    return Figure(text, tuple(problems))


def stalled(effort: Effort) -> Figure:
    """G8."""
    figures = over_sockets(effort)
    (stood_still,) = found("STOOD_STILL")
    text = (
        f"{figures['own_stall_ms_max']} ms at most, {figures['own_stall_ms_permille']} ms "
        f"p99.9, of its own doing; with waiting for a core {figures['stall_ms_max']} ms; "
        f"{played(figures)}"
    )
    return Figure(text, tuple(stood_still(figures)))


def held_against_the_truth(effort: Effort) -> Figure:
    """G9: what was shown, by the truth and by the auditor, and whether sinks lost any of it."""
    figures = over_sockets(effort)
    problems = [*figures["untrue"], *figures["wrong"], *map(str, figures["sinks_lost"])]
    if effort.tier == "full" and figures["live_share"] < LIVE_MIN:
        problems.append(f"live {figures['live_share']:.2%} of the time")
    text = (
        f"live {figures['live_share']:.2%}, {figures['untrue_count']} of {figures['shown']} live "
        f"books that were looked at wrong beyond the bound, {played(figures)}, "
        f"{len(figures['sinks'])} sinks, {len(figures['sinks_lost'])} of them lost anything"
    )
    return Figure(text, tuple(problems))


def churned(effort: Effort) -> Figure:
    """G7."""
    (churn,) = found("CHURN")
    figures = churn(effort.of(5, 60), effort.of(3, 20))
    grew = float(figures["growth_mib"])
    problems = [f"{name}: {figures[name]}" for name in ("disturbed", "wrong") if figures[name]]
    problems += [] if grew <= GROWTH_MAX_MIB else [f"grew by {grew} MiB"]
    problems += [] if figures["books_live"] else ["no book was ever live"]
    text = f"+{grew} MiB, {figures['markets']} markets came and went"
    return Figure(text, tuple(problems))


ROWS: Final = (
    Row("R1", "kill -9 at any instant", "0 written frames lost",
        held("kill_at_random_instants_loses_nothing_written")),
    Row("R2", "cut at every offset", "the longest valid prefix, no panic",
        both(held_by_rust("cut_at_every_offset_the_longest_valid_prefix_is_read"),
             held("a_recording_cut_between_two_blocks_is_not_whole"))),
    Row("R3", "flipped bits", "all detected, at most one block lost",
        held_by_rust("every_bit_of_every_header_is_guarded",
                     "random_bit_flips_cost_at_most_one_block",
                     "overwritten_stretches_lose_only_the_blocks_they_touch")),
    Row("R4", "power loss", "nothing synced lost, nothing invented",
        held("power_loss_loses_nothing_synced_and_invents_nothing")),
    Row("R5", "every call that can fail fails once", "the feed unaffected",
        held("any_single_failure_costs_nothing")),
    Row("R6", "fsync fails", "never durable after it",
        held("after_a_failed_fsync_that_file_is_not_believed",
             "while_fsync_keeps_failing_nothing_is_called_durable")),
    Row("R7", "what a recording carries", "bytes, times, epochs, gaps, configuration",
        held("every_changing_call_is_one_record_with_its_time", "round_trip_and_header",
             "frames_are_recorded_with_their_attempt", "what_is_known_of_a_market_is_recorded")),
    Row("R8", "a disk that stalls",
        "bounded, counted, the feed not slowed: p99 of a record <= 1.1x",
        held("a_stalled_disk_never_stalls_append", "a_stalled_disk_slows_no_record",
             "a_hanging_disk_does_not_hang_close",
             "too_much_unsynced_holds_writing_back_until_a_sync_succeeds")),
    Row("G1", "memory over 10^8 frames: the resident set", "<= 5 MiB more", soaked),
    Row("G2", "memory over sockets, with faults (full tier: from minute 5 on)", "<= 5 MiB more",
        grown),
    Row("G3", "feeds opened and closed, 40 times and 12 at each venue, or 1,000",
        "tasks, descriptors, threads as before, <= 5 MiB more",
        held("no_task_no_descriptor_and_no_thread_is_left", "no_socket_or_task_is_left_behind",
             "sessions_of_no_venue_leave_anything_behind")),
    Row("G7", "markets that come and go, 50 a second for 5 s or a minute",
        "<= 5 MiB more, neighbours undisturbed", churned),
    Row("G8", "stalls of the loop over sockets, with faults", "none over 100 ms, p99.9 <= 20 ms",
        stalled),
    Row("G9", "live over sockets, with faults, held against the truth; what sinks were given",
        ">= 98 % (full tier), never live but wrong beyond the bound, nothing lost",
        held_against_the_truth),
    Row("G10", "a dead, a slow and a lying asset at each venue, 13 s or 10 min over sockets",
        "0 state changes of their neighbours", held("one_ill_asset_costs_its_neighbours_nothing")),
)  # fmt: skip
