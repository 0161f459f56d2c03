"""The simulated spot venues as worlds: each with its referee, and the faults that it can make."""

from functools import partial
from typing import Final

from bookfeed.scorecard.campaigns.binance_kraken import (
    binance_drawn,
    bitstamp_drawn,
    coinbase_drawn,
    cryptocom_drawn,
    gemini_drawn,
    gemini_v2_drawn,
    kraken_drawn,
    run,
)
from bookfeed.scorecard.campaigns.binance_kraken_client import SILENCE_NS
from bookfeed.scorecard.campaigns.seen import APPLIED_ONCE
from bookfeed.scorecard.campaigns.world import World
from bookfeed.sim.binance.faults import BinanceFault
from bookfeed.sim.bitstamp.faults import BitstampFault
from bookfeed.sim.coinbase.faults import CoinbaseFault
from bookfeed.sim.cryptocom.faults import CryptocomFault
from bookfeed.sim.gemini.faults import GeminiFault
from bookfeed.sim.kraken.faults import KrakenFault
from bookfeed.sim.numbers import NUMBERS
from bookfeed.sim.spot_stamps import STAMPS


def _stamps(*own: str) -> tuple[str, ...]:
    """Cells of wrong stamps, at a venue whose own units these are."""
    return tuple(f"stamp:{variant}" for variant in STAMPS if variant not in own)


_SHARED: Final = {
    "F01": ("reset",),
    "F02": ("disconnect",),
    "F04": ("freeze",),
    "F05": ("delay",),
    "F08": ("malformed:invalid_utf8",),
    "F09": ("malformed:truncated", "malformed:unattributable", "bit_flip"),
    "F10": ("unknown:type", "unknown:member", "foreign"),
    "F11": ("malformed:bad_number",),
    "F14": ("drop",),
    "F15": ("duplicate:at_once", "duplicate:later"),
    "F16": ("swap",),
    "F21": ("restart",),
    "F29": _stamps(),
}
# Where a whole book is asked by REST, and the venue says before it ends a connection.
_BY_REST: Final = {
    "F17": ("disconnect & rest_late", "disconnect & rest_short"),
    "F18": ("disconnect & rest_stale",),
    "F26": (
        "disconnect & rest_error:429",
        "disconnect & rest_error:418",
        "disconnect & rest_error:500",
        "disconnect & rest_malformed:truncated",
        "disconnect & rest_malformed:bad_number",
    ),
    "F38": ("shutdown",),
}
# Where a whole book comes by the stream, after it is subscribed to.
_BY_STREAM: Final = {
    "F17": (
        "disconnect & snapshot:lost",
        "disconnect & snapshot:late",
        "disconnect & snapshot:foreign",
    ),
    "F18": ("disconnect & snapshot:again",),
}
WORLDS: Final = (
    World(
        "binance",
        partial(run, venue="binance"),
        BinanceFault,
        binance_drawn,
        {
            **_SHARED,
            **_BY_REST,
            "F29": _stamps("millis", "micros"),
            "F14": ("drop", "gap", "rewind"),
        },
        SILENCE_NS,
        {
            "duplicate": APPLIED_ONCE,
            "rest_short": "as far as such a book is known it is true",
        },
    ),
    World(
        "kraken",
        partial(run, venue="kraken"),
        KrakenFault,
        kraken_drawn,
        {
            **_SHARED,
            **_BY_STREAM,
            "F20": ("checksum", "level:top", "corrupt:top"),
            "F39": ("refused",),
        },
        SILENCE_NS,
        {"duplicate": APPLIED_ONCE},
    ),
    World(
        "coinbase",
        partial(run, venue="coinbase"),
        CoinbaseFault,
        coinbase_drawn,
        {
            **_SHARED,
            **_BY_STREAM,
            # A bit that makes another number of one shows to nobody.
            "F09": ("malformed:truncated", "malformed:unattributable"),
            "F10": ("unknown:type", "unknown:member"),
            "F14": ("drop", *(f"numbers:{variant}" for variant in NUMBERS)),
            "F39": ("refused",),
        },
        SILENCE_NS,
        {"duplicate": APPLIED_ONCE},
    ),
    World(
        "bitstamp",
        partial(run, venue="bitstamp"),
        BitstampFault,
        bitstamp_drawn,
        {
            **_SHARED,
            **_BY_REST,
            "F29": _stamps("micros"),
        },
        SILENCE_NS,
        {"duplicate": APPLIED_ONCE},
    ),
    World(
        "gemini",
        partial(run, venue="gemini"),
        GeminiFault,
        gemini_drawn,
        {
            **_SHARED,
            **_BY_STREAM,
            "F14": ("drop", "gap"),
            "F18": (*_BY_STREAM["F18"], "disconnect & part:best"),
            "F29": _stamps("nanos"),
        },
        SILENCE_NS,
        {"duplicate:at_once": APPLIED_ONCE},
    ),
    World(
        "gemini-v2",
        partial(run, venue="gemini-v2"),
        GeminiFault,
        gemini_v2_drawn,
        # Nothing is numbered: what is lost or overtaken shows to nobody.
        {row: faults for row, faults in _SHARED.items() if row not in ("F14", "F16")}
        | _BY_STREAM
        | {"F29": _stamps("millis", "nanos")},
        SILENCE_NS,
        {"duplicate": APPLIED_ONCE},
        form_of="gemini",
    ),
    World(
        "cryptocom",
        partial(run, venue="cryptocom"),
        CryptocomFault,
        cryptocom_drawn,
        {
            **_SHARED,
            **_BY_STREAM,
            # A bit that makes another number of one shows to nobody.
            "F09": ("malformed:truncated", "malformed:unattributable"),
            "F14": ("drop", "chain:earlier", "chain:later"),
            "F29": _stamps("millis", "micros"),
            "F39": ("refused",),
        },
        SILENCE_NS,
        {"duplicate:at_once": APPLIED_ONCE},
    ),
)  # fmt: skip
