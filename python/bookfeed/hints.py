"""What to do about a wrong value or name of a configuration, in words that end an error.

Every hint is empty where nothing can be guessed from what was written.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time

Fits = Callable[[str], object]


def suggestion(name: str, known: Iterable[str]) -> str:
    """What to write instead of ``name``."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, 1)
    did_you_mean = f'did you mean "{close[0]}"? Known' if close else "known"
    return f"{did_you_mean} here: {', '.join(known)}"


def shown_value(value: object) -> str:
    """A value as TOML would print it, cut short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value.replace('"', '\\"')
        return f'"{text[:60]}…"' if len(text) > 60 else f'"{text}"'
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "an array"
    return _moment(value) or str(value)


def one_of(allowed: Iterable[str]) -> str:
    """All values that are allowed."""
    return f"one of {', '.join(map(shown_value, allowed))}"


def closest(value: object, allowed: Iterable[str]) -> str:
    """The allowed value that was meant."""
    allowed = list(allowed)
    switch = "on" if value is True else "off" if value is False else None
    if switch in allowed:
        return f'; write "{switch}"'
    close = difflib.get_close_matches(str(value), allowed, 1)
    return f' (did you mean "{close[0]}"?)' if close else ""


def without_quotes(raw: object, fits: object) -> str:
    """What to do about text that would be a value without its quotes."""
    return f"; write {raw} without quotes" if isinstance(raw, str) and fits else ""


def of_text(raw: object, fits: Fits, address: str = "") -> str:
    """What to do about a value that is no text, or one that does not fit.

    ``address`` is what to say of the address of a page.
    """
    if isinstance(raw, str):
        return _of_unfit(raw, fits, address)
    if isinstance(raw, bool) or not isinstance(raw, int | float | date | time):
        return ""
    moment = _moment(raw)
    text = moment or str(raw)
    if fits(text):
        return f'; write "{text}"'
    return "; without quotes TOML reads a time of its own: write it in quotes" if moment else ""


def of_decimal(raw: object, fits: Fits) -> str:
    """What to do about a value that is no plain decimal in quotes."""
    if isinstance(raw, float):
        return f'; write "{raw}": without quotes TOML reads an inexact binary number'
    if not isinstance(raw, str):
        return ""
    if raw.rstrip().endswith("%"):
        return '; one per cent is "0.01"'
    meant = raw.strip(" $").replace(",", ".")
    return f' (did you mean "{meant}"?)' if fits(meant) else ""


def _of_unfit(raw: str, fits: Fits, address: str) -> str:
    if fits(raw.strip()):
        return "; leave out the blank at its end" if raw[-1].isspace() else "; a blank precedes it"
    if fits(raw.strip(" \"'")):
        return "; leave out the quotes inside the quotes"
    if re.match(r"https?://|www\.|[a-z.]+\.com/", raw, re.IGNORECASE):
        return f"; {address or 'that is the address of a page'}"
    spellings = (raw.upper(), raw.lower(), re.sub("[/_]", "-", raw.upper()))
    fitting = next((each for each in spellings if fits(each)), None)
    return "" if fitting is None else f' (did you mean "{fitting}"?)'


def _moment(value: object) -> str:
    """A date or time as TOML writes it without quotes."""
    if isinstance(value, datetime | date | time):
        return value.isoformat().replace("+00:00", "Z")
    return ""
