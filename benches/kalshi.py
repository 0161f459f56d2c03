"""One seeded Kalshi corpus: the books of the Polymarket one as the other venue tells them.

Snapshots first, then 97 % ``orderbook_delta`` and 3 % ``trade``, compact, in the key order of
real frames, with ``market_id``, ``ts`` and ``ts_ms``. A market is one book of bids for YES and
bids for NO; prices lie on a 0.001 grid, sizes have two decimals. Books are spread over four
subscriptions and trades come on a fifth, each numbered without a hole.

The answers are read from the printed frames by :func:`read_answers`, in decimals and
dictionaries, and must be what the generator's own model says.
"""

import datetime
import json
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from benches.frames import (
    Answers,
    FrameWriter,
    Recording,
    books_sha256,
    read_stored,
    store,
)
from benches.market import (
    LEVELS_HARD_MIN,
    QTY_E8_PER_UNIT,
    TICKS,
    MarketModel,
    Side,
    draw_units,
)

UNITS_PER_HUNDREDTH = 10_000
BOOK_SIDS = 4
TRADE_SID = BOOK_SIDS + 1
TRADES_SHARE = 0.03
FORMAT = 1
"""Raised when the generator changes, so that an old cache is not taken for the new corpus."""
EVENTS = (
    "KXBTCD-26SEP2117-T{strike:.2f}",
    "KXBTCD-26SEP2118-T{strike:.2f}",
    "KXMLBHRR-26SEP211840NYYBOS-NYYBATTER{n:03}-2",
    "KXMLBHRR-26SEP211905SEALAD-SEABATTER{n:03}-2",
)
"""Tickers of an event's markets: half of them short, half long."""

PRICES = [f"{t / TICKS:.4f}" for t in range(TICKS + 1)]


@dataclass(frozen=True)
class Spec:
    """What a corpus is made from; equal specs give equal bytes."""

    frames: int = 200_000
    markets: int = 200
    seed: int = 20_261_125

    @property
    def name(self) -> str:
        """File stem of the cached corpus."""
        return f"kalshi-v{FORMAT}-{self.frames}-{self.markets}-{self.seed}"


@dataclass(frozen=True)
class Market:
    """A market: its ticker, the venue's second name of it, and where its book is told."""

    ticker: str
    market_id: str
    sid: int
    mid_tick: int
    """Between the first bid and the first ask."""


@dataclass(frozen=True)
class Corpus(Recording):
    """The frames of Kalshi, and the markets they speak of."""

    spec: Spec
    markets: tuple[Market, ...]
    venue = "kalshi"


def size_text(units: int) -> str:
    """Size of ``units`` x 1e-6 contracts as the venue prints it: two decimals."""
    sign, hundredths = "-" if units < 0 else "", abs(units) // UNITS_PER_HUNDREDTH
    return f"{sign}{hundredths // 100}.{hundredths % 100:02}"


def draw_hundredths(rng: random.Random, unlike: int = 0) -> int:
    """A size in whole hundredths of a contract, never ``unlike`` and never 0."""
    while True:
        units = draw_units(rng) // UNITS_PER_HUNDREDTH * UNITS_PER_HUNDREDTH
        if units != unlike:
            return units


class Generator(FrameWriter):
    """Writes the frames of a corpus while keeping the true books."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec.seed)
        self.spec = spec
        self.models = [MarketModel(self.rng, draw_hundredths) for _ in range(spec.markets)]
        self.markets = [self.name_market(n) for n in range(spec.markets)]
        self.seqs = dict.fromkeys(range(1, TRADE_SID + 1), 0)

    def name_market(self, n: int) -> Market:
        """A market of one of the events."""
        ticker = EVENTS[n % len(EVENTS)].format(strike=79_749.99 + 250 * (n // len(EVENTS)), n=n)
        market_id = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        model = self.models[n]
        return Market(
            ticker=ticker,
            market_id=market_id,
            sid=1 + n % BOOK_SIDS,
            mid_tick=(model.best_bid + model.best_ask) // 2,
        )

    def head(self, kind: str, sid: int) -> str:
        """The envelope up to the message, with the next number of its stream."""
        self.seqs[sid] += 1
        return f'{{"type":"{kind}","sid":{sid},"seq":{self.seqs[sid]},"msg":{{'

    def count_read(self, model: MarketModel) -> None:
        """Adds the touch a reader finds now."""
        self.touch_sum_e8 += model.touch_product_e8(yes=True)
        self.touch_reads += 1

    def snapshot(self, n: int) -> None:
        """A whole book: bids for YES, bids for NO, ascending."""
        model, market = self.models[n], self.markets[n]

        def levels(side: Side, ticks: Iterable[int], *, turned: bool) -> str:
            return ",".join(
                f'["{PRICES[TICKS - t if turned else t]}","{size_text(side.units[t])}"]'
                for t in ticks
            )

        self.tick_clock()
        self.emit(
            f'{self.head("orderbook_snapshot", market.sid)}"market_ticker":"{market.ticker}",'
            f'"market_id":"{market.market_id}",'
            f'"yes_dollars_fp":[{levels(model.bids, model.bids.ticks, turned=False)}],'
            f'"no_dollars_fp":[{levels(model.asks, reversed(model.asks.ticks), turned=True)}]}}}}'
        )
        self.count_read(model)

    def change(self, n: int, *, bid: bool, tick: int, units: int) -> None:
        """Sets a level and tells by how much it changed."""
        model, market = self.models[n], self.markets[n]
        side = model.bids if bid else model.asks
        before, delta = model.touch_key, units - side.units.get(tick, 0)
        side.set(tick, units)
        self.touch_moved += model.touch_key != before
        price, name = (PRICES[tick], "yes") if bid else (PRICES[TICKS - tick], "no")
        ts_ms = self.tick_clock()
        ts = datetime.datetime.fromtimestamp(ts_ms // 1_000, datetime.UTC)
        us = ts_ms % 1_000 * 1_000 + self.rng.randrange(1_000)
        self.emit(
            f'{self.head("orderbook_delta", market.sid)}"market_ticker":"{market.ticker}",'
            f'"market_id":"{market.market_id}","price_dollars":"{price}",'
            f'"delta_fp":"{size_text(delta)}","side":"{name}",'
            f'"ts":"{ts:%Y-%m-%dT%H:%M:%S}.{us:06}Z","ts_ms":{ts_ms}}}}}'
        )
        self.count_read(model)

    def delta(self) -> None:
        """An order placed, changed or cancelled."""
        n = self.rng.randrange(self.spec.markets)
        bid, tick, units = self.models[n].draw_change(self.rng)
        self.change(n, bid=bid, tick=tick, units=units)

    def trade(self) -> None:
        """A taker eats into a best level: the print, and what it took from the maker's side."""
        n = self.rng.randrange(self.spec.markets)
        model, market = self.models[n], self.markets[n]
        buys_no = self.rng.random() < 0.5
        side, tick = (model.bids, model.best_bid) if buys_no else (model.asks, model.best_ask)
        units = side.units[tick]
        taken = self.rng.randrange(UNITS_PER_HUNDREDTH, units + 1, UNITS_PER_HUNDREDTH)
        if taken == units and len(side.ticks) <= LEVELS_HARD_MIN:
            return self.delta()
        ts_ms = self.tick_clock()
        taker, book_side = ("no", "ask") if buys_no else ("yes", "bid")
        trade_id = uuid.UUID(int=self.rng.getrandbits(128), version=4)
        self.emit(
            f'{self.head("trade", TRADE_SID)}"trade_id":"{trade_id}",'
            f'"market_ticker":"{market.ticker}","yes_price_dollars":"{PRICES[tick]}",'
            f'"no_price_dollars":"{PRICES[TICKS - tick]}","count_fp":"{size_text(taken)}",'
            f'"taker_side":"{taker}","taker_outcome_side":"{taker}",'
            f'"taker_book_side":"{book_side}","is_block_trade":false,'
            f'"ts":{ts_ms // 1_000},"ts_ms":{ts_ms}}}}}'
        )
        self.change(n, bid=buys_no, tick=tick, units=units - taken)
        return None

    def run(self) -> Corpus:
        """The whole corpus. Raises ``ValueError`` if frames and model tell different books."""
        spec = self.spec
        for n in range(spec.markets):
            self.snapshot(n)
        while len(self.frames) < spec.frames:
            # A trade is followed by its delta.
            is_trade = self.rng.random() < TRADES_SHARE / (1 - TRADES_SHARE)
            (self.trade if is_trade else self.delta)()
        final = {
            market.ticker: tuple(
                {t * 1_000_000: u * QTY_E8_PER_UNIT for t, u in side.units.items()}
                for side in (model.bids, model.asks)
            )
            for market, model in zip(self.markets, self.models, strict=True)
        }
        sides = {ticker: (bids, asks) for ticker, (bids, asks) in final.items()}
        model_says = Answers(self.touch_sum_e8, self.touch_reads, books_sha256(sides))
        answers = read_answers(self.frames)
        if answers != model_says:
            raise ValueError(f"frames tell {answers}, the model says {model_says}")
        recording = Recording(self.frames, self.ts_recv, answers, self.touch_moved)
        return Corpus(**vars(recording), spec=spec, markets=tuple(self.markets))


def read_answers(frames: Iterable[bytes]) -> Answers:
    """What the frames say, read with nothing but decimals and dictionaries."""
    books: dict[str, dict[str, dict[Decimal, Decimal]]] = {}
    touch_sum, touch_reads = Decimal(0), 0
    for frame in frames:
        message = json.loads(frame)
        told = message["msg"]
        if message["type"] == "orderbook_snapshot":
            books[told["market_ticker"]] = {
                side: {Decimal(p): Decimal(s) for p, s in told[f"{side}_dollars_fp"]}
                for side in ("yes", "no")
            }
        elif message["type"] == "orderbook_delta":
            side = books[told["market_ticker"]][told["side"]]
            price = Decimal(told["price_dollars"])
            side[price] = side.get(price, Decimal(0)) + Decimal(told["delta_fp"])
            if side[price] == 0:
                del side[price]
        else:
            continue
        book = books[told["market_ticker"]]
        touch_sum += max(book["yes"]) * (1 - max(book["no"]))
        touch_reads += 1
    exact = {
        ticker: (
            {int(p * 10**9): int(s * 10**8) for p, s in book["yes"].items()},
            {int((1 - p) * 10**9): int(s * 10**8) for p, s in book["no"].items()},
        )
        for ticker, book in books.items()
    }
    return Answers(int(touch_sum * 10**8), touch_reads, books_sha256(exact))


def load(spec: Spec) -> Corpus:
    """The corpus of a spec, from the cache beside this file when it is there."""
    stored = read_stored(spec.name)
    if stored is None:
        corpus = Generator(spec).run()
        store(spec.name, corpus, corpus.markets)
        return corpus
    recording, markets = stored
    return Corpus(**vars(recording), spec=spec, markets=tuple(Market(**m) for m in markets))
