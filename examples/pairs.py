"""One event on two venues: a pair stated by hand, its box as a signal, and what was refused.

The two contracts are decided by different oracles at different strikes, so the pair says that it
is a basis, not the same contract. Frames are invented; there is no network, and no clock.
"""

import json

from bookfeed import Engine, Pair, PairLeg, records
from bookfeed.rules.why import why

TICKER = "KXBTCD-26OCT0117-T84999.99"
ASSET = "71321045679252212594626385532706912750332728571942532289631379312455583992563"
NOW_NS = 1_790_000_000_000_000_000
MS = 1_000_000

pair = Pair(
    "BTC above 85k",
    leg=(
        PairLeg(
            venue="kalshi",
            symbol=TICKER,
            outcome="yes",
            polarity="same",
            oracle="CF Benchmarks BRTI, mean of 60 s",
            strike="84999.99",
            cut_off="2026-10-01T21:00:00Z",
        ),
        PairLeg(
            venue="polymarket",
            symbol=ASSET,
            outcome="Yes",
            polarity="same",
            oracle="Chainlink BTC/USD",
            strike="85000",
            cut_off="2026-10-01T21:00:00Z",
        ),
    ),
    min_edge="0.005",
)
for difference in pair.basis():
    print("basis, not the same contract:", difference)

engine = Engine(paper_latency_ns=250 * MS)
rule = pair.rule()
number = engine.add_rule(rule.kind, rule.params)
engine.subscribe(
    "kalshi", TICKER, 0, NOW_NS, market=TICKER, outcome="Yes", fee="kalshi:quadratic;1;non_direct"
)
engine.subscribe(
    "polymarket", ASSET, 1, NOW_NS, market="0x5f65", outcome="Yes", fee="polymarket:0.07;1"
)
engine.connected(0, "kalshi", NOW_NS)
engine.connected(1, "polymarket", NOW_NS)


def kalshi(kind: str, seq: int, **body: object) -> bytes:
    """A message of Kalshi's stream of books; every book consists of bids, for Yes and for No."""
    about = {"market_ticker": TICKER, "market_id": "5b1c1a36-0f0e-4a55-9d0e-0f3b7c1d2e3f"}
    return json.dumps({"type": kind, "sid": 1, "seq": seq, "msg": about | body}).encode()


def kalshi_delta(seq: int, price: str, delta: str, ts_ns: int) -> bytes:
    """So much more, or less, is bid for No."""
    change = {"price_dollars": price, "delta_fp": delta, "side": "no", "ts_ms": ts_ns // MS}
    return kalshi("orderbook_delta", seq, **change)


def polymarket_book(bid: str, ask: str, ts_ns: int) -> bytes:
    """A snapshot with one level on each side."""
    about = {"event_type": "book", "market": "0x5f65", "asset_id": ASSET}
    levels = {"bids": [{"price": bid, "size": "75"}], "asks": [{"price": ask, "size": "300"}]}
    return json.dumps(about | {"timestamp": str(ts_ns // MS)} | levels).encode()


snapshot = {"yes_dollars_fp": [["0.2800", "200.00"]], "no_dollars_fp": [["0.7000", "20.00"]]}
engine.ingest(0, kalshi("orderbook_snapshot", 1, **snapshot), NOW_NS)
engine.ingest(0, kalshi_delta(2, "0.7000", "100.00", NOW_NS), NOW_NS)
# The two sides have to be seen to agree, at different prices, before the pair is spoken of.
for cents in (29, 30, 31, 37):
    book = polymarket_book(f"0.{cents}", f"0.{cents + 2}", NOW_NS)
    engine.ingest(1, book, NOW_NS + MS)
# And both venues have to be heard of again: the price of one may be old news.
engine.ingest(1, polymarket_book("0.37", "0.39", NOW_NS + 10 * MS), NOW_NS + 10 * MS)
engine.ingest(0, kalshi_delta(3, "0.6000", "5.00", NOW_NS + 10 * MS), NOW_NS + 11 * MS)
# By the time an order can have arrived, most of it is gone.
later = NOW_NS + 200 * MS
engine.ingest(0, kalshi_delta(4, "0.7000", "-90.00", later), later)
engine.advance(NOW_NS + 300 * MS)

for signal in records.signals(engine.drain(), {0: TICKER, 1: "polymarket"}):
    print(pair.name, signal.phase, signal.qty, "net", signal.net_edge, "maker", signal.maker_edge)
    for leg in signal.legs:
        print(" ", leg.side, leg.view.upper(), leg.symbol, leg.qty, "@", leg.avg_price, leg.fee)
for fill in engine.paper_fills():
    print("on paper:", fill.captured_e8 / 1e8, "of", fill.qty_e8 / 1e8)
for refused in why(engine, {number: rule}):
    print(refused.name, refused.reason, refused.count, refused.text)
