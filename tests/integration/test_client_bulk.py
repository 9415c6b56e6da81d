"""Many moves in one call of the client: what is sent again, and what each move comes to."""

from typing import Any
from uuid import uuid4

import pytest

from evently_client import (
    MOVES_MAX,
    ClientLimits,
    EventServiceClient,
    EventServiceError,
    InvalidRequest,
    OutcomeUnknown,
    Retry,
    SeatMove,
    SeatsMoved,
    Unauthorized,
    Unavailable,
)
from evently_client.errors import Failure
from evently_client.testing import Break, FakeEventService
from evently_client.transport import Answer, Request

EVENT = str(uuid4())


class Told:
    """A transport whose answers a test lays out: a list of results, or why there is no answer."""

    def __init__(self, *answers: list[dict[str, Any]] | Answer | Failure) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []
        self.waits: list[float] = []

    async def send(self, request: Request, timeout_s: float) -> Answer | Failure:
        self.bodies.append(request.body or b"")
        answer = self.answers.pop(0)
        if isinstance(answer, list):
            return Answer(200, {"X-Request-ID": "r"}, {"results": answer})
        return answer

    async def wait(self, wait_s: float) -> None:
        self.waits.append(wait_s)

    async def close(self) -> None:
        """Nothing was opened."""

    def client(self, **how: Any) -> EventServiceClient:
        return EventServiceClient("http://told.invalid", "key", transport=self, **how)


def done(version: int) -> dict[str, Any]:
    answer = {"event_id": EVENT, "available_seats": 1, "status": "published", "version": version}
    return {"status": 200, "answer": answer}


def failed(status: int, code: str, **more: Any) -> dict[str, Any]:
    error = {"code": code, "message": code, "details": {}, "timestamp": "2030-01-01T00:00:00Z"}
    return {"status": status, "error": error, **more}


def moves(*keys: str) -> list[SeatMove]:
    return [SeatMove(EVENT, -1, key=key) for key in keys]


async def test_only_what_may_be_done_again_is_sent_again_and_not_before_it_is_time() -> None:
    told = Told(
        [done(3), failed(503, "OVERLOADED", retry_after=4), failed(503, "OUTCOME_UNKNOWN")],
        [done(4), done(5)],
    )
    retries: list[Retry] = []
    results = await told.client(on_retry=retries.append).move_many(moves("a", "b", "c"))

    assert [r.version for r in results if isinstance(r, SeatsMoved)] == [3, 4, 5]
    assert [r.tries for r in results if isinstance(r, SeatsMoved)] == [1, 2, 2]
    assert b'"idempotency_key":"a"' in told.bodies[0]
    assert b'"idempotency_key":"a"' not in told.bodies[1]
    assert told.waits[0] >= 4
    assert [(retry.call, retry.key, retry.code) for retry in retries] == [
        ("move_many", "b", "OVERLOADED"),
        ("move_many", "c", "OUTCOME_UNKNOWN"),
    ]


async def test_a_move_ends_in_no_certainty_that_one_of_its_tries_has_left_unknown() -> None:
    overloaded = failed(503, "OVERLOADED")
    told = Told([failed(503, "OUTCOME_UNKNOWN"), overloaded], [overloaded, overloaded])
    results = await told.client(limits=ClientLimits(tries_max=2)).move_many(moves("a", "b"))

    assert [type(result) for result in results] == [OutcomeUnknown, Unavailable]
    assert [result.key for result in results] == ["a", "b"]


async def test_what_was_done_is_told_also_if_the_next_try_is_refused_as_a_whole() -> None:
    told = Told(
        [done(3), failed(503, "OVERLOADED")],
        Answer(403, {}, {"error": {"code": "UNAUTHORIZED", "message": "no", "details": {}}}),
    )
    results = await told.client().move_many(moves("a", "b"))

    assert [type(result) for result in results] == [SeatsMoved, Unauthorized]


@pytest.mark.parametrize(
    "body", [{"results": [done(3)]}, {"results": [{}, {}]}, {}, None, {"results": "ab"}]
)
async def test_results_that_do_not_fit_are_no_answer(body: Any) -> None:
    told = Told(Answer(200, {}, body), [done(3), done(4)])
    results = await told.client().move_many(moves("a", "b"))

    assert [type(result) for result in results] == [SeatsMoved, SeatsMoved]
    assert len(told.bodies) == 2


async def test_one_invalid_move_refuses_all() -> None:
    fields = [{"field": "body.moves[1].event_id", "message": "event_id must be a UUID"}]
    error = {"code": "VALIDATION_ERROR", "message": "no", "details": {"fields": fields}}
    results = await Told(Answer(400, {}, {"error": error})).client().move_many(moves("a", "b"))

    for result in results:
        assert isinstance(result, InvalidRequest)
        assert result.fields == fields


async def test_a_wrong_value_is_never_sent() -> None:
    wrong: list[dict[str, Any]] = [
        {"event_id": 7},
        {"quantity": 1.5},
        {"quantity": True},
        {"version": "7"},
        {"key": 7},
    ]
    for given in wrong:
        with pytest.raises(TypeError):
            SeatMove(**{"event_id": EVENT, "quantity": 1, **given})
    out_of_range: list[dict[str, Any]] = [
        {"quantity": 0},
        {"quantity": 2**31},
        {"version": 0},
        {"on_conflict": "never"},
        {"key": ""},
    ]
    for given in out_of_range:
        with pytest.raises(ValueError, match="must be"):
            SeatMove(**{"event_id": EVENT, "quantity": 1, **given})
    fake = FakeEventService()
    event_id = fake.add_event(seats=MOVES_MAX)
    async with fake.client() as events:
        for number in (0, MOVES_MAX + 1):
            with pytest.raises(ValueError, match="moves must be 1 to 100"):
                await events.move_many([SeatMove(event_id, -1)] * number)
        assert fake.requests == []
        results = await events.move_many([SeatMove(event_id, -1) for _ in range(MOVES_MAX)])
    assert not [result for result in results if isinstance(result, EventServiceError)]
    assert fake.event(event_id).available_seats == 0


async def test_the_fake_service_breaks_a_request_as_a_whole() -> None:
    fake = FakeEventService()
    event_id = fake.add_event(seats=9)
    fake.break_next(Break.OVERLOADED, Break.OUTCOME_UNKNOWN)
    async with fake.client() as events:
        results = await events.move_many([SeatMove(event_id, -1), SeatMove(event_id, -2)])
    assert [result.replayed for result in results if isinstance(result, SeatsMoved)] == [True] * 2
    assert fake.event(event_id).available_seats == 6
