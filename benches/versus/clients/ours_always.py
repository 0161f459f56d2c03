"""bookfeed, told to check every hash of Polymarket's changes and not one each quarter second."""

from functools import partial

from benches.versus.clients.ours import Client, version

__all__ = ["CLIENTS", "NAME", "version"]

NAME = 'bookfeed, `hash_check = "always"`'
CLIENTS = {"polymarket": partial(Client, hash_check="always")}
