"""Touches that relays tell, as the auditor reads them: held against an engine that is told them."""

from decimal import Decimal

from audit_journals import MS

from bookfeed.audit.books import Instrument
from bookfeed.audit.relayed import GRACE_NS, QUIET_NS, RelayedTouches

S = 1_000 * MS
T = 1_800_000_000 * S
CENT = 10_000_000


def book(at: int = T) -> Instrument:
    """50 to 52 cents, of that time."""
    one = Instrument(0, "polymarket", "71", conn=3, state="live", ts_event=at)
    one.book.load({Decimal("0.50"): Decimal(5)}, {Decimal("0.52"): Decimal(5)})
    return one


def told(bid: int, ask: int, at: int) -> dict[str, int]:
    return {"instrument": 0, "bid_e9": bid * CENT, "ask_e9": ask * CENT, "ts_event": at}


def overdue(touches: RelayedTouches, one: Instrument, now: int) -> list[int]:
    return list(touches.overdue([one], now))


def test_a_live_book_that_does_not_come_to_a_newer_touch_is_found() -> None:
    touches, one = RelayedTouches(), book()
    touches.take(told(49, 52, T + S), one, T + S)
    assert overdue(touches, one, T + S + GRACE_NS) == []
    assert overdue(touches, one, T + S + GRACE_NS + 1) == [0]
    # The first that was not met counts, however often it is told.
    touches.take(told(48, 52, T + 3 * S), one, T + 3 * S)
    assert overdue(touches, one, T + S + GRACE_NS + 1) == [0]


def test_whatever_clears_a_book_clears_it_here() -> None:
    for cleared in ("met", "gone past", "void", "suspect"):
        touches, one = RelayedTouches(), book()
        touches.take(told(49, 52, T + S), one, T + S)
        if cleared == "met":
            one.book.load({Decimal("0.49"): Decimal(5)}, {Decimal("0.52"): Decimal(5)})
        elif cleared == "gone past":
            one.ts_event = T + S
        elif cleared == "void":
            touches.take({"bid_e9": None, "ask_e9": None}, one, T + 2 * S)
        else:
            one.state, one.cause = "suspect", "withheld"
        assert overdue(touches, one, T + 60 * S) == [], cleared


def test_older_words_and_ghosts_accuse_nobody() -> None:
    touches, one = RelayedTouches(), book()
    touches.take(told(49, 52, T - 1), one, T)
    touches.take(told(1, 99, T + S), one, T + S)
    touches.take(told(49, 52, T), one, T + S)
    assert overdue(touches, one, T + 60 * S) == []


def test_a_relay_that_was_wrong_is_left_alone_for_a_minute() -> None:
    touches, one = RelayedTouches(), book()
    touches.take(told(49, 52, T + S), one, T + S)
    one.state, one.cause = "suspect", "withheld"
    touches.lost(one, T + 4 * S)
    one.state, one.cause = "live", "resync"
    touches.lost(one, T + 5 * S)
    touches.take(told(49, 52, T + 6 * S), one, T + 6 * S)
    assert overdue(touches, one, T + 30 * S) == []
    late = T + 5 * S + QUIET_NS
    touches.take(told(49, 52, late), one, late)
    assert overdue(touches, one, late + GRACE_NS + 1) == [0]
