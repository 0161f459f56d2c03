"""Fixtures: logs as they were before, and what connections are tested on and against. And how tests
are collected.
"""

import gc
import logging
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import services
from services import Service
from session_server import Server, serving
from tls import PLAIN, Tls, tls_at

from bookfeed import loops
from bookfeed.live import session, supervisor
from bookfeed.log import RateLimitedLog

if TYPE_CHECKING:
    from diagnoses import Diagnose


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collects without looking for garbage: nearly all that is made stays, in each worker."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()  # nor is it looked through again with what the tests make
        gc.enable()


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command's handler would write to a closed stream, and hide logs from ``caplog``."""
    logger = logging.getLogger("bookfeed")
    kept = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = kept[0], kept[2]
    logger.setLevel(kept[1])


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def either_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """``loops.run`` runs on uvloop, and a second time on plain asyncio."""
    if request.param and not loops.uvloop_available():
        pytest.skip("uvloop is not installed")
    monkeypatch.setattr(loops, "uvloop_available", lambda: request.param)


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> Tls:
    """What a connection to ``localhost`` is encrypted with: nothing, and a second time TLS."""
    return Tls(*tls_at("localhost")) if request.param else PLAIN


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server that speaks as Polymarket does and says what it is told to."""
    async with serving() as running:
        yield running


@pytest.fixture
def logs_held_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What connections log is not held back because a test before has logged the same."""
    for module in (session, supervisor):
        limited = RateLimitedLog(logging.getLogger(module.__name__))
        monkeypatch.setattr(module, "_log", limited)


@pytest.fixture
def diagnose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> "Diagnose":
    """Runs ``bookfeed doctor`` on a configuration, without anybody's key."""
    from diagnoses import diagnosing  # not before: few tests need what it needs

    for name in ("KALSHI_API_KEY_ID", "KALSHI_PRIVATE_KEY_PATH", "KALSHI_PRIVATE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return diagnosing(tmp_path, capsys)


def _service(name: str) -> Iterator[Service]:
    if services.program_of(name) is None:
        pytest.skip(f"{services.KINDS[name].program} is not here: make services")
    with services.running(name) as service:
        yield service


@pytest.fixture
def redis_server() -> Iterator[Service]:
    """A Redis of the test's own."""
    yield from _service("redis")


@pytest.fixture
def nats_server() -> Iterator[Service]:
    """A NATS server of the test's own, with JetStream."""
    yield from _service("nats")


@pytest.fixture
def postgres_server() -> Iterator[Service]:
    """A PostgreSQL of the test's own."""
    yield from _service("postgres")


@pytest.fixture
def prometheus_server() -> Iterator[Service]:
    """A Prometheus of the test's own."""
    yield from _service("prometheus")
