"""Pieces of text on a terminal: styled spans, lines of them, and numbers in few characters.

Nothing here knows what is shown.
"""

import unicodedata
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from bookfeed._bookfeed import format_price, format_qty

Style = Literal["", "bold", "dim", "good", "warn", "bad"]


class Span(NamedTuple):
    """A piece of a line in one style."""

    text: str
    style: Style = ""


Line = tuple[Span, ...]

_JOINER: Final = "\N{ZERO WIDTH JOINER}"
_AS_EMOJI: Final = "\N{VARIATION SELECTOR-16}"
_ANSI: Final[dict[Style, str]] = {
    "bold": "1",
    "dim": "2",
    "good": "32",
    "warn": "33",
    "bad": "31",
}


def paint(lines: Iterable[Line], *, colour: bool) -> list[str]:
    """Lines as text, with ANSI colours if wanted."""
    return ["".join(_painted(span, colour) for span in line).rstrip() for line in lines]


def columns(line: Line) -> int:
    """How many columns a line takes."""
    return sum(cells(span.text) for span in line)


def cells(text: str) -> int:
    """How many columns a text takes: a Chinese sign or an emoji two, a combining accent none."""
    return len(text) if text.isascii() else sum(width for _, width in _signs(text))


def _signs(text: str) -> list[tuple[str, int]]:
    """What is drawn as one sign each, and how many columns it takes."""
    signs: list[tuple[str, int]] = []
    for char in text:
        joined = bool(signs) and signs[-1][0].endswith(_JOINER)
        if signs and (joined or unicodedata.category(char) in ("Mn", "Me", "Cf")):
            before, width = signs[-1]
            # An emoji that may be a letter as well is wide once this says that it is one.
            signs[-1] = (before + char, 2 if char == _AS_EMOJI else width)
        else:
            wide = unicodedata.east_asian_width(char) in ("W", "F")
            signs.append((char, 1 + wide))
    return signs


def clip(line: Line, width: int) -> Line:
    """The first ``width`` columns of a line; what is cut ends in an ellipsis."""
    if columns(line) <= width:
        return line
    spans: list[Span] = []
    left = width - 1
    for span in line:
        shown = _first(_signs(span.text), left)
        spans.append(Span(shown, span.style))
        left -= cells(shown)
        if left <= 0 or shown != span.text:
            break
    return (*spans, Span("…", "dim"))


def _first(signs: Iterable[tuple[str, int]], width: int) -> str:
    """The first signs, as many as fit."""
    taken = []
    for sign, each in signs:
        width -= each
        if width < 0:
            break
        taken.append(sign)
    return "".join(taken)


def printable(text: str) -> str:
    """The text without control characters, which could say anything to a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def shown_duration(ns: int | None) -> str:
    """A duration in three digits or so: ``820ns``, ``12.3µs``, ``1.25ms``, ``45.0s``, ``3m05s``."""
    if ns is None:
        return "-"
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    for limit, unit_ns, unit in ((10**3, 1, "ns"), (10**6, 10**3, "µs"), (10**9, 10**6, "ms")):
        if ns < limit:
            return sign + _three_digits(ns / unit_ns, unit)
    if ns < 100 * 10**9:
        return sign + _three_digits(ns / 10**9, "s")
    minutes, seconds = divmod(ns // 10**9, 60)
    return f"{sign}{minutes}m{seconds:02d}s"


def shown_rate(per_s: float) -> str:
    """A rate in four characters or so: ``12``, ``3.4k``, ``120k``, ``1.2M``."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if per_s >= limit:
            value = per_s / limit
            return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"
    return f"{per_s:.1f}" if 0 < per_s < 10 else f"{per_s:.0f}"


def shown_usd(value: float) -> str:
    """Dollars in six characters or so: ``$12.34``, ``$1,234``, ``$35.4k``, ``$154M``."""
    if value < 1_000:
        return f"${value:,.2f}"
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            shown = value / (1e3 if unit == "k" else limit)
            return f"${shown:.1f}{unit}" if shown < 100 else f"${shown:.0f}{unit}"
    return f"${value:,.0f}"


def _three_digits(value: float, unit: str) -> str:
    if unit == "ns" or value >= 100:
        return f"{value:.0f}{unit}"
    return f"{value:.1f}{unit}" if value >= 10 else f"{value:.2f}{unit}"


def _painted(span: Span, colour: bool) -> str:
    code = _ANSI.get(span.style)
    return f"\x1b[{code}m{span.text}\x1b[0m" if colour and code else span.text


def shown_price(value: int | None) -> str:
    """A price in dollars: at least cents, cut to four digits behind the point.

    More where fewer would leave less than two significant digits: an edge of 0.000012 is not 0.00.
    """
    return "-" if value is None else _cut_number(format_price(value), places=4, significant=2)


def shown_qty(value: int | None) -> str:
    """A size in shares or coins, cut to two digits behind the point, if there are any.

    More where fewer would leave less than three significant digits: 0.00012 BTC are not 0.00.
    """
    if value is None:
        return "-"
    text = format_qty(value)
    return _cut_number(text, places=2, significant=3) if "." in text else text


def _cut_number(text: str, places: int, significant: int) -> str:
    """A decimal number cut to ``places`` behind its point, or to its first significant digits.

    At least two places stay, so that points stand under points; digits are cut, not rounded.
    """
    whole, _, fraction = text.partition(".")
    if not whole.strip("-0"):
        zeros = len(fraction) - len(fraction.lstrip("0"))
        places = max(places, zeros + significant)
    return f"{whole}.{fraction[:places]:0<2}"


def cut(text: str, width: int) -> str:
    """The text in ``width`` columns: names of markets differ at their ends as often as not."""
    text = printable(text)
    if cells(text) <= width:
        return text
    signs = _signs(text)
    tail = max(width // 2 - 1, 0)
    end = _first(((sign[::-1], each) for sign, each in reversed(signs)), tail)[::-1]
    return f"{_first(signs, width - tail - 1)}…{end}"


def pad(text: str, width: int, align: Literal["<", ">"] = "<") -> str:
    """The text in so many columns, cut to them where it is longer."""
    text = cut(text, width)
    gap = " " * (width - cells(text))
    return gap + text if align == ">" else text + gap
