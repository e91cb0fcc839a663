#!/usr/bin/env python3
"""An echo server: it answers every line in capital letters, and "quit" with "Good bye".

    echo-server [--host ADDR] [--port N]

The rules (P1, P2, ...) are in docs/protocol.md, the arguments and log lines in images/CONTRACT.md; servers in other
languages follow the same two. One thread serves everybody: asyncio asks the kernel which of all the sockets have
something to tell, and then calls a method of that Connection. So a method must never wait.
"""

import asyncio
import errno
import os
import resource
import select
import signal
import socket
import sys

LOG = os.environ.get("ECHO_LOG") or "connections"
USAGE = "usage: echo-server [--host ADDR] [--port N]"
GOOD_BYE = b"Good bye"
DISCARD_S = 2.0  # P16: how long we read on after our FIN
STOP_S = 0.5  # P26: the same when the whole server stops
STOP_READING_S = 0.25  # P26: how long, at most, we take in what had arrived before the stop
MOST_MAX_LINE = 2**26  # an answer has up to three times as many octets, and is there more than once while it is made
BACKLOG = 4096  # so many clients may wait, shaken hands with by the kernel, until we accept them


# ---- Messages: octets in, octets out; nothing here knows of sockets ----


def capital_letters(message):
    """The answer to a message (P9, P11): text in capital letters; of what is not UTF-8, only a to z change."""
    try:
        return message.decode("utf-8").upper().encode("utf-8")
    except UnicodeDecodeError:
        return message.upper()  # of bytes, Python changes only the octets a to z


def split_line_end(line):
    """A line without its LF, as message and line end: CR LF is answered with CR LF (P3)."""
    return (line[:-1], b"\r\n") if line.endswith(b"\r") else (line, b"\n")


# ---- Connections: what happens on the wire, and what we do about it ----


class Connection(asyncio.Protocol):
    """One client. TCP brings a stream of octets, not messages: a line comes in pieces, or many lines come at once."""

    def __init__(self, server):
        self.server = server
        self.line = bytearray()  # the octets of the line that has no end yet
        self.answers = []  # what we will send when all that has arrived is looked at
        self.closing = False  # our FIN is sent, or on its way
        self.silence_timer = self.discard_timer = None

    def connection_made(self, transport):
        """SYN, SYN-ACK and ACK are exchanged: the kernel did that on its own, before we heard of the client."""
        self.transport = transport
        self.peer = name_of(transport.get_extra_info("peername"))
        self.server.connections.add(self)
        log(f"{self.peer} connected")

    def data_received(self, octets):
        """Segments have arrived: the kernel has acknowledged them and put their octets in order."""
        if self.closing:
            return  # P16: read and thrown away, for close() with unread octets would send a RST, not a FIN
        self.server.received += len(octets)
        log_message(f"{self.peer} received {len(octets)} octets")
        *ended, rest = octets.split(b"\n")  # only what is new is searched: a long line in many pieces stays cheap
        for piece in ended:
            self.line += piece
            line, self.line = bytes(self.line), bytearray()
            self.answer(*split_line_end(line))
            if self.closing:
                return
        self.line += rest
        # P22: the limit is for the message alone. A CR at the end may be the first half of a line end.
        if len(self.line) - self.line.endswith(b"\r") > self.server.max_line:
            self.refuse_long_line()
        self.send_answers()
        self.expect_more()

    def answer(self, message, line_end):
        if len(message) > self.server.max_line:
            self.refuse_long_line()
        elif message.lower() == b"quit":  # of bytes, again only A to Z: "quıt" is not quit (P14)
            log(f"{self.peer} said quit")
            self.answers.append(GOOD_BYE + line_end)
            self.close()
        else:
            self.answers.append(capital_letters(message) + line_end)

    def refuse_long_line(self):
        log(f"{self.peer} sent a line longer than {self.server.max_line} bytes")
        self.answers.append(f"ERROR line longer than {self.server.max_line} bytes\n".encode())
        self.close()

    def send_answers(self):
        """Hand all answers to the kernel at once: they share segments, as the lines may have done."""
        if self.answers:
            octets, self.answers = b"".join(self.answers), []
            self.transport.write(octets)
            log_message(f"{self.peer} sent {len(octets)} octets")

    # -- A line without an end: 200 ms of silence (P19), or the peer's FIN (P18) --

    def expect_more(self):
        """A timer set anew for each segment would cost more than the segment. So one runs, and looks when it fires."""
        self.last_arrival_s = self.server.loop.time()
        if self.line and self.silence_timer is None and not self.closing:
            self.silence_timer = self.server.loop.call_later(self.server.flush_s, self.look_for_silence)

    def look_for_silence(self):
        self.silence_timer = None
        left_s = self.last_arrival_s + self.server.flush_s - self.server.loop.time()
        if self.closing or not self.line or not self.transport.is_reading():
            return
        if left_s > 0.001:
            self.silence_timer = self.server.loop.call_later(left_s, self.look_for_silence)
        elif self.has_arrival():
            self.expect_more()  # not silent: we were too busy to look
        else:
            self.answer_unfinished()

    def has_arrival(self):
        """Whether the kernel has octets of this peer, or its FIN, that asyncio has not brought us yet."""
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket"), select.POLLIN)
        return bool(poll.poll(0))

    def answer_unfinished(self):
        """Answer the line that has no end, without one. What comes later starts a new message (P20)."""
        line, self.line = bytes(self.line), bytearray()
        if line and not self.closing:
            self.answer(line, b"")
            self.send_answers()

    def eof_received(self):
        """The peer's FIN: it will send no more. It can still receive, so its last line is answered first."""
        self.answer_unfinished()
        self.closing = True
        self.transport.close()  # sends what is waiting, then our FIN; nothing can come after the peer's own FIN
        return True  # "leave the closing to us"

    # -- A peer that reads slowly (P24): its window closes, and our answers pile up here --

    def pause_writing(self):
        """Over 64 KiB wait. We stop reading, so our window closes too, and the peer can send no more: back-pressure."""
        if not self.closing:
            self.transport.pause_reading()

    def resume_writing(self):
        if self.closing:
            self.limit_discarding()
        else:
            self.transport.resume_reading()
            self.expect_more()

    # -- The end --

    def close(self):
        """End our side with a FIN, and read on until the peer's: "close" in P16. No octet is lost, no RST is sent."""
        if self.closing:
            return
        self.send_answers()
        self.closing = True
        self.transport.resume_reading()
        self.transport.set_write_buffer_limits(high=0)  # resume_writing() shall tell when all is handed over
        try:
            self.transport.write_eof()  # shutdown(SHUT_WR): a FIN, behind the last octet of the answers
        except OSError:
            self.transport.abort()  # the peer has just sent a RST: there is nobody left to talk to
        if self.transport.get_write_buffer_size() == 0:
            self.limit_discarding()

    def limit_discarding(self):
        if self.discard_timer is None:
            self.discard_timer = self.server.loop.call_later(DISCARD_S, self.transport.abort)

    def connection_lost(self, error):
        """Both sides have ended (or the peer sent a RST): asyncio has closed the socket."""
        self.closing = True
        for timer in (self.silence_timer, self.discard_timer):
            if timer:
                timer.cancel()
        self.server.connections.discard(self)
        log(f"{self.peer} {'reset' if isinstance(error, (ConnectionResetError, BrokenPipeError)) else 'closed'}")


# ---- The server: the socket that listens, and the signals that stop it ----


class Server:
    def __init__(self, max_line, flush_ms):
        self.max_line = max_line
        self.flush_s = flush_ms / 1000
        self.connections = set()
        self.received = 0  # octets, from everybody

    async def run(self, listener):
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(log_trouble)
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, stopped.set)
        accepting = await self.loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG)
        log(f"listening on {name_of(listener.getsockname())}")
        await stopped.wait()
        log("stopping")
        accepting.close()  # from now on a SYN is answered with a RST: refused
        await self.stop()

    async def stop(self):
        """P26: answer what has arrived, send every peer a FIN, and wait for theirs, but not for long."""
        end_s = self.loop.time() + STOP_READING_S
        before = -1
        while self.received != before and self.loop.time() < end_s:  # until nothing more was there to be read
            before = self.received
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.answer_unfinished()
            connection.close()
        end_s = self.loop.time() + STOP_S
        while self.connections and self.loop.time() < end_s:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.transport.abort()


def listen(host, port):
    """A listening socket. "::" stands for every address of this machine, of IPv6 and of IPv4 (P27)."""
    both = host == "::"
    if both and not socket.has_dualstack_ipv6():
        host, both = "0.0.0.0", False
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    # bind() takes the port. listen() makes the kernel answer a SYN with a SYN-ACK; before, it refuses with a RST.
    return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=both)


# ---- Arguments, log lines, errors: as images/CONTRACT.md words them ----


def name_of(address):
    """An address as people write it: 192.0.2.20:40312 or [2001:db8::20]:40312."""
    if not address:
        return "somebody"  # gone again before we could ask for its address
    host, port = address[0].removeprefix("::ffff:"), address[1]  # ::ffff:192.0.2.20 is an IPv4 peer
    host = host.partition("%")[0]  # without the name of a link, as in fe80::1%eth0
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def log(text):
    say(text, sys.stdout)


def say(text, stream):
    """A line for whoever reads our log. They may be gone; that is no reason to stop, nor to end with an error."""
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # Python tries once more when it ends
    except OSError:
        pass  # the disk is full: the next line may find room again


def log_message(text):
    if LOG == "messages":
        log(text)


def log_trouble(loop, about):
    """What asyncio could not tell a Connection."""
    error = about.get("exception")
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        now_s, log_trouble.told_s = loop.time(), getattr(log_trouble, "told_s", -1)
        if now_s - log_trouble.told_s >= 1:  # asyncio tells it thousands of times a second
            log_error("no file descriptor is left for one more connection; raise the limit (ulimit -n)")
            log_trouble.told_s = now_s
    elif isinstance(error, MemoryError):  # it ends one connection
        log_error("no memory is left; give it more, or choose a smaller ECHO_MAX_LINE")
    # An OSError ends one connection, and connection_lost() says so. A ValueError comes when asyncio, after a rest,
    # wants to accept again and we have stopped.
    elif not isinstance(error, (OSError, ValueError)):
        log_error(about["message"])


def log_error(sentence):
    say(f"echo-server: {sentence}", sys.stderr)


def fail(status, sentence):
    log_error(sentence)
    sys.exit(status)


def read_options(words):
    """{"--host": ..., "--port": ...}, of the command line."""
    options = {}
    words = list(words)
    while words:
        word = words.pop(0)
        if word in ("-h", "--help"):
            print(USAGE)
            sys.exit(0)
        if word not in ("--host", "--port"):
            fail(2, f'"{word}" is not an option; {USAGE}')
        if not words:
            fail(2, f"{word} needs a value; {USAGE}")
        options[word] = words.pop(0)
    return options


def number(name, text, least, most):
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        fail(2, f'{name} is "{text}"; it must be a number from {least} to {most}')
    return int(text)


def main():
    options = read_options(sys.argv[1:])
    host = options.get("--host") or os.environ.get("ECHO_HOST") or "::"
    port = number("the port", options.get("--port") or os.environ.get("ECHO_PORT") or "8080", 0, 65535)
    max_line = number("ECHO_MAX_LINE", os.environ.get("ECHO_MAX_LINE") or "1048576", 1, MOST_MAX_LINE)
    flush_ms = number("ECHO_FLUSH_MS", os.environ.get("ECHO_FLUSH_MS") or "200", 1, 60_000)
    if LOG not in ("connections", "messages"):
        fail(2, f'ECHO_LOG is "{LOG}"; it must be connections or messages')
    # Every connection is a file descriptor. Take as many as we may have.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft if hard == resource.RLIM_INFINITY else hard, hard))
    try:
        listener = listen(host, port)
    except (socket.gaierror, UnicodeError):  # no name is like "a..b", says Python on its own
        fail(1, f'there is no host named "{host}"; check --host')
    except OSError as error:
        fail(
            1,
            {
                errno.EADDRINUSE: f"port {port} is in use by another program; stop it, or choose another with --port",
                errno.EACCES: f"port {port} is not for this user; choose one from 1024 up with --port",
                errno.EADDRNOTAVAIL: f"{host} is not an address of this machine; choose another with --host",
            }.get(error.errno, f"cannot listen on {host} port {port}; choose others with --host and --port"),
        )
    asyncio.run(Server(max_line, flush_ms).run(listener))


if __name__ == "__main__":
    main()
