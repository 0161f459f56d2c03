"""Metrics pushed by OTLP, to a collector of the test's own that reads what came."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import accumulate
from pathlib import Path

import pytest
from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from session_server import Server
from waiting import until
from web_server import served_feed

from bookfeed.cli import main, serve
from bookfeed.web.otlp import Pushing

Points = dict[str, dict[tuple[tuple[str, str], ...], float]]


class Collector:
    """Takes what is pushed, or answers ``status``."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[ExportMetricsServiceRequest] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        self.requests.append(ExportMetricsServiceRequest.FromString(body))
        return web.Response(status=self.status)

    def points(self) -> Points:
        """Values of the newest request by name and attributes."""
        found: Points = {}
        (resource,) = self.requests[-1].resource_metrics
        (scope,) = resource.scope_metrics
        for metric in scope.metrics:
            points = (metric.sum if metric.HasField("sum") else metric.gauge).data_points
            of = found.setdefault(metric.name, {})
            for point in points:
                labels = tuple(
                    sorted((one.key, one.value.string_value) for one in point.attributes)
                )
                whole = point.HasField("as_int")
                of[labels] = float(point.as_int if whole else point.as_double)
        return found


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/metrics", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None  # noqa: SLF001 - nothing else knows the port
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # noqa: SLF001
    collector.url = f"http://127.0.0.1:{port}/v1/metrics"
    try:
        yield collector
    finally:
        await runner.cleanup()


async def test_a_collector_gets_what_prometheus_gets(server: Server, tmp_path: Path) -> None:
    async with collecting() as collector, served_feed(server, tmp_path / "feed") as (_, there):
        pushing = Pushing(there.server.world, there.server.counts, collector.url)
        await until(lambda: there.server.world.pieces.get("feed"))
        await pushing.push()
        assert (pushing.pushed, pushing.failed) == (1, 0)
        points = collector.points()
        book = (("cause", "snapshot"), ("state", "live"), ("venue", "polymarket"))
        assert points["bookfeed_books"] == {book: 2.0}
        assert points["bookfeed_feed_heard"] == {(): 1.0}
        # Under the names that the page has, and no others.
        _, page = await there.ask("/metrics")
        named = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
        assert set(points) == named
        (resource,) = collector.requests[-1].resource_metrics
        attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
        assert attributes["service.name"] == "bookfeed"
        kinds = {m.name: m.WhichOneof("data") for m in resource.scope_metrics[0].metrics}
        assert kinds["bookfeed_frames_total"] == "sum" and kinds["bookfeed_books"] == "gauge"
        (latency,) = (m for m in resource.scope_metrics[0].metrics if "latency" in m.name)
        assert latency.unit == "s"
        assert {m.unit for m in resource.scope_metrics[0].metrics if "_seconds" not in m.name} == {
            "1"
        }
        told = {one.attributes[0].value.string_value: one for one in latency.histogram.data_points}
        stage = told["recv_to_emit"]
        assert len(stage.bucket_counts) == len(stage.explicit_bounds) + 1
        assert sum(stage.bucket_counts) == stage.count > 0
        assert sorted(stage.explicit_bounds) == list(stage.explicit_bounds)
        # One by one, not added up as Prometheus has them.
        page_counts = [
            int(line.rsplit(" ", 1)[1])
            for line in page.splitlines()
            if line.startswith('bookfeed_latency_seconds_bucket{stage="recv_to_emit"')
        ]
        assert list(accumulate(stage.bucket_counts)) == page_counts


async def test_a_collector_that_fails_or_is_gone_ends_nothing(
    server: Server, tmp_path: Path
) -> None:
    async with served_feed(server, tmp_path / "feed") as (_, there):
        async with collecting() as collector:
            collector.status = 400
            pushing = Pushing(there.server.world, there.server.counts, collector.url, every_s=0.01)
            running = asyncio.create_task(pushing.run())
            await until(lambda: pushing.failed)
            collector.status = 200
            await until(lambda: pushing.pushed)
        failed = pushing.failed
        await until(lambda: pushing.failed > failed)
        assert not running.done()
        running.cancel()


def test_without_the_sdk_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "_can_push", lambda: False)
    assert main(["serve", "--port", "0", "--otlp"]) == 1
    assert "pip install 'bookfeed[otel]'" in capsys.readouterr().err
