"""``bookfeed trades``: the newest trades of a market, as its venue remembers them."""

import argparse
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from bookfeed.catalogue.fields import plain
from bookfeed.catalogue.listing import ListedTrade
from bookfeed.cli import exact
from bookfeed.cli.lookup import Lookup
from bookfeed.cli.places import places
from bookfeed.cli.targets import is_symbol
from bookfeed.clock import NS_PER_S
from bookfeed.errors import ConfigError, ExitCode
from bookfeed.loops import run
from bookfeed.monitor.output import write_json, write_line, write_table

_HEADER: Final = ("time (UTC)", "outcome", "side", "price", "size")
_CENTS: Final = 2


def execute(args: argparse.Namespace) -> ExitCode:
    """Asks and prints; fails if there are none."""
    with places(args) as there:
        found = run(_trades(args.target, args.count, there.lookup))
    if args.output == "json":
        write_json({"trades": [_object(one) for one in found]})
    elif args.output == "ndjson":
        for one in found:
            write_line({"type": "trade", **_object(one)})
    else:
        write_table(_HEADER, _rows(found, time.time_ns()), right=("price", "size"))
    return ExitCode.OK if found else ExitCode.FAILURE


async def _trades(target: str, count: int, where: Lookup) -> Sequence[ListedTrade]:
    async with where.catalogue() as catalogue:
        name = target
        if is_symbol(target):
            venue, _, name = target.partition(":")
            if venue not in catalogue.venues():
                told = ", ".join(catalogue.venues())
                raise ConfigError(target, "", f"only {told} are asked for trades")
        return await catalogue.trades(await catalogue.market(name), count)


def _object(trade: ListedTrade) -> dict[str, object]:
    """A trade for programs; numbers are exact text, its time is Unix nanoseconds."""
    return {
        "ts": trade.ts,
        "outcome": trade.outcome,
        "side": trade.aggressor,
        "price": plain(trade.price),
        "qty": plain(trade.qty),
        "id": trade.id,
    }


def _rows(trades: Sequence[ListedTrade], now_ts: int) -> list[tuple[object, ...]]:
    prices = exact.aligned([plain(one.price) for one in trades], _CENTS)
    sizes = exact.aligned([plain(one.qty) for one in trades])
    return [
        (_time(one.ts, now_ts), one.outcome, one.aggressor, price, size)
        for one, price, size in zip(trades, prices, sizes, strict=True)
    ]


def _time(ts: int, now_ts: int) -> str:
    """The time, and the day if it was another one."""
    then, now = (datetime.fromtimestamp(one // NS_PER_S, UTC) for one in (ts, now_ts))
    return f"{then:%H:%M:%S}" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M:%S}"
