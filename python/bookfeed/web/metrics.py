"""What is measured of the feed and its server; ``/metrics`` has it in Prometheus' text format.

Names begin with ``bookfeed_`` and end in their unit. Counters of the feed are handed on under their
own names; latencies are histograms, in buckets that double.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from bookfeed.status import UP
from bookfeed.web.world import World

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_NS_PER_S: Final = 1e9
# What a feed counts that goes up and down.
_GAUGES: Final = ("loop_stall_ns_max", "wall_step_ns")
_SINK_COUNTS: Final = ("received", "written", "dropped", "conflated", "spilled", "errors")


Sample = tuple[str, Mapping[str, object], Any]
"""A suffix of the family's name, labels, and a value."""


class Family(NamedTuple):
    """What is told under one name."""

    name: str
    kind: str
    """``gauge``, ``counter`` or ``histogram``."""
    about: str
    samples: Sequence[Sample]


class Families:
    """Those that have a sample, one after the other."""

    def __init__(self) -> None:
        self.found: Final[list[Family]] = []

    def family(self, name: str, kind: str, about: str, samples: Iterable[Sample]) -> None:
        """One family; samples without a value are left out."""
        known = [sample for sample in samples if sample[2] is not None]
        if known:
            self.found.append(Family(name, kind, about, known))


def page(world: World, server: Mapping[str, float]) -> str:
    """Everything that is counted and measured, as Prometheus reads it."""
    lines = []
    for name, kind, about, samples in families(world, server):
        lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
        lines += [
            f"{name}{end}{_labels(labels)} {_number(value)}" for end, labels, value in samples
        ]
    return "\n".join(lines) + "\n"


def families(world: World, server: Mapping[str, float]) -> list[Family]:
    """Everything that is counted and measured; ``server`` is what is counted beside the feed."""
    feed = world.pieces.get("feed", {})
    made = Families()
    heard = world.feed == "heard"
    made.family(
        "bookfeed_feed_heard", "gauge", "Whether the feed is attached and speaks.",
        [("", {}, int(heard))],
    )  # fmt: skip
    _books(made, world)
    _connections(made, world)
    _latency(made, feed.get("latency_ns", {}))
    _sinks(made, feed.get("sinks", ()))
    made.family(
        "bookfeed_refusals_total", "counter", "Opportunities that rules refused, by reason.",
        [
            ("", {"rule": why["rule"], "name": why["name"], "rule_id": why["rule_id"],
                  "reason": why["reason"]}, why["count"])
            for why in world.pieces.get("why", {}).get("why", ())
        ],
    )  # fmt: skip
    _counters(made, feed.get("counters", {}))
    for name, value in server.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        made.family(f"bookfeed_server_{name}", kind, "Of the server itself.", [("", {}, value)])
    return made.found


def _books(made: Families, world: World) -> None:
    made.family(
        "bookfeed_books", "gauge", "Books by venue, state and cause.",
        [
            ("", {"venue": venue, "state": state, "cause": cause}, count)
            for (venue, state, cause), count in sorted(world.states().items())
        ],
    )  # fmt: skip
    open_by_rule: dict[str, int] = {}
    for signal in world.open_signals():
        open_by_rule[signal.rule] = open_by_rule.get(signal.rule, 0) + 1
    made.family(
        "bookfeed_signals_open", "gauge", "Signals that are open, by rule.",
        [("", {"rule": rule}, count) for rule, count in open_by_rule.items()],
    )  # fmt: skip


def _connections(made: Families, world: World) -> None:
    found = world.connections.values()
    labels = [{"venue": one["venue"], "conn": one["conn"]} for one in found]
    made.family(
        "bookfeed_connection_up", "gauge", "Whether a connection, or what is polled, is up.",
        [("", label, None if one["state"] == "idle" else int(one["state"] in UP))
         for label, one in zip(labels, found, strict=True)],
    )  # fmt: skip
    made.family(
        "bookfeed_connection_reconnects_total", "counter", "Connections made after the first.",
        [("", label, one["reconnects"]) for label, one in zip(labels, found, strict=True)],
    )  # fmt: skip
    made.family(
        "bookfeed_connection_delay_seconds", "gauge", "Receive time less venue time.",
        [("", label, one["delay_s"]) for label, one in zip(labels, found, strict=True)],
    )  # fmt: skip


def _latency(made: Families, latencies: Mapping[str, Mapping[str, Any]]) -> None:
    samples: list[Sample] = []
    for stage, told in latencies.items():
        label = {"stage": stage}
        samples += [
            ("_bucket", {**label, "le": repr(bound_ns / _NS_PER_S)}, count)
            for bound_ns, count in told["below"]
        ]
        samples += [
            ("_bucket", {**label, "le": "+Inf"}, told["count"]),
            ("_sum", label, (told["mean"] or 0) * told["count"] / _NS_PER_S),
            ("_count", label, told["count"]),
        ]
    made.family("bookfeed_latency_seconds", "histogram", "Latency by stage.", samples)


def _sinks(made: Families, sinks: Iterable[Mapping[str, Any]]) -> None:
    told = list(sinks)
    for what in _SINK_COUNTS:
        made.family(
            f"bookfeed_sink_{what}_total", "counter", f"Records of a sink: {what}.",
            [("", {"sink": one["name"]}, one[what]) for one in told],
        )  # fmt: skip
    made.family(
        "bookfeed_sink_queued", "gauge", "Records that wait for a sink.",
        [("", {"sink": one["name"]}, one["queued"]) for one in told],
    )  # fmt: skip
    made.family(
        "bookfeed_sink_lag_seconds", "gauge", "For how long the oldest of these waits.",
        [("", {"sink": one["name"]}, float(one["lag_s"])) for one in told],
    )  # fmt: skip


def _counters(made: Families, counters: Mapping[str, int]) -> None:
    """All that the feed counts, but for sinks, which are told by their names already."""
    for name, value in sorted(counters.items()):
        if name.startswith("sink_"):
            continue
        if name in _GAUGES:
            unit = name.replace("_ns", "_seconds")
            made.family(f"bookfeed_{unit}", "gauge", "Of the feed.", [("", {}, value / _NS_PER_S)])
        else:
            made.family(f"bookfeed_{name}_total", "counter", "Of the feed.", [("", {}, value)])


def _labels(labels: Mapping[str, object]) -> str:
    told = ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: object) -> str:
    return repr(float(value)) if isinstance(value, float) else str(value)
