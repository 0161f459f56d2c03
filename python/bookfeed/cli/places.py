"""Where a command finds venues and what they list: out there, or simulated here (``--sim``).

Two of the simulated venues share a world, in which names are looked up; each of the others has a
simulator of its own, which is started where a target or a configuration names the venue.
"""

import argparse
import importlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from bookfeed import config as configuration
from bookfeed.cli.lookup import Lookup, lookup
from bookfeed.cli.simulator import LISTED, missing, needs_both, simulator, venue_of
from bookfeed.cli.targets import expanded
from bookfeed.config import ENV_PREFIX, ENV_SEPARATOR, Config
from bookfeed.errors import ConfigError
from bookfeed.own.endpoint import OwnEndpoint, own_endpoint
from bookfeed.sim import BOTH, alone
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
    traded: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What is traded on venues that have a simulator of their own, by venue."""

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

    def check(self, loaded: Config) -> None:
        """``ConfigError`` if a venue would have to be asked out there, and is not to be, or if a
        simulated one does not trade what is followed.
        """
        if self.served is None:
            return
        for name in loaded.venues():
            if VENUES[name].section is not None and name not in self.served:
                told = ", ".join(sorted(self.served))
                raise ConfigError("--sim", name, f"is not simulated here, only {told}")
        for market in loaded.markets():
            traded = self.traded.get(market.venue)
            if traded is not None and market.market not in traded:
                told = ", ".join(sorted(traded))
                raise ConfigError(
                    "--sim", f"{market.venue}:{market.market}", f"is not simulated, only {told}"
                )

    def beside(self, venue: str, told: Mapping[str, Any]) -> "Places":
        """These places and a venue that has a simulator of its own, which told this."""
        section = f"{ENV_PREFIX}{venue.upper()}{ENV_SEPARATOR}"
        own = {"WS_URL": told["ws"], "REST_URL": told["rest"]}
        environ = {
            name: text for name, text in self.environ.items() if not name.startswith(section)
        }
        environ |= {f"{section}{key}": url for key, url in own.items() if url is not None}
        return replace(
            self,
            environ=environ,
            served=(self.served or frozenset()) | {venue},
            traded={**self.traded, venue: frozenset(one["symbol"] for one in told["markets"])},
        )


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
    with ExitStack() as simulators:
        if needs_both(args):
            if told := missing():
                raise ConfigError("--sim", "", told)
            load_lookup()
            there = _simulated(args, simulators.enter_context(simulator(args, BOTH, *LISTED)))
        else:
            there = Places(lookup(args, {}), os.environ, {}, frozenset())
        for venue in _alone(args):
            there = there.beside(venue, simulators.enter_context(simulator(args, venue)))
        yield there


def _alone(args: argparse.Namespace) -> list[str]:
    """The venues that are named, and have a simulator of their own."""
    named = expanded(getattr(args, "targets", None) or [getattr(args, "target", "")])
    venues = [venue_of(target) for target in named]
    if (path := getattr(args, "config", None)) is not None:
        venues += configuration.load(path, {}).venues()
    return [venue for venue in dict.fromkeys(venues) if venue in alone()]


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
