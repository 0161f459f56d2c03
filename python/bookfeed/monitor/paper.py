"""The fills of a paper ledger as they come: what an order a latency later would have captured."""

from typing import Final

from bookfeed._bookfeed import Engine, PaperFill


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
