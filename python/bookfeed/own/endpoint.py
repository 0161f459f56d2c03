"""Where a private channel is, whose it is, and how often REST is asked whether all was told."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from bookfeed.errors import ConfigError
from bookfeed.venues import VENUES
from bookfeed.venues.base import Section

if TYPE_CHECKING:
    from bookfeed.own.channel import Channel

# How often REST is asked although nothing is amiss.
ASK_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class OwnEndpoint:
    """A private channel, read only; ``Feed(own=[…])`` follows it.

    Made by ``own_endpoint``. Neither it nor anything that is made of it shows its credentials.
    """

    channel: "Channel" = field(repr=False)
    """The venue's channel, which holds the credentials."""
    url: str
    """Address of its WebSocket."""
    rest_url: str
    """Address of its REST interface, which tells what the channel did not."""
    ask_every_s: float = ASK_EVERY_S
    """How often REST is asked although nothing is amiss."""


def own_venues() -> tuple[str, ...]:
    """The venues whose private channels can be followed: those with a module here."""
    return tuple(name for name in VENUES if find_spec(f"{__package__}.{name}") is not None)


def own_endpoint(
    venue: str,
    *,
    section: Section | None = None,
    source: str = "environment",
    environ: Mapping[str, str] | None = None,
    ask_every_s: float = ASK_EVERY_S,
) -> OwnEndpoint:
    """The private channel of a venue, with the credentials that are configured or exported.

    ``section`` is the venue's part of a configuration, which errors call ``source``; without one
    the venue's own addresses are used. Raises ``ConfigError`` for a venue that has no such channel
    here, and where there are no credentials, or some that cannot be used.
    """
    if venue not in own_venues():
        known = ", ".join(own_venues())
        raise ConfigError(source, "own.venues", f'"{venue}" is not one of: {known}')
    if section is None:
        kind = VENUES[venue].section
        assert kind is not None, "a venue with a channel is one to connect to"
        section = kind()
    made: OwnEndpoint = import_module(f"{__package__}.{venue}").endpoint(
        section, source, os.environ if environ is None else environ, ask_every_s
    )
    return made
