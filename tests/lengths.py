"""How far seeded tests go: a little way in ``make test``, ``TIMES`` as far in ``make test-long``.

What a test plays in its short form is enough to notice what is broken often. What is rare is for
the long form, and for campaigns, which have targets of their own (``make help``).
"""

import os
from typing import Final

TIMES: Final = int(os.environ.get("BOOKFEED_TIMES", "1"))
"""How many times as far as in ``make test``."""


def seeds(count: int, *, first: int = 1) -> range:
    """``count`` seeds in the short form."""
    return range(first, first + count * TIMES)
