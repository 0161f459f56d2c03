"""A file for each client: its own code, and only what its users may call, fed with our frames."""
