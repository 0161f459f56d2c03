"""``bookfeed add``: writes what is followed by name as ``[[market]]`` blocks of a configuration."""

import argparse
import json
import os
import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from bookfeed import config
from bookfeed.cli.places import places
from bookfeed.cli.targets import expanded, looked_up
from bookfeed.config import Found
from bookfeed.errors import ConfigError, ExitCode


def execute(args: argparse.Namespace) -> ExitCode:
    """Looks up, and prints the blocks or puts them at the end of a file that stays whole."""
    with places(args) as there:
        found = looked_up(expanded(args.targets), there.urls)
    blocks = "\n".join(map(_block, found))
    if args.to is None:
        print(blocks, end="")
        return ExitCode.OK
    path = Path(args.to)
    if path.exists():
        # What cannot be used together is refused before anything is written.
        config.load(path, {}, found=found)
        before = path.read_text(encoding="utf-8-sig").rstrip("\n")
        blocks = f"{before}\n\n{blocks}" if before else blocks
        try:
            tomllib.loads(blocks)
        except tomllib.TOMLDecodeError as error:
            problem = "must be written as [[market]] blocks, or nothing can be added behind them"
            raise ConfigError(str(path), "market", problem) from error
    _replace(path, blocks)
    print(f"{len(found)} added to {path}", file=sys.stderr)
    return ExitCode.OK


def _block(found: Found) -> str:
    lines = [f"# {json.dumps(found.name, ensure_ascii=True)[1:-1]}", "[[market]]"]
    lines += [f"{key} = {_toml(value)}" for key, value in found.table.items()]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """A value as TOML spells it; of the kinds that a market has."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_toml(one)}' for key, one in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    # JSON's escapes are TOML's, which wants one more.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _replace(path: Path, text: str) -> None:
    """Writes a file so that it is never half of one; it keeps its mode, and links stay links."""
    path = path.resolve()
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    with NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(mode)
            Path(file.name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(file.name).unlink()
            raise
