"""How the sink for NATS is let in: who it says it is, and by which TLS.

Secrets come from the environment alone, and none is sent over a connection that should have been
TLS and is not: what a server, or who stands before it, says about TLS comes in plain text.
"""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

from bookfeed.errors import ConfigError
from bookfeed.venues.secret import Secret, found_in, private_bytes

if TYPE_CHECKING:
    from nats.aio.client import Client

# A server elsewhere is asked and answers five times before it lets anybody in by TLS.
TLS_TIMEOUT_S: Final = 3.0

_SEED: Final = r"SU[A-Z2-7]{56}"
_CREDENTIALS: Final = re.compile(
    r"-+BEGIN NATS USER JWT-+\s+(?P<jwt>[\w-]+\.[\w-]+\.[\w-]+)\s+-+END NATS USER JWT-+"
    rf".*?-+BEGIN USER NKEY SEED-+\s+(?P<seed>{_SEED})\s+-+END USER NKEY SEED-+",
    re.DOTALL,
)


class Identity:
    """Who a client is: a user and password, a token, an nkey, credentials, or nobody.

    Read from ``environ``, each variable with ``_FILE`` for a private file. Raises ``ConfigError``
    for what cannot be one, and for two of them at once.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        user_at, user = found_in(environ, ["NATS_USERNAME"])
        password_at, password = found_in(environ, ["NATS_PASSWORD"])
        token_at, token = found_in(environ, ["NATS_TOKEN"])
        nkey_at, nkey = found_in(environ, ["NATS_NKEY"])
        creds_at, creds = found_in(environ, ["NATS_CREDS"])
        if (user is None) is not (password is None):
            missing = "NATS_USERNAME" if user is None else "NATS_PASSWORD"
            at = password_at if user is None else user_at
            raise ConfigError(at, "", f"is of no use without {missing}: export that as well")
        ways = {user_at: user, token_at: token, nkey_at: nkey, creds_at: creds}
        given = [at for at, secret in ways.items() if secret is not None]
        if len(given) > 1:
            raise ConfigError(given[0], "", f"{given[1]} is set as well; one of them is enough")
        self._user: Final = user
        self._password: Final = password
        self._token: Final = token
        self._nkey: Final = _nkey(nkey_at, nkey)
        self._creds: Final = _credentials(creds_at, creds)
        if self._nkey is not None or self._creds is not None:
            _need_nkeys()

    def arguments(self) -> dict[str, Any]:
        """What ``Client.connect`` is told of it; secrets in the open."""
        if self._creds is not None:
            from nats.aio.client import RawCredentials

            return {"user_credentials": RawCredentials(self._creds.reveal())}
        return _revealed(
            user=self._user,
            password=self._password,
            token=self._token,
            nkeys_seed_str=self._nkey,
        )


def _revealed(**named: Secret | None) -> dict[str, Any]:
    return {name: secret.reveal() for name, secret in named.items() if secret is not None}


def _nkey(at: str, nkey: Secret | None) -> Secret | None:
    if nkey is not None and not re.fullmatch(_SEED, nkey.reveal().strip()):
        raise ConfigError(
            at, "", "must be the seed of a user: SU and 56 more of A-Z 2-7 (nk -gen user)"
        )
    return nkey


def _credentials(at: str, creds: Secret | None) -> Secret | None:
    """Credentials as the client wants them, whatever stands around them in a file."""
    if creds is None:
        return None
    found = _CREDENTIALS.search(creds.reveal())
    if found is None:
        raise ConfigError(
            at,
            "",
            "must be credentials: a NATS USER JWT and a USER NKEY SEED, each between its lines "
            "BEGIN and END; NATS_CREDS_FILE names a file that holds them",
        )
    return Secret(
        f"-----BEGIN NATS USER JWT-----\n{found['jwt']}\n------END NATS USER JWT------\n"
        f"-----BEGIN USER NKEY SEED-----\n{found['seed']}\n------END USER NKEY SEED------\n"
    )


def _need_nkeys() -> None:
    if find_spec("nkeys") is None:
        raise ValueError(
            "an nkey or credentials for NATS need the package nkeys: pip install 'bookfeed[nats]'"
        )


@dataclass(frozen=True, slots=True)
class NatsTls:
    """TLS of a sink for NATS: files in PEM, each ``""`` for none.

    ``ca`` is the authority that the server's certificate is of, in place of the system's; ``cert``
    and ``cert_key`` are shown to a server that asks who is there. ``first`` begins with TLS, for a
    server that has ``handshake_first``.
    """

    ca: str = ""
    cert: str = ""
    cert_key: str = ""
    first: bool = False

    def __bool__(self) -> bool:
        return self != NatsTls()

    def check(self, url: str) -> None:
        """Raise ``ConfigError`` where this does not belong to a server at ``url``."""
        if self and urlsplit(url).scheme != "tls":
            problem = "must begin with tls:// where ca, cert or tls_first is set"
            raise ConfigError("", "url", problem)
        if bool(self.cert) is not bool(self.cert_key):
            raise ConfigError("", "cert", "and cert_key belong together: set both or neither")

    def context(self) -> ssl.SSLContext:
        """What is checked and shown. Raises ``ConfigError`` for a file that cannot be used."""
        context = ssl.create_default_context()
        if self.ca:
            context = _trusting(self.ca)
        if self.cert:
            private_bytes(Path(self.cert_key).expanduser(), "", "cert_key")
            try:
                context.load_cert_chain(
                    Path(self.cert).expanduser(),
                    Path(self.cert_key).expanduser(),
                    # Nobody is asked on the terminal.
                    password=lambda: _refuse_key(self.cert_key),
                )
            except (OSError, ssl.SSLError) as error:
                reason = f"{self.cert}, {self.cert_key}: not a certificate and its key ({error})"
                raise ConfigError("", "cert", reason) from None
        return context


def _trusting(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=Path(ca).expanduser())
    except (OSError, ssl.SSLError) as error:
        problem = f"{ca}: not certificates in PEM that can be read ({error})"
        raise ConfigError("", "ca", problem) from None


def _refuse_key(path: str) -> NoReturn:
    raise ConfigError("", "cert_key", f"{path}: is encrypted; it must be plain, of mode 0600")


@dataclass(frozen=True, slots=True)
class Door:
    """The way into the server at ``url``."""

    url: str
    identity: Identity
    tls: ssl.SSLContext | None
    tls_first: bool

    @property
    def timeout_s(self) -> float | None:
        """How long getting in may take; ``None``: as long as anything else."""
        return TLS_TIMEOUT_S if self.tls is not None else None

    def arguments(self) -> dict[str, Any]:
        """What ``Client.connect`` is told, besides how to go on."""
        known = self.identity.arguments()
        if self.tls is not None:
            known |= {"tls": self.tls, "tls_handshake_first": self.tls_first}
        return known

    def client(self) -> "Client":
        """A client that is not connected. One for ``tls://`` says nothing without TLS."""
        from nats.aio.client import Client
        from nats.errors import Error

        if self.tls is None:
            return Client()

        class Wary(Client):
            """A client that takes no server's word that TLS is not needed."""

            def _connect_command(self) -> bytes:
                # What is sent first, with who we are; by then TLS is there or never will be.
                if not self._server_info.get("tls_required"):
                    raise Error(
                        "the server offers no TLS, so it was told nothing: "
                        "give it a certificate, or say nats://"
                    )
                return super()._connect_command()

        return Wary()


def door(url: str, tls: NatsTls) -> Door:
    """The way into the server at ``url``, as the environment and the configuration have it.

    Raises ``ConfigError`` for what cannot be used, ``ValueError`` without a package.
    """
    try:
        import nats.aio.client  # noqa: F401 - whether it is there
    except ImportError:
        raise ValueError(
            "a sink for NATS needs the package nats-py: pip install 'bookfeed[nats]'"
        ) from None
    tls.check(url)
    context = tls.context() if urlsplit(url).scheme == "tls" else None
    return Door(url, Identity(os.environ), context, tls.first)
