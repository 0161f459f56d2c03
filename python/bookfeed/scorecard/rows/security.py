"""Rows S: secrets, files from strangers, what is shipped."""

import re
from importlib import import_module
from typing import Final

from bookfeed.scorecard.held import both, held
from bookfeed.scorecard.row import Effort, Figure, NotMeasuredError, Row
from bookfeed.scorecard.tree import program, root, run, said

# What secrets look like that must never have been committed.
SECRETS: Final = (
    r"-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----\n[A-Za-z0-9+/]{40}",
    r"\bAKIA[0-9A-Z]{16}\b", r"\bASIA[0-9A-Z]{16}\b", r"\bAIza[0-9A-Za-z_-]{35}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{36}\b", r"\bgithub_pat_[A-Za-z0-9_]{60,}\b",
    r"\bglpat-[A-Za-z0-9_-]{20}\b", r"\bxox[abprs]-[A-Za-z0-9-]{20,}\b",
    r"\bsk_live_[A-Za-z0-9]{20,}\b", r"\bsk-[A-Za-z0-9]{40,}\b", r"\bpypi-[A-Za-z0-9_-]{60,}\b",
    r"\bnpm_[A-Za-z0-9]{36}\b", r"\bhf_[A-Za-z0-9]{34}\b", r"\bdop_v1_[a-f0-9]{64}\b",
    r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b", r"\bEAACEdEose0cBA[0-9A-Za-z]+",
    r"\bya29\.[0-9A-Za-z_-]{40,}", r"\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[\w-]{20,}",
    r"://[^/\s:@\"']{3,}:[^/\s:@\"'{}$]{12,}@(?!127|localhost|example|venue|proxy|host)[\w.-]+",
    r"(?i)\baws_secret_access_key\s*=\s*[\"']?[A-Za-z0-9/+=]{40}",
)  # fmt: skip
# What switches off that a peer is who it says.
_UNVERIFIED: Final = re.compile(
    r"CERT_NONE|check_hostname\s*=\s*False|verify_ssl\s*=\s*False|ssl\s*=\s*False|"
    r"_create_unverified_context|verify\s*=\s*False"
)
# What runs what a file says.
_TRUSTING: Final = re.compile(
    r"\bpickle\b\.|\bmarshal\.|\byaml\.load\(|(?<![\w.])eval\(|(?<![\w.])exec\(|\bshelve\."
)


def _found(pattern: re.Pattern[str]) -> tuple[str, ...]:
    """Where the package says what it must not."""
    hits = []
    package = root() / "python" / "bookfeed"
    for path in sorted(package.rglob("*.py")):
        if "scorecard" in path.parts:
            continue  # it names what it looks for
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if pattern.search(line):
                hits.append(f"{path.relative_to(package)}:{number}: {line.strip()[:80]}")
    return tuple(hits)


def verified(_: Effort) -> Figure:
    """S8: no switch turns verification off."""
    hits = _found(_UNVERIFIED)
    return Figure(f"{len(hits)} places that turn verification off", hits)


def untrusting(_: Effort) -> Figure:
    """S11: nothing runs what a file says."""
    hits = _found(_TRUSTING)
    return Figure(f"{len(hits)} uses of pickle, eval and their like", hits)


def history(_: Effort) -> Figure:
    """S16."""
    done = run([program("git"), "log", "-p", "--all", "--no-color", "--unified=0", "--text"])
    if done.returncode:
        raise NotMeasuredError("needs the history: run it in a clone")
    text = "\n".join(line[1:] for line in done.stdout.splitlines() if line.startswith("+"))
    hits = [f"{pattern[:30]}: {len(found)}" for pattern in SECRETS
            if (found := re.findall(pattern, text))]  # fmt: skip
    return Figure(f"0 of {len(SECRETS)} patterns in {len(text) >> 20} MiB" if not hits else
                  f"{len(hits)} of {len(SECRETS)} patterns found", tuple(hits))  # fmt: skip


def hardened(_: Effort) -> Figure:
    """S15."""
    readelf = program("readelf")
    path = str(import_module("bookfeed._bookfeed").__file__)
    segments = run([readelf, "--wide", "--segments", path]).stdout
    dynamic = run([readelf, "--wide", "--dynamic", path]).stdout
    stack = re.search(r"GNU_STACK.*? ([RWE ]+)\s+0x", segments)
    wrong = {
        "no RELRO": "GNU_RELRO" not in segments,
        "bound lazily": "BIND_NOW" not in dynamic and "NOW" not in dynamic,
        "a stack that may be executed": stack is None or "E" in stack.group(1),
        "RPATH": "RPATH" in dynamic or "RUNPATH" in dynamic,
        "text relocations": "TEXTREL" in dynamic,
    }
    bad = tuple(what for what, is_so in wrong.items() if is_so)
    return Figure("RELRO, bound at once, no executable stack, no RPATH" if not bad else "", bad)


def static(effort: Effort) -> Figure:
    """S17."""
    checks = [[program("ruff"), "check", "python"]]
    if effort.tier == "full":
        checks.append([program("mypy")])
    problems = [said(done) for done in map(run, checks) if done.returncode]
    return Figure(f"{len(checks) - len(problems)} of {len(checks)} clean", tuple(problems))


def _python_advisories(_: Effort) -> Figure:
    raise NotMeasuredError("pip-audit and its database are not here")


def _rust_advisories(_: Effort) -> Figure:
    raise NotMeasuredError("the RustSec database is not here; crates and licences: `make lint`")


def wheel(effort: Effort) -> Figure:
    """S14."""
    return held("wheel_contains_what_is_allowed_and_nothing_else",
                "a_stray_file_in_a_wheel_is_refused", "import_without_extras")(effort)  # fmt: skip


ROWS: Final = (
    Row("S1", "listens on loopback alone", "nothing beyond it",
        held("only_the_simulators_listen", "other_hosts_are_refused",
             "by_itself_the_server_listens_on_loopback_alone", "where_it_may_listen")),
    Row("S2", "pages of other origins", "24 of 24 refused before the upgrade",
        held("pages_of_others_are_refused_before_the_upgrade",
             "without_a_token_and_an_origin_nobody_is_let_in_where_there_is_one")),
    Row("S3", "names bent to this address", "all refused, by HTTP and WebSocket",
        held("a_name_that_was_bent_to_this_address_is_refused")),
    Row("S4", "the token", "128 bits, private, told nowhere, 5 wrong ones a second",
        held("the_token_is_asked_for_by_every_way", "who_tries_tokens_is_held_up",
             "a_token_of_any_bytes_is_wrong_and_no_error_of_ours", "the_token_is_told_nowhere",
             "a_token_that_others_can_read_is_refused")),
    Row("S5", "the dashboard", "0 scripts of others run, nothing inline, no other origin",
        held("titles_are_text_whatever_they_are", "a_title_is_no_longer_than_one",
             "it_asks_nobody_else_and_its_policy_allows_nothing_inline",
             "every_route_only_reads")),
    Row("S6", "secrets in logs, recordings, errors", "0 occurrences",
        held("no_secret_is_logged_recorded_or_shown",
             "what_is_hidden_is_not_shown_copied_or_pickled",
             "what_the_venue_repeats_of_our_key_is_not_shown",
             "rest_goes_through_it_with_the_password_that_is_never_shown",
             "a_key_that_cannot_be_used_is_refused_without_being_shown",
             "a_redis_that_refuses_is_seen_at_once",
             "a_nats_that_cannot_serve_is_seen_at_once",
             "a_password_that_postgres_says_again_is_not_shown",
             "a_service_is_sent_to_and_its_address_is_never_shown")),
    Row("S7", "files of keys", "refused unless theirs alone",
        held("a_private_file_is_taken", "a_file_that_others_may_use_is_refused",
             "a_file_that_others_may_replace_is_refused",
             "a_file_or_link_of_another_user_is_refused", "private_files_and_directories")),
    Row("S8", "TLS", "always verified, no switch",
        both(verified, held("a_certificate_nobody_vouches_for_is_refused"))),
    Row("S9", "names of files from strangers", "0 escapes",
        held("there_are_sixty_of_them", "a_prefix_is_a_plain_name_or_refused",
             "what_a_recording_calls_things_leads_nowhere", "of_a_directory_only_files_are_read",
             "a_link_that_comes_in_between_is_not_followed", "never_writes_into_what_is_there",
             "what_a_listing_is_called_is_no_place", "names_lead_to_no_file")),
    Row("S10", "bombs", "refused, memory bounded",
        held("a_small_journal_stays_small", "a_small_capture_stays_small",
             "a_journal_of_many_small_records_stays_small",
             "a_large_window_is_refused_with_what_to_do", "an_endless_answer_is_cut_off")),
    Row("S11", "recordings from strangers", "errors of ours alone, nothing is run",
        both(untrusting, held("mutated_recordings_raise_nothing_of_their_own",
                              "what_a_recording_calls_things_does_not_steer_a_terminal"))),
    Row("S12", "advisories, Python", "0 known, 0 not audited", _python_advisories),
    Row("S13", "advisories, Rust", "0 known", _rust_advisories),
    Row("S14", "what a wheel holds", "what is allowed, no more", wheel, long=True),
    Row("S15", "hardening of the extension", "RELRO, NX, no RPATH", hardened),
    Row("S16", "secrets in the history", "0", history),
    Row("S17", "static checks", "0 findings", static),
    Row("S18", "what a client may send", "4 KiB, 20 a second, 16 deep, 256 subscriptions",
        held("what_may_not_be_sent_ends_the_connection", "too_many_messages_or_subscriptions")),
    Row("S19", "a server that only reads", "no route that changes anything, nothing of one's own",
        held("every_route_only_reads", "what_is_the_users_own_is_told_to_nobody")),
)  # fmt: skip
