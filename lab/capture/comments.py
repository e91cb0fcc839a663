"""The comments of plain frames, as forms: data, data that acknowledges, acknowledgment; of the client and of the server
each.

They are short, because a busy capture has millions of them: what a frame is, which octets it brings, what it
acknowledges. Frames that are looked at one by one have longer ones (lab.session.explain).
"""

from __future__ import annotations

from lab.store.forms import NUMBER, Form

_ROLES = ("client", "server")
FORMS = (
    *(Form(f"The {own}'s data, octets {NUMBER} to {NUMBER}.") for own in _ROLES),
    *(Form(f"The {own}'s data, octets {NUMBER} to {NUMBER}; ACK up to {NUMBER}.") for own in _ROLES),
    *(Form(f"ACK from the {own}: it has all octets up to {NUMBER}.") for own in _ROLES),
)
