"""Whether a capture shows what this student's own scenario asks for: texts, lengths, counts, ports, MSS, server.

The nonce tells whose a capture is; but numbers are seeded, too, and somebody could play with a friend's numbers under
the own name. So what the player would have sent is reckoned anew from the seed, and compared with what the client did
send, octet by octet. Only the seal of the predictions may be anything: it has a check of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lab.analysis.model import Analysis
from lab.grade.errors import EvidenceError
from lab.grade.scenario import Plan, number_of, program
from lab.grade.scripted import differs
from lab.grade.seed import Seed, fill

_SEAL = "?" * 10
_GOOD_BYE = "Good bye"
_RETAKE = (
    "Each name has numbers of its own, and this run was played with others: play the exercise again under the name that"
    " stands in answers.toml."
)


def compare(
    name: str, analysis: Analysis, plan: Plan, seed: Seed, values: Mapping[str, str | int], language: str
) -> None:
    """Raises EvidenceError where the capture of a part shows something else than was asked for. language: of the
    server, as the facts tell it; empty if they don't."""
    if plan.by_hand:
        return
    server, client = _port(analysis.server.address), _port(analysis.client.address)
    if server != plan.port:
        raise _other(name, f"it goes to port {server}, and the exercise asks for port {plan.port}")
    if (analysis.ip_version == 6) != (plan.to == "server6"):
        raise _other(name, f"it is of IPv{analysis.ip_version}, and the exercise asks for the other one")
    if "source_port" in plan.options and not seed.owns_port(client):
        raise _other(name, f"it comes from port {client}, which is not one of those that belong to '{seed.student}'")
    opening = analysis.handshake.client
    if "segment_size" in plan.options and opening is not None:
        wanted = number_of(plan.options["segment_size"], values)
        if opening.mss_bytes != wanted:
            raise _other(name, f"the client announces an MSS of {opening.mss_bytes}, and it should be {wanted}")
    spoken = fill(plan.server, values)
    if spoken and language and language != spoken:
        raise _other(name, f"the server there is written in {language}, and it should be {spoken}")
    _text(name, analysis, plan, values)
    if not _echoed(analysis, plan):
        raise _other(name, "what came back is not what the echo server answers to that (docs/protocol.md)")
    odd = differs(name, analysis, fill(plan.wire, values))
    if odd:
        raise _other(name, odd)


def _text(name: str, analysis: Analysis, plan: Plan, values: Mapping[str, str | int]) -> None:
    wanted = sent_by(name, plan, values)
    found = b"".join(message.octets for message in analysis.client.messages)
    masked, at = found, wanted.find(_SEAL.encode())
    while at >= 0:
        masked = masked[:at] + wanted[at : at + len(_SEAL)][: max(0, len(found) - at)] + masked[at + len(_SEAL) :]
        at = wanted.find(_SEAL.encode(), at + len(_SEAL))
    # What a RST cut off need not have been sent.
    if masked == wanted or (plan.verdict != "complete" and wanted.startswith(masked)):
        return
    if len(found) != len(wanted):
        raise _other(name, f"the client sent {len(found)} octets of text, and it should be {len(wanted)}")
    first = next(at for at, (one, other) in enumerate(zip(masked, wanted, strict=True)) if one != other)
    raise _other(name, f"octet {first + 1} of what the client said is not the one that was asked for")


def _echoed(analysis: Analysis, plan: Plan) -> bool:
    """Whether the server answered as the protocol says: capital letters, and goodbye to quit (rules P9, P13). A
    connection that was broken off need not have brought all of it."""
    said = b"".join(message.octets for message in analysis.client.messages).decode("utf-8", "replace")
    told = b"".join(message.octets for message in analysis.server.messages)
    lines = re.split(r"(?<=\n)", said)
    answer = "".join(_GOOD_BYE + line[4:] if line.strip("\r\n") == "quit" else line.upper() for line in lines).encode()
    return told == answer or (plan.verdict != "complete" and answer.startswith(told))


def sent_by(name: str, plan: Plan, values: Mapping[str, str | int]) -> bytes:
    """All that the player writes in this part, the seal as question marks."""
    told = program([plan], {**values, "seal": _SEAL})["connections"][0]
    index = told["names"].index(name) if name in told["names"] else 0
    return "".join(piece for step in told["steps"] for piece in step[index].get("pieces", ())).encode()


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _other(name: str, what: str) -> EvidenceError:
    return EvidenceError(f"The capture of {name} is not of the scenario that this name gets: {what}.", _RETAKE)
