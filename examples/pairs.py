"""One event on two venues: a pair stated by hand, its box as a signal, and what was refused.

The two contracts are decided by different oracles at different strikes, so the pair says that it
is a basis, not the same contract. The frames are invented; there is no network and no clock. What
it prints stands at its end.
"""

import json

from bookfeed import Engine, FeeSchedule, KalshiFee, Market, Names, Outcome, Pair, PairLeg, records
from bookfeed.rules.why import why

TICKER = "KXBTCD-26OCT0117-T84999.99"
ASSET = "71321045679252212594626385532706912750332728571942532289631379312455583992563"
NOW_NS = 1_790_000_000_000_000_000
MS = 1_000_000

MARKETS = (
    Market(TICKER, (Outcome("yes", TICKER),), venue="kalshi", fee=KalshiFee("quadratic")),
    Market("0x5f65", (Outcome("Yes", ASSET),), fee=FeeSchedule("0.07")),
)

pair = Pair(
    "BTC above 85k",
    leg=(
        PairLeg(
            venue="kalshi",
            symbol=TICKER,
            outcome="yes",
            polarity="same",
            oracle="CF Benchmarks BRTI",
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
    print("basis:", difference)

engine = Engine(paper_latency_s=0.25)
rule = pair.rule()
number = engine.add_rule(rule.kind, rule.params)
names = Names()
names.learn_rule(number, pair.name)
for conn, market in enumerate(MARKETS):
    engine.connected(conn, market.venue, NOW_NS)
    for outcome, instrument in zip(
        market.outcomes, engine.subscribe(market, conn, NOW_NS).values(), strict=True
    ):
        names.learn(
            instrument,
            venue=market.venue,
            symbol=outcome.symbol,
            market=market.market,
            outcome=outcome.name,
            title=pair.name,
        )


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


# Kalshi asks 0.30 for Yes: one dollar less the 0.70 that are bid for No.
snapshot = {"yes_dollars_fp": [["0.2800", "200.00"]], "no_dollars_fp": [["0.7000", "120.00"]]}
engine.ingest(0, kalshi("orderbook_snapshot", 1, **snapshot), NOW_NS)
# Two prices are compared only after they have been seen to agree, again and again. Then Polymarket
# moves up: it bids 0.37 for Yes, so No costs 0.63 there, and Yes 0.30 on Kalshi.
now = NOW_NS
for seq, cents in enumerate((29, 30, 31, 37), 2):
    now = NOW_NS + seq * 110 * MS
    engine.ingest(0, kalshi_delta(seq, "0.6000", "5.00", now), now)
    engine.ingest(1, polymarket_book(f"0.{cents}", f"0.{cents + 2}", now + MS), now + MS)
# Kalshi has to be heard of again before it counts: its price might have been old news.
now += 10 * MS
engine.ingest(0, kalshi_delta(6, "0.6000", "5.00", now), now)
# By the time an order can have arrived, most of it is gone.
now += 200 * MS
engine.ingest(0, kalshi_delta(7, "0.7000", "-90.00", now), now)
engine.advance(now + 100 * MS)

for signal in records.signals(engine.drain(), names):
    print(f"{signal.name}: {signal.phase}, {signal.qty:g} shares, net ${signal.net_total:.4f}")
    for leg in signal.legs:
        print(f"  {leg.side} {leg.outcome} on {leg.venue} at {leg.avg_price}, fee ${leg.fee:.4f}")
for fill in engine.paper_fills():
    print("on paper:", fill.captured_e8 / 1e8, "of", fill.qty_e8 / 1e8)
for refused in why(engine, {number: rule}):
    print(refused.name, refused.reason, refused.count, refused.text)

# It prints:
#
#     basis: oracle "CF Benchmarks BRTI" (kalshi), "Chainlink BTC/USD" (polymarket)
#     basis: strike "84999.99" (kalshi), "85000" (polymarket)
#     BTC above 85k: open, 75 shares, net $2.9162
#       buy yes on kalshi at 0.3, fee $1.1100
#       buy No on polymarket at 0.63, fee $1.2238
#     BTC above 85k: update, 30 shares, net $1.1605
#       buy yes on kalshi at 0.3, fee $0.4500
#       buy No on polymarket at 0.63, fee $0.4895
#     on paper: 30.0 of 75.0
#     BTC above 85k fees 2 fees eat the edge (min_edge)
#     BTC above 85k unconfirmed 1 a leg has not been heard of again yet (confirm)
