"""What the echo bench calls reached and missed: each target has a run that misses it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench.echo import page, targets
from tests.bench.echo.stand import Server, shuffled

IDLE = 10_000
FACTS: dict[str, Any] = {
    "many": {"served": 50, "connections": 50, "messages_per_s": 9e4},
    "talking": {"served": 1000, "connections": 1000, "messages_per_s": 9e4},
    "idle": {
        "served": 1000,
        "connections": 1000,
        "messages_per_s": 8e4,
        "mib": 12.0,
        "descriptors": 11_006,
        "idle_answered": IDLE,
    },
    "empty_mib": 2.0,
}
DEAF = {"ratio": 1.1, "ratios": [0.9, 1.1, 1.2], "grown_mib": 1.0, "poured_octets": 4_000_000}
LIVES = {
    "sessions": 100_000,
    "sessions_per_s": 9000,
    "early": {"mib": 10.0, "descriptors": 6},
    "late": {"mib": 10.5, "descriptors": 6},
}
LIMIT = {"steps": [{"idle": 1000, "mib": 2.0, "p50_us": 300.0}], "held": 19_990, "mib": 9.0, "end": "all in use"}


def rounds(language: str, ratios: list[float]) -> list[dict[str, dict[str, float]]]:
    return [
        {"sockperf": {"p50_us": 50.0, "p99_us": 90.0}, language: {"p50_us": 50 * one, "p99_us": 99.0}} for one in ratios
    ]


def test_the_interval_of_a_median_narrows_with_the_number_of_values() -> None:
    for count, low, high in ((1, 1, 1), (5, 1, 5), (6, 1, 6), (11, 2, 10), (21, 6, 16), (41, 14, 28)):
        assert targets.interval(list(range(count, 0, -1))) == (low, high)


def test_c_may_take_a_little_longer_than_sockperf_and_the_others_three_times_as_long() -> None:
    assert targets.missed_trips("c", rounds("c", [1.1] * 11)) == []
    assert "1.20 times" in targets.missed_trips("c", rounds("c", [1.2] * 11))[0]
    assert targets.missed_trips("java", rounds("java", [2.9] * 11)) == []
    assert "3.10 times" in targets.missed_trips("java", rounds("java", [3.1] * 11))[0]


def test_ratios_that_say_nothing_are_no_result_though_their_median_is_good() -> None:
    wild = [0.14, 1.0, 1.05, 1.1, 1.9, 7.0, 0.2, 1.0, 1.1, 4.0, 0.15]
    (sentence,) = targets.missed_trips("java", rounds("java", wild))
    assert "no result" in sentence
    assert targets.missed_trips("java", rounds("java", [*[1.0, 1.02, 1.04] * 5, 7.0])) == []  # one stray round


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("talking", {"served": 999}, "999 of 1000"),
        ("idle", {"served": 0}, "0 of 1000"),
        ("idle", {"descriptors": 10_999}, "10,999 descriptors for 11,000"),
        ("idle", {"idle_answered": 9_999}, "9,999 of 10,000"),
    ],
)
def test_a_crowd_must_be_there_and_be_served(part: str, change: dict[str, Any], words: str) -> None:
    assert targets.missed_crowd(FACTS, IDLE) == []
    (sentence,) = targets.missed_crowd({**FACTS, part: {**FACTS[part], **change}}, IDLE)
    assert words in sentence


def test_one_that_does_not_read_costs_neither_time_nor_memory() -> None:
    assert targets.missed_deaf(DEAF) == []
    assert "1.60 times" in targets.missed_deaf({**DEAF, "ratio": 1.6})[0]
    assert "40 MiB" in targets.missed_deaf({**DEAF, "grown_mib": 40.0})[0]
    assert "never" in targets.missed_deaf({**DEAF, "poured_octets": 1000})[0]


def test_of_a_session_nothing_stays() -> None:
    assert targets.missed_lives(LIVES) == []
    assert "descriptors grew" in targets.missed_lives({**LIVES, "late": {"mib": 10.0, "descriptors": 7}})[0]
    assert "octets of memory" in targets.missed_lives({**LIVES, "late": {"mib": 20.0, "descriptors": 6}})[0]
    assert targets.missed_lives({**LIVES, "late": {"mib": 5.0, "descriptors": 6}}) == []


def test_a_limit_below_what_must_be_held_is_told_with_its_cause() -> None:
    assert targets.missed_limit(LIMIT) == []
    assert "8,000" in targets.missed_limit({**LIMIT, "held": 8000, "end": "no answer"})[0]


def test_every_round_has_another_order_and_every_name() -> None:
    orders = shuffled(["a", "b", "c", "d"], 11)
    assert all(sorted(order) == ["a", "b", "c", "d"] for order in orders)
    assert len({tuple(order) for order in orders}) > 5
    assert orders == shuffled(["a", "b", "c", "d"], 11)


def test_the_tables_say_what_was_found() -> None:
    server = Server("c", "198.18.82.10", facts={**FACTS, "deaf": DEAF, "lives": LIVES, "limit": LIMIT})
    table = page.trips([server], rounds("c", [1.1] * 11))
    assert "| c | 55.0 | 99.0 | 1.10 | 1.10 to 1.10 | 1.10 to 1.10 | 1.15: reached |" in table
    assert "1.15: missed" in page.trips([server], rounds("c", [1.2] * 11))
    assert "| 11,006 | 10,000 |" in page.crowds([server])
    assert "| c | 1.10 | 0.90 to 1.20 | +1.0 | 3.8 |" in page.deaf([server])
    assert "| c | 9,000 | 10.0 | 10.5 | 6 | 6 |" in page.lives([server])
    assert "| c | 19,990 |" in page.limits([server])
    assert "| c client | 81.6 | 3.1 |" in page.sizes({"base": 78.5, "c-client": 81.6})
    assert page.verdict({}) == "All targets are reached."
    assert "- c: too slow" in page.verdict({"c": ["too slow"]})
