"""Whether a private channel opens with the user's key, and REST then tells what he has."""

import asyncio
import time
from typing import Final

from bookfeed.doctor.finding import Finding
from bookfeed.feed.feed import Feed
from bookfeed.own.endpoint import OwnEndpoint
from bookfeed.own.view import Account

CHECK: Final = "own orders"
_LOOK_EVERY_S: Final = 0.05
_KEY_ADVICE: Final = "check that all parts are of one key (docs/configuration.md, [own])"
_WAY_ADVICE: Final = "check user_ws_url and rest_url, or ws_url where there is no other"


async def asked(name: str, endpoint: OwnEndpoint, wait_s: float) -> Finding:
    """Follows the channel of a venue until REST agrees with it, or refuses, or the time is over."""
    begun_s = time.monotonic()
    async with Feed(own=[endpoint]) as feed:
        account = feed.account(name)
        end_s = begun_s + wait_s
        while not account.live and not _refused(account) and time.monotonic() < end_s:
            await asyncio.sleep(_LOOK_EVERY_S)
            account = feed.account(name)
    return _finding(name, account, time.monotonic() - begun_s)


def _refused(account: Account) -> bool:
    """Whether it is the key, and not the way there."""
    return account.cause.startswith("denied: ") or "credentials were refused" in account.cause


def _finding(name: str, account: Account, took_s: float) -> Finding:
    orders, held = len(account.orders), sum(1 for h in account.holdings if h.position.qty_e8)
    facts = {"took_s": took_s, "orders": orders, "positions": held}
    if account.live:
        text = f"the private channel is open, and REST agrees: {orders} orders, {held} positions"
        return Finding(name, CHECK, "ok", text, facts=facts)
    advice = _KEY_ADVICE if _refused(account) else _WAY_ADVICE
    text = f"not to be believed after {took_s:.1f} s: {account.state}, {account.cause}"
    return Finding(name, CHECK, "bad", text, advice, facts)
