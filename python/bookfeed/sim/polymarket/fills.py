"""Trades that a connection, or the next one, tells once more though there was only one."""

from collections.abc import Sequence
from typing import Final

from bookfeed.sim.polymarket.wire import Message

_NEWER_MS: Final = 1_000
"""So much newer than a trade is nothing of its book that was told before it."""


class Copies:
    """Copies of trades that wait for their place."""

    def __init__(self) -> None:
        self._behind: list[tuple[int, str, int, bytes]] = []
        """Connection, asset, what the copy must be older than in Unix ms, and the copy."""
        self._anew: list[tuple[str, bytes]] = []

    @property
    def waiting(self) -> bool:
        """Whether a copy may follow a message."""
        return bool(self._behind)

    def behind(self, conn: int, asset_id: str, trade: Message, data: bytes) -> None:
        """Tells it again on ``conn`` behind a message about the asset's book that is newer."""
        self._behind.append((conn, asset_id, trade.ts_ms + _NEWER_MS, data))

    def anew(self, asset_id: str, data: bytes) -> None:
        """Has the next connection that follows the asset tell it again."""
        self._anew.append((asset_id, data))

    def due(self, conn: int, message: Message, named: Sequence[str]) -> list[bytes]:
        """The copies that come behind ``message``, which speaks of the books of ``named``."""
        found = [
            one
            for one in self._behind
            if one[0] == conn and one[1] in named and message.ts_ms > one[2]
        ]
        self._behind = [one for one in self._behind if one not in found]
        return [data for *_, data in found]

    def of_new(self, asset_ids: Sequence[str]) -> list[bytes]:
        """The copies with which a new connection that follows ``asset_ids`` begins."""
        found = [data for asset_id, data in self._anew if asset_id in asset_ids]
        self._anew = [one for one in self._anew if one[0] not in asset_ids]
        return found

    def forget(self, conn: int) -> None:
        """The connection was lost, and what it was about to tell again."""
        self._behind = [one for one in self._behind if one[0] != conn]
