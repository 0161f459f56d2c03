"""``bookfeed markets``: what venues list, as a table with the names to paste, or as JSON."""

import argparse
import asyncio
import logging
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from bookfeed.catalogue.catalogue import Catalogue
from bookfeed.catalogue.client import NotListed
from bookfeed.catalogue.listing import Listing
from bookfeed.catalogue.series import Series
from bookfeed.cli.lookup import Lookup
from bookfeed.cli.places import places
from bookfeed.cli.targets import ENDED
from bookfeed.clock import NS_PER_S
from bookfeed.errors import BookfeedError, CatalogueError, ConfigError, ExitCode
from bookfeed.loops import run
from bookfeed.monitor.output import Fit, write_json, write_line, write_table
from bookfeed.monitor.text import cut

_TITLE_COLUMNS: Final = 48
_WINDOWS_MAX: Final = 20
_HEADER: Final = ("title", "venue", "bid", "ask", "spread", "24h volume", "liquidity", "closes in")

_RIGHT: Final = ("bid", "ask", "spread", "24h volume", "liquidity")
_FIT: Final = Fit(
    "title", ("liquidity", "24h volume", "spread", "venue", "closes in", "bid", "ask")
)

_log: Final = logging.getLogger(__name__)


def execute(args: argparse.Namespace) -> ExitCode:
    """Asks, prints, and fails if nothing is found."""
    with places(args) as there:
        found = run(_found(args, there.lookup))
    _show(args.output, found)
    return ExitCode.OK if found else ExitCode.FAILURE


async def _found(args: argparse.Namespace, where: Lookup) -> list[Listing]:
    async with where.catalogue() as catalogue:
        if args.venue is not None and args.venue not in catalogue.venues():
            problem = f"must be one of {', '.join(catalogue.venues())}, not {args.venue!r}"
            raise ConfigError("--venue", "", problem)
        now_ts = time.time_ns()
        before_ts = None if args.ending is None else now_ts + args.ending * NS_PER_S
        text = " ".join(args.text).strip()
        if args.series and text:
            raise ConfigError("--series", "", "says what is listed: leave the text out")
        if args.series:
            found = await _of_series(catalogue, args, before_ts)
        elif text:
            found = await _by_text(catalogue, text, args)
        else:
            found = await _foremost(catalogue, args, before_ts)
    if before_ts is not None:
        found = [one for one in found if now_ts < (one.close_ts or 0) < before_ts]
    return found[: args.top]


async def _by_text(catalogue: Catalogue, text: str, args: argparse.Namespace) -> list[Listing]:
    """What a name stands for; what is no name, or nobody's, is searched for."""
    if catalogue.names(text):
        try:
            named = await catalogue.markets(text)
        except NotListed:
            _log.info("nothing is called %s: it is searched for", text)
        else:
            return [one for one in named if args.venue in (None, one.venue)]
    venues = catalogue.venues() if args.venue is None else (args.venue,)
    answers = await asyncio.gather(
        *(catalogue.search(text, venue=venue, limit=args.top) for venue in venues),
        return_exceptions=True,
    )
    events = _without_failures(venues, answers)
    open_ones = [
        market for event in events for market in event.markets if market.status not in ENDED
    ]
    return sorted(open_ones, key=_volume, reverse=True)


async def _of_series(
    catalogue: Catalogue, args: argparse.Namespace, before_ts: int | None
) -> list[Listing]:
    """The windows of a rolling series from the present one on, or what another one has now."""
    venue = catalogue.venue_of(args.series)
    if venue is None or args.venue not in (None, venue):
        where = f"of a series of {args.venue}" if args.venue else "of a series"
        raise ConfigError("--series", "", f"must be the name {where}, not {args.series!r}")
    if not catalogue.rolls(args.series):
        events = catalogue.events(venue, series=args.series, ends_before_ts=before_ts)
        return [market async for event in events for market in event.markets]
    series, found = Series(args.series), list[Listing]()
    for window in series.upcoming(min(args.top, _WINDOWS_MAX)):
        try:
            found += await catalogue.window(series, window.start_ts)
        except NotListed:
            break
    return found


def _without_failures(venues: Sequence[str], answers: Sequence[Any]) -> list[Any]:
    """What was answered; a venue that did not is said, and is an error if nobody did."""
    failures = [answer for answer in answers if isinstance(answer, BaseException)]
    for venue, answer in zip(venues, answers, strict=True):
        if isinstance(answer, BookfeedError):
            _log.warning("%s gave no answer: %s", venue, answer)
        elif isinstance(answer, BaseException):
            raise answer
    if len(failures) == len(answers):
        raise failures[0]
    return [one for answer in answers if not isinstance(answer, BaseException) for one in answer]


async def _foremost(
    catalogue: Catalogue, args: argparse.Namespace, before_ts: int | None
) -> list[Listing]:
    """The markets with the highest volume, of all or of those that close in time."""
    ranking = catalogue.venues(that_rank=True)
    venues = ranking if args.venue is None else (args.venue,)
    if not set(venues) <= set(ranking):
        problem = "does not sort its markets: give words of a title, or a series"
        raise CatalogueError(f"{venues[0]} {problem}")
    found: list[Listing] = []
    for venue in venues:
        if before_ts is None:
            found += await catalogue.top(args.top, venue=venue)
            continue
        async for event in catalogue.events(venue, ends_before_ts=before_ts):
            found += event.markets
    return sorted(found, key=_volume, reverse=True)


def _volume(listing: Listing) -> Decimal:
    return listing.volume_24h or Decimal(0)


def _show(output: str | None, found: Sequence[Listing]) -> None:
    if output == "json":
        write_json({"markets": [_object(one) for one in found]})
    elif output == "ndjson":
        for one in found:
            write_line({"type": "market", **_object(one)})
    else:
        now_ts = time.time_ns()
        rows = [(*_row(one, now_ts), one.slug) for one in found]
        write_table((*_HEADER, "name"), rows, right=_RIGHT, fit=_FIT)


def _row(listing: Listing, now_ts: int) -> tuple[object, ...]:
    spread = _spread(listing)
    title = f"{listing.title}: {listing.subtitle}" if listing.subtitle else listing.title
    prices = (_text(price) for price in (listing.bid, listing.ask, spread))
    amounts = (_whole(amount) for amount in (listing.volume_24h, listing.liquidity))
    return (cut(title, _TITLE_COLUMNS), listing.venue, *prices, *amounts, _left(listing, now_ts))


def _spread(listing: Listing) -> Decimal | None:
    if listing.bid is None or listing.ask is None:
        return None
    return listing.ask - listing.bid


def _left(listing: Listing, now_ts: int) -> str:
    """How long it is open: ``2d 3h``, ``1h 05m``, ``4m 10s``; how it ended, if it has."""
    if listing.status in ENDED or listing.close_ts is None:
        return listing.result or listing.status
    seconds = max(0, listing.close_ts - now_ts) // NS_PER_S
    minutes, hours, days = seconds // 60, seconds // 3_600, seconds // 86_400
    if days:
        return f"{days}d {hours % 24}h"
    if hours:
        return f"{hours}h {minutes % 60:02}m"
    return f"{minutes}m {seconds % 60:02}s"


def _object(listing: Listing) -> dict[str, object]:
    """A listing for programs; times are Unix nanoseconds, other numbers floats."""
    numbers = (
        "bid", "ask", "last", "volume", "volume_24h", "liquidity", "open_interest", "tick_size",
        "min_order_size",
    )  # fmt: skip
    texts = (
        "venue", "market", "slug", "title", "subtitle", "event", "series", "status", "result",
        "open_ts", "start_ts", "close_ts", "resolution_source",
    )  # fmt: skip
    outcomes = [
        {"name": one.name, "symbol": one.symbol, "payout": _float(one.payout)}
        for one in listing.outcomes
    ]
    return (
        {name: getattr(listing, name) for name in texts}
        | {name: _float(getattr(listing, name)) for name in numbers}
        | {"outcomes": outcomes, "fee": None if listing.fee is None else listing.fee.text()}
    )


def _whole(number: Decimal | None) -> int | None:
    return None if number is None else round(number)


def _float(number: Decimal | None) -> float | None:
    return None if number is None else float(number)


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number:f}"
