"""Feedback on a wrong answer to one question does not hand out the answer to another, and names what really went
wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.analysis.model import Analysis
from lab.grade.answers import Value
from lab.grade.check import check
from lab.grade.errors import NotShownError
from lab.grade.feedback import Marked, agrees, foretold, mark
from lab.grade.manifest import Exercise, Question
from lab.grade.seed import fill
from tests.unit.grade.made import ANNA, exercises, expected, make, recorded_evidence, written

NAMES = sorted(exercises())


def question(exercise: str, name: str) -> Question:
    return next(one for one in exercises()[exercise].questions if one.id == name)


def marked(exercise: str, name: str, given: Value) -> Marked:
    found = exercises()[exercise]
    return mark(question(exercise, name), given, recorded_evidence(exercise), found.questions)


def wrong_answers(asked: Question, name: str) -> Iterator[str]:
    """Every wrong answer that has a name, and some that have none."""
    told = expected(asked, recorded_evidence(name))
    for planted in told.mistakes:
        if not agrees(planted.value, told, asked) and (not asked.choices or planted.value in asked.choices):
            yield written(planted.value, asked.form)
    if asked.form == "time":
        yield f"{float(told.value) * 1.9 + 1e6:.0f} ns"
    elif asked.form == "boolean":
        yield "no" if told.value else "yes"
    elif asked.form == "choice":
        yield from (choice for choice in asked.choices if choice != told.value)
    elif asked.form == "text":
        yield "foo"
    else:
        yield from (str(int(told.value) + more) for more in (9, 1, -1) if int(told.value) + more >= 0)


def singled_out(display_filter: str, found: Analysis) -> set[int]:
    """The frames that a filter picks by number, identification or sequence number; none if it does not pick any."""
    picked: set[int] = set()
    for low, high in re.findall(r"frame\.number >= (\d+)(?: && frame\.number <= (\d+))?", display_filter):
        picked |= {int(low), int(high or low)}
    for clause in re.findall(r"frame\.number (?:== (\d+)|in \{([^}]*)\})", display_filter):
        picked |= {int(number) for number in re.findall(r"\d+", " ".join(clause))}
    for number in re.findall(r"ip\.id == (\d+)", display_filter):
        picked |= {frame.number for frame in found.frames if frame.ip_id == int(number)}
    return picked


def frames_asked(exercise: Exercise) -> Iterator[tuple[Question, str, int]]:
    evidence = recorded_evidence(exercise.name)
    for other in exercise.questions:
        if other.form == "frame":
            told = expected(other, evidence)
            part = told.part or str(other.parameters.get("part", "")) or next(iter(evidence.parts))
            yield other, part, int(told.value)


@pytest.mark.parametrize("name", NAMES)
def test_no_wrong_answer_brings_the_answer_to_another_question(name: str) -> None:
    exercise, evidence = exercises()[name], recorded_evidence(name)
    told = []
    for asked in exercise.questions:
        for given in wrong_answers(asked, name):
            found = marked(name, asked.id, given)
            if found.state != "wrong":
                continue
            for other, part, number in frames_asked(exercise):
                if part != found.part or given == str(number) or (other.id == asked.id and asked.form != "frame"):
                    continue
                listed = re.findall(r"\b[Ff]rames? [\d, ]+(?:and \d+|to \d+)?", found.words)
                named = {int(each) for text in listed for each in re.findall(r"\d+", text)}
                shown = singled_out(found.filter, evidence.part(part))
                if number in named | shown | set(found.frames):
                    told.append((asked.id, given, other.id, number, found.words, found.filter))
    assert not told


def test_these_tests_see_a_frame_that_is_given_away() -> None:
    """Without the exercise's other questions nothing is kept back: so the test above can fail."""
    evidence = recorded_evidence("11-zero-window")
    asked = question("11-zero-window", "probe-octets")
    given = "7"
    opened = expected(question("11-zero-window", "opened"), evidence).value
    loose = mark(question("11-zero-window", "how-long"), "7 s", evidence)
    assert loose.filter == "tcp"
    assert mark(asked, given, evidence).filter != ""
    assert singled_out(f"frame.number >= 3 && frame.number <= {opened}", evidence.part("slow")) == {3, opened}


# What was mistaken for what: exercise, question, the places between which somebody measured, the name of the mistake.
MEASURED = [
    ("23-back-off", "no-sample", ("original", "healed"), "original-for-last"),
    ("23-back-off", "no-sample", ("retransmission", "healed"), "other-frame"),
    ("23-back-off", "last", ("second-retransmission", "last-retransmission"), "other-frame"),
    ("23-back-off", "last", ("retransmission", "last-retransmission"), "other-frame"),
    ("23-back-off", "last", ("original", "retransmission"), "other-frame"),
    ("22-lost-and-found", "waited", ("original", "healed"), "other-frame"),
    ("21-nobody-answers", "first-wait", ("syn", "syn-ack"), "other-frame"),
    ("21-nobody-answers", "cost", ("syn", "second-syn"), "other-frame"),
    ("11-zero-window", "how-long", ("zero-window", "probe"), "other-frame"),
]


@pytest.mark.parametrize(("name", "asked", "between", "slug"), MEASURED)
def test_a_time_between_other_frames_is_told_and_is_no_wrong_unit(
    name: str, asked: str, between: tuple[str, str], slug: str
) -> None:
    parameters = {**question(name, asked).parameters, "start": between[0], "end": between[1]}
    found = expected(Question("x", "", "time", "time-between", parameters, ()), recorded_evidence(name))
    told = marked(name, asked, written(found.value, "time"))
    assert (told.state, told.mistake) == ("wrong", slug)
    assert "unit" not in told.words


def test_the_original_for_the_last_copy_is_answered_as_a_tutor_would() -> None:
    told = marked("23-back-off", "no-sample", "1683.0 ms")
    assert told.mistake == "original-for-last"
    assert "counts from the original (frame 8)" in told.words
    assert "Which of the copies" in told.words


@pytest.mark.parametrize(("factor", "slug"), [(1000, "unit"), (0.001, "unit"), (1030, ""), (970, "")])
def test_a_wrong_unit_is_one_only_with_the_very_digits(factor: float, slug: str) -> None:
    asked, evidence = question("01-three-way-handshake", "round-trip"), recorded_evidence("01-three-way-handshake")
    value = float(expected(asked, evidence).value) * factor
    assert mark(asked, f"{value:.0f} ns", evidence).mistake == slug


@pytest.mark.parametrize(
    ("name", "asked", "given"),
    [
        ("11-zero-window", "probe-octets", "1"),
        ("18-is-anybody-there", "quiet-frames", "1"),
        ("25-backlog-and-cookies", "gets-in", "2"),
        ("02-options-and-mss", "how-many-segments", "2"),
        ("23-back-off", "factor", "3"),
        ("15-wireshark-is-wrong", "how-many-probes", "1"),
    ],
)
def test_one_beside_a_small_count_means_something(name: str, asked: str, given: str) -> None:
    told = marked(name, asked, given)
    assert told.state == "wrong"
    assert told.mistake not in ("", "off-by-one")
    assert "one off" not in told.words


def test_one_beside_a_large_count_is_a_slip() -> None:
    asked, evidence = question("03-sequence-arithmetic", "client-octets"), recorded_evidence("03-sequence-arithmetic")
    value = expected(asked, evidence).value
    assert mark(asked, int(value) - 1, evidence).mistake == "off-by-one"


@pytest.mark.parametrize(
    ("name", "asked"), [("07-reset-four-ways", "refused-number"), ("21-nobody-answers", "refusal-number")]
)
def test_the_number_of_a_syn_for_its_acknowledgment_is_told_by_the_syn(name: str, asked: str) -> None:
    value = int(expected(question(name, asked), recorded_evidence(name)).value)
    told = marked(name, asked, str(value - 1))
    assert told.mistake == "off-by-one-syn"
    assert "SYN takes one sequence number" in told.words


@pytest.mark.parametrize("name", NAMES)
def test_sentences_are_english_for_one_and_for_many(name: str) -> None:
    evidence = recorded_evidence(name)
    for asked in exercises()[name].questions:
        told = expected(asked, evidence)
        for words in (told.why, told.look, *(one.sentence for one in told.mistakes)):
            assert not re.search(r"\b1 (segments|messages|frames|octets)\b(?! of text)", words), words
            assert not re.search(r"\b[Ff]rames \d+(?! \.\.\.)(?!,| and| to|\d| \()", words), words


def test_of_a_prediction_nothing_is_told_before_what_came_is_answered() -> None:
    name, asked = "05-fin-and-time-wait", question("05-fin-and-time-wait", "who-waits")
    evidence = recorded_evidence(name)
    silent = foretold(asked, "client", evidence, mark(asked, None, evidence))
    assert (silent.state, silent.points) == ("open", 0)
    assert "server" not in silent.words
    failed = foretold(asked, "client", evidence, mark(asked, "both", evidence))
    assert (failed.state, failed.points, failed.filter) == ("wrong", 0.5, "")
    came = foretold(asked, "client", evidence, mark(asked, "server", evidence))
    assert "it came otherwise" in came.words
    assert foretold(asked, "server", evidence, mark(asked, "server", evidence)).points == 1


def test_a_question_whose_frame_is_not_there_keeps_nothing_back() -> None:
    name = "10-nagle-and-delayed-ack"
    with pytest.raises(NotShownError):
        expected(
            Question("x", "", "frame", "frame-at", {"at": "held-back", "part": "swift"}, ()), recorded_evidence(name)
        )


@pytest.mark.parametrize("name", NAMES)
def test_every_question_knows_a_misunderstanding(name: str) -> None:
    for asked in exercises()[name].questions:
        wrong = [*wrong_answers(asked, name), *asked.wrong]
        assert any(marked(name, asked.id, given).mistake for given in wrong), asked.id


@pytest.mark.parametrize("name", NAMES)
def test_another_students_right_answers_are_not_all_right_here(name: str, tmp_path: Path) -> None:
    """berta's answers in carl's folder: what is of each one's own does not fit, whatever else is the same for all."""
    exercise = exercises()[name]
    make(exercise, "berta", tmp_path / "b")
    carl = make(exercise, "carl", tmp_path / "c")
    assert check(exercise, carl).outcome == "passed"
    text = (tmp_path / "b" / "answers.toml").read_text(encoding="utf-8").replace('"berta"', '"carl"')
    (carl / "answers.toml").write_text(text, encoding="utf-8")
    result = check(exercise, carl)
    assert result.outcome == "not-yet"
    assert [one for one in result.marks if one.state == "wrong" and not one.question.predict]


@pytest.mark.parametrize("name", NAMES)
def test_no_number_of_the_sheet_is_an_answer_that_needs_no_thought(name: str) -> None:
    """What the sheet, the README or a hint prints may be reckoned with, but is not what is asked."""
    exercise, evidence = exercises()[name], recorded_evidence(name)
    for asked in exercise.questions:
        told = expected(asked, evidence).value
        if isinstance(told, bool) or not isinstance(told, int) or told < 20:
            continue
        values = exercise.values(ANNA)
        printed = " ".join(
            (fill(asked.text, values), fill(exercise.readme, values), *(fill(h, values) for h in asked.hints))
        )
        assert str(told) not in re.findall(r"\d+", printed.replace(",", "")), asked.id
