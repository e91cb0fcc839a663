"""Seeds: the same student gets the same, another one gets another, and neither depends on how the name is typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.grade.errors import GradeError
from lab.grade.seed import Range, Seed, draw, fill, placeholders, seal, student_id


@given(st.text(min_size=1, max_size=64))
def test_any_name_is_a_student_or_refused(name: str) -> None:
    try:
        student = student_id(name)
    except GradeError:
        return
    assert student_id(student) == student
    assert len(Seed("01-a", student).nonce) == 10


def test_case_and_spaces_of_a_name_do_not_matter() -> None:
    assert student_id("  Anna   MÜLLER ") == student_id("anna müller")


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "a\x1b[2Jb", "a\u202eb"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(GradeError):
        student_id(name)


def test_two_students_and_two_exercises_have_different_marks() -> None:
    marks = {Seed(exercise, f"s{number}").nonce for exercise in ("01-a", "02-b") for number in range(2000)}
    assert len(marks) == 4000


def test_a_mark_reads_the_same_in_capital_letters() -> None:
    assert all(Seed("01-a", str(number)).nonce.upper() == Seed("01-a", str(number)).nonce for number in range(100))


def test_the_seed_never_changes_between_versions() -> None:
    """Students have their marks on paper: what this student gets must stay what it is."""
    seed = draw("01-three-way-handshake", "anna", {"length": Range(3100, 4200), "word": ("amber", "basil")})
    assert (seed.nonce, seed.drawn, seed.port(0)) == ("DXIDRDWIFZ", {"length": 3122, "word": "basil"}, 27600)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 7), st.text(max_size=9))
def test_a_drawn_number_is_in_its_range(low: int, more: int, step: int, name: str) -> None:
    value = Seed("01-a", name).number("n", Range(low, low + more, step))
    assert low <= value <= low + more
    assert (value - low) % step == 0


def test_each_attempt_has_another_port_of_the_same_owner() -> None:
    seed = Seed("01-a", "anna")
    ports = {seed.port(attempt) for attempt in range(16)}
    assert len(ports) == 16
    assert all(seed.owns_port(port) and 10_000 <= port < 32_768 for port in ports)
    assert not seed.owns_port(max(ports) + 1)


def test_a_seal_depends_on_every_prediction_and_not_on_their_order() -> None:
    assert seal({"a": "1", "b": "2"}) == seal({"b": "2", "a": "1"})
    assert len({seal({"a": "1"}), seal({"a": "2"}), seal({"b": "1"}), seal({})}) == 4


def test_unknown_braces_stay_as_they_are() -> None:
    assert fill("{nonce} {other} {}", {"nonce": "X"}) == "X {other} {}"
    assert placeholders("{nonce} {lines} {}") == {"nonce", "lines"}
