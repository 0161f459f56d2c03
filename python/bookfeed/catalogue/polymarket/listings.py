"""What Gamma says of Polymarket's markets and events, as typed results.

Outcomes are in the order of Gamma's arrays, which is the one that counts; nothing else in an object
says which token is which. ``makerBaseFee`` and ``takerBaseFee`` are no rates: the fee is
``feeSchedule``, or nothing where fees are not enabled.
"""

from decimal import Decimal
from typing import Final

from bookfeed.catalogue.fields import Fields, Malformed, exact, plain
from bookfeed.catalogue.listing import (
    NAME_MAX,
    ListedEvent,
    ListedOutcome,
    Listing,
    Page,
    Reference,
    RewardPool,
    Rewards,
    Status,
    Strike,
    readable,
)
from bookfeed.catalogue.polymarket.regime import in_source
from bookfeed.catalogue.regime import Regime, Stated, in_rules
from bookfeed.venues.polymarket import NAME, FeeSchedule

# Sizes of orders have two decimals.
_QTY_STEP: Final = Decimal("0.01")
_EXPONENT_MAX: Final = 4
# More is in these than is taken from them.
_KEPT: Final = (
    "events", "closed", "acceptingOrders", "outcomePrices", "version", "feesEnabled",
    "feeSchedule", "cryptoMarketConfig", "clobRewards", "umaResolutionStatus", "gameStartTime",
)  # fmt: skip


def listing(raw: object, event: Fields | None = None) -> Listing:
    """A market object, with the event that it stands in or that stands in it.

    Raises ``Malformed``, which names the field.
    """
    fields = Fields(raw)
    if event is None:
        event = next(iter(fields.children("events")), Fields({}))
    outcomes = _outcomes(fields)
    game_ts, window_ts = fields.time("gameStartTime"), fields.time("eventStartTime")
    fee, reference, rewards = _fee(fields), _reference(fields), _rewards(fields)
    status, word = _status(fields, outcomes), fields.text("umaResolutionStatus")
    touch = _touch(fields, "bestBid", "0"), _touch(fields, "bestAsk", "1")
    rules = fields.text("description")
    source = fields.text("resolutionSource") or event.text("resolutionSource")
    volume, liquidity = (_number(fields, name) for name in ("volume", "liquidity"))
    return Listing(
        venue=NAME,
        market=fields.text("conditionId"),
        slug=fields.name("slug"),
        title=fields.text("question"),
        subtitle=fields.text("groupItemTitle"),
        event=event.text("slug"),
        series=event.text("seriesSlug"),
        outcomes=outcomes,
        status=status,
        status_word=word,
        result=next((one.name for one in outcomes if one.payout == 1), None),
        decided_by=_metadata(event, "finalPrice"),
        listed_ts=fields.time("createdAt"),
        open_ts=fields.time("acceptingOrdersTimestamp"),
        start_ts=window_ts or game_ts,
        close_ts=fields.time("endDate"),
        # The end of a window is one; that of a game, an election is a guess.
        closes_firmly=window_ts is not None and game_ts is None,
        closed_ts=fields.time("closedTime"),
        updated_ts=fields.time("updatedAt"),
        tick_size=fields.decimal("orderPriceMinTickSize"),
        min_order_size=fields.decimal("orderMinSize"),
        qty_step=_QTY_STEP,
        fee=fee,
        neg_risk=fields.flag("negRisk"),
        augmented=event.flag("negRiskAugmented"),
        rules=rules,
        resolution_source=source,
        strike=_strike(event),
        reference=reference,
        regime=Regime.of(source, _stated(reference), in_source(source), in_rules(rules)),
        bid=touch[0],
        ask=touch[1],
        last=fields.decimal("lastTradePrice"),
        volume=volume,
        volume_24h=fields.decimal("volume24hr"),
        liquidity=liquidity,
        rewards=rewards,
        more=fields.unread(keep=_KEPT),
    )


def event(raw: object) -> ListedEvent:
    """An event object with its markets; raises ``Malformed``, which names the field."""
    fields = Fields(raw)
    markets, skipped = readable(fields.items("markets"), lambda one: listing(one, fields), "slug")
    negative, added = fields.flag("negRisk"), fields.flag("negRiskAugmented")
    return ListedEvent(
        venue=NAME,
        event=fields.name("slug"),
        title=fields.text("title"),
        series=fields.text("seriesSlug"),
        category=fields.text("category"),
        tags=tuple(tag.name("slug") for tag in fields.children("tags")),
        exclusive=negative,
        augmented=added,
        start_ts=fields.time("startTime"),
        close_ts=fields.time("endDate"),
        rules=fields.text("description"),
        resolution_source=fields.text("resolutionSource"),
        volume=fields.decimal("volume"),
        volume_24h=fields.decimal("volume24hr"),
        liquidity=fields.decimal("liquidity"),
        open_interest=fields.decimal("openInterest"),
        markets=markets,
        skipped=skipped,
        more=fields.unread(keep=("tags", "eventMetadata", "negRisk")),
    )


def page(raw: object) -> Page:
    """An answer with events or markets: a list of them, or an object that holds one.

    Raises ``Malformed`` for what is neither. There is a cursor only where more follows.
    """
    if isinstance(raw, list):
        holds_events = any(isinstance(one, dict) and "markets" in one for one in raw)
        raw = {"events" if holds_events else "markets": raw}
    fields = Fields(raw, "the answer")
    if not (fields.has("events") or fields.has("markets")):
        raise Malformed("the answer", "should hold events or markets")
    events, odd_events = readable(fields.items("events"), event, "slug")
    markets, odd_markets = readable(fields.items("markets"), listing, "slug")
    return Page(events, markets, odd_events + odd_markets, fields.text("next_cursor"))


def table(one: Listing) -> dict[str, object]:
    """The ``[[market]]`` of a configuration that follows a listed market."""
    market = one.to_market()
    found: dict[str, object] = {
        "venue": NAME,
        "market": market.market,
        "name": market.name[:NAME_MAX],
        "outcomes": [{"name": o.name, "asset": o.symbol} for o in market.outcomes],
        "tick_size": market.tick_size,
        "min_order_size": market.min_order_size,
        "neg_risk": market.neg_risk,
    }
    if isinstance(market.fee, FeeSchedule):
        found["fee"] = {"rate": market.fee.rate, "exponent": market.fee.exponent}
    return {key: value for key, value in found.items() if value is not None}


def _outcomes(fields: Fields) -> tuple[ListedOutcome, ...]:
    """Names and tokens, index by index; tokens are empty where they are not told."""
    names = fields.texts("outcomes")
    v1, v2 = fields.texts("clobTokenIds"), fields.texts("positionIds")
    key, tokens = ("positionIds", v2) if fields.text("version") == "v2" else ("clobTokenIds", v1)
    if fields.text("version") == "v2":
        fields.keep("clobTokenIds")
    else:
        fields.keep("positionIds")
    if tokens and len(tokens) != len(names):
        raise Malformed(key, f"holds {len(tokens)} tokens for {len(names)} outcomes")
    if not all(token.isascii() and token.isdigit() for token in tokens):
        raise Malformed(key, f"should hold numbers in quotes, not {tokens}")
    payouts = _payouts(fields, len(names))
    symbols = tokens or ("",) * len(names)
    return tuple(map(ListedOutcome, names, symbols, payouts))


def _payouts(fields: Fields, count: int) -> tuple[Decimal | None, ...]:
    """What shares paid: the prices of a market that is closed, where they are no mere prices."""
    prices = tuple(exact(one) for one in fields.items("outcomePrices"))
    paid = [price for price in prices if price is not None]
    if not fields.flag("closed") or len(paid) != count or sum(paid) != 1:
        return (None,) * count
    certain = sorted(paid)[-1] == 1 or fields.text("umaResolutionStatus") == "resolved"
    return tuple(paid) if certain else (None,) * count


def _status(fields: Fields, outcomes: tuple[ListedOutcome, ...]) -> Status:
    closed, accepts = fields.flag("closed"), fields.flag("acceptingOrders")
    if closed:
        return "settled" if any(one.payout is not None for one in outcomes) else "closed"
    if closed is None or accepts is None:
        return "unknown"
    if accepts:
        return "open"
    return "paused" if fields.time("acceptingOrdersTimestamp") is not None else "unopened"


def _fee(fields: Fields) -> FeeSchedule | None:
    """The market's schedule; ``None`` if it is not told, or none that can be computed."""
    schedule = fields.child("feeSchedule")
    if schedule is None:
        return FeeSchedule("0") if fields.flag("feesEnabled") is False else None
    rate, exponent = schedule.decimal("rate"), schedule.decimal("exponent")
    if rate is None or exponent is None or exponent != int(exponent):
        return None
    if not (0 <= rate <= 1 and 0 <= exponent <= _EXPONENT_MAX):
        return None
    return FeeSchedule(plain(rate), int(exponent))


def _metadata(event: Fields, key: str) -> Decimal | None:
    found = event.child("eventMetadata")
    return None if found is None else found.decimal(key)


def _strike(event: Fields) -> Strike | None:
    """The price to beat, where there is one: it is not beaten by what is below it."""
    floor = _metadata(event, "priceToBeat")
    return None if floor is None else Strike("greater_or_equal", floor, None)


def _reference(fields: Fields) -> Reference | None:
    config = fields.child("cryptoMarketConfig")
    if config is None:
        return None
    twap_s = config.whole("twapLookbackSeconds") if config.flag("twapEnabled") else None
    return Reference(config.text("id"), config.text("asset"), twap_s)


def _stated(reference: Reference | None) -> Stated | None:
    """What the venue's own configuration says; of other regimes than means it says little."""
    if reference is None or reference.twap_s is None:
        return None
    return "mean", reference.twap_s


def _touch(fields: Fields, key: str, none: str) -> Decimal | None:
    """A best price; ``None`` where the side is empty, which may be spelled 0 or 1."""
    price = fields.decimal(key)
    return None if price == Decimal(none) else price


def _number(fields: Fields, name: str) -> Decimal | None:
    """A number that is there as text as well, which is left to tell more digits."""
    key = f"{name}Num"
    return fields.decimal(key if fields.has(key) else name)


def _rewards(fields: Fields) -> Rewards | None:
    if not fields.has("rewardsMinSize") and not fields.has("rewardsMaxSpread"):
        return None
    pools = tuple(
        RewardPool(
            amount_per_day=pool.decimal("rewardsDailyRate"),
            asset=pool.text("assetAddress"),
            start_ts=pool.time("startDate"),
            end_ts=pool.time("endDate"),
        )
        for pool in fields.children("clobRewards")
    )
    return Rewards(fields.decimal("rewardsMinSize"), fields.decimal("rewardsMaxSpread"), pools)
