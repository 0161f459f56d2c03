"""What Polymarket lists, and what it calls it."""
