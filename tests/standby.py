"""A primary and its synchronous standby, both real; either may be ended and started again.

Rule: only processes that are these servers' own are ever ended.
"""

import os
import time
from pathlib import Path

from evently.embedded.cluster import FOLDER
from tests.chaos.server import Server

DATABASE = "sold"
CONFIG = {
    "max_connections": "100",
    "wal_receiver_status_interval": "'100ms'",
    # A standby is ready when it can be read.
    "hot_standby": "on",
}
SYNCHRONOUS = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
STREAMING_S = 20.0


class ReplicatedPair:
    """Use it as a context manager, from the main thread."""

    def __init__(self, folder: Path) -> None:
        self.primary = Server(folder / "primary", CONFIG)
        self.standby = Server(folder / "standby", CONFIG)
        self._folder = folder

    @property
    def dsn(self) -> str:
        """The primary's database."""
        return self.primary.dsn(DATABASE)

    def until_synchronous(self) -> None:
        """Wait until commits wait for the standby, and it answers."""
        deadline_s = time.monotonic() + STREAMING_S
        while self.primary.psql(SYNCHRONOUS).strip() != "1":
            assert time.monotonic() < deadline_s, "the standby does not stream"
            time.sleep(0.02)

    def bring_back(self) -> None:
        """Start whatever is not running."""
        self.primary.start()
        self.standby.start()
        self.until_synchronous()

    def __enter__(self) -> "ReplicatedPair":
        try:
            self.primary.start()
            self.primary.create_database(DATABASE)
            self._copy()
            self.standby.start()
            self.primary.psql("ALTER SYSTEM SET synchronous_standby_names = '*'")
            self.primary.psql("SELECT pg_reload_conf()")
            self.until_synchronous()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.standby.stop()
        self.primary.stop()

    def _copy(self) -> None:
        """Make the standby's cluster, written by the servers' user."""
        primary = self._folder / "primary" / FOLDER
        copy = self._folder / "primary" / "copy"
        copy.mkdir(mode=0o700)
        os.chown(copy, primary.stat().st_uid, primary.stat().st_gid)
        dsn = self.primary.dsn("postgres")
        self.primary.run("pg_basebackup", "-d", dsn, "-D", str(copy), "-R", "-c", "fast")
        (self._folder / "standby").mkdir()
        copy.rename(self._folder / "standby" / FOLDER)
