"""Load from inside the lab: one big session, many one after another, many at once. Run on client-host; needs only
Python.

    load.py big MEBIBYTES | sequence COUNT | together COUNT
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading

SERVER = ("server", 7)
AT_THE_DOOR = 500


def big(mebibytes: int) -> None:
    """So many MiB there and back through one connection, in lines of 1000 octets, then quit."""
    line = b"x" * 999 + b"\n"
    count = mebibytes * (1 << 20) // len(line)
    with socket.create_connection(SERVER) as connection:
        sender = threading.Thread(target=connection.sendall, args=(line * count + b"quit\n",))
        sender.start()
        received = 0
        while piece := connection.recv(1 << 16):
            received += len(piece)
        sender.join()
    if received != count * len(line) + len(b"Good bye\n"):
        raise SystemExit(f"got {received} octets back, not what was sent")


def sequence(count: int) -> None:
    """So many sessions, one after another."""
    for _ in range(count):
        with socket.create_connection(SERVER) as connection:
            connection.sendall(b"hello\nquit\n")
            answer = b""
            while piece := connection.recv(100):
                answer += piece
        if answer != b"HELLO\nGood bye\n":
            raise SystemExit(f"the answer was {answer!r}")


async def together(count: int) -> None:
    """So many sessions that are all open at once. They begin a few hundred at a time: a listener's queue is short."""
    everybody = asyncio.Barrier(count)
    door = asyncio.Semaphore(AT_THE_DOOR)

    async def one() -> None:
        async with door:
            reader, writer = await asyncio.open_connection(*SERVER)
            writer.write(b"hello\n")
            if await reader.readline() != b"HELLO\n":
                raise SystemExit("a wrong answer")
        await everybody.wait()
        writer.write(b"quit\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(one() for _ in range(count)))


if __name__ == "__main__":
    kind, amount = sys.argv[1], int(sys.argv[2])
    if kind == "together":
        asyncio.run(together(amount))
    else:
        {"big": big, "sequence": sequence}[kind](amount)
