"""Venue simulators: the wire protocols on loopback, with a known truth and faults on demand.

They are written from the venues' documents and from recorded frames, and share no code with
the engine, so that an engine and a simulator which agree have both read the protocol rightly.

``polymarket`` serves Polymarket's market channel over real sockets, ``kalshi`` Kalshi's; ``stream``
and ``kalshi_stream`` yield the same frames in process under a virtual clock, for seeded campaigns;
``twovenue`` runs both together, with opportunities and what only looks like them. ``paired`` serves
both over sockets, with markets that belong together.
"""
