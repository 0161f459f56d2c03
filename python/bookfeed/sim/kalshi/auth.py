"""The simulated Kalshi's handshake: three headers, and a signature that is really verified.

What is signed is the timestamp in milliseconds, the method and the path, one after the other.
RSA keys sign with PSS (SHA-256, MGF1 with SHA-256, a salt of 32 bytes), Ed25519 keys as they do.
Keys made here live in memory and open nothing but a simulator.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple
from uuid import uuid4

KEY_HEADER: Final = "KALSHI-ACCESS-KEY"
TIMESTAMP_HEADER: Final = "KALSHI-ACCESS-TIMESTAMP"
SIGNATURE_HEADER: Final = "KALSHI-ACCESS-SIGNATURE"

_RSA_BITS: Final = 2048
_SALT_BYTES: Final = 32
_FAILURE: Final = "token_authentication_failure"


class KeyPair(NamedTuple):
    """A key as an account would have it; both halves PEM, the private one PKCS#8."""

    key_id: str
    private_pem: str
    public_pem: str


def generate_key(kind: Literal["rsa", "ed25519"] = "ed25519") -> KeyPair:
    """A new key pair; ``ModuleNotFoundError`` without the ``cryptography`` package."""
    _require_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    if kind == "rsa":
        private = rsa.generate_private_key(public_exponent=65_537, key_size=_RSA_BITS)
    else:
        private = ed25519.Ed25519PrivateKey.generate()
    encoding = serialization.Encoding.PEM
    private_pem = private.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public_pem = private.public_key().public_bytes(
        encoding, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return KeyPair(str(uuid4()), private_pem.decode(), public_pem.decode())


class Authenticator:
    """Knows public keys by id, and whether a handshake was signed with one of them.

    ``ValueError`` for a key that is neither RSA nor Ed25519, ``ModuleNotFoundError`` without
    the ``cryptography`` package.
    """

    def __init__(self, public_pems: Mapping[str, str], tolerance_s: float) -> None:
        _require_cryptography()
        self._keys = {key_id: _load(pem) for key_id, pem in public_pems.items()}
        self._tolerance_ms = tolerance_s * 1000

    def refusal(self, headers: Mapping[str, str], path: str, now_ms: int) -> bytes | None:
        """Why a handshake is refused, as the body of a 401; ``None`` if it is in order."""
        found = [headers.get(name) for name in (KEY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)]
        key_id, timestamp, signature = found
        if key_id is None or timestamp is None or signature is None:
            return _body("authentication headers missing")
        key = self._keys.get(key_id)
        if key is None:
            return _body("unknown key")
        if not (timestamp.isascii() and timestamp.isdigit()):
            return _body("timestamp must be milliseconds")
        if abs(now_ms - int(timestamp)) > self._tolerance_ms:
            return _body("timestamp expired")
        try:
            raw = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return _body("signature is not base64")
        if not _verifies(key, raw, f"{timestamp}GET{path}".encode()):
            return _body("signature does not verify")
        return None


def _body(message: str) -> bytes:
    return json.dumps({"error": {"code": _FAILURE, "message": message}}).encode()


def _require_cryptography() -> None:
    try:
        import cryptography  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the simulated Kalshi verifies signatures and needs the cryptography package: "
            "pip install 'bookfeed[kalshi]'",
            name="cryptography",
        ) from error


def _load(pem: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(pem.encode())
    if not isinstance(key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey):
        raise ValueError("a key must be RSA or Ed25519")
    return key


def _verifies(key: Any, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    try:
        if isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), _SALT_BYTES)
            key.verify(signature, message, pss, hashes.SHA256())
        else:
            key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
