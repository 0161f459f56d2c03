"""What the audit finds by name: readings, fees and rules; and what it says of names it lacks."""

import json
from pathlib import Path
from typing import Any

import pytest
from audit_journals import Records, audited
from audit_markets import T0
from venue_names import text_names_one

import bookfeed.audit
from bookfeed.audit import fees, readings, rules
from bookfeed.audit.answers import RestBook, rest_book
from bookfeed.audit.reading import Reading
from bookfeed.audit.rule import Rule
from bookfeed.recordings.kinds import Kind

AUDIT = Path(bookfeed.audit.__file__).parent


def test_every_file_of_readings_and_rules_is_found_by_its_name() -> None:
    for venue in readings.VENUES:
        reading = readings.reading_class(venue)
        assert reading is not None and issubclass(reading, Reading) and reading.venue == venue
    for kind in rules.KINDS:
        rule = rules.rule_class(kind)
        assert rule is not None and issubclass(rule, Rule) and rule.kind == kind
    assert readings.reading_class("nowhere") is None and rules.rule_class("nothing") is None


def test_a_venue_is_named_in_its_own_files_only() -> None:
    venues = readings.VENUES | fees.VENUES
    owners = readings.VENUES
    shared = [one for one in AUDIT.rglob("*.py") if one.stem.partition("_")[0] not in owners]
    assert len(shared) > 10
    assert [path.name for path in shared if text_names_one(path.read_text(), venues)] == []


def test_a_venue_or_rule_that_nobody_reads_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit that looks at nothing must not look like one that agrees."""
    monkeypatch.setattr(readings, "VENUES", frozenset())
    monkeypatch.setattr(rules, "KINDS", frozenset())
    rule: dict[str, Any] = {"kind": "spread", "params": {"open": "0.01"}}
    listing = {"venue": "kalshi", "symbol": "K"}
    frame = b'{"type": "orderbook_snapshot", "sid": 1, "seq": 1, "msg": {"market_ticker": "K"}}'
    records: Records = [
        (int(Kind.RULE), T0, 0, 1, json.dumps(rule).encode()),
        (int(Kind.SUBSCRIBE), T0, 0, 1, json.dumps(listing).encode()),
        (int(Kind.CONNECTED), T0, 0, 1, b"kalshi"),
        (int(Kind.FRAME), T0, 0, 1, frame),
    ]
    report = audited(records, {})
    assert [(each.kind, each.record, each.what.split(" is ")[0]) for each in report.findings] == [
        ("unread", 1, "rule spread"),
        ("unread", 2, "venue kalshi"),
    ]


def test_a_rest_book_says_whose_it_is_and_where_it_stands() -> None:
    payload = b'{"instrument": 3, "stands_at": 42}\n{"bids": [],\n"asks": []}'
    assert rest_book(payload) == RestBook(3, 42, b'{"bids": [],\n"asks": []}')
    assert rest_book(b'{"instrument": 0, "stands_at": null}\n') == RestBook(0, None, b"")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b'{"instrument": 3, "stands_at": 42}',
        b"[]\n{}",
        b'{"instrument": "3", "stands_at": null}\n{}',
        b'{"instrument": true, "stands_at": null}\n{}',
        b'{"instrument": 3, "stands_at": "42"}\n{}',
        b'{"bids": []}\n{}',
    ],
)
def test_what_is_no_rest_book(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|REST book|Expecting"):
        rest_book(payload)
