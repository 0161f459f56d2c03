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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, NamedTuple

from bookfeed.catalogue.series import check_pair
from bookfeed.errors import CatalogueError, ConfigError
from bookfeed.hints import suggestion
from bookfeed.market import Market
from bookfeed.own.endpoint import own_venues
from bookfeed.rules.alerts import Alert
from bookfeed.rules.estimate import IndexEstimate
from bookfeed.rules.gates import QTY, Gates
from bookfeed.rules.pairs import Basket, Ladder, Pair, SeriesPair, check_followed
from bookfeed.rules.rule import Rule
from bookfeed.schema import (
    DecimalText,
    DirectoryPath,
    Having,
    OneOf,
    Range,
    Reader,
    Sections,
    Tag,
    Text,
    Value,
    exceeds,
)
from bookfeed.sinks import SINKS, Sink, SinkOptions, SinkSection
from bookfeed.toml_lines import lines_of, told
from bookfeed.venues import RELAYS, VENUES
from bookfeed.venues.base import MarketSection, Section, WsUrl
from bookfeed.venues.relay import TOUCHES, TOUCHES_MAX, Topic

if TYPE_CHECKING:
    from bookfeed.catalogue.listing import Listing

ENV_PREFIX: Final = "BOOKFEED_"
ENV_SEPARATOR: Final = "__"

# Sections that are lists.
_FILE_ONLY: Final = ("market", "pair", "basket", "ladder", "index", "sink", "alert")
# What venues have in a configuration, and keys that are in a venue's section by now.
_SECTIONS: Final = {name: row.section for name, row in VENUES.items() if row.section is not None}
_MARKETS: Final = {name: row.market for name, row in VENUES.items()}
_MOVED: Final = {
    old: f"[{name}] {key}" for name, row in VENUES.items() for old, key in row.moved.items()
}

HashCheck = Literal["always", "sampled", "off"]
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
    odd_silence_s: Annotated[float, Range(0, 3_600)] = 3.0
    poll_age_s: Annotated[float, Range(0.1, 3_600)] = 10.0
    max_delay_s: Annotated[float, Range(0, 3_600)] = 3.0
    unheard_s: Annotated[float, Range(0, 86_400)] = 300.0
    calendar: bool = True

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of ``bookfeed.Engine``."""
        return {
            "hash_check": self.hash_check,
            "hash_interval_s": self.hash_interval_ms / 1e3,
            "batch_grace_s": self.batch_grace_ms / 1e3,
            "suspect_grace_s": self.suspect_grace_ms / 1e3,
            "silence_s": self.silence_s,
            "odd_silence_s": self.odd_silence_s,
            "poll_age_s": self.poll_age_s,
            "max_delay_s": self.max_delay_s,
            "unheard_s": self.unheard_s,
            "calendar": self.calendar,
        }


@dataclass(frozen=True, slots=True)
class FeedConfig:
    """``[feed]``: connections."""

    busy_poll: bool = False
    connect_stagger_ms: Annotated[int | None, Range(0, 60_000)] = None
    backoff_min_s: Annotated[float, Range(0.05, 600)] = 1.0
    backoff_max_s: Annotated[float, Range(0.05, 3_600)] = 60.0
    reconnect: bool = True
    lines: Annotated[int, Range(1, 2)] = 1
    poll_interval_s: Annotated[float | None, Range(0, 60)] = None
    poll_after_s: Annotated[float, Range(0, 3_600)] = 5.0
    frame_bytes_max: Annotated[int, Range(65_536, 1_073_741_824)] = 67_108_864

    def __post_init__(self) -> None:
        if self.backoff_min_s > self.backoff_max_s:
            problem = f"must be at most backoff_max_s ({self.backoff_max_s})"
            raise ConfigError("", "backoff_min_s", problem)


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
class FairValueConfig(Gates):
    """``[rules.fair_value]``: contracts below what they are worth at least by their reference."""

    min_edge: Annotated[str, DecimalText("0", "1")] = "0.01"
    max_qty: Annotated[str | None, QTY] = None
    max_reference_age_ms: Annotated[int | None, Range(1, 60_000)] = None


@dataclass(frozen=True, slots=True)
class DelayConfig(FairValueConfig):
    """``[rules.delay]``: the same while the book has not answered a move of the reference."""

    min_wait_ms: Annotated[int, Range(0, 60_000)] = 300


@dataclass(frozen=True, slots=True)
class RulesConfig:
    """``[rules.*]``: a rule runs if its section is there and not ``enabled = false``."""

    HINTS: ClassVar[Mapping[str, str]] = {
        "box pair": "pairs are stated each for itself, as [[pair]]",
        "basket": "baskets are stated each for itself, as [[basket]]",
        "ladder": "ladders are stated each for itself, as [[ladder]]",
    }

    spread: SpreadConfig | None = None
    complement: ComplementConfig | None = None
    fair_value: FairValueConfig | None = None
    delay: DelayConfig | None = None

    def enabled(self) -> list[Rule]:
        """Each rule to run."""
        rules = ((f.name, getattr(self, f.name)) for f in fields(self))
        return [Rule(kind, rule.parameters()) for kind, rule in rules if rule and rule.enabled]


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """``[record]``: the journal that ``bookfeed record`` writes."""

    directory: DirectoryPath = "recordings"
    prefix: FilePrefix = "bookfeed"
    flush_interval_ms: Annotated[int, Range(0, 10_000)] = 50
    sync_interval_s: Annotated[float, Range(0, 3_600)] = 1.0
    rotate_mib: Annotated[int, Range(1, 65_536)] = 256
    rotate_minutes: Annotated[int, Range(0, 1_440)] = 0
    keep_days: Annotated[float, Range(0, 36_500)] = 0.0
    upload: tuple[Annotated[str, Text(r"[^\x00]+", "a program or an argument")], ...] = ()


TopicText = Annotated[str, Text(r"\S{1,300}", 'a topic, such as "rtds:activity/trades"')]
OwnVenue = Annotated[str, OneOf(own_venues())]


@dataclass(frozen=True, slots=True)
class OwnConfig:
    """``[own]``: the user's own orders and positions, from private channels, read only.

    Credentials are never here: the environment has them, or files that it names.
    """

    HINTS: ClassVar[Mapping[str, str]] = {
        "api_key api_secret secret passphrase private_key": "credentials are not written here: "
        "export them, or name a file that holds one in a variable that ends in _FILE",
    }

    venues: tuple[OwnVenue, ...] = ()
    ask_every_s: Annotated[float, Range(5, 3_600)] = 60.0
    net: bool = True


@dataclass(frozen=True, slots=True)
class RelaysConfig:
    """``[relays]``: prices of references, trades and comments beside the books."""

    topics: tuple[TopicText, ...] = ()
    rtds_url: WsUrl = RELAYS["rtds"].venue.ws_url
    polybolt_url: WsUrl = RELAYS["polybolt"].venue.ws_url
    touches: Annotated[int, Range(0, TOUCHES_MAX)] = TOUCHES

    def __post_init__(self) -> None:
        for index, text in enumerate(self.topics):
            try:
                Topic.parse(text)
            except ValueError as error:
                raise ConfigError("", f"topics[{index}]", str(error)) from error


BookText = Annotated[str, Text(r"\S{1,64} \S{1,64}", 'a venue and its symbol: "venue BTC-USD"')]


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """``[[index]]``: an index that is estimated from the books of its constituents."""

    name: Annotated[str, Text(r"\S{1,64}", "a name without spaces")]
    asset: Literal["BTC", "ETH", "SOL", "XRP"]
    constituents: tuple[BookText, ...]
    tick_ms: Annotated[int, Range(50, 60_000)] = 200

    def estimate(self) -> IndexEstimate:
        """The index as a feed takes it."""
        books = dict(text.split() for text in self.constituents)
        return IndexEstimate(self.name, self.asset, books, {"tick_ms": self.tick_ms})


@dataclass(frozen=True, slots=True)
class TermsConfig:
    """``[terms]``: how contracts on a price are valued, whose listings say what decides them."""

    enabled: bool = True
    half_life_ms: Annotated[int | None, Range(1_000, 86_400_000)] = None
    step_ms: Annotated[int | None, Range(1, 3_600_000)] = None
    freedom: Annotated[int | None, Range(0, 100)] = None
    scale: Annotated[str | None, DecimalText("0.01", "100")] = None
    reference_doubt: Annotated[str | None, DecimalText("0", "1000000")] = None
    volatility_doubt: Annotated[str | None, DecimalText("0", "100")] = None
    move_ms: Annotated[int | None, Range(1, 60_000)] = None
    move_sigmas: Annotated[str | None, DecimalText("0", "100")] = None
    endpoints: Literal["start", "end"] | None = None

    def __post_init__(self) -> None:
        if self.freedom in (1, 2):
            raise ConfigError("", "freedom", "must be 3 to 100, or 0 for normal moves")

    def parameters(self) -> dict[str, object] | None:
        """As a feed takes them: what is stated; ``None`` if there are to be no such terms."""
        if not self.enabled:
            return None
        stated = asdict(self)
        del stated["enabled"]
        return {name: value for name, value in stated.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """``[server]``: a server that `run` and `record` begin, and end, as a process of its own."""

    enabled: bool = True
    host: Annotated[str, Text(r"[0-9A-Za-z.:-]+", "an address")] = "127.0.0.1"
    port: Annotated[int, Range(0, 65_535)] = 8_700
    token_file: Annotated[str | None, Text(r"[^\x00]+", "a path")] = None
    expose: bool = False
    allow_host: tuple[Annotated[str, Text(r"[0-9A-Za-z.-]+", "a name of this machine")], ...] = ()


def _no_server() -> ServerConfig:
    """What is meant by a file without the section."""
    return ServerConfig(enabled=False)


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """``[console]``: the terminal."""

    refresh_hz: Annotated[float, Range(0.1, 30)] = 4.0
    warn_ms: Annotated[float, Range(0, 1e9)] = 5.0
    alert_ms: Annotated[float, Range(0, 1e9)] = 10.0
    quiet_s: Annotated[float, Range(0, 1e9)] = 10.0
    silent_s: Annotated[float, Range(0, 1e9)] = 30.0
    large_usd: Annotated[float, Range(0, 1e9)] = 1_000.0


def _defaults() -> dict[str, Section]:
    return {name: section() for name, section in _SECTIONS.items()}


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured; ``sections`` are those of the venues, by name."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    """``[engine]``: when a book may be believed."""
    feed: FeedConfig = field(default_factory=FeedConfig)
    """``[feed]``: connections."""
    sections: Annotated[dict[str, Section], Sections(_SECTIONS)] = field(default_factory=_defaults)
    market: tuple[Annotated[MarketSection, Tag("venue", _MARKETS)], ...] = ()
    """``[[market]]``: what is watched."""
    rules: RulesConfig = field(default_factory=RulesConfig)
    """``[rules]``: what is looked for in every market."""
    pair: tuple[Annotated[Pair | SeriesPair, Having("series", SeriesPair)], ...] = ()
    """``[[pair]]``: one event in two contracts, or two series window by window."""
    basket: tuple[Basket, ...] = ()
    """``[[basket]]``: outcomes that exclude each other."""
    ladder: tuple[Ladder, ...] = ()
    """``[[ladder]]``: outcomes above rising strikes."""
    index: tuple[IndexConfig, ...] = ()
    """``[[index]]``: what is estimated from several books."""
    terms: TermsConfig = field(default_factory=TermsConfig)
    """``[terms]``: what contracts on a price are worth."""
    sink: tuple[Annotated[SinkSection, Tag("kind", SINKS)], ...] = ()
    """``[[sink]]``: where records go."""
    alert: tuple[Alert, ...] = ()
    """``[[alert]]``: what somebody is told of."""
    record: RecordConfig = field(default_factory=RecordConfig)
    """``[record]``: the journal."""
    relays: RelaysConfig = field(default_factory=RelaysConfig)
    """``[relays]``: what is told beside the books."""
    own: OwnConfig = field(default_factory=OwnConfig)
    """``[own]``: the user's own orders and positions."""
    console: ConsoleConfig = field(default_factory=ConsoleConfig)
    """``[console]``: what the terminal shows."""
    server: ServerConfig = field(default_factory=_no_server)
    """``[server]``: what is handed out to browsers and bots."""

    def __post_init__(self) -> None:
        seen: dict[tuple[str, str], int] = {}
        for index, market in enumerate(self.market):
            key, word = market.SYMBOL
            for symbol in self._symbols(index, market):
                first = seen.setdefault((market.venue, symbol), index)
                if first != index:
                    problem = f"{word} {symbol} is already in market[{first}]"
                    raise ConfigError("", f"market[{index}].{key}", problem)
        self._check_bundles()
        self._check_sinks()

    def _check_sinks(self) -> None:
        names: dict[str, int] = {}
        files: dict[str, int] = {}
        for index, sink in enumerate(self.sink):
            first = names.setdefault(sink.called, index)
            if first != index:
                problem = f'"{sink.called}" is already sink[{first}]; give one another name'
                raise ConfigError("", f"sink[{index}].name", problem)
            first = index if sink.file is None else files.setdefault(sink.file, index)
            if first != index:
                problem = f"sink[{first}] writes the same file; give each its own"
                raise ConfigError("", f"sink[{index}].path", problem)

    def _symbols(self, index: int, market: MarketSection) -> tuple[str, ...]:
        try:
            return self._market(market).symbols
        except ValueError as error:
            raise ConfigError("", f"market[{index}]", str(error)) from error

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
            if isinstance(bundle, SeriesPair):
                _check_series(key, bundle)
                continue
            legs = "leg" if isinstance(bundle, Pair) else "legs"
            for index, leg in enumerate(bundle.legs):
                check_followed(f"{key}.{legs}[{index}]", leg, outcomes)

    def _bundles(self) -> list[tuple[str, Pair | SeriesPair | Basket | Ladder]]:
        found: list[tuple[str, Pair | SeriesPair | Basket | Ladder]] = []
        found += ((f"pair[{i}]", one) for i, one in enumerate(self.pair))
        found += ((f"basket[{i}]", one) for i, one in enumerate(self.basket))
        found += ((f"ladder[{i}]", one) for i, one in enumerate(self.ladder))
        return found

    def signal_rules(self) -> list[Rule]:
        """Every rule to run, those of ``[rules.*]`` first, then pairs, baskets and ladders.

        Pairs of series have rules as their windows come.
        """
        bundles = [one for _, one in self._bundles() if not isinstance(one, SeriesPair)]
        return [*self.rules.enabled(), *(bundle.rule() for bundle in bundles if bundle.enabled)]

    def series_pairs(self) -> list[SeriesPair]:
        """The pairs of rolling series that are watched."""
        return [one for one in self.pair if isinstance(one, SeriesPair) and one.enabled]

    def sinks(self) -> list[tuple[Sink, SinkOptions]]:
        """All sinks as a feed takes them, not open yet; new ones with each call."""
        return [(section.sink(), section.options()) for section in self.sink]

    def with_sinks(self, texts: Sequence[str], source: str) -> "Config":
        """With more sinks, each as ``KIND`` or ``KIND,KEY=VALUE,…``; ``source`` names them.

        Raises ``ConfigError`` as ``parse`` does.
        """
        tables = []
        for text in texts:
            kind, *given = text.split(",")
            pairs = [one.partition("=") for one in given]
            for key, equals, _ in pairs:
                if not key or not equals:
                    raise ConfigError(source, text, "must be KIND or KIND,KEY=VALUE,…")
            tables.append({"kind": kind, **{key: Value(value, source) for key, _, value in pairs}})
        more = parse({"sink": tables}, source).sink
        return replace(self, sink=(*self.sink, *more))

    def writes_stdout(self) -> bool:
        """Whether a sink has standard output to itself."""
        return any(section.stdout for section in self.sink)

    def markets(self) -> list[Market]:
        """All markets as the feed knows them."""
        return [self._market(market) for market in self.market]

    def _market(self, market: MarketSection) -> Market:
        return market.to_market(self.sections.get(market.venue))

    def venues(self) -> list[str]:
        """The venues that have markets, in the order in which they first occur."""
        return list(dict.fromkeys(market.venue for market in self.market))

    def fingerprint(self) -> str:
        """SHA-256 over all values but those that say whose key is used.

        The same for the same configuration, wherever it came from.
        """
        values = asdict(self)
        # Who is told of what changes no book, and where to is nobody's business.
        del values["alert"], values["server"]
        for name, section in self.sections.items():
            for secret in section.SECRETS:
                del values["sections"][name][secret]
        for sink, kept in zip(self.sink, values["sink"], strict=True):
            for secret in sink.SECRETS:
                del kept[secret]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _check_series(key: str, pair: SeriesPair) -> None:
    try:
        check_pair(pair.series)
    except CatalogueError as error:
        raise ConfigError("", f"{key}.series", str(error)) from None


class Found(NamedTuple):
    """A market that was looked up: the name it was asked for by, and its ``[[market]]``."""

    name: str
    table: Mapping[str, object]
    listing: "Listing | None" = None
    """How it is listed."""


def load(
    path: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    targets: Sequence[str] = (),
    found: Sequence[Found] = (),
) -> Config:
    """Configuration from a TOML file (none: defaults), overridden by environment variables.

    ``targets``, such as ``"<venue>:<symbol>"``, and those that were ``found`` by name are markets
    to follow besides those of the file.
    Raises ``ConfigError`` for a file that cannot be read or parsed, unknown keys, and values
    out of bounds, naming the file and line, or the variable, the key and what is allowed.
    """
    named = ", ".join((*targets, *dict.fromkeys(one.name for one in found)))
    source = str(path) if path is not None else named or "configuration"
    text = _read(Path(path)) if path is not None else ""
    table = _parse_toml(source, text)
    if targets or found:
        markets = table.setdefault("market", [])
        if isinstance(markets, list):
            markets += map(_target, targets)
            markets += [{k: Value(v, one.name) for k, v in one.table.items()} for one in found]
    try:
        return parse(table, source, os.environ if environ is None else environ)
    except ConfigError as error:
        if error.source != source:
            raise
        raise placed(error, text) from None
    except RecursionError as error:  # dotted keys nest as deep as one likes
        raise _too_deep(source) from error


def placed(error: ConfigError, text: str | None = None) -> ConfigError:
    """The same error with the line of its key in the file it names, whose ``text`` may be given.

    A key that is missing is placed where its table is.
    """
    if error.line is not None or not error.key:
        return error
    if text is None:
        path = Path(error.source)
        if not path.is_file():
            return error
        text = _read(path)
    lines, key = lines_of(text), error.key
    while key and key not in lines:
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return ConfigError(error.source, error.key, error.problem, lines.get(key))


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
    return Reader(source, "", moved=_MOVED, places=_places()).table(Config, merged)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 at byte {error.start}: save it as UTF-8"
        raise ConfigError(str(path), "", problem) from error


def _parse_toml(source: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise _too_deep(source) from error
    except ValueError as error:
        problem, line = told(str(error), text, _FILE_ONLY)
        raise ConfigError(source, "", problem, line) from error


def _too_deep(source: str) -> ConfigError:
    return ConfigError(source, "", "tables or arrays are nested too deeply")


def _places() -> dict[str, str]:
    """The table in which a key belongs, by its name, where there is but one."""
    kinds: list[tuple[str, Any]] = [(f"[{name}]", kind) for name, kind in _SECTIONS.items()]
    kinds += [("a [[market]]", kind) for kind in _MARKETS.values()]
    kinds += [("a [[sink]]", kind) for kind in SINKS.values()]
    for one in fields(Config):
        if isinstance(one.default_factory, type) and is_dataclass(one.default_factory):
            kinds.append((f"[{one.name}]", one.default_factory))
    found: dict[str, set[str]] = {}
    for place, kind in kinds:
        for one in fields(kind):
            found.setdefault(one.name, set()).add(place)
    return {name: places.pop() for name, places in found.items() if len(places) == 1}


def _target(text: str) -> Mapping[str, Value]:
    """The ``[[market]]`` of a target; the venue says what its symbols look like."""
    name, colon, symbol = text.partition(":")
    row = VENUES.get(name)
    if not colon or not symbol:
        known = ", ".join(_SECTIONS)
        raise ConfigError(text, "", f"must be VENUE:SYMBOL, where VENUE is one of {known}")
    if row is None:
        raise ConfigError(text, "", f'no such venue: "{name}"; {suggestion(name, _SECTIONS)}')
    return {key: Value(value, text) for key, value in row.target(symbol).items()}


def _copied(table: Mapping[str, Any]) -> dict[str, Any]:
    """Tables copied, so that overrides never reach the caller's."""
    return {k: _copied(v) if isinstance(v, Mapping) else v for k, v in table.items()}


def _override(table: dict[str, Any], variable: str, path: list[str], text: str) -> None:
    key = ".".join(path)
    known = [*_SECTIONS, *(f.name for f in fields(Config) if f.name != "sections")]
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
