"""Polymarket and Kalshi at once: what an arbitrage engine sees, and what is really there.

``serve`` starts both on loopback with markets that belong together, ``listed.serve`` with all that
they list; ``twovenue.TwoVenueRun`` runs both in process under one clock, with opportunities and
what only looks like them.
"""

from bookfeed.sim.polymarket_kalshi.entry import configured, run_blocking
from bookfeed.sim.polymarket_kalshi.server import (
    PairedConfig,
    PairedServer,
    QuotedKalshiServer,
    ready,
    serve,
)

__all__ = [
    "PairedConfig",
    "PairedServer",
    "QuotedKalshiServer",
    "configured",
    "ready",
    "run_blocking",
    "serve",
]
