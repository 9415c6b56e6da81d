"""Admins who act beside the window, through the API."""

from uuid import uuid4

from tests.acceptance.service import Service
from tests.browser.window import PASSWORD


async def log_in(service: Service, email: str) -> dict[str, str]:
    """The headers of the admin who has registered in a window."""
    body = {"email": email, "password": PASSWORD}
    answer = await service.api.call("POST", "/api/v1/auth/admin/login", body=body)
    assert answer.status == 200, answer
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


async def super_admin(service: Service) -> dict[str, str]:
    """The headers of a new super_admin."""
    email = f"{uuid4().hex}@example.org"
    headers = await service.clients.register_admin(email=email)
    await service.database.rows("UPDATE admins SET role = 'super_admin' WHERE email = $1", email)
    return headers
