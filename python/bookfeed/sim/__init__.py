"""Venue simulators: the wire protocols on loopback, with a known truth and faults on demand.

They are written from the venues' documents and from recorded frames, and share no code with
the engine, so that an engine and a simulator which agree have both read the protocol rightly.

Each venue has a folder of its own, which serves its WebSocket and REST calls over real sockets
(``server``) and yields the same frames in process under a virtual clock, for seeded campaigns
(``stream``); ``paired`` holds the worlds of two venues at once. What lies beside the folders is
what venues share, and names none of them.
"""
