"""How a running feed is shown: as a table for people, as lines of JSON for programs."""
