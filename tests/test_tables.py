"""Tables of recordings: every field of every record, as objects of the engine have it."""

import json
import math
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow", reason="tables need pyarrow")

from recorded_tables import RECORDED, SPOT, batches, journal, rows, told  # noqa: E402
from session_server import MARKET, NO, YES, book_message  # noqa: E402

import bookfeed  # noqa: E402
from bookfeed import Engine, RecordingError, Signal, Update, open_recording  # noqa: E402
from bookfeed.names import Name  # noqa: E402
from bookfeed.recordings.kinds import Kind  # noqa: E402
from bookfeed.recordings.listing import listing  # noqa: E402

S = 10**9
NUMBERS = ("bid", "bid_qty", "ask", "ask_qty", "price", "qty")


def scaled(name: str) -> str:
    return f"{name}_e8" if "qty" in name else f"{name}_e9"


def update_row(update: Update, names: dict[int, Name]) -> dict[str, Any]:
    """An update as a row of integers, field by field."""
    name = names[update.instrument]
    expected, got = update.gap or (None, None)
    return {
        "ts_recv": update.ts_recv,
        "ts_event": update.ts_event,
        "ts_evidence": update.ts_evidence,
        "seq": update.seq,
        "venue": name.venue or None,
        "market": name.market or None,
        "outcome": name.outcome or None,
        "symbol": update.symbol or None,
        "instrument": update.instrument,
        "epoch": update.epoch,
        "conn": update.conn,
        "kind": update.kind,
        "state": update.state,
        "cause": update.cause,
        **{scaled(one): getattr(update, scaled(one)) for one in NUMBERS},
        "aggressor": update.aggressor,
        "off_book": update.off_book,
        "touch_changed": update.touch_changed,
        "hash_verified": update.hash_verified,
        "gap_expected": expected,
        "gap_got": got,
    }


LEG_NUMBERS = ("qty_e8", "avg_price_e9", "worst_price_e9", "fee_e9", "maker_fee_e9", "age_ns")
LEG_TEXTS = ("venue", "market", "outcome", "symbol")
SIGNAL_FIELDS = (
    "ts_recv", "ts_open", "seq", "id", "rule", "rule_id", "phase", "reason", "direction", "qty_e8",
    "gross_edge_e9", "net_edge_e9", "maker_edge_e9", "peak_edge_e9", "value_e9", "fee_e9",
    "capital_e9", "qty_open_e8", "skew_ns", "lag_ns", "both_lose_ppm", "both_win_ppm",
)  # fmt: skip


def signal_row(signal: Signal) -> dict[str, Any]:
    legs = [
        {
            **{name: getattr(leg, name) or None for name in LEG_TEXTS},
            **{
                name: getattr(leg, name)
                for name in ("instrument", "epoch", "state", "side", "view")
            },
            **{name: getattr(leg, name) for name in LEG_NUMBERS},
        }
        for leg in signal.legs
    ]
    head = {name: getattr(signal, name) for name in SIGNAL_FIELDS}
    return {**head, "name": signal.name or None, "legs": legs}


@pytest.mark.parametrize("name", RECORDED)
def test_every_field_of_every_record(name: str, tmp_path: Path) -> None:
    records, engine = RECORDED[name](3)
    updates, signals, names = told(records, engine)
    assert len(updates) > 40 and {update.kind for update in updates} >= {"book", "state"}
    recording = open_recording(journal(tmp_path, records, engine))
    expected = [update_row(update, names) for update in updates]
    assert rows(recording.updates(prices="scaled").to_arrow()) == expected
    assert rows(recording.signals(prices="scaled").to_arrow()) == list(map(signal_row, signals))
    for kind, table in (("trade", recording.trades), ("state", recording.states)):
        found = rows(table(prices="scaled").to_arrow())
        wanted = [row for row in expected if row["kind"] == kind]
        assert (
            found == [{key: row[key] for key in found[0]} for row in wanted]
            if found
            else not wanted
        )
    assert recording.problems == []


def test_simulated_recordings_have_what_is_compared() -> None:
    """Else a column that is never filled would be right whatever it did."""
    seen: dict[str, set[Any]] = {}
    kinds = set()
    for name in ("polymarket", "kalshi", "both", "coinbase"):
        updates, signals, names = told(*RECORDED[name](3))
        kinds |= {signal.rule for signal in signals}
        for update in updates:
            for key, value in update_row(update, names).items():
                seen.setdefault(key, set()).add(value)
    assert {"complement", "spread", "box"} <= kinds
    for key in ("ts_event", "ts_evidence", "bid_e9", "price_e9", "aggressor", "gap_expected"):
        assert len(seen[key]) > 1 and None in seen[key], key
    assert seen["off_book"] >= {False} and seen["touch_changed"] == {True, False}


def test_decimals_are_the_same_numbers(tmp_path: Path) -> None:
    records, engine = RECORDED["both"](1)
    recording = open_recording(journal(tmp_path, records, engine))
    for table in (recording.updates, recording.signals, recording.trades, recording.states):
        exact, integers = rows(table().to_arrow()), rows(table(prices="scaled").to_arrow())
        assert len(exact) == len(integers)
        for one, other in zip(exact, integers, strict=True):
            assert unscaled(one) == [float_free(key, value) for key, value in other.items()]


def float_free(key: str, value: Any) -> Any:
    """An integer of a column with a scale as the decimal it is."""
    if isinstance(value, list):
        return [[float_free(*item) for item in leg.items()] for leg in value]
    stem, _, places = key.rpartition("_e")
    if not stem or places not in ("8", "9"):
        return (key, value)
    return (stem, None if value is None else Decimal(value).scaleb(-int(places)))


def unscaled(row: dict[str, Any]) -> list[Any]:
    return [
        [list(leg.items()) for leg in value] if isinstance(value, list) else (key, value)
        for key, value in row.items()
    ]


def test_types_are_those_of_arrow(tmp_path: Path) -> None:
    records, engine = RECORDED["polymarket"](2)
    recording = open_recording(journal(tmp_path, records, engine))
    table = recording.updates().to_arrow()
    types = dict(zip(table.column_names, table.schema.types, strict=True))
    assert types["ts_recv"] == types["ts_event"] == pa.timestamp("ns", "UTC")
    assert types["bid"] == pa.decimal128(19, 9) and types["qty"] == pa.decimal128(19, 8)
    for name in ("venue", "market", "outcome", "symbol", "state", "cause", "kind", "aggressor"):
        assert types[name] == pa.dictionary(pa.int32(), pa.string()), name
    assert recording.updates().schema == table.schema
    assert recording.updates(prices="scaled").schema.field("bid_e9").type == pa.int64()
    table.validate(full=True)
    recording.signals().to_arrow().validate(full=True)


# Libraries.


def test_frames_of_others_are_the_same_table(tmp_path: Path) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    duckdb = pytest.importorskip("duckdb")
    records, engine = RECORDED["both"](2)
    recording = open_recording(journal(tmp_path, records, engine))
    table = recording.updates().to_arrow()
    frame = recording.updates().to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["bid"].isna().sum() == table["bid"].null_count > 0
    assert frame["bid"].dtype.pyarrow_dtype == pa.decimal128(19, 9)
    for made in (recording.updates().to_polars(), polars.DataFrame(recording.updates())):
        assert made.height == table.num_rows
        assert made["bid"].null_count() == table["bid"].null_count
        assert made["state"].cast(polars.String).to_list() == table["state"].to_pylist()
        assert (
            made["ts_recv"].to_physical().to_list() == table["ts_recv"].cast(pa.int64()).to_pylist()
        )
    with duckdb.connect() as connection:
        relation = recording.updates().to_duckdb(connection)
        summing = relation.aggregate("count(*), sum(bid), count(bid)")
        summed, again = summing.fetchall()[0], summing.fetchall()[0]
    total = sum(value for value in table["bid"].to_pylist() if value is not None)
    assert again == summed == (table.num_rows, total, table.num_rows - table["bid"].null_count)
    assert pa.table(recording.updates()).equals(table)


def test_it_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record batches come while it is read, and are the same table in whatever pieces."""
    from bookfeed.tables import signals, updates

    records, engine = RECORDED["polymarket"](4)
    recording = open_recording(journal(tmp_path, records, engine))
    whole = [rows(recording.updates().to_arrow()), rows(recording.signals().to_arrow())]
    monkeypatch.setattr(updates, "ROWS", 100)
    monkeypatch.setattr(signals, "ROWS", 10)
    monkeypatch.setattr("bookfeed.tables.passing._RECORDS", 16)
    pieces = list(recording.updates())
    assert len(pieces) > 3 and all(piece.num_rows < 400 for piece in pieces)
    assert [rows(recording.updates().to_arrow()), rows(recording.signals().to_arrow())] == whole


# Slices.


def test_slices_are_rows_of_the_whole(tmp_path: Path) -> None:
    records, engine = RECORDED["both"](3)
    recording = open_recording(journal(tmp_path, records, engine))
    everything = rows(recording.updates().to_arrow())
    first, last = everything[0]["ts_recv"], everything[-1]["ts_recv"]
    start, end = first + (last - first) // 3, first + (last - first) // 2
    found = rows(recording.updates(start=start, end=end).to_arrow())
    assert 0 < len(found) < len(everything)
    assert found == [row for row in everything if start <= row["ts_recv"] < end]
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start // 1_000)
    by_text = rows(recording.updates(start=moment.isoformat()).to_arrow())
    assert by_text == [row for row in everything if row["ts_recv"] >= start // 1_000 * 1_000]
    assert rows(recording.updates(start=moment).to_arrow()) == by_text
    of_venue = rows(recording.updates(venue="kalshi").to_arrow())
    assert of_venue == [row for row in everything if row["venue"] == "kalshi"] != []
    markets = sorted({row["market"] for row in everything if row["market"]})[:2]
    assert rows(recording.updates(market=markets).to_arrow()) == [
        row for row in everything if row["market"] in markets
    ]
    symbol = of_venue[0]["symbol"]
    assert rows(recording.trades(market=symbol).to_arrow()) == [
        row for row in rows(recording.trades().to_arrow()) if row["symbol"] == symbol
    ]


def test_signals_of_a_slice_have_a_leg_in_it(tmp_path: Path) -> None:
    records, engine = RECORDED["both"](3)
    recording = open_recording(journal(tmp_path, records, engine))
    everything = rows(recording.signals().to_arrow())
    symbol = next(row["legs"][-1]["symbol"] for row in everything if row["legs"])
    assert rows(recording.signals(market=symbol).to_arrow()) == [
        row for row in everything if symbol in {leg["symbol"] for leg in row["legs"]}
    ]
    start = everything[len(everything) // 2]["ts_recv"]
    assert rows(recording.signals(start=start, venue=["polymarket"]).to_arrow()) == [
        row
        for row in everything
        if row["ts_recv"] >= start and "polymarket" in {leg["venue"] for leg in row["legs"]}
    ]


def test_a_run_is_not_read_beyond_the_end_of_a_slice(tmp_path: Path) -> None:
    frames = [
        (int(Kind.FRAME), n * S, 0, 1, json.dumps(book_message(YES, "0.4", ts_ms=n)).encode())
        for n in range(1, 300)
    ]
    records = [(int(Kind.CONNECTED), S, 0, 1, b"polymarket"), *frames]
    recording = open_recording(journal(tmp_path, records, {"auto_subscribe": True}))
    rows_of = rows(recording.updates(end=100 * S).to_arrow())
    assert rows_of == [
        row for row in rows(recording.updates().to_arrow()) if row["ts_recv"] < 100 * S
    ]
    run = recording.begin(bookfeed.tables.slices.Slice.of(end=100 * S))
    for _ in run.run(()):
        pass
    assert run.cut_short and 100 < run.frames < 170
    assert run.problems() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"venue": "kalsi"}, "no venue 'kalsi'"),
        ({"venue": "gemini"}, "no venue 'gemini' in it; there are polymarket"),
        ({"market": "nothing"}, "no market 'nothing' in it; there are "),
        ({"market": []}, "market: it must be text"),
        ({"start": "yesterday"}, "start: 'yesterday' is no time such as 20"),
        ({"start": datetime(2026, 1, 1)}, "has no zone"),
        ({"start": 1.5}, "start: Unix nanoseconds, a datetime or text, not float"),
        ({"start": 2**63}, "no time"),
        ({"start": 5, "end": 5}, "end: 5 is not later than start: 5"),
        ({"prices": "float"}, 'prices: "decimal" or "scaled", not \'float\''),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], said: str, tmp_path: Path) -> None:
    records = [
        (int(Kind.CONNECTED), S, 0, 1, b"polymarket"),
        (int(Kind.FRAME), S, 0, 1, json.dumps(book_message(YES, "0.4", ts_ms=1)).encode()),
    ]
    recording = open_recording(journal(tmp_path, records, {"auto_subscribe": True}))
    with pytest.raises(RecordingError) as caught:
        recording.updates(**arguments).to_arrow()
    assert said in str(caught.value)


def test_wrong_recordings(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no journal and no capture there"):
        open_recording(tmp_path / "nothing")
    records, engine = RECORDED["kalshi"](1)
    with pytest.raises(RecordingError, match="hash_check"):
        open_recording(journal(tmp_path, records, engine), hash_check="never")  # type: ignore[arg-type]
    lost = [record for record in records if record[0] != Kind.SUBSCRIBE]
    recording = open_recording(journal(tmp_path / "lost", lost, engine))
    with pytest.raises(RecordingError, match="frames, and no book was subscribed"):
        recording.updates().to_arrow()


def test_what_is_missing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    records, engine = RECORDED["kalshi"](1)
    (segment,) = journal(tmp_path, records, engine).glob("*.bfj")
    segment.write_bytes(segment.read_bytes()[:-100])
    recording = open_recording(tmp_path)
    assert recording.updates().to_arrow().num_rows > 0
    assert recording.problems and "lost" in recording.problems[0]
    assert recording.problems[0] in caplog.text


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RecordingError, match=r"pip install 'bookfeed\[frames\]'"):
        open_recording(tmp_path)


# Markets, and the user's own.


def test_markets_are_the_books_as_they_were_subscribed(tmp_path: Path) -> None:
    records, engine = RECORDED["kalshi"](5)
    _, _, names = told(records, engine)
    found = {
        row["instrument"]: row
        for row in rows(
            open_recording(journal(tmp_path, records, engine)).markets(prices="scaled").to_arrow()
        )
    }
    subscribed = [json.loads(r[-1]) | {"ts": r[1]} for r in records if r[0] == Kind.SUBSCRIBE]
    assert len(found) == len(names) == len(subscribed) > 3
    for number, row in found.items():
        (options,) = [one for one in subscribed if one["symbol"] == names[number].symbol]
        assert row["venue"] == "kalshi" and row["known_ts"] == options.pop("ts")
        asked = listing(
            "kalshi", {k: v for k, v in options.items() if k not in ("venue", "symbol")}
        )
        assert {key: row[key] for key in asked} == asked
        assert (row["payout_e9"], row["payout_ts"], row["result"]) == (None, None, None)


def test_what_a_stream_says_of_the_end(tmp_path: Path) -> None:
    def frame(ts: int, message: object) -> tuple[int, int, int, int, bytes]:
        return (int(Kind.FRAME), ts, 0, 1, json.dumps(message).encode())

    over = {"event_type": "market_resolved", "market": MARKET.market, "winning_asset_id": YES}
    records = [
        (int(Kind.CONNECTED), S, 0, 1, b"polymarket"),
        frame(S, [book_message(YES, "0.4", ts_ms=1_000), book_message(NO, "0.5", ts_ms=1_000)]),
        frame(4 * S, over | {"timestamp": "4000"}),
    ]
    recording = open_recording(journal(tmp_path, records, {"auto_subscribe": True}))
    found = rows(recording.markets().to_arrow())
    ends = {row["symbol"]: (row["payout"], row["payout_ts"]) for row in found}
    assert ends == {YES: (Decimal(1), 4 * S), NO: (Decimal(0), 4 * S)}
    assert {row["known_ts"] for row in found} == {S}


def test_results_are_known_from_when_they_were_told(tmp_path: Path) -> None:
    market = {"venue": "polymarket", "symbol": "7", "market": "m", "outcome": "Yes",
              "tick_size": "0.01", "min_order_size": "5", "close_ts": 9 * S}  # fmt: skip
    listed: dict[str, Any] = {
        "venue": "polymarket", "market": "m", "slug": "will-it", "title": "Will it?",
        "status": "open",
        "outcomes": [{"name": "Yes", "symbol": "7"}],
    }  # fmt: skip
    settled = listed | {
        "status": "settled", "result": "Yes",
        "outcomes": [{"name": "Yes", "symbol": "7", "payout": "1"}],
    }  # fmt: skip

    def news(kind: str, listing: dict[str, Any]) -> bytes:
        return json.dumps({"kind": kind, "listing": listing}).encode()

    records = [
        (int(Kind.SUBSCRIBE), 1 * S, 0, 1, json.dumps(market).encode()),
        (int(Kind.MARKET), 2 * S, 0, 1, news("known", listed)),
        (int(Kind.MARKET), 5 * S, 0, 1, news("decided", settled)),
        (int(Kind.MARKET), 6 * S, 0, 1, b"{}"),
        (int(Kind.UNSUBSCRIBE), 7 * S, 0, 1, b'{"instrument": 0}'),
    ]
    (row,) = rows(open_recording(journal(tmp_path, records, {})).markets().to_arrow())
    assert row["title"] == "Will it?" and row["status"] == "settled" and row["result"] == "Yes"
    assert (row["known_ts"], row["result_ts"], row["gone_ts"]) == (1 * S, 5 * S, 7 * S)
    assert (row["payout"], row["payout_ts"]) == (Decimal(1), 5 * S)
    assert (row["tick_size"], row["min_order_size"]) == (Decimal("0.01"), Decimal(5))
    assert row["close_ts"] == 9 * S and math.isclose(row["min_order_size"], 5)


def test_the_users_own(tmp_path: Path) -> None:
    def own(
        ts: int, bids: list[list[int]], asks: list[list[int]]
    ) -> tuple[int, int, int, int, bytes]:
        told = {"instrument": 0, "bids": bids, "asks": asks}
        return (int(Kind.OWN), ts, 0, 1, json.dumps(told).encode())

    subscribed = b'{"venue": "user", "symbol": "mine", "fee": "user:0"}'
    records = [
        (int(Kind.CONNECTED), S, 0, 1, b"user"),
        (int(Kind.SUBSCRIBE), S, 0, 1, subscribed),
        own(2 * S, [[400_000_000, 5]], [[410_000_000, 7], [420_000_000, 10**9]]),
        own(3 * S, [], []),
    ]
    recording = open_recording(journal(tmp_path, records, {}))
    found = rows(recording.own(prices="scaled").to_arrow())
    told_of = [(row["ts_recv"], row["side"], row["price_e9"], row["qty_e8"]) for row in found]
    assert told_of == [
        (2 * S, "bid", 400_000_000, 5), (2 * S, "ask", 410_000_000, 7),
        (2 * S, "ask", 420_000_000, 10**9), (3 * S, None, None, None),
    ]  # fmt: skip
    assert {(row["venue"], row["symbol"]) for row in found} == {("user", "mine")}
    assert rows(recording.own(start=3 * S).to_arrow())[0]["price"] is None
    assert rows(recording.own(end=3 * S).to_arrow())[0]["price"] == Decimal("0.4")


def test_it_knows_how_it_was_made(tmp_path: Path) -> None:
    records, engine = RECORDED["polymarket"](1)
    recording = open_recording(journal(tmp_path, records, engine))
    assert {key: recording.engine_options[key] for key in engine} == engine
    assert recording.venues == ("polymarket",)
    relaxed = open_recording(tmp_path, hash_check="off")
    assert relaxed.engine_options["hash_check"] == "off"
    checked = [row["hash_verified"] for row in rows(relaxed.updates().to_arrow())]
    assert not any(checked)
    assert any(row["hash_verified"] for row in rows(recording.updates().to_arrow()))
    assert set(SPOT) < set(RECORDED) and batches(records, Engine(**engine))
