"""What ``--demo`` follows: a configuration for the simulators, made from their ready line."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final

from bookfeed import config
from bookfeed.clock import NS_PER_S
from bookfeed.config import Config
from bookfeed.recordings.pace import Pace
from bookfeed.sim import BOTH, package
from bookfeed.venues import VENUES

_QUARTER_NS: Final = 900 * NS_PER_S
_demo: Final = import_module(f"{package(BOTH)}.demo")


def demo_clock(listing: Mapping[str, Any]) -> Callable[[], int]:
    """The time by which windows of rolling series begin and end there, Unix nanoseconds."""
    pace = demo_pace(listing)
    if pace is not None:
        return lambda: pace.shown(time.time_ns())
    ahead_ns = listing.get("ahead_s", 0) * NS_PER_S
    return lambda: time.time_ns() + ahead_ns


def demo_names(listing: Mapping[str, Any]) -> list[str]:
    """What is to be looked up there, besides the series that roll."""
    return [listing["ladder"]] if "ladder" in listing else []


def demo_pace(listing: Mapping[str, Any]) -> Pace | None:
    """How quarters of an hour are played in haste there; ``None`` if they take their time."""
    if "clock" not in listing:
        return None
    told = listing["clock"]
    return Pace(
        end_ts=told["first_end_s"] * NS_PER_S,
        shown_ts=told["quarter_end_s"] * NS_PER_S,
        played_ns=told["played_s"] * NS_PER_S,
        window_ns=_QUARTER_NS,
    )


def demo_config(listing: Mapping[str, Any], found: Sequence[Mapping[str, Any]] = ()) -> Config:
    """Configuration for the simulator whose ready line is ``listing``, with what was ``found``
    there by name.

    ``BOOKFEED_*`` variables count, except those that say where a venue is and with which key.
    """
    places = tuple(f"{config.ENV_PREFIX}{name.upper()}{config.ENV_SEPARATOR}" for name in VENUES)
    environ = {name: text for name, text in os.environ.items() if not name.startswith(places)}
    table = _demo.configuration(listing)
    table["market"] = [*table["market"], *found]
    return config.parse(table, "demo", environ)


def demo_keys(listing: dict[str, Any]) -> dict[str, Any]:
    """The keys that simulated venues have made for their clients, by venue.

    The listing is rid of them. They go from the simulator's pipe into what signs with them, past
    disk and environment.
    """
    keys = {}
    for name, environ in _demo.take_keys(listing).items():
        find = VENUES[name].credentials
        if find is not None:
            keys[name] = find(environ, "demo")
    return keys
