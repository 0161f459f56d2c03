"""``bookfeed alert test``: a message to each target of each ``[[alert]]``, and which arrived."""

import argparse
import logging
from typing import Final

from bookfeed import config
from bookfeed.errors import BookfeedError, ConfigError, ExitCode
from bookfeed.feed.alert_targets import send

_log: Final = logging.getLogger(__name__)


def execute(args: argparse.Namespace) -> ExitCode:
    """Sends them one after another; fails if one did not arrive."""
    alerts = config.load(args.config).alert
    names = [alert.called for alert in alerts]
    if not alerts:
        raise ConfigError(args.config, "alert", "nothing to test: add an [[alert]]")
    for name in args.name:
        if name not in names:
            raise ConfigError(args.config, "alert", f"no alert {name!r}, only {', '.join(names)}")
    failed = False
    for alert in alerts:
        if args.name and alert.called not in args.name:
            continue
        for target in alert.to:
            try:
                send(target, alert.called, alert.message("bookfeed", "this is a test"))
                print(f"{alert.called}: {_shown(target)}: sent")
            except BookfeedError as error:
                failed = True
                print(f"{alert.called}: {_shown(target)}: {error}")
    return ExitCode.FAILURE if failed else ExitCode.OK


def _shown(target: str) -> str:
    """A target for people: a command may have a key among its arguments."""
    kind, _, rest = target.partition(":")
    return f"command {rest.split()[0]}" if kind == "command" else target
