"""Answers of Redis with an end: one that goes on and on is an error, and not all of memory.

What reads them keeps an answer until it is whole, while no other thread may run. A server that is
none, or a proxy gone wrong, would have the feed stand still.
"""

from typing import Any, Final

from redis.connection import DefaultParser
from redis.exceptions import ConnectionError as RedisConnectionError

READS_MAX: Final = 64
"""Of one answer, 64 KiB each at the most. Those to what a sink says are a few bytes."""


class BoundedParser(DefaultParser):  # type: ignore[misc, valid-type]
    """Reads answers as the package redis does by itself, as long as they end."""

    _reads = 0

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """The next answer; ``redis.ConnectionError`` for one that is too long."""
        self._reads = 0
        return super().read_response(*arguments, **options)

    def read_from_socket(self, *arguments: Any, **options: Any) -> bool:
        """More of it."""
        self._reads += 1
        if self._reads > READS_MAX:
            raise RedisConnectionError("an answer has no end; is it a Redis that listens there?")
        return bool(super().read_from_socket(*arguments, **options))
