"""Signal rules as a user states them, and their refusals in words."""
