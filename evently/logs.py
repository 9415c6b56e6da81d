"""How log lines look: JSON for machines, text for people at a terminal.

Rule: one line per event, on stderr, with the request id if there is a request; never a secret or
personal data.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from routes.request_context import request_id_now, traceparent_now


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for `record`; `extra={"fields": {...}}` adds fields to it."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        line |= _context(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """Time, level, message, then name=value for the rest."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for `record`."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        rest = " ".join(f"{name}={value}" for name, value in _context(record).items())
        line = f"{at} {record.levelname:<7} {record.name}: {record.getMessage()}"
        line = f"{line}  {rest}" if rest else line
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line


def _context(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = {}
    request_id = request_id_now.get()
    if request_id:
        found["request_id"] = request_id
    traceparent = traceparent_now.get()
    if traceparent:
        found["trace_id"] = traceparent.split("-")[1]
    fields = getattr(record, "fields", None) or {}
    found |= {name: value for name, value in fields.items() if value is not None}
    return found


def set_up_logs(log_format: str) -> None:
    """Send all log lines to stderr, as `json` or `text`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
