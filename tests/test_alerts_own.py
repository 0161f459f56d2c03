"""Alerts of what is the user's own: fills, positions, losses."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_alerts import box, to, told
from test_own_live import SERVERS, followed
from waiting import until

from bookfeed import Feed
from bookfeed.feed.alerts import Alerts
from bookfeed.rules.alerts import Alert

__all__ = ["box"]


@pytest.mark.parametrize("venue", SERVERS)
async def test_a_fill_and_a_large_position_are_told_without_any_book(venue: str, box: Path) -> None:
    alerts = [
        Alert(when="fill", to=to(box), cooldown_s=0.0),
        Alert(when="position", to=to(box), above="0.000001"),
        Alert(when="position", to=to(box), above="1000000000"),
    ]
    async with followed(SERVERS[venue](5)) as (server, feed), Alerts(feed, alerts) as telling:
        await until(lambda: feed.account(venue).live)
        await server.step(60)
        await until(lambda: any("own fill: " in line for line in told(box)))
        await until(
            lambda: any(holding.position.qty_e8 for holding in feed.account(venue).holdings)
        )
        telling.look()
        await until(lambda: any("shares are held" in line for line in told(box)))
    lines = told(box)
    assert all(f"{venue} " in line for line in lines)
    held = [line for line in lines if "shares are held" in line]
    assert len(held) == len(set(held)), "each is told once"


async def test_a_loss_is_told_when_it_is_large_enough_and_known(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what cannot be valued nothing is known, and an account that is not live says nothing."""
    lost: list[int | None] = [-3 * 10**17, None, 10**17]
    account: Any = SimpleNamespace(
        venue="polymarket",
        live=False,
        holdings=[SimpleNamespace(unrealised_e17=one) for one in lost],
    )
    alert = Alert(when="loss", to=to(box), above="5")
    feed = Feed()
    monkeypatch.setattr(feed, "accounts", lambda: [account])
    async with Alerts(feed, [alert]) as telling:
        telling.look()
        account.live = True
        telling.look()
        account.holdings.append(SimpleNamespace(unrealised_e17=-2 * 10**17))
        assert told(box) == []
        account.holdings.append(SimpleNamespace(unrealised_e17=-(10**17)))
        telling.look()
        telling.look()
        await until(lambda: told(box))
    assert told(box) == ["loss: polymarket: holdings are worth 5.00 USD less than they cost"]
