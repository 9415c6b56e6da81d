"""Admins, as they are before a window opens, and what they do beside it through the API."""

from uuid import uuid4

import bcrypt

from tests.acceptance.service import Service

PASSWORD = "correct horse battery"
# The cheapest that bcrypt knows; one that the service makes takes a quarter of a second each time.
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
ADD = """
INSERT INTO admins (admin_id, email, email_folded, password_hash, name, role)
VALUES (gen_random_uuid(), $1, $1, $2, $3, $4)
"""


async def add_admin(service: Service, name: str, role: str = "event_manager") -> str:
    """The email of a new admin."""
    email = f"{uuid4().hex}@example.org"
    await service.database.rows(ADD, email, HASH, name, role)
    return email


async def log_in(service: Service, email: str) -> dict[str, str]:
    """The headers of an admin."""
    body = {"email": email, "password": PASSWORD}
    answer = await service.api.call("POST", "/api/v1/auth/admin/login", body=body)
    assert answer.status == 200, answer
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


async def super_admin(service: Service) -> dict[str, str]:
    """The headers of a new super_admin."""
    return await log_in(service, await add_admin(service, "Root", "super_admin"))
