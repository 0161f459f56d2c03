"""How smoothly the dashboard draws: frames and tasks of a real Chromium that has no graphics card.

``python -m benches.dashboard`` (``make dashboard-frames``) shows a feed of 200 simulated books with
ten updates a second each, on every view for ``--seconds``, and prints how far frames were apart and
how long the longest task took. It exits with 1 if a task took more than 50 ms, or of a hundred
frames fewer than 95 came within 33 ms. ``--screens DIRECTORY`` keeps a picture of each view, light
and dark, on a desk and on a phone. It needs ``make services`` and ``playwright``.
"""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benches.timing import percentile
from bookfeed.scorecard.campaigns.polymarket_crowd import stage

MARKETS: Final = 100
RATE: Final = 10
"""Frames a second for each market, of both of its books."""
VIEWS: Final = ("opportunities", "books", "markets", "feed")
LADDER: Final = "books, one ladder"
TASK_MS_MAX: Final = 50.0
FRAME_MS_MAX: Final = 33.4
FRAMES_WITHIN: Final = 95.0
SETTLE_S: Final = 2.0
SIZES: Final = {"desk": (1_440, 900), "phone": (375, 812)}
PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
# Runs in the page before anything else does.
OBSERVED: Final = """
window.measured = { frames: [], tasks: [] };
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.measured.tasks.push(task.duration);
}).observe({ type: "longtask" });
let last = performance.now();
requestAnimationFrame(function again(now) {
  window.measured.frames.push(now - last);
  last = now;
  requestAnimationFrame(again);
});
"""


@dataclass(frozen=True)
class Smooth:
    """What was measured on one view."""

    view: str
    frames: list[float]
    """Milliseconds between one frame and the next."""
    tasks: list[float]
    """Milliseconds of each task that took more than 50."""

    def line(self) -> str:
        """The same for people."""
        ordered = sorted(self.frames)
        spread = ", ".join(f"{percentile(ordered, p):.1f}" for p in (50.0, 95.0, 99.0, 100.0))
        return (
            f"{self.view:<20}{len(ordered):>7} frames   {spread} ms apart (p50, p95, p99, most)   "
            f"{len(self.tasks)} tasks over 50 ms, the longest {max(self.tasks, default=0):.0f} ms"
        )

    def problems(self) -> list[str]:
        """What is not as it should be."""
        wrong = []
        late = percentile(sorted(self.frames), FRAMES_WITHIN)
        if late > FRAME_MS_MAX:
            wrong.append(f"{self.view}: frames are {late:.1f} ms apart (p95)")
        if self.tasks:
            wrong.append(f"{self.view}: a task of {max(self.tasks):.0f} ms")
        return wrong


async def measured(page: Any, view: str, seconds: float) -> Smooth:
    """What a page does for so long."""
    await asyncio.sleep(SETTLE_S)
    await page.evaluate("() => { measured.frames.length = measured.tasks.length = 0; }")
    await asyncio.sleep(seconds)
    told = await page.evaluate("() => measured")
    return Smooth(view, told["frames"], told["tasks"])


async def watched(browser: Any, port: int, seconds: float) -> list[Smooth]:
    """Every view, and one with a ladder beside it."""
    width, height = SIZES["desk"]
    page = await browser.new_page(viewport={"width": width, "height": height})
    await page.add_init_script(OBSERVED)
    await page.goto(f"http://127.0.0.1:{port}/#{VIEWS[0]}")
    await page.locator("#how", has_text="live by WebSocket").wait_for()
    found = []
    for number, view in enumerate(VIEWS):
        await page.keyboard.press(str(number + 1))
        found.append(await measured(page, view, seconds))
    await page.keyboard.press("2")
    await page.locator("#books tbody tr").first.click()
    found.append(await measured(page, LADDER, seconds))
    await page.close()
    return found


async def pictured(browser: Any, port: int, directory: Path) -> None:
    """A picture of everything."""
    for called, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            page = await browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            await page.goto(f"http://127.0.0.1:{port}/#{VIEWS[0]}")
            await page.locator("#how", has_text="live by WebSocket").wait_for()
            for number, view in enumerate(VIEWS):
                await page.keyboard.press(str(number + 1))
                await asyncio.sleep(SETTLE_S)
                await page.screenshot(path=directory / f"{called}-{scheme}-{view}.png")
            await page.keyboard.press("2")
            await page.locator("#books tbody tr").first.click()
            await asyncio.sleep(SETTLE_S)
            await page.screenshot(path=directory / f"{called}-{scheme}-ladder.png")
            await page.close()


async def play(seconds: float, screens: Path | None) -> list[Smooth]:
    """A venue, a feed, a server, and a browser that shows it."""
    from playwright.async_api import async_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise SystemExit("chromium is not here: make services")
    async with stage(markets=MARKETS, rate=RATE) as there, async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        found = await watched(browser, there.port, seconds)
        if screens is not None:
            await pictured(browser, there.port, screens)
        await browser.close()
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.dashboard")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each view (10)")
    parser.add_argument("--screens", type=Path, help="where pictures go")
    options = parser.parse_args(argv)
    if options.screens is not None:
        options.screens.mkdir(parents=True, exist_ok=True)
    found = asyncio.run(play(options.seconds, options.screens))
    for one in found:
        print(one.line())
    wrong = [problem for one in found for problem in one.problems()]
    for problem in wrong:
        print(f"not as it should be: {problem}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
