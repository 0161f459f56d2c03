"""Where a command finds venues and what they list: out there, or simulated here (``--sim``)."""

import argparse
import importlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from bookfeed.cli.lookup import Lookup, lookup
from bookfeed.cli.simulator import LISTED, missing, simulator
from bookfeed.config import ENV_PREFIX, ENV_SEPARATOR, Config
from bookfeed.errors import ConfigError
from bookfeed.own.endpoint import OwnEndpoint, own_endpoint
from bookfeed.sim import BOTH
from bookfeed.venues import VENUES
from bookfeed.venues.base import NO_KEY

# It takes as long to import as the simulator to start.
_LOOKING_UP: Final = ("bookfeed.catalogue.catalogue", "bookfeed.feed.rolling", "aiohttp")


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses and keys; ``served`` are the venues that are simulated, ``None`` if none is."""

    lookup: Lookup
    """Where names are looked up."""
    environ: Mapping[str, str] = field(repr=False)
    """Variables that override a configuration."""
    keys: Mapping[str, Any] = field(repr=False)
    """By venue, in place of the user's."""
    served: frozenset[str] | None = None
    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Addresses of private channels that are simulated, by venue."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What they take for the user's keys."""

    def own(self, config: Config) -> list[OwnEndpoint] | None:
        """The simulated private channels that are configured; ``None`` where none is simulated."""
        if self.served is None:
            return None
        return [
            own_endpoint(
                name,
                section=replace(config.sections[name], **self.sections[name]),  # type: ignore[type-var]
                source="--sim",
                environ=self.variables,
                ask_every_s=config.own.ask_every_s,
            )
            for name in config.own.venues
        ]

    def check(self, venues: Iterable[str]) -> None:
        """``ConfigError`` if a venue would have to be asked out there, and is not to be."""
        if self.served is None:
            return
        for name in venues:
            if VENUES[name].section is not None and name not in self.served:
                told = ", ".join(sorted(self.served))
                raise ConfigError("--sim", name, f"is not simulated here, only {told}")


def load_lookup() -> None:
    """Imports what names are looked up with, while a simulator starts."""
    for module in _LOOKING_UP:
        importlib.import_module(module)


@contextmanager
def places(args: argparse.Namespace) -> Iterator[Places]:
    """What ``--url`` and ``--sim`` say; simulators live as long as the context.

    Raises ``ConfigError`` for what cannot be, ``SimulatorError`` if no simulator starts.
    """
    if args.no_keys and not args.sim:
        raise ConfigError("--no-keys", "", "goes with --sim; elsewhere, configure no key")
    if not args.sim:
        yield Places(lookup(args, addresses(args.url)), os.environ, {})
        return
    if args.url:
        raise ConfigError("--sim", "", "says where names are looked up: leave --url out")
    if told := missing():
        raise ConfigError("--sim", "", told)
    load_lookup()
    with simulator(args, BOTH, *LISTED) as ready:
        yield _simulated(args, ready)


def _simulated(args: argparse.Namespace, told: dict[str, Any]) -> Places:
    """The places that a simulator tells of; its keys go from its pipe into what signs with them."""
    keys = {}
    for name, variables in told.pop("keys").items():
        if args.no_keys:
            keys[name] = NO_KEY
        elif (find := VENUES[name].credentials) is not None:
            keys[name] = find(variables, "--sim")
    sections = told["configuration"]
    own = tuple(f"{ENV_PREFIX}{name.upper()}{ENV_SEPARATOR}" for name in VENUES)
    environ = {name: text for name, text in os.environ.items() if not name.startswith(own)}
    for section, table in sections.items():
        for key, value in table.items():
            variable = f"{ENV_PREFIX}{section}{ENV_SEPARATOR}{key}".upper()
            environ[variable] = value if isinstance(value, str) else str(value).lower()
    where, own = lookup(args, told["lookup"]), told.pop("own")
    return Places(
        where,
        environ,
        keys,
        frozenset(sections) & frozenset(VENUES),
        own["sections"],
        {} if args.no_keys else own["variables"],
    )


def addresses(given: Iterable[str]) -> dict[str, str]:
    """What ``--url`` says, by ``VENUE.WHAT``."""
    urls = {}
    for text in given:
        name, equals, url = text.partition("=")
        if not equals:
            raise ConfigError("--url", "", f"must be VENUE.WHAT=URL, not {text!r}")
        urls[name] = url
    return urls
