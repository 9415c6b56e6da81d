"""What the supervisor and its workers must agree on.

Rule: this module imports nothing that imports the metrics library, so that the supervisor can
import it before it sets PROMETHEUS_MULTIPROC_DIR for its workers.
"""

import signal

import msgspec

# The environment variable that holds a worker's place, as JSON. It contains the database password,
# which every user of the machine could read in a command-line argument.
PLACE_VARIABLE = "EVENTLY__PLACE"
# A worker reports once that it is ready, then sends this heartbeat from its event loop.
READY, ALIVE = b"R", b"."
ALIVE_S = 0.5
# Tells a worker that another one serves in its place by now, so that it may take its time.
REPLACED = signal.SIGUSR1
# Connections that can wait in the accept queue while a worker is being replaced.
BACKLOG = 4096


class Place(msgspec.Struct, frozen=True):
    """What one worker is given.

    `listener` and `control` are inherited file descriptors; `run_dir` is what the workers of
    this node share: their sockets, the revision, the metrics.
    """

    index: int
    workers: int
    run_dir: str
    dsn: str
    listener: int
    control: int
