"""What each rule watches and finds, one file a rule, found by the rule's name.

A file ``<rule>.py`` here has ``RULE``, a ``bookfeed.audit.rule.Rule``.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from bookfeed.audit.rule import Rule

KINDS: Final = frozenset(module.name for module in iter_modules(__path__))


def rule_class(kind: str) -> type[Rule] | None:
    """What a rule of this kind does; ``None`` if nobody has written that down."""
    if kind not in KINDS:
        return None
    found: type[Rule] = import_module(f"{__name__}.{kind}").RULE
    return found
