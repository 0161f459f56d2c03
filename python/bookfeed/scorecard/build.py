"""What is measured: a digest of the package as it is installed here."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import bookfeed

PARTS: Final = ("*.py", "*.so", "*.pyd")
"""The files that what it does depends on."""


@cache
def build() -> str:
    """That digest, of the compiled part as well."""
    digest = sha256()
    root = Path(bookfeed.__file__).parent
    for path in sorted(path for part in PARTS for path in root.rglob(part)):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
