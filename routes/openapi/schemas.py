"""The schemas of bodies and answers, from the bodies' models and the answers' structs.

Rule: a schema allows what the handlers accept and promises what they return. Where the service is
stricter than the schema that a library derives, this module corrects the schema.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from routes.contract.errors import ErrorEnvelope
from routes.endpoint import Endpoint
from routes.openapi.examples import field_example

Schema: TypeAlias = dict[str, Any]

# The id of an event, venue or admin is a UUID in answers, as it is in paths.
_UUID_FIELDS = frozenset(
    {"event_id", "venue_id", "admin_id", "created_by", "hold_id", "subject_id"}
)
# The integers in answers that may exceed 32 bits.
_INT64_FIELDS = frozenset({"version", "total"})


def all_schemas(endpoints: Sequence[Endpoint]) -> dict[str, Schema]:
    """The schemas of all bodies and answers and of the error envelope, by name."""
    sent, answered = _sent(endpoints), _answered(endpoints)
    assert not sent.keys() & answered.keys(), "a body and an answer have the same name"
    for endpoint in endpoints:
        if endpoint.body is not None and not isinstance(endpoint.answer, str):
            body, answer = sent[endpoint.body.__name__], answered[endpoint.answer.__name__]
            _null_as_answered(body["properties"], answer["properties"])
    return dict(sorted({**sent, **answered}.items()))


def query_schemas(query: type[BaseModel]) -> dict[str, Schema]:
    """The schema of each query parameter, by name; a missing one is not null, but may be empty."""
    properties = query.model_json_schema(schema_generator=_Untitled)["properties"]
    return {name: _maybe_empty(schema) for name, schema in properties.items()}


def _maybe_empty(schema: Schema) -> Schema:
    """Without null; where that was a choice, the empty text is one: a blank filter is no filter."""
    told = _never_null(schema)
    if _nullable(schema) and "enum" in told:
        return {**told, "enum": [*told["enum"], ""]}
    return told


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that only repeat the fields' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


def _sent(endpoints: Iterable[Endpoint]) -> dict[str, Schema]:
    """The schemas of all bodies, by name."""
    bodies = dict.fromkeys(endpoint.body for endpoint in endpoints if endpoint.body is not None)
    _, found = models_json_schema(
        [(body, "validation") for body in bodies],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Untitled,
    )
    schemas: dict[str, Schema] = found.get("$defs", {})
    for schema in schemas.values():
        schema["properties"] = {
            name: _optional(found)
            for name, found in schema["properties"].items()
            if _writable(found)
        }
    return schemas


def _writable(schema: Schema) -> bool:
    """Whether a client has a reason to send the field."""
    return not schema.get("readOnly")


def _optional(schema: Schema) -> Schema:
    """Say a default in words: generators of types take a field that has one as always there."""
    if "default" not in schema:
        return schema
    rest = {name: said for name, said in schema.items() if name != "default"}
    if schema["default"] is None:
        return rest
    told = f"`{json.dumps(schema['default'])}` if it is left out"
    about = rest.get("description")
    return {**rest, "description": f"{about}; {told}" if about else told}


def _null_as_answered(sent: Schema, answered: Schema) -> None:
    """Allow null in a body only where the answer allows it: handlers refuse the others."""
    for name in sent.keys() & answered.keys():
        if not _nullable(answered[name]):
            sent[name] = _never_null(sent[name])


def _nullable(schema: Schema) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())


def _never_null(schema: Schema) -> Schema:
    if not _nullable(schema):
        return schema
    others = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    rest = {name: said for name, said in schema.items() if name not in {"anyOf", "default"}}
    return {**(others[0] if len(others) == 1 else {"anyOf": others}), **rest}


def _answered(endpoints: Iterable[Endpoint]) -> dict[str, Schema]:
    """The schemas of all answers and of the error envelope, by name."""
    answers = [endpoint.answer for endpoint in endpoints if not isinstance(endpoint.answer, str)]
    types: list[type[msgspec.Struct]] = list(dict.fromkeys([*answers, ErrorEnvelope]))
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    for struct in structs(types):
        _complete(schemas[struct.__name__], struct)
    for schema in schemas.values():
        if "enum" in schema:
            schema["type"] = "string"
    return schemas


def structs(types: Iterable[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    """`types` and every struct inside them."""
    found: dict[type[msgspec.Struct], None] = {}
    waiting: list[Any] = list(msgspec.inspect.multi_type_info(list(types)))
    while waiting:
        match waiting.pop():
            case msgspec.inspect.StructType(cls=cls, fields=fields) if cls not in found:
                found[cls] = None
                waiting += [field.type for field in fields]
            case msgspec.inspect.ListType(item_type=item):
                waiting.append(item)
            case msgspec.inspect.UnionType(types=union):
                waiting += union
            case _:
                pass
    return list(found)


def _complete(schema: Schema, struct: type[msgspec.Struct]) -> None:
    """Add what msgspec omits: which fields are always there, times have a zone, ids are UUIDs."""
    info = msgspec.inspect.type_info(struct)
    assert isinstance(info, msgspec.inspect.StructType), "an answer is a struct"
    optional = struct.__struct_config__.omit_defaults
    schema["required"] = [
        field.encode_name for field in info.fields if field.required or not optional
    ]
    for field in info.fields:
        told = schema["properties"][field.encode_name]
        told.pop("default", None)
        if isinstance(field.type, msgspec.inspect.DateTimeType):
            told["format"] = "date-time"
        if isinstance(field.type, msgspec.inspect.IntType):
            told["format"] = "int64" if field.encode_name in _INT64_FIELDS else "int32"
        if field.encode_name in _UUID_FIELDS:
            told["format"] = "uuid"
        example = field_example(struct.__name__, field.encode_name)
        if example is not None:
            told["examples"] = [example]
