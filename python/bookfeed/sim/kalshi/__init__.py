"""Kalshi, simulated: its WebSocket with signed handshakes, and its public REST calls.

``serve`` starts it on loopback, ``stream.KalshiStream`` runs it in process under a virtual clock.
"""

from bookfeed.sim.kalshi.server import (
    KalshiSimConfig,
    KalshiSimServer,
    configured,
    ready,
    ready_line,
    run_blocking,
    serve,
)
from bookfeed.sim.kalshi.signed import WS_PATH

__all__ = [
    "WS_PATH",
    "KalshiSimConfig",
    "KalshiSimServer",
    "configured",
    "ready",
    "ready_line",
    "run_blocking",
    "serve",
]
