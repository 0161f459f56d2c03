"""Targets: markets that the command line names, ``venue:symbol``, as each venue spells them."""

from pathlib import Path

import pytest

from bookfeed import config
from bookfeed.cli import main
from bookfeed.errors import ConfigError
from bookfeed.market import Market, Outcome

TOKEN = "7" * 77
TICKER = "KXBTCD-26OCT0117-T84999.99"


def followed(*targets: str, path: Path | None = None) -> list[Market]:
    return config.load(path, {}, targets=targets).markets()


def test_each_venue_reads_its_own_symbols() -> None:
    kalshi, polymarket = followed(f"kalshi:{TICKER}", f"polymarket:{TOKEN}")
    assert kalshi == Market(TICKER, (Outcome("Yes", TICKER),), venue="kalshi")
    # Nothing is known of the market a token belongs to.
    assert (polymarket.market, polymarket.symbols) == ("", (TOKEN,))


def test_targets_come_besides_the_markets_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "bookfeed.toml"
    path.write_text(f'[[market]]\nvenue = "kalshi"\nticker = "{TICKER}"\n')
    found = followed("kalshi:OTHER", path=path)
    assert [market.market for market in found] == [TICKER, "OTHER"]
    with pytest.raises(ConfigError, match=r"market\[1\].ticker: .* is already in market\[0\]"):
        followed(f"kalshi:{TICKER}", path=path)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("KXBTCD", "must be VENUE:SYMBOL, where VENUE is one of polymarket, kalshi"),
        ("kalshi:", "must be VENUE:SYMBOL"),
        (":KXBTCD", "no such venue"),
        ("kalshy:KXBTCD", 'no such venue: "kalshy"; did you mean "kalshi"?'),
        ("kalshi:no ticker", 'a ticker such as KXBTCD-26OCT0117-T84999.99, not "no ticker"'),
        ("polymarket:0xabc", 'a token id: 1 to 78 digits in quotes, not "0xabc"'),
    ],
)
def test_a_wrong_target_is_named_with_what_it_must_be(target: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        followed(target)
    assert words in str(caught.value)
    assert target in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to follow: give --config, --demo, or targets"),
        (["--demo", "kalshi:X"], "the demo follows markets of its own"),
        (["nowhere:X"], 'no such venue: "nowhere"'),
    ],
)
@pytest.mark.parametrize("command", ["run", "record"])
def test_the_commands_say_what_is_wrong_before_they_start(
    command: str, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, *arguments]) == 2
    assert words in capsys.readouterr().err
