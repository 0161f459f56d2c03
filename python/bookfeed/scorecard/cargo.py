"""Rust tests, run by cargo: all programs that have some of them at once."""

import re
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final

from bookfeed.scorecard.runs import Runs, Told
from bookfeed.scorecard.tree import program, run, rust_tests, said

_LINE: Final = re.compile(r"^test (?:\w+::)*(\w+)(?: - should panic)? \.\.\. (ok|FAILED)", re.M)


class RustTests(Runs):
    """Tests by their names; with ``long`` of those that are ignored otherwise, and optimised."""

    def __init__(self, *, long: bool = False) -> None:
        super().__init__()
        self._long: Final = long

    def play(self, names: Sequence[str]) -> Mapping[str, Told]:
        """See ``Runs``."""
        flags = dict.fromkeys(one for name in names for one in rust_tests(name))
        # All of the workspace, as `make test` builds it: a part by itself may be built otherwise.
        command = [program("cargo"), "test", "--workspace", "--locked", "--no-fail-fast"]
        command += [*(["--release"] if self._long else []), *chain.from_iterable(flags), "--"]
        command += ["--test-threads=2", *(["--ignored"] if self._long else []), *names]
        begun_s = time.monotonic()
        done = run(command)
        share_s = (time.monotonic() - begun_s) / len(names)
        told = {}
        for name in names:
            words = [word for found, word in _LINE.findall(done.stdout) if found == name]
            bad = [f"{name} failed" for word in words if word == "FAILED"]
            if not words:
                bad = [f"{name} was not run: {said(done)}"]
            told[name] = Told(words.count("ok"), 0, tuple(bad), share_s)
        return told
