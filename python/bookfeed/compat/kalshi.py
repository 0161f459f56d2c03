"""``KalshiPlatform``: Kalshi, or its demo, behind the methods that trading programs call."""

from typing import Any, Literal

from bookfeed.compat.platform import Platform, at
from bookfeed.errors import ConfigError
from bookfeed.venues.base import Endpoint
from bookfeed.venues.kalshi import Credentials, credentials, kalshi


class KalshiPlatform(Platform):
    """Kalshi; symbols are tickers, books those of YES.

    ``env`` is ``"prod"`` or ``"demo"``; each has keys of its own. Without ``key`` the one of the
    environment (``KALSHI_API_KEY_ID``, ``KALSHI_PRIVATE_KEY_PATH``) is used, and without either
    books are asked for by REST. ``url`` and ``rest_url`` are other addresses. The other arguments
    are those of ``Platform``. Raises ``ConfigError`` for another ``env``.
    """

    def __init__(
        self,
        *,
        env: Literal["prod", "demo"] = "prod",
        key: Credentials | None = None,
        url: str | None = None,
        rest_url: str | None = None,
        **arguments: Any,
    ) -> None:
        if env not in ("prod", "demo"):
            raise ConfigError("KalshiPlatform", "env", f'must be "prod" or "demo", not {env!r}')
        venue = kalshi(credentials=key or credentials(), environment=env)
        super().__init__(
            at(Endpoint(venue, venue.ws_url, venue.rest_url), url, rest_url), **arguments
        )
