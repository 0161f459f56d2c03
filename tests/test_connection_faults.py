"""What a feed does where a connection goes wrong below what is said on it, at every venue: it is
half-open, its handshake does not end, its TLS is not as it should be; and at every kind of end.

It sees that in bounded time, says why in words, comes again with growing pauses, is right again
when it is over, and leaves nothing behind.
"""

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from lengths import TIMES
from spot_live import OPTIONS, S, Tape, Watcher, audited, feed_of
from waiting import PATIENCE_S, PatientClock, until

from bookfeed.clock import seconds_ns
from bookfeed.feed.feed import Feed, SessionOptions
from bookfeed.live import handshake
from bookfeed.scorecard.campaigns.polymarket_kalshi_sockets import FEW, LISTED
from bookfeed.sim.beside import CONNECTIONS
from bookfeed.sim.certificates import SimTls
from bookfeed.sim.entry import Options
from bookfeed.sim.faults import CLOSE_CODES
from bookfeed.sim.spot_truth import SpotTruth

VENUES = sorted(FEW)
SILENCE_S = 1.0
QUICK = replace(OPTIONS, silence_s=SILENCE_S, silence_rest_s=SILENCE_S)
SEEN_NS_MAX = round((SILENCE_S + 0.5) * S)
BACK_NS_MAX = S
# The fault for which there is a gate, of the next century.
LATER = "half-open@900000000s"
# Attempts that one connection may make at once; then one each ten seconds.
BURST = 6

WORDS = {
    "expired": "certificate has expired",
    "host": "IP address mismatch",
    "unknown": "unable to get local issuer certificate",
    "old": "PROTOCOL_VERSION",
    "cut": "the server hung up before the handshake was done",
    "plain": "WRONG_VERSION_NUMBER",
}


@dataclass
class Followed:
    """A venue, a feed that follows it, and what that saw."""

    venue: str
    server: Any
    feed: Feed
    watcher: Watcher
    clock: PatientClock
    """The feed's."""
    fault: Callable[..., Any]
    pause_ns: int
    """How long a connection of the venue's says nothing."""

    @property
    def back_ns_max(self) -> int:
        """How soon its books are live once they can be."""
        return BACK_NS_MAX + self.pause_ns

    def inject(self, kind: str, variant: str = "", **more: Any) -> None:
        self.server.inject(self.fault(kind, variant=variant, **more))

    def mend(self) -> None:
        self.server.injector.end_beside()

    @property
    def cause(self) -> str:
        return self.feed.status().connections[0].cause

    async def failed(self) -> None:
        """Returns when one more attempt has failed."""
        before = self.feed.counters()["connect_failures"]
        await until(lambda: self.feed.counters()["connect_failures"] > before)

    def lives(self) -> list[bool]:
        return [book.live for book in self.feed.engine.books()]

    def epochs(self) -> list[int]:
        return [book.epoch for book in self.feed.engine.books()]


@asynccontextmanager
async def following(
    venue: str,
    *faults: str,
    tls: bool = False,
    live: bool = True,
    options: SessionOptions = QUICK,
) -> AsyncIterator[Followed]:
    """A feed that is live, unless it cannot be; at the end nothing of it is left."""
    sim = import_module(f"bookfeed.sim.{venue}")
    encrypted = SimTls() if tls else None
    made = Options(markets=2, rate=200.0, seed=3, faults=(LATER, *faults), tls=encrypted)
    config = sim.configured(made)
    server = await sim.serve(config)
    try:
        markets, endpoint = LISTED(venue, sim.ready(server))
        if encrypted is not None:
            endpoint = replace(endpoint, ssl_context=encrypted.trusting())
        known = server.truth if isinstance(server.truth, SpotTruth) else None
        watcher, tape = Watcher({} if known is None else {venue: known}), Tape()
        clock = PatientClock()
        feed = feed_of(markets, {venue: endpoint}, watcher, tape, options, clock)
        tasks = len(asyncio.all_tasks())
        async with feed:
            if live:
                await feed.wait_live(PATIENCE_S)
            pause_ns = seconds_ns(endpoint.venue.subscribe_after_s)
            fault = type(config.faults[0])
            yield Followed(venue, server, feed, watcher, clock, fault, pause_ns)
            assert feed.counters()["callback_errors"] == 0
            assert feed.counters()["listener_errors"] == 0
    finally:
        await server.close()
    assert watcher.wrong == []
    assert audited(tape.records).findings == []
    # Connections of the server end a moment later.
    await until(lambda: len(asyncio.all_tasks()) <= tasks)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("venue", VENUES)
async def test_a_half_open_connection_is_seen_and_replaced(venue: str, tls: bool) -> None:
    async with following(venue, tls=tls) as one:
        before = one.epochs()
        one.inject("half-open")
        assert await one.clock.took(lambda: not any(one.lives())) < SEEN_NS_MAX
        assert await one.clock.took(lambda: all(one.lives())) < one.back_ns_max
        again = one.epochs()
        assert all(new > old for new, old in zip(again, before, strict=True))
        # What waited on the way comes now, to nobody.
        states = len(one.watcher.states)
        one.mend()
        sent = one.server.frames_sent
        await until(lambda: one.server.frames_sent > sent + 100)
        assert [state for state in one.watcher.states[states:] if state[1] != "live"] == []
        assert one.epochs() == again
        status = one.feed.status()
        assert one.feed.counters()["reconnects"] == len(status.connections)


@pytest.mark.parametrize("venue", VENUES)
async def test_while_nobody_gets_through_attempts_are_few_and_then_it_is_back(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "CONNECT_TIMEOUT_S", 0.1)
    async with following(venue) as one:
        one.inject("half-open", "all")
        await until(lambda: not any(one.lives()))
        await until(lambda: one.feed.counters()["connect_failures"] >= 2)
        assert one.feed.counters()["connect_failures"] <= BURST
        assert "0.1 s passed before the handshake was done" in one.cause
        one.mend()
        await one.feed.wait_live(PATIENCE_S)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("venue", VENUES)
async def test_a_handshake_that_does_not_end_is_given_up(
    venue: str, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is given up sooner than a slow one could be done.
    assert handshake.HANDSHAKE_TIMEOUT_S <= handshake.CONNECT_TIMEOUT_S <= 10.0
    monkeypatch.setattr(handshake, "HANDSHAKE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(handshake, "CONNECT_TIMEOUT_S", 0.3)
    first, second = CONNECTIONS["slow-handshake"]
    async with following(venue, f"slow-handshake:{first}@0s", tls=tls, live=False) as one:
        await one.failed()
        assert "handshake" in one.cause
        one.mend()
        one.inject("slow-handshake", second)
        await one.failed()
        assert "handshake" in one.cause
        assert one.feed.counters()["connects"] == 0
        one.mend()
        await one.feed.wait_live(PATIENCE_S)


@pytest.mark.parametrize("variants", [("expired", "host", "unknown"), ("old", "cut", "plain")])
@pytest.mark.parametrize("venue", VENUES)
async def test_tls_that_is_not_right_is_refused_and_never_done_without(
    venue: str, variants: tuple[str, ...]
) -> None:
    async with following(venue, f"tls:{variants[0]}@0s", tls=True, live=False) as one:
        for variant in variants:
            one.mend()
            one.inject("tls", variant)
            await until(lambda words=WORDS[variant]: words in one.cause)  # type: ignore[misc]
        assert one.server.connections_seen == one.feed.counters()["connects"] == 0
        assert one.feed.counters()["connect_failures"] <= BURST
        one.mend()
        await one.feed.wait_live(PATIENCE_S)


@pytest.mark.parametrize("variant", ["expired", "host", "unknown"])
async def test_a_certificate_that_goes_bad_meanwhile_is_seen_by_the_next_connection(
    variant: str,
) -> None:
    async with following("kraken", tls=True) as one:
        one.inject("tls", variant)
        states = len(one.watcher.states)
        sent = one.server.frames_sent
        await until(lambda: one.server.frames_sent > sent + 50)
        assert one.watcher.states[states:] == []
        one.inject("reset")
        await until(lambda: WORDS[variant] in one.cause)
        one.mend()
        await one.feed.wait_live(PATIENCE_S)


# Every code at one venue and every venue with some: what reads them is the same for all.
ENDS = [
    (venue, code)
    for at, venue in enumerate(VENUES)
    for number, code in enumerate(CLOSE_CODES)
    if TIMES > 1 or venue == "kraken" or (at + number) % 4 == 0
]


@pytest.mark.parametrize(("venue", "code"), ENDS)
async def test_every_end_with_or_without_a_code(venue: str, code: str) -> None:
    async with following(venue) as one:
        before = one.epochs()
        connections = len(one.feed.status().connections)
        books = len(before) // connections
        one.inject("disconnect", code)
        await until(lambda: one.feed.counters()["disconnects"] == 1)
        await until(lambda: sum(map(int.__gt__, one.epochs(), before)) == books)
        await one.feed.wait_live(PATIENCE_S)
        assert one.feed.counters()["connects"] == connections + 1
        lost = {state for state in one.watcher.states if state[1] == "stale"}
        assert {cause for *_, cause in lost} == {"disconnected"}
        assert len(lost) == books


@pytest.mark.parametrize(
    ("venue", "variant"), [("kraken", "403"), *((venue, "200") for venue in VENUES)]
)
async def test_a_page_of_html_is_no_handshake(venue: str, variant: str) -> None:
    options = replace(QUICK, poll_after_s=3_600.0)
    async with following(venue, f"page:{variant}@0s", live=False, options=options) as one:
        await until(lambda: one.feed.counters()["connect_failures"] >= 1)
        assert variant in one.cause
        assert one.server.connections_seen == 0
        one.mend()


async def test_what_a_gate_is_for_is_said_where_there_is_none() -> None:
    from bookfeed.sim.kraken import KrakenSimConfig, serve
    from bookfeed.sim.kraken.faults import KrakenFault

    server = await serve(KrakenSimConfig())
    try:
        with pytest.raises(ValueError, match="half-open needs a gate"):
            server.inject(KrakenFault("half-open"))
    finally:
        await server.close()
    with pytest.raises(ValueError, match="tls needs TLS of the simulator's own"):
        KrakenSimConfig(faults=(KrakenFault("tls"),))
    with pytest.raises(ValueError, match="tls needs TLS of the simulator's own"):
        KrakenSimConfig(faults=(KrakenFault("tls"),), tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    with pytest.raises(ValueError, match="strikes every connection, not number 1"):
        KrakenFault("half-open", conn=1)


@pytest.mark.parametrize(("fault", "words"), [("", ""), ("tls:host@0s", "IP address mismatch")])
def test_the_command_serves_tls_and_says_whom_to_trust(
    fault: str, words: str, tmp_path: Path
) -> None:
    trusted = tmp_path / "ca.pem"
    faults = ("--fault", fault) if fault else ()
    command = (sys.executable, "-m", "bookfeed", "sim", "--venue", "kraken", "--exit-with-parent")
    with subprocess.Popen(
        [*command, "--tls", str(trusted), *faults],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        url = urlsplit(json.loads(process.stdout.readline())["ws"])
        ours = ssl.create_default_context(cafile=str(trusted))
        with socket.create_connection((url.hostname, url.port), timeout=PATIENCE_S) as sock:
            if not words:
                with ours.wrap_socket(sock, server_hostname=url.hostname) as encrypted:
                    assert (url.scheme, encrypted.version()) == ("wss", "TLSv1.3")
            else:
                with pytest.raises(ssl.SSLCertVerificationError, match=words):
                    ours.wrap_socket(sock, server_hostname=url.hostname)
        process.stdin.close()
