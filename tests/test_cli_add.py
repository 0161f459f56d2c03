"""``bookfeed add``: blocks that a configuration takes, and files that stay whole."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from listed_venues import Venues, listing_venues

from bookfeed import config
from bookfeed.catalogue.listing import NAME_MAX
from bookfeed.cli import main
from bookfeed.cli.lookup import Lookup
from bookfeed.cli.places import addresses
from bookfeed.cli.targets import looked_up

ADDRESS = "https://polymarket.com/event/market-1"


@pytest.fixture(scope="module")
def venues() -> Iterator[Venues]:
    with listing_venues() as found:
        yield found


def add(venues: Venues, *arguments: str) -> int:
    return main(["add", *arguments, *venues.urls])


def test_what_is_printed_is_a_configuration_of_the_same_markets(
    venues: Venues, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [ADDRESS, venues.tickers[-1], "btc-updown-15m"]
    assert add(venues, *names) == 0
    printed, told = capsys.readouterr()
    urls = addresses(url.removeprefix("--url=") for url in venues.urls)
    expected = config.load(None, {}, found=looked_up(names, Lookup(urls))).markets()
    assert config.parse(tomllib.loads(printed)).markets() == expected
    assert printed.startswith(f"# {ADDRESS}\n[[market]]\n")
    assert "btc-updown-15m: its present window is written, and none of the next" in told


def test_a_file_grows_and_keeps_what_it_had(
    venues: Venues, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bookfeed.toml"
    assert add(venues, ADDRESS, "--to", str(path)) == 0
    path.chmod(0o600)
    path.write_text(f"# mine\n[polymarket]\nrest_url = ''\n\n{path.read_text()}")
    assert add(venues, "market-2", venues.tickers[-1], "--to", str(path)) == 0
    loaded = config.load(path, {})
    assert [market.venue for market in loaded.markets()] == ["polymarket", "polymarket", "kalshi"]
    assert path.read_text().startswith("# mine\n[polymarket]")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["bookfeed.toml"], "nothing is left over"
    assert "2 added to" in capsys.readouterr().err


def test_a_file_that_cannot_take_it_stays_as_it_was(
    venues: Venues, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bookfeed.toml"
    assert add(venues, "market-1", "--to", str(path)) == 0
    before = path.read_bytes()
    assert add(venues, "market-1", "--to", str(path)) == 2
    assert "already in market[0]" in capsys.readouterr().err
    path.write_bytes(before + b"[[market\n")
    assert add(venues, "market-2", "--to", str(path)) == 2
    assert path.read_bytes() == before + b"[[market\n"
    inline = f'market = [{{ venue = "kalshi", ticker = "{venues.tickers[0]}" }}]\n'
    path.write_text(inline)
    assert add(venues, "market-2", "--to", str(path)) == 2
    assert "must be written as [[market]] blocks" in capsys.readouterr().err
    assert path.read_text() == inline
    assert add(venues, "market-2", "--to", str(tmp_path / "none" / "file")) == 1


def test_titles_of_any_kind_are_written_as_they_are(
    venues: Venues, capsys: pytest.CaptureFixture[str]
) -> None:
    market = venues.gamma.events[0]["markets"][0]
    before, odd = market["question"], 'Will "it"\\ be\n\t\x7f\u2028 … ]] # yes? \U0001f327'
    try:
        for title in (odd, "x" * 500):
            market["question"] = title
            assert add(venues, "market-1") == 0
            (loaded,) = config.parse(tomllib.loads(capsys.readouterr().out)).markets()
            assert loaded.name == title[:NAME_MAX]
    finally:
        market["question"] = before
