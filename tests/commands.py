"""Write docs/commands.md anew from the command line's own help: ``python -m tests.commands``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from unittest import mock

from lab.cli.command import parser
from lab.cli.completion import subcommands

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
TEXT = """# The command echolab

Made by `python -m tests.commands` from the command's own help. Three ways to run it, with the same words and the same
output:

```text
echolab ...                              after 'pipx install .' (or 'pip install .') in the lab's folder
python3 -m lab ...                       in the lab's folder, with nothing installed
docker compose run --rm lab ...          with nothing but Docker (-T where its output goes into a file or a pipe)
```

A session is named `latest`, by its number, by its name's beginning, or by its run and name; or name any pcap or pcapng
file. Exit status: 0 done, 1 it could not be done, 2 asked wrongly. `eval "$(echolab completion bash)"` completes words.

"""


def page() -> str:
    """The page."""
    with mock.patch.dict(os.environ, {"COLUMNS": "90"}):
        found = [TEXT + "```text\n" + parser().format_help() + "```\n"]
        for name, sub in subcommands(parser()):
            if name != "conformance":  # it has a page of its own, docs/conformance.md
                found += [f"## {name}\n\n```text\n{sub.format_help()}```\n"]
                found += [nested(f"{name} {inner}", one) for inner, one in subcommands(sub)]
    return "\n".join(found)


def nested(name: str, sub: argparse.ArgumentParser) -> str:
    """A command below a command."""
    return f"### {name}\n\n```text\n{sub.format_help()}```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
