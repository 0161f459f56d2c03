"""``bookfeed pairs suggest``: markets of two venues that may be about the same, side by side.

Nothing becomes a pair until a person says so (``--accept``): what is alike in its title may be
decided by something else.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from bookfeed import config
from bookfeed.catalogue.catalogue import Catalogue
from bookfeed.catalogue.claims import Claim, assets_in, claim
from bookfeed.catalogue.fields import plain
from bookfeed.catalogue.listing import Listing
from bookfeed.catalogue.pairing import FACTS, Candidate, candidates, fact
from bookfeed.cli.blocks import append, block
from bookfeed.cli.lookup import Lookup
from bookfeed.cli.places import places
from bookfeed.cli.sides import Row, side_by_side
from bookfeed.cli.targets import ENDED
from bookfeed.errors import ConfigError, ExitCode
from bookfeed.loops import run
from bookfeed.monitor.output import write_json, write_line
from bookfeed.monitor.text import printable
from bookfeed.venues import VENUES

# Without a text: how many markets of a venue are compared with those of the other.
_MARKETS_MAX: Final = 200
_EVENTS_MAX: Final = 50
# Each of them takes requests.
_ASSETS_MAX: Final = 4
# What a configuration takes.
_NAME_MAX: Final = 200
_FACT_MAX: Final = 500
_REMARK_MAX: Final = 300


def execute(args: argparse.Namespace) -> ExitCode:
    """Compares and shows, or writes those that are accepted; fails if nothing is found."""
    if bool(args.accept) != bool(args.to):
        raise ConfigError("--accept", "", "goes with --to: which candidates, and into which file")
    with places(args) as there:
        return run(_suggest(args, there.lookup))


async def _suggest(args: argparse.Namespace, where: Lookup) -> ExitCode:
    text = " ".join(args.text).strip()
    async with where.catalogue() as catalogue:
        venues = catalogue.venues()
        answers = await asyncio.gather(*(_listings(catalogue, one, text) for one in venues))
        listings = dict(zip(venues, answers, strict=True))
        await _add_quarters(catalogue, listings, text)
        found: list[Candidate] = []
        for first, second in combinations(listings.values(), 2):
            found += candidates(first, second)
        found = found[: args.top]
        if args.accept:
            await _accept(catalogue, _chosen(found, args.accept), Path(args.to))
        else:
            _show(args.output, found)
    return ExitCode.OK if found else ExitCode.FAILURE


async def _listings(catalogue: Catalogue, venue: str, text: str) -> list[Listing]:
    """Markets that are traded: those that a text finds, else the foremost, else the first."""
    if text:
        events = await catalogue.search(text, venue=venue, limit=_EVENTS_MAX)
        found = [market for event in events for market in event.markets]
    elif venue in catalogue.venues(that_rank=True):
        found = list(await catalogue.top(_MARKETS_MAX, venue=venue))
    else:
        found = []
        async for event in catalogue.events(venue):
            found += event.markets
            if len(found) >= _MARKETS_MAX:
                break
    return [one for one in found if one.status not in ENDED]


async def _add_quarters(
    catalogue: Catalogue, listings: Mapping[str, list[Listing]], text: str
) -> None:
    """The windows that are on, of assets that the text or else the markets name."""
    titles = text or " ".join(one.title for found in listings.values() for one in found)
    assets = assets_in(titles)[:_ASSETS_MAX]
    await asyncio.gather(
        *(_add_of(catalogue, venue, assets, found) for venue, found in listings.items())
    )


async def _add_of(
    catalogue: Catalogue, venue: str, assets: Sequence[str], found: list[Listing]
) -> None:
    """The windows of assets of which none was found."""
    there = {one.asset for one in map(claim, found) if one.is_window}
    for asset in assets:
        if asset not in there:
            found += await catalogue.quarters(venue, asset)


# What is shown.


def _show(output: str | None, found: Sequence[Candidate]) -> None:
    if output == "json":
        write_json({"candidates": [_object(at, one) for at, one in enumerate(found, 1)]})
    elif output == "ndjson":
        for at, one in enumerate(found, 1):
            write_line({"type": "candidate", **_object(at, one)})
    else:
        for at, one in enumerate(found, 1):
            print("\n".join(_lines(at, one)), end="\n\n")
        if found:
            name = found[0].second.listing.slug
            print(f"Read both rules before --accept 1:{name} --to FILE: alike is not the same.")


def _object(number: int, one: Candidate) -> dict[str, Any]:
    """A candidate for programs; times are Unix nanoseconds."""
    return {
        "number": number,
        "relation": one.relation,
        "would_be": one.would_be,
        "score": one.score,
        "polarity": "inverted" if one.inverted else "same",
        "differs": one.differs(),
        "unknown": one.unknown(),
        "markets": [
            {
                "venue": side.listing.venue,
                "market": side.listing.market,
                "name": side.listing.slug,
                "title": side.text,
                **{name: fact(side, name) or None for name in FACTS},
                "close_ts": side.listing.close_ts,
                "rules": side.listing.rules,
            }
            for side in one.sides
        ],
    }


def _lines(number: int, one: Candidate) -> list[str]:
    """A candidate for people: both markets side by side, and what differs marked."""
    would_be = "" if one.would_be is None else f"; {one.would_be}, if one oracle decides both"
    turned = ", YES of one is NO of the other" if one.inverted else ""
    differs, unknown = one.differs(), one.unknown()
    marks = dict.fromkeys(differs, "≠") | dict.fromkeys(unknown, "?")
    a, b = one.sides
    rows = [
        Row("venue", a.listing.venue, b.listing.venue),
        Row("title", a.text, b.text),
        Row("name", a.listing.slug, b.listing.slug),
    ]
    for name in FACTS:
        left, right = (fact(side, name) or "not stated" for side in one.sides)
        rows.append(Row(name, left, right, marks.get(name, "=")))
    rows.append(Row("rules", a.listing.rules or "not told", b.listing.rules or "not told"))
    head = f"{number}. {one.relation}{would_be}{turned} (likeness {one.score} %)"
    return [head, *side_by_side(rows)]


# What is accepted.


def _chosen(found: Sequence[Candidate], wanted: Sequence[tuple[int, str]]) -> list[Candidate]:
    """The candidates of these numbers; another search may number them otherwise, so that a name
    beside a number must be that of one of its markets.
    """
    chosen = []
    for number, name in wanted:
        if number > len(found):
            raise ConfigError("--accept", "", f"there is no candidate {number}, only {len(found)}")
        one = found[number - 1]
        names = [side.listing.slug for side in one.sides]
        if name and name not in names:
            problem = f"candidate {number} is {' and '.join(names)} by now, not {name}: look again"
            raise ConfigError("--accept", "", problem)
        chosen.append(one)
    return chosen


async def _accept(catalogue: Catalogue, chosen: Sequence[Candidate], path: Path) -> None:
    """Writes the markets and what binds them, as a person wants it."""
    followed = _followed(path)
    blocks = []
    for one in chosen:
        bundle = _bundle(one)
        for side in one.sides:
            listing = await catalogue.ready(side.listing)
            if listing.fee is None:
                # A search may leave out what the market itself tells.
                listing = await catalogue.market(listing.slug)
            symbol = (listing.venue, listing.outcomes[0].symbol)
            if symbol not in followed:
                followed.add(symbol)
                blocks.append(block("market", catalogue.table(listing), listing.slug))
        blocks.append(bundle)
    append(path, "\n".join(blocks))
    for one in chosen:
        told = " | ".join(side.text for side in one.sides)
        print(f"{one.relation}: {printable(told)}: added to {path}", file=sys.stderr)


def _followed(path: Path) -> set[tuple[str, str]]:
    """The books that a file has already."""
    if not path.exists():
        return set()
    markets = config.load(path, {}).markets()
    return {(market.venue, symbol) for market in markets for symbol in market.symbols}


def _bundle(one: Candidate) -> str:
    """What binds both markets: a pair, or a ladder where one number implies the other."""
    remarks = [f"{one.relation}: {' | '.join(side.text for side in one.sides)}"[:_REMARK_MAX]]
    if one.relation in ("implies", "implied"):
        return block("ladder", _ladder(one), *remarks)
    if one.would_be in ("implies", "implied"):
        raise ConfigError("--accept", "", f"no rule is about this: {one.would_be}, if anything")
    legs = [_leg(side) | _facts(side) for side in one.sides]
    legs[1]["polarity"] = "inverted" if one.inverted else "same"
    return block("pair", {"name": one.first.text[:_NAME_MAX], "leg": legs}, *remarks)


def _ladder(one: Candidate) -> dict[str, object]:
    sides = sorted(one.sides, key=lambda side: side.strike or 0)
    if any(side.direction != "above" or side.strike is None for side in sides):
        raise ConfigError("--accept", "", f"a [[ladder]] is of prices above, not: {one.first.text}")
    legs = [_leg(side) | {"strike": plain(side.strike)} for side in sides if side.strike]
    return {"name": one.first.text[:_NAME_MAX], "legs": legs}


def _leg(side: Claim) -> dict[str, object]:
    """The first outcome of a market, as its venue's legs are spelled."""
    listing = side.listing
    outcome, legs = listing.outcomes[0], VENUES[listing.venue].legs
    lower = legs is not None and bool(legs.outcomes)
    name = outcome.name.lower() if lower else outcome.name
    return {"venue": listing.venue, "symbol": outcome.symbol, "outcome": name}


def _facts(side: Claim) -> dict[str, object]:
    """What decides it. What is not stated is no fact that two markets have in common."""
    told = {name: fact(side, name) for name in FACTS}
    if not told["strike"] and not side.is_window:
        told["strike"] = "it happens"
    keys = {"oracle": "oracle", "strike": "strike", "cut-off": "cut_off"}
    missing = f"not stated by {side.listing.venue}"
    facts: dict[str, object] = {
        key: (told[name] or missing)[:_FACT_MAX] for name, key in keys.items()
    }
    return {"polarity": "same"} | facts
