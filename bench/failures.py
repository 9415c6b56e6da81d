"""Why a bench can end without figures.

Rule: each message is a sentence for the person who started it.
"""


class BenchFailed(Exception):
    """There are no figures, and the message says why."""


class NotReady(BenchFailed):
    """The machine lacks something; the message says what to do."""


class NotDurable(BenchFailed):
    """The database would not survive a crash, so nothing is measured on it."""


class LoadFailed(BenchFailed):
    """wrk, pgbench or the bare server did not do its work; the message is its own."""


class ServiceFailed(BenchFailed):
    """The service did not start, or gave an answer that it should not; the message says which."""
