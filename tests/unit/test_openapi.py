import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from jsonschema import Draft202012Validator
from multidict import CIMultiDict
from openapi_spec_validator import OpenAPIV31SpecValidator

from routes.api import ENDPOINTS
from routes.call import Call
from routes.contract.errors import STATUS, ApiError, Code, ErrorEnvelope
from routes.contract.raw import Raw
from routes.contract.validation import read_body, read_query
from routes.endpoint import Access, Endpoint
from routes.handlers import documentation
from routes.openapi.document import document, encoded_document
from routes.openapi.error_table import ERRORS, error_table, waiting
from routes.openapi.examples import BODIES, FIELDS
from routes.openapi.operations import error_codes
from routes.openapi.prose import TAGS
from routes.openapi.schemas import query_schemas, structs
from routes.server.read_json import parse_json
from routes.server.router import Router

# Every endpoint of the specification, and those that admins and operators need beside them.
SPECIFIED = """
POST   /api/v1/auth/admin/register
POST   /api/v1/auth/admin/login
POST   /api/v1/auth/admin/refresh
POST   /api/v1/auth/admin/logout
GET    /api/v1/events
GET    /api/v1/events/{event_id}
GET    /api/v1/events/{event_id}/availability
POST   /api/v1/admin/events
GET    /api/v1/admin/events
GET    /api/v1/admin/events/{event_id}
PUT    /api/v1/admin/events/{event_id}
DELETE /api/v1/admin/events/{event_id}
GET    /api/v1/admin/events/{event_id}/analytics
GET    /api/v1/admin/events/{event_id}/history
GET    /api/v1/admin/events/{event_id}/inventory
POST   /api/v1/admin/venues
GET    /api/v1/admin/venues
GET    /api/v1/admin/venues/{venue_id}
PUT    /api/v1/admin/venues/{venue_id}
DELETE /api/v1/admin/venues/{venue_id}
POST   /internal/events/{event_id}/update-availability
POST   /internal/moves
GET    /internal/events/{event_id}
GET    /internal/changes
GET    /internal/events
POST   /internal/events/{event_id}/return-seats
POST   /internal/events/{event_id}/holds
GET    /internal/events/{event_id}/holds
GET    /internal/events/{event_id}/holds/{hold_id}
PUT    /internal/events/{event_id}/holds/{hold_id}
DELETE /internal/events/{event_id}/holds/{hold_id}
POST   /internal/events/{event_id}/holds/{hold_id}/confirm
GET    /healthz
GET    /health/ready
GET    /metrics
GET    /openapi.json
GET    /docs
GET    /
GET    /console
GET    /api/v1/admin/me
PUT    /api/v1/admin/me
POST   /api/v1/admin/me/password
DELETE /api/v1/admin/me/sessions
GET    /api/v1/admin/admins
PUT    /api/v1/admin/admins/{admin_id}
GET    /api/v1/admin/audit
"""

UUID = "0b9c1c0e-6f0a-4d0b-9f43-0c6a2f3c5d11"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(msgspec.json.encode(document(ENDPOINTS)))
    return found


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def operation(described: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = described["paths"][path][method.lower()]
    return found


def schema(described: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = described["components"]["schemas"][name]
    return found


def inner(value: Any) -> Iterator[Any]:
    yield value
    children = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for child in children:
            yield from inner(child)


def takes(described: dict[str, Any], name: str, body: Any) -> bool:
    """Whether the document says that `name` may be `body`."""
    validator = Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": described["components"]},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )
    return bool(validator.is_valid(body))


def test_the_document_is_valid_openapi_3_1(described: dict[str, Any]) -> None:
    assert described["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(described).iter_errors()] == []


def test_what_is_specified_is_what_is_documented(described: dict[str, Any]) -> None:
    specified = {tuple(line.split()) for line in SPECIFIED.strip().splitlines()}
    assert {(method, path) for method, path, _ in operations(described)} == specified


def test_what_is_documented_is_what_is_routed(described: dict[str, Any]) -> None:
    router = Router(ENDPOINTS)
    for method, path, found in operations(described):
        methods, _ = router.find(re.sub(r"\{\w+_id\}", UUID, path))
        assert methods[method].path == path
        assert methods[method].handler.__name__ == found["operationId"]


def test_only_files_of_the_page_are_left_out(described: dict[str, Any]) -> None:
    left_out = {endpoint.path for endpoint in ENDPOINTS} - described["paths"].keys()
    assert left_out
    assert all(path.startswith(("/docs/", "/console/")) for path in left_out)


def test_every_operation_is_described(described: dict[str, Any]) -> None:
    for _, path, found in operations(described):
        assert found["description"].endswith("."), path
        assert found["description"] != f"{found['summary']}.", path


def test_a_default_makes_no_field_of_a_body_required(described: dict[str, Any]) -> None:
    """Generators of types take a property with a default as one that is always there."""
    for name in BODIES:
        properties = schema(described, name)["properties"]
        assert not [field for field, told in properties.items() if "default" in told], name
    move = schema(described, "SeatMove")["properties"]
    assert move["on_conflict"]["description"].endswith('; `"fail"` if it is left out')


def test_every_operation_can_refuse(described: dict[str, Any]) -> None:
    for _, path, found in operations(described):
        assert [status for status in found["responses"] if status.startswith("4")], path
    refusals = operation(described, "GET", "/healthz")["responses"]["4XX"]
    assert refusals == {"$ref": "#/components/responses/Unrouted"}


def test_every_error_code_is_documented_with_an_example(described: dict[str, Any]) -> None:
    found = {
        code
        for _, _, operation in operations(described)
        for value in inner([operation["responses"], described["components"]["responses"]])
        if isinstance(value, dict) and "examples" in value and "schema" in value
        for code in value["examples"]
    }
    assert found == set(Code)
    assert set(ERRORS) == set(Code)
    assert set(STATUS) == set(Code)


def test_the_page_and_the_document_have_the_one_table_of_errors(described: dict[str, Any]) -> None:
    page = Path("docs/api.md").read_text(encoding="utf-8")
    _, _, rest = page.partition("<!-- python -m routes.openapi.error_table -->\n")
    assert rest.partition("<!-- end -->")[0] == f"{error_table()}\n\n{waiting()}\n"
    assert error_table() in described["info"]["description"]
    assert waiting() in described["info"]["description"]


@pytest.mark.parametrize("code", Code)
def test_every_code_says_whether_to_try_again(code: Code) -> None:
    again = ERRORS[code].again
    assert again
    # What says when to come back may be tried again, and the other way round.
    assert ("Retry-After" in again) == (STATUS[code] in {429, 503})


def test_every_example_of_an_error_is_an_error(described: dict[str, Any]) -> None:
    for example in described["components"]["examples"].values():
        assert takes(described, "ErrorEnvelope", example["value"])


def test_operation_ids_are_unique(described: dict[str, Any]) -> None:
    ids = [found["operationId"] for _, _, found in operations(described)]
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    references = [
        value["$ref"] for value in inner(described) if isinstance(value, dict) and "$ref" in value
    ]
    assert references
    for reference in references:
        target: Any = described
        for part in reference.removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/")]


def test_every_tag_is_described(described: dict[str, Any]) -> None:
    assert {tag["name"] for tag in described["tags"]} == set(TAGS)


def test_every_operation_says_who_may_call(described: dict[str, Any]) -> None:
    expected: dict[Access, list[dict[str, list[str]]]] = {
        Access.PUBLIC: [],
        Access.ADMIN: [{"accessToken": []}],
        Access.INTERNAL: [{"internalKey": []}, {"internalAuthorization": []}],
    }
    for endpoint in ENDPOINTS:
        if endpoint.path in described["paths"] and endpoint.handler.__name__ != "register":
            found = operation(described, endpoint.method, endpoint.path)
            assert found["security"] == expected[endpoint.access]


def test_registration_takes_a_token_and_needs_none(described: dict[str, Any]) -> None:
    found = operation(described, "POST", "/api/v1/auth/admin/register")
    assert found["security"] == [{}, {"accessToken": []}]


def endpoint_of(method: str, path: str) -> Endpoint:
    return next(found for found in ENDPOINTS if (found.method, found.path) == (method, path))


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("GET", "/healthz", {500}),
        ("GET", "/api/v1/events", {400, 500, 503}),
        ("POST", "/api/v1/auth/admin/login", {400, 401, 408, 413, 415, 429, 500, 503}),
        ("GET", "/api/v1/admin/venues", {400, 401, 500, 503}),
        ("GET", "/api/v1/admin/events/{event_id}", {400, 401, 403, 404, 500, 503}),
        (
            "POST",
            "/internal/events/{event_id}/update-availability",
            {400, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503},
        ),
    ],
)
def test_what_an_endpoint_takes_tells_how_it_can_fail(
    method: str, path: str, statuses: set[int]
) -> None:
    assert set(error_codes(endpoint_of(method, path))) == statuses


def test_what_is_encoded_once_or_polled_has_an_etag(described: dict[str, Any]) -> None:
    with_etag = {path for _, path, found in operations(described) if "304" in found["responses"]}
    polled = {"/api/v1/admin/events/{event_id}"}
    assert with_etag == {"/api/v1/events", "/openapi.json", "/docs", "/console"} | polled


def test_seat_moves_take_a_key_and_a_deadline(described: dict[str, Any]) -> None:
    parameters = operation(described, "POST", "/internal/events/{event_id}/return-seats")
    names = [parameter.get("$ref", "").rpartition("/")[2] for parameter in parameters["parameters"]]
    assert names[1:] == ["RequestId", "IdempotencyKey", "RequestTimeout"]


def test_query_parameters_are_told_with_their_bounds(described: dict[str, Any]) -> None:
    listed = operation(described, "GET", "/api/v1/events")["parameters"]
    query = {parameter["name"]: parameter for parameter in listed if "name" in parameter}
    assert list(query) == [
        *("page", "limit", "type", "event_type", "city", "date_from", "date_to", "ids"),
    ]
    assert query["page"]["schema"] == {
        "default": 1,
        "maximum": 999_999_999,
        "minimum": 1,
        "type": "integer",
    }
    assert query["limit"]["schema"]["default"] == 20
    assert "100" in query["limit"]["description"]
    starts = Draft202012Validator(query["date_from"]["schema"])
    assert starts.is_valid("2030-06-01")
    assert starts.is_valid("2030-06-01T20:00:00+02:00")
    assert not starts.is_valid("2030-06-01T20:00:00")
    assert not starts.is_valid("tomorrow")


def test_an_empty_parameter_is_described_as_the_service_takes_it() -> None:
    for query in {endpoint.query for endpoint in ENDPOINTS}:
        for name, told in query_schemas(query).items():
            try:
                read_query(query, {name: ""})
            except ApiError:
                taken = False
            else:
                taken = True
            assert Draft202012Validator(told).is_valid("") == taken, (query, name)


def test_every_field_of_an_answer_is_always_there(described: dict[str, Any]) -> None:
    for endpoint in ENDPOINTS:
        if not isinstance(endpoint.answer, str):
            found = schema(described, endpoint.answer.__name__)
            assert sorted(found["required"]) == sorted(found["properties"])


def test_answers_tell_ids_and_times_for_what_they_are(described: dict[str, Any]) -> None:
    properties = schema(described, "AdminEventDetail")["properties"]
    kinds = {name: (told.get("type"), told.get("format")) for name, told in properties.items()}
    assert kinds["event_id"] == ("string", "uuid")
    assert kinds["start_datetime"] == ("string", "date-time")
    assert kinds["available_seats"] == ("integer", "int32")
    # What a generated client would otherwise keep in 32 bits.
    assert kinds["version"] == ("integer", "int64")
    assert schema(described, "BookingDay")["properties"]["date"]["format"] == "date"


def test_every_body_has_examples_that_the_service_takes(described: dict[str, Any]) -> None:
    bodies = {found.body for found in ENDPOINTS if found.body is not None}
    assert {body.__name__ for body in bodies} == set(BODIES)
    for body in bodies:
        for sent in BODIES[body.__name__].values():
            assert takes(described, body.__name__, sent.body), sent
            read_body(body, parse_json(json.dumps(sent.body).encode()))
    for method, path, found in operations(described):
        content = found.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            name = content["schema"]["$ref"].rpartition("/")[2]
            assert content["examples"].keys() == BODIES[name].keys(), (method, path)


def example_of(described: dict[str, Any], told: dict[str, Any]) -> Any:
    """What a page or a mock would show for a schema: its example, or one made of its parts."""
    if told.get("examples"):
        return told["examples"][0]
    if "$ref" in told:
        return example_of(described, schema(described, told["$ref"].rpartition("/")[2]))
    if told.get("type") == "array":
        return [example_of(described, told["items"])]
    assert "properties" in told, told
    return {name: example_of(described, part) for name, part in told["properties"].items()}


def test_every_answer_has_an_example_that_fits(described: dict[str, Any]) -> None:
    for endpoint in ENDPOINTS:
        if not isinstance(endpoint.answer, str):
            name = endpoint.answer.__name__
            example = example_of(described, schema(described, name))
            assert takes(described, name, example), (name, example)
            # The story is of one event at one venue: neither has the other's name.
            if name in {"EventDetail", "Venue"}:
                told = example.get("venue", example)
                assert told["name"] == BODIES["NewVenue"]["venue"].body["name"]
            if name == "EventDetail":
                assert example["name"] == BODIES["NewEvent"]["all"].body["name"]
    fields = {
        name
        for endpoint in ENDPOINTS
        if not isinstance(endpoint.answer, str)
        for struct in structs([endpoint.answer, ErrorEnvelope])
        for field in struct.__struct_fields__
        for name in (field, f"{struct.__name__}.{field}")
    }
    sent = {name for examples in BODIES.values() for one in examples.values() for name in one.body}
    assert set(FIELDS) <= fields | sent, "an example is of no field"


def test_a_change_waits_as_long_as_its_caller_says(described: dict[str, Any]) -> None:
    waiting = {
        (method, path)
        for method, path, found in operations(described)
        if {"$ref": "#/components/parameters/RequestTimeout"} in found["parameters"]
    }
    event = "/api/v1/admin/events/{event_id}"
    assert waiting == {
        ("PUT", event),
        ("DELETE", event),
        ("POST", "/internal/events/{event_id}/update-availability"),
        ("POST", "/internal/events/{event_id}/return-seats"),
        ("POST", "/internal/events/{event_id}/holds"),
        ("PUT", "/internal/events/{event_id}/holds/{hold_id}"),
        ("DELETE", "/internal/events/{event_id}/holds/{hold_id}"),
        ("POST", "/internal/events/{event_id}/holds/{hold_id}/confirm"),
        ("POST", "/internal/moves"),
    }


def test_a_change_of_nothing_is_not_what_the_document_takes(described: dict[str, Any]) -> None:
    assert not takes(described, "EventChanges", {"version": 1})
    assert not takes(described, "VenueChanges", {})
    assert not takes(described, "Registration", {**ADMIN, "password": ""})


def test_a_change_does_not_take_null_where_the_event_cannot_be_without(
    described: dict[str, Any],
) -> None:
    assert takes(described, "EventChanges", {"version": 1, "name": "Aida"})
    assert not takes(described, "EventChanges", {"version": 1, "name": None})
    assert "available_seats" not in schema(described, "EventChanges")["properties"]
    assert takes(described, "VenueChanges", {"state": None})
    assert not takes(described, "VenueChanges", {"city": None})


EVENT = {
    "name": "Aida",
    "description": "",
    "venue_id": UUID,
    "event_type": "opera",
    "start_datetime": "2030-06-01T20:00:00Z",
    "end_datetime": "2030-06-01T23:00:00+02:00",
    "total_capacity": 100,
    "base_price": 25.5,
    "max_tickets_per_booking": 4,
}
VENUE = {"name": "Arena", "address": "Piazza Bra 1", "city": "Verona", "country": "IT"}
MOVE = {"quantity": -2, "version": 42}
ADMIN = {"email": "ada@example.org", "password": "correct horse", "name": "Ada"}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("NewEvent", EVENT),
        ("NewVenue", {**VENUE, "capacity": 1}),
        ("NewVenue", {**VENUE, "capacity": 1, "state": None, "layout_config": {"rows": [1]}}),
        ("SeatMove", MOVE),
        ("SeatMove", {**MOVE, "version": "*"}),
        ("SeatMove", {**MOVE, "on_conflict": "retry"}),
        ("SeatReturn", {"quantity": 2, "version": 43}),
        ("EventChanges", {"version": 1, "status": "published"}),
        ("Registration", ADMIN),
        ("Registration", {**ADMIN, "role": "admin", "phone_number": "+14155550100"}),
    ],
)
def test_what_the_document_takes_the_service_takes(
    described: dict[str, Any], name: str, body: dict[str, Any]
) -> None:
    model = next(found.body for found in ENDPOINTS if found.body and found.body.__name__ == name)
    assert takes(described, name, body)
    read_body(model, parse_json(json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("NewEvent", {**EVENT, "name": ""}),
        ("NewEvent", {**EVENT, "name": "  "}),
        ("NewEvent", {**EVENT, "name": "x" * 201}),
        ("NewEvent", {**EVENT, "venue_id": "nowhere"}),
        ("NewEvent", {**EVENT, "base_price": -0.01}),
        ("NewEvent", {**EVENT, "base_price": "25.5"}),
        ("NewEvent", {**EVENT, "base_price": 1e12}),
        ("NewEvent", {**EVENT, "start_datetime": "2030-06-01"}),
        ("NewEvent", {**EVENT, "start_datetime": "2030-06-01T20:00:00"}),
        ("NewEvent", {**EVENT, "total_capacity": 0}),
        ("NewEvent", {**EVENT, "total_capacity": 2**31}),
        ("SeatMove", {**MOVE, "quantity": 0}),
        ("SeatMove", {**MOVE, "quantity": "2"}),
        ("SeatMove", {**MOVE, "version": 0}),
        ("SeatMove", {**MOVE, "version": "42"}),
        ("SeatMove", {"quantity": -2}),
        ("SeatMove", {**MOVE, "on_conflict": "ignore"}),
        ("SeatReturn", {"quantity": -2, "version": 43}),
        ("EventChanges", {"name": "Aida"}),
        ("Registration", {**ADMIN, "email": "ada"}),
        ("Registration", {**ADMIN, "password": "x" * 73}),
        ("Registration", {**ADMIN, "phone_number": "call me"}),
        ("Registration", {**ADMIN, "role": "owner"}),
    ],
)
def test_what_the_document_refuses_is_no_good(
    described: dict[str, Any], name: str, body: dict[str, Any]
) -> None:
    assert not takes(described, name, body)


@pytest.mark.parametrize("found", documentation.ENDPOINTS, ids=lambda found: found.path)
async def test_a_file_of_the_page_is_what_it_says(found: Endpoint) -> None:
    services = cast("Any", SimpleNamespace(openapi=encoded_document(ENDPOINTS)))
    call = Call("GET", CIMultiDict(), services)
    answer = await found.handler(call)
    assert isinstance(answer, Raw)
    assert answer.body
    assert answer.content_type.partition(";")[0] == found.answer
    assert call.headers["ETag"].strip('"')


def test_the_page_asks_for_nothing_but_files_of_this_service() -> None:
    router = Router(ENDPOINTS)
    asked = re.findall(r'(?:src|href)="([^"]+)"', documentation.PAGE.decode())
    asked += re.findall(r'url: "([^"]+)"', documentation.INIT.decode())
    assert len(asked) == 8
    for url in asked:
        methods, _ = router.find(f"/{url}")
        assert "GET" in methods


def test_the_page_runs_no_script_but_its_files() -> None:
    assert re.findall(rb"<script>|<style|\son\w+=|javascript:", documentation.PAGE) == []
    assert "unsafe" not in documentation.PAGE_POLICY
    assert "default-src 'none'" in documentation.PAGE_POLICY
