"""bookfeed as a row of the benchmarks: an engine with every book and rule of the corpus."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benches import binance, kalshi, spot
from benches.competitors import FinalBooks
from benches.corpus import Corpus
from benches.frames import TS_START_MS, Recording, books_sha256
from benches.market import MIN_ORDER_SIZE, PRICES, TICK_SIZE
from bookfeed import RULES, UPDATE_DTYPE, UPDATE_KINDS, Engine

CONN = 1
DRAIN_EVERY = 64
SPREAD_RULE = {"mode": "absolute", "when": "wide", "open": "0.004", "close": "0.003"}
SPOT_SPREAD_RULE = {"mode": "absolute", "when": "wide", "open": "0.10", "close": "0.05"}
COMPLEMENT_RULE = {"min_edge": "0.001"}
BOX_RULE = {
    "min_edge": "0.001",
    "max_age_ms": "1000000000",
    "max_skew_ms": "1000000000",
    "max_lag_ms": "0",
    "confirm": "off",
    "polarity_check": "off",
}
"""The other venue's book is told once: its age must not count, and nothing would confirm it."""
OTHER_CONN = 2
OTHER_HALF_SPREAD = 5
OTHER_OFFSETS = (0, 0, 0, 0, 0, 0, 0, 0, 25, 60)
"""Ticks from one venue's mid to the other's: of ten boxes eight are quiet until prices drift,
one has an edge that fees eat, and one is open."""
FEE_RATE = "0.04"
FEE = f"polymarket:{FEE_RATE};1"
UPDATE = np.dtype(UPDATE_DTYPE)
BOOK = UPDATE_KINDS.index("book")
KIND_OFFSET = UPDATE.fields["kind"][1] if UPDATE.fields is not None else 0
E10 = 10**10
"""(1e-4 USD)**2 in (1e-9 USD)**2."""
WORD = 2**64


def build_engine(corpus: Corpus, hash_check: Literal["always", "sampled", "off"]) -> Engine:
    """An engine that watches every asset, with the spread and the complement rule on all."""
    engine = Engine(hash_check=hash_check)
    ts = corpus.ts_recv[0] - 1
    engine.add_rule("spread", SPREAD_RULE)
    engine.add_rule("complement", COMPLEMENT_RULE)
    engine.connected(CONN, "polymarket", ts)
    for market in corpus.markets:
        for outcome, symbol in (("Yes", market.yes), ("No", market.no)):
            engine.subscribe(
                "polymarket",
                symbol,
                CONN,
                ts,
                market=market.condition,
                outcome=outcome,
                tick_size=TICK_SIZE,
                min_order_size=MIN_ORDER_SIZE,
                hints="neg_risk=false",
                fee=FEE,
            )
    return engine


def build_kalshi_engine(corpus: kalshi.Corpus) -> Engine:
    """An engine that watches every market, with the spread rule on all and boxes on half.

    The other leg of a box is a Polymarket outcome whose book, told once, stands where the
    Kalshi one began, or a little way off (``OTHER_OFFSETS``).
    """
    engine = Engine(hash_check="off", silence_s=0)
    ts = corpus.ts_recv[0] - 1
    engine.add_rule("spread", SPREAD_RULE)
    engine.connected(CONN, "kalshi", ts)
    engine.connected(OTHER_CONN, "polymarket", ts)
    for market in corpus.markets:
        engine.subscribe(
            "kalshi",
            market.ticker,
            CONN,
            ts,
            tick_size=TICK_SIZE,
            fee="kalshi:quadratic;1;non_direct",
        )
    for n, market in enumerate(corpus.markets[::2]):
        asset = str(10**76 + n)
        engine.subscribe(
            "polymarket",
            asset,
            OTHER_CONN,
            ts,
            market=f"0x{n:064x}",
            tick_size=TICK_SIZE,
            min_order_size=MIN_ORDER_SIZE,
            fee=FEE,
        )
        legs = {"a": f"kalshi {market.ticker} yes", "b": f"polymarket {asset} yes"}
        engine.add_rule("box", BOX_RULE | legs)
        engine.ingest(OTHER_CONN, other_book(market, n, asset), ts)
    return engine


def build_binance_engine(corpus: binance.Corpus) -> Engine:
    """An engine that has every symbol's whole book by REST, with the spread rule on all."""
    engine = Engine(hash_check="off", silence_s=0)
    ts = corpus.ts_recv[0] - 1
    engine.add_rule("spread", SPOT_SPREAD_RULE)
    engine.connected(CONN, "binance", ts)
    for market in corpus.markets:
        book = engine.subscribe("binance", market.symbol, CONN, ts, tick_size="0.01")
        engine.ingest_rest(CONN, market.whole.encode(), ts, instrument=book)
    return engine


def build_spot_engine(corpus: spot.Corpus) -> Engine:
    """An engine that was told every book whole, with the spread rule on all."""
    engine = Engine(hash_check="off", silence_s=0)
    ts = corpus.ts_recv[0] - 1
    engine.add_rule("spread", SPOT_SPREAD_RULE)
    engine.connected(CONN, corpus.venue, ts)
    depth = spot.VENUES[corpus.venue].depth
    for market in corpus.markets:
        book = engine.subscribe(
            corpus.venue, market.symbol, CONN, ts, tick_size="0.01", depth=depth
        )
        for frame in market.before:
            engine.ingest(CONN, frame, ts)
        if market.answer is not None:
            engine.ingest_rest(CONN, market.answer, ts, instrument=book)
    return engine


def other_book(market: kalshi.Market, n: int, asset: str) -> bytes:
    """A ``book`` of twenty levels a side around where a Kalshi market began."""

    def levels(ticks: Iterable[int]) -> str:
        return ",".join(f'{{"price":"{PRICES[t]}","size":"250"}}' for t in ticks)

    mid = market.mid_tick + OTHER_OFFSETS[n % len(OTHER_OFFSETS)]
    bids = levels(range(mid - OTHER_HALF_SPREAD - 19, mid - OTHER_HALF_SPREAD + 1))
    asks = levels(range(mid + OTHER_HALF_SPREAD + 19, mid + OTHER_HALF_SPREAD - 1, -1))
    return (
        f'{{"market":"0x{n:064x}","asset_id":"{asset}","timestamp":"{TS_START_MS}",'
        f'"hash":"{n:040x}","bids":[{bids}],"asks":[{asks}],"tick_size":"{TICK_SIZE}",'
        f'"event_type":"book","last_trade_price":""}}'
    ).encode()


def touch_sum_e18_wrapped(updates: NDArray[np.void]) -> int:
    """Sum over book records of best bid times best ask, in (1e-9 USD)**2 modulo 2**64."""
    books = updates["kind"] == BOOK
    return int(np.dot(updates["bid_price_e9"][books], updates["ask_price_e9"][books])) % WORD


def final_books(engine: Engine, venue: str = "polymarket") -> FinalBooks:
    """Every book the engine holds of a venue, price 1e-9 -> size 1e-8."""

    def ladder(levels: NDArray[np.int64]) -> dict[int, int]:
        return {int(price): int(qty) for price, qty in levels}

    return {
        view.symbol: (ladder(view.levels_exact("bid")), ladder(view.levels_exact("ask")))
        for view in engine.books()
        if view.venue == venue
    }


class BookfeedStack:
    """One ``ingest`` call a frame; records drained every ``drain_every`` frames as an array."""

    def __init__(self, engine: Engine, *, drain_every: int = DRAIN_EVERY) -> None:
        self.engine = engine
        self.engine.drain()
        self.drain_every = drain_every
        self.touch_sum_wrapped = 0

    def run(self, corpus: Recording, *, read: bool) -> None:
        """Feeds the corpus; with ``read`` the touches are read from every batch of records."""
        ingest, drain = self.engine.ingest, self.engine.drain
        touch_sum = 0
        pairs = zip(corpus.frames, corpus.ts_recv, strict=True)
        for _ in range(0, len(corpus.frames), self.drain_every):
            for frame, ts_recv in islice(pairs, self.drain_every):
                ingest(CONN, frame, ts_recv)
            updates = drain().updates
            if read:
                touch_sum += touch_sum_e18_wrapped(updates)
        self.touch_sum_wrapped = touch_sum % WORD

    def take(self, frames: Sequence[bytes], ts_recv: Sequence[int], *, read: bool) -> None:
        """Feeds a block of frames and drains once."""
        ingest = self.engine.ingest
        for frame, ts in zip(frames, ts_recv, strict=True):
            ingest(CONN, frame, ts)
        updates = self.engine.drain().updates
        if read:
            self.touch_sum_wrapped = (
                self.touch_sum_wrapped + touch_sum_e18_wrapped(updates)
            ) % WORD


def box_facts(corpus: kalshi.Corpus) -> dict[str, float]:
    """What the boxes did. Raises ``ValueError`` if none opened or none was refused for fees:
    then the rows would not show what they are there for."""
    engine = build_kalshi_engine(corpus)
    for frame, ts_recv in zip(corpus.frames, corpus.ts_recv, strict=True):
        engine.ingest(CONN, frame, ts_recv)
    signals = engine.drain().signals
    facts = {
        "box signals": int((signals["rule"] == RULES.index("box")).sum()),
        "boxes refused for fees": engine.refusals()["fees"],
    }
    if not all(facts.values()):
        raise ValueError(f"the boxes did nothing: {facts}")
    return {name: float(count) for name, count in facts.items()}


def wrong_answer(stack: BookfeedStack, corpus: Recording, *, read: bool = True) -> str | None:
    """What is wrong with a stack that was run over the whole corpus, or None.

    Without ``read`` it did not read the touches, and only the books are compared.
    """
    expected = corpus.answers.touch_sum_e8 * E10 % WORD
    if read and stack.touch_sum_wrapped != expected:
        return f"touch sum {stack.touch_sum_wrapped}, not {expected} (modulo 2**64)"
    if books_sha256(final_books(stack.engine, corpus.venue)) != corpus.answers.books_sha256:
        return "final books differ"
    not_live = [view.symbol for view in stack.engine.books() if not view.live]
    if not_live:
        return f"{len(not_live)} books are not live"
    return None
