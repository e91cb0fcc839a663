"""An analysis as JSON, and the schema that the JSON keeps to: both made from the types, so that neither can lie.

Octets become hexadecimal text under the same name, with their readable form beside them (``…_text``), because JSON has
no octets. The schema is JSON Schema (draft 2020-12) and is published as docs/analysis.schema.json; those of
``stats`` and ``compare`` as docs/stats.schema.json and docs/compare.schema.json.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

from lab.analysis.compare import Comparison
from lab.analysis.model import Analysis
from lab.analysis.totals import SessionTotals
from lab.report.text import quote

SCHEMA = 1
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def as_json(analysis: Analysis, *, frames: bool = True) -> dict[str, Any]:
    """The analysis as values that ``json.dumps`` takes. frames: with every frame, or an empty list for them."""
    if not frames:
        analysis = dataclasses.replace(analysis, frames=())
    return {"schema": SCHEMA, **plain(analysis)}


def plain(value: Any) -> Any:
    """A value of the model as values that ``json.dumps`` takes."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found: dict[str, Any] = {}
        for one in dataclasses.fields(value):
            inner = getattr(value, one.name)
            found[one.name] = plain(inner)
            if isinstance(inner, bytes) and one.name in ("payload", "octets"):
                found[f"{one.name}_text"] = quote(inner, 1 << 30)
        return found
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: plain(inner) for name, inner in zip(value._fields, value, strict=True)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    return value


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of ``as_json``'s result."""
    definitions: dict[str, Any] = {}
    _define(Analysis, definitions)
    top = definitions.pop("Analysis")
    top["properties"] = {"schema": {"const": SCHEMA}, **top["properties"]}
    top["required"] = ["schema", *top["required"]]
    return _titled("echolab show --json", top, definitions)


@cache
def stats_schema() -> dict[str, Any]:
    """The JSON Schema of ``echolab stats --json``: a list of sessions' totals, each with its file."""
    definitions: dict[str, Any] = {}
    _define(SessionTotals, definitions)
    row = definitions.pop("SessionTotals")
    row["properties"] = {"file": {"type": "string"}, **row["properties"]}
    row["required"] = ["file", *row["required"]]
    return _titled("echolab stats --json", {"type": "array", "items": row}, definitions)


@cache
def compare_schema() -> dict[str, Any]:
    """The JSON Schema of ``echolab compare --json``. wire: what the wire did to each crossing, with ``--log``."""
    definitions: dict[str, Any] = {}
    hints = typing.get_type_hints(Comparison)
    told = ("clock_offset_ns", "from_client", "from_server", "crossings", "findings")
    properties = {
        "client_capture": {"type": "string"},
        "server_capture": {"type": "string"},
        **{name: _schema_of(hints[name], definitions) for name in told},
    }
    required = list(properties)
    properties["wire"] = {"type": "array", "items": {"type": "string"}}
    top = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return _titled("echolab compare --json", top, definitions)


def _titled(title: str, top: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": _DRAFT, "title": title, **top, "$defs": dict(sorted(definitions.items()))}


def _define(kind: type, definitions: dict[str, Any]) -> None:
    if kind.__name__ in definitions:
        return
    definitions[kind.__name__] = {}  # it may contain itself
    hints = typing.get_type_hints(kind)
    names = [one.name for one in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else list(kind._fields)  # type: ignore[attr-defined]
    properties: dict[str, Any] = {}
    for name in names:
        properties[name] = _schema_of(hints[name], definitions)
        if hints[name] is bytes and name in ("payload", "octets"):
            properties[f"{name}_text"] = {"type": "string"}
    definitions[kind.__name__] = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _schema_of(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema_of(one, definitions) for one in inner]}
    if origin is typing.Literal:
        return {"enum": list(inner)}
    if (origin is tuple and len(inner) == 2 and inner[1] is Ellipsis) or origin in (list, frozenset, set):
        return {"type": "array", "items": _schema_of(inner[0], definitions)}
    if origin is tuple:
        return {
            "type": "array",
            "prefixItems": [_schema_of(one, definitions) for one in inner],
            "minItems": len(inner),
            "maxItems": len(inner),
        }
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema_of(inner[1], definitions)}
    if hint is bytes:
        return {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
    simple = {int: "integer", str: "string", float: "number", bool: "boolean", type(None): "null"}
    if hint in simple:
        return {"type": simple[hint]}
    if isinstance(hint, type) and (dataclasses.is_dataclass(hint) or hasattr(hint, "_fields")):
        _define(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    return {}
