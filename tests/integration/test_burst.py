"""`burst` against a small server that sells honestly, or not."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from click.testing import CliRunner, Result

from evently.commands.burst import _own_url, burst
from evently.commands.burst_play import OnSale
from evently_client import EventForBooking

KEY = "booking-key-of-the-test"
START = "2099-06-01T20:00:00Z"


class Box:
    """One event of the server; `bug` is how it lies."""

    def __init__(self, seats: int, bug: str = "") -> None:
        self.event_id = str(uuid4())
        self.total = self.available = seats
        self.version = 2
        self.bug = bug
        self.answers: dict[str, dict[str, Any]] = {}

    def shown(self) -> dict[str, Any]:
        return {
            "event_id": self.event_id,
            "available_seats": self.available,
            "total_capacity": self.total,
            "max_tickets_per_booking": 10,
            "level": "available" if self.available else "sold_out",
            "base_price": 25.5,
            "status": "published",
            "version": self.version,
            "start_datetime": START,
        }

    def listed(self) -> dict[str, Any]:
        texts = dict.fromkeys(("name", "event_type", "venue_id", "venue_name", "venue_city"), "-")
        return {**self.shown(), **texts, "end_datetime": START}

    def detail(self) -> dict[str, Any]:
        texts = dict.fromkeys(("venue_id", "name", "address", "city", "country"), "-")
        nothing = dict.fromkeys(("state", "postal_code", "layout_config"))
        venue = {**texts, **nothing, "capacity": self.total}
        return {**self.listed(), "description": "", "venue": venue}

    def move(self, body: dict[str, Any], key: str) -> web.Response:
        if key in self.answers:
            return web.json_response(self.answers[key], headers={"Idempotent-Replayed": "true"})
        quantity = body["quantity"]
        if self.available + quantity < 0 and self.bug != "no limit":
            details = {"requested": -quantity, "available": self.available}
            return self.error(409, "INSUFFICIENT_SEATS", details)
        if body["version"] not in {"*", self.version} and "on_conflict" not in body:
            return self.error(409, "CONCURRENT_UPDATE", {"current_version": self.version})
        self.version += 1
        if self.bug != "lost update" or self.version % 10:
            self.available += quantity
        if self.bug == "same version" and self.version == 9:
            self.version = 8
        self.answers[key] = self.shown()
        return web.json_response(self.answers[key])

    @staticmethod
    def error(status: int, code: str, details: dict[str, Any]) -> web.Response:
        error = {"code": code, "message": code, "details": details}
        return web.json_response({"error": error}, status=status)


class Service:
    """The parts of the API that a burst uses."""

    def __init__(self, *boxes: Box, flaky: int = 0) -> None:
        self.boxes = {box.event_id: box for box in boxes}
        self.flaky = flaky
        self.moves = 0
        # The numbers of moves of requests for many.
        self.requests: list[int] = []
        self.url = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        path = request.path.removeprefix("/api/v1").removeprefix("/internal").split("/")
        if path == ["", "events"]:
            listed = [box.listed() for box in self.boxes.values()]
            paging = {"total": len(listed), "page": 1, "limit": 100, "has_more": False}
            return web.json_response({"events": listed, **paging})
        if path == ["", "moves"]:
            return self.move_many(json.loads(raw)["moves"], request.headers["X-API-Key"])
        box = self.boxes.get(path[2])
        if box is None:
            return Box.error(404, "EVENT_NOT_FOUND", {})
        if request.path.startswith("/internal") and request.headers["X-API-Key"] != KEY:
            return Box.error(403, "UNAUTHORIZED", {})
        if request.method == "GET":
            internal = request.path.startswith("/internal")
            return web.json_response(box.shown() if internal else box.detail())
        answer = box.move(json.loads(raw), request.headers["Idempotency-Key"])
        first = "Idempotent-Replayed" not in answer.headers
        self.moves += first
        if first and self.flaky and self.moves % self.flaky == 0:
            assert request.transport is not None
            request.transport.close()
        return answer

    def move_many(self, moves: list[dict[str, Any]], key: str) -> web.Response:
        if key != KEY:
            return Box.error(403, "UNAUTHORIZED", {})
        self.requests.append(len(moves))
        results: list[dict[str, Any]] = []
        for move in moves:
            answer = self.boxes[move["event_id"]].move(move, move["idempotency_key"])
            assert isinstance(answer.body, bytes)
            told = json.loads(answer.body)
            if answer.status == 200:
                results.append({"status": 200, "answer": told})
            else:
                results.append({"status": answer.status, "error": told["error"]})
        return web.json_response({"results": results})

    async def burst(self, *arguments: str, env: dict[str, str] | None = None) -> Result:
        key = {"EVENTLY_INTERNAL_API_KEYS": f"booking:{KEY},other:other-key-of-the-test"}
        runner = CliRunner(env=key if env is None else env)
        given = ["--url", self.url, "--requests", "200", "--clients", "8", *arguments]
        return await asyncio.to_thread(runner.invoke, burst, given)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    async with RawTestServer(service.handle) as server:
        service.url = str(server.make_url("")).rstrip("/")
        yield service


def put(service: Service, *boxes: Box) -> None:
    service.boxes = {box.event_id: box for box in boxes}


def figures(result: Result) -> dict[str, str]:
    """The report's lines by their first word."""
    lines = (line.split(maxsplit=1) for line in result.stdout.splitlines() if line[:2] == "  ")
    return dict(lines)


async def test_many_moves_go_in_one_request(service: Service) -> None:
    box, other = Box(60), Box(1000)
    put(service, box, other)
    result = await service.burst("--batch", "30", "--events", "2", "--returns", "0.3")
    assert result.exit_code == 0, result.output
    assert sorted(service.requests) == [20, *[30] * 6]
    assert "30 to a request" in result.stdout
    assert "INSUFFICIENT_SEATS" in figures(result)["refused"]


async def test_many_moves_that_are_miscounted_are_found(service: Service) -> None:
    put(service, Box(500, "lost update"))
    result = await service.burst("--batch", "50")
    assert result.exit_code == 1
    assert "OVERSOLD OR MISCOUNTED" in result.output


async def test_a_wrong_key_ends_many_moves(service: Service) -> None:
    put(service, Box(500))
    result = await service.burst("--batch", "50", "--key", "another-key-of-the-test")
    assert result.exit_code == 1
    assert "UNAUTHORIZED" in result.output


@pytest.mark.parametrize("mode", ["any", "retry", "strict"])
async def test_all_seats_are_sold_once(service: Service, mode: str) -> None:
    box = Box(150)
    put(service, box)
    result = await service.burst("--mode", mode)
    assert result.exit_code == 0, result.output
    found = figures(result)
    assert found["mode"] == mode
    assert box.available == 0 or mode == "strict"
    assert found["sold"] == f"{150 - box.available} seats in {150 - box.available} moves"
    assert mode == "strict" or "INSUFFICIENT_SEATS" in found["refused"]
    assert result.stdout.splitlines()[-1] == "nothing oversold: seats and versions add up"


async def test_many_events_and_some_returns(service: Service) -> None:
    boxes = [Box(1000 + n) for n in range(10)]
    put(service, *boxes)
    arguments = ("--events", "7", "--seats", "3", "--returns", "0.5", "--mode", "retry")
    result = await service.burst(*arguments)
    assert result.exit_code == 0, result.output
    found = figures(result)
    sold, returned = (int(found[name].split()[0]) for name in ("sold", "returned"))
    assert sold + returned == 600
    assert returned > 0
    assert sum(box.total - box.available for box in boxes) == sold - returned
    assert [box.version for box in boxes[:3]] == [2, 2, 2], "those with the most seats are played"


async def test_lost_answers_are_counted_as_replays_and_nothing_is_sold_twice(
    service: Service,
) -> None:
    put(service, Box(1000))
    service.flaky = 20
    result = await service.burst()
    assert result.exit_code == 0, result.output
    found = figures(result)
    assert found["sold"] == "200 seats in 200 moves"
    assert found["replays"].split()[0] == "10"


@pytest.mark.parametrize(
    ("bug", "seats", "said"),
    [
        ("lost update", 1000, "seats are available, expected 800: 1000 before, 200 sold"),
        ("no limit", 100, "-100 of 100 seats are available"),
        ("same version", 1000, "version 8 was answered to more than one move"),
    ],
)
async def test_what_does_not_add_up_is_said_and_exits_with_1(
    service: Service, bug: str, seats: int, said: str
) -> None:
    box = Box(seats, bug)
    put(service, box)
    result = await service.burst("--event", box.event_id)
    assert result.exit_code == 1
    assert f"OVERSOLD OR MISCOUNTED: {box.event_id}: " in result.stdout
    assert said in result.stdout


async def test_others_may_move_seats_too_when_we_are_not_alone(service: Service) -> None:
    put(service, Box(1000, "lost update"))
    result = await service.burst("--not-alone")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("nothing oversold: seats within capacity, versions unique\n")


async def test_a_wrong_key_ends_it_at_once(service: Service) -> None:
    put(service, Box(10))
    result = await service.burst("--key", "wrong")
    assert result.exit_code == 1
    assert "UNAUTHORIZED" in result.stderr


async def test_the_key_comes_from_the_services_own_secrets(
    service: Service, tmp_path: Path
) -> None:
    put(service, Box(1000))
    env = {"EVENTLY_DATA_DIR": str(tmp_path), "EVENTLY_INTERNAL_API_KEYS": ""}
    missing = await service.burst(env=env)
    assert missing.exit_code == 2
    assert "give --key" in missing.stderr
    (tmp_path / "secrets.env").write_text(
        f"EVENTLY_JWT_SECRET=abc\nEVENTLY_INTERNAL_API_KEYS=booking:{KEY}\n"
    )
    assert (await service.burst(env=env)).exit_code == 0


async def test_there_must_be_events_enough(service: Service) -> None:
    put(service, Box(10))
    result = await service.burst("--events", "2")
    assert result.exit_code == 1
    assert "evently seed" in result.stderr


async def test_an_event_that_is_not_there_is_said(service: Service) -> None:
    result = await service.burst("--event", str(uuid4()))
    assert result.exit_code == 1
    assert "EVENT_NOT_FOUND" in result.stderr


def seen(available: int, version: int) -> EventForBooking:
    return EventForBooking("id", available, 8, Decimal(1), version, "published")


def test_a_move_of_unknown_outcome_makes_the_check_a_range() -> None:
    event = OnSale(seen(100, 2), 100)
    event.sold, event.maybe_sold, event.maybe_returned = 10, 2, 1
    event.versions = list(range(3, 13))
    for available, right in ((87, False), (88, True), (90, True), (91, True), (92, False)):
        assert (event.problems(seen(available, 12), alone=True) == []) is right


def test_help_has_examples() -> None:
    shown = CliRunner().invoke(burst, ["--help"]).output
    assert "Examples:\n    evently burst\n" in shown


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        (None, None, "http://127.0.0.1:8002"),
        ("", "18002", "http://127.0.0.1:18002"),
        ("0.0.0.0", None, "http://127.0.0.1:8002"),  # noqa: S104 - nobody listens there
        ("::", "80", "http://[::1]:80"),
        ("::1", "80", "http://[::1]:80"),
        ("10.0.0.1", "80", "http://10.0.0.1:80"),
    ],
)
def test_it_calls_the_service_of_its_own_environment(
    monkeypatch: pytest.MonkeyPatch, host: str | None, port: str | None, url: str
) -> None:
    for name, text in (("HOST", host), ("PORT", port)):
        monkeypatch.delenv(f"EVENTLY_{name}", raising=False)
        if text is not None:
            monkeypatch.setenv(f"EVENTLY_{name}", text)
    assert _own_url() == url
