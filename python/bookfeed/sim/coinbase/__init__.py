"""Coinbase spot, simulated: whole books and trades by its Advanced Trade WebSocket.

``serve`` starts it on loopback, ``stream.CoinbaseStream`` runs it in process under a virtual clock.
"""

from bookfeed.sim.coinbase.server import (
    CoinbaseSimConfig,
    CoinbaseSimServer,
    configured,
    run_blocking,
    serve,
)
from bookfeed.sim.spot_server import ready, ready_line

__all__ = [
    "CoinbaseSimConfig",
    "CoinbaseSimServer",
    "configured",
    "ready",
    "ready_line",
    "run_blocking",
    "serve",
]
