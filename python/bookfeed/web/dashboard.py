"""The dashboard at ``/``: files that are the same for everybody, handed out from memory.

They tell nothing of books, so that they are given without the token: a browser cannot send one
with an address. The page asks for it and shows it with what it asks for.
"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from aiohttp import web

START: Final = "/"
_FOLDER: Final = "page"
_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class File(NamedTuple):
    """One file of the page."""

    path: str
    content_type: str
    body: bytes

    async def handler(self, _: web.Request) -> web.Response:
        """Answers with the file."""
        return web.Response(body=self.body, content_type=self.content_type, charset="utf-8")


def page() -> Iterator[File]:
    """The files of the dashboard, the page itself at ``/``."""
    for entry in files("bookfeed.web").joinpath(_FOLDER).iterdir():
        content_type = _TYPES.get(PurePosixPath(entry.name).suffix)
        if content_type is None:
            continue
        path = START if entry.name == "index.html" else f"/{_FOLDER}/{entry.name}"
        yield File(path, content_type, entry.read_bytes())
