"""Which way of recovering books a venue gets: by what it offers, and where it is to be found.

And whether it is asked for news.
"""

import random

from bookfeed.live.http import RestClient, required_rest_url
from bookfeed.live.place import rest_place
from bookfeed.live.recovery.base import Connections, Mender
from bookfeed.live.recovery.commands import CommandMender
from bookfeed.live.recovery.news import NewsReader
from bookfeed.live.recovery.rest import RestMender
from bookfeed.live.recovery.resubscribe import ResubscribeMender
from bookfeed.live.recovery.seeds import SeedMender
from bookfeed.live.recovery.witness import Witness, WitnessedMender
from bookfeed.venues.base import Commands, Endpoint, RestBooks, RestSeeds, Resubscription


def mender_of(endpoint: Endpoint, connections: Connections, rng: random.Random) -> Mender:
    """The way for the connections to ``endpoint``; without any, a new connection is the way.

    Raises ``ConfigError`` for a venue whose books begin with REST, without its address.
    """
    tls, venue = endpoint.ssl_context, endpoint.venue
    witness = _witness_of(endpoint, connections)
    match venue.recovery:
        case Commands() as commands:
            return CommandMender(connections, commands, rng)
        case Resubscription() as commands:
            return ResubscribeMender(connections, commands, rng, witness)
        case RestSeeds() as seeds:
            client = RestClient(rest_place(endpoint, required_rest_url(endpoint)), ssl_context=tls)
            return SeedMender(connections, client, seeds)
        case RestBooks() as books if endpoint.rest_url is not None:
            client = RestClient(rest_place(endpoint, endpoint.rest_url), ssl_context=tls)
            return RestMender(connections, client, books, venue.members)
        case _ if witness is not None:
            return WitnessedMender(connections, witness, venue.members)
        case _:
            return Mender(connections, venue.members)


def _witness_of(endpoint: Endpoint, connections: Connections) -> Witness | None:
    """Who is asked about silent books by REST; nobody where there is none."""
    witness = endpoint.venue.witness
    if witness is None or endpoint.rest_url is None:
        return None
    client = RestClient(rest_place(endpoint, endpoint.rest_url), ssl_context=endpoint.ssl_context)
    return Witness(connections, client, witness)


def news_readers_of(endpoint: Endpoint, connections: Connections) -> tuple[NewsReader, ...]:
    """Who asks for news of the markets on the connections; nobody where there is no REST."""
    if endpoint.venue.news is None or endpoint.rest_url is None:
        return ()
    client = RestClient(rest_place(endpoint, endpoint.rest_url), ssl_context=endpoint.ssl_context)
    return (NewsReader(connections, client, endpoint.venue.news),)
