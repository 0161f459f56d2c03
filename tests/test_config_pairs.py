"""Pairs, baskets and ladders: what a file may say, what a wrong one is told, which rule it is."""

import dataclasses
import json
from pathlib import Path

import pytest

from bookfeed import Engine, config
from bookfeed.config import Config
from bookfeed.errors import ConfigError
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.rules.pairs import (
    Basket,
    BasketLeg,
    Bundle,
    Ladder,
    LadderLeg,
    Pair,
    PairLeg,
    basis_line,
)
from bookfeed.rules.rule import Rule

GAP = {"reference_sd", "closing_sd"}
"""What makes a gap of a pair."""

YES, NO = "7" * 77, "5" * 76

MARKETS = f"""
[[market]]
market = "0xabc"
outcomes = [{{ name = "Up", asset = "{YES}" }}, {{ name = "Down", asset = "{NO}" }}]

[[market]]
venue = "kalshi"
ticker = "KXA"

[[market]]
venue = "kalshi"
ticker = "KXB"
"""

SERIES = """
[[pair]]
name = "BTC quarter"
series = ["btc-updown-15m", "KXBTC15M"]
min_edge = "0.01"
"""

PAIR = f"""
[[pair]]
name = "BTC"
min_edge = "0.004"
min_qty = "5"
max_qty = "500"
max_age_ms = 5000
max_skew_ms = 1000
proof = "venue"
max_lag_ms = 400
min_time_to_close_ms = 60000
confirm = "off"
min_hold_ms = 400
allow_poll = "on"
cooldown_ms = 50
polarity_check = "off"
enabled = true

[[pair.leg]]
venue = "kalshi"
symbol = "KXA"
outcome = "no"
polarity = "inverted"
oracle = "CF BRTI, mean of 60 s"
strike = "84999.99"
cut_off = "2026-10-01T21:00:00Z"

[[pair.leg]]
venue = "polymarket"
symbol = "{NO}"
outcome = "Down"
polarity = "inverted"
oracle = "Chainlink BTC/USD"
strike = "85000"
cut_off = "2026-10-01T17:00:00-04:00"
note = "ties pay half"
"""

BASKET = f"""
[[basket]]
name = "who"
exhaustive = true
augmented = false
legs = [
    {{ venue = "kalshi", symbol = "KXA", outcome = "yes" }},
    {{ venue = "kalshi", symbol = "KXB", outcome = "no" }},
    {{ venue = "polymarket", symbol = "{YES}", outcome = "Up" }},
]
"""

LADDER = """
[[ladder]]
name = "above"
max_lag_ms = 0
legs = [
    { venue = "kalshi", symbol = "KXA", outcome = "yes", strike = "85000" },
    { venue = "kalshi", symbol = "KXB", outcome = "yes", strike = "85000.01" },
]
"""

GATES = {
    "min_edge": "0.001", "max_age_ms": "30000", "min_time_to_close_ms": "0",
    "min_hold_ms": "0", "cooldown_ms": "0", "proof": "off", "allow_poll": "off",
}  # fmt: skip


def load(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "bookfeed.toml"
    path.write_text(text, encoding="utf-8")
    return config.load(path, {})


def leg(venue: str = "kalshi", symbol: str = "KXA", outcome: str = "yes", **facts: str) -> PairLeg:
    told = {"oracle": "O", "strike": "1", "cut_off": "now", "polarity": "same"} | facts
    return PairLeg(venue, symbol, outcome, **told)  # type: ignore[arg-type]


def pair(a: PairLeg, b: PairLeg) -> Pair:
    return Pair("p", (a, b))


def test_every_section_becomes_the_rule_it_means(tmp_path: Path) -> None:
    loaded = load(tmp_path, MARKETS + PAIR + BASKET + LADDER)
    box, basket, ladder = loaded.signal_rules()
    assert (box.kind, box.name) == ("box", "BTC")
    assert box.params == {
        # The no of Kalshi, which pays when it does not happen: its yes pays when it does.
        "a": "kalshi KXA yes",
        "b": f"polymarket {NO} no",
        "polarity_check": "off", "min_edge": "0.004", "min_qty": "5", "max_qty": "500",
        "max_age_ms": "5000", "max_skew_ms": "1000", "max_lag_ms": "400",
        "min_time_to_close_ms": "60000", "confirm": "off", "min_hold_ms": "400",
        "cooldown_ms": "50",
        "proof": "venue", "allow_poll": "on",
    }  # fmt: skip
    legs = f"kalshi KXA yes; kalshi KXB no; polymarket {YES} yes"
    told = {"legs": legs, "exhaustive": "true", "augmented": "false"}
    assert (basket.kind, basket.name, basket.params) == ("basket", "who", GATES | told)
    told = {"legs": "kalshi KXA yes; kalshi KXB yes", "max_lag_ms": "0"}
    assert (ladder.kind, ladder.name, ladder.params) == ("ladder", "above", GATES | told)


def test_the_engine_takes_every_rule(tmp_path: Path) -> None:
    engine = Engine()
    for rule in load(tmp_path, MARKETS + PAIR + BASKET + LADDER).signal_rules():
        engine.add_rule(rule.kind, rule.params)
        assert engine.refusals(engine.add_rule(rule.kind, rule.params))


def test_the_texts_name_every_key_there_is() -> None:
    for kind, text in ((Pair, PAIR), (PairLeg, PAIR), (Basket, BASKET), (Ladder, LADDER)):
        shared = {f.name for f in dataclasses.fields(Bundle)} if kind is not Pair else GAP
        for field in dataclasses.fields(kind):
            if field.name not in shared:
                assert f"{field.name} =" in text or f"[[pair.{field.name}]]" in text, field.name


def test_a_section_that_is_switched_off_does_not_run(tmp_path: Path) -> None:
    loaded = load(tmp_path, MARKETS + PAIR.replace("enabled = true", "enabled = false"))
    assert loaded.signal_rules() == []


@pytest.mark.parametrize(
    ("outcome", "polarity", "written"),
    [
        ("yes", "same", "kalshi KXA yes"),
        ("no", "same", "kalshi KXA no"),
        ("yes", "inverted", "kalshi KXA no"),
        ("no", "inverted", "kalshi KXA yes"),
    ],
)
def test_polarity_and_outcome_decide_the_side(outcome: str, polarity: str, written: str) -> None:
    one = pair(leg(outcome=outcome, polarity=polarity), leg("polymarket", YES, "No"))
    assert one.rule().params["a"] == written
    # A token's own book is its outcome, whatever the outcome is called.
    assert one.rule().params["b"] == f"polymarket {YES} yes"


def test_different_facts_are_a_basis(tmp_path: Path) -> None:
    (box,) = load(tmp_path, MARKETS + PAIR).signal_rules()
    assert box.about["basis"] == [
        'oracle "CF BRTI, mean of 60 s" (kalshi), "Chainlink BTC/USD" (polymarket)',
        # The cut-offs are one moment, written twice.
        'strike "84999.99" (kalshi), "85000" (polymarket)',
    ]
    line = basis_line(Rule("box", {}, "BTC", {"basis": ["oracle a, b", "strike c, d"]}))
    assert line == 'pair "BTC": basis, not the same contract: oracle a, b; strike c, d'
    assert basis_line(pair(leg(), leg(symbol="KXB")).rule()) is None


@pytest.mark.parametrize(
    ("fact", "a", "b", "differ"),
    [
        ("strike", "85000", "85000.00", False),
        ("strike", "85000", "above 85000", True),
        ("strike", "NaN", "NaN", False),
        ("oracle", "CF  BRTI", "CF BRTI ", False),
        ("oracle", "CF BRTI", "cf brti", True),
        ("cut_off", "2026-10-01T21:00:00Z", "2026-10-01T21:00:00+00:00", False),
        ("cut_off", "2026-10-01T21:00:00Z", "2026-10-01T21:00:00", True),
        ("cut_off", "2026-10-01T21:00:00Z", "2026-10-01T21:00:01Z", True),
    ],
)
def test_facts_are_compared_by_what_they_say(fact: str, a: str, b: str, differ: bool) -> None:
    one = pair(leg(**{fact: a}), leg(symbol="KXB", **{fact: b}))
    assert bool(one.basis()) is differ


def test_a_pair_with_references_of_their_own_is_a_gap(tmp_path: Path) -> None:
    more = 'name = "BTC"\nreference_sd = "6.5"\nclosing_sd = "80"'
    text = MARKETS + changed(PAIR, 'name = "BTC"', more)
    (rule,) = load(tmp_path, text).signal_rules()
    assert rule.kind == "strike_gap"
    assert (rule.params["reference_sd"], rule.params["closing_sd"]) == ("6.5", "80")
    assert "85000" in (rule.params["a_strike"], rule.params["b_strike"])
    Engine().add_rule(rule.kind, rule.params)
    alone = changed(PAIR, 'name = "BTC"', 'name = "BTC"\nclosing_sd = "80"')
    with pytest.raises(ConfigError, match="of no use without reference_sd"):
        load(tmp_path, MARKETS + alone)
    with pytest.raises(ConfigError, match="must be a plain decimal with reference_sd"):
        load(tmp_path, changed(text, 'strike = "85000"', 'strike = "about 85k"'))


def test_a_pair_of_series_has_rules_as_its_windows_come(tmp_path: Path) -> None:
    made = load(tmp_path, SERIES)
    assert made.signal_rules() == []
    (pair,) = made.series_pairs()
    assert pair.series == ("btc-updown-15m", "KXBTC15M")
    box = pair.pair((leg(), leg(symbol="KXB"))).rule()
    assert (box.kind, box.name, box.params["min_edge"]) == ("box", "BTC quarter", "0.01")
    assert load(tmp_path, changed(SERIES, 'min_edge = "0.01"', "enabled = false")).pair != ()
    assert load(tmp_path, SERIES + "enabled = false").series_pairs() == []


def test_a_rule_is_described_anew_and_a_recording_keeps_it() -> None:
    tape = Tape()
    live = EngineInput(Engine(), tape)
    rule = pair(leg(), leg(symbol="KXB")).rule()
    number = live.add_rule(rule, 1)
    live.describe_rule(number, {"basis": ["strike"]}, 2)
    assert basis_line(live.rules[number]) is not None
    again = EngineInput(Engine())
    assert all(again.apply(kind, ts, conn, payload) for kind, ts, conn, payload in tape.records)
    assert again.rules == live.rules


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (changed(PAIR, 'symbol = "KXA"', 'symbol = "KXC"'), "pair[0].leg[0].symbol",
         ["the ticker of a [[market]] of kalshi (KXA, KXB)", '"KXC"']),
        (changed(PAIR, f'"{NO}"', '"123"'), "pair[0].leg[1].symbol", ["token id", YES, '"123"']),
        (changed(PAIR, '"Down"', '"Up"'), "pair[0].leg[1].outcome", ['must be "Down"', '"Up"']),
        (changed(PAIR, 'outcome = "no"', 'outcome = "No"'), "pair[0].leg[0].outcome",
         ['"yes", "no"', '"No"']),
        (changed(PAIR, '"inverted"', '"invert"'), "pair[0].leg[0].polarity",
         ['"same", "inverted"', 'mean "inverted"']),
        (changed(PAIR, 'polarity = "inverted"\n', ""), "pair[0].leg[0].polarity",
         ['is required: one of "same", "inverted"']),
        (changed(PAIR, 'oracle = "CF BRTI, mean of 60 s"\n', ""), "pair[0].leg[0].oracle",
         ["is required"]),
        (changed(PAIR, 'strike = "85000"\n', ""), "pair[0].leg[1].strike", ["is required"]),
        (changed(PAIR, 'cut_off = "2026-10-01T21:00:00Z"\n', ""), "pair[0].leg[0].cut_off",
         ["is required"]),
        (changed(PAIR, '"Chainlink BTC/USD"', '" "'), "pair[0].leg[1].oracle", ["1 to 500"]),
        (changed(PAIR, '"0.004"', "0.004"), "pair[0].min_edge", ['write "0.004"']),
        (changed(PAIR, "max_lag_ms = 400", "max_lag_ms = -1"), "pair[0].max_lag_ms", ["from 0"]),
        (changed(PAIR, 'polarity_check = "off"', "polarity_check = false"),
         "pair[0].polarity_check", ['"on", "off"']),
        (changed(PAIR, 'confirm = "off"', 'confirm = "no"'), "pair[0].confirm", ['"on", "off"']),
        (changed(PAIR, "cooldown_ms", "cool_down_ms"), "pair[0].cool_down_ms",
         ['mean "cooldown_ms"']),
        (PAIR.rpartition("[[pair.leg]]")[0], "pair[0].leg", ["two legs", "not 1"]),
        (PAIR + PAIR, "pair[1].name", ['"BTC" is already pair[0]']),
        (PAIR + changed(LADDER, '"above"', '"BTC"'), "ladder[0].name", ["already pair[0]"]),
        (changed(BASKET, "exhaustive = true\n", ""), "basket[0].exhaustive", ["is required"]),
        (changed(BASKET, "augmented = false\n", ""), "basket[0].augmented",
         ["is required with legs on polymarket", "negative-risk"]),
        (changed(BASKET, '"KXB"', '"KXA"'), "basket[0].legs[1].symbol", ["already in legs[0]"]),
        ('[[basket]]\nname = "b"\nexhaustive = false\nlegs = []', "basket[0].legs", ["2 to 128"]),
        (changed(LADDER, "85000.01", "85000.0"), "ladder[0].legs[1].strike",
         ['before it ("85000")']),
        (changed(LADDER, '"85000"', '"8_500"'), "ladder[0].legs[0].strike", ["a decimal"]),
        (changed(LADDER, '"kalshi"', '"kalshy"'), "ladder[0].legs[0].venue", ['mean "kalshi"']),
        (changed(SERIES, '"KXBTC15M"', '"KXETH15M"'), "pair[0].series",
         ["one asset and one length", "btc-updown-15m (btc, 15m)", "KXETH15M (eth, 15m)"]),
        (changed(SERIES, '"KXBTC15M"', '"KXBTC15"'), "pair[0].series", ["mean 'KXBTC15M'?"]),
        (changed(SERIES, ', "KXBTC15M"', ""), "pair[0].series", ["two series"]),
        (changed(SERIES, "updown-15m", "updown-15"), "pair[0].series", ["no windows are known"]),
        ('[[pair]]\nname = "x"\nseries = ["bitcoin-up-or-down", "KXBTCD"]', "pair[0].series",
         ["KXBTCD has several markets a window"]),
        (changed(SERIES, '["btc-updown-15m", "KXBTC15M"]', '"KXBTC15M"'), "pair[0].series",
         ["texts in brackets"]),
        (SERIES + "[[pair.leg]]", "pair[0].leg", ["finds its legs window by window"]),
        (SERIES + PAIR.replace('"BTC"', '"BTC quarter"'), "pair[1].name", ["already pair[0]"]),
    ],
)  # fmt: skip
def test_a_wrong_section_is_told_where_and_what(
    tmp_path: Path, text: str, key: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, MARKETS + text)
    assert caught.value.key == key
    where = f"{tmp_path / 'bookfeed.toml'}:{caught.value.line}"
    assert caught.value.line is not None
    assert str(caught.value).startswith(f"{where}: {key}: ")
    for word in words:
        assert word in str(caught.value)


def test_built_in_python_it_is_checked_too() -> None:
    with pytest.raises(ValueError, match="two legs"):
        Pair("p", (leg(),))
    with pytest.raises(ValueError, match="already in"):
        pair(leg(), leg(outcome="no"))
    with pytest.raises(ValueError, match="must be without spaces"):
        BasketLeg("kalshi", "KXA; kalshi KXB", "yes")
    with pytest.raises(ValueError, match="augmented"):
        Basket("b", tuple(BasketLeg("polymarket", s, "Yes") for s in (YES, NO)), exhaustive=True)
    with pytest.raises(ValueError, match="strike"):
        Ladder("l", tuple(LadderLeg("kalshi", s, "yes", "2") for s in ("KXA", "KXB")))
    # All of Kalshi's sets are closed; only Polymarket's may be augmented.
    sets = Basket("b", tuple(BasketLeg("kalshi", s, "yes") for s in ("KXA", "KXB")), True)
    assert sets.rule().params["augmented"] == "false"


class Tape:
    """A recorder that keeps what it gets."""

    def __init__(self) -> None:
        self.records: list[tuple[int, int, int, bytes]] = []

    def append(self, kind: int, ts: int, conn: int, epoch: int, payload: bytes) -> None:
        self.records.append((kind, ts, conn, payload))

    def poll(self, now_ns: int) -> None:
        pass

    def close(self, timeout_s: float) -> None:
        pass


def test_a_recording_keeps_names_and_facts_beside_the_rules(tmp_path: Path) -> None:
    box, _, ladder = load(tmp_path, MARKETS + PAIR + BASKET + LADDER).signal_rules()
    plain = Rule("spread", {"open": "0.05"})
    tape = Tape()
    live = EngineInput(Engine(), tape)
    for rule in (plain, box, ladder):
        live.add_rule(rule, 1)
    rules = [json.loads(r[3]) for r in tape.records if r[0] == Kind.RULE]
    # Rules are recorded as the engine takes them, so that an older reader can replay them.
    assert [set(rule) for rule in rules] == [{"kind", "params"}] * 3
    copy = Tape()
    again = EngineInput(Engine(), copy)
    assert all(again.apply(kind, ts, conn, payload) for kind, ts, conn, payload in tape.records)
    assert again.rules == live.rules == {0: plain, 1: box, 2: ladder}
    assert copy.records == tape.records


@pytest.mark.parametrize(
    "note", [b"", b"[]", b'{"rule": 3}', b'{"rule": {"number": 9, "name": "x", "about": {}}}']
)
def test_a_note_of_another_form_is_passed_over(note: bytes) -> None:
    inputs = EngineInput(Engine())
    assert inputs.apply(Kind.NOTE, 1, 0, note)
    assert inputs.rules == {}


def test_the_documentation_has_every_key_of_a_leg() -> None:
    text = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
    (section,) = (part for part in text.split("\n## ") if part.startswith("`[[pair]]`"))
    keys = section.partition("A leg of a pair says")[2]
    for field in dataclasses.fields(PairLeg):
        assert f"\n* `{field.name}` (" in keys, field.name
