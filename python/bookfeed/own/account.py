"""One private channel on a connection, and REST beside it: what keeps an ``OwnState`` true.

After every connect REST is asked for all that is so, again a little later, for what it did not know
yet, and then every so often; at once, when something does not fit. Until its first answer, what is
known is not believed. A walk of questions that fails is begun anew, more and more rarely.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bookfeed._bookfeed import format_price, format_qty
from bookfeed.catalogue.fields import Malformed
from bookfeed.clock import NS_PER_S, Clock, seconds_ns
from bookfeed.live import proxy
from bookfeed.live.connection import ConnectionLogic, ConnectionPolicy
from bookfeed.live.handshake import shown
from bookfeed.live.http import RestClient, RestError
from bookfeed.live.options import SessionOptions
from bookfeed.live.pacing import Backoff, Stagger
from bookfeed.live.session import Session
from bookfeed.log import RateLimitedLog, printable
from bookfeed.own.channel import NotYet, unread
from bookfeed.own.endpoint import OwnEndpoint
from bookfeed.own.events import AccountState, OwnEvent, OwnFill, OwnOrder, OwnStatus
from bookfeed.own.state import OwnState
from bookfeed.venues.base import Endpoint, RestRequest

if TYPE_CHECKING:
    from bookfeed._bookfeed import FrameDoor

_log: Final = RateLimitedLog(logging.getLogger("bookfeed.own"))
_logger: Final = logging.getLogger("bookfeed.own")

# REST is asked again so long after the first time: it may lag behind the channel.
ASK_AGAIN_S: Final = 10.0
# How long messages about one thing may be apart.
GRACE_NS: Final = 5 * NS_PER_S
# How long a venue may take to confirm a subscription.
CONFIRM_S: Final = 10.0
# How long fills and orders that are over are kept one by one.
KEPT_NS: Final = 3600 * NS_PER_S
# What is always answered is asked for after so much silence; so much more ends the connection.
_SILENCE_S: Final = 90.0
_TIMEOUT_S: Final = 10.0
_REFUSED: Final = "the credentials were refused; check that they belong together"


class OwnAccount:
    """Follows one account; ``deliver`` gets every event that says something new."""

    def __init__(
        self,
        endpoint: OwnEndpoint,
        *,
        clock: Clock,
        rng: random.Random,
        options: SessionOptions,
        conn: int,
        deliver: Callable[[OwnEvent], None],
        wall_ms: Callable[[], int],
    ) -> None:
        channel = endpoint.channel
        venue = channel.venue()
        self.venue: Final = venue.name
        self.state: Final = OwnState(venue.name, nets=channel.nets)
        self._channel: Final = channel
        self._every_s: Final = endpoint.ask_every_s
        self._clock: Final = clock
        self._rng: Final = rng
        self._deliver: Final = deliver
        self._rest: Final = RestClient(
            endpoint.rest_url,
            timeout_s=_TIMEOUT_S,
            sign=lambda request, path: channel.sign(request, path, wall_ms()),
            hidden=channel.secrets,
        )
        self._session: Final = Session(
            conn,
            endpoint=proxy.checked(Endpoint(venue, endpoint.url)),
            logic=ConnectionLogic(
                _policy(options, probes=channel.probe() is not None, pings=venue.ping_text),
                channel.subscription,
                rng=rng,
                stagger=Stagger(seconds_ns(venue.connect_stagger_s)),
                probe=channel.probe,
            ),
            inputs=self,
            clock=clock,
            host=self,
            native=False,
        )
        self._task: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._status: OwnStatus | None = None
        self._started_ns = clock.now_ns()
        self._open_ns: int | None = None
        self._unconfirmed: set[str] = set()
        # When the walk that agreed last was begun; 0 before.
        self._agreed_ns = 0
        self._trouble = ""
        # What REST says of the credentials; a channel only closes.
        self._refused = ""
        # What did not fit since the present walk began.
        self._doubted: list[str] = []
        self.walks = 0
        """How often REST agreed."""
        self.walk_failures = 0
        """How often it could not be asked, or did not agree."""
        self.missed = 0
        """Fills that REST told of and the channel should have."""
        self.unreadable = 0
        """Frames that are none."""

    # Its life.

    def start(self) -> None:
        """Begin connecting; returns at once."""
        self._task = asyncio.get_running_loop().create_task(self._keep())
        self._session.start()

    async def stop(self) -> None:
        """End for good, within a second."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(self._session.stop(), self._rest.close())
        self._judge()

    def beat(self, now_ns: int) -> None:
        """Time has passed: doubts may be old enough to count."""
        self._session.look(now_ns)
        if self._open_ns is not None and self.state.doubts(now_ns - GRACE_NS):
            self._wanted.set()
        self._judge()

    @property
    def status(self) -> OwnStatus:
        """Whether what is known may be believed."""
        self._judge()
        assert self._status is not None, "judged right now"
        return self._status

    @property
    def evidence_ns(self) -> int | None:
        """When the walk was begun that agreed last; ``None`` before one did."""
        return self._agreed_ns or None

    @property
    def evidence_age_s(self) -> float | None:
        """Seconds since then; ``None`` if it never did."""
        return (self._clock.now_ns() - self._agreed_ns) / 1e9 if self._agreed_ns else None

    def _judge(self) -> None:
        """Tell if the state is another by now, or its cause."""
        state, cause = self._judged()
        known = self._status
        if known is not None and (known.state, known.cause) == (state, cause):
            return
        now_ns = self._clock.now_ns()
        self._status = OwnStatus(self.venue, state, cause, self.evidence_ns, now_ns)
        _logger.info("own venue=%s state=%s cause=%s", self.venue, state, cause or "-")
        self._deliver(self._status)

    def _judged(self) -> tuple[AccountState, str]:
        if self._task is None:
            return "idle", ""
        if self._open_ns is None:
            cause = self._session.cause or "connecting"
            return "stale", f"{cause}; {self._refused}" if self._refused else cause
        if self._unconfirmed:
            names = ", ".join(sorted(self._unconfirmed))
            return "syncing", f"not confirmed yet: {names}"
        if self._agreed_ns < self._open_ns:
            return "syncing", self._trouble or "REST is being asked"
        doubts = self.state.doubts(self._clock.now_ns() - GRACE_NS)
        if not doubts:
            return "live", ""
        return "suspect", shown(doubts[0], self._channel.secrets())

    # What the session wants of its host, and of where its frames go.

    door: "FrameDoor | None" = None

    def flush(self, conn: int | None = None) -> None:
        """Nothing waits here."""

    def opened(self, session: Session) -> None:
        """The connection is open, and what subscribes is sent."""
        self._open_ns = self._clock.now_ns()
        self._unconfirmed = set(self._channel.channels)
        self._trouble = ""
        self._wanted.set()
        self._judge()

    def fail(self, error: BaseException) -> None:
        """No engine is here to fail."""
        self._session.bear(RuntimeError(repr(error)))

    def status_changed(self, session: Session) -> None:
        """The state of the connection is another, or its cause."""
        self._judge()

    def epoch(self, conn: int) -> int:
        """Which attempt it is."""
        return self._session.counters.connects

    def connected(self, conn: int, venue: str, ts: int, *, mode: str = "") -> None:
        """A new connection: numbers of streams begin anew."""
        self._channel.reconnected()

    def disconnected(self, conn: int, reason: str, ts: int) -> None:
        """What happens from here on is not told."""
        self._open_ns = None
        self._judge()

    def invalidate(self, conn: int, cause: str, ts: int) -> None:
        """A frame was lost or broken."""
        self.state.doubt(f"the connection: {cause}", ts)

    def ingest(self, conn: int, payload: bytes, ts_recv: int) -> int:
        """Take a text; words that are no JSON are the session's to report."""
        if payload[:1] in (b"{", b"["):
            try:
                self._channel.read(payload, ts_recv, self)
            except Malformed as error:
                self.unreadable += 1
                self.doubt(f"a frame could not be read: {unread(error)}")
            self._judge()
        return 0

    # What the channel tells.

    def take(self, event: OwnEvent, *, asked_ns: int | None = None) -> None:
        """An event of the channel's, or of an answer by REST."""
        fresh = isinstance(event, OwnFill) and not self.state.knows(event.key)
        news = self.state.apply(event, asked_ns=asked_ns)
        if news is None:
            return
        if asked_ns is not None and isinstance(news, OwnFill) and fresh:
            told_ns = news.ts_event or 0
            if self._agreed_ns == 0 and told_ns < self._started_ns:
                return  # what was before this program is in its view, and no news
            opened_ns = self._open_ns or asked_ns
            if self._agreed_ns >= opened_ns and told_ns < asked_ns - GRACE_NS:
                self.missed += 1
        _tell(news)
        self._deliver(news)

    def doubt(self, what: str) -> None:
        """Something does not fit; REST is asked."""
        said = shown(what, self._channel.secrets())
        _log.warning(said[:80], "%s, private channel: %s", self.venue, said)
        self._doubted.append(said)
        self.state.doubt(said, self._clock.now_ns())
        self._wanted.set()

    def acknowledged(self, channel: str) -> None:
        """A subscription is confirmed."""
        self._unconfirmed.discard(channel)
        self._wanted.set()

    def lost(self, reason: str) -> None:
        """A subscription is over: begin anew."""
        said = shown(reason, self._channel.secrets())
        _log.warning(said[:80], "%s, private channel: %s", self.venue, said)
        self._session.reconnect(said)

    # REST.

    async def _keep(self) -> None:
        """Ask by REST, as long as the account is followed."""
        backoff, failures = Backoff(NS_PER_S, 60 * NS_PER_S), 0
        least_s, most_s = 0.0, self._every_s
        while True:
            await self._pause(least_s, most_s)
            opened_ns = self._open_ns
            if opened_ns is None or self._unconfirmed:
                least_s, most_s = 0.0, self._give_up_unconfirmed(opened_ns)
                continue
            first = self._agreed_ns < opened_ns
            try:
                await self._walk(opened_ns)
            except (NotYet, RestError, Malformed) as error:
                self.walk_failures += 1
                failures += 1
                said = unread(error) if isinstance(error, Malformed) else str(error)
                if isinstance(error, RestError) and error.status in (401, 403):
                    self._refused = _REFUSED
                    said += f": {_REFUSED}"
                self._trouble = shown(said, self._channel.secrets())
                _log.warning("rest", "%s: orders by REST: %s", self.venue, self._trouble)
                asked_s = error.retry_after_ns / 1e9 if isinstance(error, RestError) else 0.0
                least_s = max(asked_s, backoff.delay_ns(failures - 1, self._rng) / 1e9)
                most_s = least_s
            except Exception as error:  # whatever it was: the channel is to go on
                self._session.bear(error)
                least_s = most_s = 60.0
            else:
                # What REST could not clear up is asked more and more rarely.
                failures = failures + 1 if self.state.doubts(self._clock.now_ns()) else 0
                least_s = backoff.delay_ns(failures, self._rng) / 1e9
                most_s = max(least_s, ASK_AGAIN_S if first else self._every_s)
            self._judge()

    async def _pause(self, least_s: float, most_s: float) -> None:
        """Wait ``least_s``, and then until something is wanted, but no longer than ``most_s``."""
        await asyncio.sleep(least_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s - least_s):
                await self._wanted.wait()
        self._wanted.clear()

    def _give_up_unconfirmed(self, opened_ns: int | None) -> float:
        """Give a connection up whose subscriptions are not confirmed in time; returns how long
        there is to wait.
        """
        if opened_ns is None:
            return self._every_s
        left_s = CONFIRM_S - (self._clock.now_ns() - opened_ns) / 1e9
        if left_s <= 0:
            self.lost(f"not confirmed: {', '.join(sorted(self._unconfirmed))}")
        return max(left_s, 1.0)

    async def _walk(self, opened_ns: int) -> None:
        """One walk of questions from the first to the last."""
        began_ns, missed = self._clock.now_ns(), self.missed
        self._doubted.clear()
        steps = self._channel.walk(self.state, self, self._clock.now_ns, self._agreed_ns)
        try:
            request: RestRequest = next(steps)
            while True:
                answer = await self._rest.ask(request)
                request = steps.send((answer.status, answer.body))
        except StopIteration:
            pass
        finally:
            steps.close()
        if self._open_ns != opened_ns:
            raise NotYet("the connection was lost meanwhile")
        now_ns = self._clock.now_ns()
        for gap in self.state.settle(now_ns):
            _log.warning(gap, "%s: %s, and REST does not know of more", self.venue, gap)
        for doubt in self._doubted:
            self.state.doubt(doubt, now_ns)
        self.state.forget(min(began_ns, self.state.newest_ns) - KEPT_NS)
        self._agreed_ns, self._trouble, self._refused = began_ns, "", ""
        self.walks += 1
        if self.missed > missed:
            self.lost(f"REST told of {self.missed - missed} fills that the channel did not")


def _policy(options: SessionOptions, *, probes: bool, pings: str | None) -> ConnectionPolicy:
    """Channels are silent while nothing happens: only an answer that does not come counts."""
    return ConnectionPolicy(
        ping_text=pings,
        probe_interval_ns=seconds_ns(_SILENCE_S / 3) if probes else 0,
        silence_ns=seconds_ns(_SILENCE_S) if probes else 0,
        backoff=Backoff(seconds_ns(options.backoff_min_s), seconds_ns(options.backoff_max_s)),
        reconnect=options.reconnect,
    )


def _tell(event: OwnEvent) -> None:
    """Write a fill or an order into the log, by its fixed first words, for people who grep."""
    if not _logger.isEnabledFor(logging.INFO):
        return
    match event:
        case OwnFill():
            _logger.info(
                "own-fill venue=%s symbol=%s side=%s price=%s qty=%s status=%s maker=%s trade=%s",
                event.venue,
                event.symbol,
                event.side,
                format_price(event.price_e9),
                format_qty(event.qty_e8),
                event.status,
                str(event.maker).lower(),
                printable(event.key.trade_id),
            )
        case OwnOrder():
            _logger.info(
                "own-order venue=%s symbol=%s side=%s price=%s filled=%s rests=%s status=%s "
                "order=%s",
                event.venue,
                event.symbol,
                event.side,
                "-" if event.price_e9 is None else format_price(event.price_e9),
                format_qty(event.filled_e8),
                format_qty(event.remaining_e8),
                event.status,
                printable(event.order_id),
            )
