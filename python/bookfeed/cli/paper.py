"""``--paper``: signals as orders that arrive a latency later, and what would have come of them."""

import argparse
from typing import Any, Final

from bookfeed._bookfeed import Engine, PaperFill

LATENCY_MS: Final = 250
_MS_NS: Final = 1_000_000


def engine_options(args: argparse.Namespace) -> dict[str, Any]:
    """Arguments of ``Engine`` for what the command line says; naming a latency asks for it, too."""
    if not args.paper and args.paper_latency_ms is None:
        return {}
    latency_ms = LATENCY_MS if args.paper_latency_ms is None else args.paper_latency_ms
    return {"paper_latency_ns": latency_ms * _MS_NS}


class PaperTape:
    """The fills of an engine's paper ledger, each handed out once.

    The engine keeps the newest few thousand; look more often than so many can arrive.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._told = 0

    def fresh(self) -> list[PaperFill]:
        """The fills since the last call, oldest first."""
        totals = self._engine.paper()
        count = 0 if totals is None else totals["signals"] - self._told
        if not count:
            return []
        self._told += count
        return self._engine.paper_fills()[-count:]
