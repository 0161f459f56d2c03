"""A row from other people's Rust crates (``benches/peers``): built by cargo, run as a process."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from benches.frames import Recording

PEERS = Path(__file__).parent / "peers"
CLIENT = PEERS / "target" / "release" / "bookfeed-bench-peers"
BUILD = ["cargo", "build", "--release", "--quiet", "--locked"]
BUILD_SECONDS_MAX = 900.0


def missing() -> str | None:
    """Builds the client. Returns why it cannot be had, or None."""
    if shutil.which("cargo") is None:
        return "cargo is not on PATH"
    done = subprocess.run(
        BUILD, cwd=PEERS, stderr=subprocess.PIPE, text=True, timeout=BUILD_SECONDS_MAX, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        return f"cargo cannot build it: {said[0] if said else done.returncode}"
    return None


def receive(url: str, corpus: Recording, timeout_s: float) -> dict[str, Any]:
    """Receives the whole corpus; returns ``wall_ns``, ``cpu_ns`` and ``waited_ns``.

    Raises ``ValueError`` if the answers are wrong.
    """
    done = subprocess.run(
        [CLIENT, url, str(len(corpus.frames))],
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout_s,
        check=True,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    right = {
        "touch_sum_e8": corpus.answers.touch_sum_e8,
        "books_sha256": corpus.answers.books_sha256,
    }
    found = {name: told[name] for name in right}
    if found != right:
        raise ValueError(f"the Rust client found {found}, not {right}")
    return told
