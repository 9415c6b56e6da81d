"""Why a benchmark can end without figures.

Rule: each message is for the person who started it.
"""


class BenchFailed(Exception):
    """There are no figures; the message says why."""


class NotReady(BenchFailed):
    """The machine lacks something; the message says what to do."""


class NotDurable(BenchFailed):
    """The database does not commit durably, so nothing is measured on it."""


class LoadFailed(BenchFailed):
    """wrk, pgbench or the bare server failed; the message is its own."""


class ServiceFailed(BenchFailed):
    """The service did not start, or gave an unexpected answer; the message says which."""
