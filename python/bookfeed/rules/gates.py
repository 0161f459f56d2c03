"""What every signal rule asks before it opens an opportunity, as settings.

Durations are whole milliseconds, sizes decimal text. ``docs/signals.md`` says what each gate does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Annotated, Final, Literal

from bookfeed.schema import DecimalText, Range

# A size in shares, as far as the engine goes.
QTY: Final = DecimalText("0", "90000000000", places=8)
DurationMs = Annotated[int, Range(0, 3_600_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What every rule asks before it opens an opportunity."""

    enabled: bool = True
    """Whether the rule is watched at all."""
    min_qty: Annotated[str | None, QTY] = None
    """Least size that must be executable, decimal text; ``None``: any."""
    max_age_ms: DurationMs = 30_000
    """Greatest age of each leg's newest evidence."""
    max_skew_ms: DurationMs | None = None
    """How far apart in time the legs' evidence may be; ``None``: 30,000 where legs confirm each
    other, else 2,000.
    """
    max_lag_ms: DurationMs | None = None
    """How much later one leg's venue may deliver than another's; ``None``: 1,000 if the legs are
    of two venues, else any.
    """
    proof: Literal["off", "venue"] = "off"
    """``"venue"``: each leg's venue must vouch for its book exactly as it stands, as
    ``BookView.trusted(proof="venue")`` says.
    """
    min_time_to_close_ms: Annotated[int, Range(0, 86_400_000)] = 0
    """Least time left until a leg's market closes."""
    confirm: Literal["on", "off"] | None = None
    """``"on"``: each leg must be heard of again first; ``None``: as the rule has it."""
    min_hold_ms: DurationMs = 0
    """How long an edge must last before it is signalled."""
    cooldown_ms: DurationMs = 0
    """How long after one opportunity the next may not begin."""
    allow_poll: Literal["off", "on"] = "off"
    """``"on"``: a leg's book may be one that is kept by polling (``live_poll``)."""

    def parameters(self) -> dict[str, object]:
        """Parameters of ``Engine.add_rule``; what is not set is left to the rule."""
        return self.stated(f.name for f in fields(self))

    def stated(self, names: Iterable[str]) -> dict[str, object]:
        """The values of these settings as rules take them, without those that are not set."""
        values = {name: getattr(self, name) for name in names if name != "enabled"}
        return {name: str(value) for name, value in values.items() if value is not None}
