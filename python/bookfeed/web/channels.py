"""What can be subscribed to, and who gets what at each tick.

Clients with the same subscription are one group, for which each message is made once. Whoever
subscribes, or has missed messages, gets the channel as it stands (``snapshot``), then what changes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bookfeed.names import name_of
from bookfeed.records import Signal, Update
from bookfeed.web.clients import Client, Frame
from bookfeed.web.world import World

CHANNELS: Final = ("books", "trades", "signals", "status", "arbitrage", "levels", "alerts")
SUBSCRIPTIONS_MAX: Final = 256
"""Of one client."""
GROUPS_MAX: Final = 20_000
LEVELS_MAX: Final = 64
"""So many ladders are followed at once, by all clients together."""
DEPTH_MAX: Final = 200
_ARBITRAGE_EVERY: Final = 3
_STATUS_EVERY: Final = 10
_FILTERS: Final = ("venue", "market", "symbol", "rule")


class Unknown(ValueError):
    """A subscription that there is not; the text says what there is."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A channel, and of what; filters that are empty let everything through."""

    channel: str
    venue: str = ""
    market: str = ""
    symbol: str = ""
    rule: str = ""
    depth: int = 0

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Subscription":
        """What a client asks for; raises ``Unknown`` for what there is not."""
        channel = said.get("channel")
        if channel not in CHANNELS:
            raise Unknown(f"channel is one of {', '.join(CHANNELS)}")
        filters = {name: said.get(name, "") for name in _FILTERS}
        if not all(isinstance(value, str) and len(value) <= 256 for value in filters.values()):
            raise Unknown(f"{', '.join(_FILTERS)} are texts of at most 256 characters")
        depth = said.get("depth", 10) if channel == "levels" else 0
        if type(depth) is not int or not 0 <= depth <= DEPTH_MAX:
            raise Unknown(f"depth is a number from 1 to {DEPTH_MAX}")
        if channel == "levels" and not (filters["venue"] and filters["symbol"]):
            raise Unknown("levels are of one book: give venue and symbol")
        return cls(channel, **filters, depth=depth)

    def told(self) -> dict[str, Any]:
        """The same in a message."""
        filters = {name: value for name in _FILTERS if (value := getattr(self, name))}
        return {"channel": self.channel, **filters}


class Channels:
    """Groups of clients by subscription, and what each gets."""

    def __init__(self, world: World) -> None:
        self._world: Final = world
        self._groups: Final[dict[Subscription, set[Client]]] = {}
        self._ticks = 0
        self._arbitrage_due = False
        self._alerts: list[Mapping[str, Any]] = []
        self._signals_cut = False
        self._ladders: Final[dict[Subscription, Mapping[str, Any] | None]] = {}

    def subscribe(self, client: Client, wanted: Subscription) -> None:
        """Have a client hear of something from now on; raises ``Unknown`` if that is too much."""
        if wanted not in client.subscriptions and len(client.subscriptions) >= SUBSCRIPTIONS_MAX:
            raise Unknown(f"at most {SUBSCRIPTIONS_MAX} subscriptions of one client")
        levels = sum(one.channel == "levels" for one in self._groups)
        full = wanted.channel == "levels" and levels >= LEVELS_MAX
        if wanted not in self._groups and (full or len(self._groups) >= GROUPS_MAX):
            raise Unknown("too many different subscriptions; try again later")
        self._groups.setdefault(wanted, set()).add(client)
        client.subscriptions.add(wanted)
        client.send(self._snapshot(wanted, client), wanted)

    def unsubscribe(self, client: Client, wanted: Subscription) -> None:
        """Have a client hear of something no more."""
        client.subscriptions.discard(wanted)
        client.missed.discard(wanted)
        group = self._groups.get(wanted)
        if group is not None:
            group.discard(client)
            if not group:
                del self._groups[wanted]
                self._ladders.pop(wanted, None)

    def gone(self, client: Client) -> None:
        """A client has left."""
        for wanted in tuple(client.subscriptions):
            self.unsubscribe(client, wanted)

    def ladders(self) -> list[Subscription]:
        """The ladders that somebody follows."""
        return [one for one in self._groups if one.channel == "levels"]

    def tell_ladder(self, wanted: Subscription, book: Mapping[str, Any] | None) -> None:
        """Send a ladder to who follows it, if it is another than before."""
        if wanted not in self._groups or self._ladders.get(wanted, {}) == book:
            return
        self._ladders[wanted] = book
        self._send(wanted, Frame({"type": "levels", **wanted.told(), "book": book}))

    def tick(self, *, stands: bool) -> None:
        """Send what is new; ``stands`` says that the feed is heard, or not, as before."""
        self._ticks += 1
        self._signals_cut = self._world.signals_cut
        self._arbitrage_due |= self._world.markets_changed
        changed, trades, signals = self._world.fresh()
        self._alerts = self._world.fresh_alerts()
        self._arbitrage_due |= bool(changed or signals) or not stands
        touches = _Touches(self._world)
        for wanted in tuple(self._groups):
            frame = self._message(wanted, changed, trades, signals, touches, stands=stands)
            if frame is not None:
                self._send(wanted, frame)
            else:
                self._catch_up(wanted)
        if self._is_due(_ARBITRAGE_EVERY, stands=stands):
            self._arbitrage_due = False

    def _is_due(self, every: int, *, stands: bool) -> bool:
        return not stands or self._ticks % every == 0

    def _message(
        self,
        wanted: Subscription,
        changed: set[int],
        trades: list[Update],
        signals: list[Signal],
        touches: "_Touches",
        *,
        stands: bool,
    ) -> Frame | None:
        """What is new of a channel; ``None`` if nothing is."""
        if wanted.channel == "books":
            books = [touches.of(i) for i in changed if self._fits(wanted, i)]
            return Frame({"type": "books", **wanted.told(), "books": books}) if books else None
        if wanted.channel == "trades":
            told = [self._world.trade(t) for t in trades if self._fits(wanted, t.instrument)]
            return Frame({"type": "trades", **wanted.told(), "trades": told}) if told else None
        if wanted.channel == "signals":
            found = [self._world.signal(s) for s in signals if self._fits_signal(wanted, s)]
            # Without those that were too many a signal could stay open there for ever.
            if not stands or self._signals_cut:
                return self._snapshot(wanted, None)
            return Frame({"type": "signals", **wanted.told(), "signals": found}) if found else None
        if wanted.channel == "alerts" and self._alerts:
            return Frame({"type": "alerts", "alerts": self._alerts})
        if wanted.channel == "status" and self._is_due(_STATUS_EVERY, stands=stands):
            return Frame({"type": "status", **self._world.standing()})
        due = self._arbitrage_due and self._is_due(_ARBITRAGE_EVERY, stands=stands)
        if wanted.channel == "arbitrage" and due:
            return Frame({"type": "arbitrage", **self._world.arbitrage()})
        return None

    def _send(self, wanted: Subscription, frame: Frame) -> None:
        for client in tuple(self._groups.get(wanted, ())):
            if wanted in client.missed:
                self._tell_missed(client, wanted)
            else:
                client.send(frame, wanted)

    def _catch_up(self, wanted: Subscription) -> None:
        for client in tuple(self._groups.get(wanted, ())):
            if wanted in client.missed:
                self._tell_missed(client, wanted)

    def _tell_missed(self, client: Client, wanted: Subscription) -> None:
        """A client that missed something gets it as a whole, as soon as it reads again."""
        if client.behind:
            client.dropped += 1
            return
        client.missed.discard(wanted)
        client.send(self._snapshot(wanted, client), wanted)

    def _snapshot(self, wanted: Subscription, client: Client | None) -> Frame:
        """A channel as it stands."""
        content: dict[str, Any] = {"type": "snapshot", **wanted.told(), "feed": self._world.feed}
        if client is not None:
            content["dropped"] = client.dropped
        return Frame(content | self._contents(wanted))

    def _contents(self, wanted: Subscription) -> dict[str, Any]:
        world = self._world
        makers: dict[str, Callable[[], dict[str, Any]]] = {
            "books": lambda: {"books": self.books(wanted)},
            "trades": lambda: {"trades": self.trades(wanted)},
            "signals": lambda: {"signals": self.signals(wanted)},
            "status": world.standing,
            "arbitrage": world.arbitrage,
            "alerts": lambda: {"alerts": world.alerts()},
            "levels": lambda: {"book": self._ladders.get(wanted)},
        }
        return makers[wanted.channel]()

    def books(self, wanted: Subscription) -> list[dict[str, Any]]:
        """The touches of the books that fit."""
        fitting = (i for i in self._world.instruments() if self._fits(wanted, i))
        return [self._world.touch(i) for i in fitting]

    def trades(self, wanted: Subscription, count: int = 50) -> list[dict[str, Any]]:
        """The newest trades that fit, the oldest of them first."""
        fitting = [t for t in self._world.trades() if self._fits(wanted, t.instrument)]
        return [self._world.trade(one) for one in fitting[-count:]]

    def signals(self, wanted: Subscription) -> list[dict[str, Any]]:
        """The signals that are open and fit."""
        return _signals(self._world, self._world.open_signals(), wanted, self._fits_signal)

    def closed(self, wanted: Subscription) -> list[dict[str, Any]]:
        """The signals that have closed and fit, the newest first."""
        return _signals(self._world, self._world.closed_signals(), wanted, self._fits_signal)

    def _fits(self, wanted: Subscription, instrument: int) -> bool:
        if not (wanted.venue or wanted.market or wanted.symbol):
            return True
        name = name_of(self._world.names, instrument)
        return (
            wanted.venue in ("", name.venue)
            and wanted.market in ("", name.market)
            and wanted.symbol in ("", name.symbol)
        )

    def _fits_signal(self, wanted: Subscription, signal: Signal) -> bool:
        if wanted.rule not in ("", signal.rule, signal.name):
            return False
        if not (wanted.venue or wanted.market or wanted.symbol):
            return True
        return any(self._fits(wanted, leg.instrument) for leg in signal.legs)


class _Touches:
    """Touches of one tick: each is made once, however many groups want it."""

    def __init__(self, world: World) -> None:
        self._world: Final = world
        self._made: Final[dict[int, dict[str, Any]]] = {}

    def of(self, instrument: int) -> dict[str, Any]:
        if instrument not in self._made:
            self._made[instrument] = self._world.touch(instrument)
        return self._made[instrument]


def _signals(
    world: World,
    found: Iterable[Signal],
    wanted: Subscription,
    fits: Callable[[Subscription, Signal], bool],
) -> list[dict[str, Any]]:
    return [world.signal(one) for one in found if fits(wanted, one)]
