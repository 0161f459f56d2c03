"""The engine alone: venue frames in, a book and fixed-width records out. No network, no clock."""

import json

from bookfeed import Engine, records

YES = "71321045679252212594626385532706912750332728571942532289631379312455583992563"
NOW_NS = 1_790_000_000_000_000_000

engine = Engine()
engine.add_rule("spread", {"open": "0.02"})
instrument = engine.subscribe("polymarket", YES, conn=0, ts=NOW_NS, market="0x5f65", outcome="Yes")
book = engine.book(instrument)
print(book.state, book.cause, book.bid)  # syncing subscribed None

snapshot = {
    "event_type": "book",
    "market": "0x5f65",
    "asset_id": YES,
    "timestamp": "1790000000000",
    "bids": [{"price": "0.43", "size": "120"}, {"price": "0.44", "size": "13.37"}],
    "asks": [{"price": "0.48", "size": "500"}, {"price": "0.47", "size": "25"}],
}
engine.ingest(0, json.dumps(snapshot).encode(), NOW_NS)
print(book.state, book.cause, book.bid, book.ask)  # live snapshot 0.44 0.47

fill = book.sweep("buy", "100")
if fill is not None:
    print(fill.avg_price, fill.worst_price, fill.complete)  # 0.4775 0.48 True
print(book.levels("bid"))  # a numpy array of price and size, best first

# A frame cut short: nothing it may have been about can be believed any more.
engine.ingest(0, b'{"event_type":"price_change","market":"0x5f65","price_cha', NOW_NS + 1)
print(book.state, book.cause, book.bid, engine.last_error())

batch = engine.drain(ts_emit=NOW_NS + 2)
for update in records.updates(batch):
    print(update.seq, update.kind, update.state, update.cause, update.bid_e9)
for signal in records.signals(batch):
    print(signal.rule, signal.phase, signal.reason, signal.value)
