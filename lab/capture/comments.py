"""The comments of plain frames, as forms: data, data that acknowledges, acknowledgment; of the client and of the server
each.

They are short, because a busy capture has millions of them: what a frame is, which octets it brings, what it
acknowledges. Frames that are looked at one by one have longer ones (lab.session.explain).
"""

from __future__ import annotations

from lab.store.forms import NUMBER, Form

_ROLES = (("client", "server"), ("server", "client"))
FORMS = (
    *(Form(f"Data: octets {NUMBER} to {NUMBER} of the {own}'s stream.") for own, _ in _ROLES),
    *(
        Form(f"Data: octets {NUMBER} to {NUMBER} of the {own}'s stream; ACK up to {NUMBER} of the {peer}'s.")
        for own, peer in _ROLES
    ),
    *(Form(f"ACK: the {own} has the {peer}'s octets up to {NUMBER}.") for own, peer in _ROLES),
)
