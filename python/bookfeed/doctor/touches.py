"""Whether a relay tells the touch of books to everybody, so that it can be a witness of them."""

import asyncio
import contextlib
import time
from typing import Final

from bookfeed.config import Config
from bookfeed.doctor.finding import Finding
from bookfeed.feed.feed import Feed
from bookfeed.feed.relays import asks_for_touches
from bookfeed.records.told import RelayEvent, TokenTouch
from bookfeed.venues import RELAYS, Endpoint, venue_of
from bookfeed.venues.relay import Relay, Topic

CHECK: Final = "touch witness"
_WITHOUT: Final = "books do without it; [relays] touches = 0 asks no more"


def relay_of(venue: str) -> Relay | None:
    """The relay that may be a witness of a venue's books."""
    return next(
        (one for one in RELAYS.values() if one.touch_topic and venue_of(one) == venue), None
    )


async def asked(config: Config, endpoint: Endpoint, symbol: str, wait_s: float) -> Finding | None:
    """Asks for the touch of one book; ``None`` where no feed would."""
    relay = relay_of(endpoint.venue.name)
    if relay is None or not config.relays.touches:
        return None
    url = {"polybolt": config.relays.polybolt_url}.get(relay.venue.name, relay.venue.ws_url)
    if not asks_for_touches(relay, url, endpoint):
        return None
    touches: list[RelayEvent] = []
    answered = asyncio.Event()

    def hear(event: RelayEvent) -> None:
        touches.extend([event] if isinstance(event, TokenTouch) else [])
        answered.set()

    topic = Topic(relay.venue.name, relay.touch_topic, symbol=symbol)
    begun_s = time.monotonic()
    async with Feed(topics=[topic], relay_urls={relay.venue.name: url}) as feed:
        feed.on_event(hear)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(answered.wait(), wait_s)
        (status,) = feed.topics()
    took_s = time.monotonic() - begun_s
    facts = {"took_s": took_s}
    name, called = endpoint.venue.name, relay.venue.name
    if touches:
        text = f"{called} tells the touch of books: a witness of theirs, after {took_s:.1f} s"
        return Finding(name, CHECK, "ok", text, facts=facts)
    if status.state == "waiting":
        text = f"{called} is there, and told nothing of this book in {took_s:.1f} s"
    else:
        text = f"{called} tells no touch: {status.cause or status.state}"
    return Finding(name, CHECK, "skip", text, _WITHOUT, facts)
