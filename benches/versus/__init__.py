"""The faults of our simulators thrown at the book code of others, by ``make versus``."""
