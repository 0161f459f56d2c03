"""``--sim`` from an empty folder, as its user runs it: real processes, simulated venues."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lengths import TIMES
from waiting import PATIENCE_S

from bookfeed.cli import main
from bookfeed.cli.places import places
from bookfeed.sim import alone

pytestmark = pytest.mark.slow

QUARTER_S = 900
ENDS_S = 30


def ran(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bookfeed", *arguments, "--sim"],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=PATIENCE_S,
    )
    assert done.returncode == code, done.stderr
    return done


def within_a_window() -> None:
    """Waits for the next window of the series if this one is about to end."""
    left_s = QUARTER_S - time.time() % QUARTER_S
    if left_s < ENDS_S:
        time.sleep(left_s + 1)


def test_from_a_word_to_live_books(tmp_path: Path) -> None:
    found = json.loads(ran(tmp_path, "markets", "bitcoin", "-o", "json").stdout)["markets"]
    assert {one["venue"] for one in found} == {"polymarket", "kalshi"}
    targets = ("KXBTC15M", "btc-updown-15m", "https://polymarket.com/event/market-1")
    within_a_window()
    done = ran(tmp_path, "run", *targets, "--rate", "40", "--seconds", "4", "-o", "json")
    states = json.loads(done.stdout)["states"]
    # One book of Kalshi's, two of each of Polymarket's; of the next windows, too, if they are near.
    assert sum(states.values()) in (5, 8)
    assert states["live"] >= 3, "but for those inside a batch"
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_a_configuration_keeps_what_it_says_but_for_places_and_keys(tmp_path: Path) -> None:
    within_a_window()
    written = ran(tmp_path, "add", "market-1", "KXBTC15M", "--to", "mine.toml")
    assert "2 added to" in written.stderr
    path = tmp_path / "mine.toml"
    path.write_text(
        '[kalshi]\nws_url = "wss://example.invalid/"\nprivate_key_file = "none.pem"\n'
        f'api_key_id = "mine"\n\n{path.read_text()}'
    )
    # Another simulator of the same seed: the same markets.
    done = ran(tmp_path, "run", "--config", "mine.toml", "--seconds", "3", "-o", "json")
    assert json.loads(done.stdout)["states"]["live"] >= 1


def test_ones_own_orders_are_followed_without_a_key_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[own]\nvenues = ["polymarket", "kalshi"]\n')
    run = ("run", "market-1", "--config", str(path), "--seconds", "4", "-v", "-o", "json")
    done = ran(tmp_path, *run)
    for venue in ("polymarket", "kalshi"):
        assert f"own venue={venue} state=live" in done.stderr
        assert f"own-order venue={venue}" in done.stderr
    counters = json.loads(done.stdout)["counters"]
    assert counters["own_walks"] >= 2 and counters["own_unreadable"] == 0
    told = done.stdout + done.stderr
    assert not any(word in told for word in ("PRIVATE KEY", "passphrase", "apiKey"))
    # Somebody without an account has no orders either.
    refused = ran(tmp_path, "run", "market-1", "--config", str(path), "--no-keys", code=2)
    assert "no API key" in refused.stderr


def test_places_do_not_show_what_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KALSHI_PRIVATE_KEY", "CANARY")
    given = {"sim": False, "no_keys": False, "url": ["a.b=c"], "catalogue": "", "offline": False}
    with places(argparse.Namespace(**given)) as there:
        assert there.environ["KALSHI_PRIVATE_KEY"] == "CANARY"
        assert "CANARY" not in repr(there) and "a.b" in repr(there)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--demo", "--sim"], "is simulated already: leave --sim out"),
        (["markets", "--sim", "--url=a.b=http://c"], "leave --url out"),
        (["run", "binance:DOGE-USDT", "--sim"], "--sim: binance:DOGE-USDT: is not simulated, only"),
    ],
)
def test_what_cannot_be_simulated(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("book", "KXBTC15M", "--depth", "2"), '"believed":true'),
        (("price", "btc-updown-15m", "buy", "50usd"), '"complete":true'),
        (("trades", "https://polymarket.com/event/market-1", "-n", "3"), '"trades":[{"ts":'),
        (("pairs", "suggest", "bitcoin"), '"relation":"complement"'),
    ],
)
def test_each_command_from_an_empty_folder(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    within_a_window()
    assert said in ran(tmp_path, *arguments, "-o", "json").stdout
    assert not list(tmp_path.iterdir())


# In the short form those that no other test here follows.
ALONE = sorted(alone() if TIMES > 1 else {*alone()} - {"coinbase", "gemini", "kraken"})


@pytest.mark.parametrize("venue", ALONE)
def test_spot_venues_are_followed_without_a_network(tmp_path: Path, venue: str) -> None:
    symbol = "BTC-USDT" if venue == "binance" else "BTC-USD"
    book = json.loads(ran(tmp_path, "book", f"{venue}:{symbol}", "-o", "json").stdout)
    assert (book["venue"], book["believed"], book["state"]) == (venue, True, "live")
    if venue == "binance":  # a price is swept from a book of any venue in one way
        arguments = ("price", f"{venue}:{symbol}", "buy", "100usdt", "-o", "json")
        assert '"complete":true' in ran(tmp_path, *arguments).stdout


def test_venues_of_both_kinds_are_followed_together(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[kraken]\nws_url = "wss://example.invalid/"\n\n'
        '[[market]]\nvenue = "kraken"\nsymbol = "ETH-USD"\n'
    )
    run = ("run", "coinbase:BTC-USD", "gemini:BTC-USD", "market-1", "--config", str(path))
    done = ran(tmp_path, *run, "--seconds", "5", "-o", "json")
    states = json.loads(done.stdout)["states"]
    assert sum(states.values()) == 5 and states["live"] >= 4


def test_without_keys_books_of_kalshi_are_polled(tmp_path: Path) -> None:
    command = ("run", "KXBTC15M", "btc-updown-15m", "--sim", "--no-keys", "--seconds", "5")
    process = subprocess.run(
        [sys.executable, "-m", "bookfeed", *command, "-o", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    summary = json.loads(process.stdout.splitlines()[-1])
    states = {(book["venue"], book["state"]) for book in summary["books"]}
    assert states == {("kalshi", "live_poll"), ("polymarket", "live")}
    (polling,) = (one for one in summary["connections"] if one["venue"] == "kalshi")
    assert polling["state"] == "polling" and "no API key" in polling["cause"]
