"""``bookfeed book``, ``price`` and ``trades``: exact numbers, and whether to believe them."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listed_venues import Venues, listing_venues
from test_sweep_fees import book, taken

from bookfeed import ConfigError, Engine
from bookfeed.audit import fees as audited
from bookfeed.cli import exact, main, once
from bookfeed.cli import price as price_command
from bookfeed.cli.once import Asked, vouched
from bookfeed.market import Market, Outcome

FEE = "kalshi:quadratic;1;direct"
MARKET = Market("KX-1", (Outcome("Yes", "KX-1"),), name="Rain?", venue="kalshi")


def asked(fee: str | None = FEE, *, turned: bool = False, now_ns: int = 2) -> Asked:
    view = book(fee).freeze()
    return Asked(view.complement if turned else view, MARKET, "No" if turned else "Yes", now_ns)


def quoted(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: Asked,
    side: str,
    amount: str,
) -> tuple[int, dict[str, Any]]:
    monkeypatch.setattr(price_command, "asked", lambda _args: found)
    args = argparse.Namespace(side=side, amount=amount, output="json")
    code = price_command.execute(args)
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, told


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("qty", ["1", "31.5", "100"])
def test_a_price_is_what_the_levels_and_the_auditor_say(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    side: str,
    qty: str,
    turned: bool,
) -> None:
    found = asked(turned=turned)
    code, told = quoted(monkeypatch, capsys, found, side, f"{qty}sh")
    fills = taken(found.book.as_strings("ask" if side == "buy" else "bid"), Decimal(qty))
    paid = sum(price * size for price, size in fills)
    fee = audited.parse(FEE).order(fills, sell=side == "sell", maker=False)
    assert (code, told["complete"], told["doubts"]) == (0, True, [])
    assert Decimal(told["money"]) == paid and Decimal(told["fee"]) == fee
    assert Decimal(told["total"]) == (paid + fee if side == "buy" else paid - fee)
    assert told["levels"] == len(fills) and Decimal(told["worst"]) == fills[-1][0]
    # Rounded against who trades, by less than the last digit.
    over = Fraction(told["average"]) - Fraction(paid) / Fraction(qty)
    assert 0 <= (over if side == "buy" else -over) < Fraction(1, 10**9)
    best = fills[0][0]
    mid = Decimal("0.47") if not turned else Decimal("0.53")
    assert (Decimal(told["best"]), Decimal(told["mid"])) == (best, mid)
    assert float(told["slippage"]) == pytest.approx(abs(float(paid / Decimal(qty) - mid)), abs=1e-8)


def test_money_is_never_spent_beyond_the_amount(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = quoted(monkeypatch, capsys, asked(), "buy", "50usd")
    assert code == 0
    assert Decimal("49.99") < Decimal(told["money"]) <= 50
    assert Decimal(told["total"]) > 50, "the fee comes on top"


def test_a_book_that_is_too_thin_is_said_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = quoted(monkeypatch, capsys, asked(), "buy", "1000sh")
    assert (code, told["complete"], told["qty"]) == (1, False, "442.75")
    assert told["doubts"] == ["the book does not hold so much"]


def test_less_than_the_smallest_order_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = replace(asked(), market=replace(MARKET, min_order_size="5"))
    code, told = quoted(monkeypatch, capsys, found, "buy", "4.99sh")
    assert (code, told["doubts"]) == (1, ["the smallest order is of 5 sh"])
    assert quoted(monkeypatch, capsys, found, "buy", "5sh")[0] == 0


def test_an_unknown_fee_is_no_zero(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = quoted(monkeypatch, capsys, asked(None), "buy", "1sh")
    assert (code, told["fee"], told["total"], told["total_each"]) == (0, None, None, None)
    monkeypatch.setattr(price_command, "asked", lambda _args: asked(None))
    price_command.execute(argparse.Namespace(side="buy", amount="1sh", output=None))
    assert "unknown, and unknown is not zero" in capsys.readouterr().out


def lost() -> Asked:
    engine = Engine()
    engine.connected(0, "kalshi", 1)
    view = engine.book(engine.subscribe("kalshi", "KX-1", 0, 1))
    return Asked(view, MARKET, "Yes", 2)


def test_a_book_that_is_not_live_has_no_price(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = quoted(monkeypatch, capsys, lost(), "buy", "1sh")
    assert (code, told["believed"], told["average"]) == (1, False, None)
    assert told["doubts"] == ["syncing (subscribed)"]
    assert vouched(lost()) == "no: syncing (subscribed)"


def test_a_market_that_is_over_is_not_believed_whatever_its_book() -> None:
    engine = Engine()
    engine.connected(0, "kalshi", 1)
    instrument = engine.subscribe("kalshi", "KX-1", 0, 1, close_ts=5)
    frame = {"type": "orderbook_snapshot", "sid": 1, "seq": 1, "msg": {"market_ticker": "KX-1"}}
    engine.ingest(0, json.dumps(frame).encode(), 2)
    over = Asked(engine.book(instrument).freeze(), MARKET, "Yes", 6)
    assert over.book.live and not over.believed
    assert over.doubt() == "the market is closed"


@pytest.mark.parametrize(
    "amount", ["", "0usd", "500", "usd", "-5usd", "1e3usd", "5 000usd", "1.123456789sh"]
)
def test_an_amount_that_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], amount: str
) -> None:
    with pytest.raises(ConfigError, match="must be such as 500usd or 200sh"):
        quoted(monkeypatch, capsys, asked(), "buy", amount)


def test_an_amount_is_in_what_is_traded_or_in_what_it_costs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="must be 5sh or 5usd, not 5btc"):
        quoted(monkeypatch, capsys, asked(), "buy", "5btc")
    engine = Engine()
    engine.connected(0, "binance", 1)
    pair = engine.book(engine.subscribe("binance", "BTCUSDT", 0, 1, base="BTC", quote="USDT"))
    spot = Asked(pair, MARKET, "BTC", 2)
    with pytest.raises(ConfigError, match="must be 5btc or 5usdt, not 5usd"):
        quoted(monkeypatch, capsys, spot, "buy", "5usd")
    assert quoted(monkeypatch, capsys, spot, "buy", "5USDT")[0] == 1, "not live"


@given(
    st.fractions(max_denominator=10**9), st.integers(0, 12), st.sampled_from([None, True, False])
)
def test_text_is_the_nearest_or_on_the_side_that_is_asked_for(
    value: Fraction, places: int, up: bool | None
) -> None:
    told = exact.text(value, places, up=up)
    assert told is not None and "E" not in told
    error, unit = Fraction(told) - value, Fraction(1, 10**places)
    assert len(told.partition(".")[2]) <= places
    if up is None:
        assert abs(error) <= unit / 2
    else:
        assert 0 <= (error if up else -error) < unit


def test_text_of_what_needs_no_rounding_is_exact() -> None:
    assert exact.text(exact.price(480_000_000)) == "0.48"
    assert exact.text(exact.money(2**100)) == f"{Decimal(2**100).scaleb(-17):.9f}".rstrip("0")
    assert exact.text(Fraction(0)) == "0" and exact.text(None) is None
    assert exact.aligned(["0.5", "12", "1000.25"], 1) == ["0.50", "12.00", "1,000.25"]


# Against simulated venues, as users call them.


@pytest.fixture(scope="module")
def venues() -> Iterator[Venues]:
    with listing_venues() as found:
        yield found


@pytest.fixture
def followed(venues: Venues, monkeypatch: pytest.MonkeyPatch) -> Venues:
    monkeypatch.setenv("BOOKFEED_POLYMARKET__WS_URL", venues.ws_url)
    monkeypatch.setenv("BOOKFEED_POLYMARKET__REST_URL", "")
    return venues


def called(
    venues: Venues, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0
) -> str:
    assert main([*arguments, *venues.urls]) == code, capsys.readouterr().err
    return capsys.readouterr().out


def test_a_book_for_people_and_for_programs(
    followed: Venues, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = called(followed, capsys, "book", "market-1", "--depth", "3").splitlines()
    assert lines[0].endswith(": Yes (polymarket)") and lines[1].startswith("believe it? yes: live")
    assert [line[:3] for line in lines[3:]] == ["ask"] * 3 + ["   "] + ["bid"] * 3
    asks, bids = ([float(line.split()[1]) for line in lines[a:b]] for a, b in ((3, 6), (7, 10)))
    assert asks == sorted(asks, reverse=True) and bids == sorted(bids, reverse=True)
    assert asks[-1] > bids[0]
    told = json.loads(called(followed, capsys, "book", "market-1", "-o", "ndjson"))
    assert (told["type"], told["state"], told["believed"]) == ("book", "live", True)
    (bid, _), (ask, _) = told["bids"][0], told["asks"][0]
    assert Decimal(told["spread"]) == Decimal(ask) - Decimal(bid)
    assert Decimal(told["mid"]) * 2 == Decimal(ask) + Decimal(bid)
    assert len(told["bids"]) <= 10


async def test_a_book_inside_a_batch_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """No record tells of that state, so the feed has nothing to wait for."""
    views = [lost().book, lost().book, asked().book]

    class Batching:
        async def wait_live(self, _timeout_s: float, *, symbols: list[str]) -> list[Any]:
            return []

        def book(self, _symbol: str) -> Any:
            return views.pop(0) if len(views) > 1 else views[0]

    found = await once.live_book(Batching(), "KX-1", 5.0)  # type: ignore[arg-type]
    assert found.live
    views = [lost().book]
    assert not (await once.live_book(Batching(), "KX-1", 0.05)).live  # type: ignore[arg-type]


def test_the_other_outcome_is_the_other_side(
    followed: Venues, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads(
        called(followed, capsys, "price", "btc-updown-15m", "buy", "5sh", "--outcome", "down",
               "-o", "json")
    )  # fmt: skip
    assert (told["outcome"], told["qty"], told["believed"]) == ("Down", "5", True)
    assert told["fee"] is not None
    code = main(["book", "market-1", "--outcome", "perhaps", *followed.urls])
    assert code == 2 and "must be Yes or No, not 'perhaps'" in capsys.readouterr().err


def test_one_market_is_meant_and_one_that_is_traded(
    followed: Venues, capsys: pytest.CaptureFixture[str]
) -> None:
    event = followed.tickers[-1].rpartition("-")[0]
    for target, code, said in (
        (event, 1, "5 markets, name one of them: "),
        ("market-4", 1, "none of its markets is traded any more"),
        ("what is this", 2, "must be VENUE:SYMBOL"),
    ):
        assert main(["book", target, *followed.urls]) == code
        assert said in capsys.readouterr().err


def test_a_venue_that_is_not_there_is_said(
    followed: Venues, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BOOKFEED_POLYMARKET__WS_URL", "ws://127.0.0.1:9/ws/market")
    assert main(["book", "market-1", "--wait", "0.5", *followed.urls]) == 1
    assert "never connected to polymarket" in capsys.readouterr().err


def test_trades_of_what_has_none(followed: Venues, capsys: pytest.CaptureFixture[str]) -> None:
    ticker = followed.tickers[-1]
    assert json.loads(called(followed, capsys, "trades", ticker, "-o", "json", code=1)) == {
        "trades": []
    }
    assert main(["trades", f"kalshi:{ticker}", *followed.urls]) == 1
    assert main(["trades", "binance:BTC-USDT", *followed.urls]) == 2
    assert "only kalshi, polymarket are asked for trades" in capsys.readouterr().err
