"""A real browser for tests of the dashboard: the system's Chromium, driven by Playwright."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from waiting import PATIENCE_S

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
SCREENSHOTS: Final = Path(__file__).parents[1] / "target" / "screenshots"
WAIT_MS: Final = 1_000 * PATIENCE_S


_launched: list[Any] = []


@asynccontextmanager
async def launched() -> AsyncIterator[None]:
    """A browser for all ``browsing`` inside; tests are skipped by name where there is none."""
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("chromium is not here: make services")
    async with playwright.async_playwright() as driver:
        # As root, as containers run it, it has no sandbox.
        browser = await driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        _launched.append(browser)
        try:
            yield
        finally:
            _launched.remove(browser)
            await browser.close()


@asynccontextmanager
async def browsing(**how: Any) -> AsyncIterator[Any]:
    """A page that knows nothing of the pages before it, in the browser that is ``launched``.

    What the page's scripts get wrong, and what its policy forbids, fails the test.
    """
    context = await _launched[-1].new_context(**how)
    try:
        page = await context.new_page()
        page.set_default_timeout(WAIT_MS)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if policy(said.text) else None)
        yield page
        assert not wrong
    finally:
        await context.close()


def policy(text: str) -> bool:
    """Whether a browser says that something was against the page's content policy."""
    return "Content Security Policy" in text


async def keep(page: Any, name: str) -> None:
    """Keep a screenshot for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=str(SCREENSHOTS / f"{name}.png"))
