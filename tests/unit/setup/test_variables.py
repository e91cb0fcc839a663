"""What is said of a wrong value, for every variable of compose.yaml, with the limits that the programs hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lab.capture import settings as tap
from lab.capture.errors import TapError
from lab.setup.errors import USAGE
from lab.setup.runner import Runner
from lab.setup.settings import Settings, load
from lab.setup.variables import ELSEWHERE, RULES, problems
from tests.test_compose import DOCUMENTED
from tests.unit.setup.machines import FakeRunner

ROOT = Path(__file__).resolve().parents[3]
GOOD = load(Runner({}), ROOT).values
KERNEL = {"/proc/sys/net/ipv4/tcp_allowed_congestion_control": "reno bbr\n"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with two languages, a folder that is none, and a script."""
    for name in ("c", "python", "host"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "Dockerfile").touch()
    for file in ("c/server.c", "c/client.c", "python/server.py", "python/client.py", "base/demo.txt"):
        (tmp_path / "images" / file).parent.mkdir(exist_ok=True)
        (tmp_path / "images" / file).touch()
    return tmp_path


def told(root: Path, env: dict[str, str] | None = None, **values: str) -> list[str]:
    found = problems(Settings(root, "echolab", {**GOOD, **values}), FakeRunner(files=KERNEL, env=env))
    assert all(problem.next_step and problem.status == USAGE for problem in found)
    return [problem.sentence for problem in found]


def test_every_documented_variable_has_a_rule_and_no_rule_is_for_another() -> None:
    assert set(RULES) == set(DOCUMENTED)


def test_every_variable_that_the_code_reads_is_known() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "lab").rglob("*.py"))
    read = set(re.findall(r"""environ(?:\.get\(|\[)"(ECHO_[A-Z0-9_]+)""", text))
    assert "ECHO_WIRE" in read
    assert read <= set(RULES) | ELSEWHERE


def test_good_values_have_no_problem(root: Path) -> None:
    assert told(root) == []
    assert told(root, ECHO_NET4="10.1.2", ECHO_NET6="fd00:1:2", ECHO_HOST="server6", ECHO_TCP_CC="bbr") == []
    assert told(root, ECHO_HOST="198.51.100.10", ECHO_KEY="any thing", ECHO_SYN_COOKIES="2", ECHO_LOG="messages") == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SERVER", "klingon", "images/ has: c, python"),
        ("CLIENT", "../etc", "images/ has: c, python"),
        ("SERVER", "host", "SERVER=host is no language"),
        ("ECHO_PORT", "0", "from 1 to 65535"),
        ("ECHO_PORT", "65536", "from 1 to 65535"),
        ("ECHO_PORT", "-1", "from 1 to 65535"),
        ("ECHO_PORT", "http", "from 1 to 65535"),
        ("ECHO_PORT", "８０", "from 1 to 65535"),
        ("ECHO_NET4", "192.0.2.0", "first three numbers"),
        ("ECHO_NET4", "192.0", "first three numbers"),
        ("ECHO_NET4", "192.0.256", "first three numbers"),
        ("ECHO_NET4", "224.0.0", "belongs to others"),
        ("ECHO_NET4", "127.0.0", "belongs to others"),
        ("ECHO_NET4", "0.0.0", "belongs to others"),
        ("ECHO_NET4", "169.254.7", "belongs to others"),
        ("ECHO_NET4", "198.20.0", "belongs to others"),
        ("ECHO_NET6", "2001:db8:7::", "start of an IPv6 network"),
        ("ECHO_NET6", "2001:db8:7:1:2:3:4", "start of an IPv6 network"),
        ("ECHO_NET6", "x", "start of an IPv6 network"),
        ("ECHO_NET6", "ff02:0:0", "belongs to others"),
        ("ECHO_NET6", "fe80:0:0", "belongs to others"),
        ("ECHO_NET6", "2600:1:2", "belongs to others"),
        ("ECHO_SCRIPT", "nowhere.txt", "does not exist"),
        ("ECHO_SCRIPT", "images", "is a folder"),
        ("ECHO_HOST", "sever", "none of server, server6"),
        ("ECHO_MAX_LINE", "0", "ECHO_MAX_LINE=0 is not a whole number"),
        ("ECHO_FLUSH_MS", "60001", "from 1 to 60000"),
        ("ECHO_TIMEOUT_S", "3601", "from 1 to 3600"),
        ("ECHO_LOG", "verbose", "none of connections, messages"),
        ("ECHO_RING_MIB", "1.5", "ECHO_RING_MIB=1.5 is not a whole number"),
        ("ECHO_IDLE_S", "604801", "from 1 to 604800"),
        ("ECHO_KEEP_MIB", "-1", "from 0 to"),
        ("ECHO_SNAPLEN", "65536", "from 64 to 65535"),
        ("ECHO_LADDER", "yes", "none of on, off"),
        ("ECHO_TCP_CC", "cubic", "containers use: reno, bbr"),
        ("ECHO_TCP_CC", "cubic or so", "containers use: reno, bbr"),
        ("ECHO_SYN_COOKIES", "3", "none of 0, 1, 2"),
    ],
)
def test_a_wrong_value_gets_one_sentence_with_the_next_step(root: Path, name: str, value: str, words: str) -> None:
    (sentence,) = told(root, **{name: value})
    assert words in sentence
    assert value in sentence


def test_a_kernel_that_cannot_be_asked_gets_the_benefit_of_the_doubt_but_not_for_nonsense(root: Path) -> None:
    elsewhere = {"DOCKER_HOST": "tcp://lab:2375"}
    assert told(root, elsewhere, ECHO_TCP_CC="cubic") == []
    assert len(told(root, elsewhere, ECHO_TCP_CC="cubic or so")) == 1


@pytest.mark.parametrize(
    ("slip", "meant"), [("ECHO_PROT", "ECHO_PORT"), ("ECHO_SNAPLENGTH", "ECHO_SNAPLEN"), ("ECHOPORT", "ECHO_PORT")]
)
def test_a_slip_of_the_pen_is_told_without_its_value_which_may_be_a_secret(root: Path, slip: str, meant: str) -> None:
    (problem,) = problems(Settings(root, "echolab", GOOD, {slip: "s3cret"}), FakeRunner(files=KERNEL))
    assert problem.sentence == f"{slip} is no variable of the lab; did you mean {meant}?"
    assert "s3cret" not in problem.next_step


def test_other_names_and_those_that_parts_of_the_lab_know_are_no_slips(root: Path) -> None:
    unknown = dict.fromkeys([*ELSEWHERE, "ECHO_OF_THE_CAVE", "ECHONEST_API"], "1")
    assert problems(Settings(root, "echolab", GOOD, unknown), FakeRunner(files=KERNEL)) == []


@pytest.mark.parametrize("name", ["ECHO_RING_MIB", "ECHO_IDLE_S", "ECHO_KEEP_MIB", "ECHO_SNAPLEN", "ECHO_LADDER"])
@pytest.mark.parametrize(
    "value", ["0", "1", "63", "64", "1024", "1025", "65535", "65536", "604800", "604801", "on", "x"]
)
def test_the_limits_are_those_of_the_tap(root: Path, name: str, value: str) -> None:
    try:
        tap.read([], {name: value})
        good = True
    except TapError:
        good = False
    assert (told(root, **{name: value}) == []) is good


def test_the_limits_are_those_of_the_contract(root: Path) -> None:
    contract = (ROOT / "images" / "CONTRACT.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(ECHO_\w+)` \| \w+ \| `\w+` \| ([1-9]\d*) to (\d+) \|", contract, re.MULTILINE)
    assert {name for name, *_ in rows} == {"ECHO_PORT", "ECHO_MAX_LINE", "ECHO_FLUSH_MS", "ECHO_TIMEOUT_S"}
    for name, least, most in rows:
        assert told(root, **{name: least}) == told(root, **{name: most}) == []
        assert told(root, **{name: str(int(least) - 1)}) != []
        assert told(root, **{name: str(int(most) + 1)}) != []


@example(name="ECHO_SCRIPT", value="~nobody of this name/script.txt")
@given(name=st.sampled_from(sorted(GOOD)), value=st.text(st.characters(blacklist_characters="\0/")))
def test_no_value_makes_the_checks_fail(name: str, value: str) -> None:
    problems(Settings(Path("/nonexistent"), "echolab", {**GOOD, name: value}), FakeRunner())
