"""PolyBolt, simulated: numbered channels of prices, keys, limits; on loopback or in process."""

from bookfeed.sim import relay_server
from bookfeed.sim.polymarket.polybolt.session import KEY, Faults, PolyboltSession
from bookfeed.sim.polymarket.polybolt.touches import of_venue
from bookfeed.sim.polymarket.venue import SimVenue
from bookfeed.sim.relay_prices import Prices
from bookfeed.sim.relay_server import RelaySimConfig, RelaySimServer, configured

__all__ = ["KEY", "Faults", "PolyboltSession", "configured", "made", "run_blocking"]


def made(
    config: RelaySimConfig,
    faults: Faults | None = None,
    venue: SimVenue | None = None,
    *,
    always: bool = False,
) -> RelaySimServer:
    """A simulator that is not started yet; its first connection has the ``faults``, or each
    of them ``always``. It tells the touches of a ``venue``, else made-up ones.
    """
    source = None if venue is None else of_venue(venue)

    def session(prices: Prices, conn: int, opened_ms: int) -> PolyboltSession:
        wrong = faults if faults is not None and (always or conn == 0) else Faults()
        return PolyboltSession(prices, opened_ms, config.seed + conn, wrong, source=source)

    return RelaySimServer("polybolt", config, session, "/ws")


def run_blocking(config: RelaySimConfig, *, exit_with_parent: bool = False) -> None:
    """Serves until told to end; a ready line on standard output says where."""
    relay_server.run_blocking(lambda: made(config), exit_with_parent=exit_with_parent)
