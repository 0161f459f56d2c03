"""bookfeed as a row of the benchmarks: an engine with every book and rule of the corpus."""

from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benches.competitors import FinalBooks
from benches.corpus import Corpus, books_sha256
from benches.market import MIN_ORDER_SIZE, TICK_SIZE
from bookfeed import UPDATE_DTYPE, UPDATE_KINDS, Engine

CONN = 1
DRAIN_EVERY = 64
SPREAD_RULE = {"mode": "absolute", "when": "wide", "open": "0.004", "close": "0.003"}
COMPLEMENT_RULE = {"min_edge": "0.001"}
FEE_RATE = "0.04"
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
                neg_risk=False,
                fee_rate=FEE_RATE,
                fee_exponent=1,
            )
    return engine


def touch_sum_e18_wrapped(updates: NDArray[np.void]) -> int:
    """Sum over book records of best bid times best ask, in (1e-9 USD)**2 modulo 2**64."""
    books = updates["kind"] == BOOK
    return int(np.dot(updates["bid_price"][books], updates["ask_price"][books])) % WORD


def final_books(engine: Engine) -> FinalBooks:
    """Every book the engine holds, price 1e-9 -> size 1e-8."""

    def ladder(levels: NDArray[np.int64]) -> dict[int, int]:
        return {int(price): int(qty) for price, qty in levels}

    return {
        view.symbol: (ladder(view.levels_exact("bid")), ladder(view.levels_exact("ask")))
        for view in engine.books()
    }


class BookfeedStack:
    """One ``ingest`` call a frame; records drained every ``drain_every`` frames as an array."""

    def __init__(
        self,
        corpus: Corpus,
        *,
        hash_check: Literal["always", "sampled", "off"] = "off",
        drain_every: int = DRAIN_EVERY,
    ) -> None:
        self.engine = build_engine(corpus, hash_check)
        self.engine.drain()
        self.drain_every = drain_every
        self.records = 0
        self.touch_sum_wrapped = 0

    def run(self, corpus: Corpus, *, read: bool) -> None:
        """Feeds the corpus; with ``read`` the touches are read from every batch of records."""
        ingest, drain = self.engine.ingest, self.engine.drain
        records = touch_sum = 0
        pairs = zip(corpus.frames, corpus.ts_recv, strict=True)
        for _ in range(0, len(corpus.frames), self.drain_every):
            for frame, ts_recv in islice(pairs, self.drain_every):
                ingest(CONN, frame, ts_recv)
            updates = drain().updates
            records += len(updates)
            if read:
                touch_sum += touch_sum_e18_wrapped(updates)
        self.records = records
        self.touch_sum_wrapped = touch_sum % WORD

    def books(self) -> FinalBooks:
        """Books now: asset id -> (bids, asks), price 1e-9 -> size 1e-8."""
        return final_books(self.engine)


def wrong_answer(stack: BookfeedStack, corpus: Corpus) -> str | None:
    """What is wrong with a stack that was run with ``read`` over the whole corpus, or None."""
    expected = corpus.answers.touch_sum_e8 * E10 % WORD
    if stack.touch_sum_wrapped != expected:
        return f"touch sum {stack.touch_sum_wrapped}, not {expected} (modulo 2**64)"
    if books_sha256(stack.books()) != corpus.answers.books_sha256:
        return "final books differ"
    not_live = [view.symbol for view in stack.engine.books() if not view.live]
    if not_live:
        return f"{len(not_live)} books are not live"
    return None
