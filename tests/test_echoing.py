"""What plays the Autobahn suite, against a server of our own: the suite's is seldom there."""

import json

import pytest
from echoing import ask, converse, echo_by
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,
)

SAID = [1, "two"]


class Suite(WSListener):
    """Answers a question, or says something and keeps what it is told."""

    echoed: list[bytes]

    def __init__(self, path: str, echoed: list[bytes]) -> None:
        super().__init__()
        self._asked, self.echoed = "/get" in path, echoed

    def on_ws_connected(self, transport: WSTransport) -> None:
        kind = WSMsgType.TEXT if self._asked else WSMsgType.BINARY
        transport.send(kind, json.dumps(SAID).encode())
        if self._asked:
            transport.send_close(WSCloseCode.OK)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            self.echoed.append(frame.get_payload_as_bytes())
            transport.send_close(WSCloseCode.OK)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


async def test_questions_are_answered_and_messages_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    echo_by(monkeypatch)
    echoed: list[bytes] = []

    def accept(request: WSUpgradeRequest) -> WSListener:
        return Suite(request.path.decode(), echoed)

    listening = await ws_create_server(accept, "127.0.0.1", 0)
    async with listening:
        url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        assert await ask(url, "getCaseCount") == SAID
        assert await converse(f"{url}/runCase?case=1") == json.dumps(SAID).encode()
    assert echoed == [json.dumps(SAID).encode()]
