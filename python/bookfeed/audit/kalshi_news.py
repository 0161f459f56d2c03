"""What was not heard of Kalshi's markets, and what its REST answers say of them.

What news may have changed is unknown from where it was lost, until the stream says it again, or an
answer that cannot be older; where nobody can say, for so long as the engine was told to wait.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from bookfeed.audit.books import Instrument
from bookfeed.audit.fees import Fees
from bookfeed.audit.fees.kalshi import KalshiFees
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import NS_PER_S, count, plain, read_json, rfc3339

# How old an answer may be: 15 s in a cache, 5 s on its way.
_AGE_NS: Final = 20 * NS_PER_S
# How long the exchange's word that it trades counts against its calendar.
_WORD_NS: Final = 60 * NS_PER_S
_THURSDAY: Final = 3
_OPEN: Final = ("active", "initialized")
_CLOSED: Final = ("closed", "disputed", "amended")
_DECIDED: Final = ("determined", "finalized")


class Listed(NamedTuple):
    """A market as it is listed."""

    ticker: str
    status: str
    opens: int | None
    closes: int
    event: object
    shard: int | None


class ListedFees(NamedTuple):
    """Fees of a series, or of an event in their place."""

    event: str | None
    series: str
    kind: str | None
    multiplier: Decimal | None


class Word(NamedTuple):
    """What the exchange says of itself."""

    trading: bool
    shards: dict[int, bool]
    ts: int = 0


class Closures(NamedTuple):
    """When the exchange will be closed."""

    windows: tuple[tuple[int, int], ...]


Answer = Listed | ListedFees | Word | Closures


@dataclass(slots=True)
class News:
    """What is remembered of one market."""

    since: int
    """From when on more could be missed, or the stream spoke last."""
    ends: int | None = None
    """When what may have changed counts as unchanged."""
    confirmed: bool = False
    shard: int | None = None
    series: str | None = None
    fees_before: Fees | None = None
    fees_unheard: bool = False
    cut_off: bool = False
    """Whether its connection was lost before the news of it came."""


@dataclass(slots=True)
class KalshiNews:
    """Of all markets; ``wait_ns`` is how long a doubt lasts where nobody can say (0: for ever)."""

    model: Model
    calendar: bool = True
    wait_ns: int = 300 * NS_PER_S
    word: Word | None = None
    closures: tuple[tuple[int, int], ...] = ()
    _of: dict[int, News] = field(default_factory=dict)

    def of(self, one: Instrument) -> News:
        """What is remembered of a market."""
        return self._of.setdefault(one.number, News(self.model.now))

    def pauses(self, one: Instrument, now: int) -> bool:
        """Whether nothing of the market's part of the exchange trades."""
        if self.word is not None:
            shard = self.of(one).shard
            parts = [on for number, on in self.word.shards.items() if shard in (None, number)]
            if not (self.word.trading and all(parts)):
                return True
            if now - self.word.ts < _WORD_NS:
                return False
        closed = any(start <= now < end for start, end in self.closures)
        return closed or (self.calendar and _weekly(now))

    # What was not heard.

    def doubt(self, one: Instrument, *, trading: bool = True, fees: bool, heard: bool) -> None:
        """What may have changed is unknown."""
        news = self.of(one)
        if trading:
            one.unheard |= {"pause", "close"}
        if fees and one.fees is not None:
            news.fees_before, one.fees, news.fees_unheard = one.fees, None, True
        news.since = self.model.now
        self._bound(one, heard=heard)

    def begin(self, ones: Iterable[Instrument]) -> None:
        """The news of markets come from here on."""
        for one in ones:
            news = self.of(one)
            if news.cut_off:
                self.doubt(one, fees=True, heard=True)
            news.since, news.confirmed, news.cut_off = self.model.now, False, False
            self._bound(one, heard=True)

    def _bound(self, one: Instrument, *, heard: bool) -> None:
        news = self.of(one)
        news.ends = None
        if heard and self.wait_ns and (one.unheard or news.fees_unheard):
            news.ends = self.model.now + self.wait_ns

    def spoke(self, one: Instrument, *, confirmed: bool = False) -> None:
        """The stream said something of a market."""
        news = self.of(one)
        news.since, news.confirmed = self.model.now, news.confirmed or confirmed

    def pass_time(self, now: int) -> None:
        """Doubts end that lasted long enough."""
        for number, news in self._of.items():
            if news.ends is None or now < news.ends:
                continue
            one = self.model.instruments[number]
            news.ends = None
            one.unheard.clear()
            if news.fees_unheard and news.fees_before is not None:
                one.fees, news.fees_before, news.fees_unheard = news.fees_before, None, False

    # What is answered.

    def take(self, answer: Answer, *, heard: bool) -> None:
        """One part of an answer; ``heard`` says if the news of the market it is about come."""
        if isinstance(answer, Listed):
            number = self.model.find("kalshi", answer.ticker)
            if number is not None:
                self._listed(self.model.instruments[number], answer, heard=heard)
        elif isinstance(answer, ListedFees):
            for one in self.model.instruments:
                self._fees(one, answer)
        elif isinstance(answer, Word):
            self.word = answer._replace(ts=self.model.now)
        else:
            self.closures = answer.windows

    def _new(self, one: Instrument) -> bool:
        return self.model.now - _AGE_NS >= self.of(one).since

    def _listed(self, one: Instrument, listed: Listed, *, heard: bool) -> None:
        news = self.of(one)
        one.event = one.event or (str(listed.event) if listed.event else None)
        news.shard = news.shard if listed.shard is None else listed.shard
        if listed.status in _DECIDED:
            one.determined = True
            return
        new = heard and self._new(one)
        doubted = bool(one.unheard) or news.fees_unheard
        if not new and (news.confirmed or doubted or listed.status in _OPEN):
            return
        one.paused = listed.status == "inactive"
        closed = listed.status in _CLOSED
        one.close_ts = min(listed.closes, self.model.now) if closed else listed.closes
        one.open_ts = one.open_ts if listed.opens is None else listed.opens
        if new:
            news.confirmed = True
            one.unheard.clear()

    def _fees(self, one: Instrument, listed: ListedFees) -> None:
        news, of = self.of(one), one.listed_fees
        if listed.event is None:
            if news.series == listed.series and isinstance(of, KalshiFees):
                assert listed.kind is not None and listed.multiplier is not None
                one.listed_fees = replace(
                    of, kind=listed.kind, multiplier=listed.multiplier, base_known=True
                )
        elif one.event == listed.event:
            news.series = listed.series
            if self._new(one):
                self.set_fees(one, listed.kind, listed.multiplier)

    def listed(self, one: Instrument, *, new_fees: bool, missed: bool) -> None:
        """A market is subscribed, maybe elsewhere: until its news come there, some are missed."""
        news = self.of(one)
        if new_fees:
            news.fees_before, news.fees_unheard = None, False
        if missed:
            self.doubt(one, fees=True, heard=False)

    def set_fees(self, one: Instrument, kind: str | None, multiplier: Decimal | None) -> None:
        """An event's fees; what they leave as it was listed may be an older override's."""
        if not isinstance(listed := one.listed_fees, KalshiFees):
            return
        known = listed.base_known or (kind is not None and multiplier is not None)
        fees = replace(listed, kind_override=kind, multiplier_override=multiplier)
        one.fees = fees if known else None
        news = self.of(one)
        news.fees_before, news.fees_unheard = None, not known


def read(body: bytes) -> list[Answer]:
    """What a REST answer says besides books; what cannot be read says nothing."""
    try:
        document = read_json(body)
    except ValueError:
        return []
    if not isinstance(document, dict):
        return []
    return [answer for answer in _answers(document) if answer is not None]


def _answers(document: Mapping[str, Any]) -> Iterable[Answer | None]:
    known = False
    for name, value in document.items():
        if name == "markets" and isinstance(value, list):
            yield from (_listed(market) for market in value)
        elif name == "market" and isinstance(value, dict):
            yield _listed(value)
        elif name in ("event", "series") and isinstance(value, dict):
            yield _fees(value, of_event=name == "event")
        elif name == "schedule" and isinstance(value, dict):
            yield _closures(value.get("maintenance_windows", []))
        elif name != "orderbooks" or not isinstance(value, list):
            continue
        known = True
    if not known:
        yield _word(document)


def _listed(market: object) -> Listed | None:
    if not isinstance(market, dict):
        return None
    ticker, status = market.get("ticker"), market.get("status")
    closes = rfc3339(market.get("close_time"))
    if not isinstance(ticker, str) or not ticker or closes is None:
        return None
    if status not in (*_OPEN, "inactive", *_CLOSED, *_DECIDED):
        return None
    opens, shard = rfc3339(market.get("open_time")), count(market.get("exchange_index"))
    return Listed(ticker, str(status), opens, closes, market.get("event_ticker"), shard)


def _fees(listed: Mapping[str, Any], *, of_event: bool) -> ListedFees | None:
    event = listed.get("event_ticker") if of_event else None
    series = listed.get("series_ticker" if of_event else "ticker")
    kind, multiplier = (
        listed.get(f"fee_{what}_override" if of_event else f"fee_{what}")
        for what in ("type", "multiplier")
    )
    try:
        factor = None if multiplier is None else plain(multiplier, 9)
    except ValueError:
        return None
    stated = of_event or (kind is not None and factor is not None)
    if not isinstance(series, str) or not stated or (of_event and not isinstance(event, str)):
        return None
    return ListedFees(event, series, kind, factor)


def _word(status: Mapping[str, Any]) -> Word | None:
    trading, shards = status.get("trading_active"), {}
    if not isinstance(trading, bool):
        return None
    for part in status.get("exchange_index_statuses") or ():
        number = count(part.get("exchange_index")) if isinstance(part, dict) else None
        if number is None or not isinstance(part.get("trading_active"), bool):
            return None
        shards[number] = part["trading_active"] and part.get("exchange_active") is not False
    return Word(trading and status.get("exchange_active") is not False, shards)


def _closures(windows: object) -> Closures | None:
    if not isinstance(windows, list):
        return Closures(())
    found = []
    for window in windows:
        ends = [window.get(f"{end}_datetime") for end in ("start", "end")] if window else []
        start, end = [*map(rfc3339, ends), None, None][:2]
        if start is None or end is None:
            return None
        found.append((start, end))
    return Closures(tuple(found))


def fees_stated(content: Mapping[str, Any]) -> bool:
    """Whether an update says in words that can be read what the fees are."""
    if not {"fee_type_override", "fee_multiplier_override"} & content.keys():
        return False
    kind, multiplier = content.get("fee_type_override"), content.get("fee_multiplier_override")
    if kind is not None and (not isinstance(kind, str) or not kind):
        return False
    try:
        return multiplier is None or plain(multiplier, 9) >= 0
    except ValueError:
        return False


def _weekly(now: int) -> bool:
    """Thursdays from 03:00 to 05:00 in New York."""
    moment = datetime.fromtimestamp(now // NS_PER_S, UTC)
    year = moment.year
    begins, ends = _sunday(datetime(year, 3, 8, 7)), _sunday(datetime(year, 11, 1, 6))
    summer = begins <= moment < ends
    local = moment - timedelta(hours=4 if summer else 5)
    return local.weekday() == _THURSDAY and 3 <= local.hour < 5


def _sunday(first: datetime) -> datetime:
    """The first Sunday from a day on, at its hour in UTC."""
    return first.replace(tzinfo=UTC) + timedelta(days=(6 - first.weekday()) % 7)
