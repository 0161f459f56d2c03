"""What ``--demo`` follows: the configuration that is made of the simulators' ready line."""

import json
from typing import Any

import pytest
from test_signing import ED25519, pem

from bookfeed.cli.demo import demo_config, demo_keys
from bookfeed.cli.source import Source
from bookfeed.config import Config
from bookfeed.feed.settings import endpoints
from bookfeed.rules.pairs import Pair
from bookfeed.sim import polymarket
from bookfeed.sim import polymarket_kalshi as paired


async def listing() -> dict[str, Any]:
    """The ready line of two venues, as a process that started them reads it."""
    server = await paired.serve(paired.PairedConfig(markets=2, rest=False))
    try:
        told: dict[str, Any] = json.loads(json.dumps(paired.ready(server)))
    finally:
        await server.close()
    return told


def bundles(made: Config) -> list[tuple[str, str, int]]:
    """Kind, name and number of legs of everything that belongs together."""
    found = []
    for rule in made.signal_rules():
        legs: Any = rule.about.get("legs", ())
        if rule.name:
            found.append((rule.kind, rule.name, len(legs)))
    return found


async def test_both_venues_are_followed_with_what_belongs_together() -> None:
    told = await listing()
    made = demo_config(told)
    assert made.venues() == ["polymarket", "kalshi"]
    assert [rule.kind for rule in made.signal_rules() if not rule.name] == ["spread", "complement"]
    names = [pair["name"] for pair in told["pairs"]]
    boxes = [("box", name, 2) for name in names]
    assert bundles(made) == [*boxes, ("basket", "who wins", 3), ("ladder", "index above", 3)]
    assert [isinstance(pair, Pair) and bool(pair.basis()) for pair in made.pair] == [True, False]
    of_kalshi = [market for market in made.markets() if market.venue == "kalshi"]
    assert len(of_kalshi) == 2 + 3 + 3
    for market in of_kalshi:
        assert market.event
        assert market.open_ts is not None and market.close_ts is not None
        assert market.open_ts < market.close_ts
        assert market.fee is not None


async def test_the_key_goes_from_the_ready_line_to_the_endpoint_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Keys of the user are not looked at, and would clash.
    monkeypatch.setenv("KALSHI_API_KEY_ID", "mine")
    monkeypatch.setenv("KALSHI_PRIVATE_KEY", pem(ED25519))
    monkeypatch.setenv("BOOKFEED_KALSHI__API_KEY_ID", "mine")
    monkeypatch.setenv("BOOKFEED_KALSHI__WS_URL", "wss://example.invalid/")
    monkeypatch.setenv("BOOKFEED_POLYMARKET__WS_URL", "wss://example.invalid/")
    told = await listing()
    key_id, secret = told["kalshi"]["key_id"], told["kalshi"]["private_key"]
    keys = demo_keys(told)
    assert [*keys] == ["kalshi"] and keys["kalshi"].key_id == key_id
    source = Source("demo", demo_config(told), keys)
    for shown in (repr(source), json.dumps(told)):
        assert key_id not in shown
        assert not any(line in shown for line in secret.split("\n") if line)
    found = endpoints(source.config, source.name, source.keys)
    assert {one.url for one in found.values()} == {told[v]["ws"] for v in ("polymarket", "kalshi")}
    headers = found["kalshi"].venue.handshake_headers
    assert headers is not None
    assert headers(0)["KALSHI-ACCESS-KEY"] == key_id


async def test_one_venue_alone_needs_no_key() -> None:
    server = await polymarket.serve(polymarket.SimConfig(markets=2, rest=False))
    told = polymarket.ready(server)
    await server.close()
    assert demo_keys(told) == {}
    made = demo_config(told)
    assert made.venues() == ["polymarket"]
    assert bundles(made) == []
    assert {market.name for market in made.markets()} == {m["question"] for m in told["markets"]}
