"""Polymarket and Kalshi at once: what an arbitrage engine sees, and what is really there.

``serve`` starts both on loopback with markets that belong together, ``listed.serve`` with all that
they list; ``twovenue.TwoVenueRun`` runs both in process under one clock, with opportunities and
what only looks like them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
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

_ENTRY: Final = ("configured", "run_blocking")


def __getattr__(name: str) -> Any:
    """A name of the above, imported now: who configures a client needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{'entry' if name in _ENTRY else 'server'}")
    return getattr(module, name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
