"""The wire fingerprint: the same dialogues by every client with every server, and a page of what differs and why.

    python3 -m tests.interop.fingerprint [--servers c,java] [--clients …] [--write docs/fingerprint.md]
    python3 -m tests.interop.fingerprint --render docs/fingerprint.md    only the page, from what was measured before

Pairs that are not asked for keep what the page's JSON has of them. tshark's facts are cross-checked with our JSON; a
pair in which they differ, or a capture is not certified, has failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.interop import dialogues
from tests.interop.facts import disagreements, facts_of, gaps_ms, read_segments
from tests.interop.matrix import languages
from tests.interop.page import load, merged, render, save
from tests.interop.traits import Cell, values_of
from tests.live.conftest import Lab, Oracle

PROJECT = "fp-fingerprint"


def measure(
    pair: tuple[str, str], captures: Path, oracle: Oracle, project: str, wanted: tuple[str, ...] = dialogues.NAMES
) -> Cell:
    """Play the dialogues with this pair, and read its traits from the captures."""
    try:
        sessions = dialogues.play(pair, captures, project, wanted)
        every = read_segments([session["_path"] for session in sessions.values()], oracle)
    except (TimeoutError, ValueError, AssertionError, pytest.fail.Exception) as error:
        return Cell(*pair, problem=str(error).splitlines()[0][:300])
    problems, facts = [], {}
    for (name, session), segments in zip(sessions.items(), every, strict=True):
        facts[name] = facts_of(segments)
        may_end = ("complete", "reset") if name == "unread" else ("complete",)
        if session["verdict"] not in may_end or not session["certificate"]["complete"]:
            problems.append(f"{name}: {session['verdict']}: {'; '.join(session['certificate']['reasons'])}")
        if session["languages"] != {"server": pair[0], "client": pair[1]}:
            problems.append(f"{name}: the JSON names {session['languages']}")
        problems += [f"{name}: {difference}" for difference in disagreements(facts[name], session)]
        if name == "paced":
            facts["gaps_ms"] = gaps_ms(segments, "server", b"X\n", b"Y")
    return Cell(*pair, problem="; ".join(problems), values=values_of(facts))


def build(server: str, client: str) -> None:
    """The images as the sources are now: links to lines that the image hasn't got would be lies."""
    lab = Lab(PROJECT, Path(tempfile.gettempdir()), "198.18.73", "2001:db8:73", SERVER=server, CLIENT=client)
    lab.compose("build", "--quiet", timeout_s=1200)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.fingerprint", description="what differs on the wire")
    every = ",".join(languages())
    parser.add_argument("--servers", default=every)
    parser.add_argument("--clients", default=every)
    parser.add_argument("--write", type=Path, help="write the page to this file, and what was measured beside it")
    parser.add_argument("--render", type=Path, help="measure nothing: make this page anew from what is beside it")
    wanted = parser.parse_args()
    if wanted.render:
        cells = load(wanted.render.with_suffix(".json"))
        wanted.render.write_text(render(cells), encoding="utf-8")
        return 0
    servers, clients = wanted.servers.split(","), wanted.clients.split(",")
    for language in sorted({*servers, *clients}):
        build(language, language)
    oracle = Oracle()
    cells = []
    beside = wanted.write.with_suffix(".json") if wanted.write else None
    for server in servers:
        for client in clients:
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                Path(folder).chmod(0o755)
                cell = measure((server, client), Path(folder), oracle, PROJECT)
            cells.append(cell)
            if beside:  # after each pair: what is measured stays measured, whatever comes
                save(beside, merged(load(beside), [cell]))
            print(f"{server:>10} ← {client:<10} {cell.problem or 'ok'} ({time.monotonic() - began:.1f} s)", flush=True)
    good = sum(1 for cell in cells if not cell.problem)
    print(f"{good} of {len(cells)} pairs")
    if wanted.write and beside:
        wanted.write.write_text(render(load(beside)), encoding="utf-8")
        print(f"{wanted.write} and {beside} are written")
    return 0 if good == len(cells) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd} ended with {error.returncode}: {(error.stderr or b'').decode(errors='replace')}")
    except pytest.fail.Exception as error:  # an image that can't be built
        sys.exit(str(error))
