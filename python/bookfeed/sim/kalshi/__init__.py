"""Kalshi, simulated: its WebSocket with signed handshakes, and its public REST calls.

``serve`` starts it on loopback, ``stream.KalshiStream`` runs it in process under a virtual clock.
"""

from bookfeed.sim.kalshi.server import (
    WS_PATH,
    KalshiSimConfig,
    KalshiSimServer,
    configured,
    ready,
    ready_line,
    run_blocking,
    serve,
)

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
