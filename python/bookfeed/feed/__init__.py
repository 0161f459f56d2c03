"""The face: ``Feed``, live books and signals, and ``replay``, the same over a recording."""

from bookfeed.feed.feed import Feed

__all__ = ["Feed"]
