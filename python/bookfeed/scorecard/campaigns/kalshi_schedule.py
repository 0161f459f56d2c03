"""Which faults a seed of the Kalshi campaign has."""

from bookfeed.sim.kalshi.faults import UNDETECTABLE, KalshiFault
from bookfeed.sim.kalshi.faults import random_kalshi_faults as random_faults


def detectable(fault: KalshiFault) -> bool:
    """Whether the bytes, or their absence, give it away: not a plausible other number."""
    return fault.variant not in UNDETECTABLE


def news_faults(seed: int, items: int) -> tuple[KalshiFault, ...]:
    """One fault that concerns trading and no book, each seed another."""
    at_frame = items // 4
    match seed % 5:
        case 0:
            return (KalshiFault("pause", at_frame=at_frame, duration_s=2.8),)
        case 1 | 2 as which:
            variant = "lost" if which == 1 else "malformed"
            return tuple(
                KalshiFault("lifecycle", variant=variant, at_frame=at_frame * n) for n in (1, 2)
            )
        case 3:
            return (KalshiFault("lifecycle", variant="refused"),)
    return ()


def schedule_of(seed: int, *, faults: int, items: int) -> tuple[KalshiFault, ...]:
    """The faults of a seed: drawn ones, what concerns no book, and news that are lost; in some
    seeds wrong time stamps, a connection that falls behind, a reset behind unread data, or a book
    that the venue does not have, or no more when its connection opens again."""
    frames = items * 2 // 3
    drawn = random_faults(seed, count=faults, frames=frames)
    beside = random_faults(seed + 2, count=2, frames=frames, kinds=("broadcast", "pong"))
    stamp = random_faults(seed + 2, count=seed % 2, frames=frames, kinds=("stamp",))
    late = random_faults(seed + 3, count=seed % 4 == 0, frames=frames, kinds=("late",))
    behind = (KalshiFault("reset-behind-data", at_frame=items // 3),) if seed % 6 == 4 else ()
    gone = KalshiFault("absent", at_frame=seed % 2)
    absent = (gone, KalshiFault("disconnect", at_frame=items // 7)) if seed % 7 == 3 else ()
    beside = (*beside, *news_faults(seed, items), *behind, *absent)
    return (*filter(detectable, drawn), *beside, *stamp, *late)
