"""Answers as the service gives them, for `testing`."""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from multidict import CIMultiDict

from .fake_event import Done, Outcome
from .transport import Answer


def answer(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a body."""
    return Answer(status, CIMultiDict({"X-Request-ID": uuid4().hex, **(headers or {})}), body)


def error(
    status: int,
    code: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An error in the service's form."""
    timestamp = datetime.now(timezone.utc).isoformat()
    told = {"code": code, "message": message, "details": dict(details or {})}
    return answer(status, {"error": {**told, "timestamp": timestamp}}, headers)


def invalid(field: str, message: str) -> Answer:
    """400 for one field."""
    problem = {"field": field, "message": message}
    return error(400, "VALIDATION_ERROR", message, {"fields": [problem]})


def answer_to_command(event_id: str, outcome: Outcome, *, replayed: bool, status: int) -> Answer:
    """What became of a command on an event; `status` is that of its success."""
    if not isinstance(outcome, Done):
        details = {"event_id": event_id, **outcome.details}
        return error(outcome.http_status, outcome.code, outcome.message, details)
    body: dict[str, Any] = {
        "event_id": event_id,
        "available_seats": outcome.available_seats,
        "status": outcome.status,
        "version": outcome.version,
    }
    if outcome.hold is None:
        body["unit_price"] = outcome.unit_price
    else:
        body["hold"] = outcome.hold
    return answer(status, body, {"Idempotent-Replayed": "true"} if replayed else {})
