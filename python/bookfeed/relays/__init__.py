"""Connections to relays: sockets that tell prices, trades and comments beside books."""
