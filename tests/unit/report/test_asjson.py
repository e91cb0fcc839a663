"""The analysis as JSON keeps to its schema, and the published schema is the one that is kept to."""

from __future__ import annotations

import json
from copy import deepcopy

import jsonschema
import pytest

from lab.cli.command import main
from lab.report.asjson import as_json, schema
from tests.golden.canonical import CAPTURES, analysis_of
from tests.schema import DOCS, SCHEMAS


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_every_analysis_keeps_to_the_schema(capture: object) -> None:
    found = json.loads(json.dumps(as_json(analysis_of(capture))))  # type: ignore[arg-type]
    jsonschema.validate(found, schema(), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_is_one_and_the_published_one(name: str) -> None:
    made = SCHEMAS[name]()
    jsonschema.Draft202012Validator.check_schema(made)
    published = DOCS / f"{name}.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == made, "python -m tests.schema writes it"


TAPS = [str(CAPTURES[0].parent / "two-taps" / f"{side}.pcap") for side in ("client", "server")]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stats", ["stats", *(str(one) for one in CAPTURES)]),
        ("compare", ["compare", *TAPS]),
        ("analysis", ["show", TAPS[0]]),
    ],
    ids=["stats", "compare", "show"],
)
def test_what_the_commands_print_keeps_to_its_schema(
    name: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMAS[name](), cls=jsonschema.Draft202012Validator)
    one = found[0] if isinstance(found, list) else found
    one["nonsense"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, SCHEMAS[name](), cls=jsonschema.Draft202012Validator)


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
