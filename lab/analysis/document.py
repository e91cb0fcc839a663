"""docs/analysis.md: the model in words, and every kind of finding, from the tables that the code itself uses.

``python -m lab.analysis.document`` prints it; a test compares it with the file.
"""

from __future__ import annotations

import textwrap
from dataclasses import fields

from lab.analysis import model, parts
from lab.analysis.kind import Kind
from lab.analysis.kinds import KINDS, example

_HEAD = """\
# What the analysis says

Generated from `lab/analysis` by `python -m lab.analysis.document`; don't edit it here.

`lab.analysis` takes frames and gives back one `Analysis` for each session: what every frame is, what each end sent and
measured, how the connection was opened and ended, and *findings*: single results, each with the frames that prove it,
the section of the RFC and one sentence. It opens no file and asks no clock.

```python
from pathlib import Path

from lab.analysis import analyse
from lab.store.reader import CaptureReader

reader = CaptureReader(Path("session.pcapng"))
for analysis in analyse(packet.frame for packet in reader):
    for finding in analysis.findings:
        print(finding.frames, finding.sentence, finding.rfc)
```

- A frame's **number** counts in its session, from 1. In a file with one session, as the lab writes them, that is
  Wireshark's number too; otherwise `file_number` is.
- **`_rel`** is an offset from the ISN of the end that it counts for: SYN is 0, the first octet is 1; it never wraps.
  **`_raw`** is the 32-bit number of the header.
- **`_ns`** is nanoseconds: since 1970 where it is a moment. **None** means: not known, and nothing was guessed.
- **Where the tap is matters.** A round trip measured beside the receiver shows only how quickly that answers. `vantage`
  says at whose host the tap was; the round trips of that end are the true ones.
- For totals of a large file there is a cheap way that makes no findings: `lab.analysis.stats`.
- Two files of one session, from the taps at both ends, are put together by `lab.analysis.compare`.
"""

_TYPES = (
    model.Analysis,
    model.Finding,
    model.FrameRecord,
    parts.Stream,
    parts.Message,
    parts.RttSample,
    parts.InFlight,
    parts.Retransmission,
    parts.Acknowledgment,
    parts.WindowPoint,
    parts.Handshake,
    parts.Opening,
    parts.Teardown,
    parts.Reset,
    parts.IcmpError,
)


def document() -> str:
    """The page in Markdown."""
    lines = [_HEAD, "## The model", ""]
    for kind in _TYPES:
        first, _, rest = (kind.__doc__ or "").replace("``", "`").partition("\n\n")
        lines += [f"### {kind.__name__}", "", " ".join(first.split()), ""]
        said = " ".join(rest.split())
        if said:
            lines += [*textwrap.wrap(said, 118), ""]
        members = ", ".join(f"`{field.name}`" for field in fields(kind))
        lines += [*textwrap.wrap(f"Members: {members}.", 118), ""]
    lines += ["## Roles of a frame", "", "| `roles` | Meaning |", "|---|---|"]
    lines += [f"| `{word}` | {meaning} |" for word, meaning in model.ROLE_WORDS.items()]
    lines += ["", "## Findings", ""]
    lines += ["The sentence is an example. `facts` are its members besides `frames` and `side`.", ""]
    lines += ["| `kind` | Rule | For example | `facts` |", "|---|---|---|---|"]
    lines += [_row(kind) for kind in KINDS.values()]
    return "\n".join(lines) + "\n"


def _row(kind: Kind) -> str:
    facts = ", ".join(f"`{name}`" for name in kind.facts)
    sentence = example(kind).replace("|", "\\|")
    return f"| `{kind.slug}` | {kind.rfc or 'of the lab'} | {sentence} | {facts or '–'} |"


if __name__ == "__main__":
    print(document(), end="")
