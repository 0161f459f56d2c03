"""Relays: sockets that tell prices, trades and comments beside books. One file a relay."""
