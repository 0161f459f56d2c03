"""Polymarket's messages, printed as the venue prints them: key order, spacing, book hash.

Raw WebSocket text puts ``", "`` between members and nothing after a colon; REST bodies and the
text that is hashed are compact. Sizes and prices are printed in their shortest form, the last
trade price with at least three decimals. Nothing here decides what happens in a market.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from bookfeed.sim.polymarket.ladder import PIPS, PRICE_TEXT, Ladder, size_text

MessageKind = Literal[
    "book",
    "price_change",
    "last_trade_price",
    "best_bid_ask",
    "tick_size_change",
    "new_market",
    "market_resolved",
]

CUSTOM_KINDS: Final = frozenset({"best_bid_ask", "new_market", "market_resolved"})
"""Messages sent only to connections that asked for the custom features."""

_LTP_DECIMALS_MIN: Final = 3


class Change(NamedTuple):
    """One level of one asset's book set to an absolute size (0 removes it)."""

    asset: "Asset"
    is_bid: bool
    price: int
    """Pips, in the asset's own terms."""
    size: int
    """1e-6 share."""


class Levels(NamedTuple):
    """A whole book of one asset: price in pips to size in 1e-6 share."""

    asset: "Asset"
    bids: dict[int, int]
    asks: dict[int, int]


@dataclass(slots=True)
class Terms:
    """What enters every book hash of a market besides its levels."""

    min_order_size: str
    tick: int
    """Tick size in pips."""
    neg_risk: bool
    last_trade_price: str = ""
    """One string for both outcomes, in whichever outcome's price the trade was printed."""

    @property
    def hash_tail(self) -> str:
        """The members of a REST book that follow its levels, compact."""
        return (
            f'"min_order_size":"{self.min_order_size}","tick_size":"{PRICE_TEXT[self.tick]}",'
            f'"neg_risk":{"true" if self.neg_risk else "false"},'
            f'"last_trade_price":"{self.last_trade_price}"}}'
        )


class Asset:
    """One outcome token: its identity, the ladders it shows, and its newest stamp and hash."""

    __slots__ = ("_hash_head", "_tail", "asks", "asset_id", "bids", "bit", "entry_head", "hash",
                 "hashed", "index", "market_id", "shown_touch", "ts_ms")  # fmt: skip

    def __init__(self, market_id: str, asset_id: str, index: int, bids: Ladder, asks: Ladder):
        self.market_id = market_id
        self.asset_id = asset_id
        self.index = index
        """0 for the first outcome of the market, 1 for the second."""
        self.bit = 1 << index
        self.bids = bids
        self.asks = asks
        """The ladder of the other outcome's bids, read as this one's asks."""
        self.ts_ms = 0
        self.hash = ""
        self.hashed = b""
        """The text that ``hash`` is of; nothing where it is of none."""
        self.shown_touch = (-1, -1)
        """The touch the last ``best_bid_ask`` told."""
        self._hash_head = f'{{"market":"{market_id}","asset_id":"{asset_id}","timestamp":"'
        self._tail = ""
        self.entry_head = f'{{"asset_id":"{asset_id}", "price":"'
        """How the asset's entries in a ``price_change`` begin."""

    @property
    def best_bid(self) -> int:
        """Pips; 0 when there is no bid, as the venue prints it."""
        return self.bids.best

    @property
    def best_ask(self) -> int:
        """Pips; 10,000 (a price of 1) when there is no ask, as the venue prints it."""
        return PIPS - self.asks.best

    def rest_text(self, ts_ms: int, hash_value: str = "") -> str:
        """The book as REST prints it; with an empty hash, the very text that is hashed."""
        return (
            f'{self._hash_head}{ts_ms}","hash":"{hash_value}",'
            f'"bids":[{self.bids.bid_text}],"asks":[{self.asks.ask_text}],{self._tail}'
        )

    def set_terms(self, terms: Terms) -> None:
        """Takes over the market's present terms for the hashes to come."""
        self._tail = terms.hash_tail

    def stamp(self, ts_ms: int, hash_value: str | None = None) -> str:
        """Dates the book's newest state, and hashes it unless told what to call the hash."""
        text = b""
        if hash_value is None:
            text = self.rest_text(ts_ms).encode()
            hash_value = hashlib.sha1(text, usedforsecurity=False).hexdigest()
        self.ts_ms = ts_ms
        self.hash, self.hashed = hash_value, text
        return hash_value

    def levels(self) -> Levels:
        """A copy of the book as it stands."""
        bids, asks = self.bids.levels(), self.asks.levels()
        return Levels(self, bids, {PIPS - price: size for price, size in asks.items()})


def book_hash(text: str | bytes) -> str:
    """Hashes a compact REST book whose ``hash`` member is empty.

    The caller vouches for key order and printed numbers; this is SHA-1 and nothing else.
    """
    data = text.encode() if isinstance(text, str) else text
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def last_trade_text(price: int) -> str:
    """Prints a last trade price (pips) as books do: at least three decimals."""
    whole, _, part = PRICE_TEXT[price].partition(".")
    return f"{whole}.{part:0<{_LTP_DECIMALS_MIN}}"


def _spaced(levels: str) -> str:
    return levels.replace('","size"', '", "size"').replace("},{", "}, {")


class Message:
    """One message of the venue, before anyone's subscription or any fault has touched it.

    ``mask`` has one bit per outcome it speaks of; 0 means it is broadcast. ``change`` says
    what a receiver of the message must do to its books. ``torn`` marks a message after which a
    receiver's books lag behind the venue's until the rest of its batch has arrived. ``hashed``
    has what each of its hashes is of.
    """

    __slots__ = ("_data", "change", "custom", "entries", "hashed", "head", "kind", "market", "mask",
                 "tail", "torn", "ts_ms")  # fmt: skip

    def __init__(
        self,
        kind: MessageKind,
        market: int,
        ts_ms: int,
        mask: int,
        data: str = "",
        *,
        change: Sequence[Change] | Levels = (),
        torn: bool = False,
    ) -> None:
        self.kind = kind
        self.market = market
        self.ts_ms = ts_ms
        self.mask = mask
        self.change = change
        self.torn = torn
        self.custom = kind in CUSTOM_KINDS
        self.head = self.tail = ""
        self.entries: tuple[tuple[int, str], ...] = ()
        self.hashed: dict[str, bytes] = {}
        self._data = data.encode() if data else b""

    def text(self, mask: int, *, reverse: bool = False) -> bytes:
        """The message as a frame for a receiver of the outcomes in ``mask``.

        A ``price_change`` keeps only the entries of those outcomes; ``reverse`` turns their
        order round, as duplicates of the venue sometimes do.
        """
        if not self.entries:
            return self._data
        chosen = [entry for bit, entry in self.entries if bit & mask]
        if reverse:
            chosen.reverse()
        return f"{self.head}{', '.join(chosen)}{self.tail}".encode()


def price_change(
    market: int, market_id: str, ts_ms: int, changes: Sequence[Change], *, torn: bool = False
) -> Message:
    """Prints ``changes``, each asset with the hash and touch it was last stamped with."""
    mask = 0
    entries = []
    for change in changes:
        asset = change.asset
        mask |= asset.bit
        entries.append(
            (
                asset.bit,
                f'{asset.entry_head}{PRICE_TEXT[change.price]}", '
                f'"size":"{size_text(change.size)}", "side":"{"BUY" if change.is_bid else "SELL"}"'
                f', "hash":"{asset.hash}", "best_bid":"{PRICE_TEXT[asset.bids.best]}", '
                f'"best_ask":"{PRICE_TEXT[PIPS - asset.asks.best]}"}}',
            )
        )
    message = Message("price_change", market, ts_ms, mask, change=changes, torn=torn)
    message.head = f'{{"market":"{market_id}", "price_changes":['
    message.entries = tuple(entries)
    message.hashed = {change.asset.hash: change.asset.hashed for change in changes}
    message.tail = f'], "timestamp":"{ts_ms}", "event_type":"price_change"}}'
    return message


def initial_book(asset: Asset, terms: Terms) -> str:
    """One element of the array a new subscription is answered with."""
    return (
        f'{{"market":"{asset.market_id}", "asset_id":"{asset.asset_id}", '
        f'"timestamp":"{asset.ts_ms}", "hash":"{asset.hash}", '
        f'"bids":[{_spaced(asset.bids.bid_text)}], "asks":[{_spaced(asset.asks.ask_text)}], '
        f'"tick_size":"{PRICE_TEXT[terms.tick]}", "event_type":"book", '
        f'"last_trade_price":"{terms.last_trade_price}"}}'
    )


def ghost_book(asset: Asset, terms: Terms, ts_ms: int) -> str:
    """The stale 0.01 / 0.99 book that REST is known to answer with at times; its hash fits it."""
    level = '[{{"price":"{}","size":"1000"}}]'
    head = f'{{"market":"{asset.market_id}","asset_id":"{asset.asset_id}","timestamp":"{ts_ms}",'
    levels = f'"bids":{level.format("0.01")},"asks":{level.format("0.99")},{terms.hash_tail}'
    return f'{head}"hash":"{book_hash(f"""{head}"hash":"",{levels}""")}",{levels}'


def trade_book(market: int, asset: Asset) -> Message:
    """The book sent after a trade: another key order, no tick size, no last trade price."""
    data = (
        f'{{"market":"{asset.market_id}", "asset_id":"{asset.asset_id}", '
        f'"bids":[{_spaced(asset.bids.bid_text)}], "asks":[{_spaced(asset.asks.ask_text)}], '
        f'"hash":"{asset.hash}", "timestamp":"{asset.ts_ms}", "event_type":"book"}}'
    )
    message = Message("book", market, asset.ts_ms, asset.bit, data, change=asset.levels())
    message.hashed = {asset.hash: asset.hashed}
    return message


def last_trade_price(
    market: int, asset: Asset, ts_ms: int, *, price: int, size: int, side: str, tx: int
) -> Message:
    """The print of a trade; ``price`` in pips, ``size`` in 1e-6 share, ``side`` the taker's."""
    data = (
        f'{{"market":"{asset.market_id}", "asset_id":"{asset.asset_id}", '
        f'"price":"{PRICE_TEXT[price]}", "size":"{size_text(size)}", "fee_rate_bps":"0", '
        f'"side":"{side}", "timestamp":"{ts_ms}", "event_type":"last_trade_price", '
        f'"transaction_hash":"0x{tx:064x}"}}'
    )
    return Message("last_trade_price", market, ts_ms, asset.bit, data)


def best_bid_ask(market: int, asset: Asset, ts_ms: int) -> Message:
    """The touch of an asset, sent when it moves."""
    bid, ask = asset.best_bid, asset.best_ask
    data = (
        f'{{"market":"{asset.market_id}", "asset_id":"{asset.asset_id}", '
        f'"best_bid":"{PRICE_TEXT[bid]}", "best_ask":"{PRICE_TEXT[ask]}", '
        f'"spread":"{PRICE_TEXT[ask - bid]}", "timestamp":"{ts_ms}", '
        f'"event_type":"best_bid_ask"}}'
    )
    return Message("best_bid_ask", market, ts_ms, asset.bit, data)


def tick_size_change(market: int, asset: Asset, ts_ms: int, *, old: int, new: int) -> Message:
    """A change of grid; ``old`` and ``new`` tick sizes in pips."""
    data = (
        f'{{"market":"{asset.market_id}", "asset_id":"{asset.asset_id}", '
        f'"old_tick_size":"{PRICE_TEXT[old]}", "new_tick_size":"{PRICE_TEXT[new]}", '
        f'"timestamp":"{ts_ms}", "event_type":"tick_size_change"}}'
    )
    return Message("tick_size_change", market, ts_ms, asset.bit, data)


def market_resolved(
    market: int, assets: Sequence[Asset], names: Sequence[str], ts_ms: int, winner: int
) -> Message:
    """The end of a market, asset ``winner`` (0 or 1) paying out."""
    body = {
        "id": str(1_000_000 + market),
        "market": assets[0].market_id,
        "assets_ids": [asset.asset_id for asset in assets],
        "winning_asset_id": assets[winner].asset_id,
        "winning_outcome": names[winner],
        "timestamp": str(ts_ms),
        "tags": ["simulated"],
        "event_type": "market_resolved",
    }
    return Message("market_resolved", market, ts_ms, 3, _dump(body))


def new_market(
    serial: int, market_id: str, asset_ids: Sequence[str], question: str, ts_ms: int
) -> Message:
    """The announcement of a market that this simulator does not otherwise serve."""
    slug = f"simulated-market-{serial}"
    text = f'Resolves to "Yes" or "No" as chance decides; number {serial}.'
    body = {
        "id": str(2_000_000 + serial),
        "question": question,
        "market": market_id,
        "slug": slug,
        "description": text,
        "assets_ids": list(asset_ids),
        "outcomes": ["Yes", "No"],
        "event_message": {
            "id": str(3_000_000 + serial),
            "ticker": slug,
            "slug": slug,
            "title": question,
            "description": text,
        },
        "timestamp": str(ts_ms),
        "event_type": "new_market",
        "tags": ["simulated"],
        "condition_id": market_id,
        "active": True,
        "clob_token_ids": list(asset_ids),
        "sports_market_type": "",
        "line": "",
        "game_start_time": "",
        "order_price_min_tick_size": "0.01",
        "group_item_title": "",
    }
    return Message("new_market", -1, ts_ms, 0, _dump(body))


def _dump(body: Mapping[str, object]) -> str:
    return json.dumps(body, separators=(", ", ":"))
