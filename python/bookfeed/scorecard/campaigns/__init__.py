"""Seeded runs of simulated venues, held against what is true: a file for each kind."""
