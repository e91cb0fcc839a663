"""The lab's variables as compose sees them: the environment, then a file .env, then the defaults written in
compose.yaml.

compose.yaml is the text of record for the defaults (``${ECHO_PORT:-8080}``); they are read from there, so that they
can't be said twice and differ. What each may be is in variables.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.setup.errors import SetupError
from lab.setup.runner import Runner

_DEFAULT = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*):?-(?P<value>[^}]*)\}")
_PROJECT = re.compile(r"^name:\s*[\"']?(?P<name>[a-z0-9][a-z0-9_-]*)", re.MULTILINE)


def at_home(path: str) -> Path:
    """A path whose ``~`` at the start stands for a home folder; one of nobody's home is taken as it is written."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


@dataclass(frozen=True)
class Settings:
    """The lab's variables with their values in force, the repository's folder, and the project's name in compose.

    unknown: what was given under names that begin like the lab's and that compose.yaml does not use.
    """

    root: Path
    project: str
    values: Mapping[str, str]
    unknown: Mapping[str, str] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """A variable that names a file or folder, as an absolute path (relative ones start at the repository).

        A ``~`` at its start stands for the home folder, as in compose.
        """
        return (self.root / at_home(self.values[name])).absolute()

    @property
    def port(self) -> int:
        """The port on 127.0.0.1; 0 when it is not a number."""
        text = self.values.get("ECHO_PORT", "")
        return int(text) if text.isdecimal() and len(text) < 9 else 0


def load(runner: Runner, root: Path) -> Settings:
    """Read the variables for the repository in a folder."""
    compose = runner.read(str(root / "compose.yaml"))
    if compose is None:
        raise SetupError(f"There is no compose.yaml in {root}.", "change to the repository's folder first")
    values = {found.group("name"): found.group("value") for found in _DEFAULT.finditer(compose)}
    given = {**parse_env_file(runner.read(str(root / ".env")) or ""), **runner.env}
    # ${NAME:-default}: an empty value counts as unset, as in compose.
    values.update({name: given[name] for name in values if given.get(name)})
    named = _PROJECT.search(compose)
    project = given.get("COMPOSE_PROJECT_NAME") or (named.group("name") if named else root.name.lower())
    unknown = {name: value for name, value in given.items() if name.startswith("ECHO") and name not in values}
    return Settings(root, project, values, unknown)


def parse_env_file(text: str) -> dict[str, str]:
    """The assignments of a .env file; quotes around a value are taken off."""
    values = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            else:
                value = value.split(" #", 1)[0].rstrip()
            values[name.strip()] = value
    return values
