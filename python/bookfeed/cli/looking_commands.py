"""The arguments of what looks at a running feed from outside; nothing here does any work."""

from typing import Final

from bookfeed.cli.arguments import within
from bookfeed.cli.options import SERVICE, WORK, Commands, wanted

_MANY: Final = 10**9


def add_top(commands: Commands) -> None:
    """``bookfeed top``."""
    top = commands.add(
        "top",
        "look at a running feed from another terminal: books, opportunities, trades",
        more="The feed runs elsewhere on this machine, with a [[sink]] of kind socket; it is not "
        "slowed by who looks. `?` shows the keys.",
        example="top --only box,basket --min-profit 1",
        codes=SERVICE,
    )
    top.add_argument(
        "socket",
        nargs="?",
        metavar="SOCKET",
        help="the socket of the feed (default: the user's own)",
    )
    wanted(top)
    top.add_argument(
        "--refresh-hz",
        type=within(float, 1, 30),
        default=4.0,
        metavar="N",
        help="draw N times a second, from 1 to 30 (default: %(default)g)",
    )
    for name, default, what in (
        ("warn-ms", 5.0, "a delay of N ms is odd, and yellow"),
        ("alert-ms", 10.0, "a longer one than N ms is bad, and red"),
        ("quiet-s", 10.0, "a book says so when it had no update for N s"),
        ("silent-s", 30.0, "after N s without an update that is red"),
        ("large", 1_000.0, "a trade of N dollars is a large one"),
    ):
        top.add_argument(
            f"--{name}",
            type=within(float, 0, _MANY),
            default=default,
            metavar="N",
            help=f"{what} (default: %(default)g)",
        )


def add_mcp(commands: Commands) -> None:
    """``bookfeed mcp``."""
    mcp = commands.add(
        "mcp",
        "let an assistant ask a running feed: tools of the Model Context Protocol",
        more="The feed runs elsewhere on this machine, with a [[sink]] of kind socket. Whoever "
        "asks starts this command and talks to it on its standard streams; it changes nothing.",
        example="mcp /run/user/1000/bookfeed.sock",
        codes=WORK,
    )
    mcp.add_argument(
        "socket",
        nargs="?",
        metavar="SOCKET",
        help="the socket of the feed (default: the user's own)",
    )
