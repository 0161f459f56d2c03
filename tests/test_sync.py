"""``bookfeed.sync``: the feed of programs without ``async``, from any thread."""

import inspect
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from venue_apart import markets_of, venue
from waiting import PATIENCE_S, wait_until

import bookfeed
from bookfeed import Lagged, Market, Outcome, Rule, SessionError, Signal, Update
from bookfeed.sim.polymarket.server import SimServer
from bookfeed.sync import Feed, Listener, Stream

__all__ = ["venue"]

SPREAD = Rule("spread", {"mode": "bps", "open": "1"})


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "bookfeed-feed"]


def test_books_updates_and_signals_without_a_loop(venue: SimServer) -> None:
    markets = markets_of(venue)
    with (
        Feed(markets[:1], url="ws://127.0.0.1:1") as nowhere,
        pytest.raises(TimeoutError, match="not live"),
    ):
        nowhere.wait_live(timeout_s=0)
    with Feed(markets[:1], url=venue.url, rules=[SPREAD]) as feed:
        assert feed.wait_live(PATIENCE_S) == []
        yes = markets[0].symbols[0]
        kinds = {update.kind for update, _ in zip(feed, range(40), strict=False)}
        assert "book" in kinds
        book = feed.book(yes)
        assert book.live and book.frozen
        before = book.ts_recv
        with feed.updates(symbols=[yes]) as stream:
            assert next(stream).symbol == yes
        assert book.ts_recv == before
        assert {one.symbol for one in feed.books()} == set(markets[0].symbols)
        with pytest.raises(KeyError, match="no book 'nobody'"):
            feed.book("nobody")
        assert feed.status().running
        assert feed.counters()["frames"] > 0
        assert feed.rules[0] == SPREAD
        symbols = feed.add_markets(markets[1:])
        feed.wait_live(PATIENCE_S)
        assert sorted(symbols.values()) == sorted(markets[1].symbols)
        assert feed.markets == tuple(markets)
        signals = feed.signals(rule="spread")
        assert next(signals).rule == "spread"
    assert signals.ended
    assert not threads()
    assert not feed.status().running


def test_callbacks_run_in_the_feeds_thread_and_are_closed_from_another(venue: SimServer) -> None:
    seen: list[Update] = []
    names: set[str] = set()
    found: list[Signal] = []
    with Feed(markets_of(venue), url=venue.url, rules=[SPREAD], on_signal=found.append) as feed:

        @feed.on_update
        def note(update: Update) -> None:
            names.add(threading.current_thread().name)
            seen.append(update)

        rare = feed.on_update(max_rate=1.0)(lambda update: None)  # type: ignore[call-arg]
        assert isinstance(note, Listener) and isinstance(rare, Listener)
        wait_until(lambda: len(seen) > 50 and found)
        note.close()
        count = len(seen)
        wait_until(lambda: rare.calls > 1)
        assert len(seen) == count == note.calls
        assert names == {"bookfeed-feed"}


def test_a_callback_may_ask_but_not_wait(venue: SimServer) -> None:
    told: list[object] = []
    with Feed(markets_of(venue), url=venue.url) as feed:

        def ask(update: Update) -> None:
            told.append(feed.book(update.instrument).symbol == update.symbol)
            told.append(feed.status().running)
            try:
                feed.wait_live()
            except SessionError as error:
                told.append(str(error))
            feed.close()

        feed.on_update(ask)
        wait_until(lambda: not threads())
    assert told[:2] == [True, True]
    assert "would wait for itself" in str(told[2])


def test_many_threads_ask_and_read_at_once(venue: SimServer) -> None:
    markets = markets_of(venue)
    symbols = [symbol for market in markets for symbol in market.symbols]
    seqs: list[int] = []
    with Feed(markets, url=venue.url) as feed:
        feed.wait_live(PATIENCE_S)
        stream = feed.updates()

        def work(number: int) -> None:
            for turn in range(30):
                book = feed.book(symbols[(number + turn) % len(symbols)])
                assert book.bid is None or book.ask is None or book.bid < book.ask
                update = stream.read(PATIENCE_S)
                assert update is not None
                seqs.append(update.seq)
                with feed.on_update(lambda update: None, symbols=[update.symbol]):
                    feed.counters()

        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(work, number) for number in range(8)]:
                done.result()
    assert len(seqs) == len(set(seqs)) == 240


def test_reading_with_a_bound_of_time(venue: SimServer) -> None:
    with Feed(markets_of(venue), url=venue.url) as feed:
        feed.wait_live(PATIENCE_S)
        silent = feed.signals()
        begun = time.monotonic()
        assert silent.read(0.05) is None
        assert time.monotonic() - begun < PATIENCE_S / 2
        assert not silent.ended and silent.drain() == []
        busy = feed.updates()
        first = busy.read(PATIENCE_S)
        assert first is not None
        wait_until(lambda: busy.drain())
    assert silent.read(0.05) is None and silent.ended


def test_a_reader_that_was_too_slow_is_told_once(venue: SimServer) -> None:
    with Feed(markets_of(venue), url=venue.url) as feed:
        feed.wait_live(PATIENCE_S)
        stream = feed.updates(queue_max=1)
        wait_until(lambda: stream.dropped > 3)
        with pytest.raises(Lagged) as lagged:
            next(stream)
        assert lagged.value.missed > 3
        assert next(stream) is not None


def test_what_waits_for_a_feed_that_is_closed_hears_of_it(venue: SimServer) -> None:
    ended: list[object] = []
    feed = Feed(markets_of(venue), url=venue.url).open()
    signals = feed.signals()
    reader = threading.Thread(target=lambda: ended.append(list(signals)))
    reader.start()
    feed.close()
    feed.close()
    reader.join(PATIENCE_S)
    assert ended == [[]]
    with pytest.raises(SessionError, match="opened once"):
        feed.open()
    with pytest.raises(SessionError, match="not open"):
        feed.wait_live()


def test_a_feed_that_cannot_be_opened_leaves_no_thread() -> None:
    market = Market("m", (Outcome("Yes", "1"),))
    with pytest.raises(bookfeed.EngineError):
        Feed([market], rules=[Rule("spread", {"open": "much"})]).open()
    assert not threads()
    with pytest.raises(ValueError, match="url"):
        Feed([], url="ws://127.0.0.1:1")


def test_everything_that_a_feed_can_do_is_here() -> None:
    """A method that ``bookfeed.Feed`` gets must get its twin, with the same arguments."""
    # What is read piece by piece, on the loop alone; `status` has all of it.
    others = {"engine", "listings", "pace", "settling", "connection_statuses"}
    for name in dir(bookfeed.Feed):
        if name.startswith("_") or name in others | {"open", "close", "from_config"}:
            continue
        member, twin = getattr(bookfeed.Feed, name), getattr(Feed, name)
        assert not inspect.iscoroutinefunction(twin)
        assert twin.__doc__, name
        if callable(member):
            assert list(inspect.signature(twin).parameters) == list(
                inspect.signature(member).parameters
            ), name
    assert isinstance(Stream.__doc__, str)
