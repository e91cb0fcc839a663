"""Connections that are there before the tap: ``early.py SESSIONS SEED``. They say nothing until SIGUSR1 comes, when the
tap has started; then each talks and ends, so that a capture of it begins in the middle.

It prints "open" when all are connected, and in the end a line of JSON for each, as mixed.py does.
"""

from __future__ import annotations

import json
import random
import signal
import sys
from dataclasses import asdict

import peers
from talk import Talk, Told, all_told, tell


def go_on(talk: Talk, way: int) -> None:
    """The rest of the conversation: ended by the server, by the client, or with a RST."""
    line = b"good morning, tap\n"
    talk.send(line)
    talk.read_to(len(line))
    if way == 0:
        talk.send(b"quit\n")
        talk.read_to_end()
        talk.socket.close()
    elif way == 1:
        talk.send(b"more " * 2000)
        talk.end()
    else:
        talk.reset()


def main() -> int:
    count, chance = int(sys.argv[1]), random.Random(int(sys.argv[2]))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    talks = []
    for number in range(count):
        told = Told("open before the tap", chance.choice((4, 6)))
        talks.append((Talk(told, 7 if number % 3 == 0 else peers.ECHO), number % 3))
        tell(told)
    print("open", flush=True)
    signal.sigwait({signal.SIGUSR1})
    for talk, way in talks:
        go_on(talk, way)
    for told in all_told:
        print(json.dumps(asdict(told)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
