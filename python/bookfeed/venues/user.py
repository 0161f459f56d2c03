"""The user's own quotes: no venue to connect to, but markets whose books a program states itself.

What a quote is, the engine reads; here is what everybody else knows of such markets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

from bookfeed.errors import ConfigError
from bookfeed.market import Market, Outcome, check_text
from bookfeed.schema import DecimalText, Text
from bookfeed.venues.base import AnyName, Legs, MarketSection, Row

NAME: Final = "user"

Symbol = Annotated[
    str, Text(r"[^\s;\"\\\x00-\x1f]{1,200}", "1 to 200 characters without spaces, quotes and ;")
]


@dataclass(frozen=True, slots=True)
class UserFee:
    """What trading at the user's own quotes costs: ``a_share`` USD a share, whoever takes.

    ``a_share`` is decimal text. Raises ``ValueError`` for other text, ``TypeError`` for a number.
    """

    a_share: str

    def __post_init__(self) -> None:
        check_text("a_share", self.a_share, "0.01")
        whole, point, decimals = self.a_share.partition(".")
        digits = whole + decimals
        if not (digits.isascii() and digits.isdigit()) or (point and not decimals):
            raise ValueError(f"a_share must be decimal text such as '0.01', not {self.a_share!r}")

    def text(self) -> str:
        """The same as one text for the engine."""
        return f"{NAME}:{self.a_share}"


@dataclass(frozen=True, slots=True)
class UserMarket(MarketSection):
    """``[[market]]`` with ``venue = "user"``: a contract that pays 1 USD if it comes true, and
    whose book the program states.
    """

    SYMBOL: ClassVar[tuple[str, str]] = ("symbol", "symbol")
    HINTS: ClassVar[Mapping[str, str]] = {
        "ticker market slug id": "a market is named by symbol, any word of your own",
        "fee fee_type fee_rate": "fees are stated by fee_a_share",
    }

    venue: Literal["user"]
    symbol: Symbol
    name: AnyName = ""
    fee_a_share: Annotated[str, DecimalText("0", "1")] = "0"

    def to_market(self, section: Any) -> Market:
        """The same as the feed knows it: one book, whose outcome is YES."""
        del section
        outcomes = (Outcome("yes", self.symbol),)
        return Market("", outcomes, self.name, venue=NAME, fee=UserFee(self.fee_a_share))


def _no_target(text: str) -> Mapping[str, object]:
    problem = "the program states these quotes itself: there is nothing to follow"
    raise ConfigError(text, "", problem)


ROW: Final = Row(
    name=NAME,
    section=None,
    market=UserMarket,
    target=_no_target,
    simulator="",
    legs=Legs(symbol="the symbol of a", outcomes=("yes", "no")),
)
