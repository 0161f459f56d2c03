"""Bitstamp spot, simulated: changes with times, best levels beside them, whole books by REST.

``serve`` starts it on loopback, ``stream.BitstampStream`` runs it in process under a virtual clock.
"""

from bookfeed.sim.bitstamp.server import (
    BitstampSimConfig,
    BitstampSimServer,
    configured,
    run_blocking,
    serve,
)
from bookfeed.sim.spot_server import ready, ready_line

__all__ = [
    "BitstampSimConfig",
    "BitstampSimServer",
    "configured",
    "ready",
    "ready_line",
    "run_blocking",
    "serve",
]
