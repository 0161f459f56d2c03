"""One account on each of two simulated venues: private channels, and REST beside them.

Orders are in markets of those venues, at prices of their own: nobody else hears of them.
"""

import asyncio
import base64
import time
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from bookfeed.sim.account import SimAccount
from bookfeed.sim.chance import seeded
from bookfeed.sim.kalshi.account import KalshiAccount
from bookfeed.sim.kalshi.auth import KeyPair
from bookfeed.sim.kalshi.private import AccountServer
from bookfeed.sim.polymarket.account import PolymarketAccount
from bookfeed.sim.polymarket.market import MarketSpec
from bookfeed.sim.polymarket.private import UserServer
from bookfeed.sim.server import NS_PER_MS

# A step is half a second in the mean.
_RATE: Final = 2.0
# So much happened before anybody looked.
_STEPS_BEFORE: Final = 40
_PAST_MS: Final = 120_000


class Accounts:
    """Both, running; keys are of their own making and open nothing else."""

    def __init__(
        self, specs: Sequence[MarketSpec], tickers: Sequence[str], key: KeyPair, seed: int
    ) -> None:
        rng = seeded("accounts", seed)
        secret = base64.urlsafe_b64encode(rng.randbytes(32)).decode()
        owner, passphrase = str(UUID(int=rng.getrandbits(128), version=4)), rng.randbytes(32).hex()
        wallet = f"0x{rng.getrandbits(160):040x}"
        here = PolymarketAccount(seed, owner=owner, wallet=wallet)
        here.symbols = [(spec.condition_id, one) for spec in specs for one in spec.asset_ids]
        there = KalshiAccount(seed)
        there.symbols = [(ticker, ticker) for ticker in tickers]
        self.polymarket: Final = UserServer(
            here, secret=secret, passphrase=passphrase, address=wallet, rate=_RATE
        )
        self.kalshi: Final = AccountServer(there, keys={key.key_id: key.public_pem}, rate=_RATE)
        self._variables: Final = {
            "POLYMARKET_API_KEY": owner,
            "POLYMARKET_API_SECRET": secret,
            "POLYMARKET_API_PASSPHRASE": passphrase,
            "POLYMARKET_ADDRESS": wallet,
            "KALSHI_API_KEY_ID": key.key_id,
            "KALSHI_PRIVATE_KEY": key.private_pem,
        }

    async def start(self) -> None:
        """Trade a little, then listen; ``OSError`` if a port cannot be had."""
        for server in (self.polymarket, self.kalshi):
            _begin(server.account)
            await server.begin()

    async def close(self) -> None:
        """End both."""
        await asyncio.gather(self.polymarket.end(), self.kalshi.end())

    def ready(self) -> dict[str, Any]:
        """What a client needs: addresses in place of each venue's public ones, and the variables
        that hold the keys.
        """
        return {
            "sections": {
                "polymarket": {
                    "user_ws_url": self.polymarket.ws_url,
                    "rest_url": self.polymarket.rest_url,
                },
                "kalshi": {"ws_url": self.kalshi.ws_url, "rest_url": self.kalshi.rest_url},
            },
            "variables": self._variables,
        }


def _begin(account: SimAccount) -> None:
    """Orders and trades of the last minutes."""
    account.now_ms = time.time_ns() // NS_PER_MS - _PAST_MS
    for _ in range(_STEPS_BEFORE):
        account.step()
