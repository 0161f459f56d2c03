"""The two-venue scenario: what its readers see, and what is really there."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from kalshi_reader import KalshiReader

from bookfeed.sim.polymarket_kalshi.episodes import TRAPS, Episode, EpisodeKind, Label
from bookfeed.sim.polymarket_kalshi.truth import Leg, Offer, Venue, worth
from bookfeed.sim.polymarket_kalshi.twovenue import (
    CONN_OF,
    TwoVenueConfig,
    TwoVenueItem,
    TwoVenueRun,
    taker_fees,
)
from bookfeed.sim.virtual import START_NS

S = 1_000_000_000
GENUINE: tuple[EpisodeKind, ...] = ("genuine", "lagging")


class PolymarketReader:
    """Bids and asks of each token, as its frames say."""

    def __init__(self) -> None:
        self.books: dict[str, dict[str, dict[Decimal, Decimal]]] = {}

    def take(self, payload: bytes) -> None:
        if payload == b"PONG":
            return
        message = json.loads(payload)
        for one in message if isinstance(message, list) else [message]:
            if one["event_type"] == "book":
                self.books[one["asset_id"]] = {
                    side: {Decimal(level["price"]): Decimal(level["size"]) for level in one[key]}
                    for side, key in (("BUY", "bids"), ("SELL", "asks"))
                }
            for entry in one.get("price_changes", []):
                side = self.books[entry["asset_id"]][entry["side"]]
                side[Decimal(entry["price"])] = Decimal(entry["size"])
                if entry["size"] == "0":
                    del side[Decimal(entry["price"])]

    def sides(self, asset_id: str) -> tuple[list[tuple[Decimal, Decimal]], ...]:
        book = self.books[asset_id]
        return sorted(book["BUY"].items(), reverse=True), sorted(book["SELL"].items())


class Readers:
    """One reader for each venue, and the best asks of a pair as they see it."""

    def __init__(self, run: TwoVenueRun) -> None:
        self.run = run
        self.kalshi = KalshiReader(use_yes_price=run.config.use_yes_price)
        self.polymarket = PolymarketReader()

    def take(self, item: TwoVenueItem) -> None:
        if item.kind == "frame":
            reader = self.kalshi if item.venue == "kalshi" else self.polymarket
            reader.take(item.payload)

    def cheapest_box(self, name: str, *, crosswise: bool = False) -> Decimal | None:
        """What the cheaper of the two boxes seems to cost; ``crosswise`` mistakes the tokens."""
        tokens = [asset.asset_id for asset in self.run.tokens[name].assets]
        if self.run.is_inverted(name) != crosswise:
            tokens.reverse()
        ticker = self.run.events[name].markets[0].ticker
        if ticker not in self.kalshi.books or tokens[0] not in self.polymarket.books:
            return None
        bids, asks = self.kalshi.sides(ticker)
        boxes = []
        if (polymarket := self.polymarket.sides(tokens[0])[1]) and bids:
            boxes.append(polymarket[0][0] + 1 - bids[0][0])
        if (polymarket := self.polymarket.sides(tokens[1])[1]) and asks:
            boxes.append(polymarket[0][0] + asks[0][0])
        return min(boxes, default=None)


def moments(items: Iterator[TwoVenueItem]) -> Iterator[list[TwoVenueItem]]:
    """Items that arrive at the same time."""
    group: list[TwoVenueItem] = []
    for item in items:
        if group and item.ts_ns != group[-1].ts_ns:
            yield group
            group = []
        group.append(item)
    yield group


def play(
    kind: EpisodeKind, target: str = "pair0", *, until_s: float = 6.0, seed: int = 1,
    config: dict[str, Any] | None = None, **extra: Any,
) -> tuple[TwoVenueRun, list[TwoVenueItem]]:  # fmt: skip
    """A run with one episode that begins after two seconds."""
    episode = Episode(kind, target, at_s=2.0, **extra)
    run = TwoVenueRun(TwoVenueConfig(seed=seed, episodes=(episode,), **(config or {})))
    items = []
    for item in run.items(100_000):
        items.append(item)
        if item.ts_ns > START_NS + until_s * S:
            break
    return run, items


def label_of(run: TwoVenueRun) -> Label:
    (label,) = run.labels
    return label


def test_readers_of_both_venues_come_to_the_truth() -> None:
    for use_yes_price in (False, True):
        config = TwoVenueConfig(
            seed=4, inverted=1, augmented=1, use_yes_price=use_yes_price,
            episodes=(Episode("genuine", "pair1", 1), Episode("torn", "pair0", 2),
                      Episode("paused", "pair2", 3)),
        )  # fmt: skip
        run = TwoVenueRun(config)
        readers = Readers(run)
        checked = 0
        for item in run.items(4_000):
            readers.take(item)
            for symbol in item.symbols if item.settled else ():
                checked += 1
                reader = readers.kalshi if item.venue == "kalshi" else readers.polymarket
                assert run.truth(item.venue, symbol).decimals() == reader.sides(symbol)
        assert checked > 3_000 and readers.kalshi.negative == [] and readers.kalshi.gaps == []
        assert len(readers.kalshi.books) == 10 and len(readers.polymarket.books) == 6


def test_left_alone_there_is_nothing_to_be_earned() -> None:
    for seed in range(5):
        run = TwoVenueRun(TwoVenueConfig(seed=seed, pairs=2, inverted=1, augmented=1))
        items = list(run.items(2_500))
        assert items and run.opportunities() == [] and run.labels == []


class TestGenuine:
    @pytest.mark.parametrize("kind", GENUINE)
    @pytest.mark.parametrize("venue", ["kalshi", "polymarket"])
    @pytest.mark.parametrize("seed", range(3))
    def test_a_pair_really_stands_apart_for_as_long_as_it_says(
        self, kind: EpisodeKind, venue: Venue, seed: int
    ) -> None:
        run, items = play(kind, venue=venue, seed=seed, lasts_s=0.75)
        label = label_of(run)
        (found,) = run.opportunities()
        assert (found.start_ns, found.end_ns) == (label.start_ns, label.end_ns)
        assert label.end_ns - label.start_ns == 0.75 * S
        assert found.profit > 0 and found.qty >= 5
        middle = (label.start_ns + label.end_ns) // 2
        assert run.real("pair0", middle) == [found]
        assert run.real("pair0", label.start_ns - 1) == run.real("pair0", label.end_ns) == []
        readers = Readers(run)
        for group in moments(iter(items)):
            for item in group:
                readers.take(item)
            box = readers.cheapest_box("pair0")
            if label.start_ns < group[0].ts_ns < label.end_ns:
                assert box is not None and box < Decimal("0.95")

    @pytest.mark.parametrize("target", ["basket0", "ladder0"])
    def test_baskets_and_ladders_too(self, target: str) -> None:
        run, _ = play("genuine", target, lasts_s=0.05)
        label = label_of(run)
        (found,) = run.opportunities()
        assert found.combination.startswith(target)
        assert (found.start_ns, found.end_ns) == (label.start_ns, label.start_ns + 50_000_000)

    @pytest.mark.parametrize("target", ["pair0", "basket0", "ladder0"])
    def test_a_fee_change_ends_it_half_way_and_is_told(self, target: str) -> None:
        run, items = play("fee_change", target, lasts_s=1.0)
        label = label_of(run)
        (found,) = run.opportunities()
        half = (label.start_ns + label.end_ns) // 2
        assert (found.start_ns, found.end_ns) == (label.start_ns, half)
        updates = [(item.ts_ns, json.loads(item.payload)["msg"]) for item in items
                   if b"event_fee_update" in item.payload]  # fmt: skip
        assert [ts_ns for ts_ns, _ in updates] == [half, label.end_ns]
        assert [msg["fee_multiplier_override"] for _, msg in updates] == [6.0, None]
        assert {msg["event_ticker"] for _, msg in updates} == {run.events[target].ticker}


class TestTraps:
    @pytest.mark.parametrize("kind", sorted(TRAPS))
    @pytest.mark.parametrize("venue", ["kalshi", "polymarket"])
    @pytest.mark.parametrize("seed", range(3))
    def test_there_is_never_anything_real(self, kind: EpisodeKind, venue: Venue, seed: int) -> None:
        run, _ = play(kind, venue=venue, seed=seed)
        assert label_of(run).episode.kind == kind
        assert run.opportunities() == []

    @pytest.mark.parametrize("kind", ["tiny", "lead_lag", "frozen", "paused", "closed"])
    def test_but_it_looks_as_if_there_were(self, kind: EpisodeKind) -> None:
        run, items = play(kind)
        label = label_of(run)
        readers = Readers(run)
        seen = 0
        for group in moments(iter(items)):
            for item in group:
                readers.take(item)
            box = readers.cheapest_box("pair0")
            cheap = box is not None and box < Decimal("0.95")
            seen += cheap
            # A reader that was frozen has missed changes, and does not mend its books.
            assert not cheap or label.start_ns <= group[0].ts_ns
            assert not cheap or group[0].ts_ns <= label.end_ns or kind == "frozen"
        assert seen > 5

    @pytest.mark.parametrize("venue", ["kalshi", "polymarket"])
    def test_a_torn_instant_crosses_a_book_and_leaves_nothing(self, venue: Venue) -> None:
        run, items = play("torn", venue=venue)
        start_ns = label_of(run).start_ns
        readers = Readers(run)
        crossed = []
        for item in items:
            readers.take(item)
            box = readers.cheapest_box("pair0")
            if box is not None and box < Decimal("0.99"):
                crossed.append(item)
        assert crossed and {item.ts_ns for item in crossed} == {start_ns}
        assert {item.venue for item in crossed} == {venue}
        after = [item for item in items if item.ts_ns == start_ns]
        assert after[-1] not in crossed

    @pytest.mark.parametrize("delay_s", [0.005, 0.8, 5.0])
    @pytest.mark.parametrize("venue", ["kalshi", "polymarket"])
    def test_frames_held_up_come_late_but_in_order(self, venue: Venue, delay_s: float) -> None:
        run, items = play("lead_lag", venue=venue, delay_s=delay_s, until_s=12)
        label = label_of(run)
        late = [i for i in items if i.ts_ns != i.sent_ns]
        assert late and {item.venue for item in late} == {venue}
        held = [i for i in late if i.sent_ns < label.end_ns]
        assert {item.ts_ns - item.sent_ns for item in held} == {int(delay_s * S)}
        assert all(label.start_ns <= item.sent_ns for item in late)
        times = [item.ts_ns for item in items]
        assert times == sorted(times)
        for conn in CONN_OF.values():
            sent = [item.sent_ns for item in items if item.conn == conn]
            assert sent == sorted(sent)

    @pytest.mark.parametrize("venue", ["kalshi", "polymarket"])
    def test_a_frozen_connection_still_beats(self, venue: Venue) -> None:
        run, items = play("frozen", venue=venue, lasts_s=15, until_s=20)
        label = label_of(run)
        during = [i for i in items if i.venue == venue
                  and label.start_ns <= i.ts_ns < label.end_ns]  # fmt: skip
        assert {i.kind for i in during} == ({"lost", "ping"} if venue == "kalshi" else
                                            {"lost", "frame"})  # fmt: skip
        assert {i.payload for i in during if i.kind != "lost"} <= {b"PONG", b"heartbeat"}
        reader = KalshiReader(use_yes_price=True)
        for item in items:
            if item.venue == "kalshi" and item.kind == "frame":
                reader.take(item.payload)
        assert len(reader.gaps) == (venue == "kalshi")

    def test_a_pause_is_told_and_a_close_is_not(self) -> None:
        for kind, expected in (
            ("paused", ["deactivated", "activated"]),
            ("closed", ["determined"]),
        ):
            run, items = play(kind)  # type: ignore[arg-type]
            told = [json.loads(i.payload)["msg"]["event_type"] for i in items
                    if b'"type":"market_lifecycle_v2"' in i.payload]  # fmt: skip
            assert told == expected
            if kind == "closed":
                spec = run.events["pair0"].markets[0]
                assert spec.close_ms * 1_000_000 == label_of(run).start_ns

    def test_an_inverted_pair_fools_who_takes_yes_for_yes(self) -> None:
        run = TwoVenueRun(TwoVenueConfig(seed=6, pairs=4, inverted=4))
        readers = Readers(run)
        for item in run.items(1_000):
            readers.take(item)
        fooled = 0
        for name in run.tokens:
            right, wrong = (readers.cheapest_box(name, crosswise=c) for c in (False, True))
            assert right is not None and wrong is not None and right > 1
            fooled += wrong < Decimal("0.95")
        assert fooled and run.opportunities() == []

    def test_an_augmented_basket_sums_below_1_and_is_no_bargain(self) -> None:
        run = TwoVenueRun(TwoVenueConfig(seed=6, augmented=1))
        readers = Readers(run)
        for item in run.items(1_000):
            readers.take(item)
        asks = [
            readers.kalshi.sides(spec.ticker)[1][0][0] for spec in run.events["basket0"].markets
        ]
        assert sum(asks) < Decimal("0.85") and run.opportunities() == []


class TestClient:
    def test_kalshi_answers_a_request_for_books_in_the_stream(self) -> None:
        run = TwoVenueRun(TwoVenueConfig())
        list(run.items(100))
        ticker = run.events["pair0"].markets[0].ticker
        asked = run.get_snapshot([ticker])
        answers = [json.loads(i.payload) for i in run.items(200)
                   if i.venue == "kalshi" and i.kind == "frame"]  # fmt: skip
        (answer,) = [frame for frame in answers if frame.get("id") == asked]
        assert answer["msg"]["market_ticker"] == ticker

    @pytest.mark.parametrize("conn", [0, 1])
    def test_reconnecting_ends_a_freeze_and_brings_books(self, conn: int) -> None:
        venue: Venue = "kalshi" if conn else "polymarket"
        config = TwoVenueConfig(episodes=(Episode("frozen", "pair0", 1, 60, venue),))
        run = TwoVenueRun(config)
        readers = Readers(run)
        left = False
        for item in run.items(2_000):
            if not left and item.kind == "lost":
                run.reconnect(conn)
                left = True
            if item.kind == "connected" and item.conn == conn:
                fresh = Readers(run)
                if conn:
                    readers.kalshi = fresh.kalshi
                else:
                    readers.polymarket = fresh.polymarket
            readers.take(item)
        assert left
        if conn:
            assert readers.kalshi.gaps == [] and len(readers.kalshi.books) == 10
        else:
            assert len(readers.polymarket.books) == 6

    def test_rest_shows_the_true_book(self) -> None:
        run = TwoVenueRun(TwoVenueConfig())
        list(run.items(300))
        ticker = run.events["pair1"].markets[0].ticker
        book = json.loads(run.rest_book("kalshi", ticker))["orderbook_fp"]
        best = max(Decimal(price) for price, _ in book["yes_dollars"])
        assert best == run.truth("kalshi", ticker).decimals()[0][0][0]
        asset = run.tokens["pair1"].assets[1]
        text = json.loads(run.rest_book("polymarket", asset.asset_id))
        hashed = run.rest_book("polymarket", asset.asset_id).replace(text["hash"].encode(), b"")
        assert hashlib.sha1(hashed).hexdigest() == text["hash"]


class TestWorth:
    LEGS = (Leg("polymarket", "1"), Leg("kalshi", "K", "no"))

    def offers(self, *asks: list[tuple[str, str]]) -> list[Offer]:
        return [Offer([(Decimal(p), Decimal(q)) for p, q in side], Decimal(1)) for side in asks]

    def test_it_walks_until_the_next_set_costs_too_much(self) -> None:
        offers = self.offers([("0.40", "10"), ("0.55", "10")], [("0.50", "4"), ("0.52", "20")])
        qty, profit = worth(self.LEGS, offers, Decimal(1), lambda *_: Decimal(0))
        assert (qty, profit) == (Decimal(10), Decimal("0.10") * 4 + Decimal("0.08") * 6)

    def test_fees_count(self) -> None:
        offers = self.offers([("0.47", "10")], [("0.50", "10")])
        qty, _ = worth(self.LEGS, offers, Decimal(1), lambda *_: Decimal(0))
        assert qty == 10
        assert worth(self.LEGS, offers, Decimal(1), taker_fees) == (Decimal(0), Decimal(0))

    def test_no_asks_no_bargain(self) -> None:
        offers = self.offers([("0.01", "10")], [])
        assert worth(self.LEGS, offers, Decimal(1), taker_fees) == (Decimal(0), Decimal(0))

    def test_the_callers_fees_decide(self) -> None:
        episode = Episode("genuine", "pair0", at_s=1)
        run = TwoVenueRun(
            TwoVenueConfig(episodes=(episode,)), lambda venue, price, qty, multiplier: qty
        )
        list(run.items(1_500))
        assert len(run.labels) == 1 and run.opportunities() == []


@pytest.mark.parametrize(
    "settings",
    [
        {"pairs": 1, "inverted": 2},
        {"augmented": 2},
        {"basket_markets": 1},
        {"episodes": (Episode("genuine", "pair9", 1),)},
        {"episodes": (Episode("frozen", "basket0", 1),)},
        {"episodes": (Episode("genuine", "ladder0", 1, venue="polymarket"),)},
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        TwoVenueConfig(**settings)


def test_the_same_seed_gives_the_same_bytes_in_any_process() -> None:
    code = """
import hashlib
from bookfeed.sim.polymarket_kalshi.episodes import Episode
from bookfeed.sim.polymarket_kalshi.twovenue import TwoVenueConfig, TwoVenueRun
kinds = ("genuine", "lead_lag", "frozen", "torn", "paused", "fee_change", "tiny", "lagging")
episodes = tuple(Episode(kind, f"pair{n % 3}", 1 + 2 * n) for n, kind in enumerate(kinds))
run = TwoVenueRun(TwoVenueConfig(seed=5, inverted=1, augmented=1, episodes=episodes))
digest = hashlib.sha256()
for item in run.items(4000):
    digest.update(repr(item).encode())
digest.update(repr((run.labels, run.opportunities())).encode())
print(digest.hexdigest())
"""
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1 and len(digests.pop().strip()) == 64
