"""Write the published schemas anew from the types: ``python -m tests.schema``."""

from __future__ import annotations

import json
from pathlib import Path

from lab.report.asjson import compare_schema, schema, stats_schema

DOCS = Path(__file__).parents[1] / "docs"
SCHEMAS = {"analysis": schema, "stats": stats_schema, "compare": compare_schema}

if __name__ == "__main__":
    for name, made in SCHEMAS.items():
        target = DOCS / f"{name}.schema.json"
        target.write_text(json.dumps(made(), indent=1) + "\n", encoding="utf-8")
        print(target)
