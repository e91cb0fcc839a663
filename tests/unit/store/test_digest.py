"""The keyed digest: genuine stays genuine however the JSON is laid out, and every edit shows."""

from __future__ import annotations

import ctypes
import hashlib
import hmac
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.store.digest import (
    FileDigest,
    canonical,
    digest_together,
    digest_value,
    key_id,
    load_library,
    sign,
    verify,
)
from tests.unit.capture.library import made
from tests.unit.store.scenes import Bench

KEY = "the teacher's key – é".encode()


@pytest.fixture
def json_path(tmp_path: Path) -> Path:
    bench = Bench(tmp_path / "captures", key=KEY)
    bench.play("0001-client-40000", 1)
    return bench.folder / "0001-client-40000.json"


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def test_what_the_tap_wrote_is_genuine(json_path: Path) -> None:
    found = verify(json_path, KEY)
    assert found.genuine
    assert found.sentence == "0001-client-40000.pcapng and 0001-client-40000.json are as the tap wrote them"
    assert load(json_path)["digest"]["algorithm"] == "HMAC-SHA256"


def test_the_digest_is_what_the_documentation_says(json_path: Path) -> None:
    facts = load(json_path)
    told = facts.pop("digest")
    sha256 = hashlib.sha256(json_path.with_suffix(".pcapng").read_bytes()).hexdigest()
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    message = f"echolab-digest-1\n{sha256}\n{text}".encode()
    assert told["value"] == hmac.new(KEY, message, hashlib.sha256).hexdigest()


def test_laid_out_anew_the_json_is_still_genuine(json_path: Path) -> None:
    facts = load(json_path)
    json_path.write_text(json.dumps(dict(reversed(facts.items()))), encoding="utf-8")
    assert verify(json_path, KEY).genuine


@pytest.mark.parametrize("at", [0, 40, 700, -60, -1])
def test_one_changed_octet_of_the_capture_shows(json_path: Path, at: int) -> None:
    path = json_path.with_suffix(".pcapng")
    octets = bytearray(path.read_bytes())
    octets[at] ^= 1
    path.write_bytes(octets)
    assert verify(json_path, KEY).state == "edited"


def test_a_changed_value_shows_even_with_the_plain_hash_put_right(json_path: Path) -> None:
    path = json_path.with_suffix(".pcapng")
    path.write_bytes(path.read_bytes()[:-4])
    facts = load(json_path)
    facts["file"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    json_path.write_text(json.dumps(facts), encoding="utf-8")
    assert verify(json_path, KEY).state == "edited"


@pytest.mark.parametrize("change", [{"verdict": "reset"}, {"new": 1}, {"ordinal": True}, {"client": {}}])
def test_an_edited_json_shows(json_path: Path, change: dict[str, Any]) -> None:
    json_path.write_text(json.dumps({**load(json_path), **change}), encoding="utf-8")
    assert verify(json_path, KEY).state == "edited"


def test_another_key_is_told_from_an_edit(json_path: Path) -> None:
    found = verify(json_path, b"another")
    assert found.state == "other-key"
    assert key_id(KEY) in found.sentence


def test_without_a_key_nothing_is_called_genuine(json_path: Path, tmp_path: Path) -> None:
    assert verify(json_path, None).state == "unsigned"
    bench = Bench(tmp_path / "unsigned")
    bench.play("0001-client-40000", 1)
    found = verify(bench.folder / "0001-client-40000.json", KEY)
    assert (found.state, found.genuine) == ("unsigned", False)
    assert "the tap had no key" in found.sentence


def test_removing_the_digest_leaves_it_unsigned_never_genuine(json_path: Path) -> None:
    facts = load(json_path)
    del facts["digest"]
    json_path.write_text(json.dumps(facts), encoding="utf-8")
    assert verify(json_path, KEY).state == "unsigned"


def test_another_algorithm_is_not_believed(json_path: Path) -> None:
    facts = load(json_path)
    facts["digest"]["algorithm"] = "none"
    json_path.write_text(json.dumps(facts), encoding="utf-8")
    assert verify(json_path, KEY).state == "edited"


def test_an_open_session_is_not_signed_yet(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "captures", key=KEY)
    bench.play("0001-open", 1, finish=False)
    assert verify(bench.folder / "0001-open.json", KEY).state == "unsigned"


def test_missing_or_broken_files_are_unreadable(json_path: Path) -> None:
    pcapng = json_path.with_suffix(".pcapng")
    pcapng.rename(pcapng.with_suffix(".away"))
    assert verify(json_path, KEY).state == "unreadable"
    json_path.write_text("{", encoding="utf-8")
    assert verify(json_path, KEY).state == "unreadable"
    json_path.unlink()
    assert verify(json_path, KEY).state == "unreadable"


@pytest.mark.parametrize("digest", [5, "yes", [], {"value": None, "algorithm": "HMAC-SHA256"}, {"value": "é" * 64}])
def test_a_strange_digest_is_never_genuine(json_path: Path, digest: object) -> None:
    json_path.write_text(json.dumps({**load(json_path), "digest": digest}), encoding="utf-8")
    assert verify(json_path, KEY).state in ("unsigned", "edited", "other-key")


def test_a_value_the_tap_never_writes_is_an_edit(json_path: Path) -> None:
    facts = load(json_path)
    json_path.write_text(json.dumps({**facts, "rtt_us": float("nan")}), encoding="utf-8")
    assert verify(json_path, KEY).state == "edited"


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)))
def test_the_canonical_form_survives_writing_and_reading(facts: dict[str, Any]) -> None:
    again = json.loads(json.dumps(facts, indent=2, ensure_ascii=True))
    assert canonical(again) == canonical(facts)
    assert digest_value(b"k", "0" * 64, again) == digest_value(b"k", "0" * 64, facts)
    assert sign(None, "0" * 64, facts) == "unsigned"


SIZES = (0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 65535, 65536, 65537, 65600, 200_000, 3, 1 << 20)


class ByHashlib:
    """What the library does."""

    def digest_files(self, descriptors: Sequence[int], count: int, digests: ctypes.Array[ctypes.c_char]) -> int:
        for number, descriptor in enumerate(descriptors):
            octets = os.pread(descriptor, 1 << 30, 0)
            digests[32 * number : 32 * number + 32] = hashlib.sha256(octets).digest()
        return count


@pytest.fixture
def together() -> ctypes.CDLL:
    """The library; for a processor without the instructions, hashlib in its place."""
    found = load_library(made("digest"))
    if found is not None:
        return found
    assert "sha_ni" not in Path("/proc/cpuinfo").read_text()
    return cast("ctypes.CDLL", ByHashlib())


@pytest.mark.parametrize("count", [0, 1, 2, 3, 17])
def test_files_digested_together_have_the_digests_that_hashlib_gives(
    tmp_path: Path, together: ctypes.CDLL, count: int
) -> None:
    chance = random.Random(count)
    digests = [FileDigest(tmp_path / str(number)) for number in range(count)]
    for digest, size in zip(digests, chance.sample(SIZES, count), strict=True):
        digest.path.write_bytes(chance.randbytes(size))
    assert digest_together(digests, 1 << 30, together) == sum(digest.octets for digest in digests)
    for digest in digests:
        octets = digest.path.read_bytes()
        assert (digest.whole, digest.octets) == (True, len(octets))
        assert digest.sha256 == hashlib.sha256(octets).hexdigest()


def test_only_files_that_fit_into_the_share_are_digested_together(tmp_path: Path, together: ctypes.CDLL) -> None:
    digests = [FileDigest(tmp_path / str(number)) for number in range(4)]
    for digest in digests:
        digest.path.write_bytes(b"x" * 1000)
    assert digest_together(digests, 2500, together) == 2000
    assert [digest.whole for digest in digests] == [True, True, False, False]


def test_a_file_that_cannot_be_read_spoils_no_other(tmp_path: Path, together: ctypes.CDLL) -> None:
    digests = [FileDigest(tmp_path / name) for name in ("one", "gone", "two")]
    digests[0].path.write_bytes(b"1")
    digests[2].path.write_bytes(b"2")
    assert digest_together(digests, 1000, together) == 2
    assert [digest.whole for digest in digests] == [True, False, True]
    with pytest.raises(FileNotFoundError):
        digests[1].go_on()


def test_without_the_library_there_is_none(tmp_path: Path) -> None:
    assert load_library(tmp_path / "_digest.so") is None
