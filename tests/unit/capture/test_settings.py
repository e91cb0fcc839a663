"""The tap's settings: defaults, what each variable does, and one clear sentence for every value that makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.capture.errors import TapError
from lab.capture.settings import read


def test_without_anything_the_documented_defaults_hold() -> None:
    found = read([], {})
    assert found.interface == "eth0"
    assert found.captures == Path("/captures")
    assert found.ring_bytes == 32 << 20
    assert found.snaplen_bytes == 65535
    assert found.idle_s == 300
    assert found.key is None
    assert found.ladders is True


def test_variables_and_arguments_are_taken() -> None:
    environment = {
        "ECHO_RING_MIB": "8",
        "ECHO_SNAPLEN": "96",
        "SERVER": "c",
        "CLIENT": "java",
        "ECHO_KEY": "k",
        "ECHO_LADDER": "off",
    }
    found = read(["--interface", "eth1", "--name", "client-tap"], environment)
    assert (found.interface, found.tap) == ("eth1", "client-tap")
    assert (found.ring_bytes, found.snaplen_bytes) == (8 << 20, 96)
    assert found.languages == {"server": "c", "client": "java"}
    assert found.key == b"k"
    assert found.ladders is False


def test_an_empty_variable_means_its_default() -> None:
    assert read([], {"ECHO_RING_MIB": "", "ECHO_KEY": "", "ECHO_LADDER": ""}) == read([], {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ECHO_RING_MIB", "0"),
        ("ECHO_RING_MIB", "1025"),
        ("ECHO_RING_MIB", "32MB"),
        ("ECHO_SNAPLEN", "63"),
        ("ECHO_SNAPLEN", "65536"),
        ("ECHO_IDLE_S", "-1"),
        ("ECHO_IDLE_S", "1.5"),
        ("ECHO_LADDER", "maybe"),
    ],
)
def test_a_value_that_makes_no_sense_is_named_with_what_would(name: str, value: str) -> None:
    with pytest.raises(TapError) as caught:
        read([], {name: value})
    assert name in str(caught.value)
    assert value in str(caught.value)
    assert "set it to" in str(caught.value)


def test_an_unknown_argument_is_one_sentence() -> None:
    with pytest.raises(TapError, match="--colour"):
        read(["--colour"], {})
