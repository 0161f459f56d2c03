"""``--paper``: signals as orders that arrive a latency later, and what would have come of them."""

import argparse
from typing import Any, Final

LATENCY_MS: Final = 250
"""How late orders arrive, unless it is said otherwise."""
BESIDE_MS: Final = (50, LATENCY_MS, 1_000)
"""Beside that it is told what these would have kept."""


def engine_options(args: argparse.Namespace) -> dict[str, Any]:
    """Arguments of ``Engine`` for what the command line says; naming a latency asks for it, too."""
    if not args.paper and args.paper_latency_ms is None:
        return {}
    asked_ms = LATENCY_MS if args.paper_latency_ms is None else args.paper_latency_ms
    latencies = dict.fromkeys((asked_ms, *BESIDE_MS))
    return {"paper_latency_s": [latency_ms / 1e3 for latency_ms in latencies]}
