"""Kalshi's frames and headers, and where its API key comes from."""

import base64
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from test_signing import ED25519, RSA, pem

from bookfeed.audit.fees.kalshi import _MAKER_SHARE
from bookfeed.errors import ConfigError
from bookfeed.market import Market, Outcome
from bookfeed.venues import VENUES, KalshiFee
from bookfeed.venues.base import Commands, Endpoint, Fault, HandshakeRefusal, Venue
from bookfeed.venues.kalshi import FEE_TYPES, INDICES, PATH, Credentials, credentials, kalshi
from bookfeed.venues.kalshi_keys import parse_key
from bookfeed.venues.secret import Secret

KEY_ID = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c"
ED_KEY = Credentials(KEY_ID, parse_key(Secret(pem(ED25519)), "test"))
SYMBOLS = ("KXBTCD-26OCT0117-T84999.99", "KXBTC15M-26OCT011715-15")
PROD = "wss://external-api-ws.kalshi.com/trade-api/ws/v2"


def commands_of(venue: Venue) -> Commands:
    assert isinstance(venue.recovery, Commands)
    return venue.recovery


def test_headers_of_a_handshake() -> None:
    headers = ED_KEY.headers(1_790_000_000_123)
    assert set(headers) == {
        "KALSHI-ACCESS-KEY",
        "KALSHI-ACCESS-TIMESTAMP",
        "KALSHI-ACCESS-SIGNATURE",
    }
    assert headers["KALSHI-ACCESS-KEY"] == KEY_ID
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == "1790000000123"
    signature = headers["KALSHI-ACCESS-SIGNATURE"]
    assert len(signature) == 88
    ED25519.public_key().verify(
        base64.b64decode(signature, validate=True), b"1790000000123GET/trade-api/ws/v2"
    )


def test_headers_with_an_rsa_key() -> None:
    key = Credentials(KEY_ID, parse_key(Secret(pem(RSA)), "test"))
    signature = base64.b64decode(key.headers(7)["KALSHI-ACCESS-SIGNATURE"], validate=True)
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    RSA.public_key().verify(signature, b"7GET" + PATH.encode(), pss, hashes.SHA256())


@pytest.mark.parametrize("yes_price", [True, False])
@pytest.mark.parametrize("tickers", [True, False])
def test_what_is_sent_when_a_connection_opens(yes_price: bool, tickers: bool) -> None:
    venue = kalshi(use_yes_price=yes_price, tickers=tickers)
    books, rest, lifecycle = (orjson.loads(frame) for frame in venue.subscription(SYMBOLS))
    assert books == {
        "id": 1,
        "cmd": "subscribe",
        "params": {
            "channels": ["orderbook_delta"],
            "market_tickers": list(SYMBOLS),
            "skip_ticker_ack": True,
            "use_yes_price": yes_price,
        },
    }
    assert rest["params"] == {
        "channels": ["trade", "ticker"] if tickers else ["trade"],
        "market_tickers": list(SYMBOLS),
        "skip_ticker_ack": True,
    }
    assert lifecycle == {
        "id": 3,
        "cmd": "subscribe",
        "params": {"channels": ["market_lifecycle_v2"]},
    }
    assert venue.mode == ("use_yes_price" if yes_price else "")


def test_indices_are_asked_for_beside_books() -> None:
    venue = kalshi(indices=("BRTI", "ETHUSD_RTI"))
    *others, slow, fast = map(orjson.loads, venue.subscription(SYMBOLS))
    assert len(others) == 3
    for frame, channel in ((slow, "cfbenchmarks_value"), (fast, "cfbenchmarks_value_5hz")):
        assert frame["cmd"] == "subscribe"
        assert frame["params"] == {"channels": [channel], "index_ids": ["BRTI", "ETHUSD_RTI"]}
    assert len({frame["id"] for frame in (*others, slow, fast)}) == 5
    commands = commands_of(venue)
    assert commands.beside(SYMBOLS)[-2:] == INDICES
    again = orjson.loads(commands.subscribe(9, INDICES[1], SYMBOLS))
    assert again["params"] == fast["params"]
    plain = " ".join(kalshi().subscription(SYMBOLS))
    assert "cfbenchmarks" not in plain


def test_combos_have_a_channel_of_news_of_their_own() -> None:
    venue = kalshi()
    *_, fees, combos = (orjson.loads(frame) for frame in venue.subscription(["A", "KXMVE-1"]))
    assert [each["params"]["channels"] for each in (fees, combos)] == [
        ["market_lifecycle_v2"],  # what events cost is told there alone
        ["multivariate_market_lifecycle"],
    ]
    assert len({orjson.loads(frame)["id"] for frame in venue.subscription(["KXMVE-1"])}) == 4
    again = orjson.loads(commands_of(venue).subscribe(11, "multivariate_market_lifecycle", ["A"]))
    assert again["params"] == {"channels": ["multivariate_market_lifecycle"]}


def test_commands() -> None:
    commands = commands_of(kalshi(use_yes_price=False))

    def told(frame: str) -> tuple[object, object, object]:
        table = orjson.loads(frame)
        return table["id"], table["cmd"], table.get("params")

    update = {"sid": 7, "market_tickers": ["A"]}
    name = "update_subscription"
    assert told(commands.add(4, 7, ["A"])) == (4, name, update | {"action": "add_markets"})
    assert told(commands.delete(5, 7, ["A"])) == (5, name, update | {"action": "delete_markets"})
    assert told(commands.snapshot(6, 7, ["A"])) == (6, name, update | {"action": "get_snapshot"})
    assert told(commands.unsubscribe(8, 7)) == (8, "unsubscribe", {"sids": [7]})
    assert told(commands.hello(9)) == (9, "list_subscriptions", None)
    again = {"channels": ["orderbook_delta"], "market_tickers": ["A"], "skip_ticker_ack": True}
    assert told(commands.subscribe(10, "orderbook_delta", ["A"])) == (
        10,
        "subscribe",
        again | {"use_yes_price": False},
    )
    assert told(commands.subscribe(11, "market_lifecycle_v2", ["A"])) == (
        11,
        "subscribe",
        {"channels": ["market_lifecycle_v2"]},
    )
    assert commands.faults == {10: Fault.DEAD, 25: Fault.OVERFLOW, 26: Fault.FULL, 27: Fault.BUSY}
    used = [orjson.loads(frame)["id"] for frame in kalshi().subscription(SYMBOLS)]
    assert max(used) < commands.first_id


def test_environments() -> None:
    assert kalshi().ws_url == PROD
    assert ".demo.kalshi.co/" in kalshi(environment="demo").ws_url
    assert ".demo.kalshi.co/" in str(kalshi(environment="demo").rest_url)


# Where the key comes from.


def test_the_environment_s_names(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(pem(ED25519))
    path.chmod(0o600)
    (tmp_path / "id").write_text(f"{KEY_ID}\n")
    for environ in (
        {"KALSHI_API_KEY_ID": KEY_ID, "KALSHI_PRIVATE_KEY_PATH": str(path)},
        {"KALSHI_API_KEY_ID": f" {KEY_ID}\n", "KALSHI_PRIVATE_KEY_FILE": str(path)},
        {"KALSHI_API_KEY_ID_FILE": str(tmp_path / "id"), "KALSHI_PRIVATE_KEY": pem(ED25519)},
    ):
        found = credentials(environ=environ)
        assert found is not None
        assert found.key_id == KEY_ID
        ED25519.public_key().verify(found.key.sign(b"x"), b"x")
    assert credentials(environ={}) is None


def test_the_file_goes_before_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(pem(ED25519))
    path.chmod(0o600)
    environ = {"KALSHI_API_KEY_ID": "other", "KALSHI_PRIVATE_KEY": pem(RSA)}
    found = credentials(api_key_id=KEY_ID, private_key_file=path, environ=environ)
    assert found is not None
    assert found.key_id == KEY_ID
    assert len(found.key.sign(b"x")) == 64


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"KALSHI_API_KEY_ID": KEY_ID}, "no private key: set KALSHI_PRIVATE_KEY_PATH"),
        ({"KALSHI_PRIVATE_KEY": pem(ED25519)}, "no key id: set KALSHI_API_KEY_ID"),
        (
            {"KALSHI_PRIVATE_KEY": pem(ED25519), "KALSHI_PRIVATE_KEY_PATH": "/x"},
            "KALSHI_PRIVATE_KEY is set as well",
        ),
        ({"KALSHI_API_KEY_ID": "CANARY\r\nX: y", "KALSHI_PRIVATE_KEY": pem(ED25519)}, "shows it"),
        ({"KALSHI_API_KEY_ID_FILE": "/CANARY/absent"}, "cannot read"),
        ({"KALSHI_API_KEY_ID": KEY_ID, "KALSHI_PRIVATE_KEY_PATH": "/absent"}, "No such file"),
    ],
)
def test_half_a_key_or_two_are_refused(environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        credentials(environ=environ)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [KEY_ID, f'"{KEY_ID}"', f"'{KEY_ID}'", f"\ufeff{KEY_ID}", f" {KEY_ID}\r\n", f"{KEY_ID}\\r\\n"],
)
def test_what_shells_and_editors_make_of_a_key_id_is_taken(text: str, tmp_path: Path) -> None:
    environ = {"KALSHI_API_KEY_ID": text, "KALSHI_PRIVATE_KEY": pem(ED25519)}
    found = credentials(environ=environ)
    assert found is not None and found.key_id == KEY_ID
    path = tmp_path / "id"
    path.write_text(text, encoding="utf-8")
    by_file = {"KALSHI_API_KEY_ID_FILE": str(path), "KALSHI_PRIVATE_KEY": pem(ED25519)}
    found = credentials(environ=by_file)
    assert found is not None and found.key_id == KEY_ID


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/run/secrets/CANARY", "not a path; KALSHI_API_KEY_ID_FILE may name a file"),
        ("CANARY.txt", "not a path"),
        pytest.param(pem(ED25519), "as Kalshi shows it, not the private key", id="private key"),
        ("CANARY two", "must be the id as Kalshi shows it"),
        ("CANARÄY", "must be the id as Kalshi shows it"),
    ],
)
def test_what_is_no_key_id_says_where_it_came_from(text: str, words: str) -> None:
    environ = {"KALSHI_API_KEY_ID": text, "KALSHI_PRIVATE_KEY": pem(ED25519)}
    with pytest.raises(ConfigError, match=words) as caught:
        credentials(environ=environ, source="bookfeed.toml")
    assert caught.value.source == "KALSHI_API_KEY_ID"
    assert "CANAR" not in str(caught.value) and "BEGIN" not in str(caught.value)


# Fees.


def test_a_fee_type_that_is_not_known_is_worth_a_warning() -> None:
    doubt = VENUES["kalshi"].doubt

    def market(kind: str, override: str | None = None) -> Market:
        fee = KalshiFee(kind, override_type=override)
        return Market("KXA", (Outcome("Yes", "KXA"),), venue="kalshi", fee=fee)

    told = doubt(market("quadratc"))
    assert 'fee type "quadratc" is not known, so no signal can be net of its fees' in told
    assert 'did you mean "quadratic"?' in told
    assert "flat" in doubt(market("quadratic", "flat"))
    assert set(FEE_TYPES) == set(_MAKER_SHARE)  # the auditor's own list
    assert {doubt(market(kind)) for kind in FEE_TYPES} == {""}
    assert doubt(Market("KXA", (Outcome("Yes", "KXA"),), venue="kalshi")) == ""


async def test_a_feed_warns_of_it_before_anything_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from bookfeed.feed.feed import Feed

    market = Market("KXA", (Outcome("Yes", "KXA"),), venue="kalshi", fee=KalshiFee("quadratc"))
    async with Feed([market], url="ws://127.0.0.1:1"):
        pass
    told = [record.getMessage() for record in caplog.records if record.name == "bookfeed.feed"]
    assert any(line.startswith('market KXA: fee type "quadratc" is not known') for line in told)


def test_a_key_is_sent_only_over_tls_or_on_this_machine() -> None:
    for loopback in ("ws://127.0.0.1:1/x", "ws://localhost/x", "ws://[::1]:2/x"):
        check(kalshi(), loopback)
        assert Endpoint(kalshi(), loopback).unstreamed == ""
    check(kalshi(), PROD)
    check(kalshi(credentials=ED_KEY), PROD)
    told = Endpoint(kalshi(), PROD).unstreamed
    assert "KALSHI_API_KEY_ID and KALSHI_PRIVATE_KEY_PATH" in told
    assert Endpoint(kalshi(credentials=ED_KEY), PROD).unstreamed == ""
    with pytest.raises(ConfigError, match="wss:// only"):
        check(kalshi(credentials=ED_KEY), PROD.replace("wss", "ws"))


def check(venue: Venue, url: str) -> None:
    assert venue.check_url is not None
    venue.check_url(url)


def test_a_feed_without_a_key_says_so_before_it_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    from bookfeed.feed.feed import Feed

    for name in ("KALSHI_API_KEY_ID", "KALSHI_PRIVATE_KEY_PATH", "KALSHI_PRIVATE_KEY"):
        monkeypatch.delenv(name, raising=False)
    market = Market(SYMBOLS[0], (Outcome("Yes", SYMBOLS[0]),), venue="kalshi")
    # Books are public: they are polled, if there is REST.
    assert Feed([market]).markets == (market,)
    bare = Endpoint(kalshi(), PROD)
    with pytest.raises(ConfigError, match="or REST to have them polled"):
        Feed([market], endpoints={"kalshi": bare})
    section = VENUES["kalshi"].section
    assert section is not None
    assert section().endpoint("environment").venue.handshake_headers is None


# What is said when it is refused.


@pytest.mark.parametrize(
    ("refusal", "words", "not_words"),
    [
        (HandshakeRefusal(401), ["a952…", "HTTP 401", "demo and prod"], ["clock"]),
        (HandshakeRefusal(401, "token_x", 1), ["(token_x)", "demo and prod"], ["clock"]),
        (HandshakeRefusal(403, None, 75), ["HTTP 403", "clock is 75 s ahead of"], []),
        (HandshakeRefusal(401, None, -3), ["clock is 3 s behind"], []),
    ],
)
def test_a_refusal_says_what_to_do(
    refusal: HandshakeRefusal, words: list[str], not_words: list[str]
) -> None:
    told = kalshi(credentials=ED_KEY).explain_refusal(refusal)
    assert all(word in told for word in words)
    assert KEY_ID not in told
    assert not any(word in told for word in not_words)


def test_without_a_key_a_refusal_says_that() -> None:
    assert "no API key" in kalshi().explain_refusal(HandshakeRefusal(401))


def test_the_key_is_not_in_any_repr() -> None:
    shown = f"{ED_KEY!r} {kalshi(credentials=ED_KEY)!r}"
    assert KEY_ID not in shown
    assert "PRIVATE" not in shown
    assert Credentials("short", ED_KEY.key).key_id_shown == "…"
