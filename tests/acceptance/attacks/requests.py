"""What an attack is, and the requests that attacks change.

Rule: a row is one request as it goes over the wire, and what answers it; adding an attack is
adding a row. In paths, headers and bodies stand names of what the play has at hand:

`{event_id}` `{venue_id}` `{version}`: a published event with two seats sold, its venue of 100;
`{other_id}`: another admin's event; `{draft_id}`: a draft; `{internal_key}`: a key that is good;
`{token}`: a good access token, `{refresh_token}`: a good refresh token, and what `forged` makes of
the access token: `{unsigned}`, `{hs512}` and so on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

BODY_BYTES_MAX = 64 * 1024


DRAFT, NIL = "{draft_id}", "00000000-0000-0000-0000-000000000000"


JSON = {"Content-Type": "application/json"}


ADMIN = {"Authorization": "Bearer {token}"}


INTERNAL = {"X-API-Key": "{internal_key}"}


VALIDATION, UNAUTHORIZED = "VALIDATION_ERROR", "UNAUTHORIZED"


@dataclass(frozen=True, slots=True)
class Attack:
    """One bad request (`path` and `body` with names in them), and its answer.

    `says` is found in the answer's body: the field at fault, or a part of the message. Where
    `code` is None the answer need not be an error; where it is empty, any error will do. `again`
    are headers that stand there once more. Where `envelope` is False the request may be refused by
    the HTTP parser, before anything of the service's own sees it.
    """

    name: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    again: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    status: frozenset[int] = frozenset({400})
    code: str | None = VALIDATION
    says: str = ""
    envelope: bool = True


def rows(attack: Attack, bodies: Mapping[str, str | bytes]) -> Iterable[Attack]:
    """`attack` with each of the bodies, by what is wrong with it."""
    for name, body in bodies.items():
        raw = body if isinstance(body, bytes) else body.encode()
        yield replace(attack, name=f"{attack.name}: {name}", body=raw)


def json_with(fields: Mapping[str, str], **changed: str | None) -> str:
    """A JSON object of raw JSON values, some of them changed, or left out where None."""
    found = {**fields, **changed}
    return "{" + ",".join(f'"{name}":{raw}' for name, raw in found.items() if raw is not None) + "}"


MOVE = Attack(
    "seat move", "POST", "/internal/events/{event_id}/update-availability", {**INTERNAL, **JSON}
)


RETURN = replace(MOVE, name="return", path="/internal/events/{event_id}/return-seats")


CREATE = Attack("new event", "POST", "/api/v1/admin/events", {**ADMIN, **JSON})


CHANGE = Attack("change", "PUT", "/api/v1/admin/events/{event_id}", {**ADMIN, **JSON})


CANCEL = Attack("cancel", "DELETE", "/api/v1/admin/events/{event_id}", {**ADMIN, **JSON})


NEW_VENUE = Attack("new venue", "POST", "/api/v1/admin/venues", {**ADMIN, **JSON})


REGISTER = Attack("register", "POST", "/api/v1/auth/admin/register", JSON)


LOGIN = Attack("login", "POST", "/api/v1/auth/admin/login", JSON)


REFRESH = Attack("refresh", "POST", "/api/v1/auth/admin/refresh", JSON)


LIST = Attack("list", "GET", "/api/v1/events")


OWN = Attack("own events", "GET", "/api/v1/admin/events", ADMIN)


VENUES = Attack("venues", "GET", "/api/v1/admin/venues", ADMIN)


A_MOVE = {"quantity": "-1", "version": '"*"'}


AN_EVENT = {
    "name": '"Aida"',
    "description": '""',
    "venue_id": '"{venue_id}"',
    "event_type": '"opera"',
    "start_datetime": '"2040-06-01T20:00:00Z"',
    "end_datetime": '"2040-06-01T23:00:00Z"',
    "total_capacity": "10",
    "base_price": "25.5",
}


A_VENUE = {
    "name": '"Arena"',
    "address": '"Piazza Bra 1"',
    "city": '"Verona"',
    "country": '"IT"',
    "capacity": "10",
}


AN_ADMIN = {"email": '"ada@attacks.example"', "password": '"correct horse"', "name": '"Ada"'}
