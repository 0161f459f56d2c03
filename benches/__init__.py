"""Benchmarks of what Python sees: bytes to touch, questions of a book, sockets to records."""
