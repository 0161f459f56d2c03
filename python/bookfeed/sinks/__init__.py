"""Where updates and signals go when they leave the process that made them."""
