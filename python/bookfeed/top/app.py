"""``Top``: the application. It follows a feed over its socket, and shows one list at a time."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, Final

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.screen import Screen
from textual.widgets import Input

from bookfeed.errors import SessionError
from bookfeed.monitor.text import Line, Span, Style, shown_rate
from bookfeed.top.cells import as_many
from bookfeed.top.desk import Desk
from bookfeed.top.look import Keys, Lines, Look, Page, Row, Whole
from bookfeed.top.near import Followed
from bookfeed.top.opened import Ladder, Legs, Pair
from bookfeed.top.pairs import CONNECTIONS, LATENCY, PAIRS, REFUSALS, PairRow
from bookfeed.top.positions import POSITIONS
from bookfeed.top.sheet import Sheet, tab_bar
from bookfeed.top.tabs import BOOKS, LOG, OPPORTUNITIES, SPREADS, TRADES, SignalLine
from bookfeed.top.terminal import lasting
from bookfeed.web.world import OVER, FeedState

TABS: Final = (
    BOOKS, OPPORTUNITIES, PAIRS, TRADES, POSITIONS, CONNECTIONS, LATENCY, REFUSALS, LOG,
)  # fmt: skip
_SPREADS_LINES_MIN: Final = 16
"""A terminal of fewer lines has no room for spreads below opportunities."""


class Top(App[None]):
    """Shows the feed that ``remote`` follows for ``desk``; ``whole``, if there is one, is the page
    that it begins with, and that ``0`` shows again.
    """

    CSS = """
    Screen { layout: vertical; }
    #head, #bar, #foot { height: 1; }
    #sheet { height: 1fr; }
    #spreads { height: 1fr; max-height: 10; display: none; border-top: solid ansi_bright_black; }
    #search { height: 1; border: none; padding: 0 1; display: none; }
    Look > Page { height: 1fr; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "quit", "end", priority=False),
        Binding("question_mark", "keys", "keys"),
        Binding("tab,right,l", "turn(1)", "next list", priority=False),
        Binding("shift+tab,left,h", "turn(-1)", "list before", priority=False),
        Binding("down,j", "move(1)"),
        Binding("up,k", "move(-1)"),
        Binding("pagedown,space", "page(1)"),
        Binding("pageup", "page(-1)"),
        Binding("home,g", "move_to(0)"),
        Binding("end,G", "move_to(-1)"),
        Binding("enter", "open"),
        Binding("s", "sort(1)"),
        Binding("S", "sort(-1)"),
        Binding("r", "turn_round"),
        Binding("f", "filter"),
        Binding("slash", "search"),
        Binding("escape", "plain"),
        Binding("p", "pause"),
        Binding("0", "whole"),
        *(Binding(str(n), f"show({n - 1})") for n in range(1, len(TABS) + 1)),
    ]

    def __init__(
        self,
        desk: Desk,
        remote: Followed,
        *,
        refresh_hz: float = 4.0,
        whole: Lines | None = None,
    ) -> None:
        super().__init__(ansi_color=True)
        self.desk: Final = desk
        self.remote: Final = remote
        self._whole: Final = whole
        desk.when_lost = self._look
        self._every_s: Final = 1 / refresh_hz
        self.sheet: Final = Sheet(BOOKS, desk, id="sheet")
        """The list."""
        self.spreads: Final = Sheet(SPREADS, desk, id="spreads")
        """The list below that of opportunities."""
        self.paused = False
        self.failure: SessionError | None = None
        """What ended it, if it did not end in good order."""
        self._following: asyncio.Task[None] | None = None

    def get_driver_class(self) -> type[Driver]:
        """How it reads and writes its terminal, which may go away."""
        return lasting(super().get_driver_class())

    def compose(self) -> ComposeResult:
        """A line of what is followed, one of lists, the list, a line of what is chosen."""
        yield self._line("head", self._head)
        yield self._line("bar", lambda: tab_bar(TABS, self._active, self.size.width))
        yield self.sheet
        yield self.spreads
        yield Input(placeholder="search: market, venue, outcome; Enter keeps it", id="search",
                    compact=True)  # fmt: skip
        yield self._line("foot", self._foot)

    def on_mount(self) -> None:
        """Begin to follow."""
        self.sheet.focus()
        self._following = asyncio.create_task(self._follow(), name="bookfeed-top")
        self.set_interval(self._every_s, self.tick)
        self.action_whole()

    async def on_unmount(self) -> None:
        """Follow no more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _follow(self) -> None:
        try:
            await self.remote.run()
        except SessionError as error:
            self.failure = error
            self.exit()

    # Time.

    def tick(self) -> None:
        """Show what is now."""
        if not self.screen_stack:
            return  # a timer that is late for the end
        self._look()
        if self.paused:
            return
        self.desk.refresh()
        if isinstance(self.screen, Look):
            self.screen.draw()
            return
        self._load()

    def _look(self) -> None:
        heard, attached = self.remote.heard, self.remote.attached
        feed: FeedState = "heard" if heard else "silent" if attached else "lost"
        if feed == self.desk.world.feed:
            return
        # What is not true any more is not kept in sight, not even until the next tick.
        self.paused = False
        self.desk.stand(feed)
        self.desk.refresh()
        self._load()

    def _load(self) -> None:
        if not self.sheet.is_attached:
            return  # it is about to begin, or has ended
        self.spreads.display = (
            self.sheet.tab is OPPORTUNITIES and self.size.height >= _SPREADS_LINES_MIN
        )
        for sheet in (self.sheet, self.spreads):
            if sheet.display:
                sheet.load()
        for line in self._root.query(Page):
            line.refresh()

    # What is shown.

    @property
    def _root(self) -> Screen[Any]:
        """Where the lists are, whatever is above them."""
        return self.screen_stack[0]

    @property
    def _active(self) -> int:
        return TABS.index(self.sheet.tab)

    def _line(self, id: str, made: Callable[[], Line]) -> Page:
        page = Page(lambda _: [made()])
        page.id = id
        page.can_focus = False
        return page

    def _head(self) -> Line:
        """How the feed is, as much of it as there is room for; books that are over are apart."""
        desk = self.desk
        counts: dict[str, int] = {}
        over = 0
        for line in desk.books.values():
            if line.touch["cause"] in OVER:
                over += 1
                continue
            state = line.touch["state"]
            counts[state] = counts.get(state, 0) + 1
        total, live = sum(counts.values()), counts.pop("live", 0)
        feed = desk.world.feed
        styles: dict[FeedState, Style] = {"heard": "good", "silent": "warn", "lost": "bad"}
        parts = [
            Span(" bookfeed ", "bold"),
            Span(f" {'paused' if self.paused else feed} ", "warn" if self.paused else styles[feed]),
            Span(f" {live}/{total} live", "good" if live == total else "warn"),
            *(Span(f"  {count} {state}", "warn") for state, count in sorted(counts.items())),
            Span(f"  {len(desk.world.open_signals())} open"),
            Span(f"  {shown_rate(desk.updates_per_s)} upd/s"),
        ]
        if self.remote.dropped:
            parts.append(Span(f"  {self.remote.dropped:,} records missed", "bad"))
        if over:
            parts.append(Span(f"  {over} over", "dim"))
        parts.append(Span(f"  {self.remote.path}", "dim"))
        return as_many(parts, self.size.width)

    def _foot(self) -> Line:
        sheet = self._chosen_sheet
        parts = [Span(f" {sheet.place}/{len(sheet.rows)}")]
        if venue := sheet.left_out("venue"):
            parts.append(Span(f"  {venue}", "dim"))
        if self.desk.world.feed == "lost":
            parts.append(Span("  no feed is attached; it is looked for", "bad"))
        title, _ = sheet.sorting
        for word, what in (("by", title), ("only", sheet.filter), ("with", sheet.search)):
            if what:
                parts.append(Span(f"  {word} {what}", "warn"))
        opens = [Span(f"  Enter {sheet.tab.opens}")] if sheet.rows else []
        keys = ["? keys", "/ search", "s sort", *["f filter"] * bool(sheet.tab.choices), "q end"]
        return as_many([*parts, *opens, *(Span(f"  {key}") for key in keys)], self.size.width)

    @property
    def _chosen_sheet(self) -> Sheet:
        return self.spreads if self.spreads.has_focus and self.spreads.display else self.sheet

    # Keys.

    def action_show(self, number: int) -> None:
        """Show a list."""
        if isinstance(self.screen, Look):
            self.pop_screen()
        self.sheet.turn_to(TABS[number])
        self.sheet.focus()
        self._load()

    def action_turn(self, step: int) -> None:
        """Show the next list, or the one before; spreads are a list after opportunities."""
        if step == 1 and self.spreads.display and not self.spreads.has_focus:
            self.spreads.focus()
        elif step == -1 and self.spreads.has_focus:
            self.sheet.focus()
        else:
            self.action_show((self._active + step) % len(TABS))

    def action_move(self, lines: int) -> None:
        """Choose another row."""
        self._chosen_sheet.move(lines)

    def action_page(self, pages: int) -> None:
        """Choose a row a page away."""
        sheet = self._chosen_sheet
        sheet.move(pages * max(sheet.size.height - 2, 1))

    def action_move_to(self, place: int) -> None:
        """Choose the first row, or the last."""
        self._chosen_sheet.move_to(place)

    def action_open(self) -> None:
        """Look at the row that is chosen."""
        self._chosen_sheet.open()

    def action_sort(self, step: int) -> None:
        """Sort by another column."""
        self._chosen_sheet.sort_next(step)
        self._load()

    def action_turn_round(self) -> None:
        """Sort the other way."""
        self._chosen_sheet.turn_round()

    def action_filter(self) -> None:
        """Take another filter."""
        self._chosen_sheet.filter_next()
        self._load()

    def action_pause(self) -> None:
        """Let what is shown stand, or go on."""
        self.paused = not self.paused
        self._load()

    def action_whole(self) -> None:
        """Show the page that it began with."""
        if self._whole is not None and not isinstance(self.screen, Whole):
            self.push_screen(Whole(self._whole))

    def action_keys(self) -> None:
        """Show what each key does."""
        self.push_screen(Keys())

    def action_search(self) -> None:
        """Type what to look for."""
        field = self._root.query_one("#search", Input)
        field.display = True
        field.focus()

    def action_plain(self) -> None:
        """Neither search nor filter."""
        field = self._root.query_one("#search", Input)
        field.value = ""
        field.display = False
        self.sheet.show_all()
        self.spreads.show_all()
        self.sheet.focus()
        self._load()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look for what is typed while it is typed."""
        for sheet in (self.sheet, self.spreads):
            sheet.search = event.value
        self._load()

    def on_input_submitted(self) -> None:
        """Keep the search, and go back to the list."""
        self._root.query_one("#search", Input).display = False
        self.sheet.focus()

    def on_sheet_opened(self, event: Sheet.Opened) -> None:
        """Look at a row."""
        if isinstance(event.row, SignalLine) and event.row.signal.direction is not None:
            self.push_screen(Legs(self.desk, event.row))
            return
        if isinstance(event.row, PairRow):
            self.push_screen(Pair(self.desk, event.row.number))
            return
        instrument = event.tab.book(event.row)
        if instrument is not None:
            self.push_screen(Ladder(self.desk, self.remote, instrument, self._every_s))
        else:
            self.push_screen(Row(event.tab, event.row))
