"""Kraken spot, simulated: books with their sums, and trades, by its second WebSocket API.

``serve`` starts it on loopback, ``stream.KrakenStream`` runs it in process under a virtual clock.
"""

from bookfeed.sim.kraken.server import (
    KrakenSimConfig,
    KrakenSimServer,
    configured,
    run_blocking,
    serve,
)
from bookfeed.sim.spot_server import ready, ready_line

__all__ = [
    "KrakenSimConfig",
    "KrakenSimServer",
    "configured",
    "ready",
    "ready_line",
    "run_blocking",
    "serve",
]
