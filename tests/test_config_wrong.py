"""Files that people get wrong, given to the command: file, line, key, and what to do about it."""

import tomllib
from pathlib import Path

import pytest

from bookfeed import Engine, config
from bookfeed.cli import main
from bookfeed.errors import ConfigError
from bookfeed.recordings.inputs import EngineInput
from bookfeed.toml_lines import lines_of

Capsys = pytest.CaptureFixture[str]

POLY = """[[market]]
market = "0xabc"
outcomes = [{ name = "Yes", asset = "71" }, { name = "No", asset = "52" }]
"""
KALSHI = '[[market]]\nvenue = "kalshi"\nticker = "KXA-1"\n'
LEG = 'polarity = "same"\noracle = "a"\nstrike = "1"\ncut_off = "x"\n'
PAIR = f"""[[pair]]
name = "p"
[[pair.leg]]
venue = "kalshi"
symbol = "KXZ"
outcome = "yes"
{LEG}[[pair.leg]]
venue = "polymarket"
symbol = "71"
outcome = "Yes"
{LEG}"""

# Name: text, line, key, words of the message.
WRONG: dict[str, tuple[str, int | None, str, str]] = {
    # Nothing to do.
    "empty": ("", None, "market", "nothing to follow: add a [[market]]"),
    "only comments": ("# [[market]]\n", None, "market", "nothing to follow: add a [[market]]"),
    "no market": ("[engine]\nsilence_s = 3\n", None, "market", "nothing to follow"),
    # No TOML.
    "YAML": ("market:\n  - venue: kalshi\n", 1, "", "each line is key = value, [table] or"),
    "JSON": ('{"market": []}\n', 1, "", "each line is key = value, [table] or [[table]]"),
    "no equals sign": ('[engine]\nhash_check "off"\n', 2, "", "each line is key = value"),
    "open quote": ('[engine]\nhash_check = "off\n', 2, "", "a string is not closed on its line"),
    "open array": ("[[market]]\noutcomes = [\n  { name = ", 3, "", "bracket, brace or quote"),
    "open header": ("[engine\nsilence_s = 3\n", 1, "", "']' at the end of a table"),
    "no quotes": ("[[market]]\nvenue = kalshi\n", 2, "", "text stands in quotes"),
    "Python's true": ("[feed]\nbusy_poll = True\n", 2, "", "true and false without"),
    "key twice": ("[engine]\nsilence_s = 3\nsilence_s = 4\n", 3, "", "this key is there already"),
    "table twice": ("[engine]\n[feed]\n[engine]\n", 3, "", "[engine] is there twice: put its keys"),
    "market twice": ("[market]\n\n[market]\n", 3, "", "[market] is there twice: write [[market]]"),
    "backslash": ('[kalshi]\nprivate_key_file = "C:\\Users"\n', 2, "", "a backslash is written"),
    "control character": ('[engine]\nhash_check = "a\x01b"\n', 2, "", "Illegal character '\\x01'"),
    "endless number": (f"[engine]\nsilence_s = {'9' * 5_000}\n", None, "", "number is too long"),
    "deep": (f"a = {'[' * 3_000}{']' * 3_000}\n", None, "", "nested too deeply"),
    "deep keys": (f"{'a.' * 5_000}a = 1\n", None, "", "nested too deeply"),
    # What would steer the terminal, or forge a line.
    "escape in a value": (
        '[[market]]\nvenue = "kalshi"\nticker = "\\u001b[31mX"\n', 3, "market[0].ticker",
        r'not "\x1b[31mX"',
    ),
    "escape in a key": (
        '[[market]]\nvenue = "kalshi"\n"a\\u001bb" = 1\n', 1, r"market[0].a\x1bb", "no such key",
    ),
    "line in a value": (
        '[[market]]\nvenue = "kalshi"\nticker = "a\\nb"\n', 3, "market[0].ticker", r'not "a\nb"',
    ),
    # Tables of another form.
    "one bracket": ('[market]\nmarket = "x"\n', 1, "market", "write [[market]] for each"),
    "one bracket inside": (
        '[[market]]\nmarket = "x"\n[market.outcomes]\nname = "Yes"\n', 3, "market[0].outcomes",
        "write [[market.outcomes]] for each, not [market.outcomes]",
    ),
    "one bracket, pair": (POLY + "[pair]\n", 4, "pair", "write [[pair]] for each, not [pair]"),
    "one bracket, sink": (POLY + "[sink]\n", 4, "sink", "write [[sink]] for each, not [sink]"),
    "two brackets": ("[[engine]]\nsilence_s = 3\n", 1, "engine", "write [engine] in place of"),
    "value for a table": ("engine = 3\n", 1, "engine", "a table of hash_check, hash_interval_ms"),
    "text for a table": (
        '[[market]]\nmarket = "x"\noutcomes = [\n  "Yes"]\n', 4, "market[0].outcomes[0]",
        'must be a table of name, asset, not "Yes"',
    ),
    "rate for a fee": (POLY + "fee = 0.07\n", 4, "market[0].fee", "a table of rate, exponent"),
    # Keys of others.
    "slug": ('[[market]]\nslug = "will-it"\n', 2, "market[0].slug", "by its condition id (market)"),
    "condition": ('[[market]]\ncondition_id = "0x"\n', 2, "market[0].condition_id", "is called"),
    "token": ('[[market]]\ntoken_id = "7"\n', 2, "market[0].token_id", "stand in outcomes = ["),
    "Kalshi's slug": (KALSHI + 'slug = "x"\n', 4, "market[0].slug", 'named by ticker = "KX…"'),
    "Kalshi's market": (KALSHI + 'market = "x"\n', 4, "market[0].market", "named by ticker ="),
    "Kalshi's outcomes": (KALSHI + "outcomes = []\n", 4, "market[0].outcomes", "leave it out"),
    "Kalshi's fee": (KALSHI + "fee = {}\n", 4, "market[0].fee", "by fee_type and fee_multiplier"),
    "ticker, no venue": (
        '[[market]]\nticker = "KXA-1"\n', 2, "market[0].ticker",
        'while venue is left out ("polymarket"); it needs venue = "kalshi"',
    ),
    "pair, no venue": (
        '[[market]]\nsymbol = "BTC-USD"\n', 2, "market[0].symbol", 'it needs venue = "binance" or'
    ),
    "fee type of another": (
        POLY + 'venue = "polymarket"\nfee_type = "quadratic"\n', 5, "market[0].fee_type",
        'with venue = "polymarket"; it needs venue = "kalshi"',
    ),
    "ticker of a spot venue": (
        '[[market]]\nvenue = "kraken"\nticker = "x"\n', 3, "market[0].ticker", 'symbol = "BTC-USDT"'
    ),
    "fee of one's own": (
        '[[market]]\nvenue = "user"\nsymbol = "x"\nfee = "1"\n', 4, "market[0].fee", "fee_a_share"
    ),
    "leg by its ticker": (
        KALSHI + PAIR.replace("symbol =", "ticker =", 1), 8, "pair[0].leg[0].ticker",
        "a leg names its book by symbol",
    ),
    "market on top": ('venue = "kalshi"\n', 1, "venue", "it belongs in a [[market]]"),
    "behind the market": (
        POLY + 'hash_check = "off"\n', 4, "market[0].hash_check", "it belongs in [engine]"
    ),
    "wrong section": ("[feed]\nsilence_s = 3\n", 2, "feed.silence_s", "it belongs in [engine]"),
    "rule of pairs": (POLY + "[rules.box]\n", 4, "rules.box", "as [[pair]]"),
    "unknown rule": (POLY + "[rules.arb]\n", 4, "rules.arb", "known here: complement, delay"),
    "section misspelt": ("[polymarkets]\n", 1, "polymarkets", 'did you mean "polymarket"?'),
    "key misspelt": ("[engine]\nsilence = 3\n", 2, "engine.silence", 'did you mean "silence_s"?'),
    "private key inside": (
        '[kalshi]\nprivate_key = "CANARY"\n', 2, "kalshi.private_key", '"private_key_file"?'
    ),
    # Values.
    "venue in capitals": (
        '[[market]]\nvenue = "Kalshi"\n', 2, "market[0].venue", 'did you mean "kalshi"?'
    ),
    "unknown venue": (
        '[[market]]\nvenue = "nyse"\n', 2, "market[0].venue", 'one of "polymarket", "kalshi"'
    ),
    "value misspelt": (
        '[engine]\nhash_check = "alway"\n', 2, "engine.hash_check", 'did you mean "always"?'
    ),
    "switch in quotes": (
        '[feed]\nbusy_poll = "true"\n', 2, "feed.busy_poll", "write true without quotes"
    ),
    "number in quotes": (
        '[engine]\nsilence_s = "30"\n', 2, "engine.silence_s", "write 30 without quotes"
    ),
    "unit": ('[engine]\nsilence_s = "30s"\n', 2, "engine.silence_s", "a number from 0.1 to 3600"),
    "no decimal": (
        f"{POLY}[rules.complement]\nmin_edge = nan\n", 5, "rules.complement.min_edge",
        'such as "0.05", not nan\n',
    ),
    "no number": ("[engine]\nsilence_s = nan\n", 2, "engine.silence_s", "from 0.1 to 3600"),
    "out of range": (
        "[kalshi]\nmarkets_per_connection = 0\n", 2, "kalshi.markets_per_connection",
        "a whole number from 1 to 2000, not 0",
    ),
    "fraction": (
        POLY + 'fee = { rate = "0.07", exponent = 1.0 }\n', 4, "market[0].fee.exponent",
        "a whole number from 0 to 4, not 1.0",
    ),
    "no grid": (POLY + 'tick_size = "0.03"\n', 4, "market[0].tick_size", 'must divide 1, as'),
    "binary price": (POLY + "tick_size = 0.01\n", 4, "market[0].tick_size", 'write "0.01"'),
    "binary fee": (POLY + "fee = { rate = 0.07 }\n", 4, "market[0].fee.rate", 'write "0.07"'),
    "percent": (
        POLY + '[rules.complement]\nmin_edge = "1%"\n', 5, "rules.complement.min_edge",
        'a decimal in quotes, 0 to 1, such as "0.05", not "1%"; one per cent is "0.01"\n',
    ),
    "too fine": (
        POLY + 'tick_size = "0.0123456789"\n', 4, "market[0].tick_size", "with at most 9 decimals"
    ),
    "too fine a fee": (
        KALSHI + 'fee_type = "quadratic"\nfee_multiplier = "0.0123456789"\n', 5,
        "market[0].fee_multiplier", "with at most 9 decimals",
    ),
    "too large": (
        POLY + '[rules.complement]\nmin_qty = "999999999999"\n', 5, "rules.complement.min_qty",
        "0 to 90000000000",
    ),
    "leading zero": (
        POLY + 'tick_size = "00.1"\n', 4, "market[0].tick_size", "a decimal in quotes, 0.0001 to"
    ),
    "token as a number": (
        '[[market]]\nmarket = "x"\noutcomes = [{ name = "Yes", asset = 71 }]\n', 3,
        "market[0].outcomes[0].asset", "digits in quotes, not 71",
    ),
    "one token for both": (
        '[[market]]\nmarket = "x"\noutcomes = [\n  { name = "Yes", asset = "7" },\n'
        '  { name = "No", asset = "7" },\n]\n', 5, "market[0].outcomes[1].asset",
        "is the asset of the other outcome, too; each has one of its own",
    ),
    "market twice in the file": (POLY + POLY, 6, "market[1].outcomes", "already in market[0]"),
    "pair without a hyphen": (
        '[[market]]\nvenue = "binance"\nsymbol = "BTCUSDT"\n', 3, "market[0].symbol", '"BTC-USDT"'
    ),
    "pair in dollars without a hyphen": (
        '[[market]]\nvenue = "coinbase"\nsymbol = "BTCUSD"\n', 3, "market[0].symbol", '"BTC-USD"'
    ),
    "ticker of a spot venue in dollars": (
        '[[market]]\nvenue = "coinbase"\nticker = "x"\n', 3, "market[0].ticker",
        'symbol = "BTC-USD"',
    ),
    "pair with a slash": (
        '[[market]]\nvenue = "kraken"\nsymbol = "btc/usd"\n', 3, "market[0].symbol",
        'not "btc/usd" (did you mean "BTC-USD"?)\n',
    ),
    "pair in small letters": (
        '[[market]]\nvenue = "kraken"\nsymbol = "btc-usd"\n', 3, "market[0].symbol",
        'did you mean "BTC-USD"?',
    ),
    "time without quotes": (
        KALSHI + "open_time = 2026-10-01T20:00:00Z\n", 4, "market[0].open_time", "in quotes"
    ),
    "address of another kind": (
        '[polymarket]\nws_url = "https://x"\n', 2, "polymarket.ws_url", "begins with ws:// or wss://"
    ),
    "port of no machine": (
        '[kraken]\nws_url = "ws://127.0.0.1:99999"\n', 2, "kraken.ws_url", "with a host, not"
    ),
    "open bracket": ('[kraken]\nws_url = "ws://[::1/x"\n', 2, "kraken.ws_url", "with a host"),
    "no host": ('[binance]\nrest_url = "https:///x"\n', 2, "binance.rest_url", "with a host, or"),
    "address with a password": (
        '[kalshi]\nws_url = "https://me:CANARY@x"\n', 2, "kalshi.ws_url", "begins with ws:// or"
    ),
    "pair without legs": (
        POLY + '[[pair]]\nname = "p"\n', 4, "pair[0].leg",
        "is required: two legs, a [[pair.leg]] for each, with venue, symbol, outcome, polarity,",
    ),
    "basket without legs": (
        POLY + '[[basket]]\nname = "b"\nexhaustive = true\n', 4, "basket[0].legs",
        "is required: 2 to 128 legs, a [[basket.legs]] for each, with venue, symbol, outcome\n",
    ),
    "no outcomes": (
        '[[market]]\nmarket = "x"\n', 1, "market[0].outcomes",
        "one or two outcomes, a [[market.outcomes]] for each, with name, asset\n",
    ),
    "switch left out": (
        POLY + '[[basket]]\nname = "b"\nlegs = []\n', 4, "basket[0].exhaustive",
        "is required: true or false\n",
    ),
    "strike as a number": (
        POLY + PAIR.replace('strike = "1"', "strike = 85000"), 12, "pair[0].leg[0].strike",
        'not 85000; write "85000"\n',
    ),
    "cut-off without quotes": (
        POLY + PAIR.replace('"x"', "2026-10-01T21:00:00Z"), 13, "pair[0].leg[0].cut_off",
        'not 2026-10-01T21:00:00Z; write "2026-10-01T21:00:00Z"\n',
    ),
    "date without quotes": (
        KALSHI + "close_time = 2026-10-01\n", 4, "market[0].close_time",
        '"2026-10-01T21:00:00Z", not 2026-10-01; without quotes TOML reads a time of its own',
    ),
    "date in words": (
        KALSHI + "close_time = 1 Oct 2026\n", 4, "", "(a line has one value; text stands in quotes)"
    ),
    "value with its unit": (
        "[engine]\nsilence_s = 30s\n", 2, "", "(a line has one value; text stands in quotes)"
    ),
    "outcome over two lines": (
        '[[market]]\nmarket = "x"\noutcomes = [{ name = "Yes",\n  asset = "7" }]\n', 3, "",
        "({ … } stands on one line;",
    ),
    "ticker with a blank": (
        '[[market]]\nvenue = "kalshi"\nticker = "KXA-1 "\n', 3, "market[0].ticker",
        'not "KXA-1 "; leave out the blank at its end\n',
    ),
    "ticker after a blank": (
        '[[market]]\nvenue = "kalshi"\nticker = " KXA-1"\n', 3, "market[0].ticker",
        'not " KXA-1"; a blank precedes it\n',
    ),
    "ticker in two pairs of quotes": (
        """[[market]]\nvenue = "kalshi"\nticker = '"KXA-1"'\n""", 3, "market[0].ticker",
        r'not "\"KXA-1\""; leave out the quotes inside the quotes',
    ),
    "page for a ticker": (
        '[[market]]\nvenue = "kalshi"\nticker = "https://kalshi.com/markets/kxa/a/kxa-1"\n', 3,
        "market[0].ticker", "; the address of a page names an event; ticker is that of one market",
    ),
    "page for a pair": (
        '[[market]]\nvenue = "kraken"\nsymbol = "https://pro.kraken.com/app/trade/btc-usd"\n', 3,
        "market[0].symbol", "; that is the address of a page\n",
    ),
    "page for a condition": (
        POLY.replace("0xabc", "https://polymarket.com/event/will-it"), 2, "market[0].market",
        "; the address of a page ends in a slug; the condition id is in the venue's API\n",
    ),
    "slug for a condition": (
        POLY.replace("0xabc", "will-it"), 2, "market[0].market",
        'must be the condition id, 0x and 64 hexadecimal digits, or "" if it is not known, not',
    ),
    "condition with a blank": (
        POLY.replace("0xabc", "0xabc "), 2, "market[0].market", "leave out the blank at its end\n"
    ),
    "tickers": (
        '[[market]]\nvenue = "kalshi"\ntickers = ["KXA-1", "KXA-2"]\n', 3, "market[0].tickers",
        "each market is a [[market]] of its own, with its ticker\n",
    ),
    "token of an outcome": (
        POLY.replace("asset", "token_id", 1), 3, "market[0].outcomes[0].token_id",
        "the token id is called asset here\n",
    ),
    "outcome in capitals": (
        KALSHI + POLY + PAIR.replace('"KXZ"', '"KXA-1"').replace('"yes"', '"Yes"'), 12,
        "pair[0].leg[0].outcome", '(venue = "kalshi"), not "Yes" (did you mean "yes"?)\n',
    ),
    "comma": (
        POLY + '[rules.spread]\nopen = "0,05"\n', 5, "rules.spread.open",
        'not "0,05" (did you mean "0.05"?)\n',
    ),
    "dollar": (
        POLY + '[rules.spread]\nopen = "$0.05"\n', 5, "rules.spread.open",
        'not "$0.05" (did you mean "0.05"?)\n',
    ),
    "no directory": ('[record]\ndirectory = ""\n', 2, "record.directory", "path of a directory"),
    "path with a zero": (
        '[[sink]]\nkind = "ndjson"\npath = "a\\u0000b"\n', 3, "sink[0].path", "a path, or"
    ),
    "section below one that is not there": (
        POLY + '[sinks.ndjson]\npath = "x"\n', 4, "sinks", 'did you mean "sink"?'
    ),
    "true for on": (
        POLY + '[rules.complement]\nconfirm = true\n', 5, "rules.complement.confirm",
        'must be one of "on", "off", not true; write "on"\n',
    ),
    "no key": ('"" = 1\n', 1, '""', "no such key; known here: alert"),
    "fee type in capitals": (
        KALSHI + 'fee_type = "Quadratic"\n', 4, "market[0].fee_type", 'mean "quadratic"?'
    ),
    "leg nobody follows": (POLY + PAIR, 8, "pair[0].leg[0].symbol", "(there is none), not"),
    "two sinks, one file": (
        '[[sink]]\nkind = "ndjson"\npath = "a/b"\n'
        '[[sink]]\nkind = "ndjson"\nname = "again"\npath = "./a/../a/b"\n',
        7, "sink[1].path", "sink[0] writes the same file; give each its own",
    ),
    "two sinks, one output": (
        '[[sink]]\nkind = "ndjson"\npath = "-"\n'
        '[[sink]]\nkind = "ndjson"\nname = "again"\npath = "-"\n',
        7, "sink[1].path", "sink[0] writes the same file",
    ),
    "required": ('[[sink]]\nkind = "ndjson"\n', 1, "sink[0].path", 'a path, or "-" for standard'),
    "no REST": (
        '[[market]]\nvenue = "binance"\nsymbol = "BTC-USDT"\n[binance]\nrest_url = ""\n', 5,
        "binance.rest_url", "is needed",
    ),
    "no key and no REST for Kalshi": (
        KALSHI + '[kalshi]\nrest_url = ""\n', 5, "kalshi.rest_url",
        "set KALSHI_API_KEY_ID and KALSHI_",
    ),
    "key that is not there": (
        KALSHI + '[kalshi]\napi_key_id = "abc"\nprivate_key_file = "/absent.pem"\n', 6,
        "kalshi.private_key_file", "/absent.pem: cannot read (No such file or directory)",
    ),
    "key in place of its file": (
        '[kalshi]\nprivate_key_file = "-----BEGIN PRIVATE KEY-----CANARY"\n', 2,
        "kalshi.private_key_file", "the path of a file, not the key itself",
    ),
}  # fmt: skip


def refused(path: Path, capsys: Capsys) -> str:
    """What the command says of a file, in one line, and that it fails as documented."""
    assert main(["run", "--config", str(path), "--seconds", "0.1", "-o", "json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1 and told.err.endswith("\n")
    assert told.err.startswith("bookfeed run: ")
    return told.err.removeprefix("bookfeed run: ").strip()


@pytest.mark.parametrize("name", WRONG)
def test_it_is_told_where_what_and_what_to_do(
    name: str, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("KALSHI_API_KEY_ID", "KALSHI_PRIVATE_KEY_PATH", "KALSHI_PRIVATE_KEY"):
        monkeypatch.delenv(variable, raising=False)
    text, line, key, words = WRONG[name]
    path = tmp_path / "bookfeed.toml"
    path.write_text(text, encoding="utf-8")
    where = str(path) if line is None else f"{path}:{line}"
    told = refused(path, capsys)
    assert told.startswith(f"{where}: {key}: " if key else f"{where}: ")
    assert words in told + "\n"
    assert "CANARY" not in told


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (POLY.encode("utf-16"), "not UTF-8 at byte 0: save it as UTF-8"),
        (POLY.replace("Yes", "Ähre").encode("latin-1"), "not UTF-8 at byte 50: save it"),
        (b"\x89PNG\r\n", "not UTF-8 at byte 0"),
        (b"a = 1\x00\n", "not valid TOML"),
    ],
)
def test_other_encodings_are_named(data: bytes, words: str, tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "bookfeed.toml"
    path.write_bytes(data)
    assert words in refused(path, capsys)


def test_paths_that_hold_no_file(tmp_path: Path, capsys: Capsys) -> None:
    assert "cannot read (No such file or directory)" in refused(tmp_path / "absent", capsys)
    assert "cannot read (Is a directory)" in refused(tmp_path, capsys)


def test_a_mark_of_the_encoding_and_line_ends_of_others_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "bookfeed.toml"
    path.write_bytes(b"\xef\xbb\xbf" + POLY.replace("\n", "\r\n").encode())
    assert [market.market for market in config.load(path, {}).markets()] == ["0xabc"]
    path.write_bytes(path.read_bytes() + b"x = 1\r\n")
    with pytest.raises(ConfigError) as caught:
        config.load(path, {})
    assert caught.value.line == 4


TOML = '''
top = 1
[engine] # x
hash_check = "a#b" # d
text = """
x = 1
"y" """
when = 1979-05-27 07:32:00
[[market]]
outcomes = [
  # first
  { name = "Yes", asset = "1" }, { name = 'N}o',
    asset = "2" }, 3, [4,
  5]
]
fee.rate = '1'
[[market]]
[[market.outcomes]]
name = "x#"
[[market.outcomes]]
"name" = EMPTY
[rules.spread]
open = "1"
'''.replace("EMPTY", "'" * 6)


def test_lines_of_every_form_of_key() -> None:
    assert lines_of(TOML) == {
        "top": 2, "engine": 3, "engine.hash_check": 4, "engine.text": 5, "engine.when": 8,
        "market": 9, "market[0]": 9, "market[0].outcomes": 10,
        "market[0].outcomes[0]": 12, "market[0].outcomes[0].name": 12,
        "market[0].outcomes[0].asset": 12, "market[0].outcomes[1]": 12,
        "market[0].outcomes[1].name": 12, "market[0].outcomes[1].asset": 13,
        "market[0].outcomes[2]": 13, "market[0].outcomes[3]": 13,
        "market[0].outcomes[3][0]": 13, "market[0].outcomes[3][1]": 14,
        "market[0].fee": 16, "market[0].fee.rate": 16,
        "market[1]": 17, "market[1].outcomes": 18,
        "market[1].outcomes[0]": 18, "market[1].outcomes[0].name": 19,
        "market[1].outcomes[1]": 20, "market[1].outcomes[1].name": 21,
        "rules": 22, "rules.spread": 22, "rules.spread.open": 23,
    }  # fmt: skip
    assert lines_of(TOML.replace("\n", "\r\n")) == lines_of(TOML)


@pytest.mark.parametrize("text", ["[a", "a = ", "a = {b", "= 1", f"a = {'[' * 5_000}", "\x00"])
def test_what_is_no_toml_has_no_lines_and_does_no_harm(text: str) -> None:
    assert set(lines_of(text)) <= {"a", *(key for key in lines_of(text) if key.startswith("a"))}


def test_an_error_of_a_variable_has_no_line(tmp_path: Path) -> None:
    path = tmp_path / "bookfeed.toml"
    path.write_text("[engine]\nsilence_s = 3\n")
    with pytest.raises(ConfigError) as caught:
        config.load(path, {"BOOKFEED_ENGINE__SILENCE_S": "x"})
    assert (caught.value.source, caught.value.line) == ("BOOKFEED_ENGINE__SILENCE_S", None)
    variable = "BOOKFEED_ENGINE__UNHEARD_S__MAX"
    with pytest.raises(ConfigError, match=f"{variable}: engine.unheard_s: must be a number"):
        config.load(path, {variable: "3"})


def test_no_value_gets_past_the_file_and_fails_in_the_engine() -> None:
    """Whatever the schema lets through, the engine takes."""
    odd = ('"0.123456789012345678"', '"999999999999999999"', '"1."', '".5"', '"00.1"', '"0"', "7")
    for key in ("tick_size", "min_order_size", "fee.rate", "fee.exponent"):
        for value in odd:
            _open(
                POLY + ('fee.rate = "0.07"\n' if key == "fee.exponent" else "") + f"{key} = {value}"
            )
    for key in ("fee_multiplier", "fee_multiplier_override"):
        for value in odd:
            _open(f'{KALSHI}fee_type = "quadratic"\n{key} = {value}')
    for key in ("min_edge", "min_qty", "max_skew_ms"):
        for value in odd:
            _open(f"{POLY}[rules.complement]\n{key} = {value}")


def _open(text: str) -> None:
    try:
        loaded = config.parse(tomllib.loads(text))
    except ConfigError:
        return
    door = EngineInput(Engine())
    for rule in loaded.signal_rules():
        door.add_rule(rule, 1)
    for market in loaded.markets():
        for outcome in market.outcomes:
            door.subscribe(market, outcome, 0, 1)
