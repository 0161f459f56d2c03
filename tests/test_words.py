"""The words that type checkers know are the words of the core, in the order of their codes."""

from typing import get_args

import pytest

import bookfeed
from bookfeed import words

ALIASES = {
    "Freshness": "FRESHNESS",
    "State": "STATES",
    "Cause": "CAUSES",
    "UpdateKind": "UPDATE_KINDS",
    "RuleKind": "RULES",
    "SignalPhase": "SIGNAL_PHASES",
    "CloseReason": "CLOSE_REASONS",
    "RefusalReason": "REFUSALS",
    "IndexStanding": "INDEX_STANDINGS",
}


@pytest.mark.parametrize(("alias", "names"), ALIASES.items())
def test_an_alias_lists_the_words_of_the_core(alias: str, names: str) -> None:
    assert get_args(getattr(words, alias)) == getattr(bookfeed, names)
    assert getattr(bookfeed, alias) is getattr(words, alias)
