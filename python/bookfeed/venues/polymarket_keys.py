"""Polymarket's API keys: where they are found. They are made by the venue's own clients.

An API key is three texts, the key, its secret and its passphrase; requests by REST also name the
address of the wallet that made them. Trades name the wallet that holds the money, which may be
another one (``POLYMARKET_FUNDER``).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bookfeed.errors import ConfigError
from bookfeed.venues.secret import Secret, found_in

KEY_VARIABLES: Final = ("POLYMARKET_API_KEY", "CLOB_API_KEY", "POLY_API_KEY")
SECRET_VARIABLES: Final = (
    "POLYMARKET_API_SECRET",
    "POLYMARKET_SECRET",
    "CLOB_SECRET",
    "POLY_API_SECRET",
)
PASSPHRASE_VARIABLES: Final = (
    "POLYMARKET_API_PASSPHRASE",
    "POLYMARKET_PASSPHRASE",
    "CLOB_PASS_PHRASE",
    "POLY_PASSPHRASE",
)
ADDRESS_VARIABLES: Final = ("POLYMARKET_ADDRESS", "POLY_ADDRESS")
FUNDER_VARIABLES: Final = ("POLYMARKET_FUNDER",)
KEY_NAMES: Final = (KEY_VARIABLES, SECRET_VARIABLES, PASSPHRASE_VARIABLES, ADDRESS_VARIABLES)

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,400}")


@dataclass(frozen=True, slots=True)
class ClobCredentials:
    """An API key of Polymarket's order book; none of it is shown."""

    api_key: Secret
    """The key, a UUID."""
    secret: Secret = field(repr=False)
    """What signs requests, in base64."""
    passphrase: Secret = field(repr=False)
    """What is sent along."""
    address: Secret = field(repr=False)
    """The wallet that made the key, ``0x`` and 40 hexadecimal digits."""
    funder: Secret | None = field(default=None, repr=False)
    """The wallet that holds the money, where it is another one."""

    def revealed(self) -> set[str]:
        """All of it, for those who have to take it out of a text."""
        texts = (self.api_key, self.secret, self.passphrase, self.address, self.funder)
        return {text.reveal() for text in texts if text is not None}

    def owners(self) -> set[str]:
        """By what the venue's messages name the user."""
        texts = (self.api_key, self.address, self.funder)
        return {text.reveal() for text in texts if text is not None}


def clob_credentials(environ: Mapping[str, str] | None = None) -> ClobCredentials | None:
    """The API key that is in the environment; ``None`` if there is none.

    Read are ``POLYMARKET_API_KEY``, ``POLYMARKET_API_SECRET``, ``POLYMARKET_API_PASSPHRASE`` and
    ``POLYMARKET_ADDRESS``, or the names that other tools use for them (``CLOB_API_KEY``,
    ``CLOB_SECRET``, ``CLOB_PASS_PHRASE``, ``POLY_ADDRESS``); and ``POLYMARKET_FUNDER``. A name that
    ends in ``_FILE`` names a file that nobody else may read. Raises ``ConfigError`` for a part of a
    key, for two of them, and for what cannot be one.
    """
    environ = os.environ if environ is None else environ
    found = [found_in(environ, variables) for variables in KEY_NAMES]
    if all(secret is None for _, secret in found[:3]):
        return None
    for variable, secret in found:
        if secret is None:
            problem = "is missing: key, secret, passphrase and the wallet's address belong together"
            raise ConfigError(variable, "", problem)
        if not _TOKEN.fullmatch(secret.reveal()):
            raise ConfigError(variable, "", "must be one word, as the venue's client printed it")
    (_, api_key), (_, secret), (_, passphrase), (variable, address) = found
    funder_variable, funder = found_in(environ, FUNDER_VARIABLES)
    for name, one in ((variable, address), (funder_variable, funder)):
        if one is not None and not _ADDRESS.fullmatch(one.reveal()):
            raise ConfigError(name, "", "must be an address: 0x and 40 hexadecimal digits")
    assert api_key and secret and passphrase and address, "looked at above"
    return ClobCredentials(api_key, secret, passphrase, address, funder)
