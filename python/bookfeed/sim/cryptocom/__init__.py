"""Crypto.com spot, simulated: a chain of numbered changes behind a whole book of so many levels.

``serve`` starts it on loopback, ``stream.CryptocomStream`` runs it in process under a virtual
clock.
"""

from bookfeed.sim.cryptocom.server import (
    CryptocomSimConfig,
    CryptocomSimServer,
    configured,
    run_blocking,
    serve,
)
from bookfeed.sim.spot_server import ready, ready_line

__all__ = [
    "CryptocomSimConfig",
    "CryptocomSimServer",
    "configured",
    "ready",
    "ready_line",
    "run_blocking",
    "serve",
]
