"""Where a live command gets its frames from: a configured venue, or a simulator of its own."""

import argparse
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bookfeed import config
from bookfeed.cli.demo import demo_clock, demo_config, demo_keys, demo_names, demo_pace
from bookfeed.cli.lookup import Lookup
from bookfeed.cli.places import Places, load_lookup, places
from bookfeed.cli.simulator import DEMOS, of_demo, simulator
from bookfeed.cli.targets import expanded, is_series, is_symbol, looked_up
from bookfeed.config import Config
from bookfeed.errors import ConfigError
from bookfeed.own.endpoint import OwnEndpoint
from bookfeed.recordings.pace import Pace
from bookfeed.venues import VENUES

if TYPE_CHECKING:
    from bookfeed.catalogue.listing import Listing

_NO_KEYS: Final[Mapping[str, Any]] = {}
_log = logging.getLogger(__name__)


class Source(NamedTuple):
    """A name for people, what to follow, and with which keys, by venue, if not the user's.

    ``again`` reads it anew, in a thread of its own; ``None`` where there is no file to read, or
    series roll beside it.
    """

    name: str
    config: Config
    keys: Mapping[str, Any] = _NO_KEYS
    again: Callable[[], "Source"] | None = None
    series: tuple[str, ...] = ()
    """The rolling series among what was named, and those that are paired."""
    lookup: Lookup = Lookup()
    """Where names are looked up."""
    listings: "tuple[Listing, ...]" = ()
    """How the markets are listed that were looked up."""
    own: Sequence[OwnEndpoint] | None = None
    """Private channels, if not those of the configuration."""
    now_ns: Callable[[], int] = time.time_ns
    """By which time the windows of series begin and end."""
    pace: Pace | None = None
    """How windows are simulated in haste; ``None`` where they take their time."""


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Source]:
    """The source that the arguments ask for; a demo's simulator lives as long as the context.

    Raises ``ConfigError`` for a configuration that cannot be used, ``SimulatorError`` if the
    simulator does not start.
    """
    if args.demo:
        # What stands behind it is a target, unless it is one of the demos.
        for name in (*args.targets, *({args.demo} - set(DEMOS))):
            raise ConfigError("--demo", name, "the demo follows markets of its own")
        if args.sim:
            raise ConfigError("--demo", "", "is simulated already: leave --sim out")
        with _demo(args) as source:
            yield source
        return
    with places(args) as there:
        yield configured(args.config, args.targets, there)


@contextmanager
def _demo(args: argparse.Namespace) -> Iterator[Source]:
    (venue, *more), said = of_demo(args)
    if said:
        _log.warning("%s", said)
    else:
        load_lookup()
    with simulator(args, venue, *more) as listing:
        keys = demo_keys(listing)
        lookup = Lookup(listing.get("lookup", {}))
        names = demo_names(listing)
        found = looked_up(names, lookup) if names else []
        yield Source(
            f"demo seed {args.seed}",
            demo_config(listing, [one.table for one in found]),
            keys,
            series=tuple(listing.get("series", ())),
            lookup=lookup,
            listings=tuple(one.listing for one in found if one.listing is not None),
            now_ns=demo_clock(listing),
            pace=demo_pace(listing),
        )


def _paired(path: str | None, there: Places) -> list[str]:
    """The series that a file pairs, which are followed without being named."""
    if path is None:
        return []
    pairs = config.load(path, there.environ).series_pairs()
    return [name for pair in pairs for name in pair.series]


def configured(path: str | None, given: Sequence[str], there: Places) -> Source:
    """A file's markets, those named by the command line, or both together; names looked up.

    Raises ``ConfigError`` for what cannot be used, ``CatalogueError`` for what nobody lists.
    """
    targets = expanded(given)
    if path is None and not targets:
        problem = "nothing to follow: give --config, --demo, or targets such as"
        example = next(iter(VENUES.values()))
        raise ConfigError("", "", f"{problem} {example.name}:SYMBOL")
    named = [target for target in targets if not is_symbol(target)]
    names = list(dict.fromkeys((*named, *_paired(path, there))))
    found = looked_up(names, there.lookup) if names else []
    symbols = list(filter(is_symbol, targets))
    loaded = config.load(path, there.environ, targets=symbols, found=found)
    if not loaded.market:
        raise ConfigError(str(path), "market", "nothing to follow: add a [[market]]")
    there.check(loaded)
    rolling = tuple(name for name in names if is_series(name))
    # Looked up anew, a series would lose the window that is not settled yet.
    again = None if path is None or rolling else partial(configured, path, given, there)
    name = path or ", ".join(targets)
    listings = tuple(one.listing for one in found if one.listing is not None)
    own = there.own(loaded)
    return Source(name, loaded, there.keys, again, rolling, there.lookup, listings, own)
