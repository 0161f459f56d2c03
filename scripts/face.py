#!/usr/bin/env python3
"""Checks the public face: every name of ``bookfeed.__all__`` says what it is, and the stub agrees.

    python scripts/face.py          fails on a public class, function or member without a
                                    docstring or without types, and on a docstring of the
                                    compiled part that differs in its stub
    python scripts/face.py --fix    writes the docstrings of the compiled part into its stub first

A field of a dataclass is explained by a string below it, or by its name in double backticks in the
docstring of its class. Whether types are right is for mypy to say, and for stubtest.
"""

import ast
import dataclasses
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import bookfeed
from bookfeed import _bookfeed

STUB: Final = Path(__file__).parent.parent / "python/bookfeed/_bookfeed.pyi"
WIDTH: Final = 100
OURS = "bookfeed"
"""What the names of modules of ours begin with."""
Definition = ast.ClassDef | ast.FunctionDef


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """The public members that a class of ours, or a base of it that is ours, defines."""
    seen = set()
    for base in cls.__mro__:
        if not base.__module__.startswith(OURS):
            continue
        for name, member in vars(base).items():
            if not name.startswith("_") and name not in seen:
                seen.add(name)
                yield name, member


def field_strings(cls: type) -> set[str]:
    """Names of the fields below which a string stands, in a class and its bases."""
    found: set[str] = set()
    for base in cls.__mro__:
        if not base.__module__.startswith(OURS) or base.__module__.endswith("_bookfeed"):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef)
        for one, after in zip(body.body, body.body[1:], strict=False):
            if isinstance(one, ast.AnnAssign) and isinstance(after, ast.Expr):
                found.add(ast.unparse(one.target))
    return found


def unexplained(cls: type) -> Iterator[str]:
    """Members of a public class that nothing is said of."""
    name = cls.__name__
    about = "\n".join(filter(None, (base.__doc__ for base in cls.__mro__ if base is not object)))
    fields = {f.name for f in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()
    said = field_strings(cls) if fields else set()
    yield from (f"{name}.{f}" for f in sorted(fields - said) if f"``{f}``" not in about)
    for member, value in members(cls):
        if member in fields or (inspect.isdatadescriptor(value) and not is_property(value)):
            continue
        if isinstance(value, staticmethod | classmethod):
            value = value.__func__
        if (callable(value) or is_property(value)) and not inspect.getdoc(value):
            yield f"{name}.{member}"


def untyped(name: str, function: object) -> Iterator[str]:
    """The parameters of a Python function that say no type, and its result if that says none."""
    function = function.fget if isinstance(function, property) else function
    if isinstance(function, staticmethod | classmethod):
        function = function.__func__
    if not inspect.isfunction(function):
        return
    parameters = [*inspect.signature(function).parameters, "return"]
    if "." in name and parameters[0] in ("self", "cls"):
        del parameters[0]
    stated = function.__annotations__
    yield from (f"{name}({parameter})" for parameter in parameters if parameter not in stated)


def is_property(value: object) -> bool:
    """Whether it is a property, of Python's or compiled."""
    return isinstance(value, property) or inspect.isgetsetdescriptor(value)


def undocumented() -> Iterator[str]:
    """Public names without a docstring, and members of public classes."""
    for name in bookfeed.__all__:
        value = getattr(bookfeed, name)
        if inspect.isclass(value) and value.__module__.startswith(OURS):
            inherited = value.__doc__ is None or value.__doc__.startswith(f"{name}(")
            yield from [name] if inherited else []
            yield from unexplained(value)
        elif inspect.isroutine(value) and not inspect.getdoc(value):
            yield name


def without_types() -> Iterator[str]:
    """Public functions and members of public classes that do not say their types."""
    for name in bookfeed.__all__:
        value = getattr(bookfeed, name)
        if inspect.isclass(value):
            for member, one in members(value):
                yield from untyped(f"{name}.{member}", one)
        else:
            yield from untyped(name, value)


def stub_without_types(tree: ast.Module) -> Iterator[str]:
    """The same of the stub."""
    for function in (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)):
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
        bare += [] if function.returns else ["return"]
        yield from (f"{STUB.name}: {function.name}({argument})" for argument in bare)


def definitions(tree: ast.Module) -> Iterator[tuple[Definition, Any]]:
    """Classes and functions of the stub and what they are at run time; of overloads the last."""
    for top in tree.body:
        if not isinstance(top, Definition):
            continue
        value = getattr(_bookfeed, top.name)
        yield top, value
        if isinstance(top, ast.ClassDef):
            functions = {one.name: one for one in top.body if isinstance(one, ast.FunctionDef)}
            yield from (
                (one, getattr(value, name)) for name, one in functions.items() if name[:2] != "__"
            )


def stated(value: object) -> str:
    """The docstring at run time, without the indent."""
    return inspect.cleandoc(getattr(value, "__doc__", None) or "")


def differing(source: str) -> list[tuple[Definition, str]]:
    """What the stub says otherwise than the run time, and what it should say."""
    pairs = [(one, stated(value)) for one, value in definitions(ast.parse(source))]
    return [(one, text) for one, text in pairs if (ast.get_docstring(one) or "") != text]


def edit(lines: list[str], one: Definition, text: str) -> tuple[int, int, list[str]]:
    """Which lines of the stub to replace, first and last, and by what."""
    body = one.body[0]
    start, end = body.lineno - 1, body.end_lineno or body.lineno
    doc = literal(text, " " * (one.col_offset + 4))
    if ast.get_docstring(one) is not None:
        return start, end, doc
    if isinstance(body, ast.Expr) and lines[start].endswith(": ..."):  # all of it on one line
        return start, end, [lines[start].removesuffix(" ..."), *doc]
    start = min([start, *(d.lineno - 1 for d in getattr(body, "decorator_list", []))])
    return start, start, [*doc, ""]


def rewritten(source: str) -> str:
    """The stub with the docstrings of the run time."""
    lines = source.split("\n")
    edits = [edit(lines, one, text) for one, text in differing(source)]
    for start, end, new in sorted(edits, key=lambda one: one[:2], reverse=True):
        lines[start:end] = new
    return "\n".join(lines)


def literal(text: str, indent: str) -> list[str]:
    """A docstring as lines of source."""
    quoted = text.replace("\\", "\\\\")
    end = '"""'
    if "\n" not in text and len(indent) + len(quoted) + 6 <= WIDTH:
        return [f'{indent}"""{quoted}{end}']
    body = [f"{indent}{line}" if line else "" for line in quoted.split("\n")]
    return [f'{indent}"""{body[0].lstrip()}', *body[1:], f"{indent}{end}"]


def main() -> int:
    """Says what is wrong; 1 if anything is."""
    source = STUB.read_text()
    if "--fix" in sys.argv[1:]:
        STUB.write_text(source := rewritten(source))
    problems = [f"{name}: no docstring" for name in undocumented()]
    problems += [
        f"{STUB.name}: {one.name}: not the docstring of the run time (--fix)"
        for one, _ in differing(source)
    ]
    bare = [*without_types(), *stub_without_types(ast.parse(source))]
    problems += [f"{name}: no type" for name in bare]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
