"""Rows B: each fault by itself. Campaigns make it under a clock of their own, bytes in and records
out, at every venue whose simulator can; tests make it on sockets, files and clocks.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple, get_args

from bookfeed.scorecard.campaigns.seen import Seen
from bookfeed.scorecard.campaigns.world import found, worlds
from bookfeed.scorecard.held import Play, both, held, held_by_rust
from bookfeed.scorecard.play import shared_out
from bookfeed.scorecard.row import Effort, Figure, Row
from bookfeed.scorecard.rows.crowd import flooded
from bookfeed.scorecard.tree import campaign
from bookfeed.sim.rest_faults import RestFaultKind

ITEMS: Final = 600
"""Things that happen in a run with one fault: ten seconds of a stream."""
_SEEDS_AT_ONCE: Final = 4
TRAPS: Final = ("lead_lag", "frozen", "torn", "fee_change", "override", "tiny", "paused")
REASONS: Final = (
    "unconfirmed", "lag", "polarity", "augmented", "min_qty", "status", "not_live",
)  # fmt: skip
CALM_MIN: Final = 0.99
"""How much of the time outside the fault, and three seconds after it, books must be live."""


class Cell(NamedTuple):
    """One fault at one venue."""

    venue: str
    fault: str


class Struck(NamedTuple):
    """What a run with one fault came to."""

    cell: Cell
    seed: int
    problem: str
    calm_ns: int
    live_ns: int
    seen: tuple[Seen, ...]


def cells(row: str) -> Iterator[Cell]:
    """The cells of a row of the matrix."""
    for world in worlds():
        yield from (Cell(world.name, fault) for fault in world.cells.get(row, ()))


def strike(task: tuple[Cell, int]) -> Struck:
    """One run of one cell."""
    cell, seed = task
    world = next(world for world in worlds() if world.name == cell.venue)
    report = world.alone(cell.fault, seed, items=ITEMS)
    problem = report.problems[0] if report.problems else ""
    return Struck(cell, seed, problem, report.calm_ns, report.calm_live_ns, tuple(report.seen))


@cache
def struck(row: str, effort: Effort) -> tuple[Struck, ...]:
    """All runs of a row of the matrix; played once for all rows that look at them."""
    tasks = [(cell, seed) for cell in cells(row) for seed in effort.seeds(3, 20)]
    return tuple(shared_out(strike, tasks, effort, chunk=20))


@dataclass(frozen=True)
class Cells:
    """All cells of a row of the matrix, each with several seeds."""

    row: str

    def __call__(self, effort: Effort) -> Figure:
        found = struck(self.row, effort)
        bad = [one for one in found if one.problem]
        problems = [f"{' '.join(one.cell)}, seed {one.seed}: {one.problem}" for one in bad]
        seed = bad[0].seed if bad else None
        by_cell: dict[Cell, list[Struck]] = {}
        for one in found:
            by_cell.setdefault(one.cell, []).append(one)
        for cell, runs in by_cell.items():
            calm_ns = sum(one.calm_ns for one in runs)
            live_ns = sum(one.live_ns for one in runs)
            if live_ns < CALM_MIN * calm_ns:
                problems.append(f"{' '.join(cell)}: live {live_ns / calm_ns:.1%} after recovery")
                seed = _calm_worst(runs) if seed is None else seed
        venues = len({cell.venue for cell in by_cell})
        text = f"{len(by_cell)} cells of {venues} venues, {len(found)} runs"
        return Figure(text, tuple(problems), seed)


def _calm_worst(runs: Sequence[Struck]) -> int:
    """Of runs that were live too little together, one that was alone."""
    shares = {one.seed: one.live_ns / one.calm_ns for one in runs if one.calm_ns}
    return min(shares, key=shares.__getitem__)


def _scenario(seed: int) -> Any:
    (play,) = found("SCENARIO")
    return play(seed, seconds=8.0)


@cache
def _scenarios(effort: Effort) -> tuple[Any, ...]:
    """Two venues full of traps; played once for both rows that look at it."""
    return tuple(shared_out(_scenario, effort.seeds(2, 60), effort, chunk=1))


def traps(effort: Effort) -> Figure:
    """F40: signals that were false, and chances that were missed."""
    reports = _scenarios(effort)
    problems = [f"seed {one.seed}: {text}" for one in reports for text in one.problems]
    bad = [one.seed for one in reports if one.problems]
    owed, missed = sum(one.owed for one in reports), sum(len(one.misses) for one in reports)
    if missed * 1_000 > owed:
        problems.append(f"{missed} of {owed} chances that lasted were missed")
    fallen = sum(one.fallen_for for one in reports)
    text = f"{len(bad)} false among {sum(one.opened.total() for one in reports)} signals"
    text += f", {owed - missed} of {owed} chances told; without gates {fallen} would be false"
    return Figure(text, tuple(problems), bad[0] if bad else None)


def refusals(effort: Effort) -> Figure:
    """F41: what there was to fall for, and for which reasons nobody did."""
    reports = _scenarios(effort)
    struck = sum((one.traps for one in reports), Counter[str]())
    refused = sum((one.refused for one in reports), Counter[str]())
    problems = [f"seed {one.seed}: {text}" for one in reports for text in one.problems]
    bad = [one.seed for one in reports if one.problems]
    if effort.seed is None:
        # One scenario need not have every trap.
        problems += [f"the trap {name} was never set" for name in TRAPS if not struck[name]]
        problems += [f"nothing was refused for {name}" for name in REASONS if not refused[name]]
    text = f"{sum(struck[name] > 0 for name in TRAPS)} kinds of traps set {struck.total()} times, "
    text += f"{sum(refused[name] > 0 for name in REASONS)} reasons named"
    return Figure(text, tuple(problems), bad[0] if bad else None)


def _polled(task: tuple[int, int]) -> dict[str, Any]:
    first, count = task
    (module,) = found("POLLED")
    return campaign(module, "--first", str(first), "--seeds", str(count))


def polled(effort: Effort) -> Figure:
    """REST instead of a stream, with every fault of REST."""
    seeds = effort.seeds(8, 200)
    tasks = [(first, min(_SEEDS_AT_ONCE, seeds.stop - first)) for first in seeds[::_SEEDS_AT_ONCE]]
    runs = list(shared_out(_polled, tasks, effort, chunk=1))
    wrong = [one for run in runs for one in run["problems"]]
    kinds: set[str] = set().union(*(run["faults"] for run in runs))
    problems = [f"seed {seed}: {text}" for seed, text in wrong]
    if len(seeds) > 1 and (missing := set(get_args(RestFaultKind)) - kinds):
        problems.append(f"never struck: {', '.join(sorted(missing))}")
    text = f"{len(wrong)} wrong among {sum(run['polled'] for run in runs)} polled books"
    text += f", {len(seeds)} seeds, {len(kinds)} kinds of faults"
    text += f", back within {max(run['back_s_max'] for run in runs):.0f} s"
    return Figure(text, tuple(problems), wrong[0][0] if wrong else None)


def _row(name: str, what: str, target: str, *more: Play) -> Row:
    seeded = any(cells(name))
    plays: tuple[Play, ...] = (Cells(name), *more) if seeded else more
    return Row(
        name, what, target, both(*plays) if plays else None, seeded=seeded or polled in plays
    )


_AGAIN: Final = "live and true again in 3 s"
_PROMPT: Final = f"leaves live with the message, {_AGAIN}"

ROWS: Final = (
    _row("F01", "TCP reset", _PROMPT, held("a_reset_behind_unread_data")),
    _row("F02", "FIN, close codes", _PROMPT,
         held("every_end_of_a_connection", "every_end_with_or_without_a_code")),
    _row("F03", "half-open connection", "stale by age of proof, late bytes discarded",
         held("frames_after_the_end_are_dropped", "both_must_be_missing_for_the_whole_time",
              "missing_pong_does_not_end_a_connection_that_has_data",
              "a_half_open_connection_is_seen_and_replaced",
              "while_nobody_gets_through_attempts_are_few_and_then_it_is_back")),
    _row("F04", "zombie: PONG, no data", "stale within the silence, live again in 3 s",
         held("a_frozen_market_is_found_by_comparison", "pong_is_not_data",
              "a_frozen_stream_is_told_from_a_quiet_market",
              "a_busy_market_that_falls_silent_is_compared_within_seconds",
              "one_that_moved_meanwhile_is_stale_within_ten_seconds"),
         held_by_rust("a_market_that_falls_silent_is_suspect_within_eighteen_of_its_gaps",
                      "a_market_that_speaks_by_chance_is_asked_about_ten_times_a_day_at_most")),
    _row("F05", "slow server, then a burst", "live only when caught up"),
    _row("F06", "frames split, joined, fragmented", "the same records",
         held("a_stream_cut_at_every_byte_is_the_same_stream", "every_split_into_two",
              "every_split_into_three", "one_byte_at_a_time_with_control_frames_between",
              "fragmented_text_with_pings_between", "random_wires")),
    _row("F07", "frames that break RFC 6455", "closed, books leave live in the same read",
         held("violations_cost_the_books_and_the_connection", "violations",
              "nobody_sees_live_books_after_a_violation_in_the_same_read",
              "a_large_fragmented_message_is_refused_without_being_kept",
              "reserved_bits_are_refused_on_every_frame")),
    _row("F08", "invalid UTF-8", _PROMPT,
         held("bad_text_is_refused_at_the_first_bad_fragment", "check_text_says_where")),
    _row("F09", "malformed JSON", "no change of a book, books leave live",
         held_by_rust("a_frame_cut_anywhere_changes_no_level_and_closes_its_books",
                      "documents_that_must_be_refused", "depth_is_bounded_without_recursion")),
    _row("F10", "types and fields that are not as known", "as the fail-closed rule says",
         held_by_rust("unknown_types_are_counted_by_name_in_bounded_memory")),
    _row("F11", "numbers that are none", "refused exactly, never rounded",
         held_by_rust("every_short_text_is_read_or_refused_as_it_should_be",
                      "long_texts_are_read_or_refused_as_they_should_be")),
    _row("F12", "negative sizes, underflow", "never cut short: belief ends",
         held_by_rust("more_taken_than_there_is_ends_belief_and_is_never_cut_short")),
    _row("F13", "crossed and locked books", "no signal; not live beyond the grace",
         held_by_rust("a_book_stays_crossed_only_within_its_grace",
                      "a_crossed_snapshot_is_never_live", "locked_is_a_quote_and_crossed_is_not",
                      "orders_that_go_on_overlapping_are_not_believed",
                      "an_open_batch_gives_no_signal")),
    _row("F14", "sequence gaps", "named in the message, no delta applied after it",
         held_by_rust("a_hole_makes_every_book_of_its_stream_stale_in_that_message")),
    _row("F15", "duplicates", "book unchanged, counted",
         held_by_rust("what_comes_twice_is_applied_once",
                      "what_comes_again_is_never_applied_and_ends_belief")),
    _row("F16", "reordering", f"leaves live with the next message, {_AGAIN}"),
    _row("F17", "late, lost, foreign snapshots", "never live before, then stitched",
         held("a_market_that_never_comes_is_not_silently_absent",
              "changes_during_the_fetch_are_not_lost"),
         held_by_rust("too_many_changes_meanwhile_end_the_fetch_in_bounded_memory")),
    _row("F18", "stale and ghost snapshots", "older evidence never overrules newer",
         held_by_rust("an_answer_older_than_the_stream_is_refused",
                      "an_older_snapshot_is_ignored",
                      "a_whole_book_that_its_sibling_denies_takes_both_out_of_live")),
    _row("F19", "snapshot without old levels, depth window", "no ghost level stays",
         held_by_rust("levels_behind_the_window_are_dropped_and_the_end_is_known",
                      "a_snapshot_mends_its_own_book_only_in_a_new_epoch")),
    _row("F20", "hash and checksum mismatch",
         f"leaves live with the message, or with the end of its batch (0.25 s); {_AGAIN}",
         held_by_rust("hashes_that_disagree_with_everything_cause_no_storm_of_fetches")),
    _row("F21", "all books ask at once", "budget held, every book comes back",
         held("fetches_stay_within_the_budget_and_reach_every_book",
              "a_venue_that_answers_nothing_is_not_stormed")),
    _row("F22", "tick, halt, end of a market", "halted and closed markets never signal",
         held_by_rust("a_tick_change_makes_a_book_stale_until_a_snapshot",
                      "the_end_of_a_market_is_final",
                      "a_pause_leaves_the_book_and_stops_the_trading",
                      "nothing_trades_in_the_weekly_pause")),
    _row("F23", "TLS faults", "refused, no plaintext, typed error",
         held("unreachable_and_refusing_servers_are_tried_again",
              "a_certificate_nobody_vouches_for_is_refused",
              "tls_that_is_not_right_is_refused_and_never_done_without",
              "a_certificate_that_goes_bad_meanwhile_is_seen_by_the_next_connection",
              "a_handshake_that_does_not_end_is_given_up")),
    _row("F24", "authentication", "no retry faster than 1 in 30 s, a hint in the error",
         held("a_refused_key_is_explained_and_tried_again_rarely",
              "who_is_refused_waits_half_a_minute_and_then_longer",
              "those_who_are_refused_do_not_come_back_together",
              "every_attempt_is_signed_anew")),
    _row("F25", "DNS faults", "resolver off the loop, new address used",
         held("a_name_that_is_not_known_is_asked_for_until_it_is",
              "a_resolver_that_hangs_stops_neither_the_loop_nor_its_end",
              "who_hung_before_keeps_nobody_from_an_answer", "so_many_may_hang_and_no_more",
              "the_first_address_is_dead", "all_addresses_are_dead",
              "an_address_that_changes_is_used_at_the_next_attempt", "rest_asks_the_same_way",
              "while_a_name_leads_nowhere_it_is_said_and_tried_again",
              "a_dead_first_address_costs_a_moment", "a_host_that_moves_is_found_where_it_is")),
    _row("F26", "HTTP 429, 418, 503, HTML, redirects", "waits what it is told, HTML is no book",
         held("retry_after", "a_server_that_wants_to_be_left_alone_is",
              "redirects_are_not_followed", "a_page_of_html_is_no_handshake",
              "an_endless_answer_is_cut_off",
              "an_answer_that_is_none_is_told_in_one_line", "a_page_of_html_is_no_answer",
              "after_429_nothing_is_sent_until_it_may_be",
              "the_server_s_retry_after_is_honoured_and_capped")),
    _row("F27", "REST polling instead of a stream", "a state of its own, no signal by default",
         polled, held("a_venue_that_is_away_is_polled_and_streams_again_by_itself",
                      "rules_signal_on_polled_books_only_if_they_ask_to",
                      "retry_after_is_kept")),
    _row("F28", "clock steps", "staleness by the steady clock alone",
         held("a_wall_step_is_reported_and_not_followed",
              "starts_at_the_wall_and_follows_the_steady_clock")),
    _row("F29", "nonsense in time stamps", "no order rests on it, books stay true"),
    _row("F30", "disk full", "feed unharmed, loss counted, writing goes on",
         held("a_full_disk_drops_counts_and_recovers",
              "what_a_full_disk_cost_at_the_end_is_said_once_and_adds_up")),
    _row("F31", "fsync fails", "that file is never called durable",
         held("after_a_failed_fsync_that_file_is_not_believed",
              "close_makes_good_a_last_failed_fsync",
              "while_fsync_keeps_failing_nothing_is_called_durable")),
    _row("F32", "kill -9 while recording", "nothing written is lost",
         held("kill_at_random_instants_loses_nothing_written")),
    _row("F33", "a sink's server that refuses, hangs, dies; ours that dies, too",
         "books unharmed, nobody misled",
         held("sinks_that_stall_or_raise_change_nothing",
              "redis_dies_and_no_bot_believes_what_it_must_not",
              "what_redis_was_not_told_it_is_told_when_it_is_back",
              "a_redis_that_refuses_is_seen_at_once",
              "a_redis_that_answers_badly_costs_the_feed_nothing",
              "nats_dies_and_no_bot_believes_what_it_must_not",
              "the_server_dies_and_no_client_believes_what_it_must_not",
              "what_a_hanging_nats_was_not_told_it_is_told_when_it_goes_on",
              "memory_is_bounded_however_long_a_sink_stalls")),
    _row("F34", "clients of the server that are slow, silent or loud",
         "others told as before, closed with 1008 or cut in 5 s",
         flooded, held("a_client_that_reads_nothing_is_left_behind_and_cut",
                       "a_client_that_takes_too_little_is_cut",
                       "a_client_that_answers_no_ping_is_cut",
                       "a_client_that_was_behind_gets_what_it_missed_as_a_whole")),
    _row("F35", "callbacks that raise or block", "counted, engine whole, others run",
         held("an_error_is_counted_logged_and_told_of_whom",
              "an_async_error_is_counted_and_the_next_call_runs",
              "an_exception_in_the_listener_leaves_no_half_applied_stream",
              "a_callback_that_raises_is_counted_and_harmless", "a_stalled_loop_is_noticed")),
    _row("F36", "cancellation and shutdown anywhere", "clean stop, nothing left",
         held("closing_at_any_moment_is_clean", "closing_while_the_server_ignores_the_handshake",
              "cancelling_a_close_still_drops_the_socket", "no_socket_or_task_is_left_behind",
              "cancelling_at_any_await_leaves_nothing", "opening_twice_and_closing_twice")),
    _row("F37", "two lines for the same books", "gap only if both miss",
         both(held_by_rust("whichever_comes_first_counts", "a_line_that_lags_costs_nothing",
                           "what_one_line_loses_the_other_brings",
                           "a_line_that_falls_silent_or_ends_costs_nothing",
                           "a_late_line_goes_on_when_the_other_ends", "what_both_lose_is_lost",
                           "lines_that_swap_messages_are_never_wrong"),
              held("what_happens_to_one_line_costs_no_book_its_live",
                   "a_line_that_is_frozen_costs_no_book_its_live",
                   "a_line_that_spoils_one_frame_in_a_hundred_costs_no_book_its_live",
                   "where_both_lines_swap_frames_no_book_is_wrong_and_all_come_back"))),
    _row("F38", "planned end of a connection", "replaced before the venue ends it",
         held("a_connection_is_replaced_a_little_before_the_venue_would_end_it",
              "a_planned_end_costs_no_book_its_live")),
    _row("F39", "subscription errors", "old epochs dropped, an absent market reported",
         held("an_asset_that_is_not_given_costs_no_other",
              "a_refused_subscription_is_begun_again_from_the_start",
              "what_is_not_answered_is_subscribed_anew",
              "a_channel_that_is_refused_is_asked_for_again_ever_more_rarely")),
    Row("F40", "one venue behind the other", "0 false arbitrage", traps, seeded=True),
    Row("F41", "semantic traps", "no signal, each with its reason", refusals, seeded=True),
    _row("F42", "memory, descriptors, threads run out", "typed error or an end, never a lie",
         held("descriptors_run_out_while_a_connection_is_lost", "threads_run_out",
              "memory_runs_out")),
)  # fmt: skip
