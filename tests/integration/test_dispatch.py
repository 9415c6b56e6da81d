"""What a client is told of what went wrong behind an endpoint, and what only the log is."""

import asyncio
import json
import logging

import pytest

from evently.domain.errors import (
    AnswerLost,
    CommandFailed,
    DatabaseUnavailable,
    Fault,
    OutcomeUnknown,
    Overloaded,
    RowLocked,
)
from routes.call import Call
from routes.contract.answers import Health
from tests.integration.one_dispatcher import Observed, dispatching, endpoints_at

REQUEST_ID = "find-me"
# What a client must not see of a bug.
CAUSE = "the price of seat 42"


class Failing:
    """A handler that raises what it was given, as often as it is asked."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def __call__(self, call: Call) -> Health:
        raise self.error


BUGS = (
    RuntimeError(CAUSE),
    TimeoutError(CAUSE),
    ConnectionResetError(CAUSE),
    AssertionError(CAUSE),
)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: type(bug).__name__)
async def test_a_bug_is_500_to_its_client_and_has_its_cause_in_the_log(
    bug: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    observed = Observed()
    async with dispatching(endpoints_at("/x", Failing(bug), ("GET",)), observed=observed) as client:
        # The connection stays: nothing is wrong with it.
        for _ in range(2):
            async with client.get("/x", headers={"X-Request-ID": REQUEST_ID}) as answer:
                assert answer.status == 500
                assert answer.headers["X-Request-ID"] == REQUEST_ID
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"] == "no-store"
                text = await answer.text()
                assert CAUSE not in text
                assert type(bug).__name__ not in text
                error = json.loads(text)["error"]
                assert (error["code"], error["details"]) == ("INTERNAL_ERROR", {})
    assert observed.statuses == [500, 500]
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(told) == 2
    assert told[0].exc_info is not None
    assert told[0].exc_info[1] is bug


FAULTS: dict[str, tuple[Fault, int, dict[str, str]]] = {
    "OVERLOADED": (Overloaded(), 503, {}),
    "DATABASE_UNAVAILABLE": (DatabaseUnavailable(), 503, {}),
    "OUTCOME_UNKNOWN": (OutcomeUnknown("booking-7"), 503, {"request_key": "booking-7"}),
}


@pytest.mark.parametrize("code", FAULTS)
async def test_a_fault_is_503_and_says_when_to_try_again(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault, status, details = FAULTS[code]
    async with (
        dispatching(endpoints_at("/x", Failing(fault), ("POST",))) as client,
        client.post("/x") as answer,
    ):
        assert answer.status == status
        assert int(answer.headers["Retry-After"]) >= 1
        error = (await answer.json())["error"]
    assert list(error) == ["code", "message", "details", "timestamp"]
    assert (error["code"], error["details"]) == (code, details)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_row_that_another_holds_is_told_as_that() -> None:
    async with (
        dispatching(endpoints_at("/x", Failing(RowLocked("Event")), ("POST",))) as client,
        client.post("/x") as answer,
    ):
        assert (answer.status, int(answer.headers["Retry-After"])) == (503, 1)
        error = (await answer.json())["error"]
    assert (error["code"], error["details"]) == ("OVERLOADED", {"reason": "row_locked"})
    assert error["message"].startswith("Event is busy")


@pytest.mark.parametrize(
    ("method", "code"), [("POST", "OUTCOME_UNKNOWN"), ("GET", "DATABASE_UNAVAILABLE")]
)
async def test_an_answer_that_was_lost_leaves_open_what_may_have_been_done(
    method: str, code: str
) -> None:
    async with (
        dispatching(endpoints_at("/x", Failing(AnswerLost()), (method,))) as client,
        client.request(method, "/x") as answer,
    ):
        assert (answer.status, int(answer.headers["Retry-After"]) >= 1) == (503, True)
        error = (await answer.json())["error"]
    assert error["code"] == code
    # Only a read can be sure of that.
    assert ("nothing was done" in error["message"]) == (method == "GET")


async def test_a_command_that_failed_is_a_bug_that_the_log_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        dispatching(endpoints_at("/x", Failing(CommandFailed(CAUSE)), ("POST",))) as client,
        client.post("/x") as answer,
    ):
        assert answer.status == 500
        assert CAUSE not in await answer.text()
    assert any(record.levelno == logging.ERROR for record in caplog.records)


async def test_a_client_that_hangs_up_takes_its_handler_along() -> None:
    arrived, ended = asyncio.Event(), asyncio.Event()

    class Waiting:
        async def __call__(self, call: Call) -> Health:
            arrived.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return Health()

    async with dispatching(endpoints_at("/x", Waiting(), ("GET",))) as client:
        asking = asyncio.ensure_future(client.get("/x"))
        await arrived.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert ended.is_set()
