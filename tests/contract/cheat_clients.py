"""A client that is wrong on purpose, in one thing that its first argument names; with "right" it is right.

    python cheat_clients.py FLAW [--script FILE] HOST PORT

It can pass through and play a script, no more: that is enough for the cases that it is tried with.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

FLAW = sys.argv[1]


def pass_through(connection: socket.socket) -> None:
    def send() -> None:
        while octets := os.read(0, 65536):
            connection.sendall(octets.replace(b"\r\n", b"\n") if FLAW == "changes-octets" else octets)
        if FLAW == "closes-early":
            os._exit(0)
        if FLAW != "no-fin":
            connection.shutdown(socket.SHUT_WR)

    if FLAW == "sends-first":
        send()
    else:
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
    while octets := connection.recv(65536):
        os.write(1, octets)
        if FLAW == "first-segment-only":
            os._exit(0)
    if FLAW == "waits-for-input":
        sender.join()


def play(connection: socket.socket, path: str) -> None:
    with open(path, "rb") as script:  # noqa: PTH123  (as a student would)
        lines = script.read().removesuffix(b"\n").split(b"\n")
    incoming = connection.makefile("rb")
    if FLAW == "pipelines":
        connection.sendall(b"\n".join(lines) + b"\n")
    for line in lines:
        if line.startswith(b"#") and FLAW != "sends-comments":
            continue
        if FLAW != "pipelines":
            connection.sendall(line + b"\n")
        os.write(1, b"> " + line + b"\n" + incoming.readline())
        if line.lower() == b"quit" and FLAW != "sends-after-quit":
            break
    else:
        connection.shutdown(socket.SHUT_WR)
    incoming.read()
    said = b"said Good bye and " if b"quit" in lines else b""
    os.write(2, b"the server " + said + b"closed the connection\n")


def main() -> None:
    words = sys.argv[2:]
    script = words[1] if words[0] == "--script" else None
    host, port = words[-2:]
    try:
        connection = socket.create_connection((host, int(port)))
    except ConnectionRefusedError:
        if FLAW == "stack-trace":
            raise
        sentence = "start the server, or check the port"
        if FLAW != "wrong-words":
            sentence = f"{host} port {port} refused the connection (tried {host}); {sentence}"
        print(f"echo-client: {sentence}", file=sys.stderr)
        sys.exit(0 if FLAW == "status-0" else 1)
    if script:
        os.write(2, f"connected to {host} ({host}) port {port}\n".encode())
        play(connection, script)
    else:
        pass_through(connection)
    os._exit(0)


if __name__ == "__main__":
    main()
