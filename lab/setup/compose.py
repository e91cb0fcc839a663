"""docker compose for this repository: always from its folder, so that its file, its .env and its relative paths are
found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.setup.errors import SetupError, last_lines
from lab.setup.runner import Limits, Result, Runner
from lab.setup.settings import Settings

_QUICK_S = 60.0
_DOWN_S = 60.0
STOP_S = 2  # every process of the lab ends at SIGTERM; this is for one that a student broke
FOLDER_LABEL = "com.docker.compose.project.working_dir"
PROJECT_LABEL = "com.docker.compose.project"
ROOT_LABEL = "echolab.root"  # on what tests start without compose: the folder that they belong to


@dataclass
class Compose:
    """Commands of compose for one project."""

    runner: Runner
    settings: Settings
    _described: Result | None = field(default=None, init=False)

    def argv(self, *words: str, all_profiles: bool = False) -> list[str]:
        """A whole command line."""
        profiles = ["--profile", "*"] if all_profiles else []
        return ["docker", "compose", "--project-name", self.settings.project, *profiles, *words]

    def run(self, *words: str, timeout_s: float = _QUICK_S, all_profiles: bool = False) -> Result:
        """Run a short command."""
        argv = self.argv(*words, all_profiles=all_profiles)
        return self.runner.run(argv, timeout_s=timeout_s, cwd=self.settings.root)

    def stream(self, words: Sequence[str], on_line: Callable[[str], None], total_s: float) -> Result:
        """Run a long command line by line."""
        return self.runner.stream(self.argv(*words), on_line, limits=Limits(total_s), cwd=self.settings.root)

    def description(self) -> Result:
        """compose.yaml with all profiles and every variable in its place, as JSON; asked for once."""
        if self._described is None:
            self._described = self.run("config", "--format", "json", all_profiles=True)
        return self._described

    def build_images(self) -> dict[str, list[str]]:
        """The images that are built for the services of all profiles, each with the services that build it."""
        done = self.description()
        if not done.ok:
            raise SetupError(
                "compose.yaml or a variable in it is wrong.", "docker compose config", log=last_lines(done.text, 5)
            )
        services = json.loads(done.out).get("services", {})
        images: dict[str, list[str]] = {}
        for name, service in services.items():
            if "build" in service:
                images.setdefault(service.get("image") or f"{self.settings.project}-{name}", []).append(name)
        return images

    def image_ids(self, images: Sequence[str]) -> dict[str, str]:
        """The ids of those images that the engine has."""
        if not images:
            return {}
        # One missing name makes the command fail, but it still prints the others; their tags tell which is which.
        done = self.runner.run(["docker", "image", "inspect", "--format", "{{.Id}} {{json .RepoTags}}", *images])
        found = {}
        for line in done.out.splitlines():
            identifier, _, tags = line.partition(" ")
            for tag in json.loads(tags or "[]") or []:
                found[tag] = identifier
                found[tag.removesuffix(":latest")] = identifier
        return {image: found[image] for image in images if image in found}

    def is_up(self) -> bool:
        """Whether any service of the project runs."""
        return bool(self.run("ps", "--quiet").out.strip())

    def logs(self, lines: int = 15) -> list[str]:
        """The last lines of every service's log."""
        return last_lines(self.run("logs", "--no-color", "--tail", str(lines)).text, 40)

    def down(self) -> Result:
        """Remove containers and networks; captures are files of the user's and stay."""
        return self.run(
            "down", "--timeout", str(STOP_S), "--remove-orphans", "--volumes", timeout_s=_DOWN_S, all_profiles=True
        )


def projects_of(runner: Runner, root: Path) -> list[str]:
    """The compose projects whose containers were started from this folder, also those of tests under other names."""
    template = f'{{{{.Label "{PROJECT_LABEL}"}}}}'
    done = runner.run(["docker", "ps", "--all", "--filter", f"label={FOLDER_LABEL}={root}", "--format", template])
    return sorted({line.strip() for line in done.out.splitlines() if line.strip()})


def remove_project(runner: Runner, project: str) -> None:
    """Remove a project's containers and networks by their labels, whatever compose file they came from."""
    _remove_labelled(runner, f"{PROJECT_LABEL}={project}")


def remove_marked(runner: Runner, root: Path) -> None:
    """Remove the containers that were started from this folder without compose, then their networks."""
    _remove_labelled(runner, f"{ROOT_LABEL}={root}")


def _remove_labelled(runner: Runner, label: str) -> None:
    chosen = f"label={label}"
    containers = runner.run(["docker", "ps", "--all", "--quiet", "--filter", chosen]).out.split()
    if containers:
        runner.run(["docker", "rm", "--force", "--volumes", *containers], timeout_s=_DOWN_S)
    networks = runner.run(["docker", "network", "ls", "--quiet", "--filter", chosen]).out.split()
    if networks:
        runner.run(["docker", "network", "rm", *networks])


def remove_idle_networks(runner: Runner) -> None:
    """Remove the networks of projects named like the lab's of which no container is left; a start that was broken off
    leaves such. Which folder they came from, a network does not tell.
    """
    template = f'{{{{.Label "{PROJECT_LABEL}"}}}}'
    listed = runner.run(["docker", "network", "ls", "--filter", f"label={PROJECT_LABEL}", "--format", template])
    for project in sorted({line.strip() for line in listed.out.splitlines() if line.startswith("echolab")}):
        label = f"label={PROJECT_LABEL}={project}"
        if not runner.run(["docker", "ps", "--all", "--quiet", "--filter", label]).out.split():
            remove_project(runner, project)
