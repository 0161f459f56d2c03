"""Binance spot, simulated: its market streams, and its depth snapshots over REST.

``serve`` starts it on loopback, ``stream.BinanceStream`` runs it in process under a virtual clock.
"""

from bookfeed.sim.binance.server import (
    BinanceSimConfig,
    BinanceSimServer,
    configured,
    run_blocking,
    serve,
)
from bookfeed.sim.spot_server import ready, ready_line

__all__ = [
    "BinanceSimConfig",
    "BinanceSimServer",
    "configured",
    "ready",
    "ready_line",
    "run_blocking",
    "serve",
]
