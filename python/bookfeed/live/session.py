"""One connection of a live session: the socket side of ``ConnectionLogic``.

``Session`` carries out what the logic decides and tells it what happened; ``FeedListener`` is
where its frames go. No error of a handler ends its life: it is counted and logged, and a session
that is left with nothing to wait for is begun again (``look``).
"""

import asyncio
import contextlib
import logging
import time
import traceback
from dataclasses import replace
from typing import Final

from picows import WSMsgType

from bookfeed.clock import NS_PER_S, Clock
from bookfeed.errors import EngineError
from bookfeed.live.connection import (
    Abort,
    Action,
    Close,
    Closed,
    Connect,
    ConnectionLogic,
    Data,
    Event,
    Failed,
    Heard,
    Opened,
    Phase,
    Reconnect,
    Revive,
    Send,
    Start,
    Stop,
    Tick,
    Wait,
)
from bookfeed.live.dial import Dialer
from bookfeed.live.framing import (
    CLOSE_CODE_ABSENT,
    REASON_BYTES_MAX,
    CloseCode,
    ProtocolViolation,
)
from bookfeed.live.handshake import (
    headers,
    quoted,
    secrets,
    told,
    upgrade,
)
from bookfeed.live.host import Host, Intake, SessionCounters, borne
from bookfeed.live.listener import FeedListener
from bookfeed.live.native import listener_of
from bookfeed.live.place import Place
from bookfeed.live.proxy import proxy_of
from bookfeed.live.refusal import refusal, retry_after, status_of
from bookfeed.live.resets import ResetWatch
from bookfeed.live.skew import clock_ahead_s, clock_complaint
from bookfeed.log import RateLimitedLog
from bookfeed.loops import raise_from_loop
from bookfeed.status import ConnectionState
from bookfeed.venues.base import Endpoint
from bookfeed.venues.secret import Secret

_logger: Final = logging.getLogger("bookfeed.live.session")
_log: Final = RateLimitedLog(_logger)

# After a close frame was sent or answered, how long the peer may take to close the socket.
LINGER_S: Final = 0.5
# After a reset was noticed, how long the loop may take to hand over what came before it.
RESET_GRACE_S: Final = 0.02
# How long a session may have nothing to wait for; what is under way in the loop takes less.
STUCK_NS: Final = NS_PER_S

# Who is refused is refused again and again; one line in this time is enough.
refusal_log: Final = RateLimitedLog(_logger, interval_s=60.0)


class Session:
    """One connection, kept up for as long as the session lives.

    ``conn`` is its number in the engine, the same through all attempts. Without ``native`` all
    frames are taken in Python. ``place`` is where it connects to, unless that is the endpoint's
    address alone.
    """

    def __init__(
        self,
        conn: int,
        *,
        endpoint: Endpoint,
        logic: ConnectionLogic,
        inputs: Intake,
        clock: Clock,
        host: Host,
        frame_bytes_max: int | None = None,
        native: bool = True,
        place: Place | None = None,
    ) -> None:
        self.conn: Final = conn
        self.inputs: Final[Intake] = inputs
        self.clock: Final = clock
        self.host: Final = host
        self.counters: Final = SessionCounters()
        self.frame_bytes_max: Final = frame_bytes_max or endpoint.venue.frame_bytes_max
        self.native: Final = native
        self._endpoint = endpoint
        self._place: Final = place or Place(endpoint.url)
        self._venue: Final = endpoint.venue
        self._logic: Final = logic
        self._dialer: Final = Dialer()
        self._proxy = proxy_of(endpoint.url)
        self._listener: FeedListener | None = None
        # Listeners whose socket is not gone yet; more than one only for moments.
        self._sockets: dict[FeedListener, ResetWatch] = {}
        self._gone = asyncio.Event()
        self._connecting: asyncio.Task[None] | None = None
        # What is waited for; ``None`` while nothing is.
        self._timer: asyncio.TimerHandle | None = None
        self._stuck_ns: int | None = None
        self._data_noted_ns = 0
        self._heard_noted_ns = 0
        self._lost = False
        self._closing = False
        # What is not to be shown of the present attempt.
        self._secrets: set[str] = set()
        self._reported: tuple[ConnectionState, str] = ("idle", "")
        self.denied = False
        """Whether the last attempt to connect was refused because of who we are."""
        self.cause = ""
        """Why the connection is not there, in words; empty if nothing went wrong."""
        self.clock_ahead_s: int | None = None
        """How far our clock was ahead of the venue's when it connected, where that is known."""
        self.since_ns = 0
        """Since when it is in its state."""

    @property
    def phase(self) -> Phase:
        """Where the connection is in its life."""
        return self._logic.phase

    @property
    def open(self) -> bool:
        """Whether the connection is open."""
        return self._logic.phase is Phase.OPEN

    @property
    def data_ns(self) -> int:
        """When data came last, on any of its connections; 0 before the first."""
        listener = self._listener
        return (
            self._data_noted_ns if listener is None else max(self._data_noted_ns, listener.data_ns)
        )

    @property
    def ends_ns(self) -> int:
        """When the open connection is replaced for its age; far away otherwise."""
        return self._logic.ends_ns

    def start(self) -> None:
        """Begin connecting; returns at once."""
        self._step(Start())

    def reconnect(self, reason: str) -> None:
        """Give this connection up for a fresh one; does nothing unless it is open."""
        self._step(Reconnect(CloseCode.NORMAL, reason))

    def send(self, text: str | Secret) -> None:
        """Send a command; does nothing unless the connection is open."""
        if self.open:
            self.counters.commands += 1
            self._send(text)

    def _end(self) -> None:
        if not self._closing and self.state != "down":
            self.cause = "closed"
        self._closing = True
        self._step(Stop())
        # The venue's goodbye is read, too.
        self._read_on(True)

    def stop_reading(self) -> None:
        """Take nothing more; ``stop`` is to follow."""
        self._read_on(False)

    def _read_on(self, on: bool) -> None:
        for listener in self._sockets:
            listener.read_on(on)

    async def stop(self) -> None:
        """Close for good; returns when the socket is gone, within a second.

        If this is cancelled, ``abandon`` is still to be called.
        """
        self._end()
        if self._sockets:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2 * LINGER_S):
                    await self._gone.wait()
        self.abandon()
        if self._connecting is not None:
            await asyncio.gather(self._connecting, return_exceptions=True)

    def abandon(self) -> None:
        """Drop whatever is left without waiting for anybody; harmless after ``stop``."""
        self._end()
        self._dialer.shutdown()
        for listener, watch in self._sockets.items():
            watch.close()
            _drop(listener)
        if self._connecting is not None:
            self._connecting.cancel()
        if self._timer is not None:
            self._timer.cancel()

    # What nobody else looks after.

    def bear(self, error: Exception) -> None:
        """A handler failed: it is said and counted, and the session goes on."""
        self.counters.handler_errors += 1
        _log.error(
            f"handler {self.conn}",
            "connection %d: a handler failed:\n%s",
            self.conn,
            "".join(traceback.format_exception(error)),
        )
        if isinstance(error, EngineError):
            self.host.fail(error)

    @borne
    def look(self, now_ns: int) -> None:
        """Begin again if there has been nothing to wait for: no timer, no attempt, no socket."""
        if self._goes_on():
            self._stuck_ns = None
        elif self._stuck_ns is None:
            self._stuck_ns = now_ns
        elif now_ns - self._stuck_ns >= STUCK_NS:
            self._stuck_ns = None
            self.counters.revivals += 1
            _logger.error(
                "connection %d: nothing is pending although it is %s; it is begun again",
                self.conn,
                self._logic.phase.name.lower(),
            )
            self._revive()

    def _goes_on(self) -> bool:
        """Whether something will happen: a timer, the end of an attempt, the end of a socket."""
        match self._logic.phase:
            case Phase.WAITING:
                return self._timer is not None
            case Phase.CONNECTING:
                return self._connecting is not None and not self._connecting.done()
            case Phase.OPEN | Phase.CLOSING:
                transport = None if self._listener is None else self._listener.transport
                there = transport is not None and not transport.is_disconnected
                return self._timer is not None and there
        return True

    def _revive(self) -> None:
        listener, self._listener = self._listener, None
        self._dialer.shutdown()
        if self._connecting is not None:
            self._connecting.cancel()
        if listener is not None:
            self._lose(listener, "begun again after an error")
            _drop(listener)
        self._step(Revive())

    # What the listener tells.

    @borne
    def on_opened(self, listener: FeedListener) -> None:
        """The handshake of ``listener`` is complete."""
        transport = listener.transport
        if (
            transport is None
            or listener is not self._listener
            or self._logic.phase is not Phase.CONNECTING
        ):
            listener.detach()
            _drop(listener)
            return
        sock = transport.underlying_transport.get_extra_info("socket")
        self._sockets[listener] = ResetWatch(sock, lambda: self.on_reset(listener))
        self._gone.clear()
        self.counters.reconnects += self.counters.connects > 0
        self.counters.connects += 1
        self.counters.python_listeners += not listener.native
        self._lost = self.denied = False
        self.cause = ""
        if transport.response is not None:
            self.clock_ahead_s = clock_ahead_s(transport.response, self.clock.now_ns() / 1e9)
            if off := clock_complaint(self.clock_ahead_s):
                _log.warning("clock", "connection %d: %s", self.conn, off)
        try:
            self.inputs.connected(
                self.conn,
                self._venue.name,
                self.clock.now_ns(),
                mode=self._venue.mode,
            )
        except EngineError as error:
            self.host.fail(error)
            return
        self._step(Opened())
        self.host.opened(self)

    @borne
    def on_closed(self, listener: FeedListener) -> None:
        """The socket of ``listener`` is gone."""
        watch = self._sockets.pop(listener, None)
        if watch is not None:
            watch.close()
        if not self._sockets:
            self._gone.set()
        asyncio.get_running_loop().call_soon(self._tell_end, listener)
        if listener is not self._listener:
            return
        self.counters.disconnects += 1
        self._lose(listener, "connection lost")
        self._step(Closed(listener.close_code, listener.close_reason))

    @borne
    def _tell_end(self, listener: FeedListener) -> None:
        """Say by what error a socket ended, if nothing was said yet."""
        error = listener.end_error()
        if error is not None and listener.violation is None:
            _log.warning("end", "connection %d: %s", self.conn, told(error, self._secrets))

    @borne
    def on_reset(self, listener: FeedListener) -> None:
        """The socket is dead. What it brought before is handed over first, if the loop does so."""
        asyncio.get_running_loop().call_later(RESET_GRACE_S, self._after_reset, listener)

    @borne
    def _after_reset(self, listener: FeedListener) -> None:
        transport = listener.transport
        if transport is None or transport.is_disconnected:
            return
        if listener is self._listener:
            self.counters.resets += 1
            self._lose(listener, "connection reset")
            self.host.flush(self.conn)
        _drop(listener)

    @borne
    def on_peer_close(self, listener: FeedListener) -> None:
        """The peer sent a close frame: answer it and part."""
        code = listener.close_code
        said = f" {self.quoted(listener.close_reason)}" if listener.close_reason else ""
        reason = f"closed by the venue: {code}{said}"
        _log.warning("peer", "connection %d: %s", self.conn, reason)
        self._lose(listener, reason)
        self._part(listener, CloseCode.NORMAL if code == CLOSE_CODE_ABSENT else code)
        self.host.flush(self.conn)

    @borne
    def on_notice(self, text: bytes) -> None:
        """The venue said something in plain words, such as that it refused a request."""
        self.counters.notices += 1
        said = self.quoted(text.decode(errors="backslashreplace"))
        _log.warning("notice", "connection %d: the venue says %s", self.conn, said)

    @borne
    def on_violation(self, listener: FeedListener, violation: ProtocolViolation) -> None:
        """The peer broke the protocol: its books are not to be believed."""
        self.counters.protocol_violations += 1
        _log.warning(
            f"violation {violation.code}", "connection %d: %s", self.conn, violation.reason
        )
        self._give_up(listener, violation.code, violation.reason)

    @borne
    def on_parser_failure(self, listener: FeedListener) -> None:
        """The socket layer refused a frame, and no frame came after which to say so."""
        if listener.active and listener.violation is not None:
            self.on_violation(listener, listener.violation)

    @borne
    def on_error(self, listener: FeedListener, error: BaseException) -> None:
        """Handling a frame failed: what it would have changed is unknown."""
        self.counters.listener_errors += 1
        _log.warning(
            "listener",
            "connection %d: handling a frame failed:\n%s",
            self.conn,
            "".join(traceback.format_exception(error)),
        )
        self._give_up(listener, CloseCode.INTERNAL_ERROR, "client error")
        if isinstance(error, EngineError):
            self.host.fail(error)
        elif isinstance(error, KeyboardInterrupt | SystemExit):
            raise_from_loop(error)

    def _give_up(self, listener: FeedListener, code: int, reason: str) -> None:
        if listener is not self._listener or not listener.active:
            return
        try:
            self.inputs.invalidate(self.conn, "transport", self.clock.now_ns())
        except EngineError as error:
            self.host.fail(error)
        self._step(Reconnect(code, reason))

    # What the logic wants.

    @borne
    def _step(self, event: Event) -> None:
        now_ns = self.clock.now_ns()
        self._note_receipts()
        for action in self._logic.handle(now_ns, event):
            self._perform(action, now_ns)
        self.host.flush(self.conn)
        self._review(now_ns)

    def _review(self, now_ns: int) -> None:
        """Tell if the state is another by now, or its cause."""
        status = self.state, self.cause
        if status == self._reported:
            return
        if status[0] != self._reported[0]:
            self.since_ns = now_ns
        self._reported = status
        self.host.status_changed(self)

    @property
    def state(self) -> ConnectionState:
        """What the connection is doing, for people."""
        match self._logic.phase:
            case Phase.IDLE:
                return "idle"
            case Phase.OPEN:
                return "connected"
            case Phase.STOPPING | Phase.STOPPED:
                return "down"
            case Phase.CLOSING if not self._logic.reconnects:
                return "down"
        return "reconnecting" if self.counters.connects else "connecting"

    def _note_receipts(self) -> None:
        """What comes is noted by the listener and told only when a decision is due."""
        listener = self._listener
        if listener is None:
            return
        if listener.data_ns > self._data_noted_ns:
            self._data_noted_ns = listener.data_ns
            self._logic.handle(listener.data_ns, Data())
        if listener.heard_ns > self._heard_noted_ns:
            self._heard_noted_ns = listener.heard_ns
            self._logic.handle(listener.heard_ns, Heard())

    def _perform(self, action: Action, now_ns: int) -> None:
        match action:
            case Connect(attempt):
                _logger.debug("connection %d: attempt %d", self.conn, attempt)
                self._connecting = asyncio.get_running_loop().create_task(self._connect())
            case Send(text):
                self._send(text)
            case Close(code, reason):
                _logger.info("connection %d: closing: %s", self.conn, reason)
                if self._listener is not None:
                    self._lose(self._listener, reason)
                    self._part(self._listener, code, reason)
            case Abort():
                self._abort()
            case Wait(until_ns):
                self._wait(max(0, until_ns - now_ns))

    def _send(self, text: str | Secret) -> None:
        if self._listener is None or self._listener.transport is None:
            return
        transport = self._listener.transport
        if isinstance(text, Secret):
            # Nowhere else, so that no traceback with its variables has it.
            transport.send(WSMsgType.TEXT, text.reveal().encode())
            return
        transport.send(WSMsgType.TEXT, text.encode())
        self.counters.pings += text == self._venue.ping_text

    def _abort(self) -> None:
        self._dialer.shutdown()
        if self._connecting is not None:
            self._connecting.cancel()
        if self._listener is not None and self._listener.transport is not None:
            self._listener.transport.disconnect(graceful=False)

    def _wait(self, delay_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(delay_ns / 1e9, self._waited)

    def _waited(self) -> None:
        self._timer = None
        self._step(Tick())

    def _lose(self, listener: FeedListener, reason: str) -> None:
        """The connection is of no use any more: stop listening, every book is stale."""
        listener.detach()
        if not self._lost:
            self._lost = True
            if not self._closing:
                self.cause = reason
            try:
                self.inputs.disconnected(self.conn, reason, self.clock.now_ns())
            except EngineError as error:
                self.host.fail(error)

    def _part(self, listener: FeedListener, code: int, reason: str = "") -> None:
        transport = listener.transport
        if transport is None or transport.is_disconnected:
            return
        answered = transport.close_handshake is not None
        # The type says an enumeration; any number of the registry is meant.
        said = reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore")
        transport.send_close(code, said.encode())  # type: ignore[arg-type]
        if answered:
            transport.disconnect()
        asyncio.get_running_loop().call_later(LINGER_S, _drop, listener)

    async def _connect(self) -> None:
        listener = listener_of(self, self._venue)
        self._listener = listener
        try:
            if self._place.url != self._endpoint.url:
                self._endpoint = replace(self._endpoint, url=self._place.url)
                self._proxy = proxy_of(self._place.url)
            # Signatures carry the wall clock's time, not the session's. The session's clock does
            # not follow the wall's steps, so that books do not age by them; the venue, however,
            # compares with what everybody's wall says now.
            sent = headers(self._endpoint, time.time_ns() // 1_000_000)
            self._secrets = secrets(self._endpoint.url, sent) | secrets(self._proxy or "", {})
            self._secrets |= set(self._venue.hidden())
            await upgrade(
                self._endpoint,
                listener,
                self._dialer,
                sent,
                frame_bytes_max=self.frame_bytes_max,
                proxy=self._proxy,
            )
        except Exception as error:  # whatever it was: no connection, and another attempt later
            self._failed(told(error, self._secrets), error)
        else:
            if listener.transport is None:
                self._failed("closed during the handshake", None)

    def quoted(self, text: str) -> str:
        """What the venue said, in quotes, fit to be logged."""
        return quoted(text, self._secrets)

    def _failed(self, reason: str, error: Exception | None) -> None:
        """No connection came of it; whatever the answer was like, there will be another attempt."""
        self._dialer.shutdown()
        self.counters.connect_failures += 1
        failed = Failed(reason)
        try:
            failed = self._understood(reason, error)
        except Exception as unreadable:
            self.bear(unreadable)
        self._step(failed)

    def _understood(self, reason: str, error: Exception | None) -> Failed:
        status = status_of(error)
        if self._place.turned_away(self._endpoint.url, status):
            self.denied, self.cause = False, f"cannot connect: turned away with HTTP {status}"
            return Failed(reason)
        denied = refusal(error, time.time())
        self.denied = denied is not None
        if denied is None:
            self.cause = f"cannot connect: {reason}"
            _log.warning(f"connect {self.conn}", "connection %d: %s", self.conn, self.cause)
        else:
            self.counters.handshakes_denied += 1
            explained = self._venue.explain_refusal(denied)
            self.cause = f"denied: {explained}"
            # One key is refused on every connection of the venue: one line for all of them.
            refusal_log.error(
                f"denied {self._venue.name}", "connection %d: %s", self.conn, explained
            )
        return Failed(reason, retry_after(error), denied=self.denied)


def _drop(listener: FeedListener) -> None:
    if listener.transport is not None and not listener.transport.is_disconnected:
        listener.transport.disconnect(graceful=False)
