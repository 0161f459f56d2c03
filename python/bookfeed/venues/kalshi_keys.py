"""Private keys: where they may lie, how they are read, what they sign.

``SigningKey`` holds a parsed key and signs with it. It shows what it holds to nobody: not in
``repr``, not in an error, not pickled. Errors name the file or variable and what to do, never a
byte of what was in it.

The arithmetic is the package ``cryptography``'s (``pip install bookfeed[kalshi]``), imported when
the first key is read.
"""

import re
from codecs import BOM_UTF8
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from bookfeed.errors import ConfigError
from bookfeed.venues.secret import KEY_FILE_BYTES_MAX, LINE_ENDS, Secret, plain, private_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

RSA_BITS_MIN: Final = 2048
# The salt is as long as the digest: what the venue verifies with.
PSS_SALT_BYTES: Final = 32

_BEGIN: Final = "-----BEGIN"
# How the base64 of a PEM text begins.
_BEGIN_BASE64: Final = "LS0tLS1CRUdJTi"
_ONE_LINE: Final = re.compile(r"(-----BEGIN [A-Z ]+-----)([^\n]+)(-----END [A-Z ]+-----)")
_LOOKS_LIKE_BASE64: Final = re.compile(r"[A-Za-z0-9+/=\s]{200,}")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_DER: Final = b"\x30\x82"
_NO_PEM: Final = "not a private key in PEM form (-----BEGIN … PRIVATE KEY-----)"


@final
class SigningKey:
    """A private key, RSA or Ed25519; ``sign`` is all it does.

    RSA signs with PSS over SHA-256, MGF1 with SHA-256, a salt of 32 bytes; Ed25519 signs the
    message itself. Which it is, is read from the parsed key: the first line of a PEM file does
    not tell.
    """

    __slots__ = ("_key",)

    def __init__(self, key: "RSAPrivateKey | Ed25519PrivateKey") -> None:
        self._key = key

    def sign(self, message: bytes) -> bytes:
        """Return the signature of ``message``."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ed25519, padding

        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=PSS_SALT_BYTES)
        return self._key.sign(message, pss, hashes.SHA256())

    def __repr__(self) -> str:
        return "SigningKey(…)"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a private key is not copied or pickled")


def is_key(text: str) -> bool:
    """Whether a text is a private key, where something else was asked for."""
    return (
        _BEGIN in text or text.startswith(_BEGIN_BASE64) or bool(_LOOKS_LIKE_BASE64.fullmatch(text))
    )


def is_path(text: str) -> bool:
    """Whether a text is a path, where something else was asked for."""
    ends = (".pem", ".key", ".txt")
    return "\n" not in text and (text.startswith(("/", "~", ".")) or text.endswith(ends))


def key_from_file(path: str | Path, source: str, key: str = "") -> SigningKey:
    """The key in a PEM file that nobody but its owner can read.

    Raises ``ConfigError``, in which ``source`` and ``key`` say where the path came from.
    """
    given = plain(str(path))
    if is_key(given):
        raise ConfigError(source, key, "must be the path of a file, not the key itself")
    path = Path(given).expanduser()
    return parse_key(Secret(_private_text(path, source, key)), source, key, f"{path}: ")


def parse_key(pem: Secret, source: str, key: str = "", where: str = "") -> SigningKey:
    """The key in PEM text; raises ``ConfigError`` with ``source``, ``key`` and a problem ``where``.

    Text from an environment variable often stands in quotes, in one line, or has ``\\n`` or
    ``\\r\\n`` written out instead of line ends; all of it is understood.
    """

    def refuse(problem: str) -> NoReturn:
        # `from None`: what the library says of a key it cannot read is about its contents.
        raise ConfigError(source, key, f"{where}{problem}") from None

    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        refuse("signing needs the package cryptography: pip install 'bookfeed[kalshi]'")
    text = _pem(pem.reveal())
    try:
        parsed: Any = load_pem_private_key(text.encode(), password=None)
    except TypeError:
        refuse("the key is encrypted with a passphrase; give one that is not")
    except (ValueError, UnsupportedAlgorithm):
        refuse(_no_key(text))
    if isinstance(parsed, rsa.RSAPrivateKey):
        if parsed.key_size < RSA_BITS_MIN:
            refuse(f"an RSA key of {parsed.key_size} bits; at least {RSA_BITS_MIN} are needed")
    elif not isinstance(parsed, ed25519.Ed25519PrivateKey):
        refuse("must be an RSA or Ed25519 key")
    return SigningKey(parsed)


def _pem(given: str) -> str:
    """PEM text with line ends where they belong."""
    text = LINE_ENDS.sub("\n", plain(given)).strip()
    one_line = _ONE_LINE.fullmatch(text)
    if one_line is None:
        return text
    begin, body, end = one_line.groups()
    return "\n".join([begin, *wrap("".join(body.split()), 64), end])


def _no_key(text: str) -> str:
    """What a text is that is no private key, as far as it shows, and what to do."""
    if not text:
        return "is empty; a private key in PEM form is wanted"
    if text.startswith(_BEGIN_BASE64):
        return "a key in PEM form, and that in base64 once more: decode it first (base64 -d)"
    if is_path(text):
        return "a path, where the key itself belongs: give it in KALSHI_PRIVATE_KEY_PATH"
    first = text.partition("\n")[0]
    if "PUBLIC KEY" in first or "CERTIFICATE" in first:
        return "a public key or certificate; the private key is wanted"
    if "OPENSSH" in first:
        return "a key in the form of OpenSSH: ssh-keygen -p -m PKCS8 -f FILE turns it into PEM"
    if _BEGIN in first and "-----END" not in text:
        return f"cut short: -----END … is missing; {_NO_PEM}"
    return _NO_PEM


def _private_text(path: Path, source: str, key: str) -> str:
    """What is in a file that is to hold a key in PEM form."""

    def refuse(problem: str) -> NoReturn:
        raise ConfigError(source, key, f"{path}: {problem}")

    data = private_bytes(path, source, key).removeprefix(BOM_UTF8)
    if data.startswith(_UTF16):
        refuse("text in UTF-16; save it as plain text (ASCII or UTF-8)")
    if data.startswith(_DER):
        refuse(f"a key in DER form: openssl pkey -inform DER -in {path} turns it into PEM")
    if len(data) > KEY_FILE_BYTES_MAX or not data.isascii():
        refuse(_NO_PEM)
    return data.decode("ascii")
