"""The fills of a paper ledger as they come: what an order a latency later would have captured."""

from typing import Final

from bookfeed._bookfeed import Engine, PaperFill


class PaperTape:
    """The fills of one of an engine's paper ledgers, each handed out once.

    The engine keeps the newest few thousand; look more often than so many can arrive.
    """

    def __init__(self, engine: Engine, ledger: int = 0) -> None:
        self._engine: Final = engine
        self._ledger: Final = ledger
        self._told = 0

    def fresh(self) -> list[PaperFill]:
        """The fills since the last call, oldest first."""
        totals = self._engine.papers()[self._ledger :]
        count = totals[0]["signals"] - self._told if totals else 0
        if not count:
            return []
        self._told += count
        return self._engine.paper_fills(self._ledger)[-count:]
