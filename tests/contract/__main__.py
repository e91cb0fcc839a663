"""Write docs/conformance.md: what the conformance kit says of the twelve programs, and of those that cheat.

python3 -m tests.contract [--write docs/conformance.md]
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.conformance import Case, Result, client_cases, process_cases, server_cases
from lab.conformance.output import told
from tests.contract import cheats, test_cheat_clients, test_cheat_programs, test_cheats
from tests.interop.matrix import languages
from tests.live.test_languages import CONTAINER, ROOT, contract_image

TEXT = """# What the conformance kit says

Made by `{command}`. The kit is `echolab conformance`: it checks anybody's
server or client, in any language, against the rules of [protocol.md](protocol.md) and of
[CONTRACT.md](../images/CONTRACT.md), and names for each case the rule, the octets sent and expected, what came instead,
and what to look at.

```text
echolab conformance 127.0.0.1:8080              a server that runs: what goes over the wire
echolab conformance --server ./my-server        the kit starts it: also its signals, log, settings, error sentences
echolab conformance --client ./my-client        the kit starts it and plays the server
```

## The twelve programs

Each is run in its own image by the kit: `--server /usr/local/bin/echo-server` and `--client
/usr/local/bin/echo-client`. Every case is listed [below](#every-case).

{totals}

## Programs that cheat

A kit that passes everything proves nothing. These programs are right but for one fault each; the kit must name the
fault, and blame nothing else.

Servers, over the wire (`tests/contract/test_cheats.py`):

{cheats}

Servers, as a process (`tests/contract/test_cheat_programs.py`):

{programs}

Clients (`tests/contract/test_cheat_clients.py`):

{clients}

## What a failure looks like

{example}

## Every case

Servers:

{server_cases}

Clients:

{client_cases}
"""
# What a flaw is: cheat_programs.py and cheat_clients.py have only its name.
FLAWS = {
    "ignores-signals": "Does not hear SIGTERM and SIGINT.",
    "no-handler": "Has no handler for signals: is killed by them.",
    "status-143": "Stops as it should, but with status 143.",
    "loses-unfinished": "Forgets the unfinished line when it is stopped.",
    "waits-for-all": "Waits for a client that does not read, however long that takes.",
    "asks-on": "Asks the kernel over and over whether there is room to send, instead of waiting for it.",
    "no-reuse": "Does not set SO_REUSEADDR.",
    "ipv4-only": "Listens on IPv4 only.",
    "says-no-end": "Does not log the end of a connection.",
    "logs-text": "Logs what people say.",
    "minds-its-log": "Ends when nobody reads its log any more.",
    "environment-wins": "Takes the environment before the arguments.",
    "no-variables": "Does not look at ECHO_MAX_LINE, ECHO_FLUSH_MS and ECHO_LOG.",
    "stack-trace": "Shows a stack trace when something is wrong.",
    "wrong-words": "Says what is wrong in its own words, without the next step.",
    "status-1": "Ends with status 1 for a wrong argument.",
    "accepts-no-more": "Accepts nobody any more after the first error of accept().",
    "one-sentence": "Has one sentence for everything that keeps it from listening.",
    "changes-octets": "Turns CR LF into LF.",
    "no-fin": "Does not end its side when its input has ended.",
    "closes-early": "Ends when its input has, without waiting for answers.",
    "first-segment-only": "Takes the first segment for the whole answer.",
    "sends-first": "Reads answers only when all is sent.",
    "waits-for-input": "Does not end at the server's FIN while its input is open.",
    "pipelines": "Sends the whole script at once.",
    "sends-comments": "Sends the script's comments, too.",
    "sends-after-quit": "Sends what stands behind quit in the script.",
    "status-0": "Ends with status 0, whatever happened.",
}
Outcomes = Mapping[str, str]  # by case


def kit(language: str, option: str, command: str) -> dict[str, str]:
    """The outcome of each case, of a program in its image."""
    words = [*CONTAINER, "-v", f"{ROOT}:/lab:ro", "--entrypoint", "python3", contract_image(language)]
    words += ["-m", "lab.conformance", "--json", "--patience", "10", option, command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    try:
        return {case["case"]: case["outcome"] for case in json.loads(done.stdout)["results"]}
    except (ValueError, KeyError) as error:
        said = done.stdout[-300:] + done.stderr[-600:]
        raise SystemExit(f"{language}: the kit said nothing readable: {said}") from error


def passed(outcomes: Outcomes) -> int:
    return sum(1 for outcome in outcomes.values() if outcome == "pass")


def totals(servers: Mapping[str, Outcomes], clients: Mapping[str, Outcomes]) -> str:
    """The table of programs: how many cases each passed."""
    lines = ["| language | server | client |", "|---|---|---|"]
    for language in servers:
        cells = [f"{passed(of[language])} of {len(of[language])} cases pass" for of in (servers, clients)]
        lines.append(f"| {language} | {' | '.join(cells)} |")
    return "\n".join(lines)


def every_case(cases: Iterable[Case], found: Mapping[str, Outcomes]) -> str:
    """The table of cases: what each program came to."""
    lines = [f"| case | rule | what it shows | {' | '.join(found)} |", "|---" * (3 + len(found)) + "|"]
    for case in cases:
        marks = ["✓" if of[case.id] == "pass" else f"✗ {of[case.id]}" for of in found.values()]
        name = case.name.replace("|", "\\|")
        lines.append(f"| `{case.id}` | {case.rule} | {name} | {' | '.join(marks)} |")
    return "\n".join(lines)


def cheat_table(head: str, found: Mapping[str, tuple[str, Mapping[str, Result]]]) -> str:
    """A table of cheats: the fault, and the cases that name it. found: by name, fault and results."""
    lines = [f"| {head} | its fault | cases that name it |", "|---|---|---|"]
    for name, (fault, results) in found.items():
        failed = sorted(case for case, result in results.items() if result.outcome != "pass")
        lines.append(f"| {name} | {fault} | {', '.join(f'`{one}`' for one in failed) or '**none**'} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.contract")
    parser.add_argument("--write", type=Path, help="write the page to this file")
    wanted = parser.parse_args()
    servers, clients = {}, {}
    for language in languages():
        servers[language] = kit(language, "--server", "/usr/local/bin/echo-server")
        clients[language] = kit(language, "--client", "/usr/local/bin/echo-client")
        print(language, passed(servers[language]), passed(clients[language]), flush=True)
    wire = {
        fault.cheat.__name__: ((fault.cheat.__doc__ or "").split("\n")[0], test_cheats.verdicts(fault))
        for fault in test_cheats.FAULTS[1:]
    }
    process = {flaw: (FLAWS[flaw], test_cheat_programs.verdicts(flaw)) for flaw in [*test_cheat_programs.FAULTS][1:]}
    client = {flaw: (FLAWS[flaw], test_cheat_clients.verdicts(flaw)) for flaw in [*test_cheat_clients.FAULTS][1:]}
    text = TEXT.format(
        command=shlex.join(["python3", "-m", "tests.contract", *sys.argv[1:]]),
        totals=totals(servers, clients),
        cheats=cheat_table("the server", wire),
        programs=cheat_table("the server", process),
        clients=cheat_table("the client", client),
        example="```text\n" + "\n".join(told(wire[cheats.AsciiOnly.__name__][1]["sharp-s"])) + "\n```",
        server_cases=every_case([*server_cases(), *process_cases()], servers),
        client_cases=every_case(client_cases(), clients),
    )
    if wanted.write:
        wanted.write.write_text(text, encoding="utf-8")
    named = all(
        any(result.outcome == "fail" for result in results.values())
        for found in (wire, process, client)
        for _, results in found.values()
    )
    good = all(passed(of) == len(of) for found in (servers, clients) for of in found.values())
    return 0 if good and named else 1


if __name__ == "__main__":
    sys.exit(main())
