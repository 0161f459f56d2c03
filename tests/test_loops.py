"""Event loops: which one runs, and that a busy-polling one never sleeps and still works."""

import asyncio
import importlib.util
import time

import pytest
from waiting import PATIENCE_S

from bookfeed import loops


async def loop_name() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_uvloop_where_it_is_installed() -> None:
    expected = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"
    assert loops.run(loop_name()).startswith(expected)


def test_plain_asyncio_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "uvloop_available", lambda: False)
    assert loops.run(loop_name()).startswith("asyncio")
    assert loops.run(loop_name(), busy_poll=True).startswith("asyncio")


@pytest.mark.usefixtures("either_loop")
def test_busy_polling_uses_the_processor_while_it_waits() -> None:
    async def wait(used_s: float) -> float:
        """Sleeps until the thread has used so much of the processor, but three times at least."""
        begin_s, sleeps = time.thread_time(), 0
        async with asyncio.timeout(PATIENCE_S):
            while sleeps < 3 or time.thread_time() - begin_s < used_s:
                await asyncio.sleep(0.1)
                sleeps += 1
        return time.thread_time() - begin_s

    assert loops.run(wait(0.0)) < 0.03
    assert loops.run(wait(0.05), busy_poll=True) > 0.03


def test_what_nobody_handles_is_one_line_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("nobody")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for error in (ConnectionResetError("gone"), ConnectionResetError):
            loop.call_exception_handler({"message": f"TLS failed {error!r}", "exception": error})
        loop.call_soon(fail)
        await asyncio.sleep(0)

    loops.run(main())
    assert {record.name for record in caplog.records} == {"bookfeed.loops"}
    reset, unmade, failed = [record.getMessage() for record in caplog.records]
    assert reset.endswith(": ConnectionResetError('gone')")
    assert unmade.endswith(": <class 'ConnectionResetError'>")
    assert "Traceback" in failed and failed.endswith("ValueError: nobody\n")


def test_results_and_errors_come_through() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    for busy_poll in (False, True):
        with pytest.raises(KeyError):
            loops.run(fail(), busy_poll=busy_poll)


async def test_a_spinner_stops_when_left() -> None:
    with loops.Spinner():
        await asyncio.sleep(0.01)
    begin = time.thread_time()
    await asyncio.sleep(0.2)
    assert time.thread_time() - begin < 0.05
