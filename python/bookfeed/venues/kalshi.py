"""Kalshi's WebSocket: addresses, signed handshakes, subscriptions, commands on numbered streams.

The handshake is signed, for public data too. Each channel of a connection is one stream with
one sequence for all of its markets; a whole book can be asked for in place, which is how books
are mended and how a quiet stream is asked for a sign of life.

Keys come from a file or from the variables people already export (``credentials``).
"""

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal
from urllib.parse import quote, urlsplit

import orjson

from bookfeed.clock import NS_PER_S
from bookfeed.errors import ConfigError
from bookfeed.hints import suggestion
from bookfeed.market import Market, Outcome, check_text
from bookfeed.schema import DecimalText, Range, Text
from bookfeed.venues.base import (
    NO_KEY,
    AnyName,
    Commands,
    Endpoint,
    Fault,
    HandshakeRefusal,
    Legs,
    MarketSection,
    RestNews,
    RestPoll,
    RestRequest,
    RestUrl,
    Row,
    Section,
    Venue,
    WsUrl,
    is_loopback,
)
from bookfeed.venues.kalshi_keys import SigningKey, is_key, is_path, key_from_file, parse_key
from bookfeed.venues.secret import Secret, plain, without_ends

NAME: Final = "kalshi"
PATH: Final = "/trade-api/ws/v2"

Environment = Literal["prod", "demo"]
FeeRounding = Literal["direct", "non_direct", "intermediate", "legacy"]
SubscribeCommand = Callable[[int, str, Sequence[str]], str]

WS_URLS: Final[dict[Environment, str]] = {
    "prod": f"wss://external-api-ws.kalshi.com{PATH}",
    "demo": f"wss://external-api-ws.demo.kalshi.co{PATH}",
}
REST_URLS: Final[dict[Environment, str]] = {
    "prod": "https://external-api.kalshi.com/trade-api/v2",
    "demo": "https://external-api.demo.kalshi.co/trade-api/v2",
}

KEY_ID_VARIABLE: Final = "KALSHI_API_KEY_ID"
KEY_TEXT_VARIABLE: Final = "KALSHI_PRIVATE_KEY"
# Either names a file; the first is what other Kalshi tools read, the second what containers use.
KEY_PATH_VARIABLES: Final = ("KALSHI_PRIVATE_KEY_PATH", "KALSHI_PRIVATE_KEY_FILE")

BOOKS: Final = "orderbook_delta"
TRADES: Final = "trade"
TICKER: Final = "ticker"
LIFECYCLE: Final = "market_lifecycle_v2"
# News of combos, which the other channel leaves out; fees of events come on the other alone.
COMBO_LIFECYCLE: Final = "multivariate_market_lifecycle"
_COMBO: Final = "KXMVE"
# Values of the indices that markets settle by, once a second with means, and five times a second.
INDICES: Final = ("cfbenchmarks_value", "cfbenchmarks_value_5hz")

# The status comes with the same body when the exchange is closed or in trouble.
NEWS: Final = RestNews(
    market=lambda tickers: _read(
        f"/markets?limit={len(tickers)}&tickers={','.join(map(_quoted, tickers))}"
    ),
    event=lambda event: _read(f"/events/{_quoted(event)}"),
    series=lambda series: _read(f"/series/{_quoted(series)}"),
    status=RestRequest("GET", "/exchange/status", answers=frozenset((200, 500, 503, 504))),
    schedule=RestRequest("GET", "/exchange/schedule"),
)

# Books are public, though their stream is not. Without a key an address may ask a few times a
# second, and whoever lists markets asks as well.
POLL: Final = RestPoll(
    books=lambda tickers: _read(
        f"/markets/orderbooks?{'&'.join(f'tickers={_quoted(ticker)}' for ticker in tickers)}"
    ),
    symbols_max=100,
    burst=2,
    interval_s=0.5,
)
UNSTREAMED: Final = (
    f"no API key: set {KEY_ID_VARIABLE} and {KEY_PATH_VARIABLES[0]} to have books streamed"
)

FAULTS: Final = {10: Fault.DEAD, 25: Fault.OVERFLOW, 26: Fault.FULL, 27: Fault.BUSY}

Ticker = Annotated[
    str,
    Text(
        r"[A-Z0-9][A-Za-z0-9._-]{0,127}",
        "a ticker such as KXBTCD-26OCT0117-T84999.99",
        address="the address of a page names an event; ticker is that of one market of it",
    ),
]
FeeType = Annotated[str, Text(r"[a-z][a-z0-9_]{0,63}", 'a fee type such as "quadratic"')]
FeeTypeOverride = Annotated[
    str, Text(r"([a-z][a-z0-9_]{0,63})?", 'a fee type such as "quadratic", or "" for no override')
]
IndexId = Annotated[str, Text(r"[A-Z0-9_]{1,64}", 'an index as Kalshi calls it, such as "BRTI"')]
Moment = Annotated[
    str,
    Text(
        r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)",
        'a time in quotes with its offset, such as "2026-10-01T21:00:00Z"',
    ),
]
ApiKeyId = Annotated[
    str, Text(r"[\x21-\x7e]{1,200}", "the id as Kalshi shows it, without spaces", hidden=True)
]
KeyPath = Annotated[
    str, Text(r"(?!-----BEGIN)[^\n]{1,4096}", "the path of a file, not the key itself", hidden=True)
]

# Those that the engine can compute.
FEE_TYPES: Final = (
    "quadratic",
    "quadratic_with_maker_fees",
    "quadratic_with_combo_maker_fees",
)

# What a connection that was asked for NO prices in YES terms is called in the core.
YES_PRICES: Final = "use_yes_price"

# A clock further from the server's than this is worth a word; the header holds whole seconds.
SKEW_S_MIN: Final = 2


@dataclass(frozen=True, slots=True)
class KalshiFee:
    """Fee of a Kalshi market: the venue's formula by name, and how its members are rounded.

    ``fee_type`` and ``multiplier`` (a decimal string) are the series'. ``override_type`` and
    ``override_multiplier`` are what its event has in their place now, as ``/events/…`` states it;
    ``""`` says that there is none. Where both are ``None``, what was given may have been the
    override: what an update of the event's fees leaves as the series has it is unknown then.
    ``rounding`` depends on who trades: the default is dearer than what direct members pay. Raises
    ``TypeError`` for what is no text.
    """

    fee_type: str
    multiplier: str = "1"
    rounding: FeeRounding = "non_direct"
    override_type: str | None = None
    override_multiplier: str | None = None

    def __post_init__(self) -> None:
        check_text("fee_type", self.fee_type, "quadratic")
        check_text("multiplier", self.multiplier, "1")
        check_text("rounding", self.rounding, "non_direct")
        for name, example in (("override_type", "quadratic"), ("override_multiplier", "1")):
            if getattr(self, name) is not None:
                check_text(name, getattr(self, name), example)

    def text(self) -> str:
        """The same as the one text that the engine takes."""
        base = f"{NAME}:{self.fee_type};{self.multiplier};{self.rounding}"
        if self.override_type is None and self.override_multiplier is None:
            return base
        return f"{base}|{self.override_type or ''};{self.override_multiplier or ''}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key: its id, of which a piece may be shown, and what signs for it."""

    key_id: str = field(repr=False)
    """The id as the venue shows it."""
    key: SigningKey
    """The private key."""

    @property
    def key_id_shown(self) -> str:
        """Enough of the id to tell one's own keys apart."""
        return f"{self.key_id[:4]}…" if len(self.key_id) > 8 else "…"

    def headers(self, now_ms: int) -> dict[str, str]:
        """Headers of a handshake at ``now_ms``, Unix milliseconds by the wall clock."""
        return self.signed(now_ms, "GET", PATH)

    def signed(self, now_ms: int, method: str, path: str) -> dict[str, str]:
        """Headers of any request; ``path`` is all of the address but host and query."""
        signature = self.key.sign(f"{now_ms}{method}{path}".encode())
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": str(now_ms),
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }


def credentials(
    *,
    api_key_id: str | None = None,
    private_key_file: str | Path | None = None,
    source: str = "configuration",
    environ: Mapping[str, str] | None = None,
) -> Credentials | None:
    """The API key that is configured, else the environment's; ``None`` if there is neither.

    Read from the environment: ``KALSHI_API_KEY_ID``; ``KALSHI_PRIVATE_KEY_PATH`` (or ``_FILE``)
    or the key itself in ``KALSHI_PRIVATE_KEY``. ``KALSHI_API_KEY_ID_FILE`` names a file with
    the id. Raises ``ConfigError`` for half a key, two keys, or one that cannot be used.
    """
    environ = os.environ if environ is None else environ
    key_id, where, name = _key_id(api_key_id, source, environ)
    key = _key(private_key_file, source, environ)
    if key is None and not key_id:
        return None
    if not key_id:
        problem = f"there is a private key, but no key id: set {KEY_ID_VARIABLE}"
        raise ConfigError(source, "kalshi.api_key_id", f"{problem} or api_key_id")
    if key is None:
        problem = f"there is a key id, but no private key: set {KEY_PATH_VARIABLES[0]}"
        raise ConfigError(source, "kalshi.private_key_file", f"{problem} or private_key_file")
    problem = "must be the id as Kalshi shows it"
    if is_key(key_id):
        problem += ", not the private key"
    elif is_path(key_id):
        problem += f", not a path; {KEY_ID_VARIABLE}_FILE may name a file"
    elif key_id.isascii() and key_id.isprintable() and " " not in key_id:
        return Credentials(key_id, key)
    raise ConfigError(where, name, problem)


def _key_id(
    configured: str | None, source: str, environ: Mapping[str, str]
) -> tuple[str, str, str]:
    """The id of the key, empty if there is none, and the source and key that errors call it by."""
    if configured:
        return without_ends(configured), source, "kalshi.api_key_id"
    text, variable = without_ends(environ.get(KEY_ID_VARIABLE, "")), f"{KEY_ID_VARIABLE}_FILE"
    if text or not environ.get(variable):
        return text, KEY_ID_VARIABLE, ""
    try:
        text = Path(plain(environ[variable])).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(variable, "", "cannot read the file it names") from None
    return without_ends(text), variable, ""


def _key(
    private_key_file: str | Path | None, source: str, environ: Mapping[str, str]
) -> SigningKey | None:
    if private_key_file:
        return key_from_file(private_key_file, source, "kalshi.private_key_file")
    given = [v for v in (*KEY_PATH_VARIABLES, KEY_TEXT_VARIABLE) if environ.get(v)]
    if not given:
        return None
    variable, *others = given
    if others:
        raise ConfigError(variable, "", f"{others[0]} is set as well; one of them is enough")
    if variable == KEY_TEXT_VARIABLE:
        return parse_key(Secret(environ[variable]), variable)
    return key_from_file(environ[variable], variable)


def kalshi(
    *,
    credentials: Credentials | None = None,
    environment: Environment = "prod",
    use_yes_price: bool = True,
    tickers: bool = False,
    indices: Sequence[str] = (),
    probe_interval_s: float = 10.0,
    markets_per_connection: int = 200,
) -> Venue:
    """Return the venue.

    ``use_yes_price`` is the form in which NO prices are sent; it is always stated, since the
    venue's default is going to change. ``tickers`` asks for the ``ticker`` channel, an independent
    check of the touch. ``indices`` are the venue's names of those whose values it is to pass on,
    such as ``"BRTI"``. Without ``credentials`` books are polled, unless the address is on this
    machine.
    """
    channels = (BOOKS, TRADES, TICKER) if tickers else (BOOKS, TRADES)
    asked = {"use_yes_price": use_yes_price}
    told = INDICES if indices else ()

    def subscription(symbols: Sequence[str]) -> tuple[str, ...]:
        news = enumerate((*_news_channels(symbols), *told), 3)
        return (
            subscribe(1, BOOKS, symbols),
            _subscribe(2, channels[1:], symbols),
            *(subscribe(id_, channel, symbols) for id_, channel in news),
        )

    def subscribe(id_: int, channel: str, symbols: Sequence[str]) -> str:
        if channel in (LIFECYCLE, COMBO_LIFECYCLE):
            return _command(id_, "subscribe", {"channels": [channel]})
        if channel in INDICES:
            params = {"channels": [channel], "index_ids": list(indices)}
            return _command(id_, "subscribe", params)
        return _subscribe(id_, (channel,), symbols, **(asked if channel == BOOKS else {}))

    return Venue(
        name=NAME,
        ws_url=WS_URLS[environment],
        rest_url=REST_URLS[environment],
        subscription=subscription,
        symbols_per_connection=markets_per_connection,
        symbols_per_connection_max=2_000,
        # The venue's limit for one user.
        connections_max=200,
        recovery=_commands(channels, told, subscribe),
        news=NEWS,
        time=NEWS.status,
        poll=POLL,
        unstreamed=UNSTREAMED if credentials is None else "",
        probe_interval_s=probe_interval_s,
        mode=YES_PRICES if use_yes_price else "",
        handshake_headers=None if credentials is None else credentials.headers,
        explain_refusal=lambda refusal: _explain(refusal, credentials),
        check_url=lambda url: _check_url(url, credentials),
    )


def _read(path: str) -> RestRequest:
    return RestRequest("GET", path)


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _command(id_: int, name: str, params: Mapping[str, object] | None = None) -> str:
    frame: dict[str, object] = {"id": id_, "cmd": name}
    if params is not None:
        frame["params"] = params
    return orjson.dumps(frame).decode()


def _subscribe(id_: int, channels: Sequence[str], symbols: Sequence[str], **more: bool) -> str:
    # Without `skip_ticker_ack` every reply would repeat the whole list.
    params = {"channels": channels, "market_tickers": list(symbols), "skip_ticker_ack": True}
    return _command(id_, "subscribe", params | more)


def _update(id_: int, sid: int, action: str, symbols: Sequence[str]) -> str:
    params = {"sid": sid, "action": action, "market_tickers": list(symbols)}
    return _command(id_, "update_subscription", params)


def _news_channels(symbols: Sequence[str]) -> tuple[str, ...]:
    combos = any(symbol.startswith(_COMBO) for symbol in symbols)
    return (LIFECYCLE, COMBO_LIFECYCLE) if combos else (LIFECYCLE,)


def _commands(
    channels: tuple[str, ...], told: tuple[str, ...], subscribe: SubscribeCommand
) -> Commands:
    return Commands(
        channels=channels,
        beside=lambda symbols: (*channels[1:], *_news_channels(symbols), *told),
        subscribe=subscribe,
        unsubscribe=lambda id_, sid: _command(id_, "unsubscribe", {"sids": [sid]}),
        add=lambda id_, sid, symbols: _update(id_, sid, "add_markets", symbols),
        delete=lambda id_, sid, symbols: _update(id_, sid, "delete_markets", symbols),
        snapshot=lambda id_, sid, symbols: _update(id_, sid, "get_snapshot", symbols),
        hello=lambda id_: _command(id_, "list_subscriptions"),
        faults=FAULTS,
    )


def _check_url(url: str, key: Credentials | None) -> None:
    """Refuses an address on the way to which the key would be readable."""
    address = urlsplit(url)
    if key is not None and address.scheme != "wss" and not is_loopback(address.hostname or ""):
        raise ConfigError(NAME, "ws_url", "an API key is sent over wss:// only")


def _explain(refusal: HandshakeRefusal, key: Credentials | None) -> str:
    code = f" ({refusal.code})" if refusal.code else ""
    if key is None:
        return f"refused with HTTP {refusal.status}{code}: no API key is configured"
    advice = "check that the key belongs to this environment (demo and prod have their own keys)"
    skew_s = refusal.skew_s or 0
    if abs(skew_s) >= SKEW_S_MIN:
        order = "ahead of" if skew_s > 0 else "behind"
        advice = f"your clock is {abs(skew_s)} s {order} the venue's: set it; else {advice}"
    return f"API key {key.key_id_shown} refused with HTTP {refusal.status}{code}: {advice}"


# Configuration.


@dataclass(frozen=True, slots=True)
class KalshiSection(Section):
    """``[kalshi]``: where the venue is, whose key is used, how its markets are followed.

    The private key itself is never here: a file, or the environment (``credentials``).
    """

    SECRETS: ClassVar[tuple[str, ...]] = ("api_key_id", "private_key_file")

    environment: Environment = "prod"
    ws_url: WsUrl | None = None
    rest_url: RestUrl | None = None
    api_key_id: ApiKeyId | None = field(default=None, repr=False)
    private_key_file: KeyPath | None = field(default=None, repr=False)
    use_yes_price: bool = True
    tickers: bool = False
    indices: tuple[IndexId, ...] = ()
    membership: FeeRounding = "non_direct"
    probe_interval_s: Annotated[float, Range(0, 3_600)] = 10.0
    markets_per_connection: Annotated[int, Range(1, 2_000)] = 200

    def endpoint(self, source: str, key: Any = None) -> Endpoint:
        """The venue as it is configured, with ``key`` or the one that ``credentials`` finds."""
        if key is None:
            key = credentials(
                api_key_id=self.api_key_id, private_key_file=self.private_key_file, source=source
            )
        venue = kalshi(
            credentials=None if key is NO_KEY else key,
            environment=self.environment,
            use_yes_price=self.use_yes_price,
            tickers=self.tickers,
            indices=self.indices,
            probe_interval_s=self.probe_interval_s,
            markets_per_connection=self.markets_per_connection,
        )
        rest_url = venue.rest_url if self.rest_url is None else self.rest_url or None
        return Endpoint(venue, self.ws_url or venue.ws_url, rest_url)


@dataclass(frozen=True, slots=True)
class KalshiMarket(MarketSection):
    """``[[market]]`` with ``venue = "kalshi"``: one market, which is one book, of Yes."""

    SYMBOL: ClassVar[tuple[str, str]] = ("ticker", "ticker")
    HINTS: ClassVar[Mapping[str, str]] = {
        "market slug symbol market_ticker market_id id url": "a market is named by "
        'ticker = "KX…", as Kalshi prints it',
        "tickers": "each market is a [[market]] of its own, with its ticker",
        "outcomes": "a market is one book, and NO is that book turned round: leave it out",
        "event_ticker": "it is called event here",
        "question title": "what people see is called name here",
        "fee fees fee_rate": "fees are stated by fee_type and fee_multiplier",
    }

    venue: Literal["kalshi"]
    ticker: Ticker
    event: Ticker | None = None
    name: AnyName = ""
    open_time: Moment | None = None
    close_time: Moment | None = None
    fee_type: FeeType | None = None
    fee_multiplier: Annotated[str | None, DecimalText("0", "100")] = None
    fee_type_override: FeeTypeOverride | None = None
    fee_multiplier_override: Annotated[str | None, DecimalText("0", "100")] = None

    def __post_init__(self) -> None:
        times = {name: self._nanoseconds(name) for name in ("open_time", "close_time")}
        opens, closes = times.values()
        if opens is not None and closes is not None and opens >= closes:
            raise ConfigError("", "close_time", f"must be later than open_time ({self.open_time})")
        for name in ("fee_multiplier", "fee_type_override", "fee_multiplier_override"):
            if getattr(self, name) is not None and self.fee_type is None:
                raise ConfigError("", "fee_type", f"is required with {name}")

    def _nanoseconds(self, name: str) -> int | None:
        text: str | None = getattr(self, name)
        if text is None:
            return None
        try:
            since = datetime.fromisoformat(text.upper()) - datetime.fromtimestamp(0, UTC)
        except ValueError:
            raise ConfigError("", name, f'no such time: "{text}"') from None
        return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1_000

    def to_market(self, section: Any) -> Market:
        """The same as the feed knows it; the section's membership decides how fees are rounded."""
        fee = None
        if self.fee_type is not None:
            fee = KalshiFee(
                self.fee_type,
                self.fee_multiplier or "1",
                section.membership,
                self.fee_type_override,
                self.fee_multiplier_override,
            )
        return Market(
            market=self.ticker,
            outcomes=(Outcome("Yes", self.ticker),),
            name=self.name,
            venue=self.venue,
            fee=fee,
            event=self.event,
            open_ts=self._nanoseconds("open_time"),
            close_ts=self._nanoseconds("close_time"),
        )


def _doubt(market: Market) -> str:
    """A fee type that was misspelled, or that the engine is too old for."""
    if not isinstance(fee := market.fee, KalshiFee):
        return ""
    kind = fee.override_type or fee.fee_type
    known = suggestion(kind, FEE_TYPES)
    text = f'fee type "{kind}" is not known, so no signal can be net of its fees; {known}'
    return "" if kind in FEE_TYPES else text


ROW: Final = Row(
    name=NAME,
    section=KalshiSection,
    market=KalshiMarket,
    target=lambda text: {"venue": NAME, "ticker": text},
    simulator="bookfeed.sim.kalshi",
    legs=Legs("the ticker of a", outcomes=("yes", "no")),
    credentials=lambda environ, source: credentials(environ=environ, source=source),
    doubt=_doubt,
)
