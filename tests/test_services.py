"""The servers that tests of sinks run against: each starts, dies, comes back and leaves nothing."""

import socket
from pathlib import Path

import pytest
import services
from services import KINDS, Service


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_starts_dies_and_comes_back(kind: str, request: pytest.FixtureRequest) -> None:
    service: Service = request.getfixturevalue(f"{kind}_server")
    service.kill()
    with pytest.raises(OSError):
        socket.create_connection((services.LOOPBACK, service.port), 1)
    service.start()
    socket.create_connection((services.LOOPBACK, service.port), 1).close()


def test_a_server_leaves_nothing() -> None:
    if services.program_of("redis") is None:
        pytest.skip("redis-server is not here: make services")
    with services.running("redis") as service:
        assert service.home.exists()
    assert not service.home.exists()


def test_servers_are_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert services.main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(KINDS)
    assert services.main(["kafka"]) == 2
    assert "there are redis" in capsys.readouterr().err
