"""What an admin may not do: registrations and logins that are wrong, other admins' events."""

from dataclasses import replace

from tests.acceptance.attacks.bodies import fields, text
from tests.acceptance.attacks.callers import ADMIN_READ
from tests.acceptance.attacks.fields import NO_NAME
from tests.acceptance.attacks.requests import (
    ADMIN,
    AN_ADMIN,
    CANCEL,
    CHANGE,
    JSON,
    LOGIN,
    REGISTER,
    UNAUTHORIZED,
    Attack,
    json_with,
    rows,
)

ADMINS = [
    *fields(
        REGISTER,
        AN_ADMIN,
        "email",
        (
            *('""', '" "', "null", "5", '"ada"', '"ada@"', '"@x.io"', '"a b@x.io"', '"a@b@x.io"'),
            *(f'"{"x" * 250}@x.io"', '"a\\n@x.io"', '"ada@x"', None),
            # No regular expression takes long over what it refuses.
            *(f'"{"a@" * 20_000}"', f'"a@{"a." * 20_000}"', f'"{" " * 60_000}"'),
            *('"a\u200b@x.io"', '"a\u202e@x.io"', '"a@x..io"', '"a@.io"', '"a@x.io."'),
        ),
    ),
    *fields(
        REGISTER,
        AN_ADMIN,
        "password",
        ('""', '"1234567"', text(73), '"' + "é" * 37 + '"', "null", "12345678", None),
    ),
    *rows(
        replace(REGISTER, says="NUL"),
        {"NUL in the password": json_with(AN_ADMIN, password='"correct\\u0000horse"')},
    ),
    *fields(REGISTER, AN_ADMIN, "name", (*NO_NAME, None)),
    *fields(
        REGISTER,
        AN_ADMIN,
        "phone_number",
        (
            *(
                '"call me"',
                '"123"',
                "5",
                '"' + "1" * 16 + '"',
                '"+' + "(" * 19 + '"',
                '"１２３４５"',
            ),
            *('"1-800-FLOWERS"', '"+1+4155550100"', '"4155550100 x"', '"1234' + " " * 36 + '5"'),
        ),
    ),
    *fields(REGISTER, AN_ADMIN, "role", ('"owner"', '""', "null", "5", '["admin"]')),
    replace(
        REGISTER,
        name="register as super_admin",
        body=json_with(AN_ADMIN, role='"super_admin"').encode(),
        status=frozenset({403}),
        code=UNAUTHORIZED,
    ),
    replace(
        REGISTER,
        name="register as super_admin with an event_manager's token",
        headers={**JSON, **ADMIN},
        body=json_with(AN_ADMIN, role='"super_admin"').encode(),
        status=frozenset({403}),
        code=UNAUTHORIZED,
    ),
    replace(
        REGISTER,
        name="register as super_admin with a forged token",
        headers={**JSON, "Authorization": "Bearer {promoted}"},
        body=json_with(AN_ADMIN, role='"super_admin"').encode(),
        status=frozenset({401}),
        code=UNAUTHORIZED,
    ),
    *fields(LOGIN, {"email": '"a@x.io"', "password": '"x"'}, "email", ("null", "5", '""', None)),
    *fields(LOGIN, {"email": '"a@x.io"', "password": '"x"'}, "password", ("null", '""', None)),
    *(
        replace(
            LOGIN,
            name=f"login: {name}",
            body=body.encode(),
            status=frozenset({401}),
            code=UNAUTHORIZED,
        )
        for name, body in {
            "nobody's email": '{"email":"nobody@attacks.example","password":"correct horse"}',
            "73 bytes": f'{{"email":"nobody@attacks.example","password":{text(73)}}}',
            "SQL": '{"email":"\' OR 1=1--","password":"\' OR 1=1--"}',
        }.items()
    ),
]


def of_another(attack: Attack, body: str | None = None) -> Attack:
    return replace(
        attack,
        name=f"{attack.name} of another admin's event",
        path=attack.path.replace("{event_id}", "{other_id}"),
        body=None if body is None else body.encode(),
        status=frozenset({403}),
        code=UNAUTHORIZED,
    )


OWNERSHIP = [
    of_another(replace(ADMIN_READ, headers=ADMIN)),
    of_another(CHANGE, json_with({"version": "2"}, name='"Mine"')),
    of_another(replace(CHANGE, name="end"), json_with({"version": "2"}, status='"cancelled"')),
    of_another(CANCEL, json_with({"version": "2"})),
    of_another(
        Attack("analytics", "GET", "/api/v1/admin/events/{event_id}/analytics", headers=ADMIN)
    ),
    of_another(Attack("history", "GET", "/api/v1/admin/events/{event_id}/history", headers=ADMIN)),
]
