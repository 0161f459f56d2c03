"""The recordings that ``hostile.py`` mutates: small excerpts of many, and a few that are larger.

A file of one to three kilobytes is read in about a millisecond, so a million of them can be. Each
has what its frames rest on: listings, rules, connections, whole books; then a stretch from
anywhere.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from audit_journals import Records, kalshi_recorded, recorded, spot_recorded, two_venues_recorded

from bookfeed.recordings.kinds import Kind
from bookfeed.sim.polymarket_kalshi.twovenue import TwoVenueConfig

# Records of a whole recording; bytes of a record in an excerpt.
RECORDS_MAX: Final = 150
BYTES_MAX: Final = 2_600
# One file of so many is a whole recording, not an excerpt.
WHOLE_EVERY: Final = 50
_CONTROL: Final = (Kind.SUBSCRIBE, Kind.RULE)
_USER_CONN: Final = 7
# What simulators have no need of: each of them is valid, and changes an engine.
_RARE: Final[tuple[tuple[Kind, bytes], ...]] = (
    (Kind.INVALIDATE, b"gap"),
    (Kind.RESYNC_BEGIN, b'{"instrument": 0}'),
    (Kind.RESYNC_BEGIN, b'{"instrument": 1, "asked": true}'),
    (Kind.UNSUBSCRIBE, b'{"instrument": 0}'),
    (Kind.FORGET, b'{"instrument": 0}'),
    (Kind.RULE_END, b'{"rule": 0}'),
    (Kind.OWN, b'{"instrument": 0, "bids": [[400000000, 5]], "asks": [[410000000, 10000000]]}'),
    (Kind.DROPPED, b'{"records": 3}'),
    (Kind.NOTE, b'{"rule": {"number": 0, "name": "a", "about": {"basis": ["b", 1]}}}'),
    (Kind.REST, b"[]"),
    (Kind.REST_BOOK, b'{"instrument": 0, "stands_at": 5}\n{"bids":[["0.4","5"]],"asks":[]}'),
    (Kind.CONNECTED, b"user"),
    (Kind.SUBSCRIBE, b'{"venue": "user", "symbol": "mine", "fee": "user:0.002"}'),
    (Kind.RULE, b'{"kind": "spread", "params": {"open": "0.01", "min_hold_ms": "5"}}'),
    (Kind.FRAME, b'{"symbol":"mine","bid":["0.4","9"],"ask":["0.6","9"],"max_age_ns":99999}'),
)


@dataclass(frozen=True)
class Base:
    """A recording that is mutated. ``symbols`` are its books, in the order of their listings."""

    venues: tuple[str, ...]
    engine: dict[str, Any]
    records: Records
    symbols: tuple[bytes, ...] = field(init=False)
    _about: dict[int, tuple[Records, Records]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        listings = (json.loads(r[-1]) for r in self.records if r[0] == Kind.SUBSCRIBE)
        symbols = tuple(dict.fromkeys(each["symbol"].encode() for each in listings))
        object.__setattr__(self, "symbols", symbols)

    def about(self, books: int) -> tuple[Records, Records]:
        """The records of the first so many ``books`` that are not too large, and of none.

        Apart: what sets the engine up, and what comes then.
        """
        if books not in self._about:
            ours, others = self.symbols[:books], self.symbols[books:]
            kept = [
                record
                for record in self.records
                if len(record[-1]) <= BYTES_MAX
                and (
                    any(each in record[-1] for each in ours)
                    or not any(each in record[-1] for each in others)
                )
            ]
            setup = [record for record in kept if record[0] in _CONTROL]
            self._about[books] = setup, [each for each in kept if each[0] not in _CONTROL]
        return self._about[books]


def excerpt(rng: random.Random, base: Base) -> Records:
    """A few books of ``base``, how they began, and a stretch of what came."""
    setup, rest = base.about(rng.randint(1, min(4, len(base.symbols))))
    rules = [record for record in setup if record[0] == Kind.RULE]
    listings = [record for record in setup if record[0] == Kind.SUBSCRIBE]
    begun, at = rng.randint(3, 7), rng.randrange(len(rest))
    out = [*rng.sample(rules, min(len(rules), 2)), *listings, *rest[:begun]]
    out += rest[max(at, begun) :][: rng.randint(2, 8)]
    for _ in range(rng.choice((0, 0, 1, 3))):
        kind, payload = rng.choice(_RARE)
        ts, conn = out[-1][1], rng.choice((out[-1][2], _USER_CONN))
        out.insert(rng.randint(len(out) // 2, len(out)), (int(kind), ts, conn, 1, payload))
    return out


def chosen(rng: random.Random) -> tuple[Base, Records]:
    """A recording, and the records of it that are to be mutated."""
    base = rng.choice(bases())
    if rng.randrange(WHOLE_EVERY):
        return base, excerpt(rng, base)
    return base, base.records[:RECORDS_MAX]


@cache
def bases() -> tuple[Base, ...]:
    """Some of each venue, with rules, and some of two venues."""
    return tuple(_bases())


def _bases() -> Iterator[Base]:
    for seed in range(1, 4):
        rules: list[tuple[str, dict[str, Any]]] = [
            ("complement", {"min_edge": "0.001", "confirm": "off" if seed == 1 else "on"})
        ]
        mode = ("always", "sampled", "off")[seed - 1]
        records, engine = recorded(seed, items=500, rules=rules, hash_check=mode)
        yield Base(("polymarket",), engine, _apart(records))
        yes = seed != 2
        yield Base(("kalshi",), {}, kalshi_recorded(seed + 2, use_yes_price=yes, items=400))
        both = two_venues_recorded(TwoVenueConfig(seed=seed), items=400)
        yield Base(("polymarket", "kalshi"), {}, _apart(both))
        for venue in ("binance", "kraken", "coinbase", "bitstamp", "gemini", "cryptocom"):
            records, engine = spot_recorded(venue, seed, items=400)
            yield Base((venue,), engine, records)


def _apart(records: Records) -> Records:
    """A frame of several whole books as a frame for each, so that a few bytes hold one."""
    out: Records = []
    for kind, ts, conn, epoch, payload in records:
        if kind == Kind.FRAME and payload.startswith(b'[{"market"') and len(payload) > BYTES_MAX:
            try:
                books = json.loads(payload)
            except ValueError:  # one of the simulator's own faults
                books = []
            for book in books:
                alone = json.dumps(book, separators=(",", ":")).encode()
                out.append((kind, ts, conn, epoch, alone))
        out.append((kind, ts, conn, epoch, payload))
    return out
