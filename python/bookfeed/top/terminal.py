"""A terminal that may go away: what is written to one that is gone is lost, and stops nobody.

Textual writes from a thread of its own. If its terminal is closed, that thread ends with an error,
and the program that goes on to write waits for it for ever.
"""

from typing import IO, Any

from textual.driver import Driver


class Lasting:
    """A file of a terminal, as far as Textual uses it."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.gone = False
        """Whether a write failed: nobody reads there any more."""

    def write(self, text: str) -> int:
        """Write what still can be written; the length of what was given."""
        self._try(lambda: self._file.write(text))
        return len(text)

    def flush(self) -> None:
        """Hand over what was written."""
        self._try(self._file.flush)

    def fileno(self) -> int:
        """The descriptor."""
        return self._file.fileno()

    def _try(self, step: Any) -> None:
        if self.gone:
            return
        try:
            step()
        except OSError:
            self.gone = True


def lasting(driver: type[Driver]) -> type[Driver]:
    """The same driver, for a terminal that may go away."""

    class LastingDriver(driver):  # type: ignore[misc, valid-type]
        _file: Any

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._file = Lasting(self._file)

    return LastingDriver
