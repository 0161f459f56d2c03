"""The only source of chance in the simulator: generators named by what they are for."""

from random import Random


def seeded(purpose: str, *numbers: int) -> Random:
    """A generator that depends on its name alone, the same in every process."""
    name = " ".join([purpose, *map(str, numbers)])
    return Random(name)  # noqa: S311  # simulated markets, no secrets
