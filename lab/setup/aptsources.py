"""Where this machine's packages come from: apt's own sources, in both of their notations.

Behind a school's firewall the one server that certainly works is the one the machine already uses. So the base
image and the plugins are fetched from there: the mirror's address and the key that signs it are taken from
/etc/apt, in the one-line notation (``deb [signed-by=...] http://... bookworm main``) and in deb822 (``URIs: ...``),
both described in sources.list(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.setup.runner import Runner

_OPTIONS = re.compile(r"^\[\s*(?P<options>[^\]]*)\]\s*")
_SETTING = re.compile(r'^(?P<key>\S+) "(?P<value>.*)";$')
_ETC = "/etc/apt"


@dataclass(frozen=True)
class Source:
    """One place that packages come from: addresses, releases ("suites"), parts ("components"), the key's file."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


def parse_one_line(text: str) -> list[Source]:
    """The enabled binary sources of a ``.list`` file; a line that cannot be understood is left out."""
    sources = []
    for line in text.splitlines():
        kind, *more = line.split("#", 1)[0].split(None, 1)[:2] or [""]
        if kind != "deb" or not more:
            continue
        rest = more[0]
        found = _OPTIONS.match(rest)
        options = _options(found.group("options")) if found else {}
        words = (rest[found.end() :] if found else rest).split()
        if len(words) >= 2:
            sources.append(Source((words[0],), (words[1],), tuple(words[2:]), options.get("signed-by", "")))
    return sources


def parse_deb822(text: str) -> list[Source]:
    """The enabled binary sources of a ``.sources`` file; a stanza that lacks addresses or suites is left out."""
    sources = []
    for stanza in _stanzas(text):
        if "deb" not in stanza.get("types", "").split() or stanza.get("enabled", "yes").strip().lower() in {
            "no",
            "false",
        }:
            continue
        uris, suites = stanza.get("uris", "").split(), stanza.get("suites", "").split()
        if uris and suites:
            components = tuple(stanza.get("components", "").split())
            sources.append(Source(tuple(uris), tuple(suites), components, stanza.get("signed-by", "").strip()))
    return sources


def machine_sources(runner: Runner) -> list[Source]:
    """All enabled binary sources of this machine, in apt's order."""
    sources = parse_one_line(runner.read(f"{_ETC}/sources.list") or "")
    for name in runner.names(f"{_ETC}/sources.list.d"):
        text = runner.read(f"{_ETC}/sources.list.d/{name}") or ""
        if name.endswith(".list"):
            sources += parse_one_line(text)
        elif name.endswith(".sources"):
            sources += parse_deb822(text)
    return sources


@dataclass(frozen=True)
class Mirror:
    """The Debian mirror that this machine uses, with the key that its own entry names (a file, or empty for apt's
    usual ones).

    security: the address of the security updates, or empty when the machine takes none.
    """

    uri: str
    signed_by: str = ""
    security: str = ""


def debian_mirror(sources: Sequence[Source], codename: str, runner: Runner) -> Mirror | None:
    """The mirror among a Debian machine's sources: the one that serves its own release's ``main``; None when there is
    none.
    """
    release = [s for s in sources if "main" in s.components and _serves(s, codename, runner)]
    if not release:
        return None
    chosen = release[0]
    uri = _fetchable(chosen.uris, runner)
    security = next(
        (
            _fetchable(s.uris, runner)
            for s in sources
            if f"{codename}-security" in s.suites or f"{codename}/updates" in s.suites
        ),
        None,
    )
    # A key written out in the stanza itself has several lines; apt's usual keys are the same ones for Debian.
    signed_by = chosen.signed_by if chosen.signed_by.startswith("/") else ""
    return Mirror(uri, signed_by, security or "") if uri else None


def one_line(uri: str, suite: str, signed_by: str = "", components: str = "main") -> str:
    """A line of a sources.list."""
    option = f"[signed-by={signed_by}] " if signed_by else ""
    return f"deb {option}{uri} {suite} {components}"


def _serves(source: Source, codename: str, runner: Runner) -> bool:
    named = (
        {codename, "stable", "testing", "unstable", "sid", "oldstable"} if codename else {"stable", "testing", "sid"}
    )
    return bool(named & set(source.suites)) and _fetchable(source.uris, runner) is not None


def _fetchable(uris: Iterable[str], runner: Runner) -> str | None:
    """The first address that is a web server's; ``mirror+file:`` lists (cloud images have them) are looked into."""
    for uri in uris:
        if uri.startswith(("http://", "https://")):
            return uri.rstrip("/")
        if uri.startswith("mirror+file:"):
            path = "/" + uri.removeprefix("mirror+file:").lstrip("/")
            listed = [
                line.split()[0] for line in (runner.read(path) or "").splitlines() if line.strip() and line[0] != "#"
            ]
            inner = _fetchable((u for u in listed if not u.startswith("mirror+file:")), runner)
            if inner:
                return inner
    return None


def _options(text: str) -> dict[str, str]:
    pairs = (word.partition("=") for word in text.split())
    return {key.lower(): value for key, equals, value in pairs if equals}


def _stanzas(text: str) -> list[dict[str, str]]:
    """deb822 stanzas as dictionaries, keys in small letters; a line that begins with a blank continues a value."""
    stanzas: list[dict[str, str]] = [{}]
    key = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if not line.strip():
            stanzas.append({})
            key = ""
        elif line[0] in " \t":
            if key:
                stanzas[-1][key] += "\n" + line.strip()
        else:
            name, colon, value = line.partition(":")
            key = name.strip().lower() if colon else ""
            if key:
                stanzas[-1][key] = value.strip()
    return [stanza for stanza in stanzas if stanza]


def parse_apt_config(text: str) -> dict[str, str]:
    """What ``apt-config dump`` prints, as a dictionary: ``Acquire::http::Proxy "http://...";``."""
    values = {}
    for line in text.splitlines():
        found = _SETTING.match(line.strip())
        if found:
            values[found.group("key")] = found.group("value")
    return values
