"""Polymarket's user channel: its messages, and what is asked by REST after every connect.

The secret itself is in the first frame, so that frame is a ``Secret``. Nothing confirms the
subscription: that the answers by REST come is what says that the key is good. The channel neither
repeats what was missed nor numbers its messages.
"""

import base64
import binascii
import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import orjson

from bookfeed.catalogue.fields import Fields, Malformed, parse
from bookfeed.clock import NS_PER_S
from bookfeed.errors import ConfigError
from bookfeed.own.channel import PAGES_MAX, NotYet, Taker, Walk, page, rows, unread
from bookfeed.own.endpoint import OwnEndpoint
from bookfeed.own.events import (
    FillKey,
    FillStatus,
    OrderStatus,
    OwnFill,
    OwnOrder,
    Side,
    Source,
)
from bookfeed.own.reading import moment, needed, price_e9, size_e8
from bookfeed.own.state import OwnState
from bookfeed.venues.base import RestRequest, Venue, is_loopback
from bookfeed.venues.polymarket import NAME, REST_URL, PolymarketSection, polymarket
from bookfeed.venues.polymarket_keys import KEY_NAMES, ClobCredentials, clob_credentials
from bookfeed.venues.secret import Secret

WS_URL: Final = "wss://ws-subscriptions-clob.polymarket.com/ws/user"
_CURSOR_FIRST: Final = "MA=="
_CURSOR_END: Final = "LTE="
# Trades are asked for from so long before the last time on.
_OVERLAP_NS: Final = 600 * NS_PER_S

_SIDES: Final[dict[str, Side]] = {"BUY": "buy", "SELL": "sell"}
_FILLS: Final[dict[str, FillStatus]] = {
    "MATCHED": "matched",
    "MATCHED_NOT_BROADCASTED": "matched",
    "RETRYING": "retrying",
    "MINED": "mined",
    "CONFIRMED": "confirmed",
    "FAILED": "failed",
}
# UNMATCHED could not be delayed for its match and rests.
_ORDERS: Final[dict[str, OrderStatus]] = {
    "LIVE": "open",
    "UNMATCHED": "open",
    "DELAYED": "delayed",
    "INVALID": "invalid",
}
# What of it is not matched at once is not left in the book.
_IMMEDIATE: Final = ("FOK", "FAK")


class PolymarketChannel:
    """The user channel with one API key, for all of its markets."""

    nets: bool = False
    channels: tuple[str, ...] = ()

    def __init__(self, credentials: ClobCredentials) -> None:
        self._credentials: Final = credentials
        self.unknown: Final[Counter[str]] = Counter()
        """Messages of types that this version does not know, by type."""

    def venue(self) -> Venue:
        """The market channel's heartbeat and no subscription: that is sent as a secret."""
        public = polymarket()
        return Venue(
            name=NAME,
            ws_url=WS_URL,
            rest_url=REST_URL,
            subscription=lambda _symbols: (),
            ping_text=public.ping_text,
            is_pong=public.is_pong,
            hidden=self.secrets,
        )

    def subscription(self) -> tuple[str | Secret, ...]:
        """The one frame; without ``markets`` it is about all of them."""
        key = self._credentials
        auth = {
            "apiKey": key.api_key.reveal(),
            "secret": key.secret.reveal(),
            "passphrase": key.passphrase.reveal(),
        }
        return (Secret(orjson.dumps({"type": "user", "auth": auth}).decode()),)

    def probe(self) -> str | None:
        """None: ``PING`` is answered, and says nothing of the channel."""
        return None

    def secrets(self) -> set[str]:
        """The key, its secret and passphrase, and the address, which says whose they are."""
        return self._credentials.revealed()

    def reconnected(self) -> None:
        """Nothing is numbered."""

    def sign(self, request: RestRequest, path: str, now_ms: int) -> dict[str, str]:
        """The headers of a request that is made with an API key (level 2)."""
        key = self._credentials
        now_s = str(now_ms // 1000)
        body = (request.body or b"").decode()
        return {
            "POLY_ADDRESS": key.address.reveal(),
            "POLY_API_KEY": key.api_key.reveal(),
            "POLY_PASSPHRASE": key.passphrase.reveal(),
            "POLY_TIMESTAMP": now_s,
            "POLY_SIGNATURE": _signature(key.secret, f"{now_s}{request.method}{path}{body}"),
        }

    # Messages.

    def read(self, payload: bytes, ts_recv: int, taker: Taker) -> None:
        """One message or a list of them; what cannot be read is a doubt, and no harm to others."""
        raw = parse(payload)
        for one in raw if isinstance(raw, list) else [raw]:
            self._read(one, ts_recv, taker)

    def _read(self, raw: object, ts_recv: int, taker: Taker) -> None:
        try:
            fields = Fields(raw, "message")
            kind = fields.text("event_type")
            if kind == "order":
                taker.take(self.order(fields, ts_recv, "stream"))
            elif kind == "trade":
                for fill in self.fills(fields, ts_recv, "stream"):
                    taker.take(fill)
            else:
                self.unknown[kind] += 1
        except Malformed as error:
            taker.doubt(f"a message could not be read: {unread(error)}")

    def order(self, fields: Fields, ts_recv: int, source: Source) -> OwnOrder:
        """An order, as a message or an answer has it."""
        qty, filled = size_e8(fields, "original_size"), size_e8(fields, "size_matched") or 0
        detail = fields.text("status").upper().removeprefix("ORDER_STATUS_")
        order_type = fields.text("order_type").upper()
        canceled = fields.text("type").upper() == "CANCELLATION"
        qty = needed(qty, "original_size")
        status = _order_status(detail, canceled, order_type, qty <= filled)
        rests = status in ("open", "unknown", "delayed")
        return OwnOrder(
            venue=NAME,
            market=fields.name("market").lower(),
            symbol=fields.name("asset_id"),
            order_id=fields.name("id"),
            side=_side(fields),
            price_e9=price_e9(fields, "price"),
            qty_e8=qty,
            filled_e8=filled,
            remaining_e8=max(0, qty - filled) if rests else 0,
            status=status,
            detail=detail,
            order_type=order_type,
            client_order_id=None,
            group=None,
            ts_created=moment(fields, "created_at"),
            ts_expires=moment(fields, "expiration"),
            ts_event=moment(fields, "timestamp", "created_at"),
            ts_recv=ts_recv,
            source=source,
        )

    def fills(self, fields: Fields, ts_recv: int, source: Source) -> Iterator[OwnFill]:
        """What of a trade is the user's: as taker, as maker of one order or several, or both."""
        status = _fill_status(fields)
        trade_id, market = fields.name("id"), fields.name("market").lower()
        matched_ns = moment(fields, "match_time", "matchtime", "timestamp")
        transaction = fields.text("transaction_hash") or None
        role = fields.text("trader_side").upper()
        taken = role == "TAKER" or (not role and self._is_own(fields, "owner", "trade_owner"))
        found: list[tuple[Fields, str, str, bool]] = []
        if taken:
            found.append((fields, fields.name("taker_order_id"), "size", False))
        for entry in fields.children("maker_orders"):
            if self._is_own(entry, "owner"):
                found.append((entry, entry.name("order_id"), "matched_amount", True))
        if not found:
            raise Malformed("maker_orders", "name no order of this API key")
        pieces: Counter[str] = Counter()
        for part, order_id, size_key, maker in found:
            yield OwnFill(
                venue=NAME,
                market=market,
                symbol=part.name("asset_id"),
                key=FillKey(trade_id, order_id, pieces[order_id]),
                side=_side(part),
                price_e9=needed(price_e9(part, "price"), "price"),
                qty_e8=needed(size_e8(part, size_key), size_key),
                fee_e9=None,
                maker=maker,
                status=status,
                transaction=transaction,
                post_position_e8=None,
                ts_event=matched_ns,
                ts_recv=ts_recv,
                source=source,
            )
            pieces[order_id] += 1

    def _is_own(self, fields: Fields, *keys: str) -> bool:
        """Whether a part of a trade is the key's; what these fields hold is never shown."""
        own = {text.lower() for text in self._credentials.owners()}
        values = [fields.value(key) for key in (*keys, "maker_address")]
        return any(isinstance(value, str) and value.lower() in own for value in values)

    # REST.

    def walk(self, state: OwnState, taker: Taker, now_ns: Callable[[], int], since_ns: int) -> Walk:
        """Open orders, then trades, then what became of orders that are not open any more."""
        asked_ns = now_ns()
        missing = {order.order_id for order in state.open_orders()}
        for path, key in (("/data/orders", ""), ("/data/trades", _after(state, since_ns))):
            cursor = _CURSOR_FIRST
            for _ in range(PAGES_MAX):
                found = page((yield RestRequest("GET", f"{path}?next_cursor={cursor}{key}")))
                for row in rows(found, "data", taker):
                    missing -= self._take_row(row, path, now_ns(), asked_ns, taker)
                cursor = found.text("next_cursor")
                if not cursor or cursor == _CURSOR_END:
                    break
            else:
                raise NotYet(f"{path} does not end")
        for order_id in sorted(missing):
            request = RestRequest("GET", f"/data/order/{order_id}", answers=frozenset((200, 404)))
            status, body = yield request
            raw: Any = parse(body) if status == 200 else None
            if raw is None:
                raise NotYet(f"order {order_id} is neither listed nor known")
            taker.take(self.order(Fields(raw, "order"), now_ns(), "rest"), asked_ns=asked_ns)

    def _take_row(
        self, row: Fields, path: str, now_ns: int, asked_ns: int, taker: Taker
    ) -> set[str]:
        """Take an order or a trade of a list; returns the order's id, empty for a trade."""
        try:
            if path == "/data/trades":
                for fill in self.fills(row, now_ns, "rest"):
                    taker.take(fill, asked_ns=asked_ns)
                return set()
            order = self.order(row, now_ns, "rest")
            taker.take(order, asked_ns=asked_ns)
            return {order.order_id}
        except Malformed as error:
            taker.doubt(f"an answer could not be read: {unread(error)}")
            return set()


def _after(state: OwnState, since_ns: int) -> str:
    """The parameter that leaves out trades of which nothing more is to be heard."""
    oldest_ns = state.unsettled_since_ns
    from_ns = since_ns - _OVERLAP_NS
    if oldest_ns is not None:
        from_ns = min(from_ns, oldest_ns - NS_PER_S)
    return f"&after={from_ns // NS_PER_S}" if since_ns and from_ns > 0 else ""


def _side(fields: Fields) -> Side:
    side = _SIDES.get(fields.text("side").upper())
    if side is None:
        raise Malformed("side", f"should be BUY or SELL, not {fields.text('side')[:20]!r}")
    return side


def _fill_status(fields: Fields) -> FillStatus:
    word = fields.text("status").upper().removeprefix("TRADE_STATUS_")
    status = _FILLS.get(word)
    if status is None:
        raise Malformed("status", f"of a trade is not known: {word[:40]!r}")
    return status


def _order_status(detail: str, canceled: bool, order_type: str, whole: bool) -> OrderStatus:
    if canceled or detail.startswith(("CANCELED", "CANCELLED")):
        return "canceled"
    if detail == "MATCHED":
        # Of an order that may rest, a part was matched and the rest stands.
        if whole:
            return "filled"
        return "canceled" if order_type in _IMMEDIATE else "open"
    status = _ORDERS.get(detail, "unknown")
    return "filled" if whole and status in ("open", "delayed") else status


def _signature(secret: Secret, message: str) -> str:
    """HMAC-SHA256 with the secret's bytes, both in the alphabet that addresses use."""
    try:
        key = base64.b64decode(secret.reveal().translate(_STANDARD), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("", "the API secret is not base64") from None
    digest = hmac.new(key, message.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode()


_STANDARD: Final = str.maketrans("-_", "+/")


def endpoint(
    section: PolymarketSection, source: str, environ: Mapping[str, str], ask_every_s: float
) -> OwnEndpoint:
    """The user channel beside the market channel that is configured."""
    credentials = clob_credentials(environ)
    if credentials is None:
        problem = f"no API key: set {', '.join(names[0] for names in KEY_NAMES)}"
        raise ConfigError(source, "own.venues", f"{problem} (docs/configuration.md)")
    address = section.user_ws_url or section.ws_url
    url, rest_url = urlsplit(address), section.rest_url
    if url.scheme != "wss" and not is_loopback(url.hostname or ""):
        raise ConfigError(source, "polymarket.ws_url", "an API key is sent over wss:// only")
    if not rest_url:
        raise ConfigError(source, "polymarket.rest_url", "is needed: orders are asked for by REST")
    path = url.path.removesuffix("/market").rstrip("/") + "/user"
    beside = urlunsplit(url._replace(path=path)) if section.user_ws_url is None else address
    return OwnEndpoint(PolymarketChannel(credentials), beside, rest_url, ask_every_s)
