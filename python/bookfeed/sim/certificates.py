"""TLS of a simulated venue: an authority made for it, and certificates that are not as they should
be.

    tls = SimTls()
    server = await serve(SimConfig(tls=tls))
    ...  # a client with ssl_context=tls.trusting() connects

The authority and its keys live in memory and last a day. Needs the ``cryptography`` package.
"""

import ipaddress
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, GeneralName

HOSTS: Final = ("127.0.0.1", "::1", "localhost", "venue.test")
"""Whom a certificate is for: every name that a simulator is reached by."""
OTHER_HOST: Final = "elsewhere.test"
_DAY: Final = timedelta(days=1)


class Identity(NamedTuple):
    """A certificate and its key."""

    certificate: "Certificate"
    key: "EllipticCurvePrivateKey"


class SimTls(ssl.SSLContext):
    """The TLS of a server whom nobody knows but those that it tells its authority.

    ``ModuleNotFoundError`` without the ``cryptography`` package.
    """

    def __new__(cls) -> "SimTls":
        """A context of a server."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self) -> None:
        self._authority: Final = _authority("a simulated venue's authority")
        self.authority_pem: Final = _pem(self._authority.certificate)
        """What a client has to trust, as the text of a file."""
        _load(self, _issued(self._authority))

    def trusting(self) -> ssl.SSLContext:
        """The TLS of a client that trusts the authority, and checks all that clients check."""
        return ssl.create_default_context(cadata=self.authority_pem.decode())

    def spoilt(self, variant: str) -> ssl.SSLContext:
        """The same with a certificate that is ``expired``, of another ``host``, or ``unknown``, of
        an authority that nobody trusts.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        match variant:
            case "expired":
                _load(context, _issued(self._authority, ended_ago=_DAY))
            case "host":
                _load(context, _issued(self._authority, hosts=(OTHER_HOST,)))
            case _:
                _load(context, _issued(_authority("an authority that nobody knows")))
        return context


def _authority(name: str) -> Identity:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    key = _key()
    extensions = x509.BasicConstraints(ca=True, path_length=0)
    builder = _builder(name, name, key, timedelta())
    certificate = builder.add_extension(extensions, critical=True).sign(key, hashes.SHA256())
    return Identity(certificate, key)


def _issued(
    authority: Identity, *, hosts: tuple[str, ...] = HOSTS, ended_ago: timedelta = timedelta()
) -> Identity:
    """A certificate for ``hosts``, out of date for ``ended_ago`` if that is not zero."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = _key()
    (issuer,) = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = _builder(hosts[0], str(issuer.value), key, ended_ago)
    for extension in (names, usage, signer):
        builder = builder.add_extension(extension, critical=False)
    return Identity(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(
    name: str, issuer: str, key: "EllipticCurvePrivateKey", ended_ago: timedelta
) -> "CertificateBuilder":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    now = datetime.now(UTC)
    ends = now - ended_ago if ended_ago else now + _DAY
    subject, by = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer)
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - 2 * _DAY)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _general_name(host: str) -> "GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key() -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _pem(certificate: "Certificate") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _load(context: ssl.SSLContext, identity: Identity) -> None:
    """Has ``context`` show a certificate; it takes one from a file alone."""
    from cryptography.hazmat.primitives import serialization

    key = identity.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "certificate.pem"
        path.write_bytes(key + _pem(identity.certificate))
        context.load_cert_chain(path)
