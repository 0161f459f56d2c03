"""RTDS, simulated: prices of references, their past, trades; on loopback or in process."""

from bookfeed.sim import relay_server
from bookfeed.sim.polymarket.rtds.session import Faults, RtdsSession
from bookfeed.sim.relay_prices import Prices
from bookfeed.sim.relay_server import RelaySimConfig, RelaySimServer, configured

__all__ = ["Faults", "RtdsSession", "configured", "made", "run_blocking"]


def made(config: RelaySimConfig, faults: Faults | None = None) -> RelaySimServer:
    """A simulator that is not started yet; its first connection has the ``faults``."""

    def session(prices: Prices, conn: int, opened_ms: int) -> RtdsSession:
        wrong = faults if faults is not None and conn == 0 else Faults()
        return RtdsSession(prices, opened_ms, config.seed + conn, wrong, late=config.late)

    return RelaySimServer("rtds", config, session)


def run_blocking(config: RelaySimConfig, *, exit_with_parent: bool = False) -> None:
    """Serves until told to end; a ready line on standard output says where."""
    relay_server.run_blocking(lambda: made(config), exit_with_parent=exit_with_parent)
