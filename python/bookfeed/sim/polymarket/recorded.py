"""A recording of Polymarket's market channel, served as the venue speaks.

Frames go out byte for byte. What of an array concerns nobody here is left out of it, and so are
changes of a book that the client was told before and that may not be believed now. A whole book is
the recorded one if it came in that very frame, else it is printed from its levels, with the hash
that the venue's own rule gives for it.
"""

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from picows import WSUpgradeRequest

from bookfeed.sim.polymarket.connection import SNAPSHOT_ASSETS_MAX, ChannelPeer
from bookfeed.sim.polymarket.ladder import PIPS
from bookfeed.sim.polymarket.market import MarketSpec
from bookfeed.sim.polymarket.wire import CUSTOM_KINDS, Message, book_hash
from bookfeed.sim.recorded import Listed, Past, RecordedConfig, RecordedPeer, RecordedServer, Step
from bookfeed.sim.server import NS_PER_MS, TRADES_MAX, RestService

WS_PATH: Final = "/ws/market"
_BOOK_KINDS: Final = frozenset({"book", "price_change", "best_bid_ask"})
_MOS: Final = "5"
"""The smallest order of most markets, for a book of which the recording does not say it."""
_E9: Final = 10**9
_E8: Final = 10**8
_DECODER: Final = json.JSONDecoder()


class Element(NamedTuple):
    """One message of a frame."""

    text: str
    body: dict[str, Any]
    kind: str
    assets: tuple[str, ...]
    """The assets it speaks of; none, if it is for everybody."""


def read(frame: bytes) -> list[Element]:
    """The messages of a frame, in order; none of one that is no JSON, such as ``PONG``."""
    try:
        text = frame.decode().strip()
        if not text.startswith("["):
            body = json.loads(text)
            return [_element(text, body)] if isinstance(body, dict) else []
        found, at = [], 1
        while text[(at := _skipped(text, at))] != "]":
            body, end = _DECODER.raw_decode(text, at)
            if isinstance(body, dict):
                found.append(_element(text[at:end], body))
            at = end
    except (ValueError, IndexError, RecursionError):
        return []
    return found


def _skipped(text: str, at: int) -> int:
    while text[at] in " ,\t\r\n":
        at += 1
    return at


def _element(text: str, body: dict[str, Any]) -> Element:
    kind = str(body.get("event_type", ""))
    named: list[object] = []
    if kind != "new_market":
        changes = body.get("price_changes")
        entries = changes if isinstance(changes, list) else []
        many = body.get("assets_ids")
        named = [one.get("asset_id") for one in entries if isinstance(one, dict)]
        named += [body.get("asset_id"), *(many if isinstance(many, list) else [])]
    assets = dict.fromkeys(one for one in named if isinstance(one, str))
    return Element(text, body, kind, tuple(assets))


class _Told:
    """What the venue has told of an asset beside its levels."""

    __slots__ = ("hash", "last_trade_price", "market")

    def __init__(self) -> None:
        self.market = ""
        self.hash = ""
        """Of its newest book."""
        self.last_trade_price = ""


class Client(ChannelPeer, RecordedPeer):
    """The server's end of one connection."""

    def __init__(self, server: "RecordedPolymarket") -> None:
        super().__init__(server)
        self.server = server

    def follows(self) -> Iterable[str]:
        """See ``RecordedPeer``."""
        return self.subscribed

    def _added(self, fresh: Sequence[str], *, dump: bool) -> None:
        server = self.server
        books = [asset for asset in fresh if server.stands(asset) is not None]
        self.has.update(books)
        if dump and len(self.subscribed) <= SNAPSHOT_ASSETS_MAX and books:
            server.books_sent += len(books)
            self._say(f"[{', '.join(map(server.book_text, books))}]".encode())

    def _changed(self) -> None:
        self.has.intersection_update(self.subscribed)
        self.server.joined(self)

    def tell(self, text: bytes) -> None:
        """Queues a frame."""
        self._queue(text)

    def part_of(self, element: Element, news: frozenset[str] | None) -> str | None:
        """What of a message is for this client; ``None`` if nothing is."""
        if element.kind in CUSTOM_KINDS and not self.custom:
            return None
        mine = [asset for asset in element.assets if asset in self.subscribed]
        if not element.assets:
            return element.text if self.custom else None
        if element.kind not in _BOOK_KINDS:
            return element.text if mine else None
        known = [asset for asset in mine if asset in self.has]
        if not known or (news is not None and news.isdisjoint(known)):
            return None
        if len(known) == len(mine) or len(element.assets) == 1:
            return element.text
        return _without(element.body, frozenset(mine) - frozenset(known))


def _without(body: Mapping[str, Any], assets: frozenset[str]) -> str:
    """A ``price_change`` without its entries of some assets, spaced as the venue does."""
    entries = [one for one in body["price_changes"] if one.get("asset_id") not in assets]
    return json.dumps({**body, "price_changes": entries}, separators=(", ", ":"))


class RecordedPolymarket(RecordedServer[Client]):
    """Serves what was recorded of Polymarket; the book calls of its REST side, too."""

    VENUE = "polymarket"
    WS_PATH = WS_PATH

    def __init__(self, config: RecordedConfig, past: Past, listed: Sequence[Listed]) -> None:
        super().__init__(config, past, listed)
        self._of = {one.symbol: one for one in listed}
        self._told: dict[str, _Told] = {}
        self._whole: dict[str, Element] = {}
        """Whole books that came in the frame of this step, by asset."""
        self._trades: deque[Message] = deque(maxlen=TRADES_MAX)
        self._markets = _markets(listed)

    def ready(self) -> dict[str, Any]:
        """See ``RecordedServer``."""
        markets: dict[str, dict[str, Any]] = {}
        for one in self._listed:
            market = markets.setdefault(
                one.market or one.symbol,
                {
                    "market": one.market,
                    "outcomes": [],
                    "tick_size": one.tick_size,
                    "min_order_size": one.min_order_size,
                    "neg_risk": _neg_risk(one),
                    "fee": one.fee,
                },
            )
            market["outcomes"].append({"name": one.outcome, "asset": one.symbol})
        return {
            "venue": self.VENUE,
            "ws": self.url,
            "rest": self.rest_url,
            "markets": list(markets.values()),
        }

    def _accept(self, request: WSUpgradeRequest) -> Client | None:
        return Client(self) if request.path.split(b"?")[0] == WS_PATH.encode() else None

    # frames

    def take(self, step: Step) -> None:
        """See ``RecordedServer``."""
        self._whole = {}
        super().take(step)

    def _carry(self, step: Step, frame: bytes) -> int:
        elements = read(frame)
        for element in elements:
            self._note(element)
        is_array = frame.lstrip()[:1] == b"["
        sent = 0
        for client in self._hearing(elements):
            parts = [client.part_of(element, step.news) for element in elements]
            mine = [part for part in parts if part is not None]
            if not mine or not client.open:
                continue
            if all(part == each.text for part, each in zip(parts, elements, strict=True)):
                client.tell(frame)
            else:
                text = ", ".join(mine)
                client.tell((f"[{text}]" if is_array else text).encode())
            sent += 1
        return sent

    def _hearing(self, elements: Sequence[Element]) -> list[Client]:
        if any(not element.assets for element in elements):
            return list(self._clients.values())
        named = {asset for element in elements for asset in element.assets}
        found = {one.conn: one for asset in named for one in self._audience.get(asset, ())}
        return [found[conn] for conn in sorted(found)]

    def _note(self, element: Element) -> None:
        """Keeps what a book is printed with besides its levels."""
        body = element.body
        for asset in element.assets:
            told = self._told.setdefault(asset, _Told())
            told.market = str(body.get("market") or told.market)
        match element.kind:
            case "book":
                told = self._told.setdefault(str(body.get("asset_id")), _Told())
                told.hash = str(body.get("hash", ""))
                told.last_trade_price = str(body.get("last_trade_price") or told.last_trade_price)
                self._whole[str(body.get("asset_id"))] = element
            case "price_change":
                for entry in body.get("price_changes", ()):
                    if isinstance(entry, dict) and entry.get("asset_id") in self._told:
                        self._told[entry["asset_id"]].hash = str(entry.get("hash", ""))
            case "last_trade_price" if element.assets:
                self._told[element.assets[0]].last_trade_price = str(body.get("price", ""))
                stamp = str(body.get("timestamp", ""))
                ts_ms = int(stamp) if stamp.isdecimal() else 0
                self._trades.append(Message("last_trade_price", 0, ts_ms, 1, element.text))

    # whole books

    def _tell_whole(self, client: Client, symbol: str) -> None:
        client.has.add(symbol)
        self.books_sent += 1
        came = self._whole.get(symbol)
        as_it_came = came is not None and self._stands_so(symbol, came.body)
        text = came.text if came is not None and as_it_came else self.book_text(symbol)
        client.tell(f"[{text}]".encode())

    def _stands_so(self, asset: str, body: Mapping[str, Any]) -> bool:
        """Whether a whole book that came is the one that is believed."""
        book = self.stands(asset)
        if book is None:
            return False
        stand = (book.bids, book.asks)
        try:
            return all(
                {Decimal(one["price"]): Decimal(one["size"]) for one in body[side]}
                == {Decimal(price) / _E9: Decimal(qty) / _E8 for price, qty in levels}
                for side, levels in zip(("bids", "asks"), stand, strict=True)
            )
        except (TypeError, KeyError, ArithmeticError):
            return False

    def book_text(self, asset: str) -> str:
        """A book as a new subscription is told it; ``KeyError`` if it may not be believed."""
        parts = self._parts(asset)
        levels = {side: f"[{', '.join(parts[side])}]" for side in ("bids", "asks")}
        return (
            f'{{"market":"{parts["market"]}", "asset_id":"{asset}", '
            f'"timestamp":"{parts["timestamp"]}", "hash":"{parts["hash"]}", '
            f'"bids":{levels["bids"]}, "asks":{levels["asks"]}, '
            f'"tick_size":"{parts["tick_size"]}", "event_type":"book", '
            f'"last_trade_price":"{parts["last_trade_price"]}"}}'
        )

    def rest_text(self, asset: str) -> str:
        """A book as REST tells it, which is what its hash is of."""
        parts = self._parts(asset)
        return _canonical(asset, parts, parts["last_trade_price"], parts["hash"])

    def _parts(self, asset: str) -> dict[str, Any]:
        book = self.stands(asset)
        if book is None:
            raise KeyError(asset)
        listed, told = self._of.get(asset), self._told.get(asset, _Told())
        tick_e9 = book.tick_size_e9
        parts = {
            "market": told.market or (listed.market if listed else ""),
            "timestamp": str((book.ts_event or self._past.now_ns) // NS_PER_MS),
            # Both ascend to the best, which is the last.
            "bids": [_level(*level) for level in reversed(book.bids)],
            "asks": [_level(*level) for level in reversed(book.asks)],
            "tick_size": _text(tick_e9, 9) if tick_e9 else (listed.tick_size if listed else ""),
            "min_order_size": (listed.min_order_size if listed else "") or _MOS,
            "neg_risk": "true" if listed and _neg_risk(listed) else "false",
        }
        for last in self._last_prices(asset, told):
            if book_hash(_canonical(asset, parts, last, "")) == told.hash:
                return parts | {"last_trade_price": last, "hash": told.hash}
        last = _padded(told.last_trade_price)
        return parts | {
            "last_trade_price": last,
            "hash": book_hash(_canonical(asset, parts, last, "")),
        }

    def _last_prices(self, asset: str, told: _Told) -> Iterable[str]:
        """What the venue may have hashed as the last trade price: it prints a trade for one outcome
        only, in the price of either, and in books with three decimals or more.
        """
        others = [one.last_trade_price for name, one in self._told.items()
                  if one.market == told.market and name != asset]  # fmt: skip
        return dict.fromkeys(map(_padded, (told.last_trade_price, *others, "")))

    # REST

    def _make_rest(self) -> RestService:
        from bookfeed.sim.polymarket.rest import RestServer

        return RestServer(
            self.rest_text, self._markets, (), self._trades,
            touch=self._touch, ghost_text=self.rest_text,
        )  # fmt: skip

    def _touch(self, asset: str) -> tuple[str, str]:
        book = self.stands(asset)
        if book is None:
            raise KeyError(asset)
        bid = _text(book.bids[0][0], 9) if book.bids else "0"
        return bid, _text(book.asks[0][0], 9) if book.asks else "1"


def served(config: RecordedConfig, past: Past, listed: Sequence[Listed]) -> RecordedPolymarket:
    """The server of a recording."""
    return RecordedPolymarket(config, past, listed)


def _canonical(asset: str, parts: Mapping[str, Any], last: str, digest: str) -> str:
    return (
        f'{{"market":"{parts["market"]}","asset_id":"{asset}",'
        f'"timestamp":"{parts["timestamp"]}","hash":"{digest}",'
        f'"bids":[{",".join(parts["bids"])}],"asks":[{",".join(parts["asks"])}],'
        f'"min_order_size":"{parts["min_order_size"]}","tick_size":"{parts["tick_size"]}",'
        f'"neg_risk":{parts["neg_risk"]},"last_trade_price":"{last}"}}'
    )


def _level(price_e9: int, qty_e8: int) -> str:
    return f'{{"price":"{_text(price_e9, 9)}","size":"{_text(qty_e8, 8)}"}}'


def _text(value: int, decimals: int) -> str:
    """The shortest decimal text of a scaled integer."""
    whole, part = divmod(value, 10**decimals)
    return f"{whole}.{part:0{decimals}d}".rstrip("0") if part else str(whole)


def _padded(price: str) -> str:
    """A last trade price as books print it."""
    whole, point, part = price.partition(".")
    return f"{whole}.{part:0<3}" if point else price


def _neg_risk(listed: Listed) -> bool:
    return "neg_risk=true" in listed.hints


def _markets(listed: Sequence[Listed]) -> dict[str, MarketSpec]:
    """What REST says of the markets of which both outcomes were recorded, by condition id."""
    sides: dict[str, list[Listed]] = {}
    for one in listed:
        if one.market:
            sides.setdefault(one.market, []).append(one)
    found = {}
    for index, (market, both) in enumerate(sides.items()):
        if len(both) != 2:
            continue
        first, second = both
        rate, _, exponent = first.fee.partition(":")[2].partition(";")
        tick = round(float(first.tick_size or 0.01) * PIPS)
        found[market] = MarketSpec(
            index, market, (first.symbol, second.symbol), "", (first.outcome, second.outcome),
            tick=tick, min_order_size=first.min_order_size or _MOS, neg_risk=_neg_risk(first),
            fee_rate=rate or "0", fee_exponent=int(exponent or 1),
        )  # fmt: skip
    return found
