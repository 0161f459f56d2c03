"""``bookfeed markets``, against the simulated venues over real HTTP."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from listed_venues import QUARTER_S, Venues, listed_world, listing_venues

from bookfeed.cli import main


@pytest.fixture(scope="module")
def venues() -> Iterator[Venues]:
    with listing_venues() as found:
        yield found


def markets(venues: Venues, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[Any]:
    code = main(["markets", *arguments, *venues.urls, "-o", "json"])
    found: list[Any] = json.loads(capsys.readouterr().out)["markets"]
    assert code == (0 if found else 1)
    return found


def test_the_foremost(venues: Venues, capsys: pytest.CaptureFixture[str]) -> None:
    found = markets(venues, capsys)
    assert len(found) == 4, "the closed one is none of them"
    volumes = [one["volume_24h"] for one in found]
    assert volumes == sorted(volumes, reverse=True)
    assert len(markets(venues, capsys, "--top", "2")) == 2


def test_a_table_for_people(venues: Venues, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["markets", "market-1", *venues.urls]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split("  ")[0] == "title" and header.endswith("name")
    assert "polymarket" in row and "29d 23h" in row and row.endswith("market-1")


def test_by_name_by_text_and_by_series(venues: Venues, capsys: pytest.CaptureFixture[str]) -> None:
    ((one),) = markets(venues, capsys, "https://polymarket.com/event/market-2")
    assert (one["slug"], one["fee"]) == ("market-2", "polymarket:0.07;1")
    assert [outcome["name"] for outcome in one["outcomes"]] == ["Yes", "No"]
    assert [one["market"] for one in markets(venues, capsys, venues.tickers[-1])] == [
        venues.tickers[-1]
    ]
    both = markets(venues, capsys, "bitcoin", "--top", "100")
    assert {one["venue"] for one in both} == {"polymarket", "kalshi"}
    only = markets(venues, capsys, "bitcoin", "--venue", "kalshi")
    assert {one["venue"] for one in only} == {"kalshi"}
    assert markets(venues, capsys, "snow", "in", "summer") == []


def test_what_ends_soon(venues: Venues, capsys: pytest.CaptureFixture[str]) -> None:
    (soon,) = markets(venues, capsys, "--ending", "20m")
    assert soon["slug"].startswith("btc-updown-15m-")
    assert len(markets(venues, capsys, "--ending", "40d")) == 4


def test_a_series(capsys: pytest.CaptureFixture[str]) -> None:
    with listed_world() as world:

        def of(*arguments: str) -> list[Any]:
            assert main(["markets", *arguments, *world, "-o", "json"]) == 0
            found: list[Any] = json.loads(capsys.readouterr().out)["markets"]
            return found

        windows = of("--series", "btc-updown-15m")
        starts = [int(one["slug"].rpartition("-")[2]) for one in windows]
        assert len(windows) > 3 and {b - a for a, b in pairwise(starts)} == {QUARTER_S}
        assert len(of("--series", "KXBTC15M", "--top", "2")) == 2
        assert {one["series"] for one in of("--series", "KXWINNER0")} == {"KXWINNER0"}
        assert all(one["series"] == "KXBTCD" for one in of("--series", "KXBTCD", "--ending", "2h"))
        for arguments, said in (
            (["--series", "KXBTC15M", "--venue", "polymarket"], "of a series of polymarket"),
            (["--series", "what is it"], "the name of a series"),
            (["--series", "KXBTC15M", "bitcoin"], "leave the text out"),
        ):
            assert main(["markets", *arguments, *world]) == 2
            assert said in capsys.readouterr().err


def test_a_settled_market_says_how_it_ended(
    venues: Venues, capsys: pytest.CaptureFixture[str]
) -> None:
    ((one),) = markets(venues, capsys, "market-4")
    assert (one["status"], one["result"]) == ("settled", "Yes")
    assert [outcome["payout"] for outcome in one["outcomes"]] == [1.0, 0.0]


def test_lines_of_json(venues: Venues, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["markets", *venues.urls, "-o", "ndjson"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 4 and {line["type"] for line in lines} == {"market"}


def test_a_venue_that_gives_no_answer_costs_the_other_nothing(
    venues: Venues, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its address refuses what it is asked."""
    broken = f"--url=kalshi.listings={venues.gamma.url}/none"
    code = main(["markets", "bitcoin", *venues.urls[:2], broken, "-o", "ndjson"])
    told = capsys.readouterr()
    assert code == 0 and json.loads(told.out)["venue"] == "polymarket"
    assert "kalshi gave no answer" in told.err
    assert main(["markets", "bitcoin", "--venue=kalshi", *venues.urls[:2], broken]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--venue", "kalshy"], 2, "--venue: must be one of kalshi, polymarket, not 'kalshy'"),
        (["--venue", "kalshi"], 1, "kalshi does not sort its markets: give words of a title"),
        (["--url", "kalshi.listings"], 2, "--url: must be VENUE.WHAT=URL"),
        (["--url", "kalshi.books=http://x"], 1, "nothing is asked at kalshi.books"),
        (["--url", "kalshi.listings=ftp://x"], 1, "must begin with http:// or https://"),
    ],
)
def test_what_cannot_be_asked(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["markets", *arguments]) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("text", ["1", "h", "0h", "1w", "-1h", "1.5h", "٣h"])
def test_a_time_that_is_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["markets", f"--ending={text}"])
    assert ended.value.code == 2
    assert "must be such as 30m, 1h or 2d" in capsys.readouterr().err
