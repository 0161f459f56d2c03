"""Configuration: what a file may say, what a wrong one is told, what a variable overrides."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bookfeed import config
from bookfeed.config import Config, EngineConfig, FeedConfig, SpreadConfig
from bookfeed.errors import BookfeedError, ConfigError
from bookfeed.rules.pairs import Basket, Ladder, Pair
from bookfeed.rules.rule import Rule
from bookfeed.sinks import (
    SINKS,
    NatsSink,
    NdjsonSink,
    PostgresSink,
    RedisSink,
    SinkOptions,
    SqliteSink,
)
from bookfeed.venues import VENUES, FeeSchedule
from bookfeed.venues.binance import BinanceSection
from bookfeed.venues.bitstamp import BitstampSection
from bookfeed.venues.coinbase import CoinbaseSection
from bookfeed.venues.cryptocom import CryptocomSection
from bookfeed.venues.gemini import GeminiSection
from bookfeed.venues.kalshi import KalshiSection
from bookfeed.venues.kraken import KrakenSection
from bookfeed.venues.polymarket import FeeSection, PolymarketMarket, PolymarketSection

YES, NO = "7" * 77, "5" * 76

FULL = f"""
[engine]
hash_check = "always"
hash_interval_ms = 100
batch_grace_ms = 200
suspect_grace_ms = 900
silence_s = 12.5
odd_silence_s = 4
poll_age_s = 20
max_delay_s = 2.5
unheard_s = 60
calendar = false

[feed]
busy_poll = true
connect_stagger_ms = 5
backoff_min_s = 0.5
backoff_max_s = 8
poll_interval_s = 2
poll_after_s = 0
reconnect = false
lines = 2
frame_bytes_max = 1_000_000

[polymarket]
ws_url = "ws://127.0.0.1:1234/ws/market"
rest_url = ""
ping_interval_s = 5
custom_features = false
assets_per_connection = 450
user_ws_url = "ws://127.0.0.1:1234/ws/user"

[own]
venues = ["kalshi"]
ask_every_s = 30
net = false

[relays]
topics = ["rtds:activity/trades"]
rtds_url = "ws://127.0.0.1:1234"
polybolt_url = "ws://127.0.0.1:1234/ws"
touches = 64

[kalshi]
environment = "demo"
ws_url = "ws://127.0.0.1:1234/trade-api/ws/v2"
rest_url = ""
api_key_id = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c"
private_key_file = "/run/secrets/kalshi.pem"
use_yes_price = false
tickers = true
indices = ["BRTI", "ETHUSD_RTI"]
membership = "direct"
probe_interval_s = 5
markets_per_connection = 2000

[binance]
site = "us"
ws_url = "ws://127.0.0.1:1234"
rest_url = "http://127.0.0.1:1234"
depth = 1000
touch = false
symbols_per_connection = 50

[kraken]
ws_url = "ws://127.0.0.1:1234/v2"
rest_url = "http://127.0.0.1:1234"
depth = 1000
probe_interval_s = 5
symbols_per_connection = 50

[coinbase]
ws_url = "ws://127.0.0.1:1234"
rest_url = "http://127.0.0.1:1234"
probe_interval_s = 5
symbols_per_connection = 5
second_source = true
second_url = "ws://127.0.0.1:1235"

[bitstamp]
ws_url = "ws://127.0.0.1:1234"
rest_url = "http://127.0.0.1:1234"
symbols_per_connection = 5

[gemini]
api = "fast"
ws_url = "ws://127.0.0.1:1234"
rest_url = "http://127.0.0.1:1234"
symbols_per_connection = 5
second_source = true
second_url = "ws://127.0.0.1:1235"

[cryptocom]
ws_url = "ws://127.0.0.1:1234/market"
depth = 10
symbols_per_connection = 5

[[market]]
market = "0xabc"
name = "Will it?"
tick_size = "0.01"
min_order_size = 5
neg_risk = false
fee = {{ rate = "0.07", exponent = 2 }}
outcomes = [{{ name = "Yes", asset = "{YES}" }}, {{ name = "No", asset = "{NO}" }}]

[rules.spread]
mode = "bps"
when = "tight"
open = "10"
close = "12.5"
min_hold_ms = 20

[rules.complement]
min_edge = "0.002"
min_qty = "5"
max_lag_ms = 500
min_time_to_close_ms = 60000

[[sink]]
kind = "ndjson"
path = "/data/records.ndjson"
sync = "write"
name = "lines"
queue_max = 1000
full = "spill"
spill_dir = "/data/spill"
spill_bytes_max = 1000000
close_timeout_s = 2.5

[[sink]]
kind = "nats"
url = "tls://host:4223"
tls_first = true
prefix = "mine"
depth = 5
allow_poll = true
jetstream = false
book_s = 2.5
stream_max = 1000

[[sink]]
kind = "postgres"
url = "postgresql://me@host:5433/mine"
schema = "mine"
trades = true
prices_s = 1
books_s = 60
depth = 5
keep_days = 7
keep_mib = 100

[[sink]]
kind = "redis"
url = "rediss://host:6380/1"
preset = "classic"
depth = 5
price_of = "mid"
allow_poll = true
stream_max = 1000
templates = {{ book_key = "b:{{symbol}}", signal_channel = "{{rule}}" }}
lifetimes = {{ book_s = 2.5 }}

[[sink]]
kind = "sqlite"
path = "/data/feed.sqlite"
trades = true
prices_s = 1
books_s = 60
depth = 5
keep_days = 7
keep_mib = 100

[record]
directory = "/data"
prefix = "poly"
flush_interval_ms = 20
sync_interval_s = 0
rotate_mib = 64
rotate_minutes = 60
keep_days = 7
upload = ["/bin/keep", "-q"]

[terms]
enabled = true
half_life_ms = 120000
step_ms = 5000
freedom = 0
scale = "1.5"
reference_doubt = "8"
volatility_doubt = "1"
move_ms = 1000
move_sigmas = "2.5"
endpoints = "start"

[server]
enabled = false
host = "::1"
port = 8701
token_file = "/run/secrets/token"
expose = true
allow_host = ["desk.lan"]

[console]
refresh_hz = 10
"""

MARKET = f"""
[[market]]
market = "0xabc"
outcomes = [{{ name = "Yes", asset = "{YES}" }}]
"""

LINES = """
[[sink]]
kind = "ndjson"
path = "records.ndjson"
"""


def load(tmp_path: Path, text: str, **environ: str) -> Config:
    path = tmp_path / "bookfeed.toml"
    path.write_text(text, encoding="utf-8")
    return config.load(path, environ)


def refusal(tmp_path: Path, text: str, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, **environ)
    return caught.value


def test_every_key_is_read(tmp_path: Path) -> None:
    loaded = load(tmp_path, FULL)
    assert loaded.engine.arguments() == {
        "hash_check": "always",
        "hash_interval_s": 0.1,
        "batch_grace_s": 0.2,
        "suspect_grace_s": 0.9,
        "silence_s": 12.5,
        "odd_silence_s": 4,
        "poll_age_s": 20,
        "max_delay_s": 2.5,
        "unheard_s": 60,
        "calendar": False,
    }
    assert loaded.feed == FeedConfig(
        True, 5, 0.5, 8.0, False, 2, poll_interval_s=2.0, poll_after_s=0.0,
        frame_bytes_max=1_000_000,
    )  # fmt: skip
    assert loaded.sections["polymarket"] == PolymarketSection(
        "ws://127.0.0.1:1234/ws/market",
        "",
        5.0,
        custom_features=False,
        assets_per_connection=450,
        user_ws_url="ws://127.0.0.1:1234/ws/user",
    )
    assert loaded.own == config.OwnConfig(("kalshi",), 30.0, net=False)
    assert loaded.relays == config.RelaysConfig(
        ("rtds:activity/trades",), "ws://127.0.0.1:1234", "ws://127.0.0.1:1234/ws"
    )
    assert loaded.sections["kalshi"] == KalshiSection(
        environment="demo",
        ws_url="ws://127.0.0.1:1234/trade-api/ws/v2",
        rest_url="",
        api_key_id="a952bcbe-ec3b-4b5b-b8f9-11dae589608c",
        private_key_file="/run/secrets/kalshi.pem",
        use_yes_price=False,
        tickers=True,
        indices=("BRTI", "ETHUSD_RTI"),
        membership="direct",
        probe_interval_s=5.0,
        markets_per_connection=2000,
    )
    assert loaded.sections["binance"] == BinanceSection(
        "us",
        "ws://127.0.0.1:1234",
        "http://127.0.0.1:1234",
        depth=1000,
        touch=False,
        symbols_per_connection=50,
    )
    here = "ws://127.0.0.1:1234", "http://127.0.0.1:1234"
    assert loaded.sections["bitstamp"] == BitstampSection(*here, 5)
    second = True, "ws://127.0.0.1:1235"
    assert loaded.sections["gemini"] == GeminiSection("fast", *here, 5, *second)
    assert loaded.sections["cryptocom"] == CryptocomSection("ws://127.0.0.1:1234/market", 10, 5)
    rest_url = "http://127.0.0.1:1234"
    coinbase = CoinbaseSection("ws://127.0.0.1:1234", rest_url, 5.0, 5, *second)
    assert loaded.sections["coinbase"] == coinbase
    kraken = KrakenSection("ws://127.0.0.1:1234/v2", rest_url, 1000, 5.0, 50)
    assert loaded.sections["kraken"] == kraken
    (market,) = loaded.market
    assert isinstance(market, PolymarketMarket)
    assert [(o.name, o.asset) for o in market.outcomes] == [("Yes", YES), ("No", NO)]
    assert market.tick_size == "0.01"
    assert market.min_order_size == "5"
    assert market.neg_risk is False
    assert market.fee == FeeSection("0.07", 2)
    assert loaded.record == config.RecordConfig(
        "/data", "poly", 20, 0.0, 64, 60, 7.0, ("/bin/keep", "-q")
    )
    (sink, options), *others = loaded.sinks()
    assert [type(other) for other, _ in others] == [NatsSink, PostgresSink, RedisSink, SqliteSink]
    assert isinstance(sink, NdjsonSink)
    assert options == SinkOptions("lines", 1000, "spill", "/data/spill", 1_000_000, 2.5)
    assert loaded.console.refresh_hz == 10.0
    assert loaded.server == config.ServerConfig(
        False, "::1", 8701, "/run/secrets/token", True, ("desk.lan",)
    )
    gates = {"max_age_ms": "30000", "cooldown_ms": "0", "proof": "off"}
    gates |= {"min_time_to_close_ms": "0", "min_hold_ms": "0", "allow_poll": "off"}
    spread = {"mode": "bps", "when": "tight", "open": "10", "close": "12.5"}
    lag = {"max_lag_ms": "500", "min_time_to_close_ms": "60000"}
    assert loaded.rules.enabled() == [
        Rule("spread", gates | spread | {"min_hold_ms": "20"}),
        Rule("complement", gates | lag | {"min_edge": "0.002", "min_qty": "5"}),
    ]


def test_the_full_file_names_every_key_there_is() -> None:
    def keys(kind: Any, prefix: str = "") -> set[str]:
        return {f"{prefix}{field.name}" for field in dataclasses.fields(kind)}

    # Pairs, baskets and ladders have a file of their own, in `test_config_pairs.py`, indices in
    # `test_estimates.py`, alerts in `test_alerts.py`.
    own = {field.name for field in dataclasses.fields(Config)} - {"sections"}
    venues = {name: row.section for name, row in VENUES.items() if row.section is not None}
    for section in (own | venues.keys()) - {"pair", "basket", "ladder", "index", "alert"}:
        assert f"[{section}" in FULL or f"[[{section}" in FULL
    kinds = (EngineConfig, FeedConfig, *venues.values(), *SINKS.values())
    kinds += (config.RecordConfig, config.OwnConfig, config.RelaysConfig, config.TermsConfig)
    kinds += (config.ServerConfig,)
    # Certificates are read with the file that names them: `test_sink_nats_door.py` has those.
    read = {"ca", "cert", "cert_key"}
    for kind in kinds:
        assert all(f"{key} = " in FULL for key in keys(kind) - read)


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Config() == config.load(None, {})
    assert Config().rules.enabled() == []


def test_a_market_becomes_one_the_feed_knows(tmp_path: Path) -> None:
    (market,) = load(tmp_path, FULL).markets()
    assert market.symbols == (YES, NO)
    assert market.fee == FeeSchedule("0.07", 2)
    assert (market.market, market.name, market.venue) == ("0xabc", "Will it?", "polymarket")


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ('[engine]\nhash_check = "allways"', "engine.hash_check", ["always", "sampled", "off"]),
        ("[engine]\nhash_chek = 1", "engine.hash_chek", ['did you mean "hash_check"']),
        ("[engin]\nx = 1", "engin", ['did you mean "engine"', "polymarket"]),
        ("engine = 3", "engine", ["a table", "not 3"]),
        ("[engine]\nhash_interval_ms = 60001", "engine.hash_interval_ms", ["from 0 to 60000"]),
        ("[engine]\nhash_interval_ms = 1.5", "engine.hash_interval_ms", ["whole number", "1.5"]),
        ("[engine]\nhash_interval_ms = true", "engine.hash_interval_ms", ["not true"]),
        ("[engine]\nsilence_s = nan", "engine.silence_s", ["a number", "nan"]),
        ('[engine]\nsilence_s = "3"', "engine.silence_s", ["a number", '"3"']),
        (
            "[polymarket]\nassets_per_connection = 451",
            "polymarket.assets_per_connection",
            ["1 to 450"],
        ),
        (
            "[feed]\nassets_per_connection = 7",
            "feed.assets_per_connection",
            ["has moved: it is [polymarket] assets_per_connection now"],
        ),
        ("[feed]\nbusy_poll = 1", "feed.busy_poll", ["true or false"]),
        ("[feed]\nbackoff_min_s = 90", "feed.backoff_min_s", ["at most backoff_max_s (60.0)"]),
        ('[polymarket]\nws_url = "http://x"', "polymarket.ws_url", ["ws:// or wss://"]),
        ('[polymarket]\nrest_url = "ftp://x"', "polymarket.rest_url", ["http:// or https://"]),
        ('[record]\nprefix = "a/b"', "record.prefix", ["1 to 64 of"]),
        ("[rules.spread]\nopen = 0.05", "rules.spread.open", ['write "0.05"', "inexact"]),
        ('[rules.spread]\nopen = "5e-2"', "rules.spread.open", ["a decimal in quotes", "5e-2"]),
        ('[rules.spread]\nopen = "-1"', "rules.spread.open", ["0 to 20000"]),
        ("[rules.spread]", "rules.spread.open", ["is required"]),
        (
            '[rules.spread]\nopen = "0.05"\nclose = "0.06"',
            "rules.spread.close",
            ['at most open ("0.05")'],
        ),
        (
            '[rules.spread]\nwhen = "tight"\nopen = "0.05"\nclose = "0.04"',
            "rules.spread.close",
            ["at least open"],
        ),
        ('[rules.complement]\nmin_edge = "1.01"', "rules.complement.min_edge", ["0 to 1"]),
        ("[[market]]\noutcomes = []", "market[0].market", ["is required"]),
        ('[[market]]\nmarket = "x"\noutcomes = []', "market[0].outcomes", ["one or two"]),
        (
            '[[market]]\nmarket = "x"\noutcomes = [{ name = "Yes", asset = 71 }]',
            "market[0].outcomes[0].asset",
            ["78 digits in quotes", "71"],
        ),
        (MARKET + MARKET, "market[1].outcomes", ["is already in market[0]"]),
        (MARKET + "tick_size = 0.01", "market[0].tick_size", ['write "0.01"']),
        (MARKET + "fee = { exponent = 1 }", "market[0].fee.rate", ["is required"]),
        ('[[sink]]\npath = "x"', "sink[0].kind", ["is required"]),
        ('[[sink]]\nkind = "csv"\npath = "x"', "sink[0].kind", ['one of "ndjson", "nats"', "csv"]),
        ('[[sink]]\nkind = "ndjson"', "sink[0].path", ["is required", "standard output"]),
        (LINES + "queue_max = 0", "sink[0].queue_max", ["1 to 16777216"]),
        (LINES + 'full = "drop"', "sink[0].full", ["drop_oldest"]),
        (LINES + 'name = "My sink"', "sink[0].name", ["a letter first"]),
        (LINES + LINES, "sink[1].name", ['"ndjson" is already sink[0]']),
    ],
)
def test_a_wrong_file_is_told_where_and_what(
    tmp_path: Path, text: str, key: str, words: list[str]
) -> None:
    error = refusal(tmp_path, text)
    assert error.key == key
    assert error.source == str(tmp_path / "bookfeed.toml")
    assert error.line is not None
    assert str(error).startswith(f"{error.source}:{error.line}: {key}: ")
    for word in words:
        assert word in str(error)


def test_what_is_no_toml_is_told_the_line(tmp_path: Path) -> None:
    error = refusal(tmp_path, "[engine\n")
    assert "not valid TOML" in str(error)
    assert f"{error.source}:1: " in str(error)


def test_a_missing_file_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        config.load(tmp_path / "absent.toml", {})
    (tmp_path / "binary.toml").write_bytes(b"a = \xff")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 4"):
        config.load(tmp_path / "binary.toml", {})


def test_variables_override_the_file(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        '[engine]\nhash_check = "off"\n',
        BOOKFEED_ENGINE__HASH_CHECK="always",
        BOOKFEED_ENGINE__SILENCE_S="2.5",
        BOOKFEED_FEED__BUSY_POLL="yes",
        BOOKFEED_POLYMARKET__ASSETS_PER_CONNECTION="7",
        BOOKFEED_RULES__SPREAD__OPEN="0.03",
        BOOKFEED_POLYMARKET__REST_URL="",
    )
    assert loaded.engine == EngineConfig(hash_check="always", silence_s=2.5)
    assert loaded.feed == FeedConfig(busy_poll=True)
    assert loaded.rules.spread == SpreadConfig(open="0.03")
    assert loaded.sections["polymarket"] == PolymarketSection(rest_url="", assets_per_connection=7)


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("BOOKFEED_ENGINE__HASH_CHECK", "maybe", ["engine.hash_check", '"always"']),
        ("BOOKFEED_ENGINE__HASH_CHEK", "off", ["engine.hash_chek", 'mean "hash_check"']),
        ("BOOKFEED_ENGIN__HASH_CHECK", "off", ["no such section", 'mean "engine"']),
        ("BOOKFEED_FEED__BUSY_POLL", "maybe", ["feed.busy_poll", "true or false"]),
        ("BOOKFEED_POLYMARKET__ASSETS_PER_CONNECTION", "0", ["from 1 to 450", "not 0"]),
        ("BOOKFEED_FEED__ASSETS_PER_CONNECTION", "7", ["moved", "[polymarket]"]),
        ("BOOKFEED_MARKET__NAME", "x", ["market", "in the file"]),
        ("BOOKFEED_PAIR__NAME", "x", ["pair", "in the file"]),
        ("BOOKFEED_ENGINE__HASH_CHECK__X", "x", ['"hash_check" is a value']),
    ],
)
def test_a_wrong_variable_is_named(
    tmp_path: Path, variable: str, text: str, words: list[str]
) -> None:
    error = refusal(tmp_path, '[engine]\nhash_check = "off"\n', **{variable: text})
    assert error.source == variable
    for word in words:
        assert word in str(error)


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    environ = {"BOOKFEED_PORT": "tcp://10.0.0.1", "OTHER_ENGINE__HASH_CHECK": "x"}
    assert load(tmp_path, "", **environ) == Config()


def test_text_is_no_number_in_a_file(tmp_path: Path) -> None:
    assert refusal(tmp_path, '[feed]\nconnect_stagger_ms = "7"').key.startswith("feed.")


def test_built_in_python_it_is_checked_too() -> None:
    with pytest.raises(BookfeedError, match="open: is required"):
        SpreadConfig()
    with pytest.raises(ValueError, match="backoff_max_s"):
        FeedConfig(backoff_min_s=100.0)


def test_a_disabled_rule_needs_nothing_and_does_not_run(tmp_path: Path) -> None:
    assert load(tmp_path, "[rules.spread]\nenabled = false").rules.enabled() == []


def test_the_fingerprint_is_of_values(tmp_path: Path) -> None:
    by_file = load(tmp_path, '[engine]\nhash_check = "off"')
    by_variable = load(tmp_path, "", BOOKFEED_ENGINE__HASH_CHECK="off")
    assert by_file.fingerprint() == by_variable.fingerprint() != Config().fingerprint()


def test_the_documentation_has_every_key() -> None:
    text = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
    kinds = (
        EngineConfig,
        FeedConfig,
        SpreadConfig,
        *(row.section for row in VENUES.values() if row.section is not None),
        *(row.market for row in VENUES.values()),
        config.ComplementConfig,
        Pair,
        Basket,
        Ladder,
        *SINKS.values(),
        config.IndexConfig,
        config.RecordConfig,
        config.ConsoleConfig,
    )
    for kind in kinds:
        section = section_of(text, kind)
        for field in dataclasses.fields(kind):
            (row,) = {line for line in section if line.startswith(f"* `{field.name}` (")}
            if isinstance(field.default, str | int | float) and field.default != "":
                assert row.startswith(f"* `{field.name}` ({shown_default(field.default)})")


def section_of(text: str, kind: type[Any]) -> list[str]:
    """The part of the documentation that the first words of the class's own name."""
    heading, _, venue = str(kind.__doc__).split(":")[0].replace("``", "`").partition(" with ")
    (section,) = (part for part in text.split("\n## ") if heading in part.splitlines()[0])
    if heading == "`[[sink]]`":  # what all have, and what its kind has besides
        common, *kinds = section.split("\nWith ")
        (own,) = (part for part in kinds if part.startswith(venue))
        return (common + own).splitlines()
    # Markets of all venues share a section; each but the first has its keys behind its own words.
    own = section.partition(f"\nWith {venue}")[2] if venue else section
    # Sinks share keys, too; those of a kind stand behind its own words.
    common, *kinds = own.split("\nWith `kind = ")
    own = common + "".join(
        part for part in kinds if f"kind = {part.split('`')[0]}" in heading_of(kind)
    )
    return own.partition("\nWith `venue")[0].splitlines()


def heading_of(kind: type[Any]) -> str:
    return str(kind.__doc__).splitlines()[0]


def shown_default(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"{value:g}"
    return f'`"{value}"`' if isinstance(value, str) else str(value)
