"""``bookfeed sim``: a simulated venue, or two together, on loopback until interrupted."""

import argparse
from pathlib import Path
from typing import Any

from bookfeed.errors import ConfigError, ExitCode, SimulatorError
from bookfeed.sim.certificates import SimTls
from bookfeed.sim.entry import OptionError, Options, Simulator, simulator
from bookfeed.sim.plan import Plan, PlanError, read_plan
from bookfeed.venues import VENUES


def execute(args: argparse.Namespace) -> ExitCode:
    """Serves until SIGINT, SIGTERM or, if asked, the end of standard input."""
    for option in ("speed", "at"):
        if args.recording is None and (given := getattr(args, option)) is not None:
            raise ConfigError(f"--{option}", str(given), "is of a recording: only with --from")
    name = args.venue or next(iter(VENUES))
    try:
        tls = None if args.tls is None else SimTls()
    except ModuleNotFoundError as error:
        raise SimulatorError(f"--tls: {error}: pip install cryptography") from error
    if tls is not None:
        Path(args.tls).write_bytes(tls.authority_pem)
    if args.recording is not None:
        from bookfeed.cli import sim_recording

        return sim_recording.execute(args, tls)
    options = Options(
        markets=args.markets,
        rate=args.rate,
        seed=args.seed,
        port=args.port,
        rest_port=args.rest_port,
        unmirrored=args.unmirrored,
        faults=tuple(args.fault),
        plan=_plan(args.faults),
        venue=name,
        tls=tls,
        variant=args.variant,
    )
    try:
        venue = simulator(name)
        config = _configured(venue, options)
        venue.run_blocking(config, exit_with_parent=args.exit_with_parent)
    except ModuleNotFoundError as error:
        raise SimulatorError(str(error)) from error
    return ExitCode.OK


def _plan(path: str | None) -> Plan | None:
    try:
        return None if path is None else read_plan(path)
    except PlanError as error:
        raise ConfigError("", "", str(error)) from error


def _configured(venue: Simulator, options: Options) -> Any:
    try:
        return venue.configured(options)
    except OptionError as error:
        raise ConfigError(error.option, error.given, str(error)) from error
    except PlanError as error:
        raise ConfigError("", "", str(error)) from error
    except ValueError as error:
        raise ConfigError("sim", "", str(error)) from error
