"""Both notations of apt's sources, and the mirror that is chosen from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.setup.aptsources import (
    Mirror,
    Source,
    debian_mirror,
    machine_sources,
    one_line,
    parse_apt_config,
    parse_deb822,
    parse_one_line,
)
from tests.unit.setup.machines import BOOKWORM_SOURCES, KEYRING, FakeRunner

WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789-./", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("deb http://m/debian bookworm main", Source(("http://m/debian",), ("bookworm",), ("main",))),
        (
            "deb [arch=amd64 signed-by=/k.gpg] http://m/d bookworm main contrib # mine",
            Source(("http://m/d",), ("bookworm",), ("main", "contrib"), "/k.gpg"),
        ),
        ("deb [ trusted=yes ] file:/srv ./", Source(("file:/srv",), ("./",), ())),
        ("deb\thttp://m/d \t sid main", Source(("http://m/d",), ("sid",), ("main",))),
        ("deb-src http://m/debian bookworm main", None),
        ("# deb http://m/debian bookworm main", None),
        ("deb", None),
        ("deb [arch=amd64", None),
    ],
)
def test_one_line_sources(text: str, expected: Source | None) -> None:
    assert parse_one_line(text) == ([expected] if expected else [])


def test_deb822_sources_with_several_stanzas_comments_and_a_key_written_out() -> None:
    text = (
        "# about\nTypes: deb deb-src\nURIs: http://a/debian http://b/debian\nSuites: bookworm\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ\n\n\nTypes: deb-src\nURIs: http://c\nSuites: x\n"
    )
    (source,) = parse_deb822(text)
    assert source.uris == ("http://a/debian", "http://b/debian")
    assert source.signed_by.startswith("-----BEGIN PGP")


@pytest.mark.parametrize("value", ["no", "No", "false"])
def test_a_disabled_stanza_is_left_out(value: str) -> None:
    stanza = "Types: deb\nURIs: http://a\nSuites: s\nComponents: main\n"
    assert parse_deb822(stanza) != []
    assert parse_deb822(f"{stanza}Enabled: {value}\n") == []


def test_a_stanza_without_addresses_is_left_out() -> None:
    assert parse_deb822("Types: deb\nSuites: s\n") == []


@given(uris=st.lists(WORD, min_size=1), suites=st.lists(WORD, min_size=1), components=st.lists(WORD))
def test_what_deb822_says_is_what_is_read(uris: list[str], suites: list[str], components: list[str]) -> None:
    text = f"types: deb\nURIs: {' '.join(uris)}\nSUITES: {' '.join(suites)}\nComponents: {' '.join(components)}\n"
    assert parse_deb822(text) == [Source(tuple(uris), tuple(suites), tuple(components))]


@given(st.text())
def test_no_text_makes_the_parsers_fail(text: str) -> None:
    parse_one_line(text)
    parse_deb822(text)
    parse_apt_config(text)


def test_the_machines_mirror_is_the_one_of_its_own_release() -> None:
    runner = FakeRunner(
        files={
            "/etc/apt/sources.list": "deb https://other.test/apt cloud main\n",
            "/etc/apt/sources.list.d/debian.sources": BOOKWORM_SOURCES,
            "/etc/apt/sources.list.d/old.list.save": "deb http://wrong.test/debian bookworm main\n",
        }
    )
    mirror = debian_mirror(machine_sources(runner), "bookworm", runner)
    assert mirror == Mirror("http://mirror.test/debian", KEYRING, "http://mirror.test/debian-security")


def test_a_machine_without_a_debian_source_has_no_mirror() -> None:
    runner = FakeRunner(files={"/etc/apt/sources.list": "deb https://other.test/apt cloud main\n"})
    assert debian_mirror(machine_sources(runner), "bookworm", runner) is None


def test_a_cdrom_is_passed_over_for_the_web_mirror_after_it() -> None:
    text = "deb cdrom:[Debian 12]/ bookworm main\ndeb file:/media bookworm main\ndeb http://m.test/d/ bookworm main\n"
    runner = FakeRunner(files={"/etc/apt/sources.list": text})
    assert debian_mirror(machine_sources(runner), "bookworm", runner) == Mirror("http://m.test/d")


def test_a_mirror_list_of_a_cloud_image_is_looked_into() -> None:
    runner = FakeRunner(
        files={
            "/etc/apt/sources.list": "deb mirror+file:/etc/apt/mirrors/debian.list bookworm main\n",
            "/etc/apt/mirrors/debian.list": "# list\nmirror+file:/etc/apt/mirrors/debian.list\nhttp://near.test/debian\tpriority:1\n",
        }
    )
    assert debian_mirror(machine_sources(runner), "bookworm", runner) == Mirror("http://near.test/debian")


def test_lines_for_a_sources_list() -> None:
    assert one_line("http://m/d", "trixie") == "deb http://m/d trixie main"
    assert one_line("http://m/d", "trixie", "/k") == "deb [signed-by=/k] http://m/d trixie main"


def test_apt_config_dump_is_read() -> None:
    text = 'Acquire "";\nAcquire::http::Proxy "http://proxy.test:3128";\nAPT::NeverAutoRemove:: "^it\'s$";\nbroken\n'
    assert parse_apt_config(text)["Acquire::http::Proxy"] == "http://proxy.test:3128"
    assert "broken" not in parse_apt_config(text)
