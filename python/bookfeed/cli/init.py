"""``bookfeed init``: begins a configuration, a file in which everything that may be set is told."""

import argparse
import json
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final

from bookfeed import config
from bookfeed.cli.blocks import write
from bookfeed.config import ConsoleConfig, EngineConfig, FeedConfig, RecordConfig
from bookfeed.errors import ConfigError, ExitCode
from bookfeed.venues import VENUES

_HEAD: Final = """\
# A configuration of bookfeed; docs/configuration.md explains every key. Lines such as
# "# key = value" tell what holds unless it is set: take the "# " away to set it.
#
#     bookfeed add ADDRESS-OF-A-PAGE --to {path}
#     bookfeed run --config {path}
"""
_RULES: Final = """\
# What is looked for in every market: see docs/signals.md.
[rules.complement]
# min_edge = "0.001"

# [rules.spread]
# open = "0.05"
"""
_TAIL: Final = """\
# Markets follow here, each a [[market]]; then [[pair]], [[basket]], [[ladder]] and [[sink]].
"""


def execute(args: argparse.Namespace) -> ExitCode:
    """Asks for keys on a terminal, and writes the file; one that is there stays as it is."""
    path = Path(args.file)
    if path.exists():
        raise ConfigError(str(path), "", "is there already: give another name, or remove it")
    keys = _asked() if sys.stdin.isatty() and sys.stderr.isatty() else {}
    text = begun(str(path), keys)
    made = config.parse(tomllib.loads(text), str(path))
    for name, answers in keys.items():
        if answers:
            made.sections[name].endpoint(str(path))  # a key that cannot be used is said now
    write(path, text)
    print(f"{path} is begun: bookfeed add ADDRESS --to {path}", file=sys.stderr)
    return ExitCode.OK


def _asked() -> dict[str, dict[str, str]]:
    """Whose key is used, by venue; what is left empty is not set."""
    found = {}
    for name, row in VENUES.items():
        if row.section is None or not row.section.SECRETS:
            continue
        print(f"{name} needs a key; leave empty what you have not.", file=sys.stderr)
        answers = {}
        for key in row.section.SECRETS:
            print(f"  {key}: ", end="", file=sys.stderr, flush=True)
            if answer := sys.stdin.readline().strip():
                answers[key] = answer
        found[name] = answers
    return found


def begun(path: str, keys: Mapping[str, Mapping[str, str]]) -> str:
    """The text of a new configuration; ``keys`` are set, everything else is as by default."""
    parts = [_HEAD.format(path=path), _RULES]
    parts += [
        _section(name, row.section, keys.get(name, {}))
        for name, row in VENUES.items()
        if row.section is not None
    ]
    own: dict[str, type[Any]] = {
        "engine": EngineConfig,
        "feed": FeedConfig,
        "record": RecordConfig,
        "console": ConsoleConfig,
    }
    parts += [_section(name, kind, {}) for name, kind in own.items()]
    return "\n".join([*parts, _TAIL])


def _section(name: str, kind: type[Any], given: Mapping[str, str]) -> str:
    """A section with its defaults as remarks, and what is ``given``."""
    told = (kind.__doc__ or "").partition("\n")[0].partition(": ")[2].replace("``", "`")
    lines = [f"# {told[:1].upper()}{told[1:]}", f"[{name}]"]
    for one in fields(kind):
        if one.name in given:
            lines.append(f"{one.name} = {json.dumps(given[one.name], ensure_ascii=False)}")
        elif one.default in (None, MISSING):
            lines.append(f"# {one.name}: not set")
        else:
            lines.append(f"# {one.name} = {json.dumps(one.default)}")
    return "\n".join(lines) + "\n"
