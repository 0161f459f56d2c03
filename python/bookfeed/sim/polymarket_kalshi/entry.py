"""How both venues are started by name: with markets that belong together, with windows beside
them, or with all listings.
"""

import json
from typing import Final

from bookfeed.sim.entry import OptionError, Options
from bookfeed.sim.polymarket_kalshi import listed, server
from bookfeed.sim.polymarket_kalshi.btc.world import BtcConfig
from bookfeed.sim.polymarket_kalshi.listed import ListedConfig
from bookfeed.sim.polymarket_kalshi.server import PairedConfig
from bookfeed.sim.server import serve_until_told

LISTED: Final = "listed"
WINDOWS: Final = "windows"
BTC: Final = "btc"

# Six hours of them.
_WINDOWS: Final = 72


def configured(options: Options) -> PairedConfig | ListedConfig | BtcConfig:
    """The configuration that fits what is asked for; ``ValueError`` for what cannot be."""
    variant = options.variant_of((LISTED, WINDOWS, BTC))
    for name, given in (("--port", options.port), ("--rest-port", options.rest_port)):
        if given:
            raise OptionError(name, given, "two venues listen on two ports, any free ones")
    if options.tls is not None:
        raise OptionError("--tls", "", "one venue at a time has TLS")
    if options.faults:
        raise OptionError("--fault", options.faults[0], "one venue at a time has faults")
    if variant == BTC:
        return BtcConfig(seed=options.seed)
    if variant == LISTED:
        options.only_mirrored("what is listed has one book a market")
        return ListedConfig(questions=options.markets, rate=options.rate, seed=options.seed)
    return PairedConfig(
        markets=options.markets,
        rate=options.rate,
        seed=options.seed,
        unmirrored=options.unmirrored,
        windows=_WINDOWS if variant == WINDOWS else 0,
    )


def run_blocking(
    config: PairedConfig | ListedConfig | BtcConfig, *, exit_with_parent: bool = False
) -> None:
    """Serves until SIGINT or SIGTERM; prints what a client needs to know as one line of JSON once
    both listen.

    With ``exit_with_parent`` it also ends when its stdin closes. ``OSError`` if they cannot
    listen, ``ModuleNotFoundError`` without a package that is needed; whatever broke the markets,
    should that happen.
    """
    if isinstance(config, BtcConfig):
        # Not before: its listings need aiohttp.
        from bookfeed.sim.polymarket_kalshi.btc import server as btc

        serve_until_told(
            lambda: btc.serve(config),
            lambda one: json.dumps(btc.ready(one)),
            exit_with_parent=exit_with_parent,
        )
        return
    if isinstance(config, ListedConfig):
        serve_until_told(
            lambda: listed.serve(config),
            lambda one: json.dumps(listed.ready(one)),
            exit_with_parent=exit_with_parent,
        )
        return
    serve_until_told(
        lambda: server.serve(config),
        lambda one: json.dumps(server.ready(one)),
        exit_with_parent=exit_with_parent,
    )
