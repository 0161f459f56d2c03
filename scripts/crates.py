"""Checks what the Rust side is built from against ``deny.toml``: ``python scripts/crates.py``.

Licences, crates that may not be used or only by some, crates in two versions, requirements of any
version, and where crates come from. What cargo resolved for every platform is read, build scripts
and tests included. The file is of the form that ``cargo deny`` reads, of which this knows as much
as stands there; a setting that it does not know is an error. Exits with 1 and says what is wrong.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
CRATES_IO: Final = "registry+https://github.com/rust-lang/crates.io-index"
KNOWN: Final[Mapping[str, Mapping[str, object]]] = {
    "graph": {"all-features": True},
    "licenses": {"allow": list, "private": {"ignore": False}},
    "bans": {
        "multiple-versions": "deny",
        "wildcards": "deny",
        "allow-wildcard-paths": True,
        "deny": list,
    },
    "sources": {"unknown-registry": "deny", "unknown-git": "deny"},
}
"""The settings that are held: what each must be, or that it is a list."""
_WORD: Final = re.compile(r"[()]|[^\s()/]+|/")

Metadata = Mapping[str, Any]


def unknown(rules: Mapping[str, Any]) -> Iterator[str]:
    """What stands in the file that nothing here holds, and what is missing of what is held."""
    for table in sorted({*rules, *KNOWN}):
        told, held = rules.get(table, {}), KNOWN.get(table, {})
        for name in sorted({*told, *held}):
            want = held.get(name)
            given = told.get(name)
            if not (isinstance(given, list) if want is list else given == want is not None):
                yield f"deny.toml: {table}.{name} = {given!r} is not what scripts/crates.py holds"
    for ban in rules.get("bans", {}).get("deny", []):
        if "crate" not in ban or not {*ban} <= {"crate", "wrappers"}:
            yield f"deny.toml: bans.deny has {ban!r}: a crate, and wrappers, are known"


def licensed(expression: str, allowed: frozenset[str]) -> bool:
    """Whether a licence expression (SPDX) can be met with these alone.

    Old ones have ``/`` for ``OR``. ``ValueError`` if it is none.
    """
    words = _WORD.findall(expression)[::-1]

    def either() -> bool:
        met = both()
        while words and words[-1] in ("OR", "/"):
            words.pop()
            met = both() or met
        return met

    def both() -> bool:
        met = one()
        while words and words[-1] == "AND":
            words.pop()
            met = one() and met
        return met

    def one() -> bool:
        word = words.pop() if words else ""
        if word == "(":
            met = either()
            if not words or words.pop() != ")":
                raise ValueError(f"{expression}: a bracket is not closed")
            return met
        name = licence(word)
        if words and words[-1] == "WITH":
            words.pop()
            name += f" WITH {licence(words.pop() if words else '')}"
        return name in allowed

    def licence(word: str) -> str:
        if not re.fullmatch(r"[\w.+-]+", word) or word in ("OR", "AND", "WITH"):
            raise ValueError(f"{expression}: no licence where {word!r} is")
        return word

    met = either()
    if words:
        raise ValueError(f"{expression}: {words[-1]!r} is out of place")
    return met


def licences(rules: Mapping[str, Any], metadata: Metadata) -> Iterator[str]:
    """Crates whose licence is not allowed, or not stated."""
    allowed = frozenset(rules["licenses"]["allow"])
    for crate in metadata["packages"]:
        stated = crate["license"]
        try:
            fine = bool(stated) and licensed(stated, allowed)
        except ValueError as error:
            yield f"{named(crate)}: its licence is not understood: {error}"
            continue
        if not fine:
            yield f"{named(crate)}: its licence is {stated or 'not stated'}, which is not allowed"


def bans(rules: Mapping[str, Any], metadata: Metadata) -> Iterator[str]:
    """Crates that may not be here or not for who uses them, in two versions, of any version."""
    crates = {crate["id"]: crate for crate in metadata["packages"]}
    users: dict[str, set[str]] = {}
    for node in metadata["resolve"]["nodes"]:
        for used in node["dependencies"]:
            users.setdefault(crates[used]["name"], set()).add(crates[node["id"]]["name"])
    present = {crate["name"] for crate in crates.values()}
    for ban in rules["bans"]["deny"]:
        by = users.get(ban["crate"], set()) - {*ban.get("wrappers", [])}
        if by or ("wrappers" not in ban and ban["crate"] in present):
            yield f"{ban['crate']}: may not be used, but is by {', '.join(sorted(by))}"
    for name in sorted(present):
        versions = [each["version"] for each in crates.values() if each["name"] == name]
        if len(versions) > 1:
            yield f"{name}: is here in more than one version: {', '.join(sorted(versions))}"
    for crate in crates.values():
        for wanted in crate["dependencies"]:
            if wanted["req"] == "*" and "path" not in wanted:
                yield f"{named(crate)}: asks for any version of {wanted['name']}"


def sources(metadata: Metadata) -> Iterator[str]:
    """Crates from elsewhere than crates.io or this tree."""
    for crate in metadata["packages"]:
        if crate["source"] not in (None, CRATES_IO):
            yield f"{named(crate)}: comes from {crate['source']}"


def named(crate: Mapping[str, Any]) -> str:
    """A crate and its version."""
    return f"{crate['name']} {crate['version']}"


def problems(rules: Mapping[str, Any], metadata: Metadata) -> list[str]:
    """All that is wrong; of settings that are not known, only these."""
    return [*unknown(rules)] or [
        *licences(rules, metadata),
        *bans(rules, metadata),
        *sources(metadata),
    ]


def main() -> int:
    """Reads the file and asks cargo."""
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    command = ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)  # noqa: S603
    found = problems(rules, json.loads(done.stdout))
    sys.stdout.writelines(f"{problem}\n" for problem in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
