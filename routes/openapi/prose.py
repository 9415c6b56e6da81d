"""The text of the OpenAPI document: its introduction and its groups.

Rule: only what cannot be derived from a declaration is written here;
`routes.openapi.operations` derives the rest.
"""

from collections.abc import Mapping

from routes.openapi.error_table import error_table, waiting

TITLE = "Evently Event Service"

TAGS: Mapping[str, str] = {
    "Admin authentication": (
        "Access tokens are JWTs that expire within minutes. A refresh token buys the next pair of"
        " tokens, once: using it a second time ends the login."
    ),
    "Admin accounts": (
        "One's own account, for a `super_admin` everybody's, and the audit of what was done to"
        " accounts and venues."
    ),
    "Public events": (
        "Events on sale, for everybody. An event that was never published is not found here; a"
        " cancelled or completed one that was is still found by its id."
    ),
    "Admin events": (
        "An admin's own events; a `super_admin` may see and change all of them. Every change needs"
        " the `version` it is based on."
    ),
    "Venues": (
        "Where events take place. A venue is changed by the admin who created it, or by a"
        " `super_admin`; one that has events cannot be deleted."
    ),
    "Internal": (
        "For the booking service, with an internal key. A `2xx` means that the move is committed."
        " If several refusals apply, the answer is the first of these: not found, not"
        " modifiable, too few seats, stale version."
    ),
    "Holds": (
        "Seats that are kept while a buyer pays, for the booking service, with an internal key. A"
        " hold is confirmed, released, or expires. If several refusals apply, the answer is the"
        " first of these: not found, not modifiable, too many for a booking, the hold's own state,"
        " too few seats, price, stale version."
    ),
    "Monitoring": "For load balancers, orchestrators and Prometheus.",
    "Documentation": "Where to begin, this document, and a page that shows it.",
}

_ABOUT = """\
The Evently platform's source of truth for events, their venues and the seats they have left.

## Versions
An event has one `version`. Every change raises it by one, whether by an admin or by a seat move.
- An integer is strict: if the event has another version, nothing changes and the answer is
  409 `CONCURRENT_UPDATE`, with the `current_version` and `available_seats` for the next try, and
  with `changed_fields` if the offer has changed since that version.
- On seat moves, `"on_conflict": "retry"` beside an integer lets the service resolve the conflict,
  if only the seat count has changed since that version.
- On seat moves, `"*"` accepts whatever version the event has.

## Idempotency
Send an `Idempotency-Key` with every seat move and hold, and when you create an event or a venue.
The same key with the same body gets the first answer again, with `Idempotent-Replayed: true`: hours
later, through any worker, after a crash. (A creation answers what it created, as it is by then.)
The same key with another body is 422. After 503 `OUTCOME_UNKNOWN`, a timeout or a lost
connection, send the same request with the same key to learn the outcome. A final refusal is
remembered for an hour; `CONCURRENT_UPDATE`, 429 and 503 never are.

## Requests
Bodies are JSON objects in UTF-8, 64 KiB at most, without duplicate keys. Integers are JSON
integers: `1.0`, `"1"` and `true` are refused. Text is trimmed, brought to Unicode's form NFC, and
must not contain NUL; a name is one line with something visible. An optional text that is empty
counts as absent. Fields that are not in the schema are ignored, so that an answer can be sent back,
but one that looks like a slip of a missing field is refused with `did you mean ...?`, and so is a
query parameter. A query parameter is given at most once. `HEAD` works wherever `GET` does, and
`OPTIONS` lists the methods of a path.

## Errors
Every error is `{"error": {"code", "message", "details", "timestamp"}}`. Act on the `code`; the
`message` is for people. Every answer has an `X-Request-ID`, which is in the log lines too.
"""


def about() -> str:
    """The document's introduction, with a table of every error code."""
    return f"{_ABOUT}\n{error_table()}\n\n{waiting()}\n"
