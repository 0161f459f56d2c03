"""``nats``: how it is let in, by servers that ask for TLS, passwords, nkeys or credentials."""

import base64
import json
import os
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from services import LOOPBACK, Service
from sink_records import TRADE, Records

from bookfeed import Names
from bookfeed.config import load
from bookfeed.errors import ConfigError
from bookfeed.sinks.nats import NatsSection, NatsSink
from bookfeed.sinks.nats_door import Identity, NatsTls

nats = pytest.importorskip("nats")
nkeys = pytest.importorskip("nkeys")
trustme = pytest.importorskip("trustme")

SECRET: Final = "secret-7391"


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD", "TOKEN", "NKEY", "CREDS"):
        for end in ("", "_FILE"):
            monkeypatch.delenv(f"NATS_{name}{end}", raising=False)


def key_pair(prefix: int) -> Any:
    """A new pair of keys: of a user, an account or an operator."""
    return nkeys.from_seed(bytearray(nkeys.encode_seed(os.urandom(32), prefix)))


def private(path: Path, text: str | bytes) -> str:
    """A file that nobody else may read."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    return str(path)


def configured(server: Service, text: str) -> None:
    """Start a server anew, with such a configuration."""
    server.stop()
    config = server.home / "server.conf"
    config.write_text(text)
    server.arguments[:] = ["-c", str(config)]
    server.start()


def told(make: Callable[[], NatsSink]) -> None:
    """Connect, write and close; raises if the server has not acknowledged it."""
    sink = make()
    sink.open(Names())
    sink.write(Records().batch([(TRADE, 1)]))
    sink.close()


def refused(make: Callable[[], NatsSink]) -> str:
    """What is said where a sink is not let in."""
    with pytest.raises((nats.errors.Error, OSError, ValueError)) as error:
        told(make)
    said = f"{error.value} {error.value.__cause__!r} {error.value.__context__!r}"
    assert SECRET not in said
    return said


# Who it is.


def test_a_user_a_token_and_an_nkey_are_let_in_and_nobody_else(
    nats_server: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    user, other = key_pair(nkeys.PREFIX_BYTE_USER), key_pair(nkeys.PREFIX_BYTE_USER)
    ways = {
        f'user: me, password: "{SECRET}"': {
            "NATS_USERNAME": "me",
            "NATS_PASSWORD_FILE": private(tmp_path / "password", f"{SECRET}\n"),
        },
        f'token: "{SECRET}"': {"NATS_TOKEN": SECRET},
        f"users: [{{nkey: {user.public_key.decode()}}}]": {"NATS_NKEY": user.seed.decode()},
    }
    wrong = [
        {"NATS_USERNAME": "me", "NATS_PASSWORD": "not it"},
        {"NATS_TOKEN": "not it"},
        {"NATS_NKEY": other.seed.decode()},
        {},
    ]
    for asked, answer in ways.items():
        configured(nats_server, f"authorization {{ {asked} }}\n")
        with monkeypatch.context() as patched:
            for name, value in answer.items():
                patched.setenv(name, value)
            told(lambda: NatsSink(nats_server.url))
        for strange in wrong:
            with monkeypatch.context() as patched:
                for name, value in strange.items():
                    patched.setenv(name, value)
                assert "uthorization" in refused(lambda: NatsSink(nats_server.url))


def signed(issuer: Any, subject: bytes, name: str, told: dict[str, Any]) -> str:
    """A token as servers of NATS take it, by its documentation: ed25519-nkey over two parts."""

    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).decode().rstrip("=")

    claims = {
        "jti": name,
        "iat": int(time.time()),
        "iss": issuer.public_key.decode(),
        "name": name,
        "sub": subject.decode(),
        "nats": {"version": 2, **told},
    }
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    text = ".".join(part(json.dumps(one).encode()) for one in (head, claims))
    return f"{text}.{part(issuer.sign(text.encode()))}"


def test_credentials_are_let_in(
    nats_server: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    operator = key_pair(nkeys.PREFIX_BYTE_OPERATOR)
    account, system = (key_pair(nkeys.PREFIX_BYTE_ACCOUNT) for _ in range(2))
    user, strange = (key_pair(nkeys.PREFIX_BYTE_USER) for _ in range(2))
    limits = dict.fromkeys(("subs", "data", "payload", "conn", "leaf", "imports", "exports"), -1)
    kept = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)
    accounts = {
        one.public_key.decode(): signed(
            operator,
            one.public_key,
            name,
            {"type": "account", "limits": {**limits, "wildcards": True, **more}},
        )
        for one, name, more in ((account, "bots", kept), (system, "SYS", {}))
    }
    resolved = "".join(f"  {name}: {token}\n" for name, token in accounts.items())
    itself = signed(operator, operator.public_key, "op", {"type": "operator"})
    configured(
        nats_server,
        f"operator: {itself}\nsystem_account: {system.public_key.decode()}\n"
        f"resolver: MEMORY\nresolver_preload: {{\n{resolved}}}\n",
    )
    limited = {"type": "user", "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1}
    token = signed(account, user.public_key, "me", limited)

    def credentials(seed: str) -> str:
        return (
            f"-----BEGIN NATS USER JWT-----\r\n{token}\r\n------END NATS USER JWT------\r\n\r\n"
            "************************* IMPORTANT *************************\r\n"
            f"-----BEGIN USER NKEY SEED-----\r\n{seed}\r\n------END USER NKEY SEED------\r\n"
        )

    path = tmp_path / "me.creds"
    monkeypatch.setenv("NATS_CREDS_FILE", private(path, credentials(user.seed.decode())))
    told(lambda: NatsSink(nats_server.url))
    private(path, credentials(strange.seed.decode()))
    assert "uthorization" in refused(lambda: NatsSink(nats_server.url))
    path.chmod(0o644)
    assert "chmod 600" in refused(lambda: NatsSink(nats_server.url))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"NATS_USERNAME": "me"}, "NATS_USERNAME: is of no use without NATS_PASSWORD"),
        ({"NATS_PASSWORD": SECRET}, "NATS_PASSWORD: is of no use without NATS_USERNAME"),
        ({"NATS_NKEY": f"SU{SECRET}"}, "NATS_NKEY: must be the seed of a user"),
        ({"NATS_CREDS": f"/home/{SECRET}"}, "NATS_CREDS_FILE names a file"),
        ({"NATS_CREDS": "-----BEGIN NATS USER JWT-----\n"}, "NATS_CREDS: must be credentials"),
        ({"NATS_TOKEN": SECRET, "NATS_NKEY": SECRET}, "NATS_TOKEN: NATS_NKEY is set as well"),
    ],
)
def test_what_cannot_be_an_identity_is_said(given: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        Identity(given)
    assert problem in str(error.value) and SECRET not in str(error.value)


# TLS.


@pytest.fixture
def authority(tmp_path: Path) -> Any:
    """Whom certificates are of; its own is in ``ca.pem``."""
    made = trustme.CA()
    private(tmp_path / "ca.pem", made.cert_pem.bytes())
    return made


def issued(authority: Any, path: Path, host: str = LOOPBACK) -> str:
    """A file with a certificate and its key."""
    return private(path, authority.issue_cert(host).private_key_and_cert_chain_pem.bytes())


def tls_text(tmp_path: Path, authority: Any, more: str = "", host: str = LOOPBACK) -> str:
    """A server's configuration with a certificate for ``host``."""
    server, ca = issued(authority, tmp_path / "server.pem", host), tmp_path / "ca.pem"
    return f'tls {{ cert_file: "{server}", key_file: "{server}", ca_file: "{ca}", {more} }}\n'


def test_by_tls_it_is_let_in_and_knows_whom_it_speaks_to(
    nats_server: Service, authority: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NATS_TOKEN", SECRET)
    url = f"tls://{LOOPBACK}:{nats_server.port}"
    known = NatsTls(ca=str(tmp_path / "ca.pem"))
    asked = f'authorization {{ token: "{SECRET}" }}\n'
    configured(nats_server, tls_text(tmp_path, authority) + asked)
    told(lambda: NatsSink(url, tls=known))
    assert "CERTIFICATE_VERIFY_FAILED" in refused(lambda: NatsSink(url)), "an unknown authority"
    elsewhere = tls_text(tmp_path, authority, host="elsewhere.test")
    configured(nats_server, elsewhere + asked)
    assert "CERTIFICATE_VERIFY_FAILED" in refused(lambda: NatsSink(url, tls=known))


def test_a_certificate_of_its_own_is_shown(
    nats_server: Service, authority: Any, tmp_path: Path
) -> None:
    url = f"tls://{LOOPBACK}:{nats_server.port}"
    ca = str(tmp_path / "ca.pem")
    mine = issued(authority, tmp_path / "mine.pem")
    configured(nats_server, tls_text(tmp_path, authority, "verify: true"))
    told(lambda: NatsSink(url, tls=NatsTls(ca, mine, mine)))
    refused(lambda: NatsSink(url, tls=NatsTls(ca)))
    Path(mine).chmod(0o640)
    assert "chmod 600" in refused(lambda: NatsSink(url, tls=NatsTls(ca, mine, mine)))


def test_tls_may_come_first(nats_server: Service, authority: Any, tmp_path: Path) -> None:
    url = f"tls://{LOOPBACK}:{nats_server.port}"
    ca = str(tmp_path / "ca.pem")
    nats_server.speaks = False
    configured(nats_server, tls_text(tmp_path, authority, "handshake_first: true"))
    told(lambda: NatsSink(url, tls=NatsTls(ca, first=True)))
    refused(lambda: NatsSink(url, tls=NatsTls(ca)))


@contextmanager
def listening(info: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server, or who stands before it, that says ``info`` and keeps what it is told."""
    heard: list[bytes] = []

    class Conversation(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(info)
            self.request.settimeout(5)
            while piece := self.request.recv(4_096):
                heard.append(piece)
                self.request.sendall(b"PONG\r\n")

    with socketserver.ThreadingTCPServer((LOOPBACK, 0), Conversation) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1], heard
        finally:
            server.shutdown()
            thread.join()


def test_nothing_is_said_to_a_server_that_takes_tls_away(
    nats_server: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NATS_TOKEN", SECRET)
    assert "offers no TLS" in refused(lambda: NatsSink(f"tls://{LOOPBACK}:{nats_server.port}"))
    for info in (
        b'INFO {"server_id":"x","version":"2.11.0","max_payload":1000,"auth_required":true}\r\n',
        b'INFO {"server_id":"x","max_payload":1000,"tls_available":true}\r\n',
        b'INFO {"server_id":"x","max_payload":1000,"tls_required":false}\r\n',
    ):
        with listening(info) as (port, heard):
            assert "offers no TLS" in refused(partial(NatsSink, f"tls://{LOOPBACK}:{port}"))
        assert heard == []
    # That it is heard what is said: without TLS all is.
    with listening(info) as (port, heard):
        refused(lambda: NatsSink(f"nats://{LOOPBACK}:{port}"))
    assert SECRET.encode() in b"".join(heard)


def test_what_is_configured(tmp_path: Path, authority: Any) -> None:
    path = tmp_path / "nats.toml"
    ca, mine = tmp_path / "ca.pem", issued(authority, tmp_path / "mine.pem")
    head = '[[sink]]\nkind = "nats"\nurl = "tls://host"\n'
    path.write_text(f'{head}ca = "{ca}"\ncert = "{mine}"\ncert_key = "{mine}"\ntls_first = true\n')
    (section,) = load(path).sink
    assert isinstance(section, NatsSection) and isinstance(section.sink(), NatsSink)
    for line, problem in (
        ('ca = "x"\nurl = "nats://host"', "must begin with tls://"),
        ('cert = "x"\nurl = "tls://host"', "set both or neither"),
    ):
        path.write_text(f'[[sink]]\nkind = "nats"\n{line}\n')
        with pytest.raises(ConfigError, match=problem):
            load(path)
    empty = private(tmp_path / "empty.pem", "")
    for tls, problem in (
        (NatsTls(ca=str(tmp_path / "none")), "none: not certificates"),
        (NatsTls(ca=empty), "empty.pem: not certificates"),
        (NatsTls(cert=mine, cert_key=empty), "not a certificate and its key"),
    ):
        with pytest.raises(ConfigError, match=problem):
            NatsSink("tls://host", tls=tls)
