"""What a configuration says of a feed: the arguments of ``Feed``, and the journal to record into.

``Feed.from_config``, ``bookfeed run`` and ``bookfeed record`` all go this way.
"""

import logging
from collections.abc import Container, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bookfeed._bookfeed import Engine
from bookfeed.config import Config, placed
from bookfeed.errors import ConfigError
from bookfeed.live.http import available as rest_available
from bookfeed.live.options import SessionOptions
from bookfeed.own.endpoint import OwnEndpoint, own_endpoint
from bookfeed.recordings.writer import JournalWriter
from bookfeed.venues import RELAYS, VENUES, Endpoint

_MIB: Final = 1024 * 1024

_log: Final = logging.getLogger("bookfeed.feed")


def arguments(
    config: Config, source: str, keys: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The keyword arguments of ``Feed`` for ``config``; those that are ``given`` replace them.

    Of ``endpoints`` each venue's is replaced by itself.
    ``source`` is what errors call the configuration; ``keys`` are by venue and replace those that
    are configured or in the environment. Raises ``ConfigError`` if there is nothing to follow, or
    for a venue that needs a key and has none that can be used.
    """
    if not (config.market or config.relays.topics) and "markets" not in given:
        raise ConfigError(source, "market", "nothing to follow: add a [[market]]")
    made: dict[str, Any] = {
        "markets": config.markets(),
        "rules": config.signal_rules(),
        "indices": [index.estimate() for index in config.index],
        "terms": config.terms.parameters(),
        "sinks": config.sinks(),
        "busy_poll": config.feed.busy_poll,
        "options": session_options(config),
    }
    if config.own.venues and "own" not in given:
        made["own"] = own_endpoints(config, source)
    made["net_own"] = config.own.net
    if config.relays.topics and "topics" not in given:
        made |= {"relay_credentials": relay_keys(config), "topics": config.relays.topics}
    made |= relays(config)
    if "engine" not in given:
        made["engine"] = Engine(**config.engine.arguments())
    made |= given
    if not given.keys() & {"url", "rest_url"}:
        own = given.get("endpoints") or {}
        made["endpoints"] = {**endpoints(config, source, keys, without=own), **own}
    return made


def placed_error(error: ConfigError, source: str) -> ConfigError:
    """The same error where the configuration ``source`` has it: venues know no files."""
    if error.source in VENUES:
        error = ConfigError(source, f"{error.source}.{error.key}", error.problem)
    return placed(error)


def session_options(config: Config) -> SessionOptions:
    """The numbers of a session, as they are configured."""
    how = config.feed
    stagger_ms = how.connect_stagger_ms
    return SessionOptions(
        frame_bytes_max=how.frame_bytes_max,
        connect_stagger_s=stagger_ms / 1e3 if stagger_ms is not None else None,
        backoff_min_s=how.backoff_min_s,
        backoff_max_s=how.backoff_max_s,
        silence_s=config.engine.silence_s,
        poll_interval_s=how.poll_interval_s,
        poll_after_s=how.poll_after_s,
        reconnect=how.reconnect,
        lines=how.lines,
    )


def endpoints(
    config: Config,
    source: str,
    keys: Mapping[str, Any] | None = None,
    *,
    without: Container[str] = (),
) -> dict[str, Endpoint]:
    """Where to find each venue that has markets and is connected to.

    ``source`` is what errors call ``config``. A venue without one of the ``keys`` has the one that
    is configured, or the environment's. Those ``without`` are left out, with whatever they would
    need.
    """
    found = {}
    for name in config.venues():
        if name in without or name not in config.sections:
            continue  # left out, or nothing to connect to
        endpoint = config.sections[name].endpoint(source, (keys or {}).get(name))
        if endpoint.rest_url is not None and not rest_available():
            _log.info("%s: no books by REST: aiohttp is not installed", name)
            endpoint = replace(endpoint, rest_url=None)
        found[name] = endpoint
    return found


def relays(config: Config) -> dict[str, Any]:
    """Where relays are, and of how many books one is asked for the touch."""
    urls = {"rtds": config.relays.rtds_url, "polybolt": config.relays.polybolt_url}
    return {"relay_urls": urls, "touches": config.relays.touches}


def relay_keys(config: Config) -> dict[str, Any]:
    """The environment's keys of the relays that topics are asked of.

    Raises ``ConfigError`` for a key that cannot be one.
    """
    used = dict.fromkeys(topic.partition(":")[0] for topic in config.relays.topics)
    keys = {name: RELAYS[name].credentials() for name in used}
    return {name: key for name, key in keys.items() if key is not None}


def own_endpoints(config: Config, source: str) -> list[OwnEndpoint]:
    """The private channels that are configured; ``ConfigError`` where credentials are missing."""
    return [
        own_endpoint(
            name,
            section=config.sections.get(name),
            source=source,
            ask_every_s=config.own.ask_every_s,
        )
        for name in config.own.venues
    ]


def journal(config: Config, source: str, directory: Path | None = None) -> JournalWriter:
    """A journal as ``[record]`` has it, or in another directory; a thread of its own writes it.

    Raises ``JournalError`` if it cannot be written there.
    """
    record = config.record
    return JournalWriter(
        Path(record.directory) if directory is None else directory,
        prefix=record.prefix,
        config_hash=config.fingerprint(),
        notes={
            "source": source,
            "venues": config.venues(),
            "engine": config.engine.arguments(),
        },
        flush_interval_s=record.flush_interval_ms / 1e3,
        sync_interval_s=record.sync_interval_s,
        rotate_bytes=record.rotate_mib * _MIB,
        rotate_s=record.rotate_minutes * 60.0,
        upload=record.upload,
        keep_days=record.keep_days,
    )
