"""Which markets a feed may follow together, and where the venues of theirs are to be found."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bookfeed.errors import ConfigError
from bookfeed.live import proxy
from bookfeed.live.http import available as rest_available
from bookfeed.live.http import required_rest_url
from bookfeed.market import Market
from bookfeed.venues import VENUES, Endpoint


def check_markets(markets: Sequence[Market]) -> None:
    """Raise ``ValueError`` for markets of no venue that is known, or two with the same symbol."""
    seen: set[tuple[str, str]] = set()
    for market in markets:
        if market.venue not in VENUES:
            known = ", ".join(VENUES)
            raise ValueError(
                f"market {market.market!r}: unknown venue {market.venue!r}, not one of: {known}"
            )
        for symbol in market.symbols:
            if (market.venue, symbol) in seen:
                raise ValueError(f"symbol {symbol!r} is in two markets")
            seen.add((market.venue, symbol))


def endpoints_of(
    markets: Sequence[Market],
    url: str | None,
    rest_url: str | None,
    ssl_context: ssl.SSLContext | None,
    given: Mapping[str, Endpoint] | None,
) -> dict[str, Endpoint]:
    """The endpoint of each venue that has markets and is connected to: as given, else its own.

    Raises ``ValueError`` for addresses that fit no venue, ``ConfigError`` where something is
    missing.
    """
    names = list(dict.fromkeys(market.venue for market in markets if _connects(market.venue)))
    chosen = dict(given or {})
    if url is not None or rest_url is not None:
        if len(names) != 1 or chosen:
            raise ValueError("url and rest_url are for one venue; use endpoints for several")
        there = _default(names[0])
        chosen[names[0]] = Endpoint(there.venue, url or there.url, rest_url, ssl_context)
    for name in names:
        if name not in chosen:
            there = _default(name)
            rest_url = there.rest_url if rest_available() else None
            chosen[name] = replace(there, rest_url=rest_url, ssl_context=ssl_context)
        endpoint = chosen[name] = proxy.checked(chosen[name])
        if endpoint.venue.check_url is not None:
            endpoint.venue.check_url(endpoint.url)
        if endpoint.venue.needs_rest:
            required_rest_url(endpoint)
        if endpoint.unstreamed and endpoint.rest_url is None:
            problem = f"{endpoint.unstreamed}, or REST to have them polled: rest_url, and aiohttp"
            raise ConfigError(name, "rest_url", f"{problem} (pip install 'bookfeed[rest]')")
    return {name: chosen[name] for name in names}


def _connects(name: str) -> bool:
    """Whether a venue is one to connect to."""
    return VENUES[name].section is not None


def _default(name: str) -> Endpoint:
    """A venue as it is without configuration, with the key that is in the environment."""
    section = VENUES[name].section
    assert section is not None, f"{name} is no venue to connect to"
    return section().endpoint("environment")
