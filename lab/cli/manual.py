"""The help as a small manual page: synopsis, arguments, options, examples, exit status, environment.

It is laid out here and not by argparse, whose layout changes from one Python to the next: so the page docs/commands.md
is the same wherever it is made, and a test compares the whole of it.
"""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Iterator, Sequence

_INDENT = 7
_FIRST = 24
_EXIT = "0 done, 1 it could not be done, 2 asked wrongly."
_EXITS = {
    "verify": "0 all genuine; 1 one was edited, signed with another key or cannot be read; 2 asked wrongly; 3 one is"
    " unsigned, or there is no key to check it with.",
    "exercise": "0 done (of check: passed), 1 not (yet), 2 asked wrongly.",
}
_CAPTURES = ("ECHO_CAPTURES", "the folder of the captures, if --captures names none (default: ./captures)")
_COLOUR = ("NO_COLOR", "set to anything: no colour")
_KEY = ("ECHO_KEY", "the key that captures and results are signed with")
_ENVIRONMENT: dict[str, tuple[tuple[str, str], ...]] = {
    **dict.fromkeys(("show", "ladder", "explain", "follow", "compare"), (_CAPTURES, _COLOUR)),
    **dict.fromkeys(("report", "stats", "open", "sessions", "prune", "live", "completion"), (_CAPTURES,)),
    "verify": (_CAPTURES, _KEY),
    "grade": (_KEY,),
    **dict.fromkeys(("exercise", "learn", "pack"), (("ECHO_WORK", "the folder of your work (default: ./work)"),)),
}
_EXAMPLES = {
    "show": ("show", "show 12", "show --json --no-frames latest", "show dump.pcap --session 3"),
    "ladder": ("ladder", "ladder --explain --raw 3", "ladder --to-scale --width 120", "ladder --svg > ladder.svg"),
    "report": ("report", "report 3 -o three.html", "report latest -o - > latest.html", "report --plots plots"),
    "explain": ("explain 4", "explain 4 dump.pcap"),
    "follow": ("follow", "follow --raw server > answers.txt"),
    "stats": ("stats huge.pcapng", "stats --json a.pcap b.pcap"),
    "open": ("open", "open 12"),
    "compare": (
        "compare",
        "compare --svg client.pcapng server.pcapng > both.svg",
        "compare --log wire.jsonl --html > both.html",
    ),
    "live": ("live | wireshark -k -i -",),
    "sessions": ("sessions --run latest", "sessions --verdict reset --sort duration --reverse", "sessions --text quit"),
    "prune": ("prune --keep 100 --dry-run", "prune --max-mib 500"),
    "verify": ("verify latest", "verify --json 1 2 3"),
    "learn": ("learn",),
    "exercise": ("exercise list", "exercise start 1", "exercise check 1"),
    "pack": ("pack",),
    "wire": ("wire scenarios", "wire show", "wire log > wire.jsonl"),
    "grade": ("grade handed-in.zip", "grade --csv class.csv --html class.html submissions"),
    "completion": ('eval "$(echolab completion bash)"', "completion fish | source"),
}


class Parser(argparse.ArgumentParser):
    """A parser whose help is laid out here."""

    def format_help(self) -> str:
        """The whole page."""
        return manual(self)


def manual(parser: argparse.ArgumentParser, width: int | None = None) -> str:
    """The manual page of one command. width: in columns; None: as wide as the terminal, at most 100."""
    width = width or max(60, min(100, shutil.get_terminal_size((80, 24)).columns))
    command = parser.prog.partition(" ")[2].partition(" ")[0]
    blocks = [_synopsis(parser, width)]
    if parser.description:
        blocks.append(textwrap.wrap(parser.description, width))
    below = [one for action in parser._actions if isinstance(action, argparse._SubParsersAction)
             for one in _below(action, width)]  # fmt: skip
    blocks.append(_titled("commands" if parser.prog == "echolab" else "actions", below))
    places = [action for action in parser._actions if not action.option_strings]
    named = [(str(action.metavar or action.dest), _help(action, parser)) for action in places
             if not isinstance(action, argparse._SubParsersAction)]  # fmt: skip
    blocks.append(_titled("arguments", _rows(named, width)))
    options = [(_spelled(action), _help(action, parser)) for action in parser._actions if action.option_strings]
    blocks.append(_titled("options", _rows(options, width)))
    if parser.prog.count(" ") == 1:
        blocks.append(_titled("examples", [" " * _INDENT + _typed(one) for one in _EXAMPLES.get(command, ())]))
    blocks.append(_titled("exit status", _paragraph(_EXITS.get(command, _EXIT), width)))
    blocks.append(_titled("environment", _rows(_ENVIRONMENT.get(command, ()), width)))
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _synopsis(parser: argparse.ArgumentParser, width: int) -> list[str]:
    words = [f"usage: {parser.prog}"]
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        words.append(_synopsis_word(action))
    lines = [words[0]]
    indent = " " * min(len(words[0]) + 1, 24)
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) > width:
            lines.append(indent + word)
        else:
            lines[-1] += " " + word
    return lines


def _synopsis_word(action: argparse.Action) -> str:
    if isinstance(action, argparse._SubParsersAction):
        return f"{action.metavar or 'ACTION'} ..."
    if not action.option_strings:
        word = str(action.metavar or action.dest)
        word = "{" + ",".join(map(str, action.choices)) + "}" if action.choices and not action.metavar else word
        return {"?": f"[{word}]", "*": f"[{word} ...]", "+": f"{word} [{word} ...]"}.get(str(action.nargs), word)
    told = action.option_strings[0] + (f" {_value(action)}" if action.nargs != 0 else "")
    return told if action.required else f"[{told}]"


def _value(action: argparse.Action) -> str:
    if action.metavar is not None:
        return str(action.metavar)
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper()


def _spelled(action: argparse.Action) -> str:
    return ", ".join(action.option_strings) + (f" {_value(action)}" if action.nargs != 0 else "")


def _help(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    if isinstance(action, argparse._HelpAction):
        return "this page"
    words = {**vars(action), "prog": parser.prog}
    told = (action.help or "") % words if action.help else ""
    if action.choices and not action.option_strings:
        told = f"{told + ': ' if told else ''}one of {', '.join(map(str, action.choices))}"
    return told


def _below(action: argparse._SubParsersAction[argparse.ArgumentParser], width: int) -> list[str]:
    helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
    return _rows([(name, helps.get(name, "")) for name in action.choices], width)


def _rows(rows: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Words to the left, what they mean to the right, on the next line where the words are long."""
    return [line for head, told in rows for line in _row(head, told, width)]


def _row(head: str, told: str, width: int) -> Iterator[str]:
    start = " " * _INDENT + head
    lines = textwrap.wrap(told, width - _FIRST) or [""]
    if len(start) > _FIRST - 2:
        yield start
    else:
        yield (start.ljust(_FIRST) + lines.pop(0)).rstrip()
    yield from (" " * _FIRST + line for line in lines if line)


def _paragraph(text: str, width: int) -> list[str]:
    return [" " * _INDENT + line for line in textwrap.wrap(text, width - _INDENT)]


def _typed(words: str) -> str:
    return words if "echolab" in words else f"echolab {words}"


def _titled(title: str, lines: Sequence[str]) -> list[str]:
    return [f"{title}:", *lines] if lines else []
