"""Private keys: where they may lie, how they are read, what they sign.

``SigningKey`` holds a parsed key and signs with it; ``Secret`` holds text that must not be seen.
Neither shows what it holds, whoever asks: not in ``repr``, not in an error, not pickled. Errors
name the file or variable and what to do, never a byte of what was in it.

The arithmetic is the package ``cryptography``'s (``pip install bookfeed[kalshi]``), imported when
the first key is read.
"""

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from bookfeed.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

RSA_BITS_MIN: Final = 2048
# The salt is as long as the digest: what the venue verifies with.
PSS_SALT_BYTES: Final = 32
# No key is longer; a file that is was meant for something else.
KEY_FILE_BYTES_MAX: Final = 64 * 1024

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@final
class Secret:
    """Text that is not to be shown; ``reveal`` is the one way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for whoever is to have it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a secret is not copied or pickled")


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


def key_from_file(path: str | Path, source: str, key: str = "") -> SigningKey:
    """The key in a PEM file that nobody but its owner can read.

    Raises ``ConfigError``, in which ``source`` and ``key`` say where the path came from.
    """
    if "-----BEGIN" in str(path):
        raise ConfigError(source, key, "must be the path of a file, not the key itself")
    path = Path(path).expanduser()
    return parse_key(Secret(_private_text(path, source, key)), f"{source}: {path}", key)


def parse_key(pem: Secret, source: str, key: str = "") -> SigningKey:
    """The key in PEM text; raises ``ConfigError`` with ``source`` and ``key``.

    Text from an environment variable often has ``\\n`` written out instead of line ends; both
    are understood.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        problem = "signing needs the package cryptography: pip install 'bookfeed[kalshi]'"
        raise ConfigError(source, key, problem) from None
    text = pem.reveal().strip().replace("\\n", "\n")
    # `from None` below: what the library says of a key it cannot read is about its contents.
    try:
        parsed: Any = load_pem_private_key(text.encode(), password=None)
    except TypeError:
        problem = "the key is encrypted with a passphrase; give one that is not"
        raise ConfigError(source, key, problem) from None
    except (ValueError, UnsupportedAlgorithm):
        problem = "not a private key in PEM form (-----BEGIN … PRIVATE KEY-----)"
        raise ConfigError(source, key, problem) from None
    if isinstance(parsed, rsa.RSAPrivateKey):
        if parsed.key_size < RSA_BITS_MIN:
            problem = f"an RSA key of {parsed.key_size} bits; at least {RSA_BITS_MIN} are needed"
            raise ConfigError(source, key, problem)
    elif not isinstance(parsed, ed25519.Ed25519PrivateKey):
        raise ConfigError(source, key, "must be an RSA or Ed25519 key")
    return SigningKey(parsed)


def _private_text(path: Path, source: str, key: str) -> str:
    """What is in a file, after a look at who else could have written or read it."""

    def refuse(problem: str) -> NoReturn:
        raise ConfigError(source, key, f"{path}: {problem}")

    try:
        link = path.lstat()
        # Not to hang on a pipe; what was opened is what is looked at, whatever the name says next.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        refuse(f"cannot read ({error.strerror})")
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            refuse("not a file")
        if stat.S_ISLNK(link.st_mode) and link.st_uid not in (os.geteuid(), 0):
            refuse("a symbolic link that belongs to another user; name the file itself")
        if found.st_uid != os.geteuid():
            refuse(f"belongs to another user; it must be yours: chown {os.geteuid()} {path}")
        if found.st_mode & _OTHERS:
            mode = stat.S_IMODE(found.st_mode)
            refuse(f"others may use it (mode {mode:04o}): chmod 600 {path.resolve()}")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(KEY_FILE_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(data) > KEY_FILE_BYTES_MAX or not data.isascii():
        refuse("not a private key in PEM form (-----BEGIN … PRIVATE KEY-----)")
    return data.decode("ascii")
