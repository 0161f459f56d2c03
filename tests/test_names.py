"""What books and rules are called: told by a feed's markets and rules, and by a recording."""

import pytest

from bookfeed import Engine, Market, Name, Names, Outcome, Rule
from bookfeed.feed.feed import Feed
from bookfeed.names import TITLE_MAX
from bookfeed.recordings.inputs import EngineInput

YES, NO = "11", "22"


def market() -> Market:
    return Market("0xab", (Outcome("Yes", YES), Outcome("No", NO)), name="Rain?")


def test_names_grow() -> None:
    names = Names()
    symbols = names.symbols
    names.learn(0, venue="kalshi", symbol="K", market="", outcome="Yes", title="")
    assert names[0] == Name("kalshi", "", "Yes", "K", title="K")
    names.learn(0, venue="kalshi", symbol="K", market="M", outcome="Yes", title="")
    assert names[0].title == "M"
    assert (list(names), len(names), dict(symbols)) == ([0], 1, {0: "K"})
    assert names.get(7) is None
    with pytest.raises(KeyError):
        names[7]


def test_the_names_of_those_that_went_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookfeed.names.GONE_MAX", 2)
    names = Names()
    for number in range(5):
        names.learn(number, venue="kraken", symbol=f"{number}", market="", outcome="", title="")
    for number in (0, 1, 2, 4):
        names.forget(number)
    assert (list(names), dict(names.symbols)) == ([2, 3, 4], {2: "2", 3: "3", 4: "4"})


async def test_a_feed_names_its_books_and_rules() -> None:
    rules = [Rule("spread", {"open": "0.02"}, name="wide"), Rule("spread", {"open": "0.03"})]
    feed = Feed([market()], url="ws://127.0.0.1:1", rules=rules)
    names = feed.names
    assert not names
    async with feed:
        assert [names[i] for i in (0, 1)] == [
            Name("polymarket", "0xab", "Yes", YES, "Rain?"),
            Name("polymarket", "0xab", "No", NO, "Rain?"),
        ]
        assert dict(names.rules) == {0: "wide", 1: ""}


async def test_a_book_that_is_gone_still_has_its_name() -> None:
    def pair(symbol: str) -> Market:
        return Market(symbol, (Outcome(symbol, symbol),), venue="kraken")

    async with Feed([pair("BTC/USD")], url="ws://127.0.0.1:1") as feed:
        (number,) = await feed.add_markets([pair("ETH/USD")])
        await feed.remove_markets([pair("ETH/USD")])
        with pytest.raises(KeyError):
            feed.book(number)
        assert feed.names[number].symbol == "ETH/USD"


def test_a_recording_names_them_as_the_feed_did_but_for_titles() -> None:
    class Kept(list[tuple[int, int, int, bytes]]):
        def append(self, kind: int, ts: int, conn: int, epoch: int, payload: bytes) -> None:  # type: ignore[override]
            super().append((kind, ts, conn, payload))

        def poll(self, now_ns: int) -> None: ...

        def close(self, timeout_s: float) -> None: ...

    kept = Kept()
    live = EngineInput(Engine(), kept)
    live.add_rule(Rule("spread", {"open": "0.02"}, name="wide"), 1)
    for outcome in market().outcomes:
        live.subscribe(market(), outcome, 0, 1)
    again = EngineInput(Engine())
    assert all(again.apply(*record) for record in kept)
    assert again.names[1] == Name("polymarket", "0xab", "No", NO, "0xab")
    assert dict(again.names.rules) == dict(live.names.rules) == {0: "wide"}


def test_a_title_is_no_longer_than_one() -> None:
    """It is a stranger's text, and goes to every sink and client."""
    names = Names()
    names.learn(1, venue="v", symbol="s", market="m", outcome="Yes", title="x" * (1 << 20))
    assert names[1].title == "x" * (TITLE_MAX - 1) + "…"
    names.entitle("v", "m", "y" * (1 << 20))
    assert len(names[1].title) == TITLE_MAX
    names.entitle("v", "m", "as it is")
    assert names[1].title == "as it is"
