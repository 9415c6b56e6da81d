"""A log line carries what is known of the request, in JSON and in text."""

import contextvars
import json
import logging
import sys

from evently.logs import JsonLines, TextLines
from routes.request_context import request_id_now, traceparent_now

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def record(**fields: object) -> logging.LogRecord:
    made = logging.LogRecord("evently.access", logging.INFO, "x", 1, "%s done", ("all",), None)
    made.fields = fields
    return made


def within_a_request(formatter: logging.Formatter, made: logging.LogRecord) -> str:
    def format_there() -> str:
        request_id_now.set("r-1")
        traceparent_now.set(f"00-{TRACE_ID}-b7ad6b7169203331-01")
        return formatter.format(made)

    return contextvars.copy_context().run(format_there)


def test_a_json_line_is_one_object_with_request_and_trace() -> None:
    line = json.loads(within_a_request(JsonLines(), record(status=200, caller=None)))
    assert line["message"] == "all done"
    assert line["request_id"] == "r-1"
    assert line["trace_id"] == TRACE_ID
    assert line["status"] == 200
    assert "caller" not in line


def test_a_line_outside_of_requests_has_neither() -> None:
    line = json.loads(contextvars.Context().run(JsonLines().format, record()))
    assert line.keys() == {"time", "level", "logger", "message", "pid"}


def test_a_text_line_names_its_fields() -> None:
    line = within_a_request(TextLines(), record(status=200))
    assert line.endswith(f"all done  request_id=r-1 trace_id={TRACE_ID} status=200")


def test_an_exception_is_in_the_line() -> None:
    made = record()
    try:
        raise LookupError("lost")
    except LookupError:
        made.exc_info = sys.exc_info()
    assert "LookupError: lost" in json.loads(JsonLines().format(made))["exception"]
    assert "LookupError: lost" in TextLines().format(made)
