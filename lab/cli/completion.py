"""Completion for shells: ``echolab completion bash`` prints a script that knows every command and option.

The script is made from the command line's own description, so it cannot name what is not there.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

_BASH = """# echolab: completion for bash (and for zsh, behind 'autoload -U bashcompinit && bashcompinit')
# eval "$(echolab completion bash)"
_echolab() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands}"
    else
        case "${{COMP_WORDS[1]}}" in
{cases}
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o default -F _echolab echolab
"""
SHELLS = ("bash", "zsh", "fish")


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """The completion script for one of SHELLS."""
    commands = dict(subcommands(parser))
    if shell == "fish":
        lines = ["# echolab: completion for fish; echolab completion fish | source"]
        for name, sub in commands.items():
            lines.append(f"complete -c echolab -n __fish_use_subcommand -a {name} -d '{_plain(sub.description)}'")
            for option in _options(sub):
                lines.append(
                    f"complete -c echolab -n '__fish_seen_subcommand_from {name}' -{'l' if option[1] == '-' else 's'}"
                    f" {option.lstrip('-')}"
                )
        return "\n".join(lines) + "\n"
    cases = "\n".join(
        f'            {name}) words="{" ".join([*_options(sub), *_choices(sub)])}" ;;' for name, sub in commands.items()
    )
    text = _BASH.format(commands=" ".join(commands), cases=cases)
    return f"autoload -U bashcompinit && bashcompinit\n{text}" if shell == "zsh" else text


def subcommands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its own parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [option for action in parser._actions for option in action.option_strings]


def _choices(parser: argparse.ArgumentParser) -> list[str]:
    """The words that may stand without an option: those of a nested command, or the usual name."""
    nested = [name for name, _ in subcommands(parser)]
    named = any(action.dest in ("name", "names") for action in parser._actions)
    return nested or (["latest"] if named else [])


def _plain(text: str | None) -> str:
    return (text or "").replace("'", "")
