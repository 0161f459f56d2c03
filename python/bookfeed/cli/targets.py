"""Targets of a command: symbols as venues spell them, names that are looked up, files of either."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bookfeed.cli.lookup import Lookup
from bookfeed.config import Found
from bookfeed.errors import CatalogueError, ConfigError
from bookfeed.loops import run

if TYPE_CHECKING:
    from bookfeed.catalogue.catalogue import Catalogue
    from bookfeed.catalogue.listing import Listing

ENDED: Final = ("closed", "settled")
"""How markets stand that are traded no more."""

# How long a market is waited for that is so new that it has no order books.
_READY_S: Final = 60.0

_log: Final = logging.getLogger(__name__)


def expanded(targets: Iterable[str]) -> list[str]:
    """The targets, and in place of ``@FILE`` those of its lines; ``#`` begins a remark there."""
    found: list[str] = []
    for target in targets:
        if not target.startswith("@"):
            found.append(target)
            continue
        path = Path(target[1:])
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            raise ConfigError(str(path), "", f"cannot read ({error.strerror or error})") from error
        except UnicodeDecodeError as error:
            raise ConfigError(str(path), "", "not UTF-8: save it as UTF-8") from error
        # In an address a `#` stands behind something.
        found += [line.split(" #")[0].strip() for line in lines if not line.startswith("#")]
    return [target for target in found if target]


def is_symbol(target: str) -> bool:
    """Whether a target is ``VENUE:SYMBOL``, and no name that is looked up."""
    _, colon, rest = target.partition(":")
    return bool(colon) and not rest.startswith("//")


def is_series(name: str) -> bool:
    """Whether a name is that of a rolling series."""
    from bookfeed.catalogue.series import Series

    try:
        Series(name)
    except CatalogueError:
        return False
    return True


def looked_up(names: Sequence[str], where: Lookup) -> list[Found]:
    """The markets that names stand for, each once; those that are traded no more are left out.

    ``ConfigError`` for what is no name, ``CatalogueError`` for one that nobody lists.
    """
    return run(_look_up(names, where))


def one_looked_up(target: str, where: Lookup) -> Found:
    """The one market that a name stands for, where several cannot be meant.

    Raises as ``looked_up`` does, and ``CatalogueError`` that names them if there are several.
    """
    return run(_look_one_up(target, where))


async def _look_one_up(name: str, where: Lookup) -> Found:
    from bookfeed.catalogue.catalogue import only

    async with where.catalogue() as catalogue:
        _check_name(catalogue, name)
        listing = only(name, _traded(name, await catalogue.markets(name)))
        ready = await catalogue.ready(listing, timeout_s=_READY_S)
        return Found(name, catalogue.table(ready), ready)


def _check_name(catalogue: "Catalogue", name: str) -> None:
    if not catalogue.names(name):
        problem = "must be VENUE:SYMBOL, the address of a market's page, a slug, a ticker,"
        raise ConfigError(name, "", f"{problem} a condition id, a token id or a series")


def _traded(name: str, markets: Iterable["Listing"]) -> list["Listing"]:
    listed = [one for one in markets if one.status not in ENDED]
    if not listed:
        raise CatalogueError(f"{name}: none of its markets is traded any more")
    return listed


async def _look_up(names: Sequence[str], where: Lookup) -> list[Found]:
    found: dict[tuple[str, str], Found] = {}
    async with where.catalogue() as catalogue:
        for name in names:
            _check_name(catalogue, name)
            before = len(found)
            listed = _traded(name, await catalogue.markets(name))
            for listing in listed:
                try:
                    ready = await catalogue.ready(listing, timeout_s=_READY_S)
                except CatalogueError as error:
                    _log.warning("%s is not followed: %s", listing.slug, error)
                    continue
                key = (listing.venue, listing.slug)
                found.setdefault(key, Found(name, catalogue.table(ready), ready))
            if len(found) == before:
                _log.info("%s: nothing that is not followed already", name)
    if not found:
        raise CatalogueError(f"no market of {', '.join(names)} can be followed now")
    return list(found.values())
