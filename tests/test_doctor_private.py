"""What ``bookfeed doctor`` says of private channels: open, refused, out of reach, without a key."""

from collections.abc import AsyncIterator

import pytest
from diagnoses import Diagnose

from bookfeed.sim.polymarket_kalshi import listed
from bookfeed.sim.polymarket_kalshi.listed import ListedConfig

VENUES = ("polymarket", "kalshi")
OTHER = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c"
WRONG = "d3Jvbmc="

Sections = dict[str, dict[str, str]]


@pytest.fixture
async def sections(diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sections]:
    """Where the private channels of simulated venues are, whose keys are exported."""
    server = await listed.serve(ListedConfig())
    told = server.accounts.ready()
    for name, text in told["variables"].items():
        monkeypatch.setenv(name, text)
    # Without markets nothing public is asked for but the way there.
    yield {name: {"ws_url": server.polymarket.url} | one for name, one in told["sections"].items()}
    await server.close()


def written(sections: Sections) -> str:
    """A configuration that asks for both."""
    lines = ['[own]\nvenues = ["polymarket", "kalshi"]']
    for venue, section in sections.items():
        lines += [f"[{venue}]", *(f'{key} = "{url}"' for key, url in section.items())]
    return "\n".join(lines)


async def test_channels_that_are_well(sections: Sections, diagnose: Diagnose) -> None:
    told = await diagnose(written(sections))
    for venue in VENUES:
        found = told.of("own orders", venue)
        assert (found["grade"], found["orders"] > 0) == ("ok", True)
        assert f"{found['orders']} orders" in found["found"]


async def test_keys_that_are_refused(
    sections: Sections, diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYMARKET_API_SECRET", WRONG)
    monkeypatch.setenv("KALSHI_API_KEY_ID", OTHER)
    told = await diagnose(written(sections))
    for venue in VENUES:
        found = told.of("own orders", venue)
        assert (found["grade"], "refused" in found["found"]) == ("bad", True)
        assert "of one key" in found["advice"]
        assert found["took_s"] < 3
        assert not any(text in str(found) for text in (OTHER, WRONG))


async def test_a_key_that_is_missing_and_an_address_where_nothing_is(
    sections: Sections, diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POLYMARKET_API_KEY")
    sections["kalshi"]["rest_url"] = "http://127.0.0.1:1"
    told = await diagnose(written(sections))
    found = told.of("own orders", "polymarket")
    assert (found["grade"], "POLYMARKET_API_KEY" in found["found"]) == ("bad", True)
    found = told.of("own orders", "kalshi")
    assert (found["grade"], "rest_url" in found["advice"]) == ("bad", True)
