"""Canaries in every credential: none is shown, logged, recorded or in the list of processes.

The simulated venues do what they can to have them told: they repeat what they were sent in notices,
in errors, in fields, in close reasons and in answers by REST.
"""

import asyncio
import json
import os
import pickle
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from own_link import Line, kalshi_line
from waiting import until

from bookfeed import Journal
from bookfeed.cli import env
from bookfeed.errors import ConfigError
from bookfeed.live.connection import Send
from bookfeed.own.endpoint import own_endpoint
from bookfeed.own.polymarket import PolymarketChannel
from bookfeed.sim.kalshi.account import KalshiAccount
from bookfeed.sim.kalshi.auth import generate_key
from bookfeed.sim.kalshi.private import AccountServer
from bookfeed.sim.polymarket.account import PolymarketAccount
from bookfeed.sim.polymarket.private import UserServer
from bookfeed.sim.polymarket.server import SimConfig, SimServer, serve
from bookfeed.venues.polymarket_keys import clob_credentials

CANARIES = {
    "CLOB_API_KEY": "canary01-aaaa-4bbb-8ccc-" + secrets.token_hex(6),
    "CLOB_SECRET": "Canary02" + "A+/b" * 8 + secrets.token_hex(6),
    "CLOB_PASS_PHRASE": "canary03" + secrets.token_hex(28),
    "POLYMARKET_ADDRESS": "0xcacaca04" + secrets.token_hex(16),
    "POLYMARKET_FUNDER": "0xcacaca05" + secrets.token_hex(16),
    "KALSHI_API_KEY_ID": "canary06-aaaa-4bbb-8ccc-" + secrets.token_hex(6),
}
# A piece that long is as good as all of it.
PIECE = 12


def pieces() -> Iterator[str]:
    """What must not be found: the first characters of each, which texts that are cut off keep."""
    for canary in CANARIES.values():
        yield canary[:PIECE]


def check(text: str | bytes, where: str) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    for piece in pieces():
        assert piece.encode() not in data, f"{piece}… in {where}"


class TellingServer(UserServer):
    """Repeats to its client whatever it has heard of its secrets."""

    def __init__(self) -> None:
        account = PolymarketAccount(
            1, owner=CANARIES["CLOB_API_KEY"], wallet=CANARIES["POLYMARKET_FUNDER"]
        )
        account.now_ms = time.time_ns() // 1_000_000
        super().__init__(
            account,
            secret=CANARIES["CLOB_SECRET"],
            passphrase=CANARIES["CLOB_PASS_PHRASE"],
            address=CANARIES["POLYMARKET_ADDRESS"],
            rate=50,
        )
        self.asked = self.told = 0

    async def _received(self, socket: web.WebSocketResponse, text: str) -> None:
        await super()._received(socket, text)
        if text == "PING":
            return
        self.told += 1
        every = " ".join(CANARIES.values())
        await socket.send_str(f"bad auth {CANARIES['CLOB_SECRET']}")
        await socket.send_str(every)
        await socket.send_str(f"[{every}")
        for key in ("side", "price", "event_type", "status", "market", "original_size"):
            for value in CANARIES.values():
                order = self.account.order_object(next(iter(self.account.orders.values())))  # type: ignore[attr-defined]
                await socket.send_str(json.dumps({"event_type": "order"} | order | {key: value}))
        if self.told == 1:
            await socket.close(code=1008, message=CANARIES["CLOB_PASS_PHRASE"].encode())

    async def _asked(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.asked == 2:
            headers = json.dumps(dict(request.headers))
            return web.Response(status=500, reason=CANARIES["CLOB_API_KEY"], text=headers)
        if self.asked == 4:
            return web.Response(text=f"<html>{' '.join(CANARIES.values())}")
        return await super()._asked(request)


def configuration(public: SimServer, user: TellingServer, account: AccountServer) -> str:
    market = public.markets[0]
    outcomes = ", ".join(
        f'{{ name = "{name}", asset = "{asset}" }}'
        for name, asset in zip(market.outcomes, market.asset_ids, strict=True)
    )
    return f"""
[own]
venues = ["polymarket", "kalshi"]
ask_every_s = 5

[feed]
backoff_min_s = 0.1

[polymarket]
ws_url = "{public.url}"
user_ws_url = "{user.ws_url}"
rest_url = "{user.rest_url}"
ping_interval_s = 0.5

[kalshi]
ws_url = "{account.ws_url}"
rest_url = "{account.rest_url}"

[[market]]
market = "{market.condition_id}"
outcomes = [{outcomes}]
"""


def private(file: Path, text: str) -> Path:
    """A file that nobody else may read."""
    file.write_text(text)
    file.chmod(0o600)
    file.parent.chmod(0o700)
    return file


def processes(pid: int) -> bytes:
    """The arguments of a process, as everybody may read them."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_no_credential_is_told_by_a_command_at_vv_or_by_what_it_records(
    tmp_path: Path,
) -> None:
    pair = generate_key("rsa")
    key_file = private(tmp_path / "key.pem", pair.private_pem)
    passphrase = private(tmp_path / "passphrase", CANARIES["CLOB_PASS_PHRASE"] + "\n")
    public, user = await serve(SimConfig(markets=1, rate=50, rest=False)), TellingServer()
    keys = {CANARIES["KALSHI_API_KEY_ID"]: pair.public_pem}
    account = AccountServer(KalshiAccount(1), keys=keys, rate=50)
    account.account.now_ms = time.time_ns() // 1_000_000
    for _ in range(20):
        user.account.step()
    await user.begin()
    await account.begin()
    file = tmp_path / "bookfeed.toml"
    file.write_text(configuration(public, user, account))
    environ = {**os.environ, **CANARIES, "KALSHI_PRIVATE_KEY_PATH": str(key_file)}
    environ["CLOB_PASS_PHRASE_FILE"] = str(passphrase)
    del environ["CLOB_PASS_PHRASE"]
    command = [sys.executable, "-m", "bookfeed", "record", "-vv", "--config", str(file)]
    process = await asyncio.create_subprocess_exec(
        *command,
        "--directory",
        str(tmp_path / "journal"),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await until(
            lambda: (
                process.returncode is not None
                or (user.told >= 2 and user.asked >= 8 and account.connections)
            )
        )
        check(processes(process.pid), "the list of processes")
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        await asyncio.gather(user.end(), account.end(), public.close())
    assert process.returncode == 0, err.decode()[-2000:]
    assert b"own venue=polymarket" in err and b"own venue=kalshi" in err
    check(out, "standard output")
    check(err, "the log")
    files = [path for path in (tmp_path / "journal").rglob("*") if path.is_file()]
    assert files
    frames = 0
    for path in files:
        check(path.read_bytes(), path.name)
        for record in Journal(path):
            frames += 1
            check(repr(record), "a record")
    assert frames > 10


def test_what_holds_credentials_shows_none_of_them() -> None:
    environ = {**CANARIES}
    key = clob_credentials(environ)
    assert key is not None
    endpoint = own_endpoint("polymarket", environ=environ)
    channel = endpoint.channel
    assert isinstance(channel, PolymarketChannel)
    (frame,) = channel.subscription()
    for shown in (key, endpoint, channel, frame, Send(frame), channel.venue(), vars(channel)):
        check(repr(shown), f"repr of {type(shown).__name__}")
        check(str(shown), f"str of {type(shown).__name__}")
    for hidden in (key, frame):
        with pytest.raises(TypeError):
            pickle.dumps(hidden)
    try:
        failing(key, endpoint, channel, frame)
    except RuntimeError as error:
        found = traceback.TracebackException.from_exception(error, capture_locals=True)
        told = "".join(traceback.StackSummary.from_list(found.stack[-1:]).format())
        assert "Secret(…)" in f"{told} {found}"
        check(f"{told} {found}", "a traceback")


def failing(*held: object) -> None:
    """Fails with what holds credentials among its variables and in its words."""
    raise RuntimeError(f"{held}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"CLOB_SECRET": ""}, "POLYMARKET_API_SECRET: is missing"),
        ({"POLYMARKET_ADDRESS": "canary01 not one"}, "must be one word"),
        ({"POLYMARKET_ADDRESS": "canary01-not-one"}, "must be an address"),
        ({"POLYMARKET_SECRET": "canary02twice"}, "one of them is enough"),
        ({"CLOB_API_KEY": "", "CLOB_API_KEY_FILE": "/absent/file"}, "cannot read"),
    ],
)
def test_errors_of_credentials_name_the_variable_and_no_value(
    change: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        own_endpoint("polymarket", environ=CANARIES | change)
    check(str(caught.value), "an error")
    assert "canary0" not in str(caught.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(CANARIES["CLOB_SECRET"])
    file.chmod(0o644)
    environ = CANARIES | {"CLOB_SECRET": "", "CLOB_SECRET_FILE": str(file)}
    with pytest.raises(ConfigError, match="chmod 600"):
        own_endpoint("polymarket", environ=environ)
    file.chmod(0o600)
    tmp_path.chmod(0o700)
    assert own_endpoint("polymarket", environ=environ)


def test_no_credentials_say_what_to_export() -> None:
    for venue, variable in (("polymarket", "POLYMARKET_API_KEY"), ("kalshi", "KALSHI_API_KEY_ID")):
        with pytest.raises(ConfigError, match=variable):
            own_endpoint(venue, environ={})
    with pytest.raises(ConfigError, match="polymarket, kalshi"):
        own_endpoint("binance", environ={})


def test_errors_of_a_venue_are_told_without_what_it_repeats() -> None:
    line: Line = kalshi_line(1)
    message = {
        "type": "fill",
        "sid": 1,
        "msg": {"ticker": "T", "trade_id": CANARIES["CLOB_SECRET"], "order_id": 5},
    }
    line.channel.read(json.dumps(message).encode(), 1, line)
    assert line.doubts == ["a message could not be read: order_id"]


def test_a_file_of_variables_may_hold_the_names_that_other_clients_use(tmp_path: Path) -> None:
    lines = "".join(f"{name}='{value}'\n" for name, value in CANARIES.items())
    environ: dict[str, str] = {}
    env.read(private(tmp_path / ".env", lines), environ)
    assert environ == CANARIES
    assert own_endpoint("polymarket", environ=environ)
