"""Kalshi's private channels: their messages, and what the portfolio is asked after every connect.

Positions come from the venue, with the fills that are in them: positions are asked for before and
after the fills, until both answers are the same, and not before the portfolio's own time stamp says
that it has seen what was streamed. From there on, fills move them.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

import orjson

from bookfeed.catalogue.fields import Fields, Malformed, parse
from bookfeed.clock import NS_PER_S
from bookfeed.errors import ConfigError
from bookfeed.own.channel import PAGES_MAX, NotYet, Steps, Taker, Walk, page, unread
from bookfeed.own.endpoint import OwnEndpoint
from bookfeed.own.events import (
    FillKey,
    OrderStatus,
    OwnClaim,
    OwnFill,
    OwnGroup,
    OwnOrder,
    Side,
    Source,
)
from bookfeed.own.reading import moment, money_e17, needed, price_e9, qty_e8, scaled, size_e8
from bookfeed.own.state import OwnState
from bookfeed.venues.base import RestRequest, Venue
from bookfeed.venues.kalshi import (
    KEY_ID_VARIABLE,
    KEY_PATH_VARIABLES,
    NAME,
    Credentials,
    Environment,
    KalshiSection,
    credentials,
    kalshi,
)
from bookfeed.venues.secret import Secret

CHANNELS: Final = ("fill", "user_orders", "market_positions", "order_group_updates")
# Errors after which a subscription is over.
_ENDS: Final = (9, 10, 25)
_LIMIT: Final = 1000
# What is asked of fills at first: positions do not need them.
_FIRST_NS: Final = 24 * 3600 * NS_PER_S
_OVERLAP_NS: Final = 600 * NS_PER_S
_FEE_SCALE: Final = 10**9
# How far our clock may be ahead of the venue's.
_CLOCKS_NS: Final = 60 * NS_PER_S
# How often positions are asked for in a row.
_TRIES: Final = 20
# A settled market's position is another than after its last fill, but not so soon.
_RECENT_NS: Final = 10 * NS_PER_S

_STATUSES: Final[dict[str, OrderStatus]] = {
    "resting": "open",
    "executed": "filled",
    "canceled": "canceled",
}
_SIDES: Final[dict[str, Side]] = {"bid": "buy", "yes": "buy", "ask": "sell", "no": "sell"}


class KalshiChannel:
    """The four private channels with one API key, for all markets."""

    nets: bool = True
    channels: tuple[str, ...] = CHANNELS

    def __init__(self, credentials: Credentials, environment: Environment = "prod") -> None:
        self._credentials: Final = credentials
        self._environment: Final = environment
        self._seq: Final[dict[int, int]] = {}
        self._channel_of: Final[dict[int, str]] = {}
        # When the venue confirmed the subscription, by its own clock.
        self._confirmed_ns = 0
        self.unknown: Final[Counter[str]] = Counter()
        """Messages of types that this version does not know, by type."""

    def venue(self) -> Venue:
        """The same address and handshake as for books, and none of their subscriptions."""
        public = kalshi(credentials=self._credentials, environment=self._environment)
        return Venue(
            name=NAME,
            ws_url=public.ws_url,
            rest_url=public.rest_url,
            subscription=lambda _symbols: (),
            handshake_headers=public.handshake_headers,
            explain_refusal=public.explain_refusal,
            check_url=public.check_url,
            probe_interval_s=30.0,
            hidden=self.secrets,
        )

    def subscription(self) -> tuple[str | Secret, ...]:
        """One command; each channel is confirmed by itself."""
        return (_command(1, "subscribe", {"channels": list(CHANNELS)}),)

    def probe(self) -> str | None:
        """A question that is always answered."""
        return _command(2, "list_subscriptions", None)

    def secrets(self) -> set[str]:
        """The id of the key; what it signs is made anew each time."""
        return {self._credentials.key_id}

    def reconnected(self) -> None:
        """Numbers of streams begin anew."""
        self._seq.clear()
        self._channel_of.clear()
        self._confirmed_ns = 0

    def sign(self, request: RestRequest, path: str, now_ms: int) -> dict[str, str]:
        """The headers of a request; the query is not signed."""
        return self._credentials.signed(now_ms, request.method, path)

    # Messages.

    def read(self, payload: bytes, ts_recv: int, taker: Taker) -> None:
        """One frame; what cannot be read is a doubt."""
        fields = Fields(parse(payload), "frame")
        try:
            self._count(fields, taker)
            self._read(fields, fields.text("type"), ts_recv, taker)
        except Malformed as error:
            taker.doubt(f"a message could not be read: {unread(error)}")

    def _count(self, fields: Fields, taker: Taker) -> None:
        """Streams that are numbered are missing nothing; replies take up numbers, too."""
        sid, seq = fields.whole("sid"), fields.whole("seq")
        if sid is None or seq is None:
            return
        last = self._seq.get(sid)
        if last is not None and seq > last + 1:
            taker.doubt(
                f"{seq - last - 1} messages of {self._channel_of.get(sid, sid)} are missing"
            )
        self._seq[sid] = max(seq, last or 0)

    def _read(self, fields: Fields, kind: str, ts_recv: int, taker: Taker) -> None:
        if kind in ("subscribed", "error"):
            self._read_reply(fields, kind, taker)
        elif kind in ("ok", "unsubscribed"):
            return
        elif (said := fields.child("msg")) is None:
            raise Malformed("msg", "is missing")
        elif kind == "fill":
            taker.take(self.fill(said, ts_recv, "stream"))
        elif kind == "user_order":
            taker.take(self.order(said, ts_recv, "stream"))
        elif kind == "market_position":
            taker.take(self.position(said, ts_recv, "stream"))
        elif kind == "order_group_updates":
            taker.take(_group(said, ts_recv))
        else:
            self.unknown[kind] += 1

    def _read_reply(self, fields: Fields, kind: str, taker: Taker) -> None:
        said = fields.child("msg") or Fields({}, "msg")
        if kind == "subscribed":
            channel = said.name("channel")
            self._channel_of[said.whole("sid") or 0] = channel
            self._confirmed_ns = max(self._confirmed_ns, moment(fields, "sending_ts_ms") or 0)
            taker.acknowledged(channel)
            return
        code = said.whole("code") or 0
        channel = self._channel_of.get(fields.whole("sid") or 0, "a private channel")
        text = f"{channel}: error {code}: {said.text('msg')}"
        if code in _ENDS or fields.whole("id") == 1:
            taker.lost(text)
        else:
            taker.doubt(text)

    def fill(self, fields: Fields, ts_recv: int, source: Source) -> OwnFill:
        """A fill, as a message or an answer has it."""
        ticker = fields.text("market_ticker") or fields.name("ticker")
        price = price_e9(fields, "yes_price_dollars")
        return OwnFill(
            venue=NAME,
            market=ticker,
            symbol=ticker,
            key=FillKey(fields.name("trade_id"), fields.name("order_id"), 0),
            side=_side(fields),
            price_e9=needed(price, "yes_price_dollars"),
            qty_e8=needed(size_e8(fields, "count_fp"), "count_fp"),
            fee_e9=scaled(fields, "fee_cost", _FEE_SCALE),
            maker=fields.flag("is_taker") is False,
            status="confirmed",
            transaction=None,
            post_position_e8=qty_e8(fields, "post_position_fp"),
            ts_event=moment(fields, "ts_ms", "created_time", "ts"),
            ts_recv=ts_recv,
            source=source,
        )

    def order(self, fields: Fields, ts_recv: int, source: Source) -> OwnOrder:
        """An order, as a message or an answer has it."""
        ticker = fields.text("ticker") or fields.name("market_ticker")
        word, reason = fields.text("status"), fields.text("last_update_reason")
        status = _STATUSES.get(word, "unknown")
        filled = size_e8(fields, "fill_count_fp") or 0
        remaining = size_e8(fields, "remaining_count_fp") or 0
        quantity = size_e8(fields, "initial_count_fp")
        return OwnOrder(
            venue=NAME,
            market=ticker,
            symbol=ticker,
            order_id=fields.name("order_id"),
            side=_side(fields),
            price_e9=price_e9(fields, "yes_price_dollars"),
            qty_e8=filled + remaining if quantity is None else quantity,
            filled_e8=filled,
            remaining_e8=0 if status in ("filled", "canceled") else remaining,
            status=status,
            detail=f"{word} {reason}".strip(),
            order_type=fields.text("type"),
            client_order_id=fields.text("client_order_id") or None,
            group=fields.text("order_group_id") or None,
            ts_created=moment(fields, "created_ts_ms", "created_time"),
            ts_expires=moment(fields, "expiration_ts_ms", "expiration_time"),
            ts_event=moment(
                fields, "last_updated_ts_ms", "last_update_time", "created_ts_ms", "created_time"
            ),
            ts_recv=ts_recv,
            source=source,
        )

    def position(self, fields: Fields, ts_recv: int, source: Source) -> OwnClaim:
        """What the venue says of a position; REST has other names for it than the channel."""
        cost = money_e17(fields, "position_cost_dollars")
        volume = size_e8(fields, "volume_fp")
        return OwnClaim(
            venue=NAME,
            symbol=fields.text("market_ticker") or fields.name("ticker"),
            qty_e8=needed(qty_e8(fields, "position_fp"), "position_fp"),
            cost_e17=money_e17(fields, "market_exposure_dollars") if cost is None else cost,
            realised_e17=money_e17(fields, "realized_pnl_dollars"),
            fees_e9=scaled(fields, "fees_paid_dollars", _FEE_SCALE),
            volume_e8=volume,
            ts_recv=ts_recv,
            source=source,
        )

    # REST.

    def walk(self, state: OwnState, taker: Taker, now_ns: Callable[[], int], since_ns: int) -> Walk:
        """Positions, fills, resting orders, positions again; then orders that rest no more."""
        asked_ns = now_ns()
        # What is told while the answers come may or may not be in them.
        told_before = state.keys()
        known_ns = max(state.newest_ns, self._confirmed_ns)
        missing = {order.order_id for order in state.open_orders()}
        answer = page((yield RestRequest("GET", "/exchange/user_data_timestamp")))
        seen_ns = moment(answer, "as_of_time") or 0
        if seen_ns < known_ns:
            raise NotYet(f"the portfolio is {(known_ns - seen_ns) / 1e9:.1f} s behind the channel")
        from_ns = since_ns - _OVERLAP_NS if since_ns else asked_ns - _FIRST_NS
        listed = yield from self._fills(from_ns, taker, now_ns, asked_ns)
        path = f"/portfolio/orders?limit={_LIMIT}&status=resting"
        for row in (yield from _pages(path, "orders")):
            order = self.order(row, now_ns(), "rest")
            missing.discard(order.order_id)
            taker.take(order, asked_ns=asked_ns)
        rows = yield from self._agreed(listed, taker, now_ns, asked_ns)
        state.anchor(rows, told_before | listed)
        if differs := state.disagreeing(seen_ns - _RECENT_NS):
            raise NotYet(f"the position in {differs} is another than after its last fill")
        for order_id in sorted(missing):
            path = f"/portfolio/orders/{quote(order_id, safe='')}"
            found = page((yield RestRequest("GET", path))).child("order")
            if found is None:
                raise NotYet(f"order {order_id} is neither listed nor known")
            taker.take(self.order(found, now_ns(), "rest"), asked_ns=asked_ns)

    def _fills(
        self, from_ns: int, taker: Taker, now_ns: Callable[[], int], asked_ns: int
    ) -> Steps[set[FillKey]]:
        """Take every fill from a time on; returns what is unique about them."""
        listed = set()
        path = f"/portfolio/fills?limit={_LIMIT}&min_ts={max(0, from_ns) // NS_PER_S}"
        for row in (yield from _pages(path, "fills")):
            fill = self.fill(row, now_ns(), "rest")
            listed.add(fill.key)
            taker.take(fill, asked_ns=asked_ns)
        return listed

    def _agreed(
        self, listed: set[FillKey], taker: Taker, now_ns: Callable[[], int], asked_ns: int
    ) -> Steps[list[OwnClaim]]:
        """Positions between two answers of which nothing was traded; what was until then is added
        to what is ``listed``.
        """
        before = yield from self._positions(asked_ns)
        for _ in range(_TRIES):
            listed |= yield from self._fills(asked_ns - _CLOCKS_NS, taker, now_ns, asked_ns)
            after = yield from self._positions(asked_ns)
            if before == after:
                return [claim for claim, _ in after.values()]
            before = after
        raise NotYet("positions changed each time they were asked for")

    def _positions(self, asked_ns: int) -> Steps[dict[str, tuple[OwnClaim, str]]]:
        """Positions by ticker, and what was traded so far, which no trade leaves as it was."""
        found = {}
        for row in (yield from _pages(f"/portfolio/positions?limit={_LIMIT}", "market_positions")):
            claim = self.position(row, asked_ns, "rest")
            found[claim.symbol] = claim, str(row.value("total_traded_dollars"))
        return found


def _pages(path: str, key: str) -> Steps[list[Fields]]:
    """Every row of a list, over all of its pages; ``Malformed`` for one that is none."""
    found: list[Fields] = []
    cursor = ""
    for _ in range(PAGES_MAX):
        more = f"&cursor={quote(cursor, safe='')}" if cursor else ""
        answer = page((yield RestRequest("GET", f"{path}{more}")))
        found += answer.children(key)
        cursor = answer.text("cursor")
        if not cursor:
            return found
    raise NotYet(f"{path} does not end")


def _side(fields: Fields) -> Side:
    """What is done with the book of YES: buying NO is selling it."""
    for key in ("book_side", "outcome_side"):
        if word := fields.text(key):
            side = _SIDES.get(word)
            if side is None:
                raise Malformed(key, f"should be a side, not {word[:20]!r}")
            return side
    yes = fields.name("side") == "yes"
    buys = fields.name("action") == "buy"
    return "buy" if yes == buys else "sell"


def _group(fields: Fields, ts_recv: int) -> OwnGroup:
    return OwnGroup(
        venue=NAME,
        group=fields.name("order_group_id"),
        what=fields.name("event_type"),
        limit_e8=size_e8(fields, "contracts_limit_fp"),
        ts_event=moment(fields, "ts_ms"),
        ts_recv=ts_recv,
    )


def _command(id_: int, name: str, params: dict[str, object] | None) -> str:
    frame: dict[str, object] = {"id": id_, "cmd": name}
    if params is not None:
        frame["params"] = params
    return orjson.dumps(frame).decode()


def endpoint(
    section: KalshiSection, source: str, environ: Mapping[str, str], ask_every_s: float
) -> OwnEndpoint:
    """The private channels at the address that is configured, with the same key."""
    key = credentials(
        api_key_id=section.api_key_id,
        private_key_file=section.private_key_file,
        source=source,
        environ=environ,
    )
    if key is None:
        problem = f"no API key: set {KEY_ID_VARIABLE} and {KEY_PATH_VARIABLES[0]}"
        raise ConfigError(source, "own.venues", problem)
    channel = KalshiChannel(key, section.environment)
    venue = channel.venue()
    url, rest_url = section.ws_url or venue.ws_url, section.rest_url or venue.rest_url
    if venue.check_url is not None:
        venue.check_url(url)
    assert rest_url is not None, "the venue has one"
    return OwnEndpoint(channel, url, rest_url, ask_every_s)
