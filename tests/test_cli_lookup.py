"""Names on the command line: looked up, followed live, and refused where they are none."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest
from listed_venues import Venues, listing_venues

from bookfeed import CatalogueError, config
from bookfeed.catalogue.catalogue import Catalogue
from bookfeed.cli import main
from bookfeed.cli.lookup import Lookup
from bookfeed.cli.places import addresses
from bookfeed.cli.targets import expanded, is_symbol, looked_up
from bookfeed.errors import ConfigError
from bookfeed.feed import deciding
from bookfeed.market import Market

ADDRESS = "https://polymarket.com/event/market-1"


@pytest.fixture(scope="module")
def venues() -> Iterator[Venues]:
    with listing_venues() as found:
        yield found


def urls(venues: Venues) -> dict[str, str]:
    return addresses(url.removeprefix("--url=") for url in venues.urls)


def followed(venues: Venues, *names: str) -> list[Market]:
    return config.load(None, {}, found=looked_up(names, Lookup(urls(venues)))).markets()


@pytest.mark.parametrize("targets", [(ADDRESS,), ("kalshi",), ("btc-updown-15m",)])
async def test_a_configuration_says_what_the_listing_does(
    venues: Venues, targets: tuple[str]
) -> None:
    """But for what no configuration of a venue has."""
    (target,) = targets
    name = venues.tickers[-1] if target == "kalshi" else target
    async with Catalogue(urls=urls(venues)) as catalogue:
        listing = await catalogue.market(name)
        table = catalogue.table(listing)
    (market,) = config.load(None, {}, found=[config.Found(name, table)]).markets()
    expected = listing.to_market()
    assert (market.market, market.outcomes, market.name, market.venue) == (
        expected.market,
        expected.outcomes,
        expected.name,
        expected.venue,
    )
    assert market.fee is not None and expected.fee is not None
    assert market.fee.text() == expected.fee.text()
    if market.venue == "kalshi":
        assert (market.event, market.open_ts, market.close_ts) == (
            expected.event,
            expected.open_ts,
            expected.close_ts,
        )
    else:
        assert (market.tick_size, market.min_order_size, market.neg_risk) == (
            expected.tick_size,
            expected.min_order_size,
            expected.neg_risk,
        )


def test_names_of_all_kinds_and_each_market_once(venues: Venues) -> None:
    (one,) = followed(venues, ADDRESS, "market-1")
    event = venues.tickers[-1].rpartition("-")[0]
    found = followed(venues, "btc-updown-15m", event, "market-1")
    assert found[-1] == one
    assert {market.venue for market in found[1:-1]} == {"kalshi"} and len(found) > 4
    assert [outcome.name for outcome in found[0].outcomes] == ["Up", "Down"]


def test_from_an_address_to_live_books(
    venues: Venues, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "places.toml"
    path.write_text(f'[polymarket]\nws_url = "{venues.ws_url}"\nrest_url = ""\n')
    targets = tmp_path / "targets.txt"
    targets.write_text(f"# what I watch\n{ADDRESS}  # rain\n\nmarket-2\n")
    arguments = ["run", f"@{targets}", "--config", str(path), "--seconds", "3", "-o", "json"]
    assert main([*arguments, *venues.urls]) == 0
    summary = json.loads(capsys.readouterr().out)
    books = summary["books"].values() if isinstance(summary["books"], dict) else summary["books"]
    assert len(books) == 4
    assert {book["state"] for book in books} == {"live"}


def test_what_a_window_is_compared_with_is_told(
    venues: Venues,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As soon as the venue lists it, which is after the window began."""
    monkeypatch.setattr(deciding, "_FIRST_NS", 500_000_000)
    path = tmp_path / "places.toml"
    path.write_text(f'[polymarket]\nws_url = "{venues.ws_url}"\nrest_url = ""\n')
    event = venues.gamma.events[4]
    event.pop("eventMetadata", None)
    listing = Timer(2.0, lambda: event.update(eventMetadata={"priceToBeat": 84000.5}))
    listing.start()
    arguments = ["run", "btc-updown-15m", "--config", str(path), "--seconds", "5", "-o", "ndjson"]
    assert main([*arguments, *venues.urls]) == 0
    listing.join()
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    (news,) = (line for line in lines if line["type"] == "market" and line["kind"] == "strike")
    assert (news["strike"], news["witness"], news["provisional"]) == (84000.5, "listing", False)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("what is this", ConfigError, "must be VENUE:SYMBOL, the address of a market's page"),
        ("no-such-market", CatalogueError, "nothing is listed at"),
        ("market-4", CatalogueError, "none of its markets is traded any more"),
    ],
)
def test_what_cannot_be_followed(
    venues: Venues, name: str, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        followed(venues, name)


def test_a_symbol_needs_no_lookup() -> None:
    assert is_symbol("kalshi:KXA") and is_symbol("nowhere:X")
    assert not is_symbol(ADDRESS) and not is_symbol("KXA") and not is_symbol("a-slug")


def test_files_of_targets(tmp_path: Path) -> None:
    path = tmp_path / "targets"
    path.write_text("\ufeffkalshi:KXA # one\n# none\n\nhttps://a/b#c\n")
    assert expanded(["first", f"@{path}", "last"]) == [
        "first",
        "kalshi:KXA",
        "https://a/b#c",
        "last",
    ]
    with pytest.raises(ConfigError, match="cannot read"):
        expanded([f"@{path}.none"])
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        expanded([f"@{path}"])
