"""Recordings: the one door into an engine that is journalled, files written, read, replayed."""
