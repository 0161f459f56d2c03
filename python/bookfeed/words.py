"""The words of records and books as types: what a state, a cause, a rule or a phase may be.

Type checkers and editors know them from here. At run time they are plain strings, and the core's
tuples (``STATES``, ``CAUSES``, …) list the same words in the order of their codes; a test holds
each alias equal to its tuple. ``docs/states.md`` and ``docs/signals.md`` say what each word means.
"""

from typing import Literal, TypeAlias

State: TypeAlias = Literal["idle", "syncing", "live", "suspect", "stale", "live_poll"]
"""Whether a book may be believed; ``"live"`` alone says yes."""

Cause: TypeAlias = Literal[
    "none",
    "subscribed",
    "snapshot",
    "evidence",
    "resync",
    "disconnected",
    "bbo_mismatch",
    "hash_mismatch",
    "mirror_mismatch",
    "crossed",
    "malformed",
    "tick_change",
    "out_of_order",
    "silence",
    "resolved",
    "unsubscribed",
    "poisoned",
    "transport",
    "untrusted_hash",
    "gap",
    "underflow",
    "channel",
    "checksum_mismatch",
    "window",
    "expired",
    "late",
    "absent",
    "withheld",
    "polled",
    "unsound",
    "line",
]
"""Why a book is in its state."""

Freshness: TypeAlias = Literal["none", "fresh", "quiet", "suspect", "frozen"]
"""What is thought of how long a book or a connection has said nothing of its markets."""

IndexStanding: TypeAlias = Literal["included", "delayed", "erroneous", "potentially_erroneous"]
"""How a constituent of an index stands."""

UpdateKind: TypeAlias = Literal[
    "book", "trade", "state", "tick_size", "resolved", "trading", "fees"
]
"""What an update tells."""

RuleKind: TypeAlias = Literal[
    "spread", "complement", "box", "basket", "ladder", "strike_gap", "fair_value", "delay"
]
"""What a rule looks for."""

SignalPhase: TypeAlias = Literal["open", "update", "close"]
"""Where in its life a signal is."""

CloseReason: TypeAlias = Literal[
    "none",
    "edge",
    "not_live",
    "age",
    "skew",
    "min_qty",
    "refused",
    "lag",
    "status",
    "closing",
    "polarity",
    "removed",
]
"""Why a signal closed; ``"none"`` while it is open."""

RefusalReason: TypeAlias = Literal[
    "not_live",
    "age",
    "skew",
    "min_qty",
    "fee_unknown",
    "fees",
    "torn",
    "hash",
    "crossed",
    "hold",
    "cooldown",
    "overflow",
    "status",
    "closing",
    "lag",
    "augmented",
    "polarity",
    "fee_type",
    "unconfirmed",
    "unproven",
    "own",
    "reference",
]
"""Why an opportunity that was there at the touch was not signalled."""
