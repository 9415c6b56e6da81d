"""What a client is told of whatever was raised on the way to its answer.

Rule: nothing that is raised is told as it is: a bug is logged, and answered without its cause.
"""

import logging

from evently.domain.errors import CommandFailed, Fault
from routes.contract.errors import ApiError, failed, internal_error

log = logging.getLogger(__name__)


def error_for(raised: Exception, what: str, *, reads: bool) -> ApiError:
    """The error for what was raised by `what`, a request; `reads` means that it changes nothing."""
    if isinstance(raised, ApiError):
        return raised
    if isinstance(raised, Fault):
        if isinstance(raised, CommandFailed):
            log.error("a command failed: %r", raised)
        return failed(raised, reads=reads)
    log.error("%s failed", what, exc_info=raised)
    return internal_error()
