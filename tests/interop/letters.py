"""The letters in which right servers may differ (rule P10): each language's server is asked for each of them.

    python3 -m tests.interop.letters [--write docs/letters.md]

Exit status 1 if a server's tables are of no single version of Unicode.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lab.conformance.capitals import MAY_DIFFER, NEW_IN, OLDEST, age_of
from tests.interop.matrix import languages
from tests.live.test_languages import CONTAINER, ROOT, contract_image

TEXT = """# Letters that not every server knows

Made by `{command}`. Unicode gives letters a capital now and then, so rule
P10 of [the protocol](protocol.md) lists the {count} small letters that have got one since Unicode {oldest}. Each
server, in its image, was asked for each of them. A server's tables must be of one version: all letters of that version
and of those before it, none of those after it. In {differ} letters the servers differ.

Unicode 15 gave none a capital: tables of 14 and of 15 look the same here.

| server | tables like those of Unicode |
|---|---|
{ages}

What each answers; – is the letter as it came.

| letter | its capital | since Unicode | {head} |
|---|---|---|{rule}|
{rows}
"""
ASK = (
    "import json\n"
    "from lab.conformance.server_program import ServerProgram\n"
    "from lab.conformance.server_text import young_letters\n"
    "with ServerProgram(('/usr/local/bin/echo-server',), 10).start() as server:\n"
    "    answers = young_letters(server.target())\n"
    "print(json.dumps({code: answer.hex() for code, answer in answers.items()}))\n"
)
Answers = Mapping[int, bytes]


def ask(language: str) -> Answers:
    """What a language's server, in its image, answers to each letter."""
    words = [*CONTAINER, "-v", f"{ROOT}:/lab:ro", "--entrypoint", "python3", contract_image(language), "-c", ASK]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise SystemExit(f"{language}: {done.stderr[-600:]}")
    return {int(code): bytes.fromhex(answer) for code, answer in json.loads(done.stdout).items()}


def different(found: Mapping[str, Answers]) -> set[int]:
    """The letters to which the servers' answers differ."""
    return {code for code in MAY_DIFFER if len({answers[code] for answers in found.values()}) > 1}


def render(found: Mapping[str, Answers], command: str) -> str:
    """The page. found: by language."""
    rows = []
    for version, letters in NEW_IN.items():
        for small, capital in sorted(letters.items()):
            answers = [name_of(one[small]) if one[small] != chr(small).encode() else "–" for one in found.values()]
            rows.append(f"| {chr(small)} U+{small:04X} | U+{capital:04X} | {version} | {' | '.join(answers)} |")
    return TEXT.format(
        command=command,
        count=len(MAY_DIFFER),
        oldest=OLDEST,
        differ=len(different(found)),
        ages="\n".join(f"| {language} | {age_of(answers)} |" for language, answers in found.items()),
        head=" | ".join(found),
        rule="|".join("---" for _ in found),
        rows="\n".join(rows),
    )


def name_of(octets: bytes) -> str:
    return " ".join(f"U+{ord(letter):04X}" for letter in octets.decode("utf-8", "replace"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.interop.letters")
    parser.add_argument("--write", type=Path, help="write the page to this file")
    wanted = parser.parse_args()
    found = {language: ask(language) for language in languages()}
    for language, answers in found.items():
        try:
            print(f"{language:>10} Unicode {age_of(answers)}")
        except ValueError as error:
            print(f"{language}: {error}", file=sys.stderr)
            return 1
    if wanted.write:
        page = render(found, shlex.join(["python3", "-m", "tests.interop.letters", *sys.argv[1:]]))
        wanted.write.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
