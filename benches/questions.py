"""Rows for questions asked of one book of 97 levels a side: touch, spread, price of a size.

``python -m benches.questions [--quick]`` prints the rows as JSON. A question is timed as a Python
statement, so that no call of a wrapper is counted. Answers are compared first, against exact
fractions.
"""

import argparse
import importlib
import sys
import time
import timeit
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from benches.competitors import installed
from benches.timing import Row, interleave, pin, spread_of, write_rows
from bookfeed import BookView, Engine
from bookfeed.sim.polymarket.wire import book_hash

LEVELS = 97
BEST_BID_TICK, BEST_ASK_TICK = 497, 501
DEPTHS = (5, 41, 97)
TOUCH, SPREAD = "touch (bid and ask)", "spread"
TRUST = "a book that is relied on"
"""Table of two rows, ours alone: what it costs to ask whether a book may be relied on."""
TRUST_ROWS = {
    "book.bid": "book.bid",
    "book.trusted(2.0, hash)": "book.trusted(max_age_s=2.0, proof='hash')",
}
CLOSE_ENOUGH = 1e-9
"""Answers are compared to one unit of 1e-9 USD: doubles cannot do better, ours is rounded to it."""


def sizes() -> list[float]:
    """Sizes of a side, best first: hundredths of shares, no two neighbours alike."""
    return [(3_700 + 1_913 * i % 9_001) / 100 for i in range(LEVELS)]


BIDS = [((BEST_BID_TICK - i) / 1000, size) for i, size in enumerate(sizes())]
ASKS = [((BEST_ASK_TICK + i) / 1000, size) for i, size in enumerate(sizes())]


def qty_reaching(levels: int) -> float:
    """A size that takes all but half of the last of so many levels."""
    hundredths = [round(size * 100) for size in sizes()]
    return (sum(hundredths[: levels - 1]) + hundredths[levels - 1] // 2) / 100


def vwap_exact(qty: float) -> Fraction:
    """Average price of buying ``qty``, exactly."""
    left = wanted = Fraction(round(qty * 100), 100)
    paid = Fraction(0)
    for i, size in enumerate(sizes()):
        taken = min(left, Fraction(round(size * 100), 100))
        paid += taken * Fraction(BEST_ASK_TICK + i, 1000)
        left -= taken
        if not left:
            break
    return paid / wanted


Questions = dict[str, tuple[str, dict[str, Any]]]
"""Question -> (statement that answers it, its names)."""


def vwap_names() -> dict[int, str]:
    """Depth -> name of the question."""
    return {levels: f"VWAP {levels} levels" for levels in DEPTHS}


def dict_questions() -> Questions:
    """Two dicts of floats, searched and sorted on demand."""

    def vwap(asks: dict[float, float], qty: float) -> float:
        left, paid = qty, 0.0
        for price in sorted(asks):
            taken = min(left, asks[price])
            paid += taken * price
            left -= taken
            if left <= 0.0:
                break
        return paid / qty

    names: dict[str, Any] = {"bids": dict(BIDS), "asks": dict(ASKS), "vwap": vwap}
    questions: Questions = {
        TOUCH: ("(max(bids), min(asks))", names),
        SPREAD: ("min(asks) - max(bids)", names),
    }
    for levels, name in vwap_names().items():
        questions[name] = ("vwap(asks, qty)", names | {"qty": qty_reaching(levels)})
    return questions


def order_book_questions() -> Questions:
    """The ``order-book`` package, its sorted views read by index."""
    book = importlib.import_module("order_book").OrderBook()
    book.bids, book.asks = dict(BIDS), dict(ASKS)

    def vwap(asks: Any, qty: float) -> float:
        left, paid = qty, 0.0
        for at in range(len(asks)):
            price, size = asks.index(at)
            taken = min(left, size)
            paid += taken * price
            left -= taken
            if left <= 0.0:
                break
        return paid / qty

    names: dict[str, Any] = {"bids": book.bids, "asks": book.asks, "vwap": vwap}
    questions: Questions = {
        TOUCH: ("(bids.index(0)[0], asks.index(0)[0])", names),
        SPREAD: ("asks.index(0)[0] - bids.index(0)[0]", names),
    }
    for levels, name in vwap_names().items():
        questions[name] = ("vwap(asks, qty)", names | {"qty": qty_reaching(levels)})
    return questions


def nautilus_questions() -> Questions:
    """nautilus_trader's Rust book; prices and sizes made beforehand, as its users have them."""
    nt = importlib.import_module("nautilus_trader.core.nautilus_pyo3")
    book = nt.OrderBook(nt.InstrumentId.from_str("1.POLYMARKET"), nt.BookType.L2_MBP)
    for side, ladder in ((nt.OrderSide.BUY, BIDS), (nt.OrderSide.SELL, ASKS)):
        for price, size in ladder:
            order = nt.BookOrder(
                side, nt.Price.from_str(f"{price:.3f}"), nt.Quantity.from_str(f"{size:.2f}"), 0
            )
            book.add(order, 0, 1, 0)
    names = {"book": book, "buy": nt.OrderSide.BUY}
    questions: Questions = {
        TOUCH: ("(book.best_bid_price(), book.best_ask_price())", names),
        SPREAD: ("book.spread()", names),
    }
    for levels, name in vwap_names().items():
        qty = nt.Quantity.from_str(f"{qty_reaching(levels):.2f}")
        statement = "book.get_avg_px_for_quantity(qty, buy)"
        questions[name] = (statement, names | {"qty": qty})
    return questions


def our_book() -> BookView:
    """The book in an engine, with the venue's hash to vouch for it."""
    engine = Engine(hash_check="always")
    engine.connected(1, "polymarket", 1)
    instrument = engine.subscribe(
        "polymarket", "1", 1, 1, market="0x1", min_order_size="5", hints="neg_risk=false"
    )

    def side(levels: list[tuple[float, float]]) -> str:
        return ",".join(f'{{"price":"{p:.3f}","size":"{s:.2f}"}}' for p, s in reversed(levels))

    def body(digest: str) -> str:
        return (
            f'{{"market":"0x1","asset_id":"1","timestamp":"1790000000000","hash":"{digest}",'
            f'"bids":[{side(BIDS)}],"asks":[{side(ASKS)}],'
        )

    last = '"tick_size":"0.001","neg_risk":false,"last_trade_price":"0.500"}'
    digest = book_hash(f'{body("")}"min_order_size":"5",{last}')
    told = '"event_type":"book","tick_size":"0.001","last_trade_price":"0.500"}'
    engine.ingest(1, (body(digest) + told).encode(), 1_790_000_000_012_000_000)
    return engine.book(instrument)


def bookfeed_questions() -> Questions:
    """Ours, through a ``BookView``."""
    names: dict[str, Any] = {"book": our_book()}
    questions: Questions = {
        TOUCH: ("(book.bid, book.ask)", names),
        SPREAD: ("book.spread", names),
    }
    for levels, name in vwap_names().items():
        qty = qty_reaching(levels)
        questions[name] = ("book.sweep('buy', qty).avg_price", names | {"qty": qty})
    return questions


ASKED: dict[str, tuple[str | None, Callable[[], Questions]]] = {
    "dict": (None, dict_questions),
    "order-book (C)": ("order_book", order_book_questions),
    "nautilus_trader (Rust)": ("nautilus_trader", nautilus_questions),
    "bookfeed": (None, bookfeed_questions),
}
"""Row name -> (package it needs, maker of its questions)."""


def check_answer(stack: str, question: str, answer: Any) -> None:
    """Raises ``ValueError`` if an answer is further from the truth than a double must be."""
    expected: tuple[Fraction, ...]
    bid, ask = Fraction(BEST_BID_TICK, 1000), Fraction(BEST_ASK_TICK, 1000)
    if question == TOUCH:
        expected = (bid, ask)
    elif question == SPREAD:
        expected = (ask - bid,)
    else:
        depths = {name: levels for levels, name in vwap_names().items()}
        expected = (vwap_exact(qty_reaching(depths[question])),)
    answers = answer if isinstance(answer, tuple) else (answer,)
    for given, right in zip(answers, expected, strict=True):
        if abs(float(given) - float(right)) > CLOSE_ENOUGH:
            raise ValueError(f"{stack}: {question} is {float(right)}, not {given}")


def measure(statement: str, names: dict[str, Any], number: int) -> Callable[[], float]:
    """A round: ns of this thread's CPU time for one asking."""
    timer = timeit.Timer(statement, timer=time.thread_time, globals=names)
    return lambda: timer.timeit(number) / number * 1e9


def rows(number: int, rounds: int) -> list[Row]:
    """Every stack's answer time to every question, rounds interleaved."""
    found: dict[str, Row] = {}
    measures: dict[str, Callable[[], float]] = {}
    for stack, (needs, make) in ASKED.items():
        if needs is not None and installed(needs) is None:
            for question in (TOUCH, SPREAD, *vwap_names().values()):
                reason = f"{needs} is not installed"
                found[f"{stack}/{question}"] = Row(question, stack, "ns", skipped=reason)
            continue
        for question, (statement, names) in make().items():
            check_answer(stack, question, eval(statement, dict(names)))
            found[f"{stack}/{question}"] = Row(question, stack, "ns")
            measures[f"{stack}/{question}"] = measure(statement, names, number)
    book = our_book()
    if not book.trusted(max_age_s=2.0, proof="hash"):
        raise ValueError("the hash does not vouch for the book")
    for name, statement in TRUST_ROWS.items():
        found[name] = Row(TRUST, name, "ns")
        measures[name] = measure(statement, {"book": book}, number)
    for key, values in interleave(measures, rounds).items():
        found[key].rounds = values
        found[key].spread = spread_of(values)
    return list(found.values())


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.questions", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer askings and rounds")
    options = parser.parse_args(argv)
    pin(0)
    write_rows(rows(1_000, 20) if options.quick else rows(5_000, 100))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
