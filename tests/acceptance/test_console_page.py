"""How the console's page and its files are served, and who is led there."""

import re

from tests.acceptance.service import Service


async def test_a_browser_is_led_to_the_console_and_a_program_to_the_document(
    service: Service,
) -> None:
    browser = await service.api.call(
        "GET", "/", headers={"Accept": "text/html,application/xhtml+xml;q=0.9"}
    )
    assert (browser.status, browser.headers["Location"], browser.body) == (303, "console", b"")
    program = await service.api.call("GET", "/", headers={"Accept": "*/*"})
    assert program.json == {
        "service": "Evently Event Service",
        "openapi": "openapi.json",
        "docs": "docs",
        "console": "console",
        "registration": "open",
    }
    # A cache must not give one of them what the other was answered.
    assert browser.headers["Vary"] == program.headers["Vary"] == "Accept"


async def test_the_page_is_asked_for_again_and_its_files_are_kept(service: Service) -> None:
    page = await service.api.call("GET", "/console")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    assert page.headers["Content-Security-Policy"] == (
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
    same = await service.api.call(
        "GET", "/console", headers={"If-None-Match": page.headers["ETag"]}
    )
    assert (same.status, same.body) == (304, b"")
    files = re.findall(r'(?:href|src)="(console/[^"]+)"', page.body.decode())
    assert len(files) == 3
    for file in files:
        answer = await service.api.send("GET", f"/{file}")
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["ETag"]


async def test_files_of_another_release_are_not_there(service: Service) -> None:
    answer = await service.api.send("GET", "/console/0000000000000000/app.js")
    assert (answer.status, answer.json["error"]["code"]) == (404, "NOT_FOUND")
