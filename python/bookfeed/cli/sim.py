"""``bookfeed sim``: a simulated venue, or both, on loopback until interrupted."""

import argparse
import re
from collections.abc import Collection
from typing import Any, Final, NamedTuple, TypedDict, cast, get_args

from bookfeed.errors import ConfigError, ExitCode, SimulatorError
from bookfeed.sim import kalshi, paired
from bookfeed.sim.kalshi.faults import KalshiFault, KalshiFaultKind
from bookfeed.sim.polymarket import SimConfig, run_blocking
from bookfeed.sim.polymarket.faults import Fault, FaultKind

# Fewer markets than these and a simulated Kalshi has short windows only.
_KALSHI_SHAPES_MIN: Final = 6

_FAULT: Final = re.compile(
    r"(?P<kind>\w+)(?::(?P<variant>\w+))?"
    r"(?:@(?P<when>\d+(?:\.\d+)?)(?P<unit>s?))?(?:\+(?P<lasts>\d+(?:\.\d+)?)s)?",
    re.ASCII,
)


def execute(args: argparse.Namespace) -> ExitCode:
    """Serves until SIGINT, SIGTERM or, if asked, the end of standard input."""
    serving = {"polymarket": _serve_polymarket, "kalshi": _serve_kalshi, "both": _serve_both}
    serving[args.venue](args)
    return ExitCode.OK


def _serve_polymarket(args: argparse.Namespace) -> None:
    faults = tuple(parse_fault(text) for text in args.fault)
    try:
        config = SimConfig(
            port=args.port,
            rest_port=args.rest_port,
            markets=args.markets,
            rate=args.rate,
            seed=args.seed,
            unmirrored=args.unmirrored,
            faults=faults,
        )
    except ValueError as error:
        raise ConfigError("sim", "", str(error)) from error
    run_blocking(config, exit_with_parent=args.exit_with_parent)


def _serve_kalshi(args: argparse.Namespace) -> None:
    if args.unmirrored:
        raise ConfigError("--unmirrored", str(args.unmirrored), "Kalshi has one book a market")
    faults = tuple(parse_kalshi_fault(text) for text in args.fault)
    try:
        config = kalshi.KalshiSimConfig(
            port=args.port,
            rest_port=args.rest_port,
            rate=args.rate,
            seed=args.seed,
            faults=faults,
            **kalshi_shapes(args.markets),
        )
    except ValueError as error:
        raise ConfigError("sim", "", str(error)) from error
    try:
        kalshi.run_blocking(config, exit_with_parent=args.exit_with_parent)
    except ModuleNotFoundError as error:
        raise SimulatorError(str(error)) from error


def _serve_both(args: argparse.Namespace) -> None:
    for name, given in (("--port", args.port), ("--rest-port", args.rest_port)):
        if given:
            raise ConfigError(name, str(given), "two venues listen on two ports, any free ones")
    if args.fault:
        raise ConfigError("--fault", args.fault[0], "one venue at a time has faults")
    try:
        config = paired.PairedConfig(
            markets=args.markets, rate=args.rate, seed=args.seed, unmirrored=args.unmirrored
        )
    except ValueError as error:
        raise ConfigError("sim", "", str(error)) from error
    try:
        paired.run_blocking(config, exit_with_parent=args.exit_with_parent)
    except ModuleNotFoundError as error:
        raise SimulatorError(str(error)) from error


class KalshiShapes(TypedDict, total=False):
    """The part of a simulated Kalshi's configuration that says how many markets there are."""

    quarters: int
    baskets: int
    basket_markets: int
    ladders: int
    ladder_markets: int


def kalshi_shapes(markets: int) -> KalshiShapes:
    """How so many markets that are open at the start divide: windows, one basket, one ladder."""
    if markets < _KALSHI_SHAPES_MIN:
        return {"quarters": markets, "baskets": 0, "ladders": 0}
    quarters = markets // 3
    basket = (markets - quarters) // 2
    ladder = markets - quarters - basket
    return {"quarters": quarters, "basket_markets": basket, "ladder_markets": ladder}


class _FaultParts(NamedTuple):
    """What the text of a fault says."""

    kind: str
    rest: dict[str, Any]


def parse_fault(text: str) -> Fault:
    """``kind[:variant][@frame | @seconds s][+duration s]``, such as ``freeze@2.5s+1s``.

    Raises ``ConfigError`` for anything else.
    """
    parts = _parts(text, get_args(FaultKind))
    try:
        return Fault(cast("FaultKind", parts.kind), **parts.rest)
    except ValueError as error:
        raise ConfigError("--fault", text, str(error)) from error


def parse_kalshi_fault(text: str) -> KalshiFault:
    """The same form with the kinds of Kalshi's simulator, such as ``terminal:25@500``."""
    parts = _parts(text, get_args(KalshiFaultKind))
    try:
        return KalshiFault(cast("KalshiFaultKind", parts.kind), **parts.rest)
    except ValueError as error:
        raise ConfigError("--fault", text, str(error)) from error


def _parts(text: str, kinds: Collection[str]) -> _FaultParts:
    found = _FAULT.fullmatch(text)
    if found is None or (found["when"] and not found["unit"] and "." in found["when"]):
        raise ConfigError("--fault", text, "must be KIND[:VARIANT][@FRAME or @SECONDSs][+SECONDSs]")
    if found["kind"] not in kinds:
        raise ConfigError("--fault", text, f"kind must be one of {', '.join(kinds)}")
    when, in_seconds = found["when"], bool(found["unit"])
    rest = {
        "at_frame": int(when) if when and not in_seconds else None,
        "at_s": float(when) if when and in_seconds else None,
        "variant": found["variant"] or "",
        "duration_s": float(found["lasts"]) if found["lasts"] else None,
    }
    return _FaultParts(found["kind"], rest)
