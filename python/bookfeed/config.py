"""Configuration: a TOML file, overridden by ``BOOKFEED_*`` variables, as frozen dataclasses.

``load(path)`` reads ``[section] key = value``; ``BOOKFEED_SECTION__KEY=value`` (two
underscores between the parts) overrides one key. The dataclasses below are the whole schema:
names, defaults, bounds. Units are in the names of the keys; prices, sizes and rates are
decimals in quotes, because a TOML float would not be exact.

Example::

    [engine]
    hash_check = "always"

    [rules.complement]
    min_edge = "0.002"

    [[market]]
    market = "0x…"
    tick_size = "0.01"
    fee = { rate = "0.07", exponent = 1 }
    outcomes = [{ name = "Yes", asset = "71321…" }, { name = "No", asset = "52114…" }]
"""

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from bookfeed.errors import ConfigError
from bookfeed.market import FeeRounding, FeeSchedule, KalshiFee, Market, Outcome
from bookfeed.rules.gates import Gates
from bookfeed.rules.pairs import Basket, BasketLeg, Ladder, Name, Pair
from bookfeed.rules.rule import Rule
from bookfeed.schema import DecimalText, Range, Reader, Tag, Text, Value, exceeds, suggestion

ENV_PREFIX: Final = "BOOKFEED_"
ENV_SEPARATOR: Final = "__"

# Sections that are lists.
_FILE_ONLY: Final = ("market", "pair", "basket", "ladder")
# Symbols that an error lists.
_SHOWN_MAX: Final = 5

_MS_NS: Final = 1_000_000
_S_NS: Final = 1_000_000_000

HashCheck = Literal["always", "sampled", "off"]
WsUrl = Annotated[str, Text(r"wss?://\S+", "a ws:// or wss:// URL")]
RestUrl = Annotated[str, Text(r"(?:https?://\S+)?", 'an http:// or https:// URL, or "" for none')]
AssetId = Annotated[str, Text(r"[0-9]{1,78}", "a token id: 1 to 78 digits in quotes")]
Ticker = Annotated[
    str, Text(r"[A-Z0-9][A-Za-z0-9._-]{0,127}", "a ticker such as KXBTCD-26OCT0117-T84999.99")
]
FeeType = Annotated[str, Text(r"[a-z][a-z0-9_]{0,63}", 'a fee type such as "quadratic"')]
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
FilePrefix = Annotated[
    str, Text(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", "1 to 64 of A-Z a-z 0-9 . _ -")
]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """``[engine]``: when a book may be believed."""

    hash_check: HashCheck = "sampled"
    hash_interval_ms: Annotated[int, Range(0, 60_000)] = 250
    batch_grace_ms: Annotated[int, Range(1, 60_000)] = 250
    suspect_grace_ms: Annotated[int, Range(1, 60_000)] = 1_000
    silence_s: Annotated[float, Range(0.1, 3_600)] = 30.0

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of ``bookfeed.Engine``, in nanoseconds."""
        return {
            "hash_check": self.hash_check,
            "hash_interval_ns": self.hash_interval_ms * _MS_NS,
            "batch_grace_ns": self.batch_grace_ms * _MS_NS,
            "suspect_grace_ns": self.suspect_grace_ms * _MS_NS,
            "silence_ns": round(self.silence_s * _S_NS),
        }


@dataclass(frozen=True, slots=True)
class FeedConfig:
    """``[feed]``: connections."""

    busy_poll: bool = False
    assets_per_connection: Annotated[int, Range(1, 450)] = 200
    connect_stagger_ms: Annotated[int, Range(0, 60_000)] = 100
    backoff_min_s: Annotated[float, Range(0.05, 600)] = 1.0
    backoff_max_s: Annotated[float, Range(0.05, 3_600)] = 60.0

    def __post_init__(self) -> None:
        if self.backoff_min_s > self.backoff_max_s:
            problem = f"must be at most backoff_max_s ({self.backoff_max_s})"
            raise ConfigError("", "backoff_min_s", problem)


@dataclass(frozen=True, slots=True)
class PolymarketConfig:
    """``[polymarket]``: where the venue is, and its heartbeat."""

    ws_url: WsUrl = "wss://ws-subscriptions-clob.polymarket.com/ws/market"
    rest_url: RestUrl = "https://clob.polymarket.com"
    ping_interval_s: Annotated[float, Range(0.1, 60)] = 10.0
    custom_features: bool = True


@dataclass(frozen=True, slots=True)
class KalshiConfig:
    """``[kalshi]``: where the venue is, whose key is used, how its markets are followed.

    The private key itself is never here: a file, or the environment (``venues/kalshi.py``).
    """

    environment: Literal["prod", "demo"] = "prod"
    ws_url: WsUrl | None = None
    rest_url: RestUrl | None = None
    api_key_id: ApiKeyId | None = field(default=None, repr=False)
    private_key_file: KeyPath | None = field(default=None, repr=False)
    use_yes_price: bool = True
    tickers: bool = False
    membership: FeeRounding = "non_direct"
    probe_interval_s: Annotated[float, Range(0, 3_600)] = 10.0
    markets_per_connection: Annotated[int, Range(1, 2_000)] = 200


@dataclass(frozen=True, slots=True)
class FeeConfig:
    """``fee`` of a market: taker fee a share, ``rate * (p * (1 - p)) ** exponent`` dollars."""

    rate: Annotated[str, DecimalText("0", "1")]
    exponent: Annotated[int, Range(0, 4)] = 1


@dataclass(frozen=True, slots=True)
class OutcomeConfig:
    """One outcome of a market, which is one book."""

    name: Name
    asset: AssetId


@dataclass(frozen=True, slots=True)
class MarketConfig:
    """``[[market]]``: one market to follow, of Polymarket unless it says otherwise."""

    SYMBOL: ClassVar[tuple[str, str]] = ("outcomes", "asset")

    market: Name
    outcomes: tuple[OutcomeConfig, ...]
    venue: Literal["polymarket"] = "polymarket"
    name: Annotated[str, Text(r"(?s).{0,200}", "a name of at most 200 characters")] = ""
    tick_size: Annotated[str | None, DecimalText("0.0001", "0.5")] = None
    min_order_size: Annotated[str | None, DecimalText("0")] = None
    neg_risk: bool | None = None
    fee: FeeConfig | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.outcomes) <= 2:
            raise ConfigError("", "outcomes", "must hold one or two outcomes")

    def to_market(self, _membership: FeeRounding = "non_direct") -> Market:
        """The same as the feed knows it."""
        return Market(
            market=self.market,
            outcomes=tuple(Outcome(outcome.name, outcome.asset) for outcome in self.outcomes),
            name=self.name,
            venue=self.venue,
            tick_size=self.tick_size,
            min_order_size=self.min_order_size,
            neg_risk=self.neg_risk,
            fee=FeeSchedule(self.fee.rate, self.fee.exponent) if self.fee else None,
        )


@dataclass(frozen=True, slots=True)
class KalshiMarketConfig:
    """``[[market]]`` with ``venue = "kalshi"``: one market, which is one book, of Yes."""

    SYMBOL: ClassVar[tuple[str, str]] = ("ticker", "ticker")

    venue: Literal["kalshi"]
    ticker: Ticker
    event: Ticker | None = None
    name: Annotated[str, Text(r"(?s).{0,200}", "a name of at most 200 characters")] = ""
    open_time: Moment | None = None
    close_time: Moment | None = None
    fee_type: FeeType | None = None
    fee_multiplier: Annotated[str | None, DecimalText("0", "100")] = None

    def __post_init__(self) -> None:
        times = {name: self._nanoseconds(name) for name in ("open_time", "close_time")}
        opens, closes = times.values()
        if opens is not None and closes is not None and opens >= closes:
            raise ConfigError("", "close_time", f"must be later than open_time ({self.open_time})")
        if self.fee_multiplier is not None and self.fee_type is None:
            raise ConfigError("", "fee_type", "is required with fee_multiplier")

    def _nanoseconds(self, name: str) -> int | None:
        text: str | None = getattr(self, name)
        if text is None:
            return None
        try:
            since = datetime.fromisoformat(text.upper()) - datetime.fromtimestamp(0, UTC)
        except ValueError:
            raise ConfigError("", name, f'no such time: "{text}"') from None
        return (since.days * 86_400 + since.seconds) * _S_NS + since.microseconds * 1_000

    def to_market(self, membership: FeeRounding = "non_direct") -> Market:
        """The same as the feed knows it; ``membership`` decides how its fee is rounded."""
        fee = None
        if self.fee_type is not None:
            fee = KalshiFee(self.fee_type, self.fee_multiplier or "1", membership)
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


@dataclass(frozen=True, slots=True)
class SpreadConfig(Gates):
    """``[rules.spread]``: a spread at ``open`` or beyond, until it falls short of ``close``."""

    mode: Literal["absolute", "bps"] = "absolute"
    when: Literal["wide", "tight"] = "wide"
    open: Annotated[str | None, DecimalText("0", "20000")] = None
    close: Annotated[str | None, DecimalText("0", "20000")] = None

    def __post_init__(self) -> None:
        if not self.enabled:
            return
        if self.open is None:
            raise ConfigError("", "open", 'is required: the spread that opens a signal ("0.05")')
        first, second = (self.close, self.open) if self.when == "wide" else (self.open, self.close)
        if first is not None and second is not None and exceeds(first, second):
            order = "at most" if self.when == "wide" else "at least"
            raise ConfigError("", "close", f'must be {order} open ("{self.open}")')


@dataclass(frozen=True, slots=True)
class ComplementConfig(Gates):
    """``[rules.complement]``: both outcomes together below one to buy, or above one to sell."""

    min_edge: Annotated[str, DecimalText("0", "1")] = "0.001"


@dataclass(frozen=True, slots=True)
class RulesConfig:
    """``[rules.*]``: a rule runs if its section is there and not ``enabled = false``."""

    spread: SpreadConfig | None = None
    complement: ComplementConfig | None = None

    def enabled(self) -> list[Rule]:
        """Each rule to run."""
        rules = ((f.name, getattr(self, f.name)) for f in fields(self))
        return [Rule(kind, rule.parameters()) for kind, rule in rules if rule and rule.enabled]


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """``[record]``: the journal that ``bookfeed record`` writes."""

    directory: str = "recordings"
    prefix: FilePrefix = "bookfeed"
    flush_interval_ms: Annotated[int, Range(0, 10_000)] = 50
    sync_interval_s: Annotated[float, Range(0, 3_600)] = 1.0
    rotate_mib: Annotated[int, Range(1, 65_536)] = 256


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """``[console]``: the terminal."""

    refresh_hz: Annotated[float, Range(0.1, 30)] = 4.0


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    feed: FeedConfig = field(default_factory=FeedConfig)
    polymarket: PolymarketConfig = field(default_factory=PolymarketConfig)
    kalshi: KalshiConfig = field(default_factory=KalshiConfig)
    market: tuple[Annotated[MarketConfig | KalshiMarketConfig, Tag("venue")], ...] = ()
    rules: RulesConfig = field(default_factory=RulesConfig)
    pair: tuple[Pair, ...] = ()
    basket: tuple[Basket, ...] = ()
    ladder: tuple[Ladder, ...] = ()
    record: RecordConfig = field(default_factory=RecordConfig)
    console: ConsoleConfig = field(default_factory=ConsoleConfig)

    def __post_init__(self) -> None:
        seen: dict[tuple[str, str], int] = {}
        for index, market in enumerate(self.market):
            key, word = market.SYMBOL
            for symbol in market.to_market().symbols:
                first = seen.setdefault((market.venue, symbol), index)
                if first != index:
                    problem = f"{word} {symbol} is already in market[{first}]"
                    raise ConfigError("", f"market[{index}].{key}", problem)
        self._check_bundles()

    def _check_bundles(self) -> None:
        outcomes = {
            (market.venue, outcome.symbol): outcome.name
            for market in self.markets()
            for outcome in market.outcomes
        }
        names: dict[str, str] = {}
        for key, bundle in self._bundles():
            first = names.setdefault(bundle.name, key)
            if first != key:
                raise ConfigError("", f"{key}.name", f'"{bundle.name}" is already {first}')
            legs = "leg" if isinstance(bundle, Pair) else "legs"
            for index, leg in enumerate(bundle.legs):
                _check_leg(f"{key}.{legs}[{index}]", leg, outcomes)

    def _bundles(self) -> list[tuple[str, Pair | Basket | Ladder]]:
        found: list[tuple[str, Pair | Basket | Ladder]] = []
        found += ((f"pair[{i}]", one) for i, one in enumerate(self.pair))
        found += ((f"basket[{i}]", one) for i, one in enumerate(self.basket))
        found += ((f"ladder[{i}]", one) for i, one in enumerate(self.ladder))
        return found

    def signal_rules(self) -> list[Rule]:
        """Every rule to run, those of ``[rules.*]`` first, then pairs, baskets and ladders."""
        bundles = [bundle for _, bundle in self._bundles() if bundle.enabled]
        return [*self.rules.enabled(), *(bundle.rule() for bundle in bundles)]

    def markets(self) -> list[Market]:
        """All markets as the feed knows them."""
        return [market.to_market(self.kalshi.membership) for market in self.market]

    def venues(self) -> list[str]:
        """The venues that have markets, in the order in which they first occur."""
        return list(dict.fromkeys(market.venue for market in self.market))

    def fingerprint(self) -> str:
        """SHA-256 over all values but those that say whose key is used.

        The same for the same configuration, wherever it came from.
        """
        values = asdict(self)
        for name in ("api_key_id", "private_key_file"):
            del values["kalshi"][name]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _check_leg(key: str, leg: BasketLeg, outcomes: Mapping[tuple[str, str], str]) -> None:
    """A leg is one of the markets that are followed, and its outcome is called as there."""
    known = [symbol for venue, symbol in outcomes if venue == leg.venue]
    if leg.symbol not in known:
        of = "the ticker of a" if leg.venue == "kalshi" else "the token id of an outcome of a"
        followed = ", ".join(known[:_SHOWN_MAX]) + (", …" if len(known) > _SHOWN_MAX else "")
        problem = f"must be {of} [[market]] of {leg.venue} ({followed or 'there is none'})"
        raise ConfigError("", f"{key}.symbol", f'{problem}, not "{leg.symbol}"')
    name = outcomes[leg.venue, leg.symbol]
    if leg.venue == "polymarket" and leg.outcome != name:
        problem = f'must be "{name}", as the token is called in its market, not "{leg.outcome}"'
        raise ConfigError("", f"{key}.outcome", problem)


def load(path: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Configuration from a TOML file (none: defaults), overridden by environment variables.

    Raises ``ConfigError`` for a file that cannot be read or parsed, unknown keys, and values
    out of bounds, naming the file or variable, the key and what is allowed.
    """
    source = str(path) if path is not None else "configuration"
    table = _read_toml(Path(path)) if path is not None else {}
    return parse(table, source, os.environ if environ is None else environ)


def parse(
    table: Mapping[str, Any],
    source: str = "configuration",
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Configuration from a parsed TOML table; ``source`` is what errors call it.

    Raises ``ConfigError`` as ``load`` does. Without ``environ`` nothing is overridden.
    """
    merged = _copied(table)
    for variable, text in sorted((environ or {}).items()):
        # One underscore alone is no key: `BOOKFEED_PORT` and the like are set by service managers.
        name = variable.removeprefix(ENV_PREFIX)
        if name != variable and ENV_SEPARATOR in name:
            _override(merged, variable, name.lower().split(ENV_SEPARATOR), text)
    return Reader(source, "").table(Config, merged)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "", f"not UTF-8 at byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), "", f"not valid TOML: {error}") from error


def _copied(table: Mapping[str, Any]) -> dict[str, Any]:
    """Tables copied, so that overrides never reach the caller's."""
    return {k: _copied(v) if isinstance(v, Mapping) else v for k, v in table.items()}


def _override(table: dict[str, Any], variable: str, path: list[str], text: str) -> None:
    key = ".".join(path)
    known = [f.name for f in fields(Config)]
    if path[0] not in known:
        raise ConfigError(variable, key, f"no such section; {suggestion(path[0], known)}")
    if path[0] in _FILE_ONLY:
        raise ConfigError(variable, key, f"{path[0]}s are given in the file, not by a variable")
    for part in path[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(variable, key, f'"{part}" is a value, not a section')
        table = inner
    table[path[-1]] = Value(text, variable)
