"""The auditor's fee arithmetic, against values worked out by hand and on the venues' own pages."""

from decimal import Decimal

import pytest

from bookfeed import Engine
from bookfeed.audit import fees
from bookfeed.audit.fees.kalshi import KalshiFees
from bookfeed.audit.fees.polymarket import PolymarketFees

QUADRATIC = "quadratic"
D = Decimal


def kalshi(rounding: str, kind: str = QUADRATIC, multiplier: str = "1") -> KalshiFees:
    return KalshiFees(kind, D(multiplier), rounding)


@pytest.mark.parametrize(
    ("qty", "price", "direct", "non_direct", "legacy"),
    [
        ("1", "0.50", "0.0175", "0.02", "0.02"),
        ("100", "0.50", "1.7500", "1.75", "1.75"),
        ("10", "0.37", "0.1632", "0.17", "0.17"),
        ("250.5", "0.0450", "0.7536", "0.7575", "0.76"),
        ("1", "0.055", "0.0037", "0.005", "0.01"),
    ],
)
def test_one_fill_of_a_taker(
    qty: str, price: str, direct: str, non_direct: str, legacy: str
) -> None:
    for rounding, fee in (("direct", direct), ("non_direct", non_direct), ("legacy", legacy)):
        assert kalshi(rounding).order([(D(price), D(qty))], sell=False, maker=False) == D(fee)


def test_what_rounding_took_comes_back_within_an_order() -> None:
    """Three times 1 at 0.505: the model is 0.01749825, the fee 0.017499, the balance -0.522499.

    Brought down to -0.53 each fill pays 0.025; of the 0.007501 charged beyond the fee two make
    0.015002, so the second fill gets a cent back, and the third 0.012503 less a cent as well.
    """
    fill = (D("0.505"), D(1))
    paid = [kalshi("non_direct").order([fill] * n, sell=False, maker=False) for n in (1, 2, 3)]
    assert paid == [D("0.025"), D("0.04"), D("0.055")]


def test_no_fill_gets_back_more_than_it_pays() -> None:
    """Without a fee, what is owed waits until a fill costs a whole cent."""
    free = kalshi("non_direct", multiplier="0")
    fills = [(D("0.0025"), D(1))] * 3
    # Each pays 0.0075 of rounding; 0.015 owed after two, of which no whole cent fits into one.
    assert free.order(fills, sell=False, maker=False) == D("0.0225")


def test_the_rule_of_spring_2026() -> None:
    """The model of 10 at 0.37 is 0.16317: 0.1632, and 3.8632 is brought down to 3.87."""
    fee = kalshi("intermediate").order([(D("0.37"), D(10))], sell=False, maker=False)
    assert fee == D("0.17")
    # One at 0.50 sold: 0.5 less 0.0175 is 0.4825, brought down to 0.48.
    assert kalshi("intermediate").order([(D("0.5"), D(1))], sell=True, maker=False) == D("0.02")


def test_an_order_of_several_fills_is_rounded_once_under_the_legacy_rule() -> None:
    fills = [(D("0.5"), D(1))] * 4  # 0.0175 each
    assert kalshi("legacy").order(fills, sell=False, maker=False) == D("0.07")


@pytest.mark.parametrize(
    ("kind", "fee"),
    [
        (QUADRATIC, "0"),
        ("quadratic_with_maker_fees", "0.4375"),
        ("quadratic_with_combo_maker_fees", "0.875"),
    ],
)
def test_makers_pay_by_type(kind: str, fee: str) -> None:
    charged = kalshi("direct", kind)
    assert charged.order([(D("0.5"), D(100))], sell=False, maker=True) == D(fee)
    assert charged.marginal(D("0.5"), maker=True) == D(fee) / 100


def test_what_an_event_overrides() -> None:
    charged = KalshiFees(QUADRATIC, D(1), "direct", multiplier_override=D("0.5"))
    assert charged.order([(D("0.5"), D(100))], sell=False, maker=False) == D("0.875")
    assert not KalshiFees(QUADRATIC, D(1), kind_override="flat").computable
    assert KalshiFees("flat", D(1), kind_override=QUADRATIC).computable


@pytest.mark.parametrize(
    ("rate", "exponent", "qty", "price", "fee"),
    [
        ("0.07", 1, "100", "0.5", "1.75"),
        ("0.07", 1, "1", "0.01", "0.00069"),
        ("0.07", 1, "0.01", "0.01", "0.00001"),
        ("0.25", 2, "10", "0.5", "0.15625"),
    ],
)
def test_polymarket(rate: str, exponent: int, qty: str, price: str, fee: str) -> None:
    charged = PolymarketFees(D(rate), exponent)
    assert charged.order([(D(price), D(qty))], sell=False, maker=False) == D(fee)
    assert charged.order([(D(price), D(qty))], sell=False, maker=True) == 0


def test_marginal_fees_are_of_one_unit_half_up() -> None:
    assert PolymarketFees(D("0.000000002"), 1).marginal(D("0.5"), maker=False) == D("0.000000001")
    assert kalshi("non_direct").marginal(D("0.0001"), maker=False) == D("0.000006999")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("kalshi:quadratic;1;non_direct", KalshiFees(QUADRATIC, D(1), "non_direct")),
        ("kalshi:quadratic_with_maker_fees;0.5;direct",
         KalshiFees("quadratic_with_maker_fees", D("0.5"), "direct")),
        ("polymarket:0.07;1", PolymarketFees(D("0.07"), 1)),
        ("polymarket:0.25;2", PolymarketFees(D("0.25"), 2)),
    ],
)  # fmt: skip
def test_one_text_states_the_fees_of_a_market(text: str, terms: fees.Fees) -> None:
    venue = text.partition(":")[0]
    assert fees.parse(text) == terms and fees.stated(venue, {"fee": text}) == text


@pytest.mark.parametrize("text", ["0.07;1", "nowhere:1", ":1", "polymarket:1e-2;1"])
def test_a_text_that_states_no_fees(text: str) -> None:
    with pytest.raises(ValueError, match=r"no fees|decimal"):
        fees.parse(text)


def test_older_journals_state_fees_in_keys_of_their_venue() -> None:
    assert fees.stated("kalshi", {}) is fees.stated("nowhere", {"fee_rate": "1"}) is None
    assert fees.stated("polymarket", {"fee_type": QUADRATIC}) is None
    stated: list[tuple[str, dict[str, object], object]] = [
        ("kalshi", {"fee_multiplier": "0.5"}, KalshiFees(QUADRATIC, D("0.5"), "non_direct")),
        ("kalshi", {"fee_rounding": "direct"}, KalshiFees(QUADRATIC, D(1), "direct")),
        ("polymarket", {}, PolymarketFees(D("0.07"), 1)),
        ("polymarket", {"fee_exponent": 2}, PolymarketFees(D("0.07"), 2)),
    ]
    needed = {"kalshi": {"fee_type": QUADRATIC}, "polymarket": {"fee_rate": "0.07"}}
    for venue, options, terms in stated:
        text = fees.stated(venue, needed[venue] | options)
        assert text is not None and fees.parse(text) == terms


def test_what_belongs_to_a_type_that_is_not_known_may_be_anything() -> None:
    """The engine takes such a listing, and signals nothing; so it has to be read here, too."""
    for terms in ("kalshi:new;1000000000000000000000000000000;direct", "kalshi:a;b|c;1e9;direct"):
        Engine().subscribe("kalshi", "KX", 0, 0, fee=terms)
        assert not fees.parse(terms).computable
    listed = fees.parse("kalshi:a;b|c;0.5;direct|quadratic;")
    assert listed == KalshiFees(
        "a;b|c", D("0.5"), "direct", kind_override=QUADRATIC, base_known=True
    )
    assert listed.computable
