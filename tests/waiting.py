"""How tests wait: for what they need, as long as a loaded machine may take, and no longer."""

import asyncio
import time
from collections.abc import Callable

# Only a test that fails waits this long.
PATIENCE_S = 60.0
LOOK_EVERY_S = 0.002


async def until(condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """Lets the loop run until something comes true. Raises ``TimeoutError`` if it does not."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - a condition rings no bell
            await asyncio.sleep(LOOK_EVERY_S)


def wait_until(condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """The same without a loop: for what another thread or process does."""
    end_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end_s:
            raise TimeoutError(f"not within {within_s} s")
        time.sleep(LOOK_EVERY_S)
