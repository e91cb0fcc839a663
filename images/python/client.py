#!/usr/bin/env python3
"""An echo client: it sends what you type to an echo server and prints the answers.

    client.py [--script FILE] [HOST [PORT]]

The protocol is written down in docs/protocol.md; this is one of six clients that speak it. Three ways to use it: on a
terminal it prompts for lines; with a pipe it sends what comes through it; with a script it plays a conversation.
"""

import argparse
import os
import signal
import socket
import sys
import threading


class Problem(Exception):
    """Why it did not work: one sentence for the user."""


def connect(host, port, timeout_s):
    """Connect to the server: returns a socket once the handshake is done.

    A name may have several addresses; they are tried in turn. connect() sends the SYN and returns when the SYN-ACK has
    arrived; the kernel's ACK is then on its way. If nobody listens on that port the answer is a RST: refused.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise Problem(f"unknown host {host}: check the name, or give an address") from error
    problem = None
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(timeout_s)
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            problem = explain(error, host, port)
            continue
        print(f"connected to {host}:{port} ({address[0]})", flush=True)
        # Send every line at once, in a segment of its own, instead of waiting for the ACK of the one before (Nagle).
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    raise problem


def explain(error, host, port):
    """What went wrong on the network, in a sentence with the next step."""
    if isinstance(error, ConnectionRefusedError):
        return Problem(f"{host}:{port} refused the connection: no server listens on that port; start it, or check the port")
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return Problem(f"{host}:{port} reset the connection: the server is gone, or did not like what it got; try again")
    if isinstance(error, TimeoutError):
        return Problem(f"no answer from {host}:{port} in time: check the address, and that nothing on the way drops packets")
    return Problem(f"cannot talk to {host}:{port} ({error.strerror or error}): check the address and the network")


class Answers:
    """The answers, line by line. TCP has no messages: recv() returns whatever has arrived, half a line or ten."""

    def __init__(self, connection):
        self.connection = connection
        self.octets = bytearray()
        self.ended = False

    def next(self):
        """The next answer without its line end; None after the server's FIN. The last one may have no line end."""
        looked = 0
        while (end := self.octets.find(b"\n", looked)) < 0 and not self.ended:
            looked = len(self.octets)
            arrived = self.connection.recv(65536)
            self.ended = not arrived  # an empty recv() means: the server has sent its FIN
            self.octets += arrived
        if not self.octets and end < 0:
            return None
        end = len(self.octets) if end < 0 else end
        line = bytes(self.octets[:end])
        del self.octets[: end + 1]
        return line.removesuffix(b"\r").decode("utf-8", "replace")


def show(answer):
    """Print an answer. Control characters would do things to the terminal, so they are shown as escapes."""
    safe = "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in answer)
    print(f"received: {safe}", flush=True)


def farewell(last):
    """The server has closed. Say so."""
    if last == "Good bye":
        print("The server said Good bye and closed the connection.", flush=True)
    else:
        print("The server closed the connection.", flush=True)


def exchange(connection, answers, line):
    """Send one line and wait for its answer; None when the server has closed."""
    # sendall() copies the octets to the kernel. It makes segments of them, and sends them again until they are acknowledged.
    connection.sendall(line.encode("utf-8", "surrogateescape") + b"\n")
    return answers.next()


def play(connection, lines):
    """A conversation from a script: each line is sent when the one before has been answered."""
    answers, last = Answers(connection), None
    for line in lines:
        print(f"sent: {line}", flush=True)
        last = exchange(connection, answers, line)
        if last is None:
            break
        show(last)
        if last == "Good bye":
            break
    finish(connection, answers, last)


def finish(connection, answers, last):
    """End our side (a FIN: shutdown), unless the server did so first; print what is still coming until its FIN."""
    if last != "Good bye":
        try:
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has closed already
    while (answer := answers.next()) is not None:
        show(answer)
        last = answer
    connection.close()
    farewell(last)


def converse(connection):
    """With a user at a terminal: prompt, send, show the answer."""
    try:
        import readline  # noqa: F401  (gives input() line editing and a history)
    except ImportError:
        pass
    print('Type a line and press Enter; "quit" or Ctrl-D ends.', flush=True)
    answers, last = Answers(connection), None
    while last != "Good bye":
        try:
            line = input("> ")
        except EOFError:
            print()
            break
        last = exchange(connection, answers, line)
        if last is None:
            break
        show(last)
    finish(connection, answers, last)


def pipe(connection):
    """From a pipe: send as fast as it comes, and print the answers meanwhile.

    Both at once, or it would get stuck: a server that cannot get rid of its answers stops reading, and then we could
    not send either. So a second thread sends while this one receives.
    """
    def send():
        try:
            while octets := sys.stdin.buffer.read1(65536):
                connection.sendall(octets)
            connection.shutdown(socket.SHUT_WR)  # our FIN: no more lines will come
        except OSError:
            pass  # the server has closed or is gone: the receiving side finds out which

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    answers, last = Answers(connection), None
    while True:
        try:
            answer = answers.next()
        except TimeoutError:
            if sender.is_alive():
                continue  # nothing to answer as long as nothing is sent
            raise
        if answer is None:
            break
        show(answer)
        last = answer
    connection.close()
    farewell(last)


def script_lines(path):
    try:
        with open(path, encoding="utf-8") as script:
            return [line for line in script.read().splitlines() if not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        fail(2, f"cannot read the script {path} ({reason}): name a text file with one message a line")


def number(name, text, least, most):
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        fail(2, f"{name} is {text!r}: it must be a number from {least} to {most}")
    return value


def fail(status, sentence):
    print(f"echo-client: {sentence}", file=sys.stderr, flush=True)
    sys.exit(status)


def main():
    parser = argparse.ArgumentParser(prog="echo-client", description="Talk to an echo server.")
    parser.error = lambda sentence: fail(2, sentence)
    parser.add_argument("--script", metavar="FILE", help="play this conversation, one message a line")
    parser.add_argument("host", nargs="?", default=os.environ.get("ECHO_HOST") or "127.0.0.1")
    parser.add_argument("port", nargs="?", default=os.environ.get("ECHO_PORT") or "8080")
    wanted = parser.parse_args()
    port = number("the port", wanted.port, 1, 65535)
    timeout_s = number("ECHO_TIMEOUT_S", os.environ.get("ECHO_TIMEOUT_S") or "10", 1, 3600)
    lines = script_lines(wanted.script) if wanted.script else None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        connection = connect(wanted.host, port, timeout_s)
        if lines is not None:
            play(connection, lines)
        elif sys.stdin.isatty():
            converse(connection)
        else:
            pipe(connection)
    except Problem as problem:
        fail(1, str(problem))
    except OSError as error:
        fail(1, str(explain(error, wanted.host, port)))
    except KeyboardInterrupt:
        print()
        sys.exit(130)


if __name__ == "__main__":
    main()
