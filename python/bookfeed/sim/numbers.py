"""Counts that go on elsewhere: numbers left out, begun again, or too large for a float."""

from typing import Final

NUMBERS: Final = ("ten", "million", "zero", "one", "2^53", "2^63")
"""How a count can go on: so many further, from 0 or 1 on, or from a little before the end of what
a float, or a signed integer of 64 bits, can tell apart.
"""
_BEFORE: Final = 3
_FURTHER: Final = {"ten": 10, "million": 1_000_000}
_FROM: Final = {"zero": 0, "one": 1, "2^53": 2**53 - _BEFORE, "2^63": 2**63 - _BEFORE}


def moved_by(variant: str, number: int) -> int:
    """By how much the message that would have this number, and all after it, are off."""
    return _FURTHER[variant] if variant in _FURTHER else _FROM[variant] - number
