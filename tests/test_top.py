"""``bookfeed top``: what it shows of a feed, how keys change that, and what is shown of no feed."""

import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from session_server import MARKET, NO, YES, Server, book_frame
from settled_market import STRIKE, Settled
from textual.pilot import Pilot
from textual.widgets import Input
from waiting import PATIENCE_S, until

from bookfeed import Feed, Market, Outcome, Rule
from bookfeed.monitor.text import columns
from bookfeed.monitor.wanted import Wanted
from bookfeed.sinks import SocketSink
from bookfeed.top.app import TABS, Top
from bookfeed.top.cells import as_many
from bookfeed.top.desk import DELAYS_KEPT, BookLine, Desk, Flow, Thresholds
from bookfeed.top.look import KEYS, Keys, Row
from bookfeed.top.near import far
from bookfeed.top.opened import Ladder, Pair
from bookfeed.top.pairs import PairRow
from bookfeed.top.sheet import tab_bar
from bookfeed.top.tabs import TRADES

RULES = [Rule("spread", {"mode": "bps", "open": "20"})]
HOSTILE = "雨\x1b[2J🚀[red]\u202e"
SIZES = [(40, 12), (80, 24), (120, 40), (200, 50)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feed.sock"


@asynccontextmanager
async def shown(
    path: Path, size: tuple[int, int] = (120, 40), desk: Desk | None = None
) -> AsyncIterator[tuple[Top, Pilot[None]]]:
    desk = desk or Desk(Thresholds())
    app = Top(desk, far(desk, str(path)), refresh_hz=30)
    async with app.run_test(size=size) as pilot:
        yield app, pilot


@asynccontextmanager
async def followed(
    venue: Server, path: Path, size: tuple[int, int] = (120, 40), market: Market = MARKET
) -> AsyncIterator[tuple[Feed, Top, Pilot[None]]]:
    """A feed whose books are live, and a terminal that hears it."""
    async with Feed([market], url=venue.url, rules=RULES, sinks=[SocketSink(path)]) as feed:
        await feed.wait_live(PATIENCE_S)
        async with shown(path, size) as (app, pilot):
            await until(lambda: app.desk.world.feed == "heard" and app.sheet.rows)
            yield feed, app, pilot


def text(app: Top) -> str:
    """What the terminal shows, line by line."""
    width, height = app.size
    strips = app.screen._compositor.render_strips()  # noqa: SLF001 - nothing else tells
    lines = [strip.text for strip in strips]
    assert len(lines) == height
    assert all(strip.cell_length == width for strip in strips)
    return "\n".join(lines)


async def test_books_are_listed_with_prices_states_and_delays(server: Server, path: Path) -> None:
    async with followed(server, path, (160, 40)) as (feed, app, _):
        (await server.peer(0)).text(book_frame(YES, "0.45"))
        await until(lambda: "0.45" in text(app))
        title, yes, _ = text(app).splitlines()[2:5]
        assert "Will it?" in yes and "polymarket" in yes and "live" in yes
        for word in ("market", "outcome", "bid", "ask", "spread", "state", "average", "p95"):
            assert word in title
        line = app.desk.books[feed.book(YES).instrument]
        assert line.mean_ns is not None and line.p95_ns is not None
        assert "2/2 live" in text(app) and "heard" in text(app)


async def test_a_book_that_may_not_be_believed_shows_no_price(server: Server, path: Path) -> None:
    async with followed(server, path) as (_, app, _pilot):
        await until(lambda: "0.60" in text(app))
        # From now on nobody who subscribes gets a book.
        server.on_subscribe = None
        (await server.peer(0)).abort()
        await until(lambda: "0/2 live" in text(app))
        assert "0.60" not in text(app) and "0.40" not in text(app)


async def test_what_a_contract_is_worth_is_shown_while_its_reference_is_heard(
    server: Server, path: Path
) -> None:
    async with followed(server, path) as (feed, app, pilot):
        settled = Settled(feed)
        await pilot.press("enter")
        worth = feed.fair_value(YES)
        assert worth is not None
        await until(lambda: f"worth {worth.price:.3f}" in text(app))
        assert "expected 84,05" in text(app)
        await until(lambda: "worth" not in text(app))
        settled.tick(STRIKE)
        await until(lambda: "worth" in text(app))


async def test_what_is_shown_of_a_feed_that_is_gone(server: Server, path: Path) -> None:
    """No price, whether the books are listed or one of them is looked at."""
    async with shown(path) as (app, pilot):
        await until(lambda: "no feed is attached" in text(app))
        async with Feed([MARKET], url=server.url, rules=RULES, sinks=[SocketSink(path)]) as feed:
            await feed.wait_live(PATIENCE_S)
            await until(lambda: "2/2 live" in text(app))
            await pilot.press("enter")
            await until(lambda: "spread 0.2" in text(app))
        await until(lambda: "may not be believed" in text(app) or "no feed" in text(app))
        assert "0.60" not in text(app)
        await pilot.press("escape")
        await until(lambda: "lost" in text(app) and "0/2 live" in text(app))
        assert "0.60" not in text(app)


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_every_list_fits_every_terminal(
    server: Server, path: Path, size: tuple[int, int]
) -> None:
    """Each line has the terminal's cells, whatever a market is called, and steers nothing."""
    market = Market("0xabc", (Outcome("Yes", YES), Outcome("No", NO)), name=HOSTILE)
    async with followed(server, path, size, market) as (_, app, pilot):
        for number in range(1, len(TABS) + 1):
            await pilot.press(str(number))
            shown = text(app)
            assert all(line.isprintable() for line in shown.splitlines())
            assert TABS[number - 1] is app.sheet.tab
        await pilot.press("1", "enter")
        assert isinstance(app.screen, Ladder)
        await until(lambda: "mid" in text(app))
        assert all(line.isprintable() for line in text(app).splitlines())
        await pilot.press("escape", "question_mark")
        assert isinstance(app.screen, Keys) and "sort" in text(app)
        # Whatever a page has can be read on the smallest terminal, and it says that there is more.
        seen = text(app)
        assert ("↑ ↓ more" in seen) == (size[1] <= len(KEYS))
        await pilot.press("end")
        seen += text(app)
        assert all(what in seen for _, what in KEYS)
        await pilot.press("escape")
        assert app.sheet.has_focus


async def test_keys_sort_filter_and_search(server: Server, path: Path) -> None:
    async with followed(server, path) as (_, app, pilot):

        def outcomes() -> list[str]:
            return [row.line.touch["outcome"] for row in app.sheet.rows]

        await pilot.press("s", "s")
        assert app.sheet.sorting == ("outcome", False) and outcomes() == ["No", "Yes"]
        await pilot.press("r")
        assert outcomes() == ["Yes", "No"]
        await pilot.press("slash", *"no", "enter")
        assert outcomes() == ["No"] and app.sheet.has_focus
        assert "with no" in text(app)
        await pilot.press("slash", *" such", "enter")
        assert outcomes() == [] and "none of 2" in text(app)
        await pilot.press("escape")
        assert len(outcomes()) == 2 and not app.query_one(Input).display
        await pilot.press("f")
        assert outcomes() == [] and "only not live" in text(app)
        await pilot.press("f")
        assert len(outcomes()) == 2 and "only live" in text(app)


async def test_the_chosen_row_stays_chosen_when_the_order_changes(
    server: Server, path: Path
) -> None:
    async with followed(server, path) as (_, app, pilot):
        await pilot.press("down")
        chosen = app.sheet.chosen.line
        await pilot.press("s", "s", "r")
        assert app.sheet.chosen.line is chosen
        await pilot.press("r")
        assert app.sheet.chosen.line is chosen


async def test_spreads_have_a_panel_of_their_own(server: Server, path: Path) -> None:
    async with followed(server, path) as (_, app, pilot):
        await pilot.press("2")
        await until(lambda: app.spreads.rows)
        assert app.sheet.rows == [] and "no opportunity so far" in text(app)
        await pilot.press("tab", "enter")
        assert isinstance(app.screen, Ladder)


async def test_a_list_that_is_empty_says_why_on_the_smallest_terminal(
    server: Server, path: Path
) -> None:
    async with followed(server, path, (40, 12)) as (_, app, pilot):
        for number, tab in enumerate(TABS, 1):
            await pilot.press(str(number))
            if not app.sheet.rows:
                lines = [line.strip() for line in text(app).splitlines()]
                assert tab.empty in " ".join(line for line in lines if line), tab.name
        assert sum(len(tab.empty) > 40 for tab in TABS) >= 3


async def test_enter_opens_something_of_every_list(server: Server, path: Path) -> None:
    """A row without a page of its own is shown with all it has, however narrow the list."""
    async with followed(server, path, (40, 12)) as (_, app, pilot):
        opened = {}
        for number, tab in enumerate(TABS, 1):
            await pilot.press(str(number))
            if app.sheet.rows:
                assert f"Enter {tab.opens}" in text(app)
                await pilot.press("enter")
                opened[tab.name] = type(app.screen)
                if isinstance(app.screen, Row):
                    shown = text(app)
                    await pilot.press("end")
                    shown += text(app)
                    assert all(column.title in shown for column in tab.columns)
                await pilot.press("escape")
        assert opened["books"] is Ladder
        assert opened["connections"] is opened["latency"] is opened["log"] is Row


async def test_the_legs_of_a_pair_are_side_by_side(server: Server, path: Path) -> None:
    legs = [
        {"venue": "polymarket", "symbol": s, "outcome": o, "polarity": "same"}
        for s, o in ((YES, "Yes"), (NO, "No"))
    ]
    about = {"legs": legs, "basis": ['oracle "one" (a), "another" (b)']}
    rules = [Rule("spread", {"mode": "bps", "open": "20"}, "both of them", about)]
    async with Feed([MARKET], url=server.url, rules=rules, sinks=[SocketSink(path)]) as feed:
        await feed.wait_live(PATIENCE_S)
        async with shown(path, (120, 40)) as (app, pilot):
            await pilot.press("3")
            await until(lambda: "polymarket Yes 0.40/0.60" in text(app))
            await pilot.press("enter")
            assert isinstance(app.screen, Pair)
            told = (
                "Will it? Yes polymarket 10 0.40 0.60 10 live",
                "Will it? No polymarket 11 0.40 0.60 11 live",
                'not the same contract: oracle "one" (a), "another" (b)',
            )

            def page() -> list[str]:
                return [" ".join(line.split()) for line in text(app).splitlines()]

            await until(lambda: all(line in page() for line in told))
            await feed.remove_rule(next(iter(feed.rules)))
            await until(lambda: "no such rule" in text(app))


async def test_books_that_are_over_come_last_and_are_no_alarm(server: Server, path: Path) -> None:
    async with followed(server, path) as (feed, app, pilot):
        await feed.remove_markets([MARKET])
        await until(lambda: "0/0 live" in text(app) and "2 over" in text(app))
        await until(lambda: "0.60" not in text(app))
        assert text(app).count(" over ") >= 2
        await pilot.press("f")
        assert app.sheet.rows == [] and "only not live" in text(app)
        await pilot.press("escape", "enter")
        await until(lambda: "its market is over" in text(app) or "no such book" in text(app))


async def test_what_is_paused_goes_on_when_it_is_not_true_any_more(
    server: Server, path: Path
) -> None:
    async with shown(path) as (app, pilot):
        async with Feed([MARKET], url=server.url, rules=RULES, sinks=[SocketSink(path)]) as feed:
            await feed.wait_live(PATIENCE_S)
            await until(lambda: "0.60" in text(app))
            await pilot.press("p")
            assert "paused" in text(app)
        await until(lambda: "lost" in text(app))
        assert not app.paused and "0.60" not in text(app)


async def test_a_change_of_state_is_in_the_log(server: Server, path: Path) -> None:
    async with followed(server, path) as (_, app, pilot):
        (await server.peer(0)).abort()
        await pilot.press("9")
        await until(lambda: "Will it? Yes: stale (disconnected)" in text(app))


# Numbers.


def test_average_and_percentile_are_of_the_newest_delays() -> None:
    line = BookLine({})
    assert line.mean_ns is None and line.p95_ns is None
    delays = np.arange(1, 3 * DELAYS_KEPT + 8, dtype=np.int64)
    for at in range(0, len(delays), 50):
        line.take_delays(delays[at : at + 50])
    kept = sorted(delays[-DELAYS_KEPT:].tolist())
    assert line.mean_ns == sum(kept) / len(kept)
    # Nearest rank: the least that 95 of a hundred do not exceed.
    assert line.p95_ns == kept[-(-95 * len(kept) // 100) - 1]


def test_delays_and_silences_are_coloured_by_thresholds() -> None:
    health = Thresholds()
    looks = [health.late(ms * 1e6) for ms in (4.9, 5.0, 10.0, 10.1)]
    assert looks == ["good", "warn", "warn", "bad"] and health.late(None) == "dim"
    assert [health.quiet(s * 10**9) for s in (9, 10, 29, 30)] == ["dim", "warn", "warn", "bad"]
    assert Thresholds(warn_ms=50, alert_ms=100).late(60e6) == "warn"
    # One that was set beyond the other moves it.
    assert [Thresholds(warn_ms=50).late(ms * 1e6) for ms in (40, 50, 51)] == ["good", "warn", "bad"]
    assert [Thresholds(quiet_s=60).quiet(s * 10**9) for s in (59, 60)] == ["dim", "bad"]


# The command.


def top(*args: str, terminal: bool) -> tuple[int, str]:
    """Exit code and everything that it said."""
    command = [sys.executable, "-m", "bookfeed", "top", *args]
    if not terminal:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        return done.returncode, done.stdout + done.stderr
    leader, follower = pty.openpty()
    try:
        process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower)
        code = process.wait(PATIENCE_S)
        return code, os.read(leader, 65_536).decode()
    finally:
        os.close(leader)
        os.close(follower)


def test_who_has_no_feed_is_told_how_to_get_one(path: Path) -> None:
    code, said = top(str(path), terminal=True)
    assert code == 1
    for word in (str(path), "No such file", "[[sink]]", "socket", "bookfeed run"):
        assert word in said


def test_without_a_terminal_it_says_what_is_there_for_programs(path: Path) -> None:
    code, said = top(str(path), terminal=False)
    assert code == 1 and "terminal" in said and "serve" in said
    assert "Traceback" not in said


def test_only_wanted_signals_are_listed() -> None:
    told: Any = SimpleNamespace(rule="box", name="rain", net_edge=0.02, net_total=2.0)
    assert Wanted()(told) and Wanted(("box",))(told) and Wanted(("rain",))(told)
    assert not Wanted(("basket",))(told)
    assert Wanted(min_edge=0.02, min_profit=2.0)(told)
    assert not Wanted(min_edge=0.021)(told) and not Wanted(min_profit=2.01)(told)


def test_a_terminal_that_is_narrow_names_the_lists_around_the_one_it_shows() -> None:
    for width in (24, 40, 60, 80, 120):
        for active in range(len(TABS)):
            bar = tab_bar(TABS, active, width)
            assert columns(bar) <= width
            (bold,) = (span.text for span in bar if span.style == "bold")
            assert bold in (
                f" {active + 1} {TABS[active].name} ",
                f" {active + 1} {TABS[active].short} ",
            )
            shown = sum(span.text.strip() not in ("", "<", ">") for span in bar)
            assert shown >= (1 if width < 40 else 4)
            assert (bar[0].text, bar[-1].text) == (
                "<" if "1 books" not in bar[1].text else "",
                ">" if "9 log" not in bar[-2].text else "",
            )


def test_the_flow_of_a_minute_is_never_half_a_number() -> None:
    flow = Flow()
    for usd, side in ((123_456_789.0, "buy"), (2_000.0, "sell"), (999.0, "sell"), (5.0, None)):
        flow.add(usd, side, 1_000.0)
    assert (flow.trades, flow.large, flow.largest) == (4, 2, 123_456_789.0)
    desk = Desk(Thresholds())
    desk._flow[desk.now_ns // 10**9] = flow  # noqa: SLF001 - as trades would fill it
    note = TRADES.note
    assert note is not None
    whole = "".join(span.text for span in note(desk))
    assert whole == (
        " 4/min  bought $123M  sold $2,999  largest $123M  2 of $1,000 or more  side unknown $5.00"
    )
    for width in range(6, 90):
        cut = "".join(span.text for span in as_many(note(desk), width))
        assert len(cut) <= width and whole.startswith(cut)
        assert whole[len(cut) :][:2] in ("", "  ")


def test_the_page_of_keys_names_every_list() -> None:
    assert KEYS[0][0].startswith(f"1 … {len(TABS)},")


def test_what_a_pair_costs_is_the_event_here_and_its_opposite_there() -> None:
    """Either way round; a leg may be the opposite itself, and steps of a ladder have no sum."""
    here = {"live": True, "outcome": "Yes", "bid": "0.68", "ask": "0.82"}
    there = {"live": True, "outcome": "Yes", "bid": "0.74", "ask": "0.77"}

    def row(rule: str, *polarities: str, outcome: str = "yes") -> PairRow:
        legs = [{"outcome": "yes", "polarity": one} for one in polarities]
        legs[-1]["outcome"] = outcome
        return PairRow("1", {"rule": rule, "legs": legs}, [here, there])

    same = row("box", "same", "same")
    assert (same.cost, same.proceeds) == pytest.approx((0.82 + 0.26, 0.74 + 0.18))
    inverted = row("strike_gap", "same", "inverted", outcome="no")
    assert (inverted.cost, inverted.proceeds) == pytest.approx((same.cost, same.proceeds))
    basket = row("basket", "same", "same")
    assert (basket.cost, basket.proceeds) == pytest.approx((1.59, 1.42))
    assert row("ladder", "same", "same").cost is None
    unknown = row("box", "same", "same")._replace(touches=[here, None])
    assert unknown.cost is None
