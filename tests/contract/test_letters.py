"""A server knows exactly the letters that docs/letters.md lists for its language: no more, no fewer."""

from __future__ import annotations

import os
import re
import unicodedata

from lab.conformance import Target
from lab.conformance.capitals import NEW_IN, OLDEST, age_of
from lab.conformance.server_text import young_letters
from tests.contract.conftest import ROOT, running_server


def ages_of_the_page(page: str) -> dict[str, int]:
    """Each language's version of Unicode, as the page has it."""
    return {language: int(age) for language, age in re.findall(r"^\| (\w+) \| (\d+) \|$", page, re.MULTILINE)}


def wanted_age() -> int | None:
    """What the page says of the language that is tested in its image; for another Python, what that says of itself."""
    if language := os.environ.get("ECHO_TEST_LANGUAGE", ""):
        return ages_of_the_page((ROOT / "docs" / "letters.md").read_text("utf-8")).get(language)
    if os.environ.get("ECHO_TEST_SERVER") or os.environ.get("ECHO_TEST_SERVER_COMMAND"):
        return None
    own = int(unicodedata.unidata_version.partition(".")[0])
    return max(version for version in (OLDEST, *NEW_IN) if version <= own)


def test_the_letters_are_those_of_one_version_of_unicode_and_of_the_one_that_the_page_says() -> None:
    with running_server() as (host, port):
        age = age_of(young_letters(Target(host, port)))
    assert age == (wanted_age() or age)
