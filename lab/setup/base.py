"""The base image ``debian:trixie-slim``: used if it is there, pulled if a registry answers, else made from the
machine's mirror.

Every image of the lab begins with ``FROM debian:trixie-slim``. In many classrooms no registry can be reached, or
TLS is intercepted so that Docker trusts nobody; a Debian mirror is always there, because the machine installs its
own packages from it. mmdebstrap makes the same small system from it (packages are checked by their signatures, not
by TLS), and ``docker import`` gives it the same name, so that the Dockerfiles don't know the difference.
"""

from __future__ import annotations

import dataclasses
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from lab.setup import keyring
from lab.setup.advice import no_root
from lab.setup.apt import kept_settings, proxies
from lab.setup.aptsources import Mirror, debian_mirror, machine_sources, one_line
from lab.setup.engine import Docker
from lab.setup.errors import USAGE, SetupError, last_lines
from lab.setup.install import Setup
from lab.setup.runner import Limits

IMAGE = "debian:trixie-slim"
RELEASE = "trixie"
MIRROR_VARIABLE = "ECHO_DEBIAN_MIRROR"
_ANSWER_S = 15.0  # a registry that has not said a word by then is taken for unreachable
_SILENT_S = 30.0  # nor is one waited for that has begun and goes on no more
_PULL_S = 300.0
_MAKE_S = 900.0
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # a terminal's commands: cursor up, erase the line
# What the official slim image leaves out as well: documents, manuals, other languages. Copyright files stay.
_SLIM = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
    "path-exclude=/usr/share/man/*",
)


@dataclass(frozen=True)
class Recipe:
    """How to make the image: apt's source lines (() for mmdebstrap's own), the engine's architecture, settings for apt
    in it, a file with keys ('' for those of the machine).
    """

    architecture: str
    sources: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    https: bool = False
    keyring: str = ""

    def command(self, target: Path, *, updates: bool = True) -> list[str]:
        """mmdebstrap's command line that writes the image's files to a tar archive.

        updates: False leaves out the updates and security lines, for a mirror that lacks them.
        """
        sources = self.sources if updates else self.sources[:1]
        command = ["mmdebstrap", "--variant=minbase", f"--architectures={self.architecture}"]
        command += [f"--keyring={self.keyring}"] if self.keyring else []
        command += [f"--dpkgopt={option}" for option in _SLIM]
        command += [
            f'--aptopt={key} "{value}"' for key, value in {**self.settings, "Acquire::Languages": "none"}.items()
        ]
        if self.https:
            # apt in `docker build` must trust what this machine trusts, a school's own certificate included.
            command += ["--include=ca-certificates", f"--customize-hook=copy-in {_CERTIFICATES} /etc/ssl/certs"]
        # Package lists and logs are of today only; they would be 30 MB in every image.
        command += ['--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/log/apt "$1"/var/log/*.log']
        return [*command, RELEASE, str(target), *sources]  # not --quiet: that hides apt's reasons too


def ensure_base(setup: Setup, docker: Docker) -> None:
    """Make sure that the base image is there; raises SetupError when it can be neither pulled nor made."""
    if present(setup):
        return
    if _pull(setup):
        return
    make(setup, recipe(setup, docker))


def present(setup: Setup, image: str = IMAGE) -> bool:
    """Whether the engine has this image."""
    return setup.runner.run(["docker", "image", "inspect", "--format", "{{.Id}}", image]).ok


def _pull(setup: Setup) -> bool:
    """Ask the registry; False as soon as it is clear that none answers."""
    with setup.console.step(f"pulling the base image {IMAGE}") as step:
        limits = Limits(_PULL_S, first_line_s=_ANSWER_S, silent_s=_SILENT_S)
        # With a terminal docker shows how far each layer is; without one it is silent for as long as a layer takes.
        done = setup.runner.stream(["docker", "pull", IMAGE], lambda _line: None, limits=limits, terminal=True)
        if not done.ok:
            step.fail(f"no registry gave {IMAGE} ({_short(done.text)})")
    return done.ok


def recipe(setup: Setup, docker: Docker) -> Recipe:
    """Decide from where and for what the image is made."""
    system = setup.system
    if not system.has_apt:
        raise SetupError(
            f"The base image {IMAGE} is missing, no registry answers, and it can be made on Debian or Ubuntu only.",
            f"docker pull {IMAGE} (where there is a network), or docker save/load it from another machine",
        )
    own = setup.runner.run(["dpkg", "--print-architecture"]).out.strip()
    if docker.architecture and own and docker.architecture != own:
        raise SetupError(
            f"The engine is {docker.architecture} and this machine {own}, so the base image cannot be made here.",
            f"docker pull {IMAGE} (where there is a network), or docker save/load it from another machine",
        )
    mirror = chosen_mirror(setup)
    # Debian trusts its own keys; on Ubuntu mmdebstrap finds out which to take only where gpg is installed.
    keys = "" if system.kind == "debian" else f"/{keyring.FILE}"
    if mirror is None:
        return Recipe(own, (), kept_settings(setup.runner), keyring=keys)
    lines = [one_line(mirror.uri, suite) for suite in (RELEASE, f"{RELEASE}-updates")]
    if mirror.security:
        lines.append(one_line(mirror.security, f"{RELEASE}-security"))
    https = any(" https://" in line for line in lines)
    return Recipe(own, tuple(lines), kept_settings(setup.runner), https, keys)


def chosen_mirror(setup: Setup) -> Mirror | None:
    """ECHO_DEBIAN_MIRROR, else the machine's own Debian mirror; None where only mmdebstrap's default is left."""
    named = setup.runner.env.get(MIRROR_VARIABLE, "")
    if named and not named.startswith(("http://", "https://")):
        raise SetupError(
            f"{MIRROR_VARIABLE}={named} is not the address of a Debian mirror.",
            f"{MIRROR_VARIABLE}=http://... make up",
            status=USAGE,
        )
    if named:
        return Mirror(named.rstrip("/"))
    if setup.system.kind == "debian":
        return debian_mirror(machine_sources(setup.runner), setup.system.codename, setup.runner)
    return None


def make(setup: Setup, how: Recipe, image: str = IMAGE) -> None:
    """Bootstrap the image's files with mmdebstrap and import them under a name."""
    _tools(setup)
    where = how.sources[0].split()[1] if how.sources else "Debian"
    setup.console.doing(f"making {image} from {where}", "no registry can be reached, a package mirror can")
    with tempfile.TemporaryDirectory(prefix="echolab-base-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        archive = folder / "base.tar"
        output = _bootstrap(setup, how, archive)
        lines = how.sources or _refused(output)
        if not _has_content(archive) and keyring.are_too_old(output) and lines:
            fetched = keyring.fetch_keyring(setup, lines[0].split()[1], folder / "keys")
            output = _bootstrap(setup, dataclasses.replace(how, sources=lines, keyring=str(fetched)), archive)
        if not _has_content(archive):
            raise SetupError(
                f"mmdebstrap could not make the base image from {where}.",
                f"{MIRROR_VARIABLE}=<address of a Debian mirror that answers> make up",
                log=last_lines(output, 8),
            )
        with setup.console.step(f"importing it as {image}"):
            changes = (
                'CMD ["bash"]',
                "LABEL org.opencontainers.image.title=debian:trixie-slim",
                "LABEL org.opencontainers.image.description=Made_by_mmdebstrap_for_the_Echo_Lab",
            )
            words = [word for change in changes for word in ("--change", change)]
            done = setup.runner.run(["docker", "import", *words, str(archive), image], timeout_s=300)
    if not done.ok:
        raise SetupError(f"docker could not import {image}.", "docker info", log=last_lines(done.text, 5))


def _refused(output: str) -> tuple[str, ...]:
    """The sources that apt found no key for: the ones that mmdebstrap takes where it is given none."""
    found = dict.fromkeys(re.findall(rf"GPG error: (\S+) ({RELEASE}\S*) InRelease", output))
    return tuple(one_line(uri, suite) for uri, suite in sorted(found, key=lambda pair: pair[1]))  # the release first


def _has_content(archive: Path) -> bool:
    return archive.exists() and archive.stat().st_size > 0


def _bootstrap(setup: Setup, how: Recipe, archive: Path) -> str:
    """Run mmdebstrap, a second time without the updates if the mirror lacks them. Returns what it said."""
    variables = [f"{key}={value}" for key, value in proxies(setup.runner).items()]
    output = ""
    for updates in (True, False):
        command = ["env", *variables, *how.command(archive, updates=updates)]
        # Root makes the files directly. Without root mmdebstrap uses a user namespace ("unshare" mode).
        prefix = setup.privilege.prefix() or []
        with setup.console.step(f"mmdebstrap {RELEASE} ({how.architecture})") as step:
            done = setup.runner.stream([*prefix, *command], lambda _line: None, limits=Limits(_MAKE_S))
            if not done.ok:
                step.fail("mmdebstrap gave up")
        output = done.text
        if done.ok:
            if prefix:
                setup.privilege.run(["chmod", "0644", str(archive)])
            return output
        archive.unlink(missing_ok=True)
        if not how.sources or keyring.are_too_old(output):
            break
    return output


def _tools(setup: Setup) -> None:
    """mmdebstrap and Debian's keys (Ubuntu has others of its own)."""
    missing = [] if setup.runner.which("mmdebstrap") else ["mmdebstrap"]
    if not setup.runner.exists(f"/{keyring.FILE}"):
        missing.append(keyring.PACKAGE)
    if not missing:
        return
    if not setup.privilege.available:
        raise no_root(f"{' and '.join(missing)} must be installed to make the base image", missing)
    setup.apt.install(missing, "they make the base image from Debian's packages")


def build_arguments(setup: Setup) -> list[str]:
    """Options for ``docker compose build`` that pass this machine's proxies on to apt in the images."""
    return [word for key, value in proxies(setup.runner).items() for word in ("--build-arg", f"{key}={value}")]


def _short(text: str) -> str:
    """The end of docker's last line: the reason, without the address that comes before it."""
    lines = last_lines(_CONTROL.sub("", text), 1)
    return lines[0].rsplit(": ", 1)[-1][:60] if lines else "no answer"
