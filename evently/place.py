"""What the supervisor and its workers must agree on.

Rule: this module imports nothing that counts metrics, so that the supervisor can import it
before it has told its workers where to count.
"""

import msgspec

# The environment variable that carries a worker's place, as JSON; it holds the database's
# password, which an argument would show to everybody on the machine.
PLACE_VARIABLE = "EVENTLY__PLACE"
# A worker says that it is ready, then, so often, that its loop turns.
READY, ALIVE = b"R", b"."
ALIVE_S = 0.5
# Connections that wait to be accepted, for as long as a worker takes to be replaced.
BACKLOG = 4096


class Place(msgspec.Struct, frozen=True):
    """Where a worker stands.

    `listener` and `control` are inherited file descriptors; `run_dir` is what the workers of
    this node share: their sockets, the revision, the metrics.
    """

    index: int
    workers: int
    run_dir: str
    dsn: str
    listener: int
    control: int
