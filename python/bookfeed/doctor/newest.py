"""Whether there are newer packages than those that are installed: pip is asked, one at a time.

pip knows which index is to be asked, through which proxy, and which wheels go with this machine.
"""

import asyncio
import importlib.util
import re
import sys
from collections.abc import AsyncIterator, Iterable
from typing import Final

from bookfeed.doctor.finding import MACHINE, Finding

TIMEOUT_S: Final = 30.0
_LATEST: Final = re.compile(r"^\s*LATEST:\s*(\S+)|^\S+ \(([^)]+)\)", re.MULTILINE)
_NONE: Final = "No matching distribution"


async def newest(installed: Iterable[tuple[str, str]]) -> AsyncIterator[Finding]:
    """What there is of each package, by its name and the version that is installed."""
    if importlib.util.find_spec("pip") is None:
        text = "pip, which knows what there is, is not installed"
        yield Finding(MACHINE, "newest", "skip", text, "python -m ensurepip")
        return
    for name, version in installed:
        yield await _asked(name, version)


async def _asked(name: str, version: str) -> Finding:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pip", "index", "versions", name),
        *("--disable-pip-version-check", "--no-input"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        out, err = b"", b"no answer"
    facts = {"package": name, "installed": version}
    found = _LATEST.search(out.decode(errors="replace"))
    if found is None:
        said = err.decode(errors="replace").strip().splitlines() or ["nothing"]
        if any(_NONE in line for line in said):
            text, advice = f"{name}: the index has no wheel for this machine", "ask another index"
        else:
            text, advice = f"{name}: pip says {said[-1]}", "see whether pip reaches its index"
        return Finding(MACHINE, "newest", "skip", text, advice, facts)
    latest = found[1] or found[2]
    text = f"{name} {version} is installed, {latest} is the newest for this machine"
    facts["newest"] = latest
    if latest == version:
        return Finding(MACHINE, "newest", "ok", text, facts=facts)
    return Finding(MACHINE, "newest", "warn", text, f"pip install --upgrade {name}", facts)
