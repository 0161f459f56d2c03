"""What faults do to the text of a frame of Polymarket's."""

import re
from collections.abc import Callable
from typing import Final

from bookfeed.sim.polymarket.ladder import PRICE_TEXT, size_text
from bookfeed.sim.polymarket.wire import Asset, Change, Message, book_hash

HASH: Final = re.compile(rb'"hash":"[0-9a-f]{40}"')
SIZE: Final = re.compile(rb'"size":"([0-9.]+)"')
_ASSET_END: Final = re.compile(rb'"asset_id":"[0-9]+"')
_LEVEL: Final = re.compile(
    rb'"asset_id":"([0-9]+)", "price":"[0-9.]+", "size":"[0-9.]+", "side":"(?:BUY|SELL)"'
)


def _unchanged_bid(asset: Asset, message: Message) -> tuple[int, int] | None:
    """A bid of the asset that the message leaves as it was: price and size."""
    changed = {
        change.price
        for change in message.change
        if isinstance(change, Change) and change.asset is asset and change.is_bid
    }
    levels = zip(asset.bids.prices, asset.bids.sizes, strict=True)
    return next((level for level in levels if level[0] not in changed), None)


def could_do_nothing(message: Message) -> bool:
    """Whether the message ends a batch of changes that leave a bid of every book as it was."""
    if message.kind != "price_change" or message.torn:
        return False
    assets = [change.asset for change in message.change if isinstance(change, Change)]
    return all(_unchanged_bid(asset, message) is not None for asset in assets)


def without_effect(message: Message, data: bytes) -> bytes:
    """The frame with its hashes and touches, but with changes to what the levels are already."""
    assets = {
        change.asset.asset_id.encode(): change.asset
        for change in message.change
        if isinstance(change, Change)
    }

    def restate(found: re.Match[bytes]) -> bytes:
        asset = assets[found.group(1)]
        price, size = _unchanged_bid(asset, message) or (0, 0)
        text = f'", "price":"{PRICE_TEXT[price]}", "size":"{size_text(size)}", "side":"BUY"'
        return b'"asset_id":"' + found.group(1) + text.encode()

    return _LEVEL.sub(restate, data)


def foreign(data: bytes) -> bytes:
    """The frame with other hashes if it is one of changes; a copy of it gets the same ones."""
    if b'"price_changes"' not in data:
        return data
    return HASH.sub(lambda found: b'"hash":"%b"' % book_hash(found.group(0)).encode(), data)


def malform(data: bytes, variant: str) -> bytes:
    """The frame as it is no message any more, in this ``variant`` of ``malformed``."""
    if variant == "truncated":
        named = _ASSET_END.search(data)
        start = named.end() if named else 0
        return data[: start + (len(data) - start) * 6 // 10]
    if variant == "bad_number":
        return _replace_first(data, SIZE, lambda found: b'"size":"' + found.group(1) + b'e1"')
    if variant == "invalid_utf8":
        return _replace_first(data, HASH, lambda found: found.group(0)[:-5] + b'\xff\xc0\xaf"')
    return b'{"market":"0x'


def _replace_first(
    data: bytes, pattern: re.Pattern[bytes], change: Callable[[re.Match[bytes]], bytes]
) -> bytes:
    return pattern.sub(change, data, count=1)
