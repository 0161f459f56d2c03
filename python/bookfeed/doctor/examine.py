"""The whole diagnosis: the machine, then each venue's address and door, then what comes."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bookfeed._bookfeed import Engine
from bookfeed.audit.drift import Drift
from bookfeed.audit.shapes import shapes_of
from bookfeed.config import Config, OwnConfig, RulesConfig
from bookfeed.doctor import door, machine, private, rest, touches, wires
from bookfeed.doctor.clock import AHEAD_S_BAD, AHEAD_S_WARN, ClockWindow
from bookfeed.doctor.compare import Comparison
from bookfeed.doctor.finding import MACHINE, Finding, Grade, Tell
from bookfeed.doctor.newest import newest
from bookfeed.doctor.traffic import Watched, watch
from bookfeed.errors import BookfeedError, ConfigError
from bookfeed.feed import settings
from bookfeed.feed.feed import Feed
from bookfeed.live import proxy
from bookfeed.live.shard import shard_markets
from bookfeed.venues import VENUES, Endpoint

# How an error says what to do.
_ADVICE: Final = re.compile(
    r": ((?:chmod|chown|decode|export|give|name|openssl|pip|save|set|ssh-keygen)\b.*)$"
)
_AGAIN: Final = "correct that, and ask again"


@dataclass(frozen=True, slots=True)
class Examination:
    """What is looked at, and for how long."""

    config: Config
    source: str
    """What errors call the configuration."""
    keys: Mapping[str, Any]
    """By venue, in place of those that are configured or in the environment."""
    seconds: float
    """How long what comes is watched once the books are there."""
    wait_s: float
    """How long books are waited for."""
    compare: bool = False
    """Whether polling is tried beside the stream meanwhile."""
    newest: bool = False
    """Whether pip is asked for newer packages."""


@dataclass(slots=True)
class _Patient:
    """A venue, and what is known of it so far."""

    name: str
    symbols: list[str]
    clock: ClockWindow
    endpoint: Endpoint | None = None
    open: bool = False
    """Whether something streams."""
    polled: bool = False
    """Whether nothing does, and it answers by REST."""


async def examine(what: Examination, tell: Tell) -> None:
    """Looks at everything, and tells what it finds as soon as it is there."""
    patients = [_patient(what.config, name) for name in _venues(what.config)]
    settled = [_find(what, one) for one in patients]
    for finding in machine.findings(what.config, _connections(what.config, patients)):
        tell(finding)
    if what.newest:
        versions = ((name, one) for name, one in machine.installed().items() if one is not None)
        async for finding in newest(versions):
            tell(finding)

    async def visited(one: _Patient) -> list[Finding]:
        return [finding async for finding in _visit(one)]

    # All at once, and told one venue after the other.
    visits = [asyncio.ensure_future(visited(one)) for one in patients]
    beside = [asyncio.ensure_future(_touches(what, one)) for one in patients]
    own = [asyncio.ensure_future(_own(what, name)) for name in what.config.own.venues]
    for first, visit in zip(settled, visits, strict=True):
        for finding in (*first, *await visit):
            tell(finding)
    for witness in beside:
        if (said := await witness) is not None:
            tell(said)
    for asked in own:
        tell(await asked)
    await _listen(what, patients, tell)


def _venues(config: Config) -> list[str]:
    """Those with markets; without any, all that one can connect to."""
    followed = [name for name in config.venues() if name in config.sections]
    return followed or [name for name, row in VENUES.items() if row.section is not None]


def _patient(config: Config, name: str) -> _Patient:
    markets = [market for market in config.markets() if market.venue == name]
    return _Patient(name, [s for market in markets for s in market.symbols], ClockWindow())


def _find(what: Examination, one: _Patient) -> list[Finding]:
    """Where the venue is, and with which key; says why that is not known."""
    wanted = bool(one.symbols)
    try:
        given = what.config.sections[one.name].endpoint(what.source, what.keys.get(one.name))
        endpoint = proxy.checked(given)
        if endpoint.venue.check_url is not None:
            endpoint.venue.check_url(endpoint.url)
    except ConfigError as error:
        grade: Grade = "bad" if wanted else "skip"
        return [Finding(one.name, "settings", grade, *_told(error, what.source))]
    one.endpoint = endpoint
    if endpoint.unstreamed:
        text, _, advice = endpoint.unstreamed.partition(": ")
        said = f"{text}: nothing streams, and books are polled"
        return [Finding(one.name, "key file", "warn" if wanted else "skip", said, advice)]
    if endpoint.venue.handshake_headers is None:
        return []
    return [Finding(one.name, "key file", "ok", "a key that can sign, and that only you may use")]


def _told(error: ConfigError, source: str) -> tuple[str, str]:
    """What is wrong, and what to do."""
    placed = settings.placed_error(error, source)
    advised = _ADVICE.search(placed.problem)
    if advised is None:
        return str(placed), _AGAIN
    return str(placed).removesuffix(advised[0]), advised[1]


async def _touches(what: Examination, one: _Patient) -> Finding | None:
    """The relay that may be a witness of a venue's books, where any are followed."""
    if one.endpoint is None or not one.symbols:
        return None
    return await touches.asked(what.config, one.endpoint, one.symbols[0], what.wait_s)


async def _own(what: Examination, name: str) -> Finding:
    """The private channel of a venue, where ``[own]`` asks for it."""
    try:
        (endpoint,) = settings.own_endpoints(
            replace(what.config, own=replace(what.config.own, venues=(name,))), what.source
        )
        return await private.asked(name, endpoint, what.wait_s)
    except BookfeedError as error:
        told = _told(error, what.source) if isinstance(error, ConfigError) else (str(error), _AGAIN)
        return Finding(name, private.CHECK, "bad", *told)


def _connections(config: Config, patients: list[_Patient]) -> int:
    count = 0
    for one in patients:
        markets = [market for market in config.markets() if market.venue == one.name]
        if one.endpoint is not None and markets:
            size = one.endpoint.venue.symbols_per_connection
            count += len(shard_markets(markets, size))
    return count


async def _visit(one: _Patient) -> AsyncIterator[Finding]:
    """The way to the venue, its door, what it answers, its clock."""
    endpoint = one.endpoint
    if endpoint is None:
        return
    way, reached = wires.way_to(one.name, "ws_url", endpoint.url), not endpoint.unstreamed
    if reached:
        async for finding in wires.walk(way, endpoint.ssl_context):
            reached = reached and finding.grade != "bad"
            yield finding
    if reached:
        opened = await door.knock(endpoint, one.clock)
        one.open = opened.open
        for finding in opened.findings:
            yield finding
    if endpoint.rest_url is not None:
        answers = True
        other = wires.way_to(one.name, "rest_url", endpoint.rest_url)
        if endpoint.unstreamed or (other.host, other.port) != (way.host, way.port):
            async for finding in wires.walk(other, endpoint.ssl_context):
                answers = answers and finding.grade != "bad"
                yield finding
        if answers:
            async for finding in rest.asked(endpoint, one.clock):
                answers = answers and finding.grade != "bad"
                yield finding
        one.polled = answers and bool(endpoint.unstreamed)
    if one.clock.known:
        yield _clock(one)


def _clock(one: _Patient) -> Finding:
    clock = one.clock
    side = "ahead of" if clock.ahead_s >= 0 else "behind"
    text = (
        f"ours is {abs(clock.ahead_s):.2f} s {side} the venue's, give or take {clock.error_s:.2f}"
    )
    facts = {"ahead_s": clock.ahead_s, "error_s": clock.error_s}
    if clock.contradict:
        text = f"its {clock.answers} answers contradict each other; the first ones say {text}"
        advice = "a cache answers in the venue's place, or the clock was set just now: ask again"
        return Finding(one.name, "clock", "warn", text, advice, facts)
    if not clock.surely_beyond(AHEAD_S_WARN):
        return Finding(one.name, "clock", "ok", text, facts=facts)
    grade: Grade = "bad" if clock.surely_beyond(AHEAD_S_BAD) else "warn"
    advice = "set the clock: timedatectl set-ntp true, or chronyc makestep"
    return Finding(one.name, "clock", grade, text, advice, facts)


async def _listen(what: Examination, patients: list[_Patient], tell: Tell) -> None:
    """What comes from the venues whose door is open."""
    watched: dict[str, Watched] = {}
    endpoints: dict[str, Endpoint] = {}
    for one in patients:
        there = one.open or one.polled
        if there and one.symbols and one.endpoint is not None:
            shapes = shapes_of(one.name)
            drift = None if shapes is None else Drift(shapes)
            watched[one.name] = Watched(one.symbols, drift, one.clock)
            endpoints[one.name] = one.endpoint
        elif not there and one.symbols:
            advice = "mend what is bad above"
            tell(Finding(one.name, "first book", "skip", "there is no connection", advice))
        elif there:
            advice = "give a FILE with a [[market]]: bookfeed add writes one"
            tell(Finding(one.name, "first book", "skip", "no market is followed", advice))
    if not watched:
        return
    config = replace(
        what.config,
        market=tuple(market for market in what.config.market if market.venue in watched),
        pair=(),
        basket=(),
        ladder=(),
        sink=(),
        rules=RulesConfig(),
        own=OwnConfig(),
    )
    try:
        await _watch(what, config, watched, endpoints, tell)
    except BookfeedError as error:
        tell(Finding(MACHINE, "feed", "bad", f"it cannot be opened: {error}", _AGAIN))


async def _watch(
    what: Examination,
    config: Config,
    watched: Mapping[str, Watched],
    endpoints: Mapping[str, Endpoint],
    tell: Tell,
) -> None:
    engine = Engine(**config.engine.arguments())
    feed = Feed.from_config(
        config, source=what.source, keys=what.keys, engine=engine, endpoints=endpoints
    )
    async with feed:
        comparisons = [Comparison(feed, endpoints[name], watched[name].symbols) for name in watched]
        await watch(
            feed,
            watched,
            wait_s=what.wait_s,
            seconds=what.seconds,
            delay_s_max=config.engine.max_delay_s,
            beside=[one.poll for one in comparisons] if what.compare else [],
            tell=tell,
        )
    if what.compare:
        for comparison in comparisons:
            tell(comparison.finding())
