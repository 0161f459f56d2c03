"""What a diagnosis is made of: clocks, shapes of messages, races, answers; and the simulators."""

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bookfeed import config
from bookfeed.audit import shapes
from bookfeed.audit.drift import Drift, Shapes
from bookfeed.cli import main
from bookfeed.cli.simulator import simulator
from bookfeed.doctor import answers, machine
from bookfeed.doctor.clock import DATE_STEP_S, ClockWindow, told_time
from bookfeed.doctor.compare import Race
from bookfeed.doctor.finding import Finding
from bookfeed.doctor.newest import newest
from bookfeed.doctor.traffic import Watched
from bookfeed.venues import VENUES

CAPTURES = Path(__file__).parents[2] / "shared" / "captures"
NOW_S = 1_790_000_000.0

# Clocks.


@given(
    ahead_s=st.floats(-1e6, 1e6),
    questions=st.lists(
        st.tuples(st.floats(0, 100), st.floats(0, 2), st.floats(0, 1), st.floats(0, 0.5)),
        min_size=1,
    ),
)
def test_the_true_offset_is_always_possible(
    ahead_s: float, questions: list[tuple[float, float, float, float]]
) -> None:
    """However long answers took, wherever in them the server looked at its clock, and although it
    keeps a date for a while.
    """
    window = ClockWindow()
    for after_s, took_s, where, kept_s in questions:
        asked_s = NOW_S + after_s
        theirs_s = asked_s + took_s * where - ahead_s
        window.hear(asked_s, asked_s + took_s, (theirs_s - kept_s) // 1, DATE_STEP_S)
    assert not window.contradict and window.known
    assert window.low_s - 1e-6 <= ahead_s <= window.high_s + 1e-6
    assert not window.surely_beyond(abs(ahead_s) + 1e-6)


def test_answers_that_cannot_all_be_right_are_said_to_contradict() -> None:
    window = ClockWindow()
    window.hear(NOW_S, NOW_S + 0.1, NOW_S, 1.0)
    window.hear(NOW_S, NOW_S + 0.1, NOW_S - 60, 1.0)
    assert window.contradict and window.answers == 2
    assert abs(window.ahead_s) < 1, "the first one stays"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"1790000000", (1_790_000_000, 1)),
        (b'{"serverTime":1790000000123}', (1_790_000_000.123, 0.001)),
        (b'{"orders":17900000001234567}', None),
        (b'{"value":0.1790000000}', None),
        (b"", None),
    ],
)
def test_the_time_is_found_in_an_answer(body: bytes, told: tuple[float, float] | None) -> None:
    assert told_time(body) == told


# Shapes.

ONE = Shapes(
    split=lambda frame: [frame],
    kind=lambda message: str(message.get("type")),
    known={"a": {"type": "s", "levels[].price": "s", "more.*": "n", "any": "-"}},
    bare=(b"PONG",),
)


def odd(*frames: Any) -> dict[tuple[str, str], set[str]]:
    drift = Drift(ONE)
    for frame in frames:
        drift.hear(frame if isinstance(frame, bytes) else orjson.dumps(frame))
    return {(one.kind, one.path): one.types for one in drift.found()}


def test_what_is_known_is_not_odd() -> None:
    whole = {"type": "a", "levels": [{"price": "1"}], "more": {"x": 1, "y": 2.5}, "any": None}
    assert odd(whole, b"PONG", b" pong\n", {"type": "a", "levels": [], "more": {}}) == {}


@pytest.mark.parametrize(
    ("frame", "path", "type_"),
    [
        ({"type": "a", "new": 1}, "new", "number"),
        ({"type": "a", "new": {"deep": [True]}}, "new.deep[]", "true or false"),
        ({"type": "a", "new": []}, "new", "empty"),
        ({"type": "a", "levels": [{"price": 1}]}, "levels[].price", "number"),
        ({"type": "a", "levels": [{"price": None}]}, "levels[].price", "null"),
        ({"type": "a", "levels": {"price": "1"}}, "levels.price", "text"),
        ({"type": "a", "more": {"x": "1"}}, "more.x", "text"),
    ],
)
def test_what_is_new_is_named_with_its_type(frame: Any, path: str, type_: str) -> None:
    assert odd(frame, frame) == {("a", path): {type_}}


def test_new_types_and_what_is_no_json_are_counted() -> None:
    drift = Drift(ONE)
    for frame in (b'{"type":"b"}', b'{"type":"b"}', b"{", b"1", b'{"x":1}'):
        drift.hear(frame)
    told = {one.kind: one.count for one in drift.found()}
    assert told == {"b": 2, "no JSON": 1, "no object: number": 1, "None": 1}
    assert str(drift.found()[0]) == "unknown type 'b' (2)"


def test_what_is_kept_of_a_venue_gone_mad_is_bounded() -> None:
    drift = Drift(ONE)
    for number in range(1_000):
        drift.hear(orjson.dumps({"type": "a", f"new{number}" * 50: 1}))
    assert len(drift.found()) <= 101 and sum(one.count for one in drift.found()) == 1_000
    assert max(len(one.path) for one in drift.found()) <= 64


@given(st.binary(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(orjson.dumps))
def test_no_frame_is_an_error(frame: bytes) -> None:
    for venue in shapes.VENUES:
        found = shapes.shapes_of(venue)
        assert found is not None
        Drift(found).hear(frame)


def test_every_venue_that_is_connected_to_has_shapes() -> None:
    assert {name for name, row in VENUES.items() if row.section is not None} == shapes.VENUES


@pytest.mark.parametrize(
    "name",
    [
        "polymarket/burst-2026-09",
        "polymarket/books-and-trades-2026-02",
        "polymarket/samples/clob_market_ws_2026-10-01",
        "kalshi/gold15m-26AUG101800-00",
    ],
)
def test_real_traffic_is_as_it_is_known(name: str) -> None:
    paths = [path for path in CAPTURES.glob(f"{name}.*json*") if "expected" not in path.name]
    if not paths:
        pytest.skip("the shared captures are not here")
    found = shapes.shapes_of(name.partition("/")[0])
    assert found is not None
    drift, (path,) = Drift(found), paths
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        for number, line in enumerate(lines):
            if number > 3_000:
                break
            one = orjson.loads(line)
            if "frame" in one:
                drift.hear(one["frame"].encode())
            elif "ts_recv" not in one and "capture" not in one:
                drift.hear(line)  # samples are the frames themselves
    assert drift.messages > 3
    assert [str(each) for each in drift.found()] == []


# Races.


def test_a_race_knows_what_polling_missed_and_for_how_long() -> None:
    race = Race()
    race.stream((1, 2), 0.0)
    race.poll((1, 2), 1.0)  # from here on both are known
    race.stream((1, 3), 2.0)
    race.stream((1, 4), 3.0)
    race.poll((1, 4), 4.0)
    race.end(5.0)
    assert (race.changes, race.seen) == (2, 1)
    assert (race.both_s, race.apart_s, race.behind_s) == (4.0, 2.0, [1.0])


# What comes.


def test_reading_along_takes_a_share_of_the_time_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each frame takes a millisecond to read, and as many come as there is time for."""
    now_s = [NOW_S]
    monkeypatch.setattr("bookfeed.doctor.traffic.time.monotonic", lambda: now_s[0])

    class Slow(Drift):
        def hear(self, payload: bytes) -> None:
            now_s[0] += 0.001
            super().hear(payload)

    venue = Watched((), Slow(ONE), ClockWindow())
    for _ in range(10_000):
        venue.hear(0, b'{"type":"a"}', 0)
        now_s[0] += 0.000_1
    assert venue.drift is not None and venue.frames == 10_000
    assert venue.drift.messages + venue.unread == 10_000
    spent_s, passed_s = venue.drift.messages * 0.001, now_s[0] - NOW_S
    assert 0.2 * passed_s < spent_s < 0.2 * passed_s + 0.51


# Answers.


@pytest.mark.parametrize(
    ("status", "kind", "body", "said", "advised"),
    [
        (302, "text/html", b"", "HTTP 302", "leads somewhere else"),
        (404, "text/plain", b"no", "HTTP 404", "path of ws_url"),
        (451, "text/plain", b"", "HTTP 451", "country"),
        (503, "text/html", b"<title>down\x1b[2J</title>", "HTML 'down\\x1b[2J'", "status page"),
        (200, "", b"  <!doctype HTML>", "page of HTML", "portal"),
        (200, "application/json", b"{}", "HTTP 200", "none of this venue's"),
    ],
)
def test_an_answer_that_is_none_says_what_it_is_and_what_to_do(
    status: int, kind: str, body: bytes, said: str, advised: str
) -> None:
    text, advice = answers.refused("ws_url", status, kind, body)
    assert said in text and advised in advice


def test_what_may_be_asked_is_read_off_headers() -> None:
    headers = {"X-MBX-USED-WEIGHT-1M": "5", "RateLimit-Remaining": "9", "Server": "x"}
    assert answers.budgets(headers) == {"x-mbx-used-weight-1m": "5", "ratelimit-remaining": "9"}


# The machine.


def checks(text: str = "", connections: int = 1) -> dict[str, Finding]:
    made = config.parse({"record": {"directory": text}} if text else {}, "test")
    return {one.check: one for one in machine.findings(made, connections)}


def test_what_is_slow_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "cpu0" / "cpufreq"
    folder.mkdir(parents=True)
    (folder / "scaling_governor").write_text("powersave\n")
    (tmp_path / "clock").write_text("hpet\n")
    monkeypatch.setattr(machine, "_CPUS", tmp_path)
    monkeypatch.setattr(machine, "_CLOCK", tmp_path / "clock")
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1, 2, 5})
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr("os.getloadavg", lambda: (9.0, 9.0, 9.0))
    monkeypatch.setattr("bookfeed.loops.uvloop_available", lambda: False)
    monkeypatch.setattr("bookfeed.live.native.DIFFERENCE", "declares another WSFrame")
    found = checks()
    for check in ("governor", "clock source", "processors", "loop", "listener"):
        assert found[check].grade == "warn", check
    assert "4 of 8" in found["processors"].found and "0-2,5" in found["processors"].found
    assert "WSFrame" in found["listener"].found and "performance" in found["governor"].advice


def test_each_connection_needs_files() -> None:
    few, many = (checks(connections=count)["open files"].facts["need"] for count in (1, 100))
    assert many - few == 99 * 3


def test_a_folder_that_nothing_may_be_written_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda _path, _mode: False)
    found = checks("/var/nowhere/deep")["disk"]
    assert found.grade == "bad" and "/var" in found.advice


async def test_newer_packages_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def page(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == "gone":
            raise web.HTTPNotFound
        wheel = f"{name}-2.10-py3-none-any.whl"
        return web.Response(text=f'<a href="{wheel}">{wheel}</a>', content_type="text/html")

    app = web.Application()
    app.router.add_get("/{name}/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:{1}/".format(*runner.addresses[0]))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    wanted = (("thing", "2.9"), ("other", "2.10"), ("gone", "1"))
    found = {one.facts["package"]: one async for one in newest(wanted)}
    await runner.cleanup()
    assert {name: one.grade for name, one in found.items()} == {
        "thing": "warn",
        "other": "ok",
        "gone": "skip",
    }
    assert found["thing"].facts["newest"] == "2.10"
    assert found["thing"].advice == "pip install --upgrade thing"


# The simulators are well.


def written(venue: str, listing: dict[str, Any]) -> dict[str, Any]:
    """A configuration that follows what a simulator has."""
    markets = listing["markets"]
    section = {"ws_url": listing["ws"]}
    if listing["rest"] is not None:
        section["rest_url"] = listing["rest"]
    if "outcomes" in markets[0]:
        followed = [{"market": m["market"], "outcomes": m["outcomes"]} for m in markets]
    elif "ticker" in markets[0]:
        followed = [{"venue": venue, "ticker": m["ticker"]} for m in markets]
    else:
        followed = [{"venue": venue, "symbol": m["symbol"]} for m in markets]
    return {venue: section, "market": followed}


def toml(made: dict[str, Any]) -> str:
    markets = made.pop("market")
    lines = []
    for name, section in made.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    for market in markets:
        lines.append("[[market]]")
        for key, value in market.items():
            shown = json.dumps(value)
            if key == "outcomes":
                tables = (
                    f"{{ name = {json.dumps(o['name'])}, asset = '{o['asset']}' }}" for o in value
                )
                shown = f"[{', '.join(tables)}]"
            lines.append(f"{key} = {shown}")
    return "\n".join(lines)


@pytest.mark.parametrize("venue", sorted(shapes.VENUES))
def test_a_simulated_venue_is_well(
    venue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with simulator(argparse.Namespace(markets=2, rate=100.0, seed=3), venue) as listing:
        path = tmp_path / "bookfeed.toml"
        path.write_text(toml(written(venue, listing)))
        if key := listing.get("private_key"):
            monkeypatch.setenv("KALSHI_API_KEY_ID", listing["key_id"])
            monkeypatch.setenv("KALSHI_PRIVATE_KEY", key)
        arguments = ["doctor", str(path), "-o", "json", "--seconds=1", "--compare=1"]
        code = main(arguments)
    told = json.loads(capsys.readouterr().out)
    graded = {one["check"]: one for one in told["findings"] if one["where"] == venue}
    unwell = [one for one in graded.values() if one["grade"] not in ("ok", "skip")]
    assert (code, unwell, told["counts"].get("bad", 0)) == (0, [], 0)
    assert graded["schema"]["messages"] > 10
