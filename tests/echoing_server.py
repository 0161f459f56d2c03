"""The Autobahn suite against this server: ``python tests/echoing_server.py SUITE DIRECTORY``.

The suite's fuzzing client has some 300 conversations with a server and expects every message back,
so the server here echoes, and takes messages of any kind and size. All else, the door, connections
and RFC 6455, is what ``bookfeed serve`` runs on. ``SUITE`` is the command that plays a file of
cases; ``scripts/autobahn`` knows it.
"""

import argparse
import asyncio
import json
import logging
import shlex
import sys
from pathlib import Path
from typing import Any, Final

from aiohttp import WSMsgType, web

from bookfeed import loops
from bookfeed.web.door import Rules
from bookfeed.web.server import Server

LOOSE_MAX: Final = 6
MESSAGE_BYTES_MAX: Final = 1 << 26
LEFT_OUT: Final = ("12.*", "13.*")
"""Cases of compression, which is not measured here."""
GOOD: Final = frozenset({"OK", "NON-STRICT", "INFORMATIONAL"})
# How a connection may end without anything being wrong: as the suite asked, or it did not ask.
CLOSED_WELL: Final = frozenset({"OK", "INFORMATIONAL"})
AGENT: Final = "bookfeed-serve"


class EchoServer(Server):
    """Sends every message back."""

    message_bytes_max = MESSAGE_BYTES_MAX

    async def _serve(self, request: web.Request, begin: Any) -> web.StreamResponse:
        opened = await self._upgraded(request)
        async for message in opened:
            if message.type == WSMsgType.PING:
                await opened.pong(message.data)
            elif message.type == WSMsgType.TEXT:
                await opened.send_str(message.data)
            elif message.type == WSMsgType.BINARY:
                await opened.send_bytes(message.data)
        await self._answer_close(opened)
        return opened


async def play(suite: list[str], directory: Path) -> dict[str, dict[str, Any]]:
    """Has the suite play all cases; what it thinks of each."""
    server = EchoServer(Rules("127.0.0.1", 0), str(directory / "nobody.sock"))
    port = await server.open()
    spec = directory / "client.json"
    told = {
        "outdir": str(directory / "served"),
        "servers": [{"agent": AGENT, "url": f"ws://127.0.0.1:{port}/ws"}],
        "cases": ["*"],
        "exclude-cases": list(LEFT_OUT),
        "exclude-agent-cases": {},
    }
    spec.write_text(json.dumps(told))
    try:
        process = await asyncio.create_subprocess_exec(
            *suite, "-m", "fuzzingclient", "-s", str(spec), stdout=asyncio.subprocess.DEVNULL
        )
        await process.wait()
    finally:
        await server.close()
    found: dict[str, dict[str, Any]] = json.loads(
        (directory / "served" / "index.json").read_text()
    )[AGENT]
    return found


def judged(found: dict[str, dict[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """How many cases ended how, and what is not as it should be."""
    shown: dict[str, Any] = {}
    for case in found.values():
        shown[case["behavior"]] = shown.get(case["behavior"], 0) + 1
    loose = sorted(name for name, case in found.items() if case["behavior"] == "NON-STRICT")
    wrong = [
        f"{name}: {case['behavior']}, closed {case['behaviorClose']}"
        for name, case in found.items()
        if case["behavior"] not in GOOD or case["behaviorClose"] not in CLOSED_WELL
    ]
    if len(loose) > LOOSE_MAX:
        wrong.append(f"{len(loose)} are not strict")
    return {"served": len(found), **shown, "not strict": loose}, wrong


def main() -> int:
    """Plays all cases; 1 if one failed or ended badly, or too many are not strict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", type=shlex.split)
    parser.add_argument("directory", type=Path)
    args = parser.parse_args()
    logging.getLogger("bookfeed").setLevel(logging.CRITICAL)
    shown, wrong = judged(loops.run(play(args.suite, args.directory)))
    print(json.dumps(shown))
    for problem in sorted(wrong):
        print(problem)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
