"""Tables: what a recording tells, as columns for research; they need the package pyarrow."""
