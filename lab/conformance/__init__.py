"""The conformance kit: anybody's echo server or client, in any language, against docs/protocol.md.

A *case* is a short conversation with a name, the id of the rule that it checks, the octets sent and expected, and
advice for whoever fails it. For a server the kit plays the client; for a client it starts the program and plays the
server; given a server's command, it also starts, stops and misleads that. It needs nothing but a Python 3.10 and looks
at octets only, so it doesn't matter what the other side is written in.

    python3 -m lab.conformance 127.0.0.1:8080
    python3 -m lab.conformance --server ./my-echo-server
    python3 -m lab.conformance --client ./my-echo-client
"""

from lab.conformance.model import Case, Result, Target
from lab.conformance.run import (
    client_cases,
    process_cases,
    run_client_cases,
    run_process_cases,
    run_server_cases,
    server_cases,
)

__all__ = [
    "Case",
    "Result",
    "Target",
    "client_cases",
    "process_cases",
    "run_client_cases",
    "run_process_cases",
    "run_server_cases",
    "server_cases",
]
