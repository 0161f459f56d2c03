"""The names of simulated venues, looked up in this process, and what can go wrong with that.

    faults = [NameFault("dns", variant="unknown", at_s=5, duration_s=10)]
    with SimNames({"venue.test": ["127.0.0.1"]}, faults) as names:
        ...  # a feed in this process that follows ws://venue.test:PORT/
        names.inject(NameFault("dns", variant="slow"))

It stands before the resolver of the system, which is asked for all other names. Who looks a name up
is the client: so this works where the client is, and a simulator in a process of its own has none
of these faults.
"""

import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Final

from bookfeed.sim.faults import FaultEvent, Mishap

HANGS_S: Final = 30.0
"""How long a resolver hangs where no name server answers."""
NOBODY: Final = "127.0.0.254"
"""Where nobody listens."""

NAME_VARIANTS: Final[dict[str, tuple[str, ...]]] = {
    "dns": ("unknown", "slow", "dead", "moved"),
}
"""
dns  no such name; the answer takes half a minute; the first address is one at which nobody listens;
     the host has moved: to the next of its addresses, and is at the first no more
"""


@dataclass(frozen=True, slots=True)
class NameFault(Mishap):
    """One thing that will go wrong with names; ``asset`` is the only host that it strikes."""

    KNOWN: ClassVar[Mapping[Any, tuple[str, ...]]] = NAME_VARIANTS

    def __post_init__(self) -> None:
        Mishap.__post_init__(self)
        if self.at_frame is not None or self.conn is not None:
            raise ValueError("fault dns strikes no frame and no connection: say when (at_s)")


class SimNames:
    """A resolver for ``hosts``, names and their addresses; ``faults`` are counted from its start.

    What it did is in ``log``, and ``asked`` counts questions.
    """

    def __init__(
        self, hosts: Mapping[str, Sequence[str]], faults: Sequence[NameFault] = ()
    ) -> None:
        self._hosts = {name: tuple(addresses) for name, addresses in hosts.items()}
        self._faults = list(faults)
        self._start_s = 0.0
        self._closing = threading.Event()
        self._real = socket.getaddrinfo
        self.asked = 0
        self.log: list[FaultEvent] = []

    def __enter__(self) -> "SimNames":
        self._start_s = time.monotonic()
        socket.getaddrinfo = self._resolve
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives the resolver of the system its place back; whoever hangs is answered."""
        self._closing.set()
        socket.getaddrinfo = self._real

    def inject(self, fault: NameFault) -> None:
        """Adds a fault; ``at_s`` still counts from the start."""
        self._faults.append(fault)

    def mend(self) -> None:
        """Ends all faults, and forgets those that were to come."""
        self._faults.clear()

    def _resolve(self, host: Any, port: Any, *args: Any, **more: Any) -> Any:
        addresses = self._hosts.get(host)
        if addresses is None:
            return self._real(host, port, *args, **more)
        self.asked += 1
        fault = self._lasting(host)
        if fault is not None:
            self.log.append(FaultEvent(fault, time.time_ns(), -1, -1, (host,), fault.variant))
            addresses = self._spoilt(fault.variant, addresses)
        # As the system has it: the family, and what a socket is made with.
        found = (self._real(address, port, *args, **more) for address in addresses)
        return [row for rows in found for row in rows]

    def _spoilt(self, variant: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
        match variant:
            case "unknown":
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            case "slow":
                self._closing.wait(HANGS_S)
                return addresses
            case "dead":
                return (NOBODY, *addresses)
            case _:
                return addresses[1:] or (NOBODY,)

    def _lasting(self, host: str) -> NameFault | None:
        now_s = time.monotonic() - self._start_s
        for fault in self._faults:
            begins_s = fault.at_s or 0.0
            over = fault.duration_s is not None and now_s >= begins_s + fault.duration_s
            if now_s >= begins_s and not over and fault.asset in (None, host):
                return fault
        return None
