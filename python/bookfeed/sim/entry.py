"""How a simulator is started by name: what may be asked of it, and what it offers for that.

Every folder beside this module is the simulator of the venue of that name. It offers
``configured``, which makes its configuration from ``Options``, and ``run_blocking``, which serves
it; both are found by name, so that nothing here lists venues.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol, TypeVar, cast

from bookfeed.sim import package
from bookfeed.sim.certificates import SimTls
from bookfeed.sim.faults import Mishap
from bookfeed.sim.plan import Plan

_FAULT: Final = re.compile(
    r"(?P<kind>[\w-]+(?:\+[a-z]+)?)(?::(?P<variant>\w+))?"
    r"(?:@(?P<when>\d+(?:\.\d+)?)(?P<unit>s?))?(?:\+(?P<lasts>\d+(?:\.\d+)?)s)?",
    re.ASCII,
)

M = TypeVar("M", bound=Mishap)


class OptionError(ValueError):
    """An option that this simulator cannot serve."""

    def __init__(self, option: str, given: object, problem: str) -> None:
        super().__init__(problem)
        self.option = option
        """As on the command line."""
        self.given = str(given)


@dataclass(frozen=True, slots=True)
class Options:
    """What may be asked of any simulator."""

    markets: int = 10
    rate: float = 500.0
    """Frames a second; 0 as fast as the clients read."""
    seed: int = 1
    port: int = 0
    """WebSocket port; 0 picks a free one."""
    rest_port: int = 0
    """REST port; 0 picks a free one."""
    unmirrored: int = 0
    """Markets of which each outcome trades by itself."""
    faults: tuple[str, ...] = ()
    """As ``fault_of`` reads them."""
    plan: Plan | None = None
    """Others, from a file."""
    venue: str = ""
    """Whose simulator it is: a plan may have faults of several venues."""
    tls: SimTls | None = None
    """What encrypts its ports; ``None`` for nothing."""
    variant: str = ""
    """Another form of the venue, where it has one."""

    def faults_of(self, kind: type[M]) -> tuple[M, ...]:
        """The faults as those of a venue; ``OptionError`` and ``PlanError`` for what they cannot be
        there.
        """
        planned = () if self.plan is None else self.plan.faults_of(kind, self.venue)
        return (*(fault_of(text, kind) for text in self.faults), *planned)

    def variant_of(self, known: Sequence[str]) -> str:
        """The variant, one of ``known`` or none; ``OptionError`` for another."""
        if self.variant and self.variant not in known:
            problem = f"must be {' or '.join(known)}" if known else "this venue has one form only"
            raise OptionError("--variant", self.variant, problem)
        return self.variant

    def only_mirrored(self, problem: str) -> None:
        """``OptionError`` if unmirrored markets are asked of a venue that has none."""
        if self.unmirrored:
            raise OptionError("--unmirrored", self.unmirrored, problem)


class Simulator(Protocol):
    """What the package of a simulator offers."""

    def configured(self, options: Options) -> Any:
        """Its configuration; ``OptionError`` or ``ValueError`` for what cannot be."""

    def run_blocking(self, config: Any, *, exit_with_parent: bool = False) -> None:
        """Serves until told to end; a ready line on standard output says where.

        ``OSError`` if it cannot listen, ``ModuleNotFoundError`` without a package that it needs.
        """


def simulator(name: str) -> Simulator:
    """The simulator of a venue, or of ``BOTH``; ``ModuleNotFoundError`` if there is none."""
    return cast("Simulator", import_module(package(name)))


def fault_of(text: str, kind: type[M]) -> M:
    """``kind[:variant][@frame | @seconds s][+duration s]``, such as ``freeze@2.5s+1s``.

    Raises ``OptionError`` for anything else, and for a fault that the venue does not know.
    """
    found = _FAULT.fullmatch(text)
    if found is None or (found["when"] and not found["unit"] and "." in found["when"]):
        raise OptionError("--fault", text, "must be KIND[:VARIANT][@FRAME or @SECONDSs][+SECONDSs]")
    if found["kind"] not in kind.KNOWN:
        raise OptionError("--fault", text, f"kind must be one of {', '.join(kind.KNOWN)}")
    when, in_seconds = found["when"], bool(found["unit"])
    try:
        return kind(
            found["kind"],
            at_frame=int(when) if when and not in_seconds else None,
            at_s=float(when) if when and in_seconds else None,
            variant=found["variant"] or "",
            duration_s=float(found["lasts"]) if found["lasts"] else None,
        )
    except ValueError as error:
        raise OptionError("--fault", text, str(error)) from error
