"""`POST /internal/moves` on one connection: what is taken, and how each move is answered."""

import json
import logging
from typing import Any

import pytest

from evently.domain.commands import Reserve, Return
from evently.domain.errors import Overloaded
from evently.domain.outcomes import Done, InsufficientSeats
from evently.domain.state import Status
from routes.contract.bulk_moves import MOVES_MAX
from routes.contract.headers import KEY_MAX
from routes.contract.slips import UNKNOWN_MAX
from routes.server.read_json import BODY_BYTES_MAX
from tests.examples import EVENT, NOW, PRICE
from tests.unit.one_connection import Client, connected, done, request, tasks, until

MOVES = "/internal/moves"
MOVE = {"event_id": EVENT, "quantity": -1, "version": "*"}


@pytest.fixture
async def client() -> Client:
    return await connected()


def body(*moves: dict[str, Any]) -> str:
    return json.dumps({"moves": moves}, separators=(",", ":"))


async def answered(client: Client) -> Any:
    await until(lambda: client.wire.written != b"")
    status, _, told = client.answers()[0]
    assert status == 200
    return told["results"]


async def fields(client: Client, *moves: Any) -> dict[str, str]:
    client.send("POST", MOVES, json.dumps({"moves": list(moves)}))
    status, _, told = client.answers()[-1]
    assert status == 400
    assert client.events.asked == []
    return {one["field"]: one["message"] for one in told["error"]["details"]["fields"]}


async def test_each_move_is_asked_under_its_own_key_and_answered_in_its_place(
    client: Client,
) -> None:
    before = tasks()
    other = EVENT.replace("1", "2")
    client.send(
        "POST",
        MOVES,
        body(
            {**MOVE, "quantity": -2, "idempotency_key": "a"},
            {
                "event_id": other.upper(),
                "quantity": 3,
                "version": 7,
                "on_conflict": "retry",
            },
            {**MOVE, "idempotency_key": "c"},
            {**MOVE, "idempotency_key": "d"},
        ),
    )
    assert tasks() == before
    (a, reserve), (b, give_back), *_ = client.events.asked
    assert client.events.ids == [EVENT, other, EVENT, EVENT]
    assert (a.key, a.keyed, b.keyed) == ("a", True, False)
    assert (a.command, b.command) == (Reserve(2, None), Return(3, 7, retry=True))
    assert a.origin == b.origin
    assert a.deadline_s == b.deadline_s

    client.events.asked[3][1].set_exception(Overloaded("full"))
    client.events.asked[2][1].set_result(InsufficientSeats(1, 0))
    give_back.set_result(Done(8, 9, Status.PUBLISHED, NOW, replayed=True, unit_price=PRICE))
    assert client.wire.written == b""
    reserve.set_result(done(3))
    results = await answered(client)

    assert results[0] == {
        "status": 200,
        "answer": {
            "event_id": EVENT,
            "available_seats": 5,
            "status": "published",
            "version": 3,
            "unit_price": float(PRICE),
        },
    }
    assert results[1]["replayed"] is True
    assert results[1]["answer"]["event_id"] == other
    assert (results[2]["status"], results[2]["error"]["code"]) == (409, "INSUFFICIENT_SEATS")
    assert results[2]["error"]["details"] == {
        "event_id": EVENT,
        "requested": 1,
        "available": 0,
        "held": 0,
        "next_hold_expires_at": None,
    }
    assert (results[3]["status"], results[3]["error"]["code"]) == (503, "OVERLOADED")
    assert [result.get("retry_after") for result in results] == [None, None, None, 1]


async def test_a_fault_of_one_move_says_nothing_about_the_others(client: Client) -> None:
    client.events.fault = ZeroDivisionError("a bug")
    client.send("POST", MOVES, body(MOVE))
    results = await answered(client)

    assert (results[0]["status"], results[0]["error"]["code"]) == (500, "INTERNAL_ERROR")


async def test_a_bad_field_is_named_with_its_place_and_nothing_is_done(client: Client) -> None:
    good = {**MOVE, "quantity": 1}
    assert await fields(client) == {"body.moves": "moves must hold at least 1"}
    assert await fields(client, good, 1, {**good, "quantity": 0}) == {
        "body.moves[1]": "moves[1] must be a JSON object",
        "body.moves[2].quantity": "quantity must not be 0: negative reserves seats, positive"
        " returns them",
    }
    assert await fields(client, {**good, "event_id": "x", "version": True, "quantity": 1.0}) == {
        "body.moves[0].event_id": "event_id must be a UUID of 36 characters",
        "body.moves[0].version": "version must be the event's version as a JSON integer, or"
        ' "*" for any',
        "body.moves[0].quantity": "quantity must be a JSON integer",
    }
    assert await fields(client, {}) == {
        f"body.moves[0].{name}": f"{name} is required"
        for name in ("quantity", "version", "event_id")
    }


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "must be 1 to 255 printable ASCII characters"),
        ("k" * (KEY_MAX + 1), "must be 1 to 255 printable ASCII characters"),
        ("é", "must be 1 to 255 printable ASCII characters"),
        ("a\n", "must be 1 to 255 printable ASCII characters"),
        (None, "must be a string"),
        (7, "must be a string"),
    ],
)
async def test_a_key_is_what_the_header_takes(client: Client, key: Any, says: str) -> None:
    assert await fields(client, MOVE, {**MOVE, "idempotency_key": key}) == {
        "body.moves[1].idempotency_key": f"idempotency_key {says}"
    }


async def test_a_key_in_the_header_would_protect_nothing_and_is_refused(client: Client) -> None:
    client.send("POST", MOVES, body(MOVE), "Idempotency-Key: a")
    status, _, told = client.answers()[0]

    assert status == 400
    assert told["error"]["details"]["fields"][0]["field"] == "header.Idempotency-Key"
    assert client.events.asked == []


async def test_a_slip_in_a_move_is_told_also_beside_other_problems(client: Client) -> None:
    told = "on_conflct is not known; did you mean on_conflict?"
    assert await fields(client, MOVE, {**MOVE, "on_conflct": "retry"}) == {
        "body.moves[1].on_conflct": told
    }
    assert await fields(client, {**MOVE, "quantity": 0, "on_conflct": "retry"}) == {
        "body.moves[0].quantity": "quantity must not be 0: negative reserves seats, positive"
        " returns them",
        "body.moves[0].on_conflct": told,
    }
    # What answers show may be sent back, and does not count.
    back = {**MOVE, "status": "published", "available_seats": 3}
    moves = [back] * UNKNOWN_MAX + [{**MOVE, "on_conflct": "retry"}]
    assert list(await fields(client, *moves)) == [f"body.moves[{UNKNOWN_MAX}].on_conflct"]


async def test_so_many_unknown_names_are_looked_at_and_no_more(client: Client) -> None:
    odd = {f"note_{number}": 1 for number in range(UNKNOWN_MAX - 1)}
    slip = {**MOVE, "on_conflct": "retry"}
    assert list(await fields(client, {**MOVE, **odd}, slip)) == ["body.moves[1].on_conflct"]
    client.send("POST", MOVES, body({**MOVE, **odd, "note": 1}, slip))
    assert len(client.events.asked) == 2


async def test_a_hundred_of_the_longest_moves_fit_and_one_more_is_refused(client: Client) -> None:
    longest = {
        "event_id": EVENT,
        "quantity": -(2**31 - 1),
        "version": 2**63 - 1,
        "on_conflict": "retry",
        "idempotency_key": "k" * KEY_MAX,
    }
    moves = [{**longest, "idempotency_key": f"{n:0{KEY_MAX}}"} for n in range(MOVES_MAX)]
    text = json.dumps({"moves": moves}, indent=1)
    assert len(text) <= BODY_BYTES_MAX
    assert await fields(client, *moves, longest) == {"body.moves": "moves must hold at most 100"}

    client.send("POST", MOVES, text)
    assert len(client.events.asked) == MOVES_MAX


async def test_a_body_that_comes_in_pieces_takes_no_task(client: Client) -> None:
    before = tasks()
    raw = request("POST", MOVES, body(*[{**MOVE, "idempotency_key": f"{n}"} for n in range(100)]))
    for at in range(0, len(raw), 4096):
        assert client.events.asked == []
        client.connection.data_received(raw[at : at + 4096])

    assert len(client.events.asked) == 100
    assert tasks() == before


async def test_the_long_way_answers_alike(client: Client) -> None:
    client.send("POST", MOVES, body(MOVE, MOVE), "Connection: close")
    await until(lambda: len(client.events.asked) == 2)
    for version, (_, future) in enumerate(client.events.asked, 3):
        future.set_result(done(version))

    assert [result["answer"]["version"] for result in await answered(client)] == [3, 4]


async def test_a_client_that_hangs_up_waits_for_none_of_its_moves(client: Client) -> None:
    client.send("POST", MOVES, body(MOVE, MOVE))
    client.connection.connection_lost(None)
    await until(lambda: all(future.cancelled() for _, future in client.events.asked))

    assert len(client.events.asked) == 2


async def test_moves_are_counted_one_by_one(client: Client) -> None:
    client.send("POST", MOVES, body(MOVE, {**MOVE, "quantity": 2}, MOVE))
    client.events.asked[0][1].set_result(done(3))
    client.events.asked[1][1].set_result(done(4))
    client.events.asked[2][1].set_exception(Overloaded("full"))
    await answered(client)
    text = (await client.metrics.exposition()).decode()

    assert 'evently_seat_moves_total{kind="reserve",outcome="done"} 1.0' in text
    assert 'evently_seat_moves_total{kind="return",outcome="done"} 1.0' in text
    assert 'evently_seat_moves_total{kind="reserve",outcome="overloaded"} 1.0' in text
    assert 'evently_refusals_total{code="OVERLOADED"} 1.0' in text


async def test_the_log_counts_moves_and_leaves_out_no_fault(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "evently.access"):
        for _ in range(10):
            client.events.asked.clear()
            client.wire.written = b""
            client.send("POST", MOVES, body(*[MOVE] * 100))
            for _, future in client.events.asked:
                future.set_result(done(3))
            await answered(client)
        assert [line.__dict__["fields"]["moves"] for line in caplog.records] == [100]

        client.events.asked.clear()
        client.wire.written = b""
        client.send("POST", MOVES, body(MOVE, MOVE))
        client.events.asked[0][1].set_result(done(3))
        client.events.asked[1][1].set_exception(Overloaded("full"))
        await answered(client)
        told = caplog.records[-1].__dict__["fields"]
        assert (told["status"], told["moves"], told["failed"]) == (200, 2, 1)
