"""The dashboard in a real browser: what it shows, of whom it asks, and what it never shows."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import pytest_asyncio
from browser import browsing, keep, launched
from session_server import NO, STAMPS, YES, Server, book_frame, serving
from waiting import until
from web_server import Served, served, served_feed

from bookfeed import Rule
from bookfeed.catalogue.listing import Listing
from bookfeed.market import Market, Outcome
from bookfeed.recordings.pace import Pace
from bookfeed.rules.alerts import Alert
from bookfeed.web import dashboard
from bookfeed.web.door import Rules

# One browser for all of them, and so one loop and one process.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
    pytest.mark.asyncio(loop_scope="module"),
]

TOKEN: Final = "a-token-of-thirty-characters-1"
HOSTILE: Final = (
    "\u202e<img src=x onerror=\"document.title='had'\"><script>document.title='had'</script>"
)
PHONE: Final = {"width": 390, "height": 844}
DESK: Final = {"width": 1440, "height": 900}
VIEWS: Final = ("opportunities", "books", "markets", "feed")
# Panels of the view that is shown which have to be scrolled sideways to be read.
SIDEWAYS: Final = """[...document.querySelectorAll("section:not([hidden]) .panel")]
    .filter((panel) => panel.scrollWidth > panel.clientWidth + 1).map((panel) => panel.innerText)"""
# Each title of a list of signals begins or ends where its column does.
TITLED: Final = """[...document.querySelectorAll("section:not([hidden]) .list .signal")].every(
    (row) => [...row.parentElement.previousElementSibling.children].every((title, at) => {
        const [a, b] = [title, row.children[at]].map((one) => one.getBoundingClientRect());
        const beside = Math.abs(a.left - b.left) < 2 || Math.abs(a.right - b.right) < 2;
        return !a.width || !b.width || beside;
    }))"""
PRICE: Final = re.compile(r"\b0\.\d+")


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def _browser() -> AsyncIterator[None]:
    async with launched():
        yield


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feed.sock"


@asynccontextmanager
async def shown(
    venue: Server, path: Path, view: str = "books", **context: Any
) -> AsyncIterator[tuple[Any, Served, Any]]:
    """A feed, its server, and a page that shows it."""
    async with browsing(**context) as page, served_feed(venue, path) as (feed, there):
        await page.goto(f"{there.at}/#{view}")
        yield page, there, feed


async def says(page: Any, selector: str, text: str) -> None:
    """Wait until an element has a text."""
    await page.locator(selector, has_text=text).first.wait_for()


async def test_books_and_one_ladder_are_as_the_feed_has_them(server: Server, path: Path) -> None:
    async with shown(server, path) as (page, _, feed):
        await says(page, "#how", "live by WebSocket")
        await says(page, "#counts", "2 of 2 books believed")
        server.peers[-1].text(book_frame(YES, "0.45"))
        await until(lambda: feed.book(YES).bid == 0.45)
        row = page.locator("#books tbody tr", has_text="Yes")
        await row.locator(".bid", has_text="0.45").wait_for()
        await row.press("Enter")
        await says(page, "#ladder .bids", "0.45")
        await says(page, "#ladder .asks", "0.6")
        await says(page, "#ladder .between", "spread 0.15 · middle 0.525")
        assert await page.locator("#ladder svg").count() == 2
        await page.keyboard.press("Escape")
        await page.locator("#ladder").wait_for(state="hidden")


async def test_a_spread_of_large_prices_is_what_they_are_apart(server: Server, path: Path) -> None:
    async with shown(server, path) as (page, *_):
        apart = "import(`${location.origin}/page/books.js`).then((books) => books.spread(%s))"
        for bid, ask, spread in (("83994.02", "83994.03", 0.01), ("0.48", "0.5", 0.02)):
            touch = f"{{ bid: '{bid}', ask: '{ask}' }}"
            assert await page.evaluate(apart % touch) == spread


async def test_an_alert_is_shown_and_its_text_is_a_text(server: Server, path: Path) -> None:
    alert = Alert(when="price", to=("bell",), symbol="mine", above="0.5", name="high")
    async with shown(server, path, "feed") as (page, _, feed):
        panel = page.locator("#feed .panel", has_text="Alerts")
        await panel.locator("p", has_text="None was told.").wait_for()
        feed.tell_alert(alert, "mine", f"high: {HOSTILE}", sent=True)
        feed.tell_alert(alert, "mine", "high: later", sent=False)
        rows = panel.locator("tbody tr")
        await rows.nth(1).wait_for()
        assert await rows.nth(0).locator("td").nth(2).text_content() == "high: later"
        assert await rows.nth(0).locator("td").nth(3).text_content() == "no: quiet hours"
        assert await rows.nth(1).locator("td").nth(2).text_content() == f"high: {HOSTILE}"
        assert await page.title() == "bookfeed"
        assert not await panel.locator("p", has_text="None was told.").is_visible()


async def test_an_opportunity_is_shown_with_its_legs(server: Server, path: Path) -> None:
    async with shown(server, path, "opportunities") as (page, there, _):
        await until(there.server.world.open_signals)
        await says(page, ".signal:not(.title)", "spread")
        await page.locator(".signal li button", has_text="polymarket").first.click()
        await says(page, "#ladder .levels", "0.6")


async def test_the_legs_of_a_rule_are_side_by_side(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    legs = [
        {"venue": "polymarket", "symbol": s, "outcome": o} for s, o in ((YES, "Yes"), (NO, "No"))
    ]
    about = {"legs": legs, "basis": ['oracle "one" (a), "another" (b)']}
    params = {"mode": "bps", "open": "20"}
    monkeypatch.setattr("web_server.RULES", [Rule("spread", params, "both of them", about)])
    async with shown(server, path, "markets") as (page, _, _):
        card = page.locator("#markets .panel", has_text="both of them")
        await (
            card.locator("tr", has_text="polymarket Yes").locator(".bid", has_text="0.4").wait_for()
        )
        await card.locator(".warn", has_text='oracle "one" (a), "another" (b)').wait_for()
        await card.locator("tr", has_text="polymarket No").click()
        await says(page, "#ladder h2", "No")


async def test_a_book_that_may_not_be_believed_looks_so_and_has_no_price(
    server: Server, path: Path
) -> None:
    async with shown(server, path) as (page, there, feed):
        await page.locator("#books tbody tr", has_text="Yes").click()
        await says(page, "#ladder .bids", "0.4")
        server.refuses = True
        (await server.peer(0)).abort()
        await says(page, "#books tr.doubted", "stale, disconnected")
        await says(page, "#ladder .unbelieved", "may not be believed: stale, disconnected")
        await until(lambda: not feed.book(YES).live)
        assert await page.locator("#books tr.doubted").count() == 2
        for place in ("#books tbody", "#ladder"):
            assert not PRICE.search(await page.locator(place).inner_text()), place
        await page.keyboard.press("4")
        await says(page, "#feed", "stale")
        del there


async def test_a_book_that_is_over_is_no_alarm(server: Server, path: Path) -> None:
    async with shown(server, path) as (page, _, feed):
        await page.locator("#books tbody tr", has_text="Yes").click()
        await says(page, "#ladder .bids", "0.4")
        resolved = {"event_type": "market_resolved", "market": "0xabc", "assets_ids": [YES, NO]}
        resolved |= {"winning_asset_id": YES, "winning_outcome": "Yes", "id": "1"}
        resolved |= {"timestamp": str(STAMPS.next_ms())}
        server.peers[-1].text(orjson.dumps(resolved))
        await until(lambda: feed.book(YES).cause == "resolved")
        await says(page, "#books tr.over", "resolved")
        await says(page, "#ladder .unbelieved", "This book is over: resolved.")
        await says(page, "#counts", "0 of 0 books believed · 0 open · 2 over")
        assert await page.locator("#books tr.doubted, #ladder .bad").count() == 0
        assert not PRICE.search(await page.locator("#books tbody").inner_text())


async def test_books_that_are_over_do_not_gather_in_a_page_that_stays_open(
    server: Server, path: Path
) -> None:
    async with shown(server, path) as (page, *_):
        known = """import(`${location.origin}/page/known.js`).then(({ Known }) => {
            const known = new Known();
            const book = (n, state, cause) => ({ venue: "v", symbol: `s${n}`, state, cause });
            const tell = (...books) => known.take({ type: "books", feed: "heard", books });
            for (let n = 0; n < 300; n++) tell(book(n, "live", "snapshot"));
            for (let n = 300; n < 900; n++) {
                tell(book(n, "live", "snapshot"));
                tell(book(n, "stale", "resolved"));
            }
            const names = [...known.books.values()].map((one) => Number(one.symbol.slice(1)));
            return names.sort((a, b) => a - b);
        })"""
        assert await page.evaluate(known) == [*range(300), *range(700, 900)]


async def test_rows_out_of_sight_are_drawn_seldom_but_lose_their_prices_at_once(
    server: Server, path: Path
) -> None:
    async with shown(server, path) as (page, *_):
        found = """(async () => {
            const part = (name) => import(`${location.origin}/page/${name}.js`);
            const [{ Known }, { Books }] = await Promise.all([part("known"), part("books")]);
            const place = document.createElement("div");
            document.querySelector("main").prepend(place);
            const known = new Known();
            const books = new Books(place, known, () => {}, () => null);
            const told = [];
            const tell = (bid, state) => {
                const book = { venue: "v", market: "m", outcome: "Yes", bid_qty: "1", ask: "0.9" };
                const more = { ask_qty: "1", state, cause: "snapshot", bid };
                known.take({ type: "books", feed: "heard", books: [...Array(300).keys()].map((n) =>
                    ({ ...book, ...more, symbol: `s${1000 + n}` })) });
                books.draw();
                const bids = [...place.querySelectorAll("td.bid")].map((cell) => cell.textContent);
                told.push([bids[0], bids.at(-1)]);
            };
            tell("0.1", "live");
            tell("0.2", "live");
            tell("0.3", "stale");
            tell("0.4", "live");
            await new Promise((later) => setTimeout(later, 1100));
            tell("0.5", "live");
            return told;
        })()"""
        assert await page.evaluate(found) == [
            ["0.1", "0.1"], ["0.2", "0.1"], ["", ""], ["0.4", "0.4"], ["0.5", "0.5"],
        ]  # fmt: skip


async def test_a_feed_that_is_lost_leaves_no_price_and_comes_back(
    server: Server, path: Path
) -> None:
    async with browsing() as page, served(path) as there:
        async with served_feed(server, path):
            await page.goto(f"{there.at}/#books")
            await says(page, "#books .bid", "0.4")
        await says(page, "#how", "the feed is lost")
        await says(page, "#counts", "0 of 2 books believed")
        assert not PRICE.search(await page.locator("#books tbody").inner_text())


async def test_it_polls_by_itself_while_the_websocket_fails_and_says_so(
    server: Server, path: Path
) -> None:
    async with browsing() as page, served_feed(server, path) as (feed, there):
        # As behind a proxy that knows no WebSockets.
        await page.route_web_socket(re.compile("/ws$"), lambda socket: socket.close())
        await page.goto(f"{there.at}/#books")
        await says(page, "#how", "polling every 1.5 s")
        server.peers[-1].text(book_frame(YES, "0.47"))
        await until(lambda: feed.book(YES).bid == 0.47)
        row = page.locator("#books tbody tr", has_text="Yes")
        await row.locator(".bid", has_text="0.47").wait_for()
        await row.click()
        await says(page, "#ladder .bids", "0.47")


async def test_a_server_that_is_gone_is_said_and_leaves_no_price(
    server: Server, path: Path
) -> None:
    async with browsing() as page:
        async with served_feed(server, path) as (_, there):
            await page.goto(f"{there.at}/#books")
            await says(page, "#books .bid", "0.4")
        await says(page, "#how", "the server is not heard")
        await says(page, "#counts", "0 of 2 books believed")
        assert not PRICE.search(await page.locator("#books tbody").inner_text())


async def test_titles_are_text_whatever_they_are(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = Market("0xabc", (Outcome(HOSTILE, YES), Outcome("No", NO)), name=HOSTILE)
    monkeypatch.setattr("web_server.MARKET", hostile)
    async with shown(server, path) as (page, _, _):
        await says(page, "#books tbody", HOSTILE)
        await page.locator("#books tbody tr", has_text=HOSTILE).first.click()
        await says(page, "#ladder h2", HOSTILE)
        for key in "134":
            await page.keyboard.press(key)
            await page.wait_for_timeout(400)
        assert await page.locator("img, main script, aside script").count() == 0
        assert await page.title() == "bookfeed"


async def test_it_asks_nobody_else_and_its_policy_allows_nothing_inline(
    server: Server, path: Path
) -> None:
    asked: list[str] = []
    async with browsing() as page, served_feed(server, path) as (_, there):
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(there.at)
        await says(page, "#how", "live by WebSocket")
        assert asked and all(url.startswith(there.at + "/") for url in asked)
        for url in (there.at, f"{there.at}/page/page.js"):
            async with there.http.get(url) as response:
                policy = response.headers["Content-Security-Policy"]
                assert "default-src 'self'" in policy and "unsafe" not in policy
    for file in dashboard.page():
        text = file.body.decode()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)
        assert not re.search(r"\son\w+=|\sstyle=", text), file.path
        assert "http" not in text.replace("http://www.w3.org", "").replace('"https:"', ""), (
            file.path
        )


async def test_the_token_is_asked_for_and_a_wrong_one_shows_nothing(
    server: Server, path: Path
) -> None:
    rules = Rules("127.0.0.1", 0, TOKEN)
    async with browsing() as page, served_feed(server, path, rules) as (_, there):
        await page.goto(f"{there.at}/#books")
        await says(page, "#how", "a token is asked for")
        await page.fill("#token input", "a-wrong-one")
        await page.keyboard.press("Enter")
        await says(page, "#wrong", "wrong")
        await page.locator("#desk").wait_for(state="hidden")
        await page.fill("#token input", TOKEN)
        await page.keyboard.press("Enter")
        await says(page, "#how", "live by WebSocket")
        await says(page, "#books .bid", "0.4")
        assert TOKEN not in page.url


async def test_keys_reach_everything(server: Server, path: Path) -> None:
    async with shown(server, path, "opportunities") as (page, _, _):
        await says(page, "#counts", "2 of 2")
        for number, view in enumerate(VIEWS, 1):
            await page.keyboard.press(str(number))
            await page.locator(f"#{view}").wait_for()
        await page.keyboard.press("/")
        await page.keyboard.type("no such book")
        await says(page, "#books .bar", "0 of 2")
        await page.fill("#books input", "yes")
        await says(page, "#books .bar", "1 of 2")
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        await page.locator("#keys").wait_for()
        await page.keyboard.press("Escape")
        await page.locator("#keys").wait_for(state="hidden")


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_nothing_is_wider_than_the_window(
    server: Server, path: Path, size: dict[str, int], scheme: str
) -> None:
    async with shown(server, path, viewport=size, color_scheme=scheme) as (page, _, _):
        await says(page, "#counts", "2 of 2")
        for number, view in enumerate(VIEWS, 1):
            await page.keyboard.press(str(number))
            await page.wait_for_timeout(400)
            await keep(page, f"{view}-{size['width']}-{scheme}")
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size["width"], view
            assert not await page.evaluate(SIDEWAYS), view
            assert await page.evaluate(TITLED), view
        await page.keyboard.press("2")
        await page.locator("#books tbody tr", has_text="Yes").click()
        await says(page, "#ladder .bids", "0.4")
        await keep(page, f"ladder-{size['width']}-{scheme}")


async def test_latencies_are_told_by_how_often_they_come(server: Server, path: Path) -> None:
    async with shown(server, path, "feed") as (page, there, _):
        stage = page.locator("#feed .stage", has_text="from our socket to the record")
        await stage.locator("svg rect.box").first.wait_for()
        bars = await stage.locator("svg rect.box title").all_text_contents()
        told = there.server.world.pieces["feed"]["latency_ns"]["recv_to_emit"]
        # Nothing of it is lost: each record is in one bar.
        assert sum(int(one.rsplit(": ", 1)[1].replace(",", "")) for one in bars) <= told["count"]
        assert told["below"][-1][1] == told["count"] > 0


async def test_a_window_that_is_played_in_haste_counts_down_as_it_is_played(
    server: Server, path: Path
) -> None:
    async with shown(server, path, "markets") as (page, there, feed):
        now, quarter = time.time_ns(), 900 * 10**9
        end = now + 50 * 10**9
        # By its name it ended an hour ago; its last minute is played now.
        feed.keep_pace(Pace(end, now - 4 * quarter, 60 * 10**9, quarter))
        feed.know(
            Listing(
                venue="polymarket", market="0xabc", slug="up", title="Up?", status="open",
                open_ts=now - 5 * quarter, close_ts=now - 4 * quarter,
            )
        )  # fmt: skip
        await until(lambda: there.server.world.markets.get(("polymarket", "0xabc")))
        told = there.server.world.market("polymarket", "0xabc")
        assert list(told["played_ts"]) == [end - 60 * 10**9, end]
        await says(page, "#markets .when", "Closes")
        await page.locator("#markets .when", has_text=re.compile(r", in 00:[0-5]\d")).wait_for()
        await page.locator("#markets .clocks", has_text=re.compile(r"open for 00:\d\d")).wait_for()
