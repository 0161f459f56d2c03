"""The TLS of a test: a client and a server that trust one authority, made for it."""

import ssl
from typing import NamedTuple

import pytest


class Tls(NamedTuple):
    """What the two ends of a connection speak TLS with; ``None`` is a connection without."""

    ours: ssl.SSLContext | None
    theirs: ssl.SSLContext | None


PLAIN = Tls(None, None)


def tls_at(host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a client, and of a server at ``host`` that it trusts."""
    authority = pytest.importorskip("trustme").CA()
    ours, theirs = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(ours)
    authority.issue_cert(host).configure_cert(theirs)
    return ours, theirs
