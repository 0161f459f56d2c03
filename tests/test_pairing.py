"""Which markets of two venues may be about the same, and how they are related."""

import sys
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bookfeed import CatalogueError
from bookfeed.catalogue.claims import assets_in, claim
from bookfeed.catalogue.listing import ListedOutcome, Listing, Strike
from bookfeed.catalogue.pairing import Candidate, candidates

HOUR = 3_600 * 10**9
CLOSE = 1_790_000_000 * 10**9
YES = (ListedOutcome("Yes", "1"), ListedOutcome("No", "2"))


def listed(title: str, **fields: Any) -> Listing:
    made = Listing(
        venue="polymarket", market="0x1", slug="one", title=title, status="open", outcomes=YES,
        close_ts=CLOSE, resolution_source="https://source.example/",
    )  # fmt: skip
    return replace(made, **fields)


def kalshi(title: str, **fields: Any) -> Listing:
    return listed(title, **{"venue": "kalshi", "slug": "KX-1", "outcomes": YES[:1]} | fields)


def above(strike: str, kind: str = "greater") -> Strike:
    return Strike(kind, Decimal(strike), None)


def related(first: Listing, second: Listing) -> list[tuple[str, str | None]]:
    return [(one.relation, one.would_be) for one in candidates([first], [second])]


def only(first: Listing, second: Listing) -> Candidate:
    (found,) = candidates([first], [second])
    return found


@pytest.mark.parametrize(
    ("title", "subtitle", "asset", "direction", "strike"),
    [
        ("Will the price of Bitcoin be above $84,000 on October 1?", "", "btc", "above", "84000"),
        ("Bitcoin price on Oct 1", "$85k or higher", "btc", "above", "85000"),
        ("Will ETH dip under $2.5k?", "", "eth", "below", "2500"),
        ("BTC price up in next 15 mins?", "Target Price: $63,100.55", "btc", "up", "63100.55"),
        ("Bitcoin between $80,000 and $82,000?", "", "btc", None, None),
        ("Will Taylor win?", "", None, None, None),
    ],
)
def test_what_a_title_claims(
    title: str, subtitle: str, asset: str | None, direction: str | None, strike: str | None
) -> None:
    found = claim(listed(title, subtitle=subtitle))
    assert (found.asset, found.direction) == (asset, direction)
    assert found.strike == (None if strike is None else Decimal(strike))


def test_fields_of_the_venue_say_it_better_than_a_title() -> None:
    found = claim(kalshi("Bitcoin price at 5pm", strike=above("84999.99")))
    assert (found.direction, found.strike) == ("above", Decimal("84999.99"))
    below = claim(kalshi("Bitcoin price at 5pm", strike=Strike("less", None, Decimal(70_000))))
    assert (below.direction, below.strike) == ("below", Decimal(70_000))
    assert assets_in("Bitcoin and ether, or bitcoin") == ("btc", "eth")


def test_one_window_of_one_asset() -> None:
    up = listed("Bitcoin Up or Down - 11:45AM", start_ts=CLOSE - HOUR)
    quarter = kalshi("BTC price up in next 15 mins?", open_ts=CLOSE - HOUR)
    assert related(up, quarter) == [("same", None)]
    other = replace(quarter, resolution_source="CF Benchmarks")
    found = only(up, other)
    assert (found.relation, found.would_be) == ("other reference", "same")
    assert found.differs() == ("oracle",) and not found.inverted
    assert related(up, replace(quarter, resolution_source="")) == [("alike", "same")]
    for elsewhere in (
        replace(quarter, open_ts=CLOSE - 2 * HOUR),
        replace(quarter, close_ts=CLOSE + HOUR),
        replace(quarter, title="ETH price up in next 15 mins?"),
    ):
        assert related(up, elsewhere) == []


@pytest.mark.parametrize(
    ("title", "kind", "strike", "relation"),
    [
        ("above $85,000", "greater", "84999.99", "same"),
        ("below $85,000", "greater", "84999.99", "complement"),
        ("above $86,000", "greater", "84999.99", "implies"),
        ("above $84,000", "greater", "84999.99", "implied"),
    ],
)
def test_numbers_on_one_price_at_one_time(
    title: str, kind: str, strike: str, relation: str
) -> None:
    ours = listed(f"Will the price of Bitcoin be {title} today?")
    theirs = kalshi("Bitcoin price today", strike=above(strike, kind))
    assert related(ours, theirs) == [(relation, None)]
    other = replace(theirs, resolution_source="another index")
    assert related(ours, other) == [("other reference", relation)]
    assert related(ours, replace(theirs, close_ts=CLOSE + HOUR)) == []


def test_below_a_number_implies_below_a_higher_one() -> None:
    ours = listed("Will the price of Bitcoin be below $80,000 today?")
    theirs = kalshi("Bitcoin price", strike=Strike("less", None, Decimal(90_000)))
    assert related(ours, theirs) == [("implies", None)]
    assert related(replace(ours, title="Bitcoin below $95,000"), theirs) == [("implied", None)]


def test_of_a_ladder_the_same_number_or_the_nearest_ones() -> None:
    rungs = [
        kalshi("Bitcoin price today", slug=f"KX-{at}", strike=above(f"{at}"))
        for at in range(80_000, 90_000, 1_000)
    ]
    exact = candidates([listed("Bitcoin above $85,000")], rungs)
    assert [(one.relation, one.second.listing.slug) for one in exact] == [("same", "KX-85000")]
    between = candidates([listed("Bitcoin above $85,500")], rungs)
    assert [(one.relation, one.second.listing.slug) for one in between] == [
        ("implies", "KX-85000"),
        ("implied", "KX-86000"),
    ]


def test_questions_with_the_same_words() -> None:
    ours = listed("Will Ada Lovelace win the Turing election on November 3?")
    theirs = kalshi("Ada Lovelace wins Turing election?")
    (found,) = candidates([ours], [theirs])
    assert found.relation == "same" and found.score >= 80
    assert related(ours, replace(theirs, resolution_source="")) == [("alike", "same")]
    assert related(ours, replace(theirs, resolution_source="the press")) == [("alike", "same")]
    assert related(ours, kalshi("Charles Babbage wins the Turing election?")) == []


def test_what_does_not_happen_is_the_complement() -> None:
    ours = listed("Will the bill pass the senate?")
    theirs = kalshi("The bill will not pass the senate")
    found = only(ours, theirs)
    assert (found.relation, found.inverted) == ("complement", True)


def test_what_happens_by_a_time_has_happened_by_a_later_one() -> None:
    early = listed("Will the bill pass the senate by June 30?")
    late = kalshi("Bill passes senate before August?", close_ts=CLOSE + 24 * HOUR)
    assert related(early, kalshi("Bill pass senate before August?", close_ts=CLOSE + HOUR)) == [
        ("implies", None)
    ]
    assert related(
        replace(early, close_ts=CLOSE + 48 * HOUR), replace(late, title=early.title)
    ) == [("implied", None)]
    without = related(
        listed("Will the bill pass the senate?"), replace(late, title="Bill pass senate")
    )
    assert without == [("alike", None)], "nothing says that it may happen any time"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Will Ada win the 2026 election?", "Ada win 2027 election?"),
        ("Will Ada win 3 games?", "Will Ada win 14 matches and 7 sets?"),
    ],
)
def test_other_years_and_words_are_no_candidates(first: str, second: str) -> None:
    assert related(listed(first), kalshi(second)) == []


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("Will {} win the 2028 Democratic presidential nomination at the convention in Chicago?",
         "{} wins Democratic presidential nomination at convention in Chicago in 2028",
         ("Smith", "Whitmer")),
        ("Will the {} beat the Knicks and win the eastern conference finals?",
         "{} beat Knicks and win eastern conference finals", ("Celtics", "Hornets")),
    ],
)  # fmt: skip
def test_another_name_is_another_question(first: str, second: str, found: tuple[str, str]) -> None:
    one, other = found
    assert related(listed(first.format(one)), kalshi(second.format(other))) == []
    assert related(listed(first.format(one)), kalshi(second.format(one))) == [("same", None)]


def test_what_is_not_stated_is_told_apart_from_what_differs() -> None:
    ours = listed("Will the bill pass the senate?", close_ts=None)
    found = only(ours, kalshi("Bill pass senate", resolution_source="the press"))
    assert (found.differs(), found.unknown()) == (("oracle",), ("cut-off",))


def test_the_spelling_of_an_address_is_no_difference() -> None:
    ours = listed("Will the bill pass the senate?", resolution_source="https://www.a.example/x/")
    theirs = kalshi("Bill pass senate", resolution_source="http://a.example/x")
    assert only(ours, theirs).differs() == ()


def test_without_the_package_titles_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidfuzz", None)
    with pytest.raises(CatalogueError, match=r"pip install 'bookfeed\[pairs\]'"):
        candidates([listed("Will the bill pass?")], [kalshi("Will the bill pass?")])
    up = listed("Bitcoin Up or Down", start_ts=CLOSE - HOUR)
    assert candidates([up], [kalshi("BTC price up?", open_ts=CLOSE - HOUR)]), "fields need it not"
