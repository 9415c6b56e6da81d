"""Which request is being answered, for whatever writes a log line or calls others on the way.

Rule: it imports nothing, so that a process that only logs need not load what speaks HTTP.
"""

from contextvars import ContextVar

# The id of the request that is being answered.
request_id_now: ContextVar[str] = ContextVar("request_id", default="")
# Its `traceparent` (W3C Trace Context), where it came with one: for the log, and handed on.
traceparent_now: ContextVar[str] = ContextVar("traceparent", default="")
