"""One world about one price: five spot venues, and windows and a ladder on either prediction venue,
whose makers quote around what they are worth, a little late.

``world.py`` is the price and what is decided by it, ``quoting.py`` the makers, ``server.py`` all of
it on sockets.
"""
