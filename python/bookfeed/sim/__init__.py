"""Venue simulators: the wire protocols on loopback, with a known truth and faults on demand.

They are written from the venues' documents and from recorded frames, and share no code with
the engine, so that an engine and a simulator which agree have both read the protocol rightly.

``polymarket`` serves Polymarket's market channel over real sockets; ``stream`` yields the
same frames in process under a virtual clock, for seeded campaigns.
"""
