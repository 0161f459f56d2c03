"""What browsers and other machines see of a feed: a server, in a process of its own.

``server.py`` puts it together: ``door.py`` says who may come in, ``world.py`` keeps what the feed
told, ``channels.py`` and ``clients.py`` hand it out over WebSockets, ``rest.py`` over HTTP,
``metrics.py`` to Prometheus.
"""
