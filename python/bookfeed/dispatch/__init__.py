"""Who gets what came out of the engine: listeners and streams, with filters and bounds."""
