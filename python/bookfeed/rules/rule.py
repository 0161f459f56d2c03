"""A signal rule as it is handed to an engine, with what people call it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rule:
    """A signal rule: ``kind`` is one of ``RULES``, ``params`` are the rule's own.

    ``name`` and ``about`` (JSON values) are for people: the engine knows nothing of them, and a
    recording keeps them in a note.
    """

    kind: str
    params: Mapping[str, object]
    name: str = ""
    about: Mapping[str, object] = field(default_factory=dict)
