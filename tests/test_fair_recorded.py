"""How good fair values were: scores against plain arithmetic, and whole recordings, of which one
is a day of Chainlink with its real markets.

The day is no part of the project; without it its tests are skipped.
"""

import csv
import gzip
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from oracles import E18, T0, S
from test_fair import MARKETS, TICKS, needs_day

from bookfeed.audit import fair as slow
from bookfeed.catalogue.listing import ListedOutcome, Listing, Strike
from bookfeed.catalogue.news import MarketNews
from bookfeed.catalogue.regime import Regime
from bookfeed.catalogue.stored import news_text
from bookfeed.cli import main
from bookfeed.fair.apart import Apart
from bookfeed.fair.estimates import Volatilities
from bookfeed.fair.recorded import Recorded
from bookfeed.fair.scores import (
    Forecast,
    Tails,
    buckets,
    fitted,
    held_out,
    score,
)
from bookfeed.feed.question import INDEX, Question, answer_of, bounds_of, question_of
from bookfeed.recordings.kinds import Kind, RecordTuple
from bookfeed.recordings.pace import PACE_NOTE, Pace
from bookfeed.recordings.writer import write_journal

MS: Final = 1_000_000
BY_MINUTE: Final = Volatilities(half_life_s=60, step_s=1)
STREAM: Final = "https://data.chain.link/streams/btc-usd"


# Scores.


def test_scores_are_what_they_are_called() -> None:
    rng = random.Random("scores")
    told = [(rng.random(), rng.random() < 0.5) for _ in range(500)]
    got = score(told)
    assert got is not None and got.count == 500
    assert got.brier == pytest.approx(sum((p - y) ** 2 for p, y in told) / 500)
    assert got.log_loss == pytest.approx(-sum(math.log(p if y else 1 - p) for p, y in told) / 500)
    half = score([(0.5, True), (0.5, False)])
    assert half is not None and half.brier == 0.25
    assert half.log_loss == pytest.approx(math.log(2))
    assert score([]) is None
    sure = score([(1.0, False)])
    assert sure is not None and sure.brier == 1 and 13 < sure.log_loss < 14, "it stays finite"


def test_buckets_hold_every_forecast_once() -> None:
    told = [(0.0, False), (0.05, True), (0.1, False), (0.95, True), (1.0, True)]
    found = buckets(told)
    assert [(one.low, one.count, one.came_true) for one in found] == [
        (0.0, 2, 0.5), (0.1, 1, 0.0), (0.9, 2, 1.0),
    ]  # fmt: skip
    assert sum(one.count for one in found) == len(told)
    assert found[0].said == pytest.approx(0.025)
    assert found[1].noise == pytest.approx(0.3)


def forecasts(scale: float, freedom: int | None, count: int = 1_500) -> list[Forecast]:
    """Of values whose moves are really so many times as wide as was thought."""
    rng = random.Random(f"forecasts {scale} {freedom}")
    made = []
    for number in range(count):
        sd = 10.0
        strike = rng.gauss(0, 12)
        if freedom is None:
            move = rng.gauss(0, 1)
        else:
            chi = sum(rng.gauss(0, 1) ** 2 for _ in range(freedom))
            move = rng.gauss(0, 1) / math.sqrt(chi / freedom) * math.sqrt((freedom - 2) / freedom)
        yes = scale * sd * move >= strike
        made.append(
            Forecast(
                f"market {number // 2}", 60, 84_000 * E18, sd, int((84_000 + strike) * E18), None,
                slow.probability(0, sd, strike, None, None), None, yes,
            )
        )  # fmt: skip
    return made


def test_a_multiplier_that_is_wanted_is_found() -> None:
    made = forecasts(1.6, None)
    assert made[0].by(Tails()) == pytest.approx(made[0].said, abs=2e-9)
    fit = fitted(made, student=False)
    assert fit is not None and fit.freedom is None and 1.35 < fit.scale < 1.9, fit
    best, plain = held_out(made, student=False), score([(one.said, one.yes) for one in made])
    assert best is not None and plain is not None and best.log_loss < plain.log_loss
    assert best.count == len(made)


def test_fat_tails_are_found() -> None:
    fit = fitted(forecasts(1.0, 3, 4_000), student=True)
    assert fit is not None and fit.freedom is not None and fit.freedom <= 6, fit


def test_few_forecasts_are_fitted_to_nothing() -> None:
    made = forecasts(1.0, None, 10)
    assert fitted(made, student=True) is None and held_out(made, student=True) is None


# Questions.

WINDOW: Final = Listing(
    venue="polymarket",
    market="0xab",
    slug="btc-updown-15m-1",
    title="Bitcoin Up or Down",
    outcomes=(ListedOutcome("Up", "11"), ListedOutcome("Down", "22")),
    status="open",
    start_ts=T0,
    close_ts=T0 + 900 * S,
    regime=Regime("price", None, STREAM),
)


def test_a_window_about_a_price_has_a_question() -> None:
    question = question_of(WINDOW)
    assert isinstance(question, Question)
    assert (question.reference, question.symbol, question.own) == ("btcusd", "11", True)
    mean = replace(WINDOW, regime=Regime("mean", 60, f"{STREAM}-twap-60s-streams"))
    found = question_of(mean)
    assert isinstance(found, Question) and found.reference == "btcusd"
    indexed = replace(
        WINDOW, event="KXBTC15M-26NOV300015", regime=Regime("mean", 60, "CF Benchmarks"),
    )  # fmt: skip
    found = question_of(indexed)
    assert isinstance(found, Question) and found.reference == f"{INDEX}BTC"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"start_ts": None}, "no window"),
        ({"close_ts": T0}, "no window"),
        ({"outcomes": (ListedOutcome("Up", ""),)}, "no book"),
        ({"regime": Regime()}, "what decides it"),
        ({"regime": Regime("mean", 60, "somebody")}, "computed here"),
    ],
)
def test_what_has_no_question_says_why(changed: dict[str, Any], said: str) -> None:
    assert said in str(question_of(replace(WINDOW, **changed)))


def test_strikes_and_answers_are_as_listed() -> None:
    assert bounds_of(WINDOW) is None and answer_of(WINDOW) is None
    strike = Strike("between", Decimal("84000.5"), Decimal(85_000))
    bounds = bounds_of(replace(WINDOW, strike=strike))
    assert bounds is not None
    # The upper one is in it, and the next value that is not is a billionth above.
    assert bounds.at_least_e18 == 84_000 * E18 + E18 // 2
    assert bounds.below_e18 == 85_000 * E18 + 10**9
    for payout, answer in ((Decimal(1), True), (Decimal(0), False), (Decimal("0.5"), None)):
        outcomes = (ListedOutcome("Up", "11", payout), ListedOutcome("Down", "22", 1 - payout))
        assert answer_of(replace(WINDOW, outcomes=outcomes)) is answer
    assert answer_of(replace(WINDOW, result="yes")) is True


# Recordings.


def frame(ts: int, value_e18: int, sent: int) -> bytes:
    """A value as the relay tells it."""
    payload = {
        "symbol": "btc/usd", "timestamp": ts // MS, "value": value_e18 / 1e18,
        "full_accuracy_value": str(value_e18),
    }  # fmt: skip
    told = {"topic": "crypto_prices_chainlink", "type": "update", "timestamp": sent // MS}
    return orjson.dumps(told | {"payload": payload})


def recording(
    ticks: Sequence[tuple[int, int, int]], news: Sequence[tuple[int, Listing]]
) -> Iterator[RecordTuple]:
    """Ticks (their time, value, when they were received) and what became known of markets when."""
    told = [(at, 2, news_text(MarketNews(kind="known", listing=one)).encode()) for at, one in news]
    told += [(recv, 1, frame(ts, value, recv)) for ts, value, recv in ticks]
    first, last = min(at for at, *_ in told), max(at for at, *_ in told)
    told += [(at, 0, b"") for at in range(first - first % S + S, last + 2 * S, S)]
    yield Kind.RELAY_CONNECTED, first, 0, 0, b"rtds"
    for at, kind, payload in sorted(told):
        if kind == 2:
            yield Kind.MARKET, at, 0, 0, payload
        elif kind == 1:
            yield Kind.RELAY_FRAME, at, 0, 1, payload
        else:
            yield Kind.ADVANCE, at, 0, 0, b""


def walk(seconds: int, seed: int = 1) -> list[tuple[int, int, int]]:
    rng, value = random.Random(f"walk {seed}"), 84_000.0
    made = []
    for second in range(seconds):
        value += rng.gauss(0, 5)
        at = T0 + second * S
        made.append((at, int(value * 1e9) * 10**9, at + S + S // 3))
    return made


def windows_of(count: int, length_s: int = 300) -> list[Listing]:
    return [
        replace(
            WINDOW, market=f"0x{number}", slug=f"w{number}",
            start_ts=T0 + number * length_s * S, close_ts=T0 + (number + 1) * length_s * S,
        )
        for number in range(count)
    ]  # fmt: skip


def test_a_recording_says_what_its_markets_were_worth() -> None:
    """Nobody says how they ended: the reference does. Nothing received later is used."""
    ticks, listed = walk(3_700), windows_of(12)
    source = list(recording(ticks, [(T0 - S, one) for one in listed]))
    made = Recorded(source, lefts_s=(60, 10), volatility=BY_MINUTE).run()
    by_ts = {at: value for at, value, _ in ticks}
    assert {one.left_s for one in made} == {60, 10} and len(made) >= 20
    for one in made:
        number = int(one.market.removeprefix("polymarket 0x"))
        start, end = listed[number].start_ts, listed[number].close_ts
        assert start is not None and end is not None
        assert one.at_least_e18 == by_ts[start]
        assert one.yes == (by_ts[end] >= by_ts[start])
        assert one.mid is None
        # What was received by then: a tick comes a second and a third late.
        newest = end - (one.left_s + 2) * S
        assert one.expected_e18 == by_ts[newest]
        wanted = slow.probability(0, one.sd, (by_ts[start] - by_ts[newest]) / 1e18, None, 4)
        assert one.said == pytest.approx(wanted, abs=1e-6)
    near = score([(one.said, one.yes) for one in made if one.left_s == 10])
    assert near is not None and near.brier < 0.15


class _Silent:
    """A source that tells nothing."""

    pace = None

    def on_price(self, _: object) -> "_Silent":
        return self

    def close(self) -> None:
        pass


def test_a_venue_that_leaves_an_index_is_no_move_beside_a_source_either() -> None:
    contract = replace(
        WINDOW, venue="kalshi", market="KXBTC15M-X", event="KXBTC15M-X", start_ts=T0,
        regime=Regime("mean", 60, "CF Benchmarks"), strike=Strike("greater", Decimal(84_000), None),
    )  # fmt: skip
    deviations = []
    for apart in (0, 10):
        source: Any = _Silent()
        beside = Apart(source, {"half_life_ms": 30_000, "step_ms": 1_000})
        beside.settling.look(contract)
        for second in range(200):
            out = second % 5 == 4
            value_e9 = (84_000 + second % 2 * 3 - apart * out) * 10**9
            standings = {"kraken": "included", "gemini": "delayed" if out else "included"}
            beside.tell("BTC", T0 + second * S, value_e9, standings)
        stated = beside.settling.stated["kalshi", "KXBTC15M-X"]
        fair = beside.engine.fair_value(stated.instrument)
        assert fair is not None
        deviations.append(fair.sd_e18)
    assert deviations[1] == pytest.approx(deviations[0], rel=1e-3)


def test_windows_that_were_played_in_haste_are_read_by_their_clock() -> None:
    """Quarters of an hour, of each of which two minutes are played: a clock that leaps says when
    they end, and no more is asked than was played.
    """
    played_ns = 120 * S
    pace = Pace(T0 + played_ns, T0 + 900 * S, played_ns, 900 * S)
    ticks, listed = walk(1_300), windows_of(10, length_s=900)
    note = (Kind.NOTE, T0 - 2 * S, 0, 0, orjson.dumps({PACE_NOTE: pace.told()}))
    told = recording(ticks, [(T0 - S, one) for one in listed])
    made = Recorded([note, *told], lefts_s=(300, 60, 10)).run()
    by_ts = {at: value for at, value, _ in ticks}
    assert {one.left_s for one in made} == {60, 10} and len(made) >= 16
    for one in made:
        number = int(one.market.removeprefix("polymarket 0x"))
        start, end = (T0 + played * played_ns for played in (number, number + 1))
        assert one.at_least_e18 == by_ts[start] and one.yes == (by_ts[end] >= by_ts[start])
        assert one.expected_e18 == by_ts[end - (one.left_s + 2) * S]


def test_what_the_venue_says_counts_before_the_reference() -> None:
    ticks, (listed,) = walk(400), windows_of(1)
    rose = ticks[300][1] >= ticks[0][1]
    paid = tuple(
        replace_payout(one, Decimal(int((place == 0) != rose)))
        for place, one in enumerate(listed.outcomes)
    )
    decided = replace(listed, outcomes=paid, status="settled")
    source = list(recording(ticks, [(T0 - S, listed), (T0 + 350 * S, decided)]))
    made = Recorded(source, lefts_s=(10,), volatility=BY_MINUTE).run()
    assert [one.yes for one in made] == [not rose]


def replace_payout(outcome: ListedOutcome, payout: Decimal) -> ListedOutcome:
    return outcome._replace(payout=payout)


def test_what_cannot_be_said_is_counted_with_its_reason() -> None:
    ticks = walk(500)
    plain = replace(WINDOW, market="0x1", slug="a", start_ts=None)
    before = replace(WINDOW, market="0x2", slug="b", start_ts=T0 - 900 * S, close_ts=T0 - 600 * S)
    late = replace(WINDOW, market="0x3", slug="c", close_ts=T0 + 900 * S)
    recorded = Recorded(
        list(recording(ticks, [(T0 - S, one) for one in (plain, before, late)])),
        lefts_s=(600, 10), volatility=BY_MINUTE,
    )  # fmt: skip
    assert recorded.run() == []
    assert recorded.left_out == {
        "it is no window": 1,
        "nothing could be said before its end": 1,
        "it is not known how it ended": 1,
    }


def test_the_command_tells_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "day.bfj"
    ticks, listed = walk(6_300), windows_of(20)
    write_journal(path, recording(ticks, [(T0 - S, one) for one in listed]))
    options = ["--left", "60,10", "--half-life", "60", "--step", "1"]
    assert main(["calibrate", str(path), *options, "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["markets"] == 20 and told["left_out"] == {}
    assert 0 < told["fair_value"]["brier"] < 0.25 and told["market_mid"] is None
    assert [one["left_s"] for one in told["by_seconds_left"]] == [60, 10]
    assert sum(one["count"] for one in told["reliability"]) == told["fair_value"]["count"]
    assert {one["kind"] for one in told["fitted"]} == {"student", "multiplier"}
    assert main(["calibrate", str(path), *options]) == 0
    shown = capsys.readouterr().out
    assert "Brier" in shown and "reliability" in shown and "Student t, 4 degrees" in shown
    assert main(["calibrate", str(path), "--freedom", "2"]) == 2


# The day.


@pytest.fixture(scope="module")
def day() -> list[RecordTuple]:
    """The day as a recording: ticks as they were received, real windows, and how they ended."""
    with gzip.open(TICKS, "rt") as file:
        ticks = [
            (int(row["feed_ts_ms"]) * MS, int(row["full_accuracy_value"]), int(row["recv_ms"]) * MS)
            for row in csv.DictReader(file)
        ]
    with gzip.open(MARKETS, "rt") as file:
        rows = [json.loads(line) for line in file]
    news = []
    for row in rows:
        start, end = row["start_sec"] * S, row["end_sec"] * S
        paid = [Decimal(price) for price in row["outcome_prices"]]
        one = replace(
            WINDOW, market=f"0x{row['start_sec']}", slug=f"btc-updown-5m-{row['start_sec']}",
            start_ts=start, close_ts=end,
        )  # fmt: skip
        outcomes = tuple(
            each._replace(payout=payout) for each, payout in zip(one.outcomes, paid, strict=True)
        )
        news += [(start - 60 * S, one), (end + 30 * S, replace(one, outcomes=outcomes))]
    return list(recording(ticks, news))


@needs_day
@pytest.mark.slow
def test_a_real_day_is_calibrated(day: list[RecordTuple]) -> None:
    """Windows of five minutes that one tick decides: the nearer the end, the more is known; and a
    tick can be pushed, so that fair values of a walk are too sure, which the command is to show.
    """
    recorded = Recorded(day)
    made = recorded.run()
    scores = {
        left_s: score([(one.said, one.yes) for one in made if one.left_s == left_s])
        for left_s in (120, 60, 30, 10)
    }
    counts = [one.count for one in scores.values() if one]
    briers = [one.brier for one in scores.values() if one]
    assert len(counts) == 4 and min(counts) > 230, counts
    assert briers == sorted(briers, reverse=True) and briers[0] < 0.21 and briers[-1] < 0.12, briers
    # Walks do not explain what happens to one tick: fitted tails are far wider, and then about as
    # much comes true as is said.
    fit, best = fitted(made, student=True), held_out(made, student=True)
    plain = score([(one.said, one.yes) for one in made])
    assert fit is not None and fit.freedom == 3 and 2 < fit.scale < 3.5, fit
    assert best is not None and plain is not None and best.log_loss < plain.log_loss - 0.05
    for bucket in buckets([(one.by(fit), one.yes) for one in made], 5):
        assert abs(bucket.came_true - bucket.said) < 0.05 + 2 * bucket.noise, bucket
