"""PolyBolt beside a simulated Polymarket, for campaigns over sockets: of each 20 s the last three
are told wrong, in all ways that its simulator knows, one after the other.
"""

from typing import Any, Final

from bookfeed.sim.polymarket import polybolt
from bookfeed.sim.polymarket.polybolt.touches import TouchFault
from bookfeed.sim.relay_server import RelaySimConfig, RelaySimServer

EVERY_MS: Final = 20_000
LASTS_MS: Final = 3_000
# A connection of touches alone is replaced within this time.
_LONGEST_MS: Final = 900_000
_WRONG: Final[tuple[TouchFault, ...]] = ("lie", "ghost", "gap", "stuck", "stale", "silent")


def beside(server: Any) -> RelaySimServer:
    """Tells the touches of the books of a running simulator; not started yet."""
    ends_ms = range(EVERY_MS, _LONGEST_MS, EVERY_MS)
    spells = tuple(
        (end_ms - LASTS_MS, end_ms, _WRONG[at % len(_WRONG)]) for at, end_ms in enumerate(ends_ms)
    )
    faults = polybolt.Faults(touches=spells)
    return polybolt.made(RelaySimConfig(), faults, server.venue, always=True)
