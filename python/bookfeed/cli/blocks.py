"""Blocks of a configuration as text, and files that they are put into, which stay whole."""

import json
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from bookfeed import config
from bookfeed.errors import ConfigError


def block(section: str, table: Mapping[str, object], *remarks: str) -> str:
    """``[[section]]`` with what is in ``table``, under remarks of one line each."""
    lines = [f"# {json.dumps(remark, ensure_ascii=True)[1:-1]}" for remark in remarks]
    lines += [f"[[{section}]]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def append(path: Path, blocks: str) -> None:
    """Puts blocks at the end of a file, or begins it with them.

    ``ConfigError`` for what is no configuration with them; the file stays as it was then.
    """
    if path.exists():
        before = path.read_text(encoding="utf-8-sig").rstrip("\n")
        blocks = f"{before}\n\n{blocks}" if before else blocks
    try:
        table = tomllib.loads(blocks)
    except tomllib.TOMLDecodeError as error:
        problem = "must be written as [[market]] blocks, or nothing can be added behind them"
        raise ConfigError(str(path), "market", problem) from error
    config.parse(table, str(path))
    write(path, blocks)


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


def write(path: Path, text: str) -> None:
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
