"""Several venues' books as one: random books against a slow reading, and live books."""

import json
import random
import zlib
from fractions import Fraction
from math import ceil
from typing import Any, cast

import pytest

from bookfeed import Consolidated, Consolidation, Engine, LeadLag, Name, Pair, PairLeg, SpotBook
from bookfeed.audit import consolidated as slow
from bookfeed.errors import ConfigError, DecimalError, EngineError
from bookfeed.venues import KalshiFee

T0 = 1_790_000_000 * 10**9
E8, E9 = 10**8, 10**9
NAMES = ("coinbase", "kraken", "bitstamp", "gemini")


def random_book(rng: random.Random) -> dict[slow.Side, dict[int, int]]:
    """A book around 100 that does not cross itself, but perhaps others; prices meet often."""
    mid, tick = 100 * E9 + rng.randrange(-6, 7) * E9 // 10, rng.choice([E9 // 10, E9 // 20])

    def side(sign: int) -> dict[int, int]:
        steps = rng.sample(range(1, 25), rng.choice([0, 1, 4, 20]))
        return {mid + sign * step * tick: rng.randrange(1, 5 * E8) for step in steps}

    return {"bid": side(-1), "ask": side(1)}


def of(books: dict[str, dict[slow.Side, dict[int, int]]]) -> Consolidation:
    return Consolidation(
        {name: SpotBook(T0, [*b["bid"].items()], [*b["ask"].items()]) for name, b in books.items()}
    )


def taken(fill: Any) -> tuple[int, int, int, int]:
    return fill.qty_e8, fill.notional_e17, fill.worst_price_e9, fill.levels


@pytest.mark.parametrize("part", range(4))
def test_random_books_against_the_slow_reading(part: int) -> None:
    crossed = 0
    for seed in range(part * 100, part * 100 + 100):
        rng = random.Random(f"consolidated {seed}")
        books = {name: random_book(rng) for name in NAMES[: rng.randrange(1, 5)]}
        ours = of(books)
        for side, doing in (("bid", "sell"), ("ask", "buy")):
            rows = slow.ladder(books, side)  # type: ignore[arg-type]
            got = [(row.price_e9, row.qty_e8, row.venues) for row in ours.ladder(side)]  # type: ignore[arg-type]
            assert got == rows, seed
            qty = rng.randrange(1, 60 * E8)
            fill = ours.sweep(doing, f"{qty // E8}.{qty % E8:08d}")  # type: ignore[arg-type]
            whole, shares = slow.sweep(books, side, qty)  # type: ignore[arg-type]
            if fill is None:
                assert not rows
                continue
            assert taken(fill.whole) == (
                whole.qty, whole.notional, whole.worst_price, whole.levels,
            )  # fmt: skip
            assert fill.whole.complete == (whole.qty == qty)
            assert {name: taken(share) for name, share in fill.venues.items()} == {
                name: (one.qty, one.notional, one.worst_price, one.levels)
                for name, one in shares.items()
            }
        found, wanted = ours.crossing(), slow.crossing(books)
        crossed += wanted.qty > 0
        assert (found.qty_e8, found.gain_e17) == (wanted.qty, wanted.gain), seed
        assert (found.last_bid_e9, found.last_ask_e9) == (wanted.last or (None, None))
        assert (found.sold_e8, found.bought_e8) == (wanted.sold, wanted.bought)
        basis = slow.basis(books)
        assert ours.basis() == {name: float(one / E9) for name, one in basis.items()}
        middle = {name: mid - basis[name] for name, mid in slow.mids(books).items()}
        assert ours.basis_bps() == {
            name: float(10_000 * one / middle[name]) for name, one in basis.items()
        }
        assert ours.mid == (float(next(iter(middle.values())) / E9) if middle else None)
    assert crossed > 20, "hardly any of these books cross"


def test_money_buys_across_venues_and_no_more_than_it_is() -> None:
    books = of({
        "a": {"bid": {}, "ask": {100 * E9: E8, 102 * E9: E8}},
        "b": {"bid": {}, "ask": {101 * E9: E8}},
    })  # fmt: skip
    fill = books.sweep_notional("buy", 252)
    assert fill is not None
    assert (fill.whole.qty_e8, fill.whole.notional) == (2 * E8 + E8 // 2, 252.0)
    assert {name: share.notional for name, share in fill.venues.items()} == {"a": 151.0, "b": 101.0}
    assert books.sweep("sell", 1) is None


def test_a_venue_that_moves_first_leads() -> None:
    rng = random.Random(7)
    walk = [100 * E9]
    for _ in range(400):
        walk.append(walk[-1] + rng.choice([-1, 0, 1]) * E9 // 100)
    behind = {"fast": 0, "slow": 3, "slower": 5}
    leads = LeadLag([*behind], step_s=0.1, window_s=30, reach_s=1)
    looks: list[dict[str, Fraction]] = []
    for n in range(10, 400):
        mids = {name: walk[n - by] for name, by in behind.items()}
        if n % 17 == 0:
            del mids["slow"]
        books = {name: {"bid": {mid - E9: E8}, "ask": {mid + E9: E8}} for name, mid in mids.items()}
        leads.look(T0 + n * E9 // 10, of(cast("Any", books)))
        # The first look of a step counts.
        leads.look(T0 + n * E9 // 10 + 1, of({"fast": random_book(rng)}))
        looks.append({name: Fraction(mid) for name, mid in mids.items()})
    for name in behind:
        found, wanted = leads.lead(name), slow.lead(looks[-300:], name, 10, 20)
        assert found is not None and wanted is not None
        assert (found.lead_ns, found.correlation_ppm, found.moves) == (
            wanted[0] * E9 // 10, wanted[1], wanted[2],
        )  # fmt: skip
    fast, slower = leads.lead("fast"), leads.lead("slower")
    assert fast is not None and slower is not None
    assert fast.lead_ns >= 3 * E9 // 10 and slower.lead_ns <= -2 * E9 // 10
    assert leads.lead("nobody") is None
    # Nothing is said across a hole in time, nor of what stands still.
    leads.look(T0 + 1_000 * E9, of({}))
    assert leads.lead("fast") is None


@pytest.mark.parametrize("options", [{"step_s": 0}, {"step_s": 0.001, "window_s": 60}])
def test_steps_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(EngineError, match="step_s must be above 0"):
        LeadLag(["a", "b"], **options)


# Books of an engine.

STAMP = "2026-09-21T14:13:20.000000Z"


class Source:
    """What a feed has of books: an engine, and names."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.names: dict[int, Name] = {}

    def add(
        self, conn: int, venue: str, symbol: str, market: str = "", fee: str | None = None
    ) -> None:
        self.engine.connected(conn, venue, T0)
        number = self.engine.subscribe(venue, symbol, conn, T0, market=market or None, fee=fee)
        self.names[number] = Name(venue, market, "", symbol, symbol)

    def book(self, number: int) -> Any:
        return self.engine.book(number)

    def tell(self, conn: int, message: object) -> None:
        self.engine.ingest(conn, json.dumps(message).encode(), T0)


def spot_source() -> Source:
    """Coinbase and Kraken have BTC-USD; Binance is not connected."""
    source = Source()
    source.add(0, "coinbase", "BTC-USD", "BTC-USD")
    source.add(1, "kraken", "BTC/USD", "BTC-USD")
    level = {"event_time": STAMP}
    updates = [
        level | {"side": "bid", "price_level": "99.0", "new_quantity": "1"},
        level | {"side": "offer", "price_level": "101.0", "new_quantity": "2"},
    ]
    event = {"type": "snapshot", "product_id": "BTC-USD", "updates": updates}
    head = {"channel": "l2_data", "timestamp": STAMP, "sequence_num": 0}
    source.tell(0, head | {"events": [event]})
    tell_kraken(source, "snapshot", "99.0", "3.0")
    return source


def tell_kraken(source: Source, kind: str, bid: str, qty: str) -> None:
    text = "".join(part.replace(".", "").lstrip("0") for part in ("100.5", "4.0", bid, qty))
    book = (
        f'{{"symbol":"BTC/USD","bids":[{{"price":{bid},"qty":{qty}}}],'
        f'"asks":[{{"price":100.5,"qty":4.0}}],"checksum":{zlib.crc32(text.encode())},'
        f'"timestamp":"{STAMP}"}}'
    )
    frame = f'{{"channel":"book","type":"{kind}","data":[{book}]}}'
    source.engine.ingest(1, frame.encode(), T0)


def test_books_of_one_pair_are_found_at_their_venues() -> None:
    source = cast("Any", spot_source())
    btc = Consolidated(["coinbase", "kraken", "binance"], "BTC-USD", source)
    assert btc.out == {"binance": "no_book"}
    assert btc.now().included == ["coinbase", "kraken"]
    bid, ask = btc.bid, btc.ask
    assert bid is not None and ask is not None
    assert (bid.price, bid.venues) == (99.0, {"coinbase": E8, "kraken": 3 * E8})
    assert (ask.price, ask.qty, ask.venues) == (100.5, 4.0, {"kraken": 4 * E8})
    fill = btc.sweep("buy", 5)
    assert fill is not None and fill.whole.avg_price == (4 * 100.5 + 101) / 5
    assert btc.basis() == {"coinbase": 0.125, "kraken": -0.125}
    assert btc.crossing().qty == 0
    btc.look(T0)
    assert btc.leads() == {}


def test_who_may_not_be_believed_is_out_and_comes_back() -> None:
    source = spot_source()
    btc = Consolidated(["coinbase", "kraken"], "BTC-USD", cast("Any", source))
    now = btc.now()
    source.engine.disconnected(1, T0 + 1)
    assert btc.out == {"kraken": "stale:disconnected"}
    assert btc.bid is not None and btc.bid.venues == {"coinbase": E8}
    assert now.included == ["coinbase"], "what was gathered before does not vouch for it"
    source.engine.connected(1, "kraken", T0 + 2)
    tell_kraken(source, "snapshot", "99.5", "3.0")
    assert btc.out == {}
    assert btc.bid is not None and btc.bid.venues == {"kraken": 3 * E8}
    proven = Consolidated(["coinbase", "kraken"], "BTC-USD", cast("Any", source), proof="checksum")
    assert proven.out == {"coinbase": "unproven"}


def test_the_best_yes_of_a_pair_with_its_basis_shown() -> None:
    source, asset, ticker = Source(), "7" * 77, "KXA"
    source.add(0, "kalshi", ticker, fee=KalshiFee("quadratic", rounding="direct").text())
    source.add(1, "polymarket", asset)
    about = {"market_ticker": ticker, "market_id": "00000000-0000-4000-8000-000000000001"}
    sides = {"yes_dollars_fp": [["0.4400", "100.00"]], "no_dollars_fp": [["0.5000", "99.00"]]}
    source.tell(0, {"type": "orderbook_snapshot", "sid": 1, "seq": 1, "msg": about | sides})
    book = {"event_type": "book", "market": "0x1", "asset_id": asset, "timestamp": str(T0 // 10**6)}
    # The other outcome: what it asks is what YES bids.
    levels = {"bids": [{"price": "0.47", "size": "9"}], "asks": [{"price": "0.48", "size": "8"}]}
    source.tell(1, book | levels)
    facts = {"oracle": "O", "cut_off": "now"}
    legs = (
        PairLeg("kalshi", ticker, "yes", "same", strike="1", **facts),
        PairLeg("polymarket", asset, "No", "inverted", strike="2", **facts),
    )
    yes = Consolidated.of_pair(Pair("it happens", legs), cast("Any", source))
    assert yes.name == "it happens" and yes.out == {}
    assert yes.facts == ('strike "1" (kalshi), "2" (polymarket)',)
    assert yes.bid is not None and yes.ask is not None
    assert (yes.bid.price, yes.bid.venues) == (0.52, {"polymarket": 8 * E8})
    assert (yes.ask.price, yes.ask.venues) == (0.5, {"kalshi": 99 * E8})
    crossing = yes.crossing()
    assert (crossing.qty, crossing.gain) == (8.0, 0.16)
    assert crossing.sold_e8 == {"polymarket": 8 * E8}
    assert crossing.bought_e8 == {"kalshi": 8 * E8}
    # What a market says of fees counts, and what is stated before it.
    fill, alone = yes.sweep("buy", 10), source.engine.book(0).sweep("buy", 10)
    assert fill is not None and alone is not None and alone.fee_e9
    assert fill.whole.fee_e9 == fill.venues["kalshi"].fee_e9 == alone.fee_e9
    stated = Consolidation({"kalshi": source.engine.book(0)}, taker_bps={"kalshi": 100})
    fill = stated.sweep("buy", 10)
    assert fill is not None and fill.whole.fee == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("venues", "said"),
    [(["coinbase", "krakn"], "krakn"), (["kraken", "kraken"], "twice")],
)
def test_venues_that_cannot_be_are_refused(venues: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Consolidated(venues, "BTC-USD", cast("Any", Source()))


def test_a_sweep_says_what_each_venue_takes_of_it() -> None:
    """By what is stated, rounded up; unknown in all where it is unknown at one venue."""
    for seed in range(60):
        rng = random.Random(f"fees {seed}")
        books = {name: random_book(rng) for name in NAMES[:3]}
        bps = {name: rng.choice([0, 2.5, 40, 60.25]) for name in NAMES[:3]}
        qty = rng.randrange(1, 60 * E8)
        told = {
            name: SpotBook(T0, [*b["bid"].items()], [*b["ask"].items()])
            for name, b in books.items()
        }
        fill = Consolidation(told, taker_bps=bps).sweep("buy", f"{qty // E8}.{qty % E8:08d}")
        _, shares = slow.sweep(books, "ask", qty)
        if fill is None:
            assert not shares
            continue
        wanted = {
            name: ceil(Fraction(one.notional, E8) * Fraction(bps[name]) / 10_000)
            for name, one in shares.items()
        }
        assert {name: share.fee_e9 for name, share in fill.venues.items()} == wanted
        assert fill.whole.fee_e9 == sum(wanted.values())
        del bps[next(iter(shares))]
        part = Consolidation(told, taker_bps=bps).sweep("buy", f"{qty // E8}.{qty % E8:08d}")
        assert part is not None and part.whole.fee_e9 is None
        assert part.venues[next(iter(shares))].fee_e9 is None
    with pytest.raises(DecimalError, match="taker_bps of a: a fee must be between 0 and 10000"):
        Consolidation({}, taker_bps={"a": -1})
    source = cast("Any", spot_source())
    with pytest.raises(ConfigError, match='"gemini" is none of the venues'):
        Consolidated(["coinbase"], "BTC-USD", source, taker_bps={"gemini": 1})
    btc = Consolidated(["coinbase", "kraken"], "BTC-USD", source, taker_bps={"kraken": 25})
    fill = btc.sweep("buy", 4)
    assert fill is not None and fill.whole.fee == pytest.approx(4 * 100.5 * 0.0025)
