"""Write docs/analysis.schema.json anew from the types: ``python -m tests.schema``."""

from __future__ import annotations

import json
from pathlib import Path

from lab.report.asjson import schema

if __name__ == "__main__":
    target = Path(__file__).parents[1] / "docs" / "analysis.schema.json"
    target.write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")
    print(target)
