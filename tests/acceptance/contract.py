"""Holds real answers against the OpenAPI document, more strictly than the document asks.

Rule: what is answered is what is documented, and nothing beside it: every field of the schema and
no other, a documented status, every required header, an error code that is listed for the status.
"""

import copy
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

URI = "urn:evently:openapi"
ERROR_MIN = 400
_ENVELOPE = "/components/schemas/ErrorEnvelope"
# What RFC 9110 lets a HEAD's answer leave out is all there but the body.
_NO_BODY = frozenset({204, 303, 304})


class AnswerChecker:
    """Checks answers of one service against its document. Every check raises AssertionError."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document: dict[str, Any] = _closed(copy.deepcopy(dict(document)))
        resource = Resource.from_contents(self._document, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(URI, resource)
        # A tenth of an answer's time; the other ones, which say better what is wrong, have the word
        # where one of these finds something.
        self._fast_registry = jsonschema_rs.Registry([(URI, self._document)])
        self._fast_validators: dict[str, jsonschema_rs.Draft202012Validator] = {}
        self._validators: dict[str, Validator] = {}
        self._headers: dict[int, tuple[Mapping[str, Any], Validator]] = {}
        self._patterns: dict[str, re.Pattern[str]] = {
            pattern: _regex(pattern) for pattern in self._document["paths"]
        }

    def pattern_of(self, path: str) -> str:
        """The documented path that `path` (with or without a query) is an instance of."""
        path = path.partition("?")[0]
        if path in self._patterns:
            return path
        for pattern, regex in self._patterns.items():
            if regex.fullmatch(path):
                return pattern
        raise AssertionError(f"{path} is not in the document")

    def documents(self, method: str, path: str) -> bool:
        """Whether `method` on `path` is an operation of the document."""
        try:
            self._operation(method, self.pattern_of(path))
        except AssertionError:
            return False
        return True

    def check(
        self, method: str, pattern: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> Any:
        """Check one answer of a documented operation; its value, or the body that is no JSON."""
        answer = _Answer(f"{method} {pattern} {status}", status, _lower(headers), body)
        operation = self._operation(method, pattern)
        response = operation["responses"].get(str(status))
        if response is None:
            answer.fail(f"the document has only {', '.join(operation['responses'])}")
        self._check_headers(answer, response.get("headers", {}))
        if method == "HEAD" or status in _NO_BODY:
            answer.expect(not body, "there is a body")
            return None
        return self._check_content(answer, response["content"], pattern, method)

    def check_unrouted(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> Any:
        """Check what is answered where no operation is: 404 for a path, 405 for a method."""
        answer = _Answer(f"{method} {path} {status}", status, _lower(headers), body)
        responses = self._document["components"]["responses"].values()
        known = {
            example: response
            for response in responses
            for example in response["content"]["application/json"]["examples"]
        }
        self._check_common(answer)
        value = self._check_json(answer, _ENVELOPE)
        code = value["error"]["code"]
        answer.expect(code in known, f"{code} is no answer to a path or method that is not there")
        self._check_headers(answer, known[code]["headers"])
        answer.expect("allow" in answer.headers or code == "NOT_FOUND", "it lacks Allow")
        return value

    def check_common(self, status: int, headers: Mapping[str, str]) -> None:
        """Check what every answer has, whatever it answers."""
        self._check_common(_Answer(f"an answer {status}", status, _lower(headers), b""))

    def _operation(self, method: str, pattern: str) -> dict[str, Any]:
        methods = self._document["paths"].get(pattern)
        if methods is None:
            raise AssertionError(f"{pattern} is not in the document")
        found: dict[str, Any] | None = methods.get(_documented(method))
        if found is None:
            raise AssertionError(f"{method} {pattern} is not in the document")
        return found

    def _check_common(self, answer: "_Answer") -> None:
        nosniff = answer.headers.get("x-content-type-options")
        answer.expect(nosniff == "nosniff", "it lacks X-Content-Type-Options: nosniff")
        answer.expect("x-request-id" in answer.headers, "it lacks X-Request-ID")
        server = answer.headers.get("server", "")
        answer.expect("/" not in server, f"it tells a version: Server: {server}")

    def _check_headers(self, answer: "_Answer", documented: Mapping[str, Any]) -> None:
        self._check_common(answer)
        for name, found in documented.items():
            header, validator = self._header(found)
            given = answer.headers.get(name.lower())
            if given is None:
                answer.expect(not header.get("required", False), f"it lacks {name}")
                continue
            value = _typed(given, header["schema"])
            for error in validator.iter_errors(value):
                answer.fail(f"{name}: {error.message}")

    def _check_content(
        self, answer: "_Answer", content: Mapping[str, Any], pattern: str, method: str
    ) -> Any:
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        documented = content.get(media_type)
        if documented is None:
            answer.fail(f"it is {media_type!r} where the document has {', '.join(content)}")
        if media_type != "application/json":
            return answer.body
        at = ("paths", pattern, _documented(method), "responses", str(answer.status))
        pointer = _pointer(*at, "content", media_type, "schema")
        value = self._check_json(answer, pointer)
        if answer.status >= ERROR_MIN:
            self._check_error(answer, value["error"], documented["examples"])
        return value

    def _check_json(self, answer: "_Answer", pointer: str) -> Any:
        answer.expect(b"\n" not in answer.body, "it is not one line")
        answer.expect(b"<" not in answer.body, "it has a < that is not escaped")
        try:
            value = json.loads(answer.body)
        except ValueError as error:
            answer.fail(f"it is no JSON: {error}")
        if not self._fast_validator(pointer).is_valid(value):
            for problem in self._validator(pointer).iter_errors(value):
                answer.fail(f"{problem.json_path}: {problem.message}")
            answer.fail("one validator takes it and another one does not")
        return value

    def _check_error(
        self, answer: "_Answer", error: Mapping[str, Any], examples: Mapping[str, Any]
    ) -> None:
        code = error["code"]
        answer.expect(code in examples, f"{code} is not among {', '.join(examples)}")
        example = self._resolved(examples[code])["value"]["error"]
        missing = sorted(example["details"].keys() - error["details"].keys())
        answer.expect(not missing, f"the details of {code} lack {', '.join(missing)}")

    def _header(self, found: Mapping[str, Any]) -> tuple[Mapping[str, Any], Validator]:
        # The document lives as long as this, so what is in it has an identity of its own.
        if id(found) not in self._headers:
            header = self._resolved(found)
            self._headers[id(found)] = header, Draft202012Validator(header["schema"])
        return self._headers[id(found)]

    def _resolved(self, found: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in found:
            return found
        resolver = self._registry.resolver(base_uri=URI)
        contents: Mapping[str, Any] = resolver.lookup(found["$ref"]).contents
        return contents

    def _fast_validator(self, pointer: str) -> jsonschema_rs.Draft202012Validator:
        if pointer not in self._fast_validators:
            self._fast_validators[pointer] = jsonschema_rs.Draft202012Validator(
                {"$ref": f"{URI}#{pointer}"}, registry=self._fast_registry, validate_formats=True
            )
        return self._fast_validators[pointer]

    def _validator(self, pointer: str) -> Validator:
        if pointer not in self._validators:
            self._validators[pointer] = Draft202012Validator(
                {"$ref": f"{URI}#{pointer}"},
                registry=self._registry,
                format_checker=Draft202012Validator.FORMAT_CHECKER,
            )
        return self._validators[pointer]


class _Answer:
    """One answer, and the way to say what is wrong with it."""

    def __init__(self, name: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.name = name
        self.status = status
        self.headers = headers
        self.body = body

    def expect(self, holds: bool, problem: str) -> None:
        if not holds:
            self.fail(problem)

    def fail(self, problem: str) -> NoReturn:
        raise AssertionError(f"{self.name}: {problem}\n{dict(self.headers)}\n{self.body[:2000]!r}")


def _closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with answers that have no field beside those that it lists."""
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document


def _documented(method: str) -> str:
    return "get" if method == "HEAD" else method.lower()


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): text for name, text in headers.items()}


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    return int(text) if schema.get("type") == "integer" and text.isdigit() else text


def _regex(pattern: str) -> re.Pattern[str]:
    literals = re.split(r"\{\w+\}", pattern)
    return re.compile("[^/]+".join(re.escape(literal) for literal in literals))


def _pointer(*parts: str) -> str:
    """A JSON pointer (RFC 6901) as a URI's fragment."""
    escaped = (part.replace("~", "~0").replace("/", "~1") for part in parts)
    return "".join(f"/{part}" for part in escaped).replace("{", "%7B").replace("}", "%7D")
