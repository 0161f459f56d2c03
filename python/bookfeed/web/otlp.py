"""``Pushing``: hands what ``/metrics`` has to a collector of OpenTelemetry, every few seconds.

The same families under the same names, by OTLP over HTTP. A collector that is slow or gone is
waited for on a thread, and costs nobody a tick.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from bookfeed._bookfeed import __version__
from bookfeed.log import RateLimitedLog
from bookfeed.web.metrics import Family, Sample, families
from bookfeed.web.world import World

EVERY_S: Final = 10.0
TIMEOUT_S: Final = 5.0
_SCOPE: Final = InstrumentationScope("bookfeed", __version__)
_log: Final = RateLimitedLog(logging.getLogger("bookfeed.web.otlp"))


class Pushing:
    """Pushes to ``endpoint``, or where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says, while it runs.

    ``counts`` are the server's own. The exporter reads headers and certificates from the variables
    that OpenTelemetry names.
    """

    def __init__(
        self,
        world: World,
        counts: Callable[[], Mapping[str, float]],
        endpoint: str | None = None,
        *,
        every_s: float = EVERY_S,
        exporter: MetricExporter | None = None,
    ) -> None:
        self._world: Final = world
        self._counts: Final = counts
        self._every_s: Final = every_s
        self._exporter: Final = exporter or OTLPMetricExporter(endpoint, timeout=TIMEOUT_S)
        self._resource: Final = Resource.create(
            {"service.name": "bookfeed", "service.version": __version__}
        )
        self._began_ns = time.time_ns()
        self._attaches = 0.0
        self.pushed = 0
        """How often the collector took it."""
        self.failed = 0

    async def run(self) -> None:
        """Push until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.push()

    async def push(self) -> None:
        """Push once."""
        made = self.data()
        try:
            told = await asyncio.to_thread(self._exporter.export, made, TIMEOUT_S * 1e3)
        except Exception as error:
            # Whatever a library of others raises is no reason to end a server.
            _log.warning("push", "metrics were not pushed: %s", error)
            self.failed += 1
            return
        if told is MetricExportResult.SUCCESS:
            self.pushed += 1
        else:
            self.failed += 1

    def data(self) -> MetricsData:
        """What is so now, in OpenTelemetry's terms."""
        counts = self._counts()
        now_ns = time.time_ns()
        # Another feed counts from nothing.
        if counts.get("feed_attaches_total", 0.0) != self._attaches:
            self._attaches, self._began_ns = counts["feed_attaches_total"], now_ns
        metrics = [
            _metric(family, self._began_ns, now_ns) for family in families(self._world, counts)
        ]
        scope = ScopeMetrics(_SCOPE, metrics, "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])


def _metric(family: Family, began_ns: int, now_ns: int) -> Metric:
    """A family as one metric."""
    data: Gauge | Histogram | Sum
    if family.kind == "histogram":
        found = _histograms(family.samples, began_ns, now_ns)
        data = Histogram(found, AggregationTemporality.CUMULATIVE)
    else:
        points = [
            NumberDataPoint(_attributes(labels), began_ns, now_ns, number)
            for _, labels, number in family.samples
        ]
        counted = family.kind == "counter"
        data = Sum(points, AggregationTemporality.CUMULATIVE, True) if counted else Gauge(points)
    unit = "s" if "_seconds" in family.name else "1"
    return Metric(family.name, family.about, unit, data)


def _histograms(samples: Iterable[Sample], began_ns: int, now_ns: int) -> list[HistogramDataPoint]:
    """One point for each stage: the samples of a histogram come together, ``_count`` as the last.

    Prometheus' counts add up from the shortest on, OpenTelemetry's are those of each bucket.
    """
    made = []
    bounds: list[float] = []
    counts: list[int] = []
    total = 0.0
    for suffix, labels, number in samples:
        if suffix == "_bucket":
            bounds.append(float(str(labels["le"])))
            counts.append(number)
        elif suffix == "_sum":
            total = number
        else:
            each = [count - before for count, before in zip(counts, [0, *counts], strict=False)]
            made.append(
                HistogramDataPoint(
                    _attributes(labels), began_ns, now_ns, number, total, each, bounds[:-1],
                    None, None,  # type: ignore[arg-type] # extremes, which are not told
                )
            )  # fmt: skip
            bounds, counts = [], []
    return made


def _attributes(labels: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in labels.items()}
