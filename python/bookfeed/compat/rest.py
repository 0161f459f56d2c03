"""A book as its venue tells it by REST when it is asked, read by an engine of its own."""

from bookfeed._bookfeed import BookView, Engine
from bookfeed.clock import NS_PER_S, AnchoredClock
from bookfeed.errors import SessionError
from bookfeed.live.http import RestClient
from bookfeed.market import Market
from bookfeed.venues.base import Endpoint, RestPoll

_CONN = 0


async def asked_book(endpoint: Endpoint, market: Market, symbol: str) -> BookView:
    """The book of one symbol, asked for now: a frozen copy whose state is ``live_poll``.

    An answer that may be a book that is none is held against the venue's best prices, as polled
    books are. Raises ``SessionError`` if the venue is not asked, or gives no book to believe.
    """
    poll = endpoint.venue.poll
    if poll is None or endpoint.rest_url is None:
        raise SessionError(f"books of {endpoint.venue.name} are not asked for by REST")
    clock, engine = AnchoredClock(), Engine()
    instrument = engine.subscribe(market, _CONN, clock.now_ns())[symbol]
    client = RestClient(endpoint.rest_url, ssl_context=endpoint.ssl_context)
    try:
        await _ask(client, engine, clock, poll, symbol, instrument)
    finally:
        await client.close()
    book = engine.book(instrument).freeze()
    if not book.polled:
        raise SessionError(f"{endpoint.venue.name} gave no book of {symbol} that can be believed")
    return book


async def _ask(
    client: RestClient,
    engine: Engine,
    clock: AnchoredClock,
    poll: RestPoll,
    symbol: str,
    instrument: int,
) -> None:
    about = None if poll.named else instrument
    requests = [poll.books([symbol])]
    if poll.witness is not None:
        requests += [poll.witness([symbol]), poll.books([symbol])]
    for number, request in enumerate(requests):
        if number and instrument not in engine.poll_doubts(_CONN):
            return
        asked_ns = clock.now_ns()
        said = await client.ask(request)
        # A cache counts whole seconds.
        kept_ns = 0 if said.age_s is None else (said.age_s + 1) * NS_PER_S
        stands_ns = asked_ns - kept_ns
        engine.ingest_poll(_CONN, said.body, clock.now_ns(), asked=stands_ns, instrument=about)
