"""``make down`` and the clean-ups: the lab is gone, the captures stay.

``down`` takes away this project. ``down_everything``, for the end of a test run, takes away every compose project
that was started from this folder, whatever its name, the containers that its tests started without compose (they carry
a label), and the networks that a project left which has no container any more.
"""

from __future__ import annotations

from lab.setup.compose import Compose, projects_of, remove_idle_networks, remove_marked, remove_project
from lab.setup.engine import State, probe
from lab.setup.errors import SetupError, last_lines
from lab.setup.images import STATE
from lab.setup.install import Setup, look
from lab.setup.settings import Settings


def down(setup: Setup, settings: Settings) -> None:
    """Remove the project's containers and networks."""
    state = probe(setup.runner, setup.system).state
    if state in {State.NO_PROGRAM, State.NO_ENGINE, State.STOPPED}:
        setup.console.ok("no engine runs here, so no lab does")
        return
    look(setup)
    with setup.console.step("the lab is down") as step:
        done = Compose(setup.runner, settings).down()
        step.result = f"the lab is down; the captures stay in {settings.path('ECHO_CAPTURES')}"
        if not done.ok:
            step.fail("docker compose down gave up")
    if not done.ok:
        raise SetupError("The lab could not be taken down.", "docker compose down", log=last_lines(done.text, 8))


def down_everything(setup: Setup, settings: Settings) -> None:
    """Remove every project that was started from this repository's folder."""
    if probe(setup.runner, setup.system).state is not State.ANSWERS:
        return
    remove_marked(setup.runner, settings.root)
    for project in sorted({settings.project, *projects_of(setup.runner, settings.root)}):
        remove_project(setup.runner, project)
    remove_idle_networks(setup.runner)
    setup.console.ok("every lab of this folder is down")


def clean_images(setup: Setup, settings: Settings) -> None:
    """Remove the lab's images (not the base image, which takes longest to get) and the memory of having built them."""
    look(setup)
    compose = Compose(setup.runner, settings)
    compose.down()
    listed = setup.runner.run(
        ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=echolab/*"]
    )
    names = sorted({*compose.image_ids(list(compose.build_images())), *listed.out.split()})
    if not names:
        setup.console.ok("there is no image of the lab")
        return
    done = setup.runner.run(["docker", "image", "rm", *names], timeout_s=120)
    (settings.root / STATE / "images.json").unlink(missing_ok=True)
    if not done.ok:
        raise SetupError("Not every image could be removed.", "docker ps --all", log=last_lines(done.err, 5))
    setup.console.ok(f"removed {len(names)} images; make up builds them again")
