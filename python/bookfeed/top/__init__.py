"""``bookfeed top``: a terminal that looks at a running feed from outside, over its socket."""
