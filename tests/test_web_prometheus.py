"""What is shipped for Prometheus and Grafana, in a Prometheus that asks a server of ours."""

import re
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from services import Service
from session_server import Server
from waiting import until
from web_server import Served, served_feed

import bookfeed.web

SHIPPED: Final = Path(bookfeed.web.__file__).parent / "prometheus"
NAME: Final = re.compile(r"\bbookfeed_\w+")


def expressions() -> list[str]:
    """Everything that panels and alerts ask for."""
    panels = orjson.loads((SHIPPED / "grafana.json").read_bytes())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = (SHIPPED / "alerts.yml").read_text()
    return asked + re.findall(r"^ +expr: (?!>)(.+)$", rules, re.MULTILINE)


async def ask(there: Served, prometheus: Service, path: str, **query: str) -> Any:
    """What Prometheus answers."""
    while True:
        async with there.http.get(prometheus.url + path, params=query) as response:
            # It says so itself while it is not ready yet.
            if response.status == 503:
                continue
            told = orjson.loads(await response.read())
            assert told["status"] == "success", (query, told)
            return told["data"]


async def test_what_is_asked_for_is_told(server: Server, tmp_path: Path) -> None:
    async with served_feed(server, tmp_path / "feed.sock") as (_, there):
        await until(lambda: "feed" in there.server.world.pieces)
        await until(lambda: there.server.world.connections)
        await until(there.server.world.open_signals)
        _, page = await there.ask("/metrics")
        told = set(re.findall(r"^(bookfeed_\w+)", page, re.MULTILINE))
        asked = {name for text in expressions() for name in NAME.findall(text)}
        # Nothing was refused yet; what comes of rules has a name only then.
        assert len(asked) > 12 and asked - told == {"bookfeed_refusals_total"}


@pytest.mark.slow
async def test_prometheus_takes_the_page_the_rules_and_every_panel(
    server: Server, tmp_path: Path, prometheus_server: Service
) -> None:
    async with served_feed(server, tmp_path / "feed.sock") as (_, there):
        prometheus_server.stop()
        config = f"""
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: ["{SHIPPED / "alerts.yml"}"]
scrape_configs:
  - job_name: bookfeed
    static_configs: [{{ targets: ["127.0.0.1:{there.port}"] }}]
"""
        (prometheus_server.home / "prometheus.yml").write_text(config)
        prometheus_server.start()
        while True:
            targets = await ask(there, prometheus_server, "/api/v1/targets")
            active = targets["activeTargets"]
            if active and active[0]["health"] == "up":
                break
            assert not active or not active[0]["lastError"], active[0]["lastError"]
        heard: list[Any] = []
        while not heard:
            found = await ask(
                there, prometheus_server, "/api/v1/query", query="bookfeed_feed_heard"
            )
            heard = found["result"]
        assert heard[0]["value"][1] == "1"
        # What Prometheus makes of the buckets is what the feed has measured, to a bucket.
        made = await ask(
            there, prometheus_server, "/api/v1/query",
            query='histogram_quantile(0.5, bookfeed_latency_seconds_bucket{stage="recv_to_emit"})',
        )  # fmt: skip
        median_s = there.server.world.pieces["feed"]["latency_ns"]["recv_to_emit"]["p50"] / 1e9
        assert median_s / 4 < float(made["result"][0]["value"][1]) < median_s * 4
        groups = await ask(there, prometheus_server, "/api/v1/rules")
        (group,) = groups["groups"]
        assert len(group["rules"]) == 9
        for text in expressions():
            await ask(there, prometheus_server, "/api/v1/query", query=text)
