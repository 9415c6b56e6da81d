"""The faults that a caller of an event may see: what went wrong without a decision.

Rule: after `NothingDone` nothing has changed and the call may be made again; after
`OutcomeUnknown` only the same key tells; anything else that is raised is a bug.
"""


class Fault(Exception):
    """Why an event could not answer."""


class NothingDone(Fault):
    """The command was not carried out; it may be sent again after `retry_after_s`."""

    retry_after_s = 1


class Overloaded(NothingDone):
    """More commands wait than can be answered in time."""


class TooManyLogins(NothingDone):
    """More passwords wait to be hashed than can be in time."""

    # A full queue takes 8 s (see `Passwords`); by then more than half of it is done.
    retry_after_s = 5


class RowLocked(NothingDone):
    """Another transaction holds the row of `what` (an event, say); the database is well."""

    def __init__(self, what: str = "What this needs") -> None:
        super().__init__(what)
        self.what = what


class DatabaseUnavailable(NothingDone):
    """PostgreSQL does not answer, or not as a primary."""


class AnswerLost(DatabaseUnavailable):
    """A statement's answer did not come: what it would have changed may be changed.

    For a read it is one more way in which the database does not answer; a change whose answer was
    lost is of unknown outcome.
    """


class OutcomeUnknown(Fault):
    """The command's commit could not be resolved in time; its key will tell."""

    retry_after_s = 2

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class CommandFailed(Fault):
    """The command met a bug; it was not carried out, and its neighbours were."""
