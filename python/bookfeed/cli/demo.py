"""What ``--demo`` follows: a configuration for the simulators, made from their ready line."""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from bookfeed import config
from bookfeed.config import Config
from bookfeed.sim import BOTH, package
from bookfeed.venues import VENUES

_demo: Final = import_module(f"{package(BOTH)}.demo")


def demo_simulator() -> tuple[str, str]:
    """The simulator to start, and what is to be said if it is not the whole demo."""
    served: tuple[str, str] = _demo.served()
    return served


def demo_config(listing: Mapping[str, Any]) -> Config:
    """Configuration for the simulator whose ready line is ``listing``.

    ``BOOKFEED_*`` variables count, except those that say where a venue is and with which key.
    """
    places = tuple(f"{config.ENV_PREFIX}{name.upper()}{config.ENV_SEPARATOR}" for name in VENUES)
    environ = {name: text for name, text in os.environ.items() if not name.startswith(places)}
    return config.parse(_demo.configuration(listing), "demo", environ)


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
