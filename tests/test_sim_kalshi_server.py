"""The simulated Kalshi over real sockets: signing in, commands, errors, heartbeats, faults."""

import asyncio
import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from kalshi_reader import KalshiReader
from waiting import PATIENCE_S, until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bookfeed.sim.kalshi import KalshiSimConfig, KalshiSimServer, serve
from bookfeed.sim.kalshi.auth import KeyPair, generate_key
from bookfeed.sim.kalshi.faults import KalshiFault
from bookfeed.sim.kalshi.wire import ERRORS

WAIT_S = PATIENCE_S
PATH = "/trade-api/ws/v2"


def signed(pair: KeyPair, *, shift_ms: int = 0, scheme: str = "pss") -> dict[str, str]:
    """The three headers, signed for now or for another time."""
    timestamp = str(time.time_ns() // 1_000_000 + shift_ms)
    message = f"{timestamp}GET{PATH}".encode()
    key = load_pem_private_key(pair.private_pem.encode(), None)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        signature = key.sign(message)
    else:
        assert isinstance(key, rsa.RSAPrivateKey)
        paddings: dict[str, padding.AsymmetricPadding] = {
            "pss": padding.PSS(padding.MGF1(hashes.SHA256()), 32),
            "pss20": padding.PSS(padding.MGF1(hashes.SHA256()), 20),
            "pkcs1": padding.PKCS1v15(),
        }
        signature = key.sign(message, paddings[scheme], hashes.SHA256())
    return {
        "KALSHI-ACCESS-KEY": pair.key_id,
        "KALSHI-ACCESS-TIMESTAMP": timestamp,
        "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
    }


@asynccontextmanager
async def simulator(**settings: Any) -> AsyncIterator[KalshiSimServer]:
    settings.setdefault("rest", False)
    settings.setdefault("indices", ())
    server = await serve(KalshiSimConfig(**settings))
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def client(server: KalshiSimServer) -> AsyncIterator[ClientConnection]:
    assert server.key
    async with connect(
        server.url,
        additional_headers=signed(server.key),
        max_size=1 << 24,
        close_timeout=0.2,
        ping_interval=None,
    ) as ws:
        yield ws


async def receive(ws: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(await asyncio.wait_for(ws.recv(), WAIT_S))
    return frame


async def receive_until(ws: ClientConnection, kind: str, **members: Any) -> list[dict[str, Any]]:
    """Everything up to the first frame of this type with these members."""
    frames = []
    while True:
        frames.append(await receive(ws))
        last = frames[-1]
        if last["type"] == kind and all(last.get(k) == v for k, v in members.items()):
            return frames


async def ask(ws: ClientConnection, id: int, cmd: str, **params: Any) -> None:
    await ws.send(json.dumps({"id": id, "cmd": cmd, "params": params}))


async def subscribe(ws: ClientConnection, tickers: list[str], **params: Any) -> int:
    """Subscribes to books; returns the subscription's number."""
    await ask(ws, 900, "subscribe", channels=["orderbook_delta"], market_tickers=tickers, **params)
    sid: int = (await receive_until(ws, "subscribed", id=900))[-1]["msg"]["sid"]
    return sid


async def refusal(server: KalshiSimServer, headers: dict[str, str]) -> dict[str, Any]:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(server.url, additional_headers=headers):
            pass
    response = caught.value.response
    assert response.status_code == 401
    assert response.headers["Content-Type"] == "application/json"
    body: dict[str, Any] = json.loads(response.body or b"")
    assert body["error"]["code"] == "token_authentication_failure"
    error: dict[str, Any] = body["error"]
    return error


class TestSigningIn:
    @pytest.mark.parametrize("kind", ["rsa", "ed25519"])
    async def test_a_signed_handshake_is_let_in(self, kind: Any) -> None:
        pair = generate_key(kind)
        async with simulator(keys={pair.key_id: pair.public_pem}) as server:
            assert server.key is None
            async with connect(server.url, additional_headers=signed(pair)):
                assert server.connections == 1

    async def test_what_is_not_signed_rightly_is_refused_and_told_why(self) -> None:
        rsa_pair, ed_pair, stranger = generate_key("rsa"), generate_key(), generate_key()
        keys = {pair.key_id: pair.public_pem for pair in (rsa_pair, ed_pair)}
        good = signed(ed_pair)
        later = str(int(good["KALSHI-ACCESS-TIMESTAMP"]) + 1)
        async with simulator(keys=keys) as server:
            messages = [
                (await refusal(server, headers))["message"]
                for headers in (
                    {},
                    {k: v for k, v in good.items() if "TIMESTAMP" not in k},
                    signed(stranger),
                    signed(stranger) | {"KALSHI-ACCESS-KEY": ed_pair.key_id},
                    signed(rsa_pair, scheme="pkcs1"),
                    signed(rsa_pair, scheme="pss20"),
                    good | {"KALSHI-ACCESS-TIMESTAMP": later},
                    good | {"KALSHI-ACCESS-SIGNATURE": "not base64"},
                    good | {"KALSHI-ACCESS-TIMESTAMP": "soon"},
                )
            ]
            assert messages == [
                "authentication headers missing",
                "authentication headers missing",
                "unknown key",
                "signature does not verify",
                "signature does not verify",
                "signature does not verify",
                "signature does not verify",
                "signature is not base64",
                "timestamp must be milliseconds",
            ]
            assert server.refused == len(messages) and server.connections_seen == 0

    @pytest.mark.parametrize("shift_ms", [-3_000, 3_000])
    async def test_an_old_or_future_timestamp_has_a_message_of_its_own(self, shift_ms: int) -> None:
        async with simulator(timestamp_tolerance_s=2) as server:
            assert server.key
            error = await refusal(server, signed(server.key, shift_ms=shift_ms))
            assert error["message"] == "timestamp expired"
        async with simulator(timestamp_tolerance_s=4) as server:
            assert server.key
            async with connect(
                server.url, additional_headers=signed(server.key, shift_ms=shift_ms)
            ):
                pass

    async def test_other_paths_are_not_there(self) -> None:
        async with simulator() as server:
            with pytest.raises(InvalidStatus) as caught:
                async with connect(server.url.removesuffix("v2") + "v3"):
                    pass
            assert caught.value.response.status_code == 404


class TestSubscribing:
    async def test_books_over_a_socket_come_to_the_truth(self) -> None:
        async with simulator(rate=2_000) as server, client(server) as ws:
            tickers = [market.spec.ticker for market in server.venue.markets]
            reader = KalshiReader(use_yes_price=True)
            await ask(
                ws, 1, "subscribe", channels=["orderbook_delta", "trade"],
                market_tickers=tickers, use_yes_price=True,
            )  # fmt: skip
            for _ in range(1_500):
                reader.take(json.dumps(await receive(ws)).encode())
            assert reader.gaps == [] and reader.kinds["subscribed"] == 2
            await ask(ws, 2, "update_subscription", sid=1, action="delete_markets",
                      market_tickers=tickers)  # fmt: skip
            for frame in await receive_until(ws, "ok", id=2):
                reader.take(json.dumps(frame).encode())
            # What the venue did since is not ours to know: compare with a version it had.
            for ticker in tickers:
                bids, asks = (
                    [(int(p * 10**9), int(s * 10**8)) for p, s in side]
                    for side in reader.sides(ticker)
                )
                assert server.truth.version_of(ticker, bids, asks) is not None

    async def test_one_subscription_a_channel_and_merges_are_answered_ok(self) -> None:
        async with simulator(rate=1) as server, client(server) as ws:
            first, second, third = (m.spec.ticker for m in server.venue.markets[4:7])
            sid = await subscribe(ws, [first])
            await ask(ws, 2, "subscribe", channels=["orderbook_delta"], market_ticker=second)
            (ok,) = [f for f in await receive_until(ws, "ok", id=2) if f["type"] == "ok"]
            assert ok["sid"] == sid and ok["msg"] == {"market_tickers": [first, second]}
            await ask(ws, 3, "subscribe", channels=["orderbook_delta"], market_tickers=[second])
            ok = (await receive_until(ws, "ok", id=3))[-1]
            assert ok["msg"]["market_tickers"] == [first, second]
            await ask(ws, 4, "update_subscription", sids=[sid], action="add_markets",
                      market_tickers=[third], skip_ticker_ack=True)  # fmt: skip
            ok = (await receive_until(ws, "ok", id=4))[-1]
            assert "msg" not in ok and ok["sid"] == sid
            await ask(ws, 5, "list_subscriptions")
            ok = (await receive_until(ws, "ok", id=5))[-1]
            assert ok["msg"] == [{"channel": "orderbook_delta", "sid": sid}]
            assert "sid" not in ok and "seq" not in ok

    async def test_replies_take_numbers_of_the_same_count(self) -> None:
        async with simulator(rate=500) as server, client(server) as ws:
            tickers = [market.spec.ticker for market in server.venue.markets[4:]]
            sid = await subscribe(ws, tickers[:2])
            await ask(ws, 2, "update_subscription", sid=sid, action="add_markets",
                      market_tickers=tickers[2:4])  # fmt: skip
            await ask(ws, 3, "update_subscription", sid=sid, action="get_snapshot",
                      market_tickers=tickers[:1])  # fmt: skip
            await ask(ws, 4, "update_subscription", sid=sid, action="jump")
            await ask(ws, 5, "unsubscribe", sids=[sid])
            frames = await receive_until(ws, "unsubscribed", id=5)
            numbers = [frame["seq"] for frame in frames if frame.get("sid") == sid]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            kinds = {frame["type"] for frame in frames}
            assert {"ok", "error", "orderbook_snapshot", "unsubscribed"} <= kinds
            assert "msg" not in frames[-1]

    async def test_a_snapshot_of_a_market_that_is_not_subscribed_to(self) -> None:
        async with simulator(rate=1) as server, client(server) as ws:
            first, second = (m.spec.ticker for m in server.venue.markets[4:6])
            sid = await subscribe(ws, [first])
            await ask(ws, 2, "update_subscription", sid=sid, action="get_snapshot",
                      market_tickers=[second])  # fmt: skip
            frame = (await receive_until(ws, "orderbook_snapshot", id=2))[-1]
            assert frame["msg"]["market_ticker"] == second
            await ask(ws, 3, "update_subscription", sid=sid, action="delete_markets",
                      market_tickers=["NONE"])  # fmt: skip
            ok = (await receive_until(ws, "ok", id=3))[-1]
            assert ok["msg"]["market_tickers"] == [first]

    async def test_a_new_subscription_gets_a_new_number(self) -> None:
        async with simulator(rate=1) as server, client(server) as ws:
            ticker = server.venue.markets[4].spec.ticker
            sid = await subscribe(ws, [ticker])
            await ask(ws, 2, "unsubscribe", sids=[sid])
            await receive_until(ws, "unsubscribed", sid=sid)
            assert await subscribe(ws, [ticker]) == sid + 1

    @pytest.mark.parametrize("default", [False, True])
    async def test_no_prices_follow_the_flag_and_else_the_servers_default(
        self, default: bool
    ) -> None:
        async with simulator(rate=1, use_yes_price_default=default) as server:
            market = server.venue.markets[4]
            for params in ({}, {"use_yes_price": False}, {"use_yes_price": True}):
                async with client(server) as ws:
                    await subscribe(ws, [market.spec.ticker], **params)
                    frame = (await receive_until(ws, "orderbook_snapshot"))[-1]
                    prices = [price for price, _ in frame["msg"]["no_dollars_fp"]]
                    mode = params.get("use_yes_price", default)
                    best = max(market.levels().no)
                    shown = f"0.{10_000 - best if mode else best:04d}"
                    assert shown == (min(prices) if mode else max(prices))

    async def test_tickers_are_not_numbered_and_come_at_once_on_request(self) -> None:
        async with simulator(rate=300) as server, client(server) as ws:
            market = server.venue.markets[4]
            await ask(ws, 1, "subscribe", channels=["ticker"], market_ids=[market.spec.market_id],
                      send_initial_snapshot=True)  # fmt: skip
            frame = (await receive_until(ws, "ticker"))[-1]
            assert frame["msg"]["market_ticker"] == market.spec.ticker and "seq" not in frame
            await ask(ws, 2, "update_subscription", sid=1, action="delete_markets",
                      market_ids=[market.spec.market_id])  # fmt: skip
            ok = (await receive_until(ws, "ok", id=2))[-1]
            assert ok["msg"] == {"market_tickers": [], "market_ids": []}

    async def test_index_values_lists_and_actions(self) -> None:
        async with simulator(indices=("BRTI", "ETHUSD_RTI")) as server, client(server) as ws:
            channel = "cfbenchmarks_value_5hz"
            await ask(ws, 1, "subscribe", channels=[channel], index_ids=["BRTI"])
            frames = await receive_until(ws, channel)
            assert json.loads(frames[-1]["msg"]["data"])["id"] == "BRTI"
            await ask(ws, 2, "update_subscription", sid=1, action="indexlist")
            reply = (await receive_until(ws, f"{channel}_indexlist", id=2))[-1]
            assert reply["msg"] == {"index_ids": ["BRTI", "ETHUSD_RTI"]}
            await ask(ws, 3, "update_subscription", sid=1, action="subscribe_indices",
                      index_ids=["all"])  # fmt: skip
            ok = (await receive_until(ws, "ok", id=3))[-1]
            assert ok["msg"] == {"index_ids": ["all"]}
            await ask(ws, 4, "update_subscription", sid=1, action="unsubscribe_indices",
                      index_ids=["all"])  # fmt: skip
            ok = (await receive_until(ws, "ok", id=4))[-1]
            assert ok["msg"] == {"index_ids": []}

    async def test_the_owner_is_told_of_his_fill_order_and_position(self) -> None:
        async with simulator(rate=1) as server, client(server) as ws:
            ticker = server.venue.markets[4].spec.ticker
            channels = ["orderbook_delta", "fill", "user_orders", "market_positions"]
            await ask(ws, 1, "subscribe", channels=channels, market_tickers=[ticker])
            for channel in channels:
                await receive_until(ws, "subscribed", id=1)
                assert channel
            server.own_fill(ticker, 1)
            frames = await receive_until(ws, "market_position")
            by_kind = {frame["type"]: frame for frame in frames}
            client_id = by_kind["fill"]["msg"]["client_order_id"]
            assert by_kind["user_order"]["msg"]["ticker"] == ticker
            deltas = [f for f in frames if f["msg"].get("client_order_id") == client_id]
            assert "orderbook_delta" in {frame["type"] for frame in deltas}
            assert by_kind["market_position"]["msg"]["position_fp"] == "0.01"
            assert all("seq" not in by_kind[kind] for kind in ("fill", "user_order"))


# What a command must look like to be refused with each code; "$" stands for a live subscription
# to a book, "#" for one to the lifecycle channel, "T" for a ticker.
BAD: list[tuple[int, Any]] = [
    (1, "hello"),
    (1, "[]"),
    (1, '{"id":"x","cmd":"subscribe"}'),
    (2, {"cmd": "subscribe"}),
    (3, {"cmd": "subscribe", "params": {"market_ticker": "T"}}),
    (4, {"cmd": "unsubscribe", "params": {"sids": []}}),
    (5, {"cmd": "dance", "params": {"a": 1}}),
    (7, {"cmd": "unsubscribe", "params": {"sids": [99]}}),
    (7, {"cmd": "update_subscription", "params": {"sid": 99, "action": "add_markets"}}),
    (8, {"cmd": "subscribe", "params": {"channels": ["multivariate"]}}),
    (8, {"cmd": "subscribe", "params": {"channels": ["event_fee_update"]}}),
    (9, {"cmd": "subscribe", "params": {"channels": ["fill"]}}),
    (11, {"cmd": "subscribe", "params": {"channels": ["trade"], "market_tickers": ["T", 1]}}),
    (11, {"cmd": "subscribe", "params": {"channels": ["trade"], "market_ticker": "T",
                                         "market_tickers": ["T"]}}),
    (11, {"cmd": "subscribe", "params": {"channels": ["orderbook_delta"], "market_ticker": "T",
                                         "use_yes_price": "yes"}}),
    (11, {"cmd": "update_subscription", "params": {"sid": "$", "sids": ["$"],
                                                   "action": "add_markets"}}),
    (11, {"cmd": "update_subscription", "params": {"sid": "$", "action": "get_snapshot",
                                                   "market_ticker": "T"}}),
    (12, {"cmd": "update_subscription", "params": {"sids": ["$", "#"], "action": "add_markets"}}),
    (12, {"cmd": "update_subscription", "params": {"action": "add_markets"}}),
    (13, {"cmd": "update_subscription", "params": {"sid": "$", "action": "indexlist"}}),
    (13, {"cmd": "update_subscription", "params": {"sid": "#", "action": "add_markets",
                                                   "market_ticker": "T"}}),
    (14, {"cmd": "subscribe", "params": {"channels": ["orderbook_delta"]}}),
    (14, {"cmd": "update_subscription", "params": {"sid": "$", "action": "add_markets"}}),
    (15, {"cmd": "update_subscription", "params": {"sid": "$"}}),
    (24, {"cmd": "subscribe", "params": {"channels": ["cfbenchmarks_value"]}}),
    (26, {"cmd": "update_subscription", "params": {"sid": "$", "action": "add_markets",
                                                   "market_tickers": ["A", "B", "C", "D"]}}),
]  # fmt: skip
SCOPED = {13, 14, 15, 26}


class TestErrors:
    async def test_every_refusal_has_its_code_text_and_scope(self) -> None:
        settings = {"private_channels": False, "markets_per_subscription_max": 3, "rate": 1}
        async with simulator(**settings) as server, client(server) as ws:
            ticker = server.venue.markets[4].spec.ticker
            sid = await subscribe(ws, [ticker])
            await ask(ws, 901, "subscribe", channels=["market_lifecycle_v2"])
            other = (await receive_until(ws, "subscribed", id=901))[-1]["msg"]["sid"]
            for number, (code, command) in enumerate(BAD, 1):
                text = command if isinstance(command, str) else json.dumps({"id": number} | command)
                text = text.replace('"$"', str(sid)).replace('"#"', str(other))
                await ws.send(text.replace('"T"', f'"{ticker}"'))
                error = (await receive_until(ws, "error"))[-1]
                assert error["msg"] == {"code": code, "msg": ERRORS[code]}, command
                assert error.get("id") == (number if isinstance(command, dict) else None)
                update = isinstance(command, dict) and command["cmd"] == "update_subscription"
                assert ("sid" in error) == ("seq" in error)
                if update and code in SCOPED:
                    assert error["sid"] in (sid, other)

    async def test_too_many_commands(self) -> None:
        async with simulator(rate=1, commands_per_s_max=3) as server, client(server) as ws:
            for number in range(1, 12):
                await ask(ws, number, "unsubscribe", sids=[9])
            codes = [(await receive(ws))["msg"]["code"] for _ in range(11)]
            assert codes[:3] == [7, 7, 7] and 27 in codes

    async def test_a_forced_error_answers_the_next_command(self) -> None:
        async with simulator(rate=1) as server, client(server) as ws:
            server.force_error(18)
            ticker = server.venue.markets[4].spec.ticker
            await ask(ws, 1, "subscribe", channels=["orderbook_delta"], market_ticker=ticker)
            assert (await receive(ws))["msg"] == {"code": 18, "msg": "Command timeout"}
            assert await subscribe(ws, [ticker]) == 1

    @pytest.mark.parametrize("code", [10, 25])
    async def test_a_subscription_can_be_ended_while_the_socket_stays(self, code: int) -> None:
        async with simulator(rate=200) as server, client(server) as ws:
            ticker = server.venue.markets[4].spec.ticker
            sid = await subscribe(ws, [ticker])
            server.end_subscription("orderbook_delta", code)
            error = (await receive_until(ws, "error", sid=sid))[-1]
            assert error["msg"]["code"] == code and "id" not in error and error["seq"] > 0
            await ask(ws, 5, "list_subscriptions")
            assert (await receive(ws))["msg"] == []


class TestLife:
    async def test_heartbeats_are_pings_with_their_payload(self) -> None:
        async with simulator(heartbeat_s=0.05, rate=1) as server:
            seen: list[bytes] = []

            class Listening(ClientConnection):
                def process_event(self, event: Any) -> None:
                    if getattr(event, "opcode", None) == 9:
                        seen.append(bytes(event.data))
                    super().process_event(event)

            assert server.key
            async with connect(
                server.url, additional_headers=signed(server.key), create_connection=Listening
            ):
                begun_s = time.monotonic()
                await until(lambda: len(seen) >= 5)
            # The first may have been under way already.
            assert time.monotonic() - begun_s > 3.5 * 0.05
            assert set(seen) == {b"heartbeat"}

    async def test_markets_stand_still_while_nobody_is_subscribed(self) -> None:
        async with simulator(rate=2_000) as server, client(server):
            await asyncio.sleep(0.1)
            assert server.frames_sent == 0

    async def test_a_market_named_before_it_is_listed_trades_once_it_is(self) -> None:
        settings = {"quarters": 1, "windows": 3, "window_s": 1, "elapsed_s": 0.5, "gap_s": 0,
                    "baskets": 0, "ladders": 0, "rate": 500}  # fmt: skip
        async with simulator(**settings) as server, client(server) as ws:
            (event,) = [e for e in server.venue.events.values()
                        if e.markets[0].ticker not in server.venue.by_ticker]  # fmt: skip
            ticker = event.markets[0].ticker
            await subscribe(ws, [ticker])
            await ask(ws, 2, "subscribe", channels=["market_lifecycle_v2"])
            frames = await receive_until(ws, "orderbook_delta")
            created = [f["msg"] for f in frames if f["type"] == "market_lifecycle_v2"]
            assert ticker in {msg["market_ticker"] for msg in created}
            assert frames[-1]["msg"]["market_ticker"] == ticker

    async def test_pauses_and_fee_changes_on_request(self) -> None:
        async with simulator(rate=1) as server, client(server) as ws:
            spec = server.venue.markets[4].spec
            await ask(ws, 1, "subscribe", channels=["market_lifecycle_v2"])
            await receive_until(ws, "subscribed")
            server.change_fee(spec.event_ticker, 0.5)
            frame = (await receive_until(ws, "event_fee_update"))[-1]
            assert frame["msg"] == {"event_ticker": spec.event_ticker,
                                    "fee_type_override": "quadratic_with_maker_fees",
                                    "fee_multiplier_override": 0.5}  # fmt: skip
            server.change_fee(spec.event_ticker, None)
            frame = (await receive_until(ws, "event_fee_update"))[-1]
            assert frame["msg"]["fee_type_override"] is None
            server.pause(spec.ticker)
            frame = (await receive_until(ws, "market_lifecycle_v2"))[-1]
            assert frame["msg"]["event_type"] == "deactivated" and frame["msg"]["is_deactivated"]
            frame = (await receive_until(ws, "market_lifecycle_v2"))[-1]
            assert frame["msg"]["event_type"] == "activated"

    async def test_faults_strike_on_the_socket(self) -> None:
        faults = (KalshiFault("drop", at_frame=20), KalshiFault("disconnect", at_frame=60))
        async with simulator(rate=1_000, faults=faults) as server, client(server) as ws:
            reader = KalshiReader(use_yes_price=False)
            tickers = [market.spec.ticker for market in server.venue.markets]
            await ask(ws, 1, "subscribe", channels=["orderbook_delta"], market_tickers=tickers)
            with pytest.raises(ConnectionClosed) as caught:
                while True:
                    reader.take(json.dumps(await receive(ws)).encode())
            assert caught.value.rcvd and caught.value.rcvd.code == 1001
            assert len(reader.gaps) == 1
            assert [event.fault.kind for event in server.fault_log] == ["drop", "disconnect"]

    def test_only_loopback_is_allowed(self) -> None:
        with pytest.raises(ValueError, match="loopback"):
            KalshiSimConfig(host="192.0.2.1")
        with pytest.raises(ValueError, match="rate"):
            KalshiSimConfig(rate=-1)


def test_as_a_process_it_prints_where_it_is_and_how_to_sign_in() -> None:
    code = "from bookfeed.sim.kalshi import *; run_blocking(KalshiSimConfig())"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout
        ready = json.loads(process.stdout.readline())
        assert ready["venue"] == "kalshi" and ready["ws"].endswith(PATH)
        assert ready["rest"].endswith("/trade-api/v2")
        assert {market["event_ticker"] for market in ready["markets"]} <= {
            event["event_ticker"] for event in ready["events"]
        }
        load_pem_private_key(ready["private_key"].encode(), None)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
        assert process.stdout
        process.stdout.close()
