"""A day of rolling series on two venues, in minutes; as a program for the ``--hours`` given.

Eight series, of all shapes that there are, are followed by the clock of ``virtual_time`` from
``--start`` on, over the sockets of both simulated venues; quarters of an hour are paired. Prints
one JSON line; exits with 1 if a window was missed or its books came later than 2 s after its start,
a result is missing, uncertain or at odds, a pair was not watched, or something of what is over is
still there.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bookfeed.catalogue.catalogue import Catalogue
from bookfeed.catalogue.news import MarketNews
from bookfeed.catalogue.series import Series
from bookfeed.clock import NS_PER_S
from bookfeed.feed.deciding import Deciding
from bookfeed.feed.feed import Feed
from bookfeed.feed.rolling import UNSETTLED_S, Rolling
from bookfeed.feed.windows import WindowEnd
from bookfeed.live.options import SessionOptions
from bookfeed.records import Update
from bookfeed.rules.pairs import SeriesPair
from bookfeed.scorecard import virtual_time
from bookfeed.sim.polymarket_kalshi.rolling import RollingConfig, RollingServer, RollingSlot
from bookfeed.sim.polymarket_kalshi.schedule import EIGHT
from bookfeed.sim.server import started
from bookfeed.venues import Endpoint
from bookfeed.venues.kalshi import credentials, kalshi
from bookfeed.venues.polymarket import polymarket

GAP_S_MAX: Final = 2.0
START: Final = "2026-11-28T00:00:00+00:00"
PAIRS: Final = tuple(
    SeriesPair(name=f"{coin} quarters", series=(f"{coin}-updown-15m", f"KX{coin.upper()}15M"))
    for coin in ("btc", "eth")
)
# Virtual time costs by the timer: here the engine need not be told it ten times a second.
_ADVANCE_S: Final = 0.5
# The windows that are on at first are looked up then.
_BEGIN_S: Final = 30.0


@dataclass(slots=True)
class Seen:
    """What came of the books, by symbol; times in Unix nanoseconds."""

    live_ns: dict[str, int] = field(default_factory=dict)
    """When a book was live first."""
    left_ns: dict[str, int] = field(default_factory=dict)
    """Since when a book that was live is not."""
    away: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """From when to when a book was not live any more."""

    def take(self, update: Update) -> None:
        """A change of state."""
        if update.kind != "state":
            return
        symbol, ts = update.symbol, update.ts_recv
        if update.state == "live":
            self.live_ns.setdefault(symbol, ts)
            if (left := self.left_ns.pop(symbol, None)) is not None:
                self.away[symbol].append((left, ts))
        elif symbol in self.live_ns:
            self.left_ns.setdefault(symbol, ts)

    def gap_s(self, slot: RollingSlot, begun_ns: int) -> float:
        """How long after its start a window's last book was there; infinite if it never was."""
        start_ns = max(slot.slot.start_s * NS_PER_S, begun_ns)
        if not all(symbol in self.live_ns for symbol in slot.symbols):
            return float("inf")
        return max(0, max(self.live_ns[s] for s in slot.symbols) - start_ns) / NS_PER_S

    def away_s(self, slot: RollingSlot, until_ns: int) -> float:
        """The longest time for which a book of a window was away while it was on."""
        start_ns, end_ns = slot.slot.start_s * NS_PER_S, slot.slot.end_s * NS_PER_S
        longest = 0
        for symbol in slot.symbols:
            spans = list(self.away.get(symbol, ()))
            if symbol in self.left_ns:
                spans.append((self.left_ns[symbol], until_ns))
            for left_ns, back_ns in spans:
                longest = max(longest, min(back_ns, end_ns) - max(left_ns, start_ns))
        return longest / NS_PER_S


class Day:
    """A feed that follows eight series, and what is seen of it."""

    def __init__(self, server: RollingServer) -> None:
        self.server = server
        self.seen = Seen()
        self.clock = virtual_time.clock()
        self.ends: list[WindowEnd] = []
        self.certain: set[str] = set()
        """The symbols of markets of which it is certain how they ended."""
        self.at_odds: list[str] = []
        self.paired: set[tuple[str, str]] = set()
        key = server.kalshi.key
        assert key is not None
        signed = credentials(
            environ={"KALSHI_API_KEY_ID": key.key_id, "KALSHI_PRIVATE_KEY": key.private_pem}
        )
        here, there = server.polymarket, server.kalshi
        self.feed = Feed(
            endpoints={
                "polymarket": Endpoint(polymarket(), here.url, here.rest_url),
                "kalshi": Endpoint(kalshi(credentials=signed), there.url, there.rest_url),
            },
            on_update=self.seen.take,
            options=SessionOptions(advance_s=_ADVANCE_S),
            clock=self.clock,
        )
        self.feed.on_market(self._take_news)
        self.catalogue = Catalogue(
            urls={
                "polymarket.listings": server.gamma.url,
                "polymarket.books": str(here.rest_url),
                "polymarket.trades": server.data.url,
                "kalshi.listings": str(there.rest_url),
            }
        )

    async def pass_(self, hours: float) -> dict[str, object]:
        """Lets the hours pass; returns the figures."""
        loop = asyncio.get_running_loop()
        series = [Series(one.name) for one in EIGHT]
        begun_ns = self.clock.now_ns()
        rolling = Rolling(self.feed, self.catalogue, series, pairs=PAIRS, on_end=self.ends.append)
        deciding = Deciding(self.feed, self.catalogue)
        async with self.feed, self.catalogue, rolling, deciding:
            end_s = loop.time() + hours * 3_600
            while loop.time() < end_s:
                await asyncio.sleep(60)
                self._note_pairs()
            return self._figures(rolling, begun_ns, self.clock.now_ns())

    def _take_news(self, news: MarketNews) -> None:
        if news.kind == "decided" and not news.provisional:
            self.certain.update(one.symbol for one in news.listing.outcomes)
        if news.kind == "disagreement":
            self.at_odds.append(news.line())

    def _note_pairs(self) -> None:
        for rule in self.feed.rules.values():
            legs = rule.about["legs"]
            assert isinstance(legs, list)
            strikes = [leg["strike"] for leg in legs]
            if all(strike.replace(".", "").isdigit() for strike in strikes):
                self.paired.add((legs[0]["symbol"], legs[1]["symbol"]))

    def _figures(self, rolling: Rolling, begun_ns: int, now_ns: int) -> dict[str, object]:
        first_ns = begun_ns + round(_BEGIN_S * NS_PER_S)
        slots = [one for one in self.server.slots if one.slot.start_s * NS_PER_S < now_ns]
        gaps = {one.slot.name: self.seen.gap_s(one, first_ns) for one in slots}
        away = {one.slot.name: self.seen.away_s(one, now_ns) for one in slots}
        return {
            "windows": len(slots),
            "odd": sum(bool(one.odd) for one in slots),
            "missed": sum(one.missed for one in rolling.followed),
            "gap_s_max": max(gaps.values()),
            "late": _worst(gaps),
            "away_s_max": max(away.values()),
            "away": _worst(away),
            "unresolved": self._unresolved(slots, now_ns),
            "uncertain": self._uncertain(slots, now_ns),
            "at_odds": self.at_odds[:5],
            "unpaired": self._unpaired(slots, now_ns),
            "left": self._left(rolling),
            "reconnects": self.feed.counters()["reconnects"],
            "callback_errors": self.feed.counters()["callback_errors"],
        }

    def _unresolved(self, slots: Sequence[RollingSlot], now_ns: int) -> list[str]:
        """The windows that should have been told to be over by now, with a result that is true."""
        told = {(end.window.series, end.window.end_ts): end for end in self.ends}
        found = []
        for one in slots:
            end_ns = one.slot.end_s * NS_PER_S
            end = told.get((one.slot.series.name, end_ns))
            if now_ns < end_ns + round((UNSETTLED_S + 60) * NS_PER_S):
                continue
            unknown = end is None or any(each.result is None for each in end.markets)
            if unknown and one.odd != "unsettled":
                found.append(one.slot.name)
        return found

    def _uncertain(self, slots: Sequence[RollingSlot], now_ns: int) -> list[str]:
        """The windows of which it should be certain by now how they ended."""
        patience_ns = round((UNSETTLED_S + 60) * NS_PER_S)
        over = [one for one in slots if one.slot.end_s * NS_PER_S + patience_ns <= now_ns]
        return [
            one.slot.name
            for one in over
            if one.odd != "unsettled" and not self.certain.issuperset(one.symbols)
        ]

    def _unpaired(self, slots: Sequence[RollingSlot], now_ns: int) -> list[str]:
        """The quarters on Polymarket that were not watched with Kalshi's, both strikes known."""
        firsts = {symbol for symbol, _ in self.paired}
        return [
            one.slot.name
            for one in slots
            if (one.slot.series.venue, one.slot.series.cadence) == ("polymarket", "15m")
            and one.slot.end_s * NS_PER_S <= now_ns
            and one.symbols[0] not in firsts
        ]

    def _left(self, rolling: Rolling) -> dict[str, int]:
        """What there is beyond what is followed now."""
        held = [window for one in rolling.followed for window in one.windows.values()]
        markets = [market for window in held for market in window.markets]
        books = sum(len(market.symbols) for market in markets)
        ends = [{end for end in one.windows} for one in rolling.followed]
        both = [a & b for a, b in ((ends[0], ends[5]), (ends[1], ends[6]))]
        return {
            "markets": len(self.feed.markets) - len(markets),
            "books": len(self.feed.engine.books()) - books,
            "rules": len(self.feed.rules) - sum(map(len, both)),
        }


def _worst(figures: dict[str, float]) -> dict[str, float]:
    bad = sorted(((s, name) for name, s in figures.items() if s > GAP_S_MAX), reverse=True)
    return {name: s for s, name in bad[:5]}


async def pass_day(config: RollingConfig) -> dict[str, object]:
    """The figures of a day by the clock of the process."""
    server = await started(RollingServer(config))
    try:
        return await Day(server).pass_(config.hours)
    finally:
        await server.close()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Has a day of rolling series pass in minutes.")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--start", default=START, help=f"when it begins, by default {START}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-v", action="store_true", help="log what happens")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO if options.v else logging.CRITICAL)
    start_ns = int(datetime.fromisoformat(options.start).timestamp()) * NS_PER_S
    config = RollingConfig(hours=options.hours, seed=options.seed)
    loop = virtual_time.VirtualLoop()
    virtual_time.begin(loop, start_ns)
    figures = virtual_time.run(pass_day(config), loop)
    print(json.dumps(figures))
    gaps = float(str(figures["gap_s_max"])), float(str(figures["away_s_max"]))
    bad = [
        figures[name]
        for name in ("missed", "unresolved", "uncertain", "at_odds", "unpaired", "reconnects")
    ]
    left = figures["left"]
    assert isinstance(left, dict)
    return 1 if max(gaps) > GAP_S_MAX or any(bad) or any(left.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
