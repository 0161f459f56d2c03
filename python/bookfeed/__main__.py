"""``python -m bookfeed``, and the command ``bookfeed``: the command line."""


def start() -> int:
    """Runs the process's command line and returns its exit code."""
    try:
        # Not before: an interrupt while this is loading is an interrupt and no error.
        from bookfeed.cli import main

        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(start())
