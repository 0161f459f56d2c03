"""What venues answered to commands, handed to the connection it concerns.

Several venues share one engine, and whoever asks it first must not take the others' replies.
"""

from typing import Final

from bookfeed._bookfeed import Engine, Notice


class Notices:
    """The replies and errors of one engine, by connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine

    def take(self, conn: int) -> list[Notice]:
        """Return what was said on a connection since the last time, each notice once."""
        return self._engine.notices(conn) if self._engine.notices_pending(conn) else []
