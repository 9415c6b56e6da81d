"""What admins do with their accounts, and a super_admin with others'."""

from tests.acceptance.expectations import (
    BAD_ID,
    REFRESH,
    REGISTER,
    expect,
    problems,
    registration,
    unknown,
)
from tests.acceptance.service import Service

ME, ADMINS = "/api/v1/admin/me", "/api/v1/admin/admins"


async def test_an_admin_changes_their_account_and_logs_out_everywhere(service: Service) -> None:
    body = registration()
    registered = (await service.api.call("POST", REGISTER, body=body)).json
    headers = {"Authorization": f"Bearer {registered['access_token']}"}
    changed = {"name": "Ada King", "phone_number": "555 0100"}
    answer = await service.api.call("PUT", ME, headers=headers, body=changed)
    assert answer.status == 200
    assert (await service.api.call("GET", ME, headers=headers)).json == answer.json
    assert (answer.json["name"], answer.json["sessions"]) == ("Ada King", 1)

    path, new = f"{ME}/password", "staple of another stable"
    wrong = {"old_password": "wrong horse", "new_password": new}
    answer = await service.api.call("POST", path, headers=headers, body=wrong)
    assert problems(answer) == {"body.old_password": "old_password is not your password"}
    right = {"old_password": body["password"], "new_password": new}
    answer = await service.api.call("POST", path, headers=headers, body=right)
    assert answer.status == 200

    tokens = answer.json
    answer = await service.api.call(
        "POST", REFRESH, body={"refresh_token": registered["refresh_token"]}
    )
    expect(answer, 401, "UNAUTHORIZED")
    answer = await service.api.call("DELETE", f"{ME}/sessions", headers=headers)
    assert answer.json["sessions_ended"] == 1
    answer = await service.api.call(
        "POST", REFRESH, body={"refresh_token": tokens["refresh_token"]}
    )
    expect(answer, 401, "UNAUTHORIZED")

    answer = await service.api.call("GET", "/api/v1/admin/audit?limit=2", headers=headers)
    assert [one["action"] for one in answer.json["entries"]] == [
        "refreshes_revoked",
        "password_changed",
    ]
    assert answer.json["has_more"]


async def test_only_a_super_admin_manages_others(service: Service) -> None:
    headers = await service.clients.register_admin()
    other = (await service.api.call("POST", REGISTER, body=registration())).json
    path, body = f"{ADMINS}/{other['admin_id']}", {"is_active": False}
    expect(await service.api.call("GET", ADMINS, headers=headers), 403, "UNAUTHORIZED")
    expect(await service.api.call("PUT", path, headers=headers, body=body), 403, "UNAUTHORIZED")

    root = (await service.api.call("POST", REGISTER, body=registration())).json
    await service.database.rows(
        "UPDATE admins SET role = 'super_admin' WHERE admin_id = $1", root["admin_id"]
    )
    headers = {"Authorization": f"Bearer {root['access_token']}"}
    answer = await service.api.call("GET", f"{ADMINS}?limit=1", headers=headers)
    assert len(answer.json["admins"]) == 1
    assert answer.json["total"] >= 3
    answer = await service.api.call("PUT", path, headers=headers, body=body)
    assert (answer.status, answer.json["is_active"]) == (200, False)
    out = {"Authorization": f"Bearer {other['access_token']}"}
    expect(await service.api.call("GET", ME, headers=out), 401, "UNAUTHORIZED")
    nobody = f"{ADMINS}/{unknown()}"
    answer = await service.api.call("PUT", nobody, headers=headers, body=body)
    expect(answer, 404, "ADMIN_NOT_FOUND")
    answer = await service.api.call("PUT", f"{ADMINS}/{BAD_ID}", headers=headers, body=body)
    assert problems(answer) == {"path.admin_id": "Invalid admin ID"}
