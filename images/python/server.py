#!/usr/bin/env python3
"""An echo server: it answers every line in capital letters, and "quit" with "Good bye".

    server.py [--host ADDR] [--port N]

The protocol is written down in docs/protocol.md; this is one of six servers that speak it. All connections are served
by one thread: asyncio waits for all sockets at once and calls a method of Connection when something happens on one.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys

LINE_END = b"\n"
CLOSE_WITHIN_S = 2.0  # how long a closed connection is still read from, for a peer that goes on sending
STOP_WITHIN_S = 0.5  # the same when the whole server stops
UNSENT_MOST = 256 * 1024  # octets waiting to be sent before we stop reading from that peer


def log(text):
    print(text, flush=True)


def capital_letters(octets):
    """The answer to a message. Text gets Unicode's capital letters (ß becomes SS); what is no text, only a to z."""
    try:
        return octets.decode("utf-8").upper().encode("utf-8")
    except UnicodeDecodeError:
        return octets.upper()  # for bytes, Python changes only the octets a to z


class Connection(asyncio.Protocol):
    """One client. TCP delivers a stream of octets, not messages: a line may come in pieces, or many lines at once."""

    def __init__(self, server):
        self.server = server
        self.message = bytearray()  # the unfinished line
        self.looked = 0  # so many of its octets are known to have no line end in them
        self.timer = None  # for the 200 ms of silence
        self.arrived = 0.0  # when the last octets came
        self.closing = False
        self.watcher = None

    def connection_made(self, transport):
        # The kernel has done the handshake (SYN, SYN-ACK, ACK) on its own, before we hear of the client.
        self.transport = transport
        self.peer = name_of(transport.get_extra_info("peername"))
        # When the peer reads slowly, its window closes and our answers pile up here. Above this mark asyncio calls
        # pause_writing(), and we stop reading: then our own window closes, and the peer cannot send either.
        transport.set_write_buffer_limits(high=UNSENT_MOST)
        self.server.connections.add(self)
        log(f"{self.peer} connected")

    def pause_writing(self):
        if not self.closing:
            self.transport.pause_reading()

    def resume_writing(self):
        if not self.closing and not self.transport.is_closing():
            self.transport.resume_reading()
            self.answer_lines()

    def data_received(self, octets):
        """A segment (or several) has arrived: the kernel has acknowledged it and put its octets in order."""
        if self.closing:
            return  # read and thrown away: closing a socket with unread octets would send a RST instead of a FIN
        self.message += octets
        self.answer_lines()

    def answer_lines(self):
        """Answer every whole line that is here; keep the rest."""
        while not self.closing and (end := self.message.find(LINE_END, self.looked)) >= 0:
            if self.transport.get_write_buffer_size() > UNSENT_MOST:
                self.looked = end
                return  # this line waits until the peer has read what it was sent: resume_writing() goes on
            line = self.message[:end]
            del self.message[: end + 1]
            self.looked = 0
            self.answer(line, LINE_END)
        if self.closing:
            return
        self.looked = len(self.message)
        # One octet more than allowed may be the CR of a line end.
        if self.looked - self.message.endswith(b"\r") > self.server.max_line:
            self.refuse_long_line()
        elif self.message:
            self.expect_more()

    def answer(self, message, line_end):
        """Send the answer to one message, with the line end that it came with."""
        if line_end and message.endswith(b"\r"):
            message, line_end = message[:-1], b"\r\n"
        if len(message) > self.server.max_line:
            self.refuse_long_line()
        elif message.lower() == b"quit":
            log(f"{self.peer} said quit")
            self.transport.write(b"Good bye" + line_end)
            self.close()
        else:
            self.transport.write(capital_letters(bytes(message)) + bytes(line_end))

    def refuse_long_line(self):
        if not self.closing:
            log(f"{self.peer} sent a line longer than {self.server.max_line} bytes")
            self.transport.write(f"ERROR line longer than {self.server.max_line} bytes\n".encode())
            self.close()

    def expect_more(self):
        """A line has no end yet. If none comes within 200 ms of silence, answer what is there.

        Clients in many textbooks send text without a line end and wait. Setting a timer anew for every octet would cost
        more than the octet; so one timer runs, and looks when it fires whether something has arrived meanwhile.
        """
        self.arrived = self.server.loop.time()
        if self.timer is None:
            self.timer = self.server.loop.call_later(self.server.flush_s, self.silence)

    def silence(self):
        self.timer = None
        if self.closing or self.looked < len(self.message):
            return  # a whole line is waiting: see answer_lines()
        left = self.arrived + self.server.flush_s - self.server.loop.time()
        if left > 0.001:
            self.timer = self.server.loop.call_later(left, self.silence)
        else:
            self.answer_rest()

    def answer_rest(self):
        """Answer a message that has no line end, without one."""
        rest, self.message, self.looked = bytes(self.message), bytearray(), 0
        if rest and not self.closing:
            self.answer(rest, b"")

    def eof_received(self):
        """The peer's FIN: it will send no more. It can still receive, so what it sent last is answered first."""
        if self.closing:
            self.transport.close()  # its FIN after ours: both directions are closed
        else:
            self.answer_all()
            self.closing = True
            self.transport.close()  # sends what is waiting, then our FIN
            self.watch()
        return True  # asyncio is not to close by itself

    def answer_all(self):
        """Answer everything that has arrived, also a line without an end."""
        while not self.closing and (end := self.message.find(LINE_END)) >= 0:
            line = self.message[:end]
            del self.message[: end + 1]
            self.answer(line, LINE_END)
        self.answer_rest()

    def close(self):
        """Send what is waiting, then our FIN. Then read on until the peer's FIN, for a limited time.

        Closing the socket at once would make the kernel send a RST if octets of the peer are unread or still on their
        way, and a RST can destroy the answer that the peer has not read yet.
        """
        if not self.closing:
            self.closing = True
            self.message.clear()
            with contextlib.suppress(OSError):
                self.transport.write_eof()  # shutdown(SHUT_WR): our FIN, behind the last octet
            self.transport.resume_reading()
            self.watch()

    def watch(self):
        """Give up a closing connection whose peer neither reads nor ends."""
        self.unsent = self.transport.get_write_buffer_size()
        self.watcher = self.server.loop.call_later(CLOSE_WITHIN_S, self.give_up)

    def give_up(self):
        if 0 < self.transport.get_write_buffer_size() < self.unsent:
            self.watch()  # it is slow, but it reads
        else:
            self.transport.abort()

    def connection_lost(self, error):
        self.closing = True
        for timer in (self.timer, self.watcher):
            if timer:
                timer.cancel()
        self.server.connections.discard(self)
        log(f"{self.peer} {'reset' if isinstance(error, ConnectionResetError) else 'closed'}")


class Server:
    """The listening socket and everybody who is connected."""

    def __init__(self, max_line, flush_ms):
        self.max_line = max_line
        self.flush_s = flush_ms / 1000
        self.connections = set()

    async def run(self, listener):
        self.loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, stop.set)
        # A thousand clients may connect in the same moment: the kernel keeps those that we have not accepted yet.
        server = await self.loop.create_server(lambda: Connection(self), sock=listener, backlog=4096)
        log(f"listening on {name_of(listener.getsockname())}")
        await stop.wait()
        log("stopping")
        server.close()
        for _ in range(3):
            await asyncio.sleep(0)  # a turn of the loop: what the kernel has for us is read
        for connection in list(self.connections):
            connection.answer_all()
            connection.close()
        end = self.loop.time() + STOP_WITHIN_S
        while self.connections and self.loop.time() < end:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.transport.abort()


def listen(host, port):
    """A socket that accepts connections: for both IP versions, if the address is "::"."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if host == "::" and not socket.has_dualstack_ipv6():
        host, family = "0.0.0.0", socket.AF_INET
    # bind() takes the port, listen() makes the kernel answer a SYN with SYN-ACK. Before, it answers with RST: refused.
    return socket.create_server((host, port), family=family, backlog=4096, dualstack_ipv6=host == "::")


def name_of(address):
    """An address as people write it: 192.0.2.20:40312 or [2001:db8::1]:40312."""
    if not address:
        return "somebody"
    host = address[0].removeprefix("::ffff:")  # an IPv4 peer, as a socket for both versions sees it
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"


def number(name, text, least, most):
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        fail(2, f"{name} is {text!r}: it must be a number from {least} to {most}")
    return value


def fail(status, sentence):
    print(f"echo-server: {sentence}", file=sys.stderr, flush=True)
    sys.exit(status)


def main():
    parser = argparse.ArgumentParser(prog="echo-server", description="Answer every line in capital letters.")
    parser.error = lambda sentence: fail(2, sentence)
    parser.add_argument("--host", default=os.environ.get("ECHO_HOST") or "::", help="address to listen on")
    parser.add_argument("--port", default=os.environ.get("ECHO_PORT") or "8080", help="port to listen on")
    wanted = parser.parse_args()
    port = number("the port", wanted.port, 1, 65535)
    server = Server(
        number("ECHO_MAX_LINE", os.environ.get("ECHO_MAX_LINE") or "1048576", 1, 2**30),
        number("ECHO_FLUSH_MS", os.environ.get("ECHO_FLUSH_MS") or "200", 1, 3_600_000),
    )
    try:
        listener = listen(wanted.host, port)
    except OSError as error:
        fail(1, f"cannot listen on port {port} ({os.strerror(error.errno) if error.errno else error})")
    asyncio.run(server.run(listener))


if __name__ == "__main__":
    main()
