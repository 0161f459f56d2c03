"""Pages that can be followed: their fenced blocks in order, what each is, and how it is run.

``sh``
    commands, run by one shell for the whole page.
``text``
    what the block before it printed. ``…`` stands for anything on a line, a line of ``…`` alone
    for any number of lines.
``python``, ``toml`` with a first line ``# name``
    the file of that name, written where the page is followed.
``python`` without
    a cell: cells share their names, as in a notebook.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Final

FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE: Final = re.compile(r"# ([\w./-]+\.(?:py|toml))\n")
ANY: Final = "…"

# Ends a block's output on either stream; nothing prints it by chance.
_MARK: Final = "\x1eend\x1e"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page; ``line`` is the line of its fence, from 1."""

    language: str
    body: str
    line: int

    @property
    def file(self) -> str | None:
        """The name of the file that the block is, if it is one."""
        match = FILE.match(self.body)
        return match[1] if match and self.language in ("python", "toml") else None


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text()
    return [
        Block(match[1], match[2], text.count("\n", 0, match.start()) + 1)
        for match in FENCE.finditer(text)
    ]


def agrees(shown: str, printed: str) -> bool:
    """Whether ``printed`` is what a page shows of it."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == ANY else _line(line) for line in shown.splitlines()
    )
    return re.fullmatch(pattern, printed if printed.endswith("\n") else printed + "\n") is not None


def _line(shown: str) -> str:
    return ".*".join(map(re.escape, shown.rstrip().split(ANY))) + r"[ ]*\n"


class Process:
    """A shell or an interpreter that is fed step by step; ``pass_on`` turns a step into its input.

    What it prints is read up to a mark; what it complains of goes into a file.
    """

    def __init__(
        self, program: Sequence[str], folder: Path, errors: Path, pass_on: Callable[[str], str]
    ) -> None:
        self._pass_on: Final = pass_on
        self._errors: Final = errors
        with errors.open("w") as complaints:
            self._process: Final = subprocess.Popen(
                program, cwd=folder, env=_environment(folder), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=complaints, text=True, start_new_session=True,
            )  # fmt: skip

    def do(self, step: str, timeout_s: float) -> str:
        """What a step prints; ``AssertionError`` if it fails or takes too long."""
        assert self._process.stdin is not None and self._process.stdout is not None
        overdue = Timer(timeout_s, self._stop)
        overdue.start()
        printed = ""
        try:
            self._process.stdin.write(self._pass_on(step))
            self._process.stdin.flush()
            for line in self._process.stdout:
                before, mark, _ = line.partition(_MARK)
                printed += before
                if mark:
                    return printed
        except BrokenPipeError:
            pass
        finally:
            overdue.cancel()
        raise AssertionError(f"{printed[-2000:]}\n{self._errors.read_text()[-2000:]}")

    def end(self) -> None:
        """Ends it, and whatever it left running: a simulator above all."""
        self._stop()
        self._process.communicate()

    def _stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)


class Reader:
    """Somebody who follows a page in an empty folder, with nothing but what is installed."""

    def __init__(self, folder: Path, errors: Path, step_timeout_s: float = 60.0) -> None:
        self._folder: Final = folder
        self._errors: Final = errors
        self._step_timeout_s: Final = step_timeout_s

    def follow(self, page: Path) -> int:
        """Does what the page says, in order; returns how many outputs were compared.

        Raises ``AssertionError`` for what fails or prints something else than is shown.
        """
        shell = Process(["bash"], self._folder, self._errors / "shell", _in_shell)
        cells = Process([sys.executable, "-c", _CELLS], self._folder, self._errors / "cells", _cell)
        printed: str | None = None
        compared = 0
        try:
            for block in blocks(page):
                where = f"{page.name}:{block.line}"
                if block.language == "text":
                    assert printed is not None, "there is nothing that printed this"
                    assert agrees(block.body, printed), f"printed is\n{printed}"
                    printed, compared = None, compared + 1
                elif block.file is not None:
                    (self._folder / block.file).write_text(block.body)
                elif block.language in ("sh", "python"):
                    process = shell if block.language == "sh" else cells
                    printed = process.do(block.body, self._step_timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}") from error
        finally:
            shell.end()
            cells.end()
        return compared


# Runs cells, each a literal on a line of its own, under one set of names.
_CELLS: Final = f"""
import ast, sys
names = {{"__name__": "__main__"}}
for line in sys.stdin:
    exec(compile(ast.literal_eval(line), "cell", "exec"), names)
    print({_MARK!r}, flush=True)
"""


def _cell(body: str) -> str:
    return f"{body!r}\n"


def _in_shell(body: str) -> str:
    # Commands read nothing: what comes next is for the shell.
    return f"set -eu\n{{\n{body}}} < /dev/null\nprintf '{_MARK}\\n'\n"


def _environment(folder: Path) -> Mapping[str, str]:
    """What a fresh terminal has: the programs, and a home of its own."""
    path = os.pathsep.join((str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"))
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "LANG") if name in os.environ}
    return {"PATH": path, "HOME": str(folder), "PYTHONWARNINGS": "error", **kept}
