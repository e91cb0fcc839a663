"""The texts that images/CONTRACT.md fixes, in one place: the cases compare with them to the letter."""

from __future__ import annotations

SERVER_USAGE = "usage: echo-server [--host ADDR] [--port N]"
USAGE = "usage: echo-client [--script FILE] [HOST [PORT]]"
SAID_GOOD_BYE = "the server said Good bye and closed the connection"
CLOSED = "the server closed the connection"
TYPE_A_LINE = "type a line and press Enter; quit or Ctrl-D ends"
RESET = "the server reset the connection, text may be lost; look at the server's log"

NO_DESCRIPTOR = "no file descriptor is left for one more connection; raise the limit (ulimit -n)"
NO_MEMORY = "no memory is left; give it more, or choose a smaller ECHO_MAX_LINE"
DISK_FULL = "cannot write to standard output; is the disk full?"


def connected(host: str, address: str, port: str) -> str:
    """Said once the handshake is done."""
    return f"connected to {host} ({address}) port {port}"


def refused(host: str, port: str, tried: str) -> str:
    """Nobody listens there."""
    return f"{host} port {port} refused the connection (tried {tried}); start the server, or check the port"


def no_host(host: str) -> str:
    """The name has no address."""
    return f'there is no host named "{host}"; check the name'


def no_answer_to_syn(host: str, port: str, seconds: int, tried: str) -> str:
    """The handshake was not answered in time."""
    return f"no answer from {host} port {port} within {seconds} s (tried {tried}); check address and firewall"


def no_way(host: str, port: str, tried: str) -> str:
    """Unreachable, or whatever else keeps a SYN from leaving."""
    return f"there is no way to {host} port {port} (tried {tried}); check address and network"


def no_answer(seconds: int) -> str:
    """A line was not answered in time."""
    return f"the server has not answered for {seconds} s; look at the server's log"


def no_script(path: str) -> str:
    """The script can't be read."""
    return f'cannot read the script "{path}"; name a text file that this user may read'


def no_option(word: str) -> str:
    """An argument that doesn't exist."""
    return f'"{word}" is not an option; {USAGE}'


def too_many(word: str) -> str:
    """A third place."""
    return f'"{word}" is one argument too many; {USAGE}'


def bad_number(name: str, text: str, least: int, most: int) -> str:
    """A value that is no number of its range. name: "the port", or the variable's."""
    return f'{name} is "{text}"; it must be a number from {least} to {most}'


def port_in_use(port: int) -> str:
    """A server's port is another program's."""
    return f"port {port} is in use by another program; stop it, or choose another with --port"


def low_port(port: int) -> str:
    """A server may not have this port."""
    return f"port {port} is not for this user; choose one from 1024 up with --port"
