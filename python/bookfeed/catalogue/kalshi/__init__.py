"""What Kalshi lists, and what it calls it."""
