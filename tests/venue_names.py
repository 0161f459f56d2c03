"""Where a venue is named: in a path, in a text.

A name that is also a word of the language counts where it stands as a name: as a part of a path, at
the beginning of a literal, behind the ``::`` of a module.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_WORDS: Final = frozenset({"user"})


def path_names_one(path: Path, venues: Iterable[str]) -> bool:
    """Whether a file is some venue's own."""
    plain = [name for name in venues if name not in _WORDS]
    words = [name for name in venues if name in _WORDS]
    parts = {part for step in path.parts for part in re.split(r"[._]", step)}
    return bool(parts.intersection(words)) or bool(re.search("|".join(plain), str(path), re.I))


def text_names_one(text: str, venues: Iterable[str]) -> bool:
    """Whether a text names a venue."""
    patterns = [rf"[\"']{name}\b|::{name}\b" if name in _WORDS else name for name in venues]
    return bool(re.search("|".join(patterns), text, re.IGNORECASE))
