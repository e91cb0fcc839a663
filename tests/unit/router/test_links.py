"""A slow link and its queue, reckoned by hand."""

from __future__ import annotations

from lab.router.links import Queue
from lab.router.script import Rate
from tests.unit.router.made import MS, START_NS, opened

MEGABIT = Rate(1_000_000, queue=2)  # 125 octets take a millisecond


def test_a_frame_takes_its_length_over_the_rate() -> None:
    queue = Queue(MEGABIT)
    assert queue.offer(125, START_NS).leave_ns == START_NS + MS


def test_frames_leave_one_after_the_other_and_what_finds_the_queue_full_is_lost() -> None:
    queue = Queue(MEGABIT)
    places = [queue.offer(125, START_NS) for _ in range(5)]
    # The first is being sent, two wait, the rest are lost.
    assert [place.leave_ns and (place.leave_ns - START_NS) // MS for place in places] == [1, 2, 3, None, None]
    assert [place.depth for place in places] == [0, 0, 1, 2, 2]


def test_there_is_room_again_when_one_has_left() -> None:
    queue = Queue(MEGABIT)
    for _ in range(3):
        queue.offer(125, START_NS)
    assert queue.offer(125, START_NS + MS - 1).leave_ns is None
    assert queue.offer(125, START_NS + MS).leave_ns == START_NS + 4 * MS


def test_an_idle_link_saves_nothing_up() -> None:
    queue = Queue(MEGABIT)
    queue.offer(125, START_NS)
    assert queue.offer(125, START_NS + 50 * MS).leave_ns == START_NS + 51 * MS


def test_a_queue_of_octets_counts_octets() -> None:
    queue = Queue(Rate(1_000_000, queue=250, unit="octets"))
    assert [queue.offer(125, START_NS).leave_ns is not None for _ in range(4)] == [True, True, True, False]
    queue = Queue(Rate(1_000_000, queue=250, unit="octets"))
    assert [queue.offer(250, START_NS).leave_ns is not None for _ in range(3)] == [True, True, False]


def test_the_script_s_rate_slows_one_side_and_logs_its_queue() -> None:
    bench, talk = opened("rate 80 kbit/s from client queue 1 frames")
    bench.wait(1000)
    frames = [talk.data("client", bytes(146)) for _ in range(3)]  # 200 octets with the headers: 20 ms
    assert [bench.put("client", data, after_ms=0) for data in frames] == [[], [], []]
    assert bench.put("server", talk.data("server", b"x"), after_ms=0) != []
    assert bench.wait(19.9) == []
    assert bench.wait(0.1) == [frames[0]]
    assert bench.wait(20) == [frames[1]]
    assert bench.wait(1000) == []
    assert [line["queue"] for line in bench.events("queued")][-2:] == [0, 0]
    assert [line["queue"] for line in bench.events("queue-full")] == [1]
