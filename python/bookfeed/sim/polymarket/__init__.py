"""Polymarket, simulated: its market channel and book REST calls.

``serve`` starts it on loopback, ``stream.Stream`` runs it in process under a virtual clock.
"""

from bookfeed.sim.polymarket.server import (
    WS_PATH,
    MarketListing,
    SimConfig,
    SimServer,
    configured,
    ready,
    ready_line,
    run_blocking,
    serve,
)

__all__ = [
    "WS_PATH",
    "MarketListing",
    "SimConfig",
    "SimServer",
    "configured",
    "ready",
    "ready_line",
    "run_blocking",
    "serve",
]
