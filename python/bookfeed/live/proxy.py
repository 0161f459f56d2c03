"""Which proxy leads to an address: as ``HTTPS_PROXY`` and its like in the environment say.

The variables are those of curl, in either case: ``HTTPS_PROXY`` for wss:// and https://,
``HTTP_PROXY`` for ws:// and http://, ``ALL_PROXY`` for what has none of its own, ``NO_PROXY`` for
hosts that are reached without one. This machine always is.
"""

import logging
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit
from urllib.request import (  # type: ignore[attr-defined]  # typeshed knows the first alone
    getproxies_environment,
    proxy_bypass_environment,
)

from bookfeed.errors import ConfigError
from bookfeed.venues.base import Endpoint, is_loopback

_VARIABLES: Final = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
_HTTP: Final = ("http", "https")
# Names of the scheme, and what picows calls it; the proxy looks names up in any case.
_SOCKS: Final = {"socks4": "socks4", "socks4a": "socks4", "socks5": "socks5", "socks5h": "socks5"}

_log: Final = logging.getLogger(__name__)


def proxy_of(url: str) -> str | None:
    """The proxy for a ws://, wss://, http:// or https:// address; ``None`` if there is none.

    Raises ``ConfigError`` for a variable that names no proxy that can be used.
    """
    address = urlsplit(url)
    proxies = getproxies_environment()
    given, variable = _given(proxies, _VARIABLES.get(address.scheme, ""))
    host = address.hostname or ""
    if not given or is_loopback(host) or proxy_bypass_environment(host, proxies):
        return None
    return _checked(given, variable)


def checked(endpoint: Endpoint) -> Endpoint:
    """``endpoint`` as far as proxies lead to it: REST does not go through SOCKS.

    Raises ``ConfigError`` as ``proxy_of`` does, and for a venue that is of no use without REST.
    """
    proxy_of(endpoint.url)
    proxy = None if endpoint.rest_url is None else proxy_of(endpoint.rest_url)
    if proxy is None or proxy.startswith(_HTTP):
        return endpoint
    name = endpoint.venue.name
    problem = "REST does not go through a SOCKS proxy: set HTTPS_PROXY to an http:// one"
    if endpoint.venue.needs_rest:
        raise ConfigError(name, "rest_url", problem)
    _log.warning("%s: no books by REST: %s", name, problem)
    return replace(endpoint, rest_url=None)


def _given(proxies: dict[str, str], name: str) -> tuple[str, str]:
    """What the environment has for a scheme, and the variable that says so."""
    name = name if proxies.get(name) else "all"
    return proxies.get(name, ""), f"{name.upper()}_PROXY"


def _checked(given: str, variable: str) -> str:
    """What a variable says, as an address; never shown, as it may hold a password."""
    if "://" not in given:
        given = f"http://{given}"
    scheme, _, where = given.partition("://")
    try:
        address = urlsplit(given)
        usable = bool(address.hostname) and address.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(variable, "", "must be an address such as http://host:3128")
    scheme = scheme.lower()
    if scheme not in (*_HTTP, *_SOCKS):
        kinds = ", ".join((*_HTTP, *_SOCKS))
        raise ConfigError(variable, "", f"must be a proxy of one of these kinds: {kinds}")
    return f"{_SOCKS.get(scheme, scheme)}://{where}"
