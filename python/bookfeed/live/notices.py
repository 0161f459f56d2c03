"""What venues answered to commands, handed to the connection it concerns.

Several venues share one engine, and whoever asks it first must not take the others' replies.
"""

from collections import defaultdict
from typing import Final

from bookfeed._bookfeed import Engine, Notice


class Notices:
    """The replies and errors of one engine, by connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._waiting: Final[defaultdict[int, list[Notice]]] = defaultdict(list)

    def take(self, conn: int) -> list[Notice]:
        """Return what was said on a connection since the last time, each notice once."""
        if self._engine.notices_pending:
            for notice in self._engine.notices():
                self._waiting[notice.conn].append(notice)
        return self._waiting.pop(conn, []) if self._waiting else []
