"""``python -m bookfeed``: the command line."""

from bookfeed.cli import main

raise SystemExit(main())
