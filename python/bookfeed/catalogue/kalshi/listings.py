"""What Kalshi's REST interface says of its markets and events, as typed results.

A market is one book, of Yes. What it costs stands in its series, and in its event where that has
something else in its place: without the series the fee is unknown.
"""

from decimal import Decimal
from typing import Final

from bookfeed.catalogue.fields import Fields, Malformed, plain, time_text
from bookfeed.catalogue.kalshi.series import grammar
from bookfeed.catalogue.listing import (
    NAME_MAX,
    ListedEvent,
    ListedOutcome,
    Listing,
    Page,
    PriceBand,
    Status,
    Strike,
    readable,
)
from bookfeed.catalogue.regime import Regime, in_rules
from bookfeed.catalogue.windows import eastern_time
from bookfeed.clock import NS_PER_S
from bookfeed.venues.kalshi import NAME, KalshiFee

_STATUS: Final[dict[str, Status]] = {
    "initialized": "unopened",
    "active": "open",
    "inactive": "paused",
    "closed": "closed",
    "determined": "closed",
    "disputed": "closed",
    "amended": "closed",
    "finalized": "settled",
}
# Quantities have two decimals.
_QTY_STEP: Final = Decimal("0.01")
_MULTIPLIER_MAX: Final = 100
# More is in these than is taken from them.
_KEPT: Final = ("settlement_value_dollars", "status", "result")
# Kinds of strikes of which an event has several.
_LADDERS: Final = ("greater", "less", "between")
_OVERRIDES: Final = ("fee_type_override", "fee_multiplier_override")


def listing(raw: object, event: Fields | None = None, series: Fields | None = None) -> Listing:
    """A market object, with what is known of its event and its series.

    Raises ``Malformed``, which names the field.
    """
    fields, around = Fields(raw), Fields({}) if event is None else event
    ticker, word = fields.name("ticker"), fields.text("status")
    status, bands = _STATUS.get(word, "unknown"), _bands(fields)
    texts = (fields.text("rules_primary"), fields.text("rules_secondary"))
    rules = "\n\n".join(text for text in texts if text)
    source = _sources(around) or ("" if series is None else _sources(series))
    payout = fields.decimal("settlement_value_dollars") if status == "settled" else None
    return Listing(
        venue=NAME,
        market=ticker,
        slug=ticker,
        title=fields.text("title"),
        subtitle=fields.text("yes_sub_title"),
        label=_label(fields, around),
        event=fields.text("event_ticker") or around.text("event_ticker"),
        series=around.text("series_ticker"),
        outcomes=(ListedOutcome("Yes", ticker, payout),),
        status=status,
        status_word=word,
        result=fields.text("result") or None,
        decided_by=_decided_by(fields),
        listed_ts=fields.time("created_time"),
        open_ts=fields.time("open_time"),
        start_ts=None,
        close_ts=fields.time("close_time"),
        closes_firmly=True,
        closed_ts=fields.time("settlement_ts"),
        updated_ts=fields.time("updated_time"),
        tick_size=min((band.step for band in bands), default=None),
        price_bands=bands,
        qty_step=_QTY_STEP,
        fee=_fee(event, series),
        rules=rules,
        resolution_source=source,
        strike=_strike(fields),
        regime=Regime.of(source, in_rules(rules)),
        bid=_touch(fields, "yes_bid_dollars", "0"),
        ask=_touch(fields, "yes_ask_dollars", "1"),
        last=_touch(fields, "last_price_dollars", "0"),
        volume=fields.decimal("volume_fp"),
        volume_24h=fields.decimal("volume_24h_fp"),
        open_interest=fields.decimal("open_interest_fp"),
        more=fields.unread(keep=_KEPT),
    )


def event(raw: object, series: Fields | None = None) -> ListedEvent:
    """An event as ``GET /events/…`` gives it: the object, its markets in it or beside it.

    Raises ``Malformed``, which names the field.
    """
    outer = Fields(raw)
    fields = outer.child("event") or outer
    nested = fields.items("markets") or outer.items("markets")
    markets, skipped = readable(nested, lambda one: listing(one, fields, series), "ticker")
    return ListedEvent(
        venue=NAME,
        event=fields.name("event_ticker"),
        title=fields.text("title"),
        subtitle=fields.text("sub_title"),
        series=fields.text("series_ticker"),
        category=fields.text("category"),
        exclusive=fields.flag("mutually_exclusive"),
        # Markets are added to an event as long as it lasts; nothing says that none will be.
        augmented=None,
        close_ts=fields.time("strike_date"),
        resolution_source=_sources(fields),
        markets=markets,
        skipped=skipped,
        more=fields.unread(keep=("settlement_sources", *_OVERRIDES)),
    )


def page(raw: object, series: Fields | None = None) -> Page:
    """An answer with events or markets; raises ``Malformed`` for one that holds neither."""
    fields = Fields(raw, "the answer")
    if not (fields.has("events") or fields.has("markets")):
        raise Malformed("the answer", "should hold events or markets")
    events, odd_events = readable(
        fields.items("events"), lambda one: event(one, series), "event_ticker"
    )
    markets, odd_markets = readable(
        fields.items("markets"), lambda one: listing(one, None, series), "ticker"
    )
    return Page(events, markets, odd_events + odd_markets, fields.text("cursor"))


def table(one: Listing) -> dict[str, object]:
    """The ``[[market]]`` of a configuration that follows a listed market."""
    market = one.to_market()
    found: dict[str, object] = {
        "venue": NAME,
        "ticker": market.market,
        "event": market.event,
        "name": market.name[:NAME_MAX],
        "open_time": None if market.open_ts is None else time_text(market.open_ts),
        "close_time": None if market.close_ts is None else time_text(market.close_ts),
    }
    if isinstance(fee := market.fee, KalshiFee):
        found |= {
            "fee_type": fee.fee_type,
            "fee_multiplier": fee.multiplier,
            "fee_type_override": fee.override_type,
            # A configuration has no empty number: no override of the multiplier is none at all.
            "fee_multiplier_override": fee.override_multiplier or None,
        }
    return {key: value for key, value in found.items() if value is not None}


def _label(fields: Fields, event: Fields) -> str:
    """The strike of one of a ladder, the end of a quarter of an hour: their titles are all one."""
    title, told = fields.text("title"), fields.text("yes_sub_title")
    if fields.text("strike_type") in _LADDERS:
        return "" if told in title else told
    found, close_ts = grammar(event.text("series_ticker")), fields.time("close_time")
    if found is None or found.cadence != "15m" or close_ts is None:
        return ""
    close = eastern_time(close_ts // NS_PER_S)
    return f"to {close.hour % 12 or 12}:{close:%M%p} ET"


def _decided_by(fields: Fields) -> Decimal | None:
    """The value that decided it: text that need not be a number, and is kept then."""
    try:
        return fields.decimal("expiration_value")
    except Malformed:
        fields.keep("expiration_value")
        return None


def _bands(fields: Fields) -> tuple[PriceBand, ...]:
    bands = []
    for band in fields.children("price_ranges"):
        start, end, step = (band.decimal(key) for key in ("start", "end", "step"))
        if start is None or end is None or step is None or step <= 0:
            raise Malformed("price_ranges", "should hold start, end and step of each range")
        bands.append(PriceBand(start, end, step))
    return tuple(bands)


def _strike(fields: Fields) -> Strike | None:
    floor, cap = fields.decimal("floor_strike"), fields.decimal("cap_strike")
    if floor is None and cap is None:
        fields.keep("strike_type")
        return None
    return Strike(fields.text("strike_type"), floor, cap)


def _touch(fields: Fields, key: str, none: str) -> Decimal | None:
    """A price; ``None`` where there is none, which is spelled 0 or 1."""
    price = fields.decimal(key)
    return None if price == Decimal(none) else price


def _sources(event: Fields) -> str:
    sources = event.children("settlement_sources")
    return ", ".join(text for one in sources if (text := one.text("url") or one.text("name")))


def _fee(event: Fields | None, series: Fields | None) -> KalshiFee | None:
    """The fee of a series, with what its event has in its place; unknown without the series."""
    if series is None:
        return None
    kind, multiplier = series.text("fee_type"), _multiplier(series, "fee_multiplier")
    if not kind or not multiplier:
        return None
    if event is None or not any(event.has(key) for key in _OVERRIDES):
        return KalshiFee(kind, multiplier)
    over = event.text(_OVERRIDES[0]), _multiplier(event, _OVERRIDES[1])
    return KalshiFee(kind, multiplier, override_type=over[0], override_multiplier=over[1])


def _multiplier(fields: Fields, key: str) -> str:
    number = fields.decimal(key)
    if number is None:
        return ""
    if not 0 <= number <= _MULTIPLIER_MAX:
        raise Malformed(key, f"should be from 0 to {_MULTIPLIER_MAX}, not {number}")
    return plain(number)
