"""The lab's variables as compose sees them: the environment, then a file .env, then the defaults written in
compose.yaml.

compose.yaml is the text of record for the defaults (``${ECHO_PORT:-8080}``); they are read from there, so that they
can't be said twice and differ. ``problems`` checks what a user may have set, before Docker turns a wrong value into
a riddle.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.setup.errors import USAGE, SetupError
from lab.setup.runner import Runner

_DEFAULT = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*):?-(?P<value>[^}]*)\}")
_PROJECT = re.compile(r"^name:\s*[\"']?(?P<name>[a-z0-9][a-z0-9_-]*)", re.MULTILINE)
_NUMBERS = {
    "ECHO_PORT": (1, 65535),
    "ECHO_MAX_LINE": (1, 2**26),
    "ECHO_FLUSH_MS": (1, 60_000),
    "ECHO_RING_MIB": (1, 1024),
    "ECHO_IDLE_S": (1, 86_400),
    "ECHO_KEEP_MIB": (0, 1 << 30),
    "ECHO_SNAPLEN": (64, 262_144),
}


@dataclass(frozen=True)
class Settings:
    """The lab's variables with their values in force, the repository's folder, and the project's name in compose."""

    root: Path
    project: str
    values: Mapping[str, str]

    def path(self, name: str) -> Path:
        """A variable that names a file or folder, as an absolute path (relative ones start at the repository)."""
        return (self.root / Path(self.values[name]).expanduser()).absolute()

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
    return Settings(root, project, values)


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


def problems(settings: Settings) -> list[SetupError]:
    """What is wrong with the values: one sentence each, with the next step."""
    values = settings.values
    found = [_language(settings, name) for name in ("SERVER", "CLIENT") if name in values]
    found += [_number(name, values[name], *span) for name, span in _NUMBERS.items() if name in values]
    found += [_net4(values["ECHO_NET4"])] if "ECHO_NET4" in values else []
    found += [_net6(values["ECHO_NET6"])] if "ECHO_NET6" in values else []
    found += [_script(settings)] if "ECHO_SCRIPT" in values else []
    return [problem for problem in found if problem is not None]


def languages(root: Path) -> list[str]:
    """The folders in images/ that hold a server and a client."""
    return sorted(p.parent.name for p in (root / "images").glob("*/Dockerfile") if _is_language(p.parent))


def _is_language(folder: Path) -> bool:
    return (folder / "Dockerfile").is_file() and any(folder.glob("[sS]erver.*")) and any(folder.glob("[cC]lient.*"))


def _language(settings: Settings, name: str) -> SetupError | None:
    value = settings.values[name]
    if re.fullmatch(r"[a-z0-9][a-z0-9._-]*", value) and _is_language(settings.root / "images" / value):
        return None
    there = languages(settings.root)
    return _wrong(
        f"{name}={value} is no language of this lab; images/ has: {', '.join(there) or 'none'}.",
        f"{name}={there[0]} make up" if there else "git status images",
    )


def _number(name: str, text: str, low: int, high: int) -> SetupError | None:
    if re.fullmatch(r"[0-9]{1,12}", text) and low <= int(text) <= high:
        return None
    return _wrong(f"{name}={text} is not a whole number from {low} to {high}.", f"unset {name} (to use the default)")


def _net4(text: str) -> SetupError | None:
    try:
        ipaddress.IPv4Network(f"{text}.0/24")
    except ValueError:
        return _wrong(
            f"ECHO_NET4={text} is not the first three numbers of an IPv4 network, such as 198.51.100.",
            "ECHO_NET4=198.51.100 make up",
        )
    return None


def _net6(text: str) -> SetupError | None:
    try:
        ipaddress.IPv6Network(f"{text}::/64")
        ipaddress.IPv6Network(f"{text}:f::/64")
    except ValueError:
        return _wrong(
            f"ECHO_NET6={text} is not the start of an IPv6 network (three groups), such as 2001:db8:7.",
            "ECHO_NET6=2001:db8:8 make up",
        )
    return None


def _script(settings: Settings) -> SetupError | None:
    path = settings.path("ECHO_SCRIPT")
    if path.is_file():
        return None
    kind = "is a folder, not a file" if path.is_dir() else "does not exist"
    return _wrong(
        f"The conversation for the client, ECHO_SCRIPT={settings.values['ECHO_SCRIPT']}, {kind}.",
        "unset ECHO_SCRIPT (to play the demo), or name a text file of lines to send",
    )


def _wrong(sentence: str, next_step: str) -> SetupError:
    return SetupError(sentence, next_step, status=USAGE)
