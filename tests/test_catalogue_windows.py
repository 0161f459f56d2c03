"""Windows of rolling series: names and bounds, against vectors and against the law.

The oracle of daylight saving time here is the rule of 2007 in plain arithmetic, not ``zoneinfo``.
"""

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfoNotFoundError

import pytest
from lengths import TIMES

from bookfeed import CatalogueError, Series
from bookfeed.catalogue import windows
from bookfeed.catalogue.windows import Window
from bookfeed.clock import NS_PER_S

VECTORS: Final = Path(__file__).parents[2] / "shared" / "captures" / "vectors" / "windows.json"
YEARS: Final = min(3, TIMES)
FIRST, LAST = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025 + YEARS, 1, 1, tzinfo=UTC)
QUARTER_S: Final = 900
BTC: Final = {
    "5m": "btc-updown-5m",
    "15m": "btc-updown-15m",
    "1h": "bitcoin-up-or-down",
    "4h": "btc-updown-4h",
    "1d": "bitcoin-up-or-down-on",
}

AUTUMN_2026: Final = datetime(2026, 11, 1, 6, tzinfo=UTC)
SPRING_2026: Final = datetime(2026, 3, 8, 7, tzinfo=UTC)


def ns(moment: datetime) -> int:
    return int(moment.timestamp()) * NS_PER_S


def at(text: str) -> int:
    return ns(datetime.fromisoformat(text))


def sunday(year: int, month: int, number: int, hour_utc: int) -> datetime:
    first = datetime(year, month, 1, hour_utc, tzinfo=UTC)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))


def offset_h(moment: datetime) -> int:
    """Hours from UTC to New York: from the second Sunday of March to the first of November."""
    summer = sunday(moment.year, 3, 2, 7) <= moment < sunday(moment.year, 11, 1, 6)
    return -4 if summer else -5


def local(moment: datetime) -> datetime:
    """What clocks in New York show, without a zone."""
    return (moment + timedelta(hours=offset_h(moment))).replace(tzinfo=None)


def quarters() -> list[int]:
    return list(range(int(FIRST.timestamp()), int(LAST.timestamp()), QUARTER_S))


# Vectors.


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    if not VECTORS.exists():
        pytest.skip("no vectors beside the project")
    found: dict[str, Any] = json.loads(VECTORS.read_text())
    return found


def test_names_and_bounds_that_venues_gave(vectors: dict[str, Any]) -> None:
    longest_first = sorted(BTC.values(), key=len, reverse=True)
    for one in vectors["polymarket_real"]:
        name = next(name for name in longest_first if one["slug"].startswith(f"{name}-"))
        (window,) = Series(name).named(one["slug"])
        assert (window.start_ts, window.end_ts) == (at(one["start"]), at(one["end"]))
        assert Series(name).window(window.start_ts) == window
        assert (window.event, window.market, window.doubtful) == (one["slug"], one["slug"], False)


def test_four_hours_begin_where_they_really_began(vectors: dict[str, Any]) -> None:
    series = Series("btc-updown-4h")
    for start_s in vectors["4h_real_starts"]:
        window = series.window(start_s * NS_PER_S)
        assert window.start_ts == start_s * NS_PER_S
        assert series.window(window.end_ts - 1) == window


def test_computed_names(vectors: dict[str, Any]) -> None:
    for one in vectors["computed"]:
        window = Series(BTC[one["dur"]]).window(at(one["now"]))
        assert window.event == one["slug"]
        assert window.start_ts <= at(one["now"]) < window.end_ts


def test_tickers_are_named_by_their_close(vectors: dict[str, Any]) -> None:
    for one in vectors["kalshi"]:
        name = one.get("ticker", one.get("event"))
        series = Series(name.split("-")[0])
        window = series.window(at(one["close"]) - 1)
        assert (window.market or window.event) == name
        assert window.end_ts == at(one["close"])
        assert window in series.named(name)


# Every quarter of an hour of a year, or of three.


@pytest.mark.slow
@pytest.mark.parametrize("name", [*BTC.values(), "KXBTC15M", "KXBTCD"])
def test_windows_follow_each_other_and_are_found_by_name(name: str) -> None:
    """No gap, no overlap; a name leads back to its window and to no other, but for the hour that
    clocks show twice, and then the window says so itself.
    """
    series = Series(name)
    found = dict.fromkeys(series.window(second * NS_PER_S) for second in quarters())
    for one, following in pairwise(found):
        if series.cadence != "5m":  # of which every third begins with a quarter
            assert one.end_ts == following.start_ts
        assert series.after(one).start_ts == one.end_ts
    called: dict[str, list[Window]] = defaultdict(list)
    for window in found:
        called[window.market or window.event].append(window)
    for title, namesakes in called.items():
        assert list(series.named(title)) == namesakes
        assert len(namesakes) == 1 or all(window.doubtful for window in namesakes)
    twice = sum(len(namesakes) == 2 for namesakes in called.values())
    assert twice == YEARS * {"bitcoin-up-or-down": 1, "KXBTC15M": 4, "KXBTCD": 1}.get(name, 0)


@pytest.mark.slow
def test_bounds_are_what_the_law_says() -> None:
    four, day, hour = (Series(BTC[cadence]) for cadence in ("4h", "1d", "1h"))
    for second in quarters():
        moment = datetime.fromtimestamp(second, UTC)
        shown = local(moment)
        for series, hours in ((four, {0, 4, 8, 12, 16, 20}), (day, {12})):
            begins = series.window(second * NS_PER_S).start_ts == second * NS_PER_S
            assert begins == (shown.hour in hours and shown.minute == 0), moment
        start = hour.window(second * NS_PER_S).start_ts // NS_PER_S
        assert start == second // 3_600 * 3_600
        month = windows.MONTHS[shown.month - 1]
        half = "am" if shown.hour < 12 else "pm"
        spelled = f"{month}-{shown.day}-{shown.year}-{(shown.hour + 11) % 12 + 1}{half}-et"
        assert hour.window(second * NS_PER_S).event == f"bitcoin-up-or-down-{spelled}"


@pytest.mark.slow
def test_tickers_are_what_clocks_in_new_york_show() -> None:
    fifteen, ladder = Series("KXETH15M"), Series("KXBTCD")
    months = [month[:3].upper() for month in windows.MONTHS]
    for close_s in quarters():
        shown = local(datetime.fromtimestamp(close_s, UTC))
        stamp = f"{shown.year % 100}{months[shown.month - 1]}{shown.day:02}{shown.hour:02}"
        window = fifteen.window(close_s * NS_PER_S - 1)
        assert window.event == f"KXETH15M-{stamp}{shown.minute:02}"
        assert window.market == f"{window.event}-{shown.minute:02}"
        if shown.minute == 0:
            last = ladder.window(close_s * NS_PER_S - 1)
            assert (last.event, last.market) == (f"KXBTCD-{stamp}", None)


# The two days on which clocks change.


def test_a_name_that_two_hours_share_is_told_apart_by_its_end() -> None:
    one, two = Series("KXBTC15M").named("KXBTC15M-26NOV010130-30")
    assert (one.end_ts, two.end_ts) == (at("2026-11-01T05:30Z"), at("2026-11-01T06:30Z"))
    assert one != two and one.doubtful and two.doubtful
    assert len({(one.market, one.end_ts), (two.market, two.end_ts)}) == 2
    hours = Series("bitcoin-up-or-down").named("bitcoin-up-or-down-november-1-2026-1am-et")
    assert [window.start_ts for window in hours] == [at("2026-11-01T05:00Z"), ns(AUTUMN_2026)]


def test_four_hours_are_three_or_five_when_clocks_change() -> None:
    """By the rule; what the venue did is not known, and the window says so."""
    series = Series("btc-updown-4h")
    for change, hours in ((SPRING_2026, 3), (AUTUMN_2026, 5)):
        window = series.window(ns(change))
        assert (window.end_ts - window.start_ts) == hours * 3_600 * NS_PER_S
        assert window.doubtful
        assert not series.after(window).doubtful


def test_a_day_goes_from_noon_to_noon_however_long_it_is() -> None:
    series = Series("bitcoin-up-or-down-on")
    for change, hours in ((SPRING_2026, 23), (AUTUMN_2026, 25)):
        window = series.window(ns(change))
        assert (window.end_ts - window.start_ts) == hours * 3_600 * NS_PER_S
        assert not window.doubtful


def test_an_hour_that_clocks_skip_has_no_window() -> None:
    assert Series("KXBTC15M").named("KXBTC15M-26MAR080230-30") == ()
    assert Series("bitcoin-up-or-down").named("bitcoin-up-or-down-march-8-2026-2am-et") == ()


# Names that are none.


@pytest.mark.parametrize(
    ("series", "name"),
    [
        ("btc-updown-15m", "btc-updown-15m-1790616601"),  # no quarter begins there
        ("btc-updown-4h", "btc-updown-4h-1795852800"),  # a multiple of 4 hours in UTC
        ("btc-updown-15m", "eth-updown-15m-1790616600"),
        ("btc-updown-15m", "btc-updown-15m-" + "9" * 40),
        ("btc-updown-15m", "btc-updown-15m-١٧٩٠"),
        ("btc-updown-15m", ""),
        ("bitcoin-up-or-down", "bitcoin-up-or-down-march-5-3pm-et"),  # says no year
        ("bitcoin-up-or-down", "bitcoin-up-or-down-february-30-2026-3pm-et"),
        ("bitcoin-up-or-down", "bitcoin-up-or-down-march-05-2026-3pm-et"),
        ("bitcoin-up-or-down", "bitcoin-up-or-down-march-5-2026-13pm-et"),
        ("bitcoin-up-or-down-on", "bitcoin-up-or-down-on-march-0-2026"),
        ("KXBTC15M", "KXBTC15M-26JUN250030-45"),
        ("KXBTC15M", "KXBTC15M-26JUN250031-31"),
        ("KXBTC15M", "KXBTC15M-26JUN310030-30"),
        ("KXBTCD", "KXBTCD-26SEP2424"),
    ],
)
def test_what_no_window_is_called_finds_none(series: str, name: str) -> None:
    assert Series(series).named(name) == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("kxbtc15m", "did you mean 'KXBTC15M'"),
        ("BTC-updown-15m", "did you mean 'btc-updown-15m'"),
        ("btc-updown-1h", "did you mean"),
        ("zec-daily", "should be one such as"),
        ("KXMLBGAME", "should be one such as"),
        ("", "should be one such as"),
    ],
)
def test_a_series_that_is_not_known_is_refused(name: str, said: str) -> None:
    with pytest.raises(CatalogueError, match=said):
        Series(name)


def test_a_series_is_named_by_text() -> None:
    with pytest.raises(TypeError, match="named by text such as 'KXBTC15M'"):
        Series(15)  # type: ignore[arg-type]


def test_the_upcoming_windows_and_the_present_one() -> None:
    series = Series("KXGOLD15M")
    assert (series.venue, series.asset, series.cadence) == ("kalshi", "gold", "15m")
    now, following = series.upcoming(2, at("2026-08-10T21:50Z"))
    assert now.market == "KXGOLD15M-26AUG101800-00"
    assert following.market == "KXGOLD15M-26AUG101815-15"
    assert series.window().end_ts > series.window().start_ts


def test_without_time_zone_data_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> None:
        raise ZoneInfoNotFoundError

    windows.eastern.cache_clear()
    monkeypatch.setattr(windows, "ZoneInfo", missing)
    with pytest.raises(CatalogueError, match="pip install tzdata"):
        Series("KXBTC15M").window()
