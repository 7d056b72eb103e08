"""As much of JSON Schema as docs/schemas uses. An unknown keyword is an error, so that no schema is checked less than it says."""

import json
import pathlib
import re

KNOWN = {"$schema", "title", "description", "type", "properties", "required", "additionalProperties", "items", "enum", "const", "minimum", "pattern"}
TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
}


def problems(value, schema, place="$"):
    unknown = set(schema) - KNOWN
    if unknown:
        raise ValueError(f"{place}: keywords that this validator does not know: {unknown}")
    found = []
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(TYPES[kind](value) for kind in kinds):
            return [f"{place}: expected {kinds}, found {value!r}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{place}: {value!r} is none of {schema['enum']}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{place}: {value!r} is not {schema['const']!r}")
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{place}: {value} is below {schema['minimum']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{place}: {value!r} does not match {schema['pattern']}")
    if isinstance(value, dict):
        declared = schema.get("properties", {})
        found += [f"{place}: '{key}' is missing" for key in schema.get("required", []) if key not in value]
        for key, item in value.items():
            if key in declared:
                found += problems(item, declared[key], f"{place}.{key}")
            elif schema.get("additionalProperties") is False:
                found.append(f"{place}: '{key}' is not declared")
            elif isinstance(schema.get("additionalProperties"), dict):
                found += problems(item, schema["additionalProperties"], f"{place}.{key}")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found += problems(item, schema["items"], f"{place}[{i}]")
    return found


def load(source, name):
    return json.loads((pathlib.Path(source) / "docs" / "schemas" / f"{name}.schema.json").read_text())
