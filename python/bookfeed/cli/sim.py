"""``bookfeed sim``: a simulated venue on loopback, until interrupted."""

import argparse
import re
from typing import Final, cast, get_args

from bookfeed.errors import ConfigError, ExitCode
from bookfeed.sim.faults import Fault, FaultKind
from bookfeed.sim.polymarket import SimConfig, run_blocking

_FAULT: Final = re.compile(
    r"(?P<kind>\w+)(?::(?P<variant>\w+))?"
    r"(?:@(?P<when>\d+(?:\.\d+)?)(?P<unit>s?))?(?:\+(?P<lasts>\d+(?:\.\d+)?)s)?",
    re.ASCII,
)


def execute(args: argparse.Namespace) -> ExitCode:
    """Serves until SIGINT, SIGTERM or, if asked, the end of standard input."""
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
    return ExitCode.OK


def parse_fault(text: str) -> Fault:
    """``kind[:variant][@frame | @seconds s][+duration s]``, such as ``freeze@2.5s+1s``.

    Raises ``ConfigError`` for anything else.
    """
    found = _FAULT.fullmatch(text)
    if found is None or (found["when"] and not found["unit"] and "." in found["when"]):
        raise ConfigError("--fault", text, "must be KIND[:VARIANT][@FRAME or @SECONDSs][+SECONDSs]")
    if found["kind"] not in get_args(FaultKind):
        raise ConfigError("--fault", text, f"kind must be one of {', '.join(get_args(FaultKind))}")
    when, in_seconds = found["when"], bool(found["unit"])
    try:
        return Fault(
            cast("FaultKind", found["kind"]),
            at_frame=int(when) if when and not in_seconds else None,
            at_s=float(when) if when and in_seconds else None,
            variant=found["variant"] or "",
            duration_s=float(found["lasts"]) if found["lasts"] else None,
        )
    except ValueError as error:
        raise ConfigError("--fault", text, str(error)) from error
