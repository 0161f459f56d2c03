"""Rows C and D: other implementations, recordings, official suites."""

from collections.abc import Callable
from typing import Final

from bookfeed.scorecard.held import NONE_RAN, both, held, held_by_rust
from bookfeed.scorecard.row import Effort, Figure, NotMeasuredError, Row
from bookfeed.scorecard.tree import program, root, run, said


def nautilus() -> str:
    """The interpreter that has nautilus_trader; ``NotMeasuredError`` if there is none."""
    python = root() / "target" / "nautilus" / "bin" / "python"
    if not (python.parents[1] / ".installed").exists():
        raise NotMeasuredError("needs nautilus_trader: `make nautilus` installs it beside")
    return str(python)


def other_book(effort: Effort) -> Figure:
    """C2."""
    nautilus()
    return held(
        "simulated_books_are_those_of_nautilus",
        "recorded_books_are_those_of_nautilus",
        "a_level_that_is_wrong_is_seen_beside_nautilus",
    )(effort)


def autobahn(side: str) -> Callable[[Effort], Figure]:
    """D1, D2."""

    def play(_: Effort) -> Figure:
        done = run([str(root() / "scripts" / "autobahn"), side])
        if "no Python 2.7" in done.stderr:
            raise NotMeasuredError("the suite needs Python 2.7")
        bad = (said(done),) if done.returncode else ()
        return Figure(" ".join(done.stdout.split())[:200], bad)

    return play


def no_deflate(effort: Effort) -> Figure:
    """D3."""
    program("cargo")  # as the other rows here: a checkout is needed
    figure = held("what_was_not_offered_is_not_taken")(effort)
    return Figure(f"not offered, refused where it comes; {figure.text}", figure.problems)


def spot_recordings(effort: Effort) -> Figure:
    """C11."""
    figure = held(
        "numbered_books_equal_the_independent_reading",
        "books_with_checksums_equal_the_independent_reading",
        "books_equal_the_independent_readings",
        "every_recorded_checksum_verifies",
    )(effort)
    if figure.problems == NONE_RAN:
        raise NotMeasuredError("needs the recordings of spot venues, which are not in the project")
    return figure


ROWS: Final = (
    Row("C1", "the book against a plain map", "0 mismatches",
        held_by_rust("a_book_equals_a_map_after_any_stream",
                     "long_streams_keep_the_book_equal_to_a_map",
                     "a_ladder_equals_a_map_after_any_order_of_sets",
                     "a_deep_book_is_searched_at_every_depth", long=("very_long_streams",))),
    Row("C2", "against nautilus_trader's book", "0 mismatches, 10^6 changes", other_book),
    Row("C3", "mutated messages against a strict reader", "what it rejects changes nothing",
        both(held_by_rust("mutants_change_nothing_or_the_same_as_a_plain_reading",
                          "mutants_are_deltas_only_if_a_plain_reading_says_so",
                          "mutants_change_levels_only_if_a_plain_reading_says_so",
                          "a_skipped_member_is_judged_as_a_document_is",
                          long=("many_mutants",)))),
    Row("C4", "decimals against big integers", "0 mismatches in value and in what is refused",
        held_by_rust("every_short_text_is_read_or_refused_as_it_should_be",
                     "long_texts_are_read_or_refused_as_they_should_be",
                     long=("every_text_of_six_characters",))),
    Row("C5", "checksums and hashes against references", "0 mismatches, official vectors",
        both(held_by_rust("the_example_of_version_2", "the_example_of_version_1",
                          "zeros_behind_a_number_count",
                          "a_memory_that_follows_a_book_is_never_wrong"),
             held("official_vectors", "hashes_of_recorded_books"))),
    Row("C6", "live against replay", "the same records, byte for byte",
        held("a_live_session_replays_byte_for_byte", "a_replay_gives_the_same_records",
             "a_simulated_session_replays_alike", "listeners_get_what_they_got_live")),
    Row("C7", "replay, however it is read", "the same records",
        held("a_replay_through_a_recorder_gives_the_same_recording",
             "a_capture_and_the_journal_made_of_it_give_the_same", "of_streams_with_faults",
             "async_listeners_of_a_replay_in_a_thread_lose_nothing")),
    Row("C8", "every signal computed again by the auditor", "all agree, 0 extra, 0 missing",
        held("two_venues_and_every_rule_agree", "two_venues_agree_through_every_trouble",
             "two_simulated_venues_agree_through_every_episode",
             "one_wrong_field_is_found", "a_dropped_and_an_extra_signal_are_found")),
    Row("C9", "conservation of sizes, asserted in release", "0 trips in 10^8",
        held_by_rust("what_does_not_add_up_is_found_and_stays_found",
                     "a_book_that_does_not_add_up_leaves_live_alone_and_is_told_anew",
                     "levels_set_together_equal_levels_set_one_by_one",
                     "whatever_changes_a_side_it_adds_up",
                     long=("a_hundred_million_changes_add_up",))),
    Row("C10", "metamorphic: swapped outcomes, order, spelling; hundreds of each, full tier 10^5",
        "equivalent records",
        held_by_rust("the_other_side_is_the_mirrored_book",
                     "the_other_outcome_is_the_same_book_turned_round",
                     "both_ways_of_printing_prices_make_the_same_book",
                     "levels_set_together_equal_levels_set_one_by_one",
                     "any_order_blanks_and_escaped_names_mean_the_same",
                     long=("the_other_side_of_many_books",
                           "the_other_outcome_turned_round_for_long",
                           "both_ways_of_printing_prices_for_long",
                           "many_spellings_mean_the_same"))),
    Row("C11", "five recorded spot venues against an independent reading",
        "equal at 20 places each, every checksum verifies", spot_recordings),
    Row("D1", "Autobahn against the server",
        "no case FAILED or closed wrongly, at most 6 not strict", autobahn("server"), long=True),
    Row("D2", "Autobahn against the client", "no case FAILED, at most 6 not strict",
        autobahn("client"), long=True),
    Row("D3", "permessage-deflate", "refused, or every case passes", no_deflate),
    Row("D4", "JSONTestSuite", "95 of 95 accepted, 188 of 188 refused",
        held_by_rust("documents_that_must_be_accepted", "documents_that_must_be_refused",
                     "the_suite_agrees_with_another_reader")),
    Row("D5", "vectors of every message type", "every vector gives what it says",
        both(held_by_rust("every_vector_gives_what_it_says", "every_vector_says_what_it_says",
                          "there_is_a_vector_for_every_message_type_and_some_emit_nothing",
                          "there_is_a_vector_for_every_message_type"),
             held("recorded_frames_agree"))),
    Row("D6", "publishing to a real Redis, RESP 2 and 3; 5,000 times or 10^6", "0 errors",
        held("publishes_come_to_a_real_redis_without_an_error",
             "a_redis_that_answers_badly_costs_the_feed_nothing")),
)  # fmt: skip
