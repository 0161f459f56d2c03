"""A configuration that changed while its feed is open: what is another now, and how it is done.

Markets and rules change at once, and what stays notices nothing; so do alerts, which are beside the
feed (``Alerts.follow``). All else is set when a feed is made: that it changed is told, and counts
from the next start on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from bookfeed.config import Config
from bookfeed.errors import BookfeedError
from bookfeed.feed import settings
from bookfeed.feed.feed import Feed
from bookfeed.market import Market
from bookfeed.rules.alerts import Alert
from bookfeed.rules.rule import Rule

# What an open feed takes over.
_CHANGEABLE: Final = ("market", "rules", "pair", "basket", "ladder", "sections", "alert")


@dataclass(frozen=True, slots=True)
class Difference:
    """What a configuration has that another had not, and the other way round."""

    markets_gone: tuple[Market, ...]
    markets_new: tuple[Market, ...]
    rules_gone: tuple[Rule, ...]
    rules_new: tuple[Rule, ...]
    alerts_gone: tuple[Alert, ...]
    alerts_new: tuple[Alert, ...]
    later: tuple[str, ...]
    """Tables that changed and count from the next start on."""

    @classmethod
    def between(cls, old: Config, new: Config) -> "Difference":
        """What to do to come from one to the other."""
        markets, rules = (old.markets(), new.markets()), (old.signal_rules(), new.signal_rules())
        names = [field.name for field in fields(Config) if field.name not in _CHANGEABLE]
        later = [name for name in names if getattr(old, name) != getattr(new, name)]
        # That of a venue which comes now counts now.
        later += [name for name in old.venues() if old.sections.get(name) != new.sections.get(name)]
        return cls(
            markets_gone=tuple(one for one in markets[0] if one not in markets[1]),
            markets_new=tuple(one for one in markets[1] if one not in markets[0]),
            rules_gone=tuple(one for one in rules[0] if one not in rules[1]),
            rules_new=tuple(one for one in rules[1] if one not in rules[0]),
            alerts_gone=tuple(one for one in old.alert if one not in new.alert),
            alerts_new=tuple(one for one in new.alert if one not in old.alert),
            later=tuple(later),
        )

    def lines(self) -> list[str]:
        """The same in words, a line each; none if nothing changed."""
        told = [f"- market {one.venue} {one.name or one.market}" for one in self.markets_gone]
        told += [f"+ market {one.venue} {one.name or one.market}" for one in self.markets_new]
        told += [f"- rule {_called(one)}" for one in self.rules_gone]
        told += [f"+ rule {_called(one)}" for one in self.rules_new]
        told += [f"- alert {one.called}" for one in self.alerts_gone]
        told += [f"+ alert {one.called}" for one in self.alerts_new]
        return told + [f"~ [{name}]: counts from the next start on" for name in self.later]


def _called(rule: Rule) -> str:
    if rule.name:
        return f"{rule.kind} {rule.name}"
    return f"{rule.kind} {', '.join(f'{key} = {value}' for key, value in rule.params.items())}"


async def reload(
    feed: Feed, old: Config, new: Config, source: str, keys: Mapping[str, Any]
) -> Difference:
    """Have an open feed follow ``new`` in place of ``old``; returns what that changed.

    ``source`` is what errors call the configuration, ``keys`` are as for ``Feed.from_config``.
    Raises ``ConfigError`` or another ``BookfeedError`` if the new one cannot be used, and nothing
    is changed then.
    """
    difference = Difference.between(old, new)
    numbers = {number: rule for number, rule in feed.rules.items() if rule in difference.rules_gone}
    where = settings.endpoints(new, source, keys) if difference.markets_new else {}
    undo: list[Callable[[], Any]] = []
    try:
        for rule in difference.rules_new:
            number = await feed.add_rule(rule)
            undo.append(lambda number=number: feed.remove_rule(number))  # type: ignore[misc]
        # Before those that come: a market that is listed otherwise now keeps its symbols.
        await feed.remove_markets(difference.markets_gone)
        undo.append(lambda: feed.add_markets(difference.markets_gone))
        await feed.add_markets(difference.markets_new, endpoints=where)
    except BookfeedError:
        for step in reversed(undo):
            await step()
        raise
    for number in numbers:
        await feed.remove_rule(number)
    return difference
