"""Keys: what is signed, where a key may lie, and that nobody gets to see it."""

import base64
import copy
import logging
import os
import pickle
import stat
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from bookfeed.errors import ConfigError
from bookfeed.venues.kalshi_keys import SigningKey, key_from_file, parse_key
from bookfeed.venues.secret import KEY_FILE_BYTES_MAX, Secret

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
MESSAGE = b"1790000000123GET/trade-api/ws/v2"
PKCS8, PKCS1 = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()


def pem(
    key: PrivateKey, form: serialization.PrivateFormat = PKCS8, password: bytes | None = None
) -> str:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A key file as it should be."""
    path = tmp_path / "kalshi.pem"
    path.write_text(pem(RSA))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("form", [PKCS1, PKCS8])
def test_rsa_signs_with_pss_and_a_salt_as_long_as_the_digest(
    form: serialization.PrivateFormat,
) -> None:
    signature = parse_key(Secret(pem(RSA, form)), "test").sign(MESSAGE)
    # A verifier that is told the length of the salt takes no other.
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    RSA.public_key().verify(signature, MESSAGE, pss, hashes.SHA256())
    assert len(signature) == 256
    with pytest.raises(InvalidSignature):
        RSA.public_key().verify(signature, MESSAGE + b"x", pss, hashes.SHA256())


def test_ed25519_signs_the_message_itself() -> None:
    signature = parse_key(Secret(pem(ED25519)), "test").sign(MESSAGE)
    ED25519.public_key().verify(signature, MESSAGE)
    assert len(signature) == 64


def test_line_ends_may_be_written_out() -> None:
    text = pem(ED25519).strip().replace("\n", "\\n")
    ED25519.public_key().verify(parse_key(Secret(text), "test").sign(MESSAGE), MESSAGE)


def public() -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return ED25519.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def openssh() -> str:
    return pem(ED25519, serialization.PrivateFormat.OpenSSH)


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\\r\\n"),
        lambda text: text.replace("\n", "\\\\n"),
        lambda text: f'"{text}"',
        lambda text: f"'{text}'\n",
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", " "),
        lambda text: text.replace("\n", ""),
    ],
)
@pytest.mark.parametrize("key", [ED25519, RSA], ids=["Ed25519", "RSA"])
def test_what_shells_and_editors_make_of_a_key_is_taken(
    written: Callable[[str], str], key: Any, tmp_path: Path
) -> None:
    text = written(pem(key).strip())
    assert parse_key(Secret(text), "test").sign(MESSAGE)
    path = tmp_path / "key.pem"
    path.write_bytes(text.encode())
    path.chmod(0o600)
    assert key_from_file(f'"{path}" ', "test").sign(MESSAGE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (lambda: pem(rsa.generate_private_key(65537, 1024)), "1024 bits; at least 2048"),
        (lambda: pem(ec.generate_private_key(ec.SECP256R1())), "RSA or Ed25519"),
        (lambda: pem(RSA, PKCS8, b"CANARY"), "encrypted with a passphrase"),
        (lambda: pem(RSA, PKCS1, b"CANARY"), "encrypted with a passphrase"),
        (lambda: pem(RSA)[:600], "cut short: -----END … is missing"),
        (lambda: base64.b64encode(pem(RSA).encode()).decode(), "decode it first"),
        (lambda: "/home/CANARY/kalshi.pem", "a path, .* give it in KALSHI_PRIVATE_KEY_PATH"),
        (lambda: "CANARY.key", "a path, .* give it in KALSHI_PRIVATE_KEY_PATH"),
        (public, "a public key or certificate; the private key is wanted"),
        (openssh, "ssh-keygen -p -m PKCS8"),
        (lambda: pem(RSA).replace("A", "é"), "PEM form"),
        (lambda: "", "is empty; a private key in PEM form"),
        (lambda: "CANARY", "PEM form"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused_without_being_shown(
    text: Callable[[], str], words: str
) -> None:
    given = text()
    with pytest.raises(ConfigError, match=words) as caught:
        parse_key(Secret(given), "KALSHI_PRIVATE_KEY")
    told = "".join(traceback.format_exception(caught.value))
    assert caught.value.source == "KALSHI_PRIVATE_KEY"
    assert "CANARY" not in told
    assert not any(
        line in told for line in given.splitlines() if len(line) > 30 and "-" not in line
    )


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("cryptography")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"pip install 'bookfeed\[kalshi\]'"):
        parse_key(Secret(pem(ED25519)), "test")


# Files.


def test_a_private_file_is_taken(file: Path) -> None:
    assert key_from_file(file, "test").sign(MESSAGE)
    link = file.with_name("link.pem")
    link.symlink_to(file)
    assert key_from_file(str(link), "test").sign(MESSAGE)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777])
def test_a_file_that_others_may_use_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {file}"):
        key_from_file(file, "bookfeed.toml", "kalshi.private_key_file")
    link = file.with_name("link.pem")
    link.symlink_to(file)
    with pytest.raises(ConfigError, match=f"chmod 600 {file}"):
        key_from_file(link, "bookfeed.toml")


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_file_that_others_may_replace_is_refused(file: Path, mode: int) -> None:
    file.parent.chmod(mode)
    with pytest.raises(ConfigError, match=f"others may replace it: chmod go-w {file.parent}"):
        key_from_file(file, "bookfeed.toml")
    # Where nobody may remove what is another's, such as in /tmp, nobody can replace it.
    file.parent.chmod(mode | stat.S_ISVTX)
    assert key_from_file(file, "bookfeed.toml")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_or_link_of_another_user_is_refused(file: Path) -> None:
    link = file.with_name("link.pem")
    link.symlink_to(file)
    os.chown(link, 12345, 12345, follow_symlinks=False)
    with pytest.raises(ConfigError, match="link that belongs to another user"):
        key_from_file(link, "test")
    os.chown(file, 12345, 12345)
    with pytest.raises(ConfigError, match="belongs to another user"):
        key_from_file(file, "test")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        key_from_file(tmp_path / "absent", "test")
    with pytest.raises(ConfigError, match="not a file"):
        key_from_file(tmp_path, "test")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="not a file"):
        key_from_file(tmp_path / "pipe", "test")
    (tmp_path / "big").write_bytes(b"a" * (KEY_FILE_BYTES_MAX + 1))
    (tmp_path / "big").chmod(0o600)
    with pytest.raises(ConfigError, match="PEM form"):
        key_from_file(tmp_path / "big", "test")


@pytest.mark.parametrize(
    "given",
    [
        lambda text: text,
        lambda text: f'"{text}"',
        lambda text: "".join(text.splitlines()[1:-1]),
        lambda text: "\n".join(text.splitlines()[1:-1]),
        lambda text: base64.b64encode(text.encode()).decode(),
    ],
)
def test_the_key_itself_is_no_path_and_is_not_repeated(given: Callable[[str], str]) -> None:
    text = pem(RSA)
    with pytest.raises(ConfigError, match="path of a file, not the key itself") as caught:
        key_from_file(given(text), "KALSHI_PRIVATE_KEY_PATH")
    assert text.splitlines()[1] not in str(caught.value)
    assert str(caught.value).startswith("KALSHI_PRIVATE_KEY_PATH: must be")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: pem(ED25519).encode("utf-16"), "text in UTF-16; save it as plain text"),
        (lambda: base64.b64decode("".join(pem(RSA).split("\n")[1:-2])), "openssl pkey -inform DER"),
        (lambda: b"", "is empty"),
    ],
)
def test_files_in_other_forms_are_named(
    data: Callable[[], bytes], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(data())
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=words) as caught:
        key_from_file(path, "bookfeed.toml", "kalshi.private_key_file")
    assert str(caught.value).startswith(f"bookfeed.toml: kalshi.private_key_file: {path}: ")


# Nobody sees it.


@pytest.mark.parametrize("hidden", [Secret("CANARY"), parse_key(Secret(pem(ED25519)), "test")])
def test_what_is_hidden_is_not_shown_copied_or_pickled(
    hidden: Secret | SigningKey, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(1):
        logging.getLogger("bookfeed").debug("%s %r %s", hidden, hidden, [hidden])
    shown = f"{hidden} {hidden!r} {[hidden]}" + caplog.text
    assert "CANARY" not in shown
    assert "PRIVATE" not in shown
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not copied or pickled"):
            copied(hidden)
    assert not hasattr(hidden, "__dict__")
