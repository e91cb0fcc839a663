"""The analysis as JSON keeps to its schema, and the published schema is the one that is kept to."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import jsonschema
import pytest

from lab.report.asjson import as_json, schema
from tests.golden.canonical import CAPTURES, analysis_of

PUBLISHED = Path(__file__).parents[3] / "docs" / "analysis.schema.json"


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_every_analysis_keeps_to_the_schema(capture: object) -> None:
    found = json.loads(json.dumps(as_json(analysis_of(capture))))  # type: ignore[arg-type]
    jsonschema.validate(found, schema(), cls=jsonschema.Draft202012Validator)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_published_schema_is_this_one() -> None:
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == schema(), "python -m tests.schema writes it"


@pytest.mark.parametrize(
    "change",
    [{"verdict": 3}, {"nonsense": 1}, {"frames": [{}]}, {"client": None}],
    ids=lambda change: next(iter(change)),
)
def test_what_does_not_keep_to_it_is_noticed(change: dict[str, object]) -> None:
    found = {**deepcopy(as_json(analysis_of(CAPTURES[0]))), **change}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(json.dumps(found)), schema(), cls=jsonschema.Draft202012Validator)


def test_octets_have_a_readable_form_beside_them() -> None:
    demo = as_json(analysis_of(next(one for one in CAPTURES if one.stem == "demo")))
    assert demo["client"]["messages"][0]["octets"] == b"hello\n".hex()
    assert demo["client"]["messages"][0]["octets_text"] == '"hello\\n"'
