"""What recordings of any age say of markets and engines, in today's words.

Fees were once stated in the words of each venue, each word a key of its own; now they are one text
(``"<venue>:<terms>"``), and so is what a book's proof has to know. Durations of engines were
nanoseconds; now they are seconds.
"""

from collections.abc import Mapping
from typing import Any, Final

# Keys of older recordings, and what stood for a key that was left out.
_RATE: Final = ("fee_rate", "fee_exponent", "neg_risk")
_NANOSECONDS: Final = "_ns"
_NEVER_NS: Final = 2**62
_TYPE: Final = ("fee_type", "fee_multiplier", "fee_rounding")


def listing(venue: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of ``Engine.subscribe`` that ``options`` come to.

    What older recordings said in other words is said in today's; unknown keys stay and are the
    engine's to refuse.
    """
    old = {key: options[key] for key in (*_RATE, *_TYPE) if options.get(key) is not None}
    today = {key: value for key, value in options.items() if key not in (*_RATE, *_TYPE)}
    if "fee_rate" in old:
        today["fee"] = f"{venue}:{old['fee_rate']};{old.get('fee_exponent', 1)}"
    elif "fee_type" in old:
        terms = old["fee_type"], old.get("fee_multiplier", "1")
        today["fee"] = f"{venue}:{terms[0]};{terms[1]};{old.get('fee_rounding', 'non_direct')}"
    if "neg_risk" in old:
        today["hints"] = f"neg_risk={'true' if old['neg_risk'] else 'false'}"
    return today


def recorded_engine(options: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of ``Engine`` that the ``options`` of a recording come to.

    A silence too long to be one meant that it is not looked for.
    """
    today = dict(options)
    for old, value in options.items():
        if not old.endswith(_NANOSECONDS) or not isinstance(value, int):
            continue
        del today[old]
        never = old == "silence_ns" and value >= _NEVER_NS
        # However long it was meant to be: beyond this the engine refuses it all the same.
        seconds = max(-_NEVER_NS, min(value, _NEVER_NS)) / 1e9
        today[f"{old.removesuffix(_NANOSECONDS)}_s"] = 0.0 if never else seconds
    return today
