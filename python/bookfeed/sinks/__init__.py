"""Where records go when they leave the feed: sinks by kind, the one place that lists them.

``base.py`` says what a sink is. A new one that can be configured is a file here with a
``SinkSection``, and its line in ``SINKS``.
"""

from typing import Final

from bookfeed.sinks.base import (
    Beating,
    BookReading,
    Books,
    NotTaken,
    Sink,
    SinkOptions,
    SinkSection,
    SinkStatus,
)
from bookfeed.sinks.nats import NatsSection, NatsSink
from bookfeed.sinks.ndjson import NdjsonSection, NdjsonSink
from bookfeed.sinks.postgres import PostgresSection, PostgresSink
from bookfeed.sinks.redis import RedisSection, RedisSink
from bookfeed.sinks.sink_set import Given, SinkSet
from bookfeed.sinks.socket import SocketSection, SocketSink
from bookfeed.sinks.sqlite import SqliteSection, SqliteSink

SINKS: Final[dict[str, type[SinkSection]]] = {
    # A sink that does not say what it is is refused as one of the first kind.
    "ndjson": NdjsonSection,
    "nats": NatsSection,
    "postgres": PostgresSection,
    "redis": RedisSection,
    "socket": SocketSection,
    "sqlite": SqliteSection,
}

__all__ = [
    "SINKS",
    "Beating",
    "BookReading",
    "Books",
    "Given",
    "NatsSink",
    "NdjsonSink",
    "NotTaken",
    "PostgresSink",
    "RedisSink",
    "Sink",
    "SinkOptions",
    "SinkSection",
    "SinkSet",
    "SinkStatus",
    "SocketSink",
    "SqliteSink",
]
