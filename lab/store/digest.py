"""The keyed digest: how a teacher tells an edited capture from the one the tap wrote.

The tap has a key (the teacher's); who has no key cannot make the digest of a changed file. What is digested, with
HMAC-SHA256 (RFC 2104):

    "echolab-digest-1" LF
    SHA-256 of the .pcapng file, 64 hexadecimal digits, LF
    the JSON object without its member "digest", in canonical form: keys sorted, no spaces, UTF-8, no escapes but those
    that JSON demands

So the JSON may be indented anew or its keys moved, and nothing is lost; one changed octet of the capture or one changed
value shows. The digest is kept in the JSON itself, under "digest". It proves that a holder of the key wrote the pair,
not which of them: students who run the tap with the key on their own machine could sign anything, so the key stays with
the teacher's engine.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import hmac
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lab.store.files import read_json, without_waiting

LIBRARY = Path(__file__).with_name("_digest.so")

FORMAT = "echolab-digest-1"
ALGORITHM = "HMAC-SHA256"
UNSIGNED = "unsigned"
_CHUNK_BYTES = 128 * 1024
_TOGETHER = 32
"""Files open at once while they are digested together."""

State = Literal["genuine", "edited", "other-key", "unsigned", "unreadable"]


@dataclass(frozen=True, slots=True)
class Verification:
    """state: what was found. sentence: the same for people."""

    state: State
    sentence: str

    @property
    def genuine(self) -> bool:
        return self.state == "genuine"


class FileDigest:
    """SHA-256 of a file, as much at a time as there is time for.

    octets: digested so far. whole: whether that is all.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest = hashlib.sha256()
        self._known = ""
        self.octets = 0
        self.whole = False

    def is_known(self, octets: int, sha256: str) -> None:
        """Somebody else has digested the file."""
        self.octets, self._known, self.whole = octets, sha256, True

    def go_on(self, octets: int | None = None) -> int:
        """Digest at least so many octets more, or the rest (None). Returns how many it were. Raises OSError."""
        before = self.octets
        piece = memoryview(bytearray(_CHUNK_BYTES))  # one for all pieces: it stays in the processor's cache
        with open(self.path, "rb", buffering=0, opener=without_waiting) as file:
            if before:
                file.seek(before)
            while octets is None or self.octets - before < octets:
                size = file.readinto(piece)
                if not size:
                    self.whole = True
                    break
                self._digest.update(piece[:size])
                self.octets += size
        return self.octets - before

    @property
    def sha256(self) -> str:
        """In hexadecimal."""
        return self._known or self._digest.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal. Raises OSError."""
    digest = FileDigest(path)
    digest.go_on()
    return digest.sha256


def load_library(path: Path = LIBRARY) -> ctypes.CDLL | None:
    """Two files in turn, in C (images/lab/native/digest.c); None where it is not there, or not for this processor."""
    with contextlib.suppress(OSError):
        library = ctypes.CDLL(str(path))
        if library.digest_is_here():
            return library
    return None


def digest_together(digests: Sequence[FileDigest], most_octets: int, library: ctypes.CDLL) -> int:
    """Digest the first of these files, as many as are no more than so many octets together, in less time than one by
    one takes. Returns how many octets they have; what cannot be read is left, for ``go_on`` to say why."""
    total, taken, descriptors, sizes = 0, [], [], []
    try:
        for digest in digests[:_TOGETHER]:
            with contextlib.suppress(OSError):
                size = os.stat(digest.path).st_size  # noqa: PTH116
                if digest.octets or digest.whole or total + size > most_octets:
                    break
                descriptors.append(without_waiting(str(digest.path), os.O_RDONLY))
                taken.append(digest)
                sizes.append(size)
                total += size
        found = ctypes.create_string_buffer(32 * len(taken))
        if library.digest_files((ctypes.c_int * len(taken))(*descriptors), len(taken), found) < len(taken):
            return 0
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    for number, (digest, size) in enumerate(zip(taken, sizes, strict=True)):
        digest.is_known(size, found.raw[32 * number : 32 * number + 32].hex())
    return total


def canonical(facts: Mapping[str, object]) -> bytes:
    """The one form of a session's JSON that is digested: without its digest."""
    rest = {name: value for name, value in facts.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def key_id(key: bytes) -> str:
    """Eight hexadecimal digits that name a key without giving it away: to tell another key from an edited file."""
    return hmac.new(key, b"echolab-key-id", hashlib.sha256).hexdigest()[:8]


def digest_value(key: bytes, pcapng_sha256: str, facts: Mapping[str, object]) -> str:
    """The digest in hexadecimal."""
    mac = hmac.new(key, f"{FORMAT}\n{pcapng_sha256}\n".encode(), hashlib.sha256)
    mac.update(canonical(facts))
    return mac.hexdigest()


def sign(key: bytes | None, pcapng_sha256: str, facts: Mapping[str, object]) -> str | dict[str, str]:
    """What goes under "digest" in the JSON: the digest with its algorithm and key's name, or "unsigned" without a
    key.
    """
    if not key:
        return UNSIGNED
    return {"algorithm": ALGORITHM, "key_id": key_id(key), "value": digest_value(key, pcapng_sha256, facts)}


def verify(json_path: Path, key: bytes | None) -> Verification:
    """Checks a session's JSON and the capture beside it. Never raises: what is wrong is in the answer.

    Without a key, or for an unsigned session, only the plain SHA-256 in the JSON can be compared, which anybody can
    write
    anew: the answer is then "unsigned" at best.
    """
    pcapng_path = json_path.with_suffix(".pcapng")
    try:
        facts = read_json(json_path)
    except (OSError, ValueError) as cause:
        return Verification("unreadable", f"{json_path.name} cannot be read: {cause}")
    try:
        sha256 = file_sha256(pcapng_path)
    except OSError as cause:
        return Verification("unreadable", f"{pcapng_path.name} cannot be read: {cause.strerror or cause}")
    file_facts = facts.get("file")
    told = file_facts.get("sha256") if isinstance(file_facts, dict) else None
    if facts.get("verdict") == "open":
        return Verification("unsigned", f"{json_path.name}: the session is still open; it is signed when it ends")
    if told != sha256:
        return Verification("edited", f"{pcapng_path.name} is not the file that {json_path.name} was written for")
    digest = facts.get("digest")
    if not isinstance(digest, dict):
        return Verification("unsigned", f"{json_path.name} is unsigned: the tap had no key")
    if not key:
        return Verification("unsigned", f"{json_path.name} is signed, but no key was given to check it with")
    if digest.get("algorithm") != ALGORITHM:
        return Verification(
            "edited", f"{json_path.name} names the algorithm {digest.get('algorithm')!r}, not {ALGORITHM}"
        )
    try:
        value = digest_value(key, sha256, facts)
    except ValueError as cause:  # a NaN, which the tap never writes
        return Verification("edited", f"{json_path.name} holds a value that the tap does not write: {cause}")
    if hmac.compare_digest(str(digest.get("value")).encode("utf-8", "replace"), value.encode()):
        return Verification("genuine", f"{pcapng_path.name} and {json_path.name} are as the tap wrote them")
    if digest.get("key_id") != key_id(key):
        return Verification("other-key", f"{json_path.name} was signed with another key ({digest.get('key_id')})")
    return Verification("edited", f"{json_path.name} was changed after the tap wrote it")
