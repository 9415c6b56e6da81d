"""Why the embedded server cannot be used.

Rule: an operator reads the message, so it says what to do.
"""


class EmbeddedPostgresError(Exception):
    """The server cannot be started; the message says why and what to do."""


class DataDirInUse(EmbeddedPostgresError):
    """Another process owns the data directory; `running_dsn` finds its server once it is up."""
