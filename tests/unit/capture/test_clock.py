"""The tap's clock: frames' time plus what a monotonic clock measured since, whatever happens to the wall clock."""

from __future__ import annotations

from lab.capture.tap import Clock


class Hands:
    """Two clocks that a test can set."""

    def __init__(self) -> None:
        self.wall = 1_000_000
        self.monotonic = 50

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.monotonic)


def test_it_starts_with_the_wall_clock_and_goes_on_with_the_monotonic_one() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.monotonic += 7
    assert clock.now_ns() == 1_000_007


def test_a_wall_clock_that_is_set_back_changes_nothing() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall -= 900_000
    hands.monotonic += 7
    assert clock.now_ns() == 1_000_007


def test_a_frame_sets_the_time_to_its_own() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.monotonic += 100
    clock.frame(2_000_000)
    hands.monotonic += 3
    assert clock.now_ns() == 2_000_003
