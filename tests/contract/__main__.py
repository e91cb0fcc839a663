"""Write docs/conformance.md: what the conformance kit says of the twelve programs, and of the servers that cheat.

python3 -m tests.contract [--write docs/conformance.md]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from tests.contract.test_cheats import FAULTS, verdicts
from tests.interop.matrix import languages
from tests.live.test_languages import CONTAINER, ROOT, contract_image

TEXT = """# What the conformance kit says

Made by `python3 -m tests.contract --write docs/conformance.md`. The kit is `echolab conformance`: it checks anybody's
server or client, in any language, against the rules of [protocol.md](protocol.md), and names for each case the rule,
the octets sent and expected, what came instead, and what to look at.

## The twelve programs

Each is run in its own image, the server listening there, the client started by the kit.

{programs}

## Servers that cheat

A kit that passes everything proves nothing. These servers are right but for one fault each; the kit must name the
fault, and blame nothing else (`tests/contract/test_cheats.py`).

{cheats}

## What a failure looks like

{example}
"""
SERVER = (
    "import json, os, subprocess, sys\n"
    "server = subprocess.Popen(['/usr/local/bin/echo-server', '--port', '0'], stdout=subprocess.PIPE, text=True)\n"
    "port = server.stdout.readline().rpartition(':')[2].strip()\n"
    "import threading; threading.Thread(target=server.stdout.read, daemon=True).start()\n"
    "done = subprocess.run([sys.executable, '-m', 'lab.conformance', '--json', '127.0.0.1:' + port])\n"
    "server.terminate(); server.wait()\n"
)
CLIENT = "import runpy, sys; sys.argv[1:] = ['--json', '--client', '/usr/local/bin/echo-client']\n"
CLIENT += "runpy.run_module('lab.conformance', run_name='__main__')\n"


def kit(language: str, script: str) -> dict[str, int]:
    """How many cases passed and how many did not, of a program in its image."""
    words = [*CONTAINER, "-v", f"{ROOT}:/lab:ro", "--entrypoint", "python3", contract_image(language), "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    try:
        cases = json.loads(done.stdout)["results"]
    except (ValueError, KeyError) as error:
        said = done.stdout[-300:] + done.stderr[-600:]
        raise SystemExit(f"{language}: the kit said nothing readable: {said}") from error
    passed = sum(1 for case in cases if case["outcome"] == "pass")
    return {"passed": passed, "failed": len(cases) - passed}


def programs() -> tuple[str, bool]:
    """The table of programs, and whether all is well."""
    lines, good = ["| language | server | client |", "|---|---|---|"], True
    for language in languages():
        cells = []
        for script in (SERVER, CLIENT):
            told = kit(language, script)
            good = good and not told["failed"]
            cells.append(f"{told['passed']} of {told['passed'] + told['failed']} cases pass")
        lines.append(f"| {language} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines), good


def cheats() -> tuple[str, str]:
    """The table of cheats, and one of them told as the kit tells it."""
    from lab.conformance.output import told

    lines, example = ["| the server | its fault | cases that name it |", "|---|---|---|"], ""
    for fault in FAULTS[1:]:
        results = verdicts(fault)
        failed = sorted(case for case, result in results.items() if result.outcome != "pass")
        what = (fault.cheat.__doc__ or "").split("\n")[0]
        lines.append(f"| {fault.cheat.__name__} | {what} | {', '.join(f'`{one}`' for one in failed)} |")
        print(lines[-1], flush=True)
        if fault.cheat.__name__ == "AsciiOnly":
            example = "```text\n" + "\n".join(told(results["sharp-s"])) + "\n```"
    return "\n".join(lines), example


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.contract")
    parser.add_argument("--write", type=Path, help="write the page to this file")
    wanted = parser.parse_args()
    table, good = programs()
    faults, example = cheats()
    if wanted.write:
        wanted.write.write_text(TEXT.format(programs=table, cheats=faults, example=example), encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
