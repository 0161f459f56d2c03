"""``Alerts``: watches an open feed, and tells of what somebody wants to be told of.

    async with Feed(...) as feed, Alerts(feed, [Alert(when="signal", to=("bell",))]):
        ...

Nothing of it runs in a socket read: updates and signals come through bounded streams, everything
else once a second or when it happens, and a thread of its own sends (``alert_targets.py``).
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import count
from types import TracebackType
from typing import Any, Final, Self

from bookfeed._bookfeed import PRICE_SCALE, QTY_SCALE, format_price, format_qty
from bookfeed.catalogue.news import MarketNews, Wanted
from bookfeed.dispatch.listeners import Listener
from bookfeed.dispatch.streams import Lagged, Stream
from bookfeed.errors import BookfeedError
from bookfeed.feed.alert_subjects import Subject, Subjects
from bookfeed.feed.alert_targets import Message, Outbox, check
from bookfeed.feed.feed import Feed
from bookfeed.names import Name, name_of
from bookfeed.own.events import OwnEvent, OwnFill
from bookfeed.own.view import Account
from bookfeed.records import Signal, Update
from bookfeed.rules.alerts import FOR_S, Alert
from bookfeed.status import UP

LOOK_S: Final = 1.0
"""How often it is looked at books, connections and accounts."""
QUEUE_MAX: Final = 8_192
"""So many updates, or signals, may wait to be looked at."""
LINE_MAX: Final = 400
UNFOLLOWED_S: Final = 10.0
"""So long a book may take to be followed before an alert about it is warned of."""

_OF_UPDATES: Final = frozenset(
    {"price", "spread", "trade", "tick_size", "disagreement", "resolved"}
)
_OF_NEWS: Final = {
    "strike": "strike",
    "resolved": "decided",
    "disagreement": "disagreement",
    "new_market": "new",
    "rules_changed": "changed",
}
_OF_LOOKS: Final = frozenset({"not_live", "connection", "delay", "position", "loss"})
_OF_BOOKS: Final = frozenset({"price", "spread", "trade", "tick_size", "not_live"})
_E17: Final = 10**17

_log: Final = logging.getLogger("bookfeed.alerts")


class Alerts:
    """Tells of a feed for as long as its context lasts; the feed is open before and closed after.

    ``environ`` is where targets ``env:…`` are, ``now`` the time of day for quiet hours, ``clock``
    seconds that pass. Raises ``ConfigError`` for a target that cannot be used. What is told is in
    ``feed.alerts()`` as well.
    """

    def __init__(
        self,
        feed: Feed,
        alerts: Sequence[Alert],
        *,
        environ: dict[str, str] | None = None,
        now: Callable[[], datetime] = datetime.now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environ: Final = environ
        self.check(alerts)
        self._feed: Final = feed
        # Each keeps its number, by which is remembered what was told of it.
        self._alerts: dict[int, Alert] = dict(enumerate(alerts))
        self._numbers: Final = count(len(alerts))
        self._now: Final = now
        self._clock: Final = clock
        self._outbox: Final = Outbox(environ)
        self._counts: Final[Counter[str]] = Counter()
        self._subjects: Final = Subjects()
        # Since when no book is followed that an alert is about; for ever once that was said.
        self._unfollowed_s: Final[dict[int, float]] = {}
        self._listeners: Final[list[Listener]] = []
        self._streams: Final[list[tuple[Stream[Any], Callable[[Any], None]]]] = []
        self._tasks: Final[list[asyncio.Task[None]]] = []
        self._open = False
        self.begun = False
        """Whether there has been an alert since it was opened."""

    def check(self, alerts: Iterable[Alert]) -> None:
        """Raise ``ConfigError`` for an alert whose targets cannot be used."""
        for alert in alerts:
            check(alert.to, self._environ)

    def follow(self, alerts: Sequence[Alert]) -> None:
        """Tell of these from now on, and of no others; of one that stays nothing is told anew.

        Raises ``ConfigError`` for a target that cannot be used: then all is as before.
        """
        self.check(alerts)
        self._leave()
        new = list(alerts)
        for number, alert in tuple(self._alerts.items()):
            if alert in new:
                new.remove(alert)
            else:
                self._forget(number)
        self._alerts.update({next(self._numbers): alert for alert in new})
        if self._open:
            self._listen()

    def _forget(self, number: int) -> None:
        del self._alerts[number]
        self._subjects.forget(number)
        self._unfollowed_s.pop(number, None)

    def counters(self) -> dict[str, int]:
        """Return what was ``sent`` (messages by target), ``failed``, ``dropped`` because too much
        waited, held back by a ``cooldown`` or in ``quiet`` hours, and ``missed`` unseen.
        """
        counts = {name: self._counts[name] for name in ("cooldown", "quiet", "missed")}
        out = self._outbox
        return {"sent": out.sent, "failed": out.failed, "dropped": out.dropped, **counts}

    async def __aenter__(self) -> Self:
        self._open = True
        self._listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        tasks = tuple(self._tasks)
        self._leave()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.begun:
            await asyncio.to_thread(self._outbox.close)

    def _listen(self) -> None:
        """Hear of what the alerts are about."""
        if not self._alerts:
            return
        if not self.begun:
            self.begun = True
            self._outbox.begin()
        kinds = {alert.when for alert in self._alerts.values()}
        feed = self._feed
        if kinds & _OF_UPDATES:
            stream = feed.updates(queue_max=QUEUE_MAX, symbols=self._symbols())
            self._read_from(stream, self._update)
        if "signal" in kinds:
            self._read_from(feed.signals(queue_max=QUEUE_MAX), self._signal)
        if kinds & _OF_NEWS.keys():
            self._listeners.append(feed.on_market(self._news))
        if "fill" in kinds:
            self._listeners.append(feed.on_own(self._own))
        if kinds & (_OF_LOOKS | _OF_BOOKS):
            self._begin(self._look_again())

    def _leave(self) -> None:
        """Hear of nothing more; what waits is looked at before."""
        for listener in self._listeners:
            listener.close()
        for task in self._tasks:
            task.cancel()
        for stream, take in self._streams:
            self._drain(stream, take)
            stream.close()
        for held in (self._listeners, self._tasks, self._streams):
            held.clear()

    def _drain(self, stream: Stream[Any], take: Callable[[Any], None]) -> None:
        while True:
            try:
                for record in stream.drain():
                    take(record)
                return
            except Lagged as lagged:
                self._counts["missed"] += lagged.missed
            except BookfeedError:  # the feed has failed, which is told elsewhere
                return

    def _read_from(self, stream: Stream[Any], take: Callable[[Any], None]) -> None:
        self._streams.append((stream, take))
        self._begin(self._read(stream, take))

    def _begin(self, work: Any) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    def _symbols(self) -> Iterable[str] | None:
        """The books that updates are wanted of; ``None`` for all."""
        wanted = [one.symbol for one in self._alerts.values() if one.when in _OF_UPDATES]
        return None if None in wanted else list(dict.fromkeys(filter(None, wanted)))

    def _of(self, *kinds: str) -> list[tuple[int, Alert]]:
        return [(n, alert) for n, alert in self._alerts.items() if alert.when in kinds]

    async def _read(self, stream: Stream[Any], take: Callable[[Any], None]) -> None:
        while True:
            try:
                async for record in stream:
                    take(record)
                return
            except Lagged as lagged:
                self._counts["missed"] += lagged.missed

    async def _look_again(self) -> None:
        while True:
            try:
                self.look()
            except Exception:  # what failed once is looked at again
                _log.exception("alerts")
            await asyncio.sleep(LOOK_S)

    # What happened.

    def _update(self, update: Update) -> None:
        name = name_of(self._feed.names, update.instrument)
        book, about = update.instrument, _called(name)
        for number, alert in self._of(*_OF_UPDATES):
            if not alert.is_of(name.venue, name.symbol):
                continue
            if alert.when in ("price", "spread"):
                self._measure(number, alert, update, about)
            elif alert.when == "trade" and update.kind == "trade":
                self._trade(number, alert, update, about)
            elif alert.when == "tick_size" and update.kind == "tick_size":
                self._tell(number, book, about, f"tick size {_price(update.price_e9)}")
            elif alert.when == "resolved" and update.kind == "resolved" and not _titled(alert):
                paid = f"resolved: a share pays {_price(update.price_e9)}"
                self._tell(number, book, about, paid)
            elif alert.when == "disagreement" and not _titled(alert):
                suspect = update.kind == "state" and update.state == "suspect"
                if suspect:
                    self._tell(number, book, about, f"evidence disagrees ({update.cause})")

    def _measure(self, number: int, alert: Alert, update: Update, about: str) -> None:
        """Prices and spreads of live books, twice as large, so that a mid is whole."""
        bid, ask = update.bid_e9, update.ask_e9
        if not update.live or bid is None or ask is None:
            return
        limit = alert.above if alert.below is None else alert.below
        bound = 2 * Decimal(limit or 0) * PRICE_SCALE
        if alert.when == "spread":
            holds, what = 2 * (ask - bid) >= bound, f"spread {_price(ask - bid)}"
        else:
            mid = bid + ask
            holds = mid >= bound if alert.below is None else mid <= bound
            what = f"{_price(bid)} / {_price(ask)}, {'above' if alert.below is None else 'below'} "
            what += str(limit)
        book = update.instrument
        first_seen = self._subjects.is_new(number, book)
        # Of a price that is there already when it is first seen there is no news.
        quietly = first_seen and alert.when == "price"
        if self._subjects.begins(number, book, holds=holds) and not quietly:
            self._tell(number, book, about, what)

    def _trade(self, number: int, alert: Alert, update: Update, about: str) -> None:
        if (update.qty_e8 or 0) >= Decimal(alert.min_qty or 0) * QTY_SCALE:
            who = {"buy": "bought", "sell": "sold"}.get(update.aggressor or "", "traded")
            qty = format_qty(update.qty_e8 or 0)
            what = f"{qty} {who} at {_price(update.price_e9)}"
            self._tell(number, update.instrument, about, what)

    def _signal(self, signal: Signal) -> None:
        for number, alert in self._of("signal"):
            key = f"signal {signal.id}"
            if signal.phase == "close":
                self._subjects.happens(number, key, holds=False)
                continue
            rule = self._feed.rules.get(signal.rule_id)
            name = (rule.name if rule is not None else None) or signal.rule
            if alert.rule not in (None, signal.rule, name):
                continue
            fits = _reaches(signal.net_edge_e9, alert.min_edge)
            fits = fits and _reaches(signal.net_total_e9, alert.min_profit)
            legs = " + ".join(
                f"{leg.side} {leg.outcome or leg.symbol} ({leg.venue})" for leg in signal.legs
            )
            edge, total = _price(signal.net_edge_e9), _price(signal.net_total_e9)
            if self._subjects.happens(number, key, holds=fits):
                self._tell(number, name, name, f"{edge} a share, {total} USD net: {legs}")

    def _news(self, news: MarketNews) -> None:
        for number, alert in self._of(*_OF_NEWS):
            if news.kind != _OF_NEWS[alert.when]:
                continue
            if not Wanted(alert.venue, alert.tag, None, alert.text).fits(news):
                continue
            if alert.when == "rules_changed" and "rules" not in {one.field for one in news.changes}:
                continue
            listing, what = news.listing, news.line().partition(": ")[2]
            subject = f"{listing.venue} {listing.market or listing.slug}"
            self._tell(number, subject, listing.called, what)

    def _own(self, event: OwnEvent) -> None:
        if not isinstance(event, OwnFill) or event.status not in ("matched", "confirmed"):
            return
        about = f"{event.venue} {event.symbol}"
        for number, alert in self._of("fill"):
            # It is told again whenever its status changes.
            if alert.is_of(event.venue, event.symbol) and self._subjects.happens(
                number, f"fill {event.venue} {event.key}"
            ):
                what = f"{event.side} {format_qty(event.qty_e8)} at {format_price(event.price_e9)}"
                self._tell(number, about, about, f"own fill: {what}")

    # What lasts.

    def look(self) -> None:
        """Look at books, connections and accounts once."""
        self._look_at_books()
        self._look_at_connections()
        self._look_at_accounts()

    def _look_at_books(self) -> None:
        watched = self._of("not_live")
        for book in self._feed.status().books if watched else ():
            away = not (book.live or book.polled or book.cause == "resolved")
            for number, alert in watched:
                if alert.is_of(book.venue, book.symbol):
                    about = _called(name_of(self._feed.names, book.instrument))
                    what = f"{book.state} ({book.cause}) for {{}} s"
                    self._lasts(number, alert, book.instrument, about, away, what)
        about_books = self._of(*_OF_BOOKS)
        followed = {view.instrument for view in self._feed.books()} if about_books else set()
        names = [name_of(self._feed.names, number) for number in followed]
        for number, alert in about_books:
            self._subjects.keep(number, followed)
            if alert.venue is not None or alert.symbol is not None:
                there = any(alert.is_of(name.venue, name.symbol) for name in names)
                self._mind(number, alert, there=there)

    def _mind(self, number: int, alert: Alert, *, there: bool) -> None:
        """Warn, once, of an alert that waits for a book that nobody follows."""
        if there:
            self._unfollowed_s.pop(number, None)
            return
        now_s = self._clock()
        if now_s - self._unfollowed_s.setdefault(number, now_s) >= UNFOLLOWED_S:
            self._unfollowed_s[number] = float("inf")
            book = " ".join(filter(None, (alert.venue, alert.symbol)))
            _log.warning("alert %s: no book of %s is followed", alert.called, book)

    def _look_at_connections(self) -> None:
        watched = self._of("connection", "delay")
        found = list(self._feed.connection_statuses()) if watched else []
        called = {one.conn: f"{one.venue} connection {one.conn}" for one in found}
        for number, alert in watched:
            self._subjects.keep(number, called.values())
            for one in found:
                if not alert.is_of(one.venue, ""):
                    continue
                about, delay_s = called[one.conn], one.delay_s
                if alert.when == "connection":
                    what = f"{one.state} for {{}} s: {one.cause}"
                    away = one.state not in UP and one.state != "idle"
                    self._lasts(number, alert, about, about, away, what)
                    continue
                late = delay_s is not None and delay_s >= float(alert.above or 0)
                if self._subjects.begins(number, about, holds=late):
                    self._tell(number, about, about, f"messages come {delay_s or 0:.1f} s late")

    def _look_at_accounts(self) -> None:
        watched = self._of("position", "loss")
        accounts = self._feed.accounts() if watched else ()
        for number, alert in watched:
            look = self._look_at_holdings if alert.when == "position" else self._look_at_loss
            found: set[Subject] = set()
            for account in accounts:
                if account.live and alert.venue in (None, account.venue):
                    found |= look(number, alert, account)
            if all(account.live for account in accounts):
                # What is held no more is told of when it comes again.
                self._subjects.keep(number, found)

    def _look_at_holdings(self, number: int, alert: Alert, account: Account) -> set[Subject]:
        found: set[Subject] = set()
        limit = Decimal(alert.above or 0) * QTY_SCALE
        for holding in account.holdings:
            one = holding.position
            if not alert.is_of(account.venue, one.symbol):
                continue
            about = f"{account.venue} {one.symbol}"
            found.add(about)
            if self._subjects.begins(number, about, holds=abs(one.qty_e8) >= limit):
                self._tell(number, about, about, f"{format_qty(one.qty_e8)} shares are held")
        return found

    def _look_at_loss(self, number: int, alert: Alert, account: Account) -> set[Subject]:
        values = [one.unrealised_e17 for one in account.holdings]
        lost = -sum(value for value in values if value is not None)
        holds = lost >= Decimal(alert.above or 0) * _E17
        if self._subjects.begins(number, account.venue, holds=holds):
            what = f"holdings are worth {lost / _E17:.2f} USD less than they cost"
            self._tell(number, account.venue, account.venue, what)
        return {account.venue}

    def _lasts(
        self, number: int, alert: Alert, subject: Subject, about: str, holds: bool, what: str
    ) -> None:
        if not holds:
            self._subjects.ended(number, subject)
            return
        passed_s = self._subjects.lasted_s(number, subject, self._clock())
        least_s = FOR_S if alert.for_s is None else alert.for_s
        if passed_s >= least_s and self._subjects.begins(number, subject, holds=True):
            self._tell(number, subject, about, what.format(round(passed_s)))

    # What is told of it.

    def _tell(self, number: int, subject: Subject, about: str, what: str) -> None:
        alert, now_s = self._alerts[number], self._clock()
        quiet = alert.is_quiet(self._now().time())
        if quiet:
            self._counts["quiet"] += 1
        held_back = self._subjects.tell(
            number, subject, now_s, quiet=quiet, cooldown_s=alert.cooldown_s
        )
        if held_back is None:
            self._counts["cooldown"] += 0 if quiet else 1
            return
        if held_back:
            what = f"{what} ({held_back} more since the last message)"
        text = _line(alert.message(about, what))
        self._feed.tell_alert(alert, _line(about), text, sent=not quiet)
        if not quiet:
            self._outbox.put(Message(alert.to, alert.called, text))


def _called(name: Name) -> str:
    return f"{name.venue} {name.title or name.symbol} {name.outcome}".strip()


def _titled(alert: Alert) -> bool:
    """Whether it asks for words of a title, which news of markets have and records have not."""
    return alert.text is not None or alert.tag is not None


def _reaches(value_e9: int | None, least: str | None) -> bool:
    if least is None:
        return True
    return value_e9 is not None and value_e9 >= Decimal(least) * PRICE_SCALE


def _price(value_e9: int | None) -> str:
    return "?" if value_e9 is None else format_price(value_e9)


def _line(text: str) -> str:
    """What a venue calls things may hold anything: it is sent as one line of plain characters."""
    shown = "".join(each if each.isprintable() else " " for each in text)
    return shown if len(shown) <= LINE_MAX else f"{shown[: LINE_MAX - 1]}…"
