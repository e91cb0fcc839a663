"""What each variable of compose.yaml may be: one table, and the sentence for a value that it may not be.

Docker turns a wrong value into a riddle ("invalid argument", a container that is unhealthy). So ``make up`` and ``make
check`` look at them first. The limits are those that the programs themselves hold (images/CONTRACT.md, the tap's
settings): with plain ``docker compose up`` it is their sentence that is read in the log. A name that is nearly one of
ours is a slip of the pen and told as well.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.setup.engine import is_remote
from lab.setup.errors import USAGE, SetupError
from lab.setup.runner import Runner
from lab.setup.settings import Settings

Rule = Callable[[Settings, Runner, str], SetupError | None]
# Variables that only parts of the lab know, not compose.yaml.
ELSEWHERE = {"ECHO_DEBIAN_MIRROR", "ECHO_ENGINE_RECORD", "ECHO_SETUP_REGROUPED", "ECHO_STUDENT", "ECHO_WIRE"}
_NEAR = 0.8  # of difflib's ratio: one letter wrong, missing or in another's place
_CONGESTION = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"
# Ranges that nobody on the internet has: private (RFC 1918, 6598, 4193), for documentation (RFC 5737, 3849, 9637)
# or for benchmarks (RFC 2544).
_OURS4 = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"),
    *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
)
_OURS6 = ("fc00::/7", "2001:db8::/32", "3fff::/20")


def problems(settings: Settings, runner: Runner) -> list[SetupError]:
    """What is wrong with the values and names: one sentence each, with the next step."""
    found = [RULES[name](settings, runner, name) for name in settings.values if name in RULES and settings.values[name]]
    return [problem for problem in [*found, *_near_misses(settings)] if problem is not None]


def languages(root: Path) -> list[str]:
    """The folders in images/ that hold a server and a client."""
    return sorted(p.parent.name for p in (root / "images").glob("*/Dockerfile") if _is_language(p.parent))


def _number(low: int, high: int) -> Rule:
    def rule(settings: Settings, _runner: Runner, name: str) -> SetupError | None:
        text = settings.values[name]
        if re.fullmatch(r"[0-9]{1,12}", text) and low <= int(text) <= high:
            return None
        return _wrong(f"{name}={text} is not a whole number from {low} to {high}.", _to_default(name))

    return rule


def _one_of(*choices: str) -> Rule:
    def rule(settings: Settings, _runner: Runner, name: str) -> SetupError | None:
        text = settings.values[name]
        if text in choices:
            return None
        near = difflib.get_close_matches(text.lower(), choices, 1)
        next_step = f"{name}={near[0]} make up" if near else _to_default(name)
        return _wrong(f"{name}={text} is none of {', '.join(choices)}.", next_step)

    return rule


def _anything(_settings: Settings, _runner: Runner, _name: str) -> None:
    """A secret may be anything; whether a folder is good is asked by those who use it."""


def _is_language(folder: Path) -> bool:
    return (folder / "Dockerfile").is_file() and any(folder.glob("[sS]erver.*")) and any(folder.glob("[cC]lient.*"))


def _language(settings: Settings, _runner: Runner, name: str) -> SetupError | None:
    value = settings.values[name]
    if re.fullmatch(r"[a-z0-9][a-z0-9._-]*", value) and _is_language(settings.root / "images" / value):
        return None
    there = languages(settings.root)
    near = difflib.get_close_matches(value.lower(), there, 1) or there
    return _wrong(
        f"{name}={value} is no language of this lab; images/ has: {', '.join(there) or 'none'}.",
        f"{name}={near[0]} make up" if near else "git status images",
    )


def _net4(settings: Settings, _runner: Runner, name: str) -> SetupError | None:
    text = settings.values[name]
    try:
        network = ipaddress.IPv4Network(f"{text}.0/24")
    except ValueError:
        return _wrong(
            f"{name}={text} is not the first three numbers of an IPv4 network, such as 198.51.100.",
            f"{name}=198.51.100 make up",
        )
    return None if _within(network, _OURS4) else _not_ours(name, text, f"{name}=203.0.113 make up")


def _net6(settings: Settings, _runner: Runner, name: str) -> SetupError | None:
    text = settings.values[name]
    try:
        networks = [ipaddress.IPv6Network(f"{text}::/64"), ipaddress.IPv6Network(f"{text}:f::/64")]
    except ValueError:
        return _wrong(
            f"{name}={text} is not the start of an IPv6 network (three groups), such as 2001:db8:7.",
            f"{name}=2001:db8:8 make up",
        )
    ours = all(_within(network, _OURS6) for network in networks)
    return None if ours else _not_ours(name, text, f"{name}=2001:db8:8 make up")


def _within(network: ipaddress.IPv4Network | ipaddress.IPv6Network, ranges: Sequence[str]) -> bool:
    return any(network[0] in ipaddress.ip_network(one) and network[-1] in ipaddress.ip_network(one) for one in ranges)


def _not_ours(name: str, text: str, next_step: str) -> SetupError:
    return _wrong(
        f"{name}={text} is of a range that belongs to others or has a meaning of its own (multicast, loopback);"
        " the lab takes private ranges and those for documentation.",
        next_step,
    )


def _host(settings: Settings, runner: Runner, name: str) -> SetupError | None:
    """The names that stand in every /etc/hosts of the lab, or an address."""
    try:
        ipaddress.ip_address(settings.values[name])
    except ValueError:
        return _one_of("server", "server6", "gate", "gate6")(settings, runner, name)
    return None


def _script(settings: Settings, _runner: Runner, name: str) -> SetupError | None:
    path = settings.path(name)
    if path.is_file():
        return None
    kind = "is a folder, not a file" if path.is_dir() else "does not exist"
    return _wrong(
        f"The conversation for the client, {name}={settings.values[name]}, {kind}.",
        f"unset {name} (to play the demo), or name a text file of lines to send",
    )


def _congestion(settings: Settings, runner: Runner, name: str) -> SetupError | None:
    """Containers may set only what the kernel allows everybody; an engine elsewhere has a kernel that we can't ask."""
    text = settings.values[name]
    allowed = [] if is_remote(runner) else (runner.read(_CONGESTION) or "").split()
    if text in allowed or (not allowed and re.fullmatch(r"[a-z0-9_]{1,15}", text)):
        return None
    which = f"this kernel lets containers use: {', '.join(allowed)}" if allowed else "for example reno"
    return _wrong(f"{name}={text} is no congestion control that can be used here; {which}.", f"{name}=reno make up")


def _near_misses(settings: Settings) -> list[SetupError]:
    """Names that nobody knows and that are nearly one of the lab's."""
    found = []
    for name in sorted(settings.unknown):
        near = [] if name in ELSEWHERE else difflib.get_close_matches(name, [*settings.values, *ELSEWHERE], 1, _NEAR)
        if near:
            found.append(
                _wrong(
                    f"{name} is no variable of the lab; did you mean {near[0]}?",
                    f"unset {name}, set {near[0]}, make up",
                )
            )
    return found


def _to_default(name: str) -> str:
    return f"unset {name} (to use the default)"


def _wrong(sentence: str, next_step: str) -> SetupError:
    return SetupError(sentence, next_step, status=USAGE)


# tests/unit/setup/test_variables.py holds it against compose.yaml's header, the tap's own limits and the contract's.
RULES: dict[str, Rule] = {
    "SERVER": _language,
    "CLIENT": _language,
    "ECHO_PORT": _number(1, 65535),
    "ECHO_NET4": _net4,
    "ECHO_NET6": _net6,
    "ECHO_CAPTURES": _anything,
    "ECHO_WORK": _anything,
    "ECHO_SCRIPT": _script,
    "ECHO_HOST": _host,
    "ECHO_MAX_LINE": _number(1, 2**26),
    "ECHO_FLUSH_MS": _number(1, 60_000),
    "ECHO_TIMEOUT_S": _number(1, 3600),
    "ECHO_LOG": _one_of("connections", "messages"),
    "ECHO_RING_MIB": _number(1, 1024),
    "ECHO_IDLE_S": _number(1, 7 * 86_400),
    "ECHO_KEEP_MIB": _number(0, 1 << 30),
    "ECHO_SNAPLEN": _number(64, 65_535),
    "ECHO_LADDER": _one_of("on", "off"),
    "ECHO_KEY": _anything,
    "ECHO_TCP_CC": _congestion,
    "ECHO_SYN_COOKIES": _one_of("0", "1", "2"),
}
