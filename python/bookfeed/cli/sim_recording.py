"""``bookfeed sim --from``: a recording served in the protocol of its venues."""

import argparse
import json
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from bookfeed.errors import ConfigError, ExitCode, RecordingError, SimulatorError
from bookfeed.recordings.playback import Playback
from bookfeed.sim import package
from bookfeed.sim.certificates import SimTls
from bookfeed.sim.recorded import RecordedConfig, RecordedServer, Rerun
from bookfeed.sim.server import serve_until_told, started

# What is said of simulated markets alone, by its argument, and what it is if nothing is said.
_SIMULATED: Final[dict[str, Any]] = {"fault": [], "faults": None, "unmirrored": 0, "variant": ""}


def execute(args: argparse.Namespace, tls: SimTls | None) -> ExitCode:
    """Serves until the end of the recording, SIGINT, SIGTERM or, if asked, the end of stdin."""
    for name, none in _SIMULATED.items():
        if (given := getattr(args, name)) != none:
            raise ConfigError(f"--{name}", str(given), "is of simulated markets: not with --from")
    past = Playback(Path(args.recording))
    rerun = _rerun(args, past, tls)
    serve_until_told(lambda: started(rerun), ready_line, exit_with_parent=args.exit_with_parent)
    print(json.dumps(_summary(rerun, past)), flush=True)
    problems = past.problems if rerun.ended else []
    for problem in problems:
        print(f"bookfeed sim: {problem}", file=sys.stderr)
    return ExitCode.DATA if problems else ExitCode.OK


def _rerun(args: argparse.Namespace, past: Playback, tls: SimTls | None) -> Rerun:
    venues = _venues(args, past)
    if len(venues) > 1 and (args.port or args.rest_port):
        raise ConfigError(
            "--port", "", f"the recording has {', '.join(venues)}: name one of them with --venue"
        )
    config = RecordedConfig(port=args.port, rest_port=args.rest_port, tls=tls)
    servers = {}
    for venue in venues:
        listed = [one for one in past.listed.values() if one.venue == venue]
        served: RecordedServer[Any] = _module(venue).served(config, past, listed)
        servers[venue] = served
    speed = 1.0 if args.speed is None else args.speed
    return Rerun(past, servers, speed=speed, begin_ns=_begin_ns(args, past))


def _venues(args: argparse.Namespace, past: Playback) -> list[str]:
    """The venues of the recording that are to be served."""
    there = sorted(past.frames)
    if args.venue is not None and args.venue not in there:
        raise ConfigError("--venue", args.venue, f"the recording has {', '.join(there)}")
    wanted = there if args.venue is None else [args.venue]
    found = [venue for venue in wanted if _is_served(venue)]
    if not found:
        raise RecordingError(
            f"{args.recording}: nothing serves recordings of {', '.join(wanted)}; replay it instead"
        )
    return found


def _is_served(venue: str) -> bool:
    try:
        _module(venue)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("bookfeed."):
            return False
        raise SimulatorError(str(error)) from error
    return True


def _module(venue: str) -> Any:
    return import_module(f"{package(venue)}.recorded")


def _begin_ns(args: argparse.Namespace, past: Playback) -> int | None:
    if args.at is None:
        return None
    ns, from_beginning = args.at
    at_ns: int = past.begin_ns + ns if from_beginning else ns
    if not past.begin_ns <= at_ns <= past.end_ns:
        between = " to ".join(map(_utc, (past.begin_ns, past.end_ns)))
        raise ConfigError("--at", _utc(at_ns), f"the recording goes from {between}")
    return at_ns


def ready_line(rerun: Rerun) -> str:
    """Where it listens and what there is, as one line of JSON; several venues by their names."""
    told = {venue: server.ready() for venue, server in rerun.servers.items()}
    return json.dumps(next(iter(told.values())) if len(told) == 1 else {"venue": "several", **told})


def _summary(rerun: Rerun, past: Playback) -> dict[str, Any]:
    return {
        "ended": rerun.ended,
        "until": _utc(past.now_ns),
        "served": {
            venue: {
                "connections": server.connections_seen,
                "frames": server.frames_sent,
                "books": server.books_sent,
                "withheld": server.withheld,
            }
            for venue, server in rerun.servers.items()
        },
    }


def _utc(ns: int) -> str:
    return datetime.fromtimestamp(ns // 1_000_000 / 1_000, UTC).isoformat().replace("+00:00", "Z")
