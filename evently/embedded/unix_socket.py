"""Where the server listens: the folder of its Unix socket, and the URL for it.

Rule: only the owner can enter the folder, and the URL is complete, so that no PG* environment
variable applies.
"""

import os
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from evently.embedded.errors import EmbeddedPostgresError

DATABASE = "evently"
PORT = 5432
# A Unix socket's path has at most 103 (macOS) or 107 bytes; PostgreSQL adds `/.s.PGSQL.5432.lock`.
SOCKET_DIR_BYTES_MAX = 84


def make_socket_dir(root: Path) -> Path:
    """Create it beside the data, or under the temporary directory if that path is too long."""
    path = root / "socket"
    if len(os.fsencode(path)) > SOCKET_DIR_BYTES_MAX:
        digest = sha256(os.fsencode(root)).hexdigest()[:16]
        path = Path(tempfile.gettempdir()) / f"evently-{digest}"
    # The lock is ours, so what is there is left over; mkdir refuses a folder of another user.
    shutil.rmtree(path, ignore_errors=True)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError as error:
        raise EmbeddedPostgresError(
            f"{path} belongs to another user: remove it, or choose a shorter EVENTLY_DATA_DIR"
        ) from error
    return path


def dsn_of(socket_dir: Path, database: str) -> str:
    """The URL, with port and sslmode, so that PGPORT and PGSSLMODE do not apply."""
    where = f"host={quote(str(socket_dir), safe='')}&port={PORT}&sslmode=disable"
    return f"postgresql://postgres@/{quote(database, safe='')}?{where}"
