"""Completion for shells: ``echolab completion bash`` prints a script that knows every command, action and option.

The script is made from the command line's own description, so it cannot name what is not there. Where a command takes
a session, the script asks ``echolab completion names`` which there are. It keeps to what bash 3.2 has (macOS's).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.store.errors import StoreError
from lab.store.index import sessions

_BASH = """# echolab: completion for bash
# eval "$(echolab completion bash)"
_echolab() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" words="" names=""
    case "$COMP_CWORD ${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}" in
        1\\ *) words="{commands}" ;;
{cases}
    esac
    if [ -n "$names" ]; then
        words="$words $("${{COMP_WORDS[0]}}" completion names 2>/dev/null)"
    fi
    COMPREPLY=( $(compgen -W "$words" -- "$current") )
}}
complete -o default -F _echolab echolab
"""
_ZSH = """#compdef echolab
# echolab: completion for zsh
# eval "$(echolab completion zsh)"
_echolab() {{
    local given names=""
    local -a found
    given="$((CURRENT - 1)) ${{words[2]}} ${{words[3]}}"
    case "$given" in
        1\\ *) found=({commands}) ;;
{cases}
    esac
    if [[ -n "$names" ]]; then
        found+=(${{(f)"$(${{words[1]}} completion names 2>/dev/null)"}})
    fi
    compadd -- "${{found[@]}}"
    if (( CURRENT > 2 )); then _files; fi
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit; }}
compdef _echolab echolab
"""
SHELLS = ("bash", "zsh", "fish")
NAMES = "names"


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """The completion script for one of SHELLS."""
    commands = " ".join(name for name, _ in subcommands(parser))
    if shell == "fish":
        return _fish(parser)
    quoted = _ZSH if shell == "zsh" else _BASH
    return quoted.format(commands=commands, cases="\n".join(_cases(parser, array=shell == "zsh")))


def names(captures: Path) -> Iterator[str]:
    """What may stand for a session: ``latest``, and the sessions' names. Nothing where there is no folder."""
    yield "latest"
    try:
        yield from dict.fromkeys(entry.name for entry in sessions(captures))
    except StoreError:
        return


def _cases(parser: argparse.ArgumentParser, *, array: bool) -> Iterator[str]:
    """A branch of the script for every command, and before it one for each action below it."""
    for name, sub in subcommands(parser):
        nested = dict(subcommands(sub))
        if not nested:
            yield _case(f"*\\ {name}\\ *", _options(sub), array, named=_takes_names(sub))
            continue
        yield _case(f"2\\ {name}\\ *", [*nested, *_options(sub)], array)
        for inner, one in nested.items():
            yield _case(f"*\\ {name}\\ {inner}", _options(one), array, named=_takes_names(one))


def _case(pattern: str, words: Sequence[str], array: bool, named: bool = False) -> str:
    told = " ".join(words)
    put = f"found=({told})" if array else f'words="{told}"'
    return f"        {pattern}) {put}{' names=1' if named else ''} ;;"


def _fish(parser: argparse.ArgumentParser) -> str:
    lines = ["# echolab: completion for fish", "# echolab completion fish | source"]
    for name, sub in subcommands(parser):
        lines.append(f"complete -c echolab -n __fish_use_subcommand -a {name} -d '{_plain(sub.description)}'")
        nested = dict(subcommands(sub))
        seen = f"__fish_seen_subcommand_from {name}"
        if nested:
            lines.append(
                f"complete -c echolab -f -n '{seen}; and not __fish_seen_subcommand_from {' '.join(nested)}'"
                f" -a '{' '.join(nested)}'"
            )
        lines += _fish_options(sub, seen)
        for inner, one in nested.items():
            lines += _fish_options(one, f"{seen}; and __fish_seen_subcommand_from {inner}")
    return "\n".join(lines) + "\n"


def _fish_options(parser: argparse.ArgumentParser, seen: str) -> list[str]:
    lines = []
    for option in _options(parser):
        lines.append(f"complete -c echolab -n '{seen}' -{'l' if option[1] == '-' else 's'} {option.lstrip('-')}")
    if _takes_names(parser):
        lines.append(f"complete -c echolab -n '{seen}' -a '(echolab completion names 2>/dev/null)'")
    return lines


def subcommands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its own parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [option for action in parser._actions for option in action.option_strings]


def _takes_names(parser: argparse.ArgumentParser) -> bool:
    """Whether it takes a session's name."""
    takes = {"name", "names", "client", "server"}
    return any(not action.option_strings and action.dest in takes for action in parser._actions)


def _plain(text: str | None) -> str:
    return (text or "").replace("'", "")
