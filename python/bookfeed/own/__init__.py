"""The user's own orders, fills and positions: private channels of venues, read only.

``state.py`` knows what they are, without sockets or clocks; a module a venue reads its messages and
says what is asked by REST; ``account.py`` keeps the connection. None of it is market data: nothing
here goes into the engine or into a recording.
"""
