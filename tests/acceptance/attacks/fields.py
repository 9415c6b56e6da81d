"""Fields of events and venues that are wrong, and times."""

from dataclasses import replace

from tests.acceptance.attacks.bodies import INT32, INT64, NO_INTEGER, fields, nested, text
from tests.acceptance.attacks.requests import (
    A_VENUE,
    ADMIN,
    AN_EVENT,
    CANCEL,
    CHANGE,
    CREATE,
    NEW_VENUE,
    NIL,
    json_with,
    rows,
)

A_CHANGE = {"version": "{version}"}


NO_PRICE = (
    *("19.999", "-0.01", "-1", "1e12", "10000000000", "1e-3", "1e400", "1e-400"),
    *('"25.5"', "true", "null", "[]", f"0.{'0' * 60_000}1", f"25.5{'0' * 60_000}1"),
    *("1e999999999", "1e-999999999", "-1e-999999999", "1" + "0" * 4000),
)


NO_CAPACITY = ("0", "-1", str(INT32), "1.0", '"10"', "true", "null")


# Characters that show nothing, alone and together.
INVISIBLE = (
    *('"\\u200b"', '"\\ufeff"', '"\\u00ad"', '"\\u2800"', '"\\u3164"', '"\\u202e\\u202c"'),
    *('"\\u0301"', '"\\ufe0f"', '"\\u200b \\u200d"'),
)
# Two lines, or what a terminal takes for a command.
NOT_ONE_LINE = ('"a\\nb"', '"a\\u001b[2Jb"', '"a\\u0085b"', '"a\\u2028b"', '"a\\tb"')
NO_NAME = (
    *('""', '" "', '"\\t\\n"', "null", "5", "true", '["x"]', text(201)),
    *INVISIBLE,
    *NOT_ONE_LINE,
)


EVENT_FIELDS = [
    *fields(CREATE, AN_EVENT, "base_price", (*NO_PRICE, None)),
    *rows(
        replace(CREATE, says="Invalid JSON"), {"price NaN": json_with(AN_EVENT, base_price="NaN")}
    ),
    *fields(CREATE, AN_EVENT, "total_capacity", (*NO_CAPACITY, None, "101")),
    *fields(CREATE, AN_EVENT, "max_tickets_per_booking", NO_CAPACITY),
    *fields(CREATE, AN_EVENT, "name", (*NO_NAME, None)),
    *fields(CREATE, AN_EVENT, "event_type", (*NO_NAME, text(51), None)),
    *fields(CREATE, AN_EVENT, "description", ("null", "5", text(10_001))),
    *fields(CREATE, AN_EVENT, "venue_id", ("null", "5", '"x"', f'"{NIL}"', None)),
    *fields(CHANGE, A_CHANGE, "base_price", NO_PRICE),
    *fields(CHANGE, A_CHANGE, "total_capacity", (*NO_CAPACITY, "101")),
    *fields(CHANGE, A_CHANGE, "name", NO_NAME),
    *fields(CHANGE, A_CHANGE, "status", ('"PUBLISHED"', '"open"', "null", "1", "true")),
    # What they are is another number.
    *fields(
        CHANGE, {**A_CHANGE, "name": '"Tosca"'}, "available_seats", ("1", "null", '"1"', "1.0")
    ),
    *fields(
        CHANGE,
        {"name": '"Tosca"'},
        "version",
        (*NO_INTEGER, "0", "-1", str(INT64), '"42"', '"*"'),
    ),
    replace(CHANGE, name="nothing to change", body=json_with(A_CHANGE).encode(), says="change"),
    replace(
        CHANGE,
        name="only fields that are read",
        body=json_with(
            A_CHANGE, event_id=f'"{NIL}"', created_by='"me"', updated_at='"now"'
        ).encode(),
        says="change",
    ),
    replace(
        CHANGE,
        name="capacity under what is sold",
        body=json_with(A_CHANGE, total_capacity="1").encode(),
        status=frozenset({409}),
        code="CAPACITY_BELOW_SOLD",
    ),
    *fields(CANCEL, {}, "version", (*NO_INTEGER, "0", "-1", str(INT64), '"42"', '"*"')),
    replace(CANCEL, name="cancel, and no version", headers=ADMIN, says="version is required"),
    *(
        replace(
            CANCEL,
            name=f"cancel ?version={text}",
            path=f"{CANCEL.path}?version={text}",
            headers=ADMIN,
            says="query.version",
        )
        for text in ("", "0", "-1", "1.0", "x", "%2B1", "01", "9" * 20, str(INT64), "1&version=1")
    ),
]


NO_TIME = (
    *('"2040-06-01T20:00:00"', '"2040-06-01"', '"2040-W22-5T20:00:00Z"', '"2040-153T20:00:00Z"'),
    *('"2040-06-01T20:00:00+25:00"', '"2040-06-01T20:00:00+02"', '"2040-06-01T20:00:00+0200"'),
    *('"2040-02-30T20:00:00Z"', '"2040-13-01T20:00:00Z"', '"2040-06-01T24:00:01Z"'),
    *('"0001-01-01T00:00:00+01:00"', '"9999-12-31T23:59:59-01:00"', '"2040-06-01T20Z"'),
    *('"20400601T200000Z"', '" 2040-06-01T20:00:00Z"', '"２０４０-06-01T20:00:00Z"'),
    *('"+02040-06-01T20:00:00Z"', '"tomorrow"', '""', "2222222222", "null", "true"),
)


TIMES = [
    *fields(CREATE, AN_EVENT, "start_datetime", (*NO_TIME, None, '"2020-06-01T20:00:00Z"')),
    *fields(CREATE, AN_EVENT, "end_datetime", (*NO_TIME, None)),
    *fields(CHANGE, A_CHANGE, "start_datetime", (*NO_TIME, '"2020-06-01T20:00:00Z"')),
    *rows(
        replace(CREATE, says="body.end_datetime"),
        {
            "the end before the start": json_with(AN_EVENT, end_datetime='"2040-06-01T19:59:59Z"'),
            "the end at the start": json_with(AN_EVENT, end_datetime='"2040-06-01T20:00:00Z"'),
            "the end before the start, by its offset": json_with(
                AN_EVENT, end_datetime='"2040-06-01T21:00:00+05:00"'
            ),
        },
    ),
    *rows(
        replace(CHANGE, says="end_datetime"),
        {
            "the end before what is the start": json_with(
                A_CHANGE, end_datetime='"2020-01-01T00:00:00Z"'
            )
        },
    ),
]


VENUE_FIELDS = [
    *fields(NEW_VENUE, A_VENUE, "name", (*NO_NAME, None)),
    *fields(NEW_VENUE, A_VENUE, "address", ('""', "null", text(501), None, *INVISIBLE)),
    *fields(NEW_VENUE, A_VENUE, "city", ('""', "null", text(101), None, *NOT_ONE_LINE)),
    *fields(NEW_VENUE, A_VENUE, "state", ("5", text(101), *INVISIBLE, *NOT_ONE_LINE)),
    *fields(NEW_VENUE, A_VENUE, "postal_code", ("5", text(21), *INVISIBLE, *NOT_ONE_LINE)),
    *fields(NEW_VENUE, A_VENUE, "capacity", (*NO_CAPACITY, None)),
    *fields(
        NEW_VENUE,
        A_VENUE,
        "layout_config",
        (
            *("[]", "5", '"x"', "true", '{"a":1e309}', '{"a":-1e400}', '{"a":1e999999999}'),
            *(f'{{"{"k" * 16 * 1024}":1}}', f'{{"{"é" * 8 * 1024}":1}}'),
            *(nested(21), '{"a":' + "[" * 20 + "]" * 20 + "}", f'{{"a":{text(16 * 1024)}}}'),
        ),
    ),
    *rows(
        replace(NEW_VENUE, says="Invalid JSON"),
        {"layout NaN": json_with(A_VENUE, layout_config='{"a":NaN}')},
    ),
]
