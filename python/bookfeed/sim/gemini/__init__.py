"""Gemini spot, simulated: numbered changes behind a whole book; or market data of version 2.

``serve`` starts it on loopback, ``stream.GeminiStream`` runs it in process under a virtual clock.
"""

from bookfeed.sim.gemini.server import (
    GeminiSimConfig,
    GeminiSimServer,
    configured,
    run_blocking,
    serve,
)
from bookfeed.sim.spot_server import ready, ready_line

__all__ = [
    "GeminiSimConfig",
    "GeminiSimServer",
    "configured",
    "ready",
    "ready_line",
    "run_blocking",
    "serve",
]
