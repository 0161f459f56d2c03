"""Completion of the command line for bash, zsh and fish: one function a shell, a script each.

A script knows every command, option and choice by itself: a Tab starts no Python. Behind what
takes a path the shell completes paths; behind anything else, such as a market, nothing is guessed.
"""

from collections.abc import Iterable
from shlex import quote

from bookfeed.cli.grammar import Argument, Command, Grammar


def bash(known: Grammar) -> str:
    """A script to be sourced by bash 4.2 or later."""
    commands = "\n".join(_bash_command(command) for command in known.commands)
    names = _words(command.name for command in known.commands)
    first = _words((names, "help", *_flags(known.options)))
    return f"""\
# bash completion of bookfeed, from its own parser: source <(bookfeed completion bash)
_bookfeed() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command='' each
    local options='' places='' paths='' values=''
    COMPREPLY=()
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD - 1}}"; do
        [[ $each == -* ]] || {{ command=$each; break; }}
    done
    case $command in
    '') places='{first}' ;;
    help) places='{names}' ;;
{commands}
    *) return ;;
    esac
    if [[ $word == -* && -n $options ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    elif [[ -n $values ]]; then
        [[ $values == - ]] || mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
    elif [[ $paths == *" $before "* || $places == + ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    elif [[ -n $places ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$places" -- "$word")
    fi
}}
complete -F _bookfeed bookfeed
"""


def _bash_command(command: Command) -> str:
    paths = _words(_flags(each for each in command.options if each.takes == "a path"))
    lines = [
        f"    {command.name})",
        f"        options='{_words(_flags(command.options))}'",
        f"        paths=' {paths} '",
        f"        places='{_bash_places(command)}'",
    ]
    told = [each for each in command.options if each.choices]
    silent = [each for each in command.options if each.takes == "a word" and not each.choices]
    if told or silent:
        lines.append("        case $before in")
        for each in told:
            lines.append(f"        {'|'.join(each.flags)}) values='{_words(each.choices)}' ;;")
        if silent:
            lines.append(f"        {'|'.join(_flags(silent))}) values=- ;;")
        lines.append("        esac")
    return "\n".join([*lines, "        ;;"])


def _bash_places(command: Command) -> str:
    """Choices of its arguments by place; ``+`` where one of them is a path."""
    if any(each.takes == "a path" for each in command.places):
        return "+"
    return _words(choice for each in command.places for choice in each.choices)


def zsh(known: Grammar) -> str:
    """A script for a directory of zsh's ``fpath``, as ``_bookfeed``; sourced it works as well."""
    names = "\n".join(
        f"        {quote(f'{command.name}:{command.short}')}" for command in known.commands
    )
    cases = "\n".join(_zsh_command(command) for command in known.commands)
    return f"""\
#compdef bookfeed
# zsh completion of bookfeed, from its own parser.
_bookfeed() {{
    local -a commands
    commands=(
{names}
    )
    if (( CURRENT == 2 )); then
        _describe -t commands 'command' commands
        _arguments {" ".join(_zsh_option(each) for each in known.options)}
        return
    fi
    shift words
    (( CURRENT-- ))
    case $words[1] in
    help) (( CURRENT == 2 )) && _describe -t commands 'command' commands ;;
{cases}
    esac
}}
if [[ $funcstack[1] == _bookfeed ]]; then
    _bookfeed "$@"
else
    compdef _bookfeed bookfeed
fi
"""


def _zsh_command(command: Command) -> str:
    told = [_zsh_option(each) for each in command.options]
    for each in command.places:
        many = "*" if each.repeated else ""
        told.append(quote(f"{many}:{_zsh_text(each.shown)}:{_zsh_value(each)}"))
    specs = " \\\n            ".join(told)
    return f"    {command.name})\n        _arguments -s \\\n            {specs} ;;"


def _zsh_option(each: Argument) -> str:
    about = f"[{_zsh_text(each.about)}]"
    value = "" if each.takes == "nothing" else f":{_zsh_text(each.shown)}:{_zsh_value(each)}"
    if each.takes == "perhaps a word":
        value = f":{value}"
    many = "*" if each.repeated else ""
    told = []
    for flag in each.flags:
        # Having one of its spellings, the others are not offered any more.
        others = "" if each.repeated else f"({' '.join(each.flags)})"
        told.append(quote(f"{others}{many}{flag}{about}{value}"))
    return " ".join(told)


def _zsh_value(each: Argument) -> str:
    if each.choices:
        return f"({' '.join(each.choices)})"
    return "_files" if each.takes == "a path" else " "


def _zsh_text(text: str) -> str:
    for special in "\\[]:":
        text = text.replace(special, f"\\{special}")
    return text


def fish(known: Grammar) -> str:
    """A script for ``~/.config/fish/completions/bookfeed.fish``."""
    names = _words(command.name for command in known.commands)
    lines = [
        "# fish completion of bookfeed, from its own parser.",
        "complete -c bookfeed -f",
        "function __bookfeed_begins",
        f"    not __fish_seen_subcommand_from {names}",
        "end",
    ]
    lines += [
        f"complete -c bookfeed -n __bookfeed_begins -a {command.name} -d {_fish(command.short)}"
        for command in known.commands
    ]
    lines += [_fish_option("__bookfeed_begins", each) for each in known.options]
    for command in known.commands:
        when = _fish(f"__fish_seen_subcommand_from {command.name}")
        lines += [_fish_option(when, each) for each in command.options]
        for each in command.places:
            if each.takes == "a path":
                lines.append(f"complete -c bookfeed -n {when} -F")
            elif each.choices:
                lines.append(f"complete -c bookfeed -n {when} -a {_fish(' '.join(each.choices))}")
    return "\n".join(lines) + "\n"


def _fish_option(when: str, each: Argument) -> str:
    parts = [f"complete -c bookfeed -n {when}"]
    for flag in each.flags:
        parts.append(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}")
    if each.choices:
        parts.append(f"-x -a {_fish(' '.join(each.choices))}")
    elif each.takes == "a path":
        parts.append("-r -F")
    elif each.takes == "a word":
        parts.append("-x")
    parts.append(f"-d {_fish(each.about)}")
    return " ".join(parts)


def _fish(text: str) -> str:
    """A text in single quotes, where fish knows two escapes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _flags(options: Iterable[Argument]) -> list[str]:
    return [flag for each in options for flag in each.flags]


def _words(words: Iterable[str]) -> str:
    return " ".join(words)
