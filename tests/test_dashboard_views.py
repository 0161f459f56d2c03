"""What each view of the dashboard says: markets by two clocks, refusals, connections, trades."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from browser import keep, launched
from session_server import STAMPS, YES, Server, book_frame, serving
from settled_market import STRIKE, Settled
from test_dashboard import DESK, PHONE, says, shown
from waiting import until

from bookfeed import Rule

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
    pytest.mark.asyncio(loop_scope="module"),
]

TRADE = (
    '[{"event_type":"last_trade_price","asset_id":"%s","market":"0xabc","price":"%s",'
    '"size":"7","side":"BUY","timestamp":"%d","fee_rate_bps":"0"}]'
)


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


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_a_market_has_two_clocks_its_strike_and_what_it_is_worth(
    server: Server, path: Path, size: dict[str, int], scheme: str
) -> None:
    async with shown(server, path, "markets", viewport=size, color_scheme=scheme) as (
        page,
        _,
        feed,
    ):
        settled = Settled(feed)
        card = page.locator("#markets .panel", has_text="Bitcoin above 84,000?")
        await card.locator(".clocks", has_text=re.compile(r"open for 10:\d\d")).wait_for()
        await says(page, "#markets .when", "in 09:")
        # By the reference of its terms, and not by a spot book whose name is like the market's.
        await card.locator(".clocks .good", has_text="strike 84,000, expected +5").wait_for()
        yes = card.locator("tbody tr", has_text="Yes")
        worth = feed.fair_value(YES)
        assert worth is not None
        await yes.locator("td", has_text=f"{worth.price:.3f}").wait_for()
        low, high = worth.low_e9 / 1e9, worth.high_e9 / 1e9
        assert await yes.locator("td").nth(3).get_attribute("title") == (
            f"from {low:.3f} to {high:.3f}"
        )
        await keep(page, f"worth-{size['width']}-{scheme}")
        settled.tick(STRIKE - 400)
        await card.locator(".clocks .bad", has_text="expected -").wait_for()
        # Nobody hears of its reference any more.
        await page.wait_for_function(
            "() => !document.querySelector('#markets').innerText.includes('expected')"
        )
        await card.locator(".clocks", has_text="strike 84,000").wait_for()
        assert await yes.locator("td").nth(3).text_content() == ""
        assert await yes.locator(".bid").text_content() != ""


async def test_a_spot_book_alone_says_nothing_of_a_strike(server: Server, path: Path) -> None:
    """A currency's name inside a market's is no reference."""
    async with shown(server, path, "markets") as (page, *_):
        drawn = """(async () => {
            const part = (name) => import(`${location.origin}/page/${name}.js`);
            const [{ Known }, { Markets }] = await Promise.all([part("known"), part("markets")]);
            const place = document.createElement("div");
            document.querySelector("main").prepend(place);
            const known = new Known();
            const touch = { state: "live", cause: "snapshot", bid_qty: "1", ask_qty: "1" };
            const spot = { ...touch, venue: "kraken", symbol: "ETH/USD", market: "ETH-USD",
                outcome: "spot", bid: "3000", ask: "3001" };
            const yes = { ...touch, venue: "v", symbol: "y", outcome: "Yes", bid: "0.4", ask: "0.5",
                fair: null };
            known.take({ type: "arbitrage", feed: "heard", signals: [], spot: [spot], markets: [{
                venue: "v", market: "bethany-wins", title: "Bethany?", strike: 5, series: null,
                open_ts: 1, close_ts: null, played_ts: null, result: null, books: [yes] }] });
            new Markets(place, known, () => {}).draw();
            const clocks = place.querySelectorAll(".clocks:not([hidden])");
            return [...clocks].map((one) => one.textContent);
        })()"""
        (clocks,) = await page.evaluate(drawn)
        assert "strike 5" in clocks
        assert "expected" not in clocks and "spot" not in clocks and "299" not in clocks


async def test_why_nothing_was_signalled_is_said(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {"min_edge": "0.01", "min_qty": "1000000"}
    monkeypatch.setattr("web_server.RULES", [Rule("complement", params, name="large ones")])
    async with shown(server, path, "feed") as (page, there, feed):
        server.peers[-1].text(book_frame(YES, "0.30", "0.35"))
        await until(feed.why)
        refused = feed.why()[0]
        row = page.locator("#feed .panel", has_text="Why not").locator("tbody tr")
        await row.filter(has_text=refused.text).first.wait_for()
        cells = await row.first.locator("td").all_text_contents()
        assert cells[:3] == ["large ones", "complement", refused.text]
        assert int(cells[3].replace(",", "")) >= 1
        assert there.server.world.open_signals() == []


async def test_connections_are_shown_with_their_state_and_cause(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shown(server, path, "feed") as (page, there, _):
        row = page.locator("#feed .panel", has_text="Connections").locator("tbody tr").first
        await row.locator("td.state", has_text="connected").wait_for()
        cells = await row.locator("td").all_text_contents()
        assert (cells[0], cells[3], cells[5]) == ("polymarket", "2 of 2", "0")
        assert not await row.get_attribute("class")
        server.refuses = True
        (await server.peer(0)).abort()
        await row.locator("td.state", has_text="reconnecting, ").wait_for()
        assert await row.get_attribute("class") == "doubted"
        server.refuses = False
        await row.locator("td.state", has_text="connected").wait_for()
        await row.locator("td", has_text=re.compile(r"^1$")).wait_for()
        # One that polls does what it is there for.
        told = dict(there.server.world.connections[0]) | {"state": "polling", "polled": 2}
        take = there.server.world.take_piece
        monkeypatch.setattr(there.server.world, "take_piece", lambda piece: None)
        take(told)
        await row.locator("td.state", has_text="polling").wait_for()
        assert not await row.get_attribute("class")


async def test_trades_and_best_prices_of_a_book_are_shown(server: Server, path: Path) -> None:
    async with shown(server, path) as (page, _, feed):
        await page.locator("#books tbody tr", has_text="Yes").click()
        await says(page, "#ladder .panel", "None since this page is open.")
        for bid, price in (("0.45", "0.5"), ("0.47", "0.52")):
            server.peers[-1].text(book_frame(YES, bid))
            server.peers[-1].text((TRADE % (YES, price, STAMPS.next_ms())).encode())
            await until(lambda: feed.book(YES).bid == float(bid))  # noqa: B023 - waited for
            await page.wait_for_timeout(1_200)
        trades = page.locator("#ladder .panel", has_text="Trades").locator("tbody tr")
        await trades.nth(1).wait_for()
        newest, before = await trades.all_text_contents()
        assert "0.52" in newest and "0.5" in before and all("7" in one for one in (newest, before))
        drawn = page.locator("#ladder .panel", has_text="Best prices and spread").locator(
            "svg path"
        )
        bids = await drawn.first.get_attribute("d")
        # It begins at one height, and moves to another.
        assert len(set(re.findall(r"(?:M\S+ |V)([\d.]+)", bids))) > 1, bids
