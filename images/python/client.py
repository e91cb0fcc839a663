#!/usr/bin/env python3
"""An echo client: it sends lines to an echo server and shows what comes back.

    echo-client [--script FILE] [HOST [PORT]]

On a terminal it asks for lines; with --script it plays the lines of a file, each after the answer to the one before;
else it sends whatever its standard input brings. The rules (P1, P2, ...) are in docs/protocol.md, the arguments and
sentences in images/CONTRACT.md; clients in other languages follow the same two.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import threading
from pathlib import Path

USAGE = "usage: echo-client [--script FILE] [HOST [PORT]]"
GOOD_BYE = b"Good bye"


# ---- Connecting ----


def connect(host, port, timeout_s):
    """Try every address that the name has, one after the other, until a server answers."""
    try:
        # Asks /etc/hosts, then the DNS. A name may have several addresses: localhost has ::1 and 127.0.0.1.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        fail(1, f'there is no host named "{host}"; check the name')
    tried, errors = [], []
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(timeout_s)
        try:
            connection.connect(address)  # sends a SYN; returns when the SYN-ACK has come and our ACK is on its way
        except OSError as error:
            connection.close()
            tried.append(text_of(address))
            errors.append(error)
        else:
            connection.setblocking(False)  # from now on a call that would have to wait fails: select() does the waiting
            return connection
    names = " and ".join(dict.fromkeys(tried))
    if any(isinstance(error, ConnectionRefusedError) for error in errors):  # the SYN was answered with a RST
        fail(1, f"{host} port {port} refused the connection (tried {names}); start the server, or check the port")
    if any(isinstance(error, TimeoutError) for error in errors):  # the SYN was not answered at all
        fail(1, f"no answer from {host} port {port} within {timeout_s} s (tried {names}); check address and firewall")
    return fail(1, f"there is no way to {host} port {port} (tried {names}); check address and network")


def text_of(address):
    """An address as people write it, without the name of a link, as in fe80::1%eth0."""
    return address[0].partition("%")[0]


# ---- The stream from the server ----


class Incoming:
    """What the server sends: a stream of octets, in which we look for lines."""

    def __init__(self, connection, timeout_s):
        self.connection = connection
        self.timeout_s = timeout_s
        self.octets = bytearray()  # arrived, but not shown yet
        self.tail = b""  # the last few octets that arrived
        self.ended = self.said_good_bye = self.reset = False

    def wait(self, also=(), room=False, limited=True):
        """Wait until something has come from the server, or from another file, or (room) until the server takes some.

        Returns who can be read. Raises TimeoutError when nothing happens for long; after "Good bye" that is the end.
        """
        limit_s = self.timeout_s if limited or self.said_good_bye else None
        readable, writable, _ = select.select([self.connection, *also], [self.connection] if room else [], [], limit_s)
        if not readable and not writable:
            if not self.said_good_bye:
                raise TimeoutError
            self.ended = True
        return readable

    def receive(self):
        """Take what has arrived; b"" when the server has ended its side."""
        octets = b""
        try:
            octets = self.connection.recv(65536)  # takes what is there; b"" is the server's FIN
            if not octets and self.reset:
                raise ConnectionResetError
        except ConnectionResetError:
            if not self.said_good_bye:  # P31: after its "Good bye" all is said, however the connection ends
                raise
        self.ended = not octets
        # P31: no message is echoed as "Good bye": echoes have no small letters.
        self.tail = (self.tail + octets)[-len(GOOD_BYE + b"\r\n") :]
        self.said_good_bye = self.said_good_bye or self.tail.rstrip(b"\r\n").endswith(GOOD_BYE)
        return octets

    def line(self):
        """The next line with its line end; what is there without one, if no more comes."""
        searched = 0
        while (end := self.octets.find(b"\n", searched)) < 0 and not self.ended:
            searched = len(self.octets)
            try:
                if self.wait():
                    self.octets += self.receive()
            except TimeoutError:
                if not self.octets:
                    raise
                break  # a server that sends no line ends: its text shall be seen all the same
        end = end + 1 or len(self.octets)
        line = bytes(self.octets[:end])
        del self.octets[:end]
        return line

    def send(self, octets):
        """Hand octets to the kernel, which makes segments of them. Returns those that it has no room for."""
        try:
            return octets[self.connection.send(octets) :]
        except BlockingIOError:
            return octets
        except OSError as error:  # the server has ended the connection: receive() notices too
            # P33: a broken pipe comes after its FIN. A RST without one is told only once: to send() or to recv().
            self.reset = self.reset or not isinstance(error, BrokenPipeError)
            return b""

    def send_line(self, octets):
        """Send a line, and take what comes meanwhile (P30): else each side could wait for the other."""
        waiting = memoryview(octets)
        while waiting and not self.ended and not self.said_good_bye:
            if self.wait(room=True):
                self.octets += self.receive()
            else:
                waiting = self.send(waiting)


# ---- The three ways to talk ----


def converse(connection, incoming, lines):
    """Send one line, wait for its answer, show it; and so on. lines asks a person, or reads a script."""
    try:
        for line in lines:
            incoming.send_line(line + b"\n")
            show_line(incoming.line())
            if incoming.said_good_bye or incoming.ended:
                break
        else:
            end_our_side(connection)
    except ServerEndedError:
        show(b"\n")  # leaves the line with the prompt
    while not incoming.ended:
        show_line(incoming.line())
    note(f"the server {'said Good bye and ' if incoming.said_good_bye else ''}closed the connection")


def end_our_side(connection):
    """Our FIN: no more lines. The server may still be sending, and we go on receiving."""
    with contextlib.suppress(OSError):  # it has ended everything already
        connection.shutdown(socket.SHUT_WR)


def ask(connection):
    """Lines from a person, with a prompt and editing, until Ctrl-D."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (its import alone gives input() arrow keys, history, Ctrl-A ...)
    watch(connection)
    while True:
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
            text = input("> ")
        except EOFError:  # Ctrl-D
            print()
            return
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        yield text.encode("utf-8", "surrogateescape")


class ServerEndedError(Exception):
    """The server closed the connection while we were asking for a line."""


def watch(connection):
    """Tell the person at once when the server closes, though input() is waiting for a line."""

    def interrupt(*_):
        raise ServerEndedError

    def wait_for_fin():
        poll = select.poll()
        poll.register(connection, getattr(select, "POLLRDHUP", 0))  # RDHUP: the other side has sent its FIN
        poll.poll()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, interrupt)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    threading.Thread(target=wait_for_fin, daemon=True).start()


def play(script):
    """The lines of a script, shown as if a person typed them. Lines that begin with # are not sent."""
    for line in script:
        if not line.startswith(b"#"):
            show(b"> " + line + b"\n")
            yield line


def pass_through(connection, incoming):
    """Send all of our input; meanwhile show what comes back. Both at once: else each side could wait for the other."""
    keys, waiting, input_ended = sys.stdin.buffer.raw, b"", False
    while not incoming.ended:
        # We wait for the server only while it takes nothing, and when our input has ended; else for our input, too.
        ours = not waiting and not input_ended
        readable = incoming.wait([keys] if ours else [], room=bool(waiting), limited=not ours)
        if connection in readable:
            show(incoming.receive())
        if keys in readable:
            waiting = keys.read(65536)
            input_ended = not waiting
            if input_ended:
                end_our_side(connection)
        if waiting:
            waiting = incoming.send(waiting)


def talk(connection, host, lines, timeout_s):
    incoming = Incoming(connection, timeout_s)
    interactive = lines is None and sys.stdin.isatty()
    if interactive or lines:
        address = connection.getpeername()
        note(f"connected to {host} ({text_of(address)}) port {address[1]}")
    if interactive:
        note("type a line and press Enter; quit or Ctrl-D ends")
        lines = ask(connection)
    if lines:
        converse(connection, incoming, lines)
    else:
        pass_through(connection, incoming)
    connection.close()


# ---- Screen, arguments, errors: as images/CONTRACT.md words them ----


def show(octets):
    try:
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()
    except OSError as error:
        give_up(sys.stdout)
        if isinstance(error, BrokenPipeError):  # whoever read our output has gone ("| head"): nothing to complain of
            sys.exit(1)
        fail(1, "cannot write to standard output; is the disk full?")


def show_line(line):
    """A line for a person: on a line of its own, though it may have come without an end."""
    show(line if line.endswith(b"\n") or not line else line + b"\n")


def note(sentence):
    """For the person, not part of the conversation: on standard error."""
    try:
        print(sentence, file=sys.stderr, flush=True)
    except OSError:  # nobody may be there to read it
        give_up(sys.stderr)


def give_up(stream):
    """Whatever is written from now on goes nowhere: Python would try once more when it ends, and fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def fail(status, sentence):
    note(f"echo-client: {sentence}")
    sys.exit(status)


def read_arguments(words):
    """(script or None, [HOST [PORT]]) of the command line."""
    script, places = None, []
    words = list(words)
    while words:
        word = words.pop(0)
        if word in ("-h", "--help"):
            print(USAGE)
            sys.exit(0)
        elif word == "--script":
            if not words:
                fail(2, f"{word} needs a value; {USAGE}")
            script = words.pop(0)
        elif word.startswith("-"):
            fail(2, f'"{word}" is not an option; {USAGE}')
        else:
            places.append(word)
    if len(places) > 2:
        fail(2, f'"{places[2]}" is one argument too many; {USAGE}')
    return script, places


def read_script(path):
    """The lines of a script without their line ends, be these LF or CR LF, and without a byte order mark."""
    try:
        octets = Path(path).read_bytes().removeprefix("\ufeff".encode())
    except OSError:
        fail(2, f'cannot read the script "{path}"; name a text file that this user may read')
    return [line.removesuffix(b"\r") for line in octets.removesuffix(b"\n").split(b"\n")] if octets else []


def number(name, text, least, most):
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        fail(2, f'{name} is "{text}"; it must be a number from {least} to {most}')
    return int(text)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by default process 1 of a container would ignore it
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # started without it, as by ">&-"
            setattr(sys, name, Path(os.devnull).open("r+"))  # noqa: SIM115
    script, places = read_arguments(sys.argv[1:])
    host, port, *_ = [*places, "", ""]
    host = host or os.environ.get("ECHO_HOST") or "localhost"
    port = number("the port", port or os.environ.get("ECHO_PORT") or "8080", 1, 65535)
    timeout_s = number("ECHO_TIMEOUT_S", os.environ.get("ECHO_TIMEOUT_S") or "10", 1, 3600)
    lines = None if script is None else play(read_script(script))
    try:
        talk(connect(host, port, timeout_s), host, lines, timeout_s)
    except TimeoutError:
        fail(1, f"the server has not answered for {timeout_s} s; look at the server's log")
    except OSError:  # it sent a RST: what was under way is lost
        fail(1, "the server reset the connection, text may be lost; look at the server's log")
    except MemoryError:
        fail(1, "no memory is left; send shorter lines")
    except KeyboardInterrupt:  # Ctrl-C; leaving closes the socket, which sends our FIN
        note("")
        sys.exit(130)


if __name__ == "__main__":
    main()
