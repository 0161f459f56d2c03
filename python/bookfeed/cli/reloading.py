"""A hangup has the configuration of a running command read anew: ``kill -HUP``."""

import asyncio
import logging
import os
import sys
from typing import Final

from bookfeed.cli.source import Source
from bookfeed.errors import BookfeedError
from bookfeed.feed.alerts import Alerts
from bookfeed.feed.feed import Feed
from bookfeed.feed.reload import reload

_log: Final = logging.getLogger("bookfeed.config")


class Reloading:
    """Reads the file anew and has the feed follow it, one time after the other."""

    def __init__(self, feed: Feed, source: Source, alerts: Alerts) -> None:
        self._feed: Final = feed
        self._alerts: Final = alerts
        self._source = source
        self._task: asyncio.Task[None] | None = None
        self._asked = False
        self._terminal: Final = _on_terminal()

    @property
    def hung_up(self) -> bool:
        """Whether the terminal on which it began is gone: then a hangup means what it says."""
        return self._terminal and not _on_terminal()

    def begin(self) -> None:
        """Read it anew; once more if that is under way, since it may have changed meanwhile."""
        self._asked = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._read_all())

    async def _read_all(self) -> None:
        try:
            while self._asked:
                self._asked = False
                await self._read()
        finally:
            self._task = None

    async def _read(self) -> None:
        again, name = self._source.again, self._source.name
        assert again is not None, "there is a file to read"
        try:
            fresh = await asyncio.to_thread(again)
            old, new = self._source.config, fresh.config
            self._alerts.check(new.alert)
            difference = await reload(self._feed, old, new, name, fresh.keys)
            self._alerts.follow(new.alert)
        except BookfeedError as error:
            _log.error("%s was not reloaded, nothing is changed: %s", name, error)
            return
        for listing in fresh.listings:
            self._feed.know(listing)
        self._source = fresh
        lines = difference.lines() or ["nothing changed"]
        _log.warning("%s was reloaded: %s", name, "; ".join(lines))


def _on_terminal() -> bool:
    """Whether somebody may be there: what a terminal that is gone was is none."""
    return any(os.isatty(stream.fileno()) for stream in (sys.__stdin__, sys.__stdout__) if stream)
