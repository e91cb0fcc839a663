"""The bench of starts: what its page says of given times. The times themselves are taken by ``make bench``."""

from __future__ import annotations

import pytest

from tests.bench.startup import bench_startup as bench

TIMES = {
    "floor": [1.0, 1.2, 9.0],
    "waiting": [1.7, 1.5, 1.6],
    "lab": [1.5, 1.4, 1.9],
    "first": [5.0],
    "warm": [3.0],
    "again": [2.0],
    "down": [0.9],
}


def test_the_page_has_a_row_for_each_and_the_ratio_of_the_medians() -> None:
    text = bench.page(TIMES, 3)
    assert text.count("\n| ") == 1 + len(bench.ROWS)
    assert "| 1.40 | 1.50 | 1.90 |" in text
    assert "takes 1.25 times the floor's" in text
    assert "It takes 0.94 times that of the floor whose client waits for health, which is itself 1.33 times" in text
    assert "``" not in text


def services_of(text: str) -> set[str]:
    """The names of a compose file's services."""
    lines = text.split("services:")[1].split("\nnetworks:")[0].splitlines()
    return {line.split(":")[0].strip() for line in lines if line.startswith("  ") and line[2] != " "}


def test_the_floor_has_as_many_containers_and_networks_as_the_lab() -> None:
    assert len(services_of(bench.FLOOR)) == 6
    assert bench.FLOOR.count("network_mode") == 3
    assert bench.FLOOR.count("enable_ipv6: true") == 2


def test_the_floor_that_waits_changes_the_floor_s_own_services_and_adds_none() -> None:
    assert services_of(bench.WAITING) == {"server", "tap", "client"}
    assert services_of(bench.WAITING) < services_of(bench.FLOOR)


@pytest.mark.parametrize(("down_s", "status"), [(2.9, 0), (3.1, 1)])
def test_an_aim_that_is_missed_is_an_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], down_s: float, status: int
) -> None:
    monkeypatch.setattr(bench, "measure", lambda *_: {**TIMES, "down": [down_s]})
    monkeypatch.setattr("sys.argv", ["bench"])
    assert bench.main() == status
    assert "aim is 1.3" in capsys.readouterr().out
