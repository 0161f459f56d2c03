"""Plans of faults: what a file may say, and what is said of others."""

from pathlib import Path

import pytest

from bookfeed.cli import main
from bookfeed.sim.entry import Options
from bookfeed.sim.kalshi.faults import KalshiFault
from bookfeed.sim.plan import Plan, PlanError, read_plan
from bookfeed.sim.polymarket.faults import Fault


def planned(tmp_path: Path, text: str) -> Plan:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    return read_plan(path)


def test_a_plan_has_the_fields_of_faults(tmp_path: Path) -> None:
    text = '[[fault]]\nkind = "freeze"\nat_s = 2.5\nduration_s = 1\n[[fault]]\nkind = "drop"\n'
    plan = planned(tmp_path, text + "at_frame = 7\nconn = 1\n")
    assert plan.faults_of(Fault) == (
        Fault("freeze", at_s=2.5, duration_s=1),
        Fault("drop", at_frame=7, conn=1),
    )


def test_a_fault_may_happen_again_and_again(tmp_path: Path) -> None:
    text = '[[fault]]\nkind = "reset"\nat_s = 5\nevery_s = 30\nuntil_s = 70\n'
    times = [fault.at_s for fault in planned(tmp_path, text).faults_of(Fault)]
    assert times == [5, 35, 65]
    hourly = planned(tmp_path, '[[fault]]\nkind = "reset"\nevery_s = 600\n').faults_of(Fault)
    assert [fault.at_s for fault in hourly] == [600, 1200, 1800, 2400, 3000, 3600]


def test_a_fault_of_one_venue_is_none_of_another(tmp_path: Path) -> None:
    text = '[[fault]]\nkind = "zombie"\nvenue = "kalshi"\n[[fault]]\nkind = "drop"\n'
    plan = planned(tmp_path, text)
    assert [one.kind for one in plan.faults_of(Fault, "polymarket")] == ["drop"]
    assert [one.kind for one in plan.faults_of(KalshiFault, "kalshi")] == ["zombie", "drop"]
    options = Options(faults=("swap@3",), plan=plan, venue="polymarket")
    assert [one.kind for one in options.faults_of(Fault)] == ["swap", "drop"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no [[fault]]"),
        ("[faults]\n", "faults: a plan has"),
        ("fault = 3\n", "there is no [[fault]]"),
        ("fault = [3]\n", "fault 1: must be a table"),
        ("[[fault]]\nat_s = 1\n", "fault 1: kind: is missing"),
        ('[[fault]]\nkind = "drop"\nwhen = 1\n', "when: no such key; known: kind"),
        ('[[fault]]\nkind = "drop"\nat_s = "1"\n', "at_s: must be a number"),
        ('[[fault]]\nkind = "drop"\nat_frame = 1.5\n', "at_frame: must be a number"),
        ('[[fault]]\nkind = "drop"\nat_frame = true\n', "at_frame: must be a number"),
        ('[[fault]]\nkind = "drop"\nat_s = -1\n', "at_s: must be from 0"),
        ('[[fault]]\nkind = "drop"\nat_s = nan\n', "at_s: must be from 0"),
        ('[[fault]]\nkind = "drop"\nuntil_s = 9\n', "until_s: only with every_s"),
        ('[[fault]]\nkind = "drop"\nat_frame = 1\nevery_s = 9\n', "does not go with at_frame"),
        ('[[fault]]\nkind = "drop"\nevery_s = 0\n', "every_s: more than"),
        ('[[fault]]\nkind = "drop"\nevery_s = 1e-9\n', "every_s: more than"),
        ("[[fault]\n", "plan.toml: "),
    ],
)
def test_what_is_no_plan_is_refused_with_what_is_wrong(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(PlanError) as caught:
        planned(tmp_path, text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[fault]]\nkind = "drop"\n[[fault]]\nkind = "zombie"\n', "fault 2: unknown fault"),
        ('[[fault]]\nkind = "drop"\nvariant = "x"\n', "fault 1: fault drop has no variant"),
        ('[[fault]]\nkind = "drop"\nmessage = "trade"\n', "message: no such key at this venue"),
    ],
)
def test_what_a_venue_cannot_do_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        planned(tmp_path, text).faults_of(Fault)


def test_the_command_says_what_is_wrong_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plan.toml"
    for text in ("[[fault]]\n", '[[fault]]\nkind = "no such"\n'):
        path.write_text(text)
        assert main(["sim", "--faults", str(path)]) == 2
        assert f"{path}: fault 1: " in capsys.readouterr().err
    assert main(["sim", "--faults", str(tmp_path / "none.toml")]) == 1
