"""What of this machine and of what is installed slows a feed down, or stops it."""

import importlib.metadata
import os
import platform
import resource
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from bookfeed import loops
from bookfeed.config import Config
from bookfeed.doctor.finding import MACHINE, Finding, Grade
from bookfeed.live import native
from bookfeed.venues.base import Section

# What a process holds open besides connections: streams, the loop's own, libraries, a journal.
_FILES_BESIDE: Final = 64
# A connection that is replaced is there twice for a moment, and REST has some of its own.
_FILES_A_CONNECTION: Final = 3
_FREE_BYTES_MIN: Final = 1 << 30

# What bookfeed runs on, and what brings it where it is optional.
_PACKAGES: Final = {
    "bookfeed": "",
    "picows": "",
    "numpy": "",
    "orjson": "",
    "uvloop": "the event loop is slower without: pip install uvloop",
    "aiohttp": "no books by REST without: pip install 'bookfeed[rest]'",
    "cryptography": "no key can be used without: pip install cryptography",
}

_CPUS: Final = Path("/sys/devices/system/cpu")
_CLOCK: Final = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
# Clocks that a read costs no system call; the others cost a microsecond or more for each frame.
_QUICK_CLOCKS: Final = frozenset(
    {"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"}
)


def findings(config: Config, connections: int) -> Iterator[Finding]:
    """All of them, in the order in which they are told; ``connections`` are wanted at once."""
    yield from _versions(needs_key=any(section.SECRETS for section in _used(config)))
    yield _loop()
    yield _listener()
    yield _files(connections)
    yield from _processors(busy=config.feed.busy_poll)
    yield from _clock_source()
    yield from _folders(config)


def _used(config: Config) -> list[Section]:
    return [config.sections[name] for name in config.venues() if name in config.sections]


def _finding(check: str, grade: Grade, text: str, advice: str = "", **facts: Any) -> Finding:
    return Finding(MACHINE, check, grade, text, advice, facts)


def installed() -> dict[str, str | None]:
    """The versions of what bookfeed runs on; ``None`` for what is not there."""
    versions: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _versions(*, needs_key: bool) -> Iterator[Finding]:
    versions = installed()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    there = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    yield _finding("versions", "ok", f"{python}, {system}; {there}", versions=versions)
    for name, version in versions.items():
        if version is None and _PACKAGES[name] and (name != "cryptography" or needs_key):
            yield _finding("versions", "warn", f"{name} is not installed", _PACKAGES[name])


def _loop() -> Finding:
    if loops.uvloop_available():
        return _finding("loop", "ok", "uvloop")
    return _finding("loop", "warn", "asyncio's own event loop", "pip install uvloop")


def _listener() -> Finding:
    if not native.DIFFERENCE:
        return _finding("listener", "ok", "native: frames go into the engine without Python")
    text = f"Python takes every frame: this picows {native.DIFFERENCE}"
    return _finding("listener", "warn", text, "pip install --upgrade bookfeed picows")


def _files(connections: int) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = _FILES_BESIDE + _FILES_A_CONNECTION * connections
    told = f"{soft if soft != resource.RLIM_INFINITY else 'any number of'} may be open"
    text = f"{told}, {need} are needed"
    facts: dict[str, Any] = {"limit": soft, "limit_max": hard, "need": need}
    if soft == resource.RLIM_INFINITY or soft >= need:
        return _finding("open files", "ok", text, **facts)
    advice = f"ulimit -n {need}"
    if hard != resource.RLIM_INFINITY and hard < need:
        advice += f", which needs a higher hard limit than {hard} (limits.conf, LimitNOFILE=)"
    return _finding("open files", "bad", text, advice, **facts)


def _processors(*, busy: bool) -> Iterator[Finding]:
    every = os.cpu_count() or 1
    ours = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(every)
    load = os.getloadavg()[0]
    text = f"{len(ours)} of {every} may be used ({_ranges(ours)}), load {load:.1f}"
    facts: dict[str, Any] = {"cpus": every, "cpus_ours": list(ours), "load": load}
    if load > every:
        advice = "end what else runs here, or give the feed a core of its own: docs/tuning.md"
        yield _finding("processors", "warn", text, advice, **facts)
    elif busy and every == 1:
        advice = "take busy_poll out of [feed]: it needs a core of its own"
        yield _finding("processors", "warn", text, advice, **facts)
    else:
        yield _finding("processors", "ok", text, **facts)
    paths = [_CPUS / f"cpu{cpu}" / "cpufreq" / "scaling_governor" for cpu in ours]
    governors = sorted({path.read_text().strip() for path in paths if path.is_file()})
    if not governors:
        yield _finding("governor", "ok", "none: the processor's pace is not the system's to choose")
    elif governors == ["performance"]:
        yield _finding("governor", "ok", "performance", governors=governors)
    else:
        advice = "cpupower frequency-set -g performance: a slow clock costs every frame"
        yield _finding("governor", "warn", ", ".join(governors), advice, governors=governors)


def _ranges(numbers: Sequence[int]) -> str:
    """Numbers in order as ``0-3,6``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ",".join("-".join(map(str, part)) for part in parts)


def _clock_source() -> Iterator[Finding]:
    if not _CLOCK.is_file():
        return
    source = _CLOCK.read_text().strip()
    if source in _QUICK_CLOCKS:
        yield _finding("clock source", "ok", source)
        return
    advice = "reading it may cost a system call for each frame: choose tsc if the machine has it"
    yield _finding("clock source", "warn", source, advice)


def _folders(config: Config) -> Iterator[Finding]:
    """Where files are written: the journal's directory, and those of sinks."""
    wanted = {Path(config.record.directory): "directory of [record]"}
    for index, sink in enumerate(config.sink):
        if sink.file is not None:
            wanted.setdefault(Path(sink.file).parent, f"sink[{index}]")
    for folder, what in wanted.items():
        there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
        free = shutil.disk_usage(there).free
        text = f"{folder} ({what}): {free / 2**30:.1f} GiB free"
        if not os.access(there, os.W_OK | os.X_OK):
            text = f"{folder} ({what}): nothing may be written there"
            yield _finding("disk", "bad", text, f"chown or chmod {there}, or name another one")
        elif free < _FREE_BYTES_MIN:
            yield _finding("disk", "warn", text, "free space, or name another one", free_bytes=free)
        else:
            yield _finding("disk", "ok", text, free_bytes=free)
