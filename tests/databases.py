"""Migrated databases for tests, used again by the next one once they are as good as new.

Rule: whoever gets one cannot tell it from a fresh copy of the template. What a test wrote is
deleted; one whose schema, rights or settings a test has changed, or whose size, is not lent again.
It stays where it is until the server's folder goes: dropping a database waits until all that is in
memory is on disk.

Measured: a fresh copy (8 MB of files, and as much of WAL) takes 60 to 400 ms, and as long to drop,
as busy as the machine is; deleting a few rows takes 20 ms.
"""

from uuid import uuid4

from evently.embedded import EmbeddedPostgres, EmbeddedPostgresError

# A test that wrote more than this has left pages and statistics that a fresh one does not have.
GROWN_BYTES_MAX = 16_000_000

# Every change to these by the test shows: the rows that follow hold all that a schema is made of.
FINGERPRINT = """
SELECT md5(string_agg(line, E'\n' ORDER BY line))
  FROM (SELECT concat_ws(' ', 'relation', oid, relname, relkind, relacl, relowner, reloptions,
                         relreplident, relpersistence, relrowsecurity)
          FROM pg_class WHERE oid >= 16384
         UNION ALL
        SELECT concat_ws(' ', 'column', attrelid, attnum, attname, atttypid, atttypmod, attnotnull,
                         attisdropped, atthasdef, attacl, attoptions)
          FROM pg_attribute WHERE attrelid >= 16384
         UNION ALL
        SELECT concat_ws(' ', 'constraint', oid, conname, convalidated)
          FROM pg_constraint WHERE oid >= 16384
         UNION ALL
        SELECT concat_ws(' ', 'trigger', oid, tgname, tgenabled) FROM pg_trigger
         UNION ALL
        SELECT concat_ws(' ', 'rule', oid, ev_enabled) FROM pg_rewrite WHERE oid >= 16384
         UNION ALL
        SELECT concat_ws(' ', 'function', oid, proname) FROM pg_proc WHERE oid >= 16384
         UNION ALL
        SELECT concat_ws(' ', 'publication', oid, pubname) FROM pg_publication
         UNION ALL
        SELECT concat_ws(' ', 'subscription', oid, subname) FROM pg_subscription
         UNION ALL
        SELECT concat_ws(' ', 'extension', oid, extname) FROM pg_extension
         UNION ALL
        SELECT concat_ws(' ', 'schema', oid, nspname, nspacl)
          FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast)'
         UNION ALL
        SELECT concat_ws(' ', 'setting', setrole, setconfig)
          FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase
         WHERE datname = current_database()
         UNION ALL
        SELECT concat_ws(' ', 'database', datacl, datallowconn, datconnlimit)
          FROM pg_database WHERE datname = current_database()
         UNION ALL
        SELECT concat_ws(' ', 'migration', m) FROM schema_migrations AS m
         UNION ALL
        SELECT concat_ws(' ', 'size', pg_database_size(current_database()) > {size_max})
       ) AS l (line)
"""
# Whoever is still connected goes first. As a replica, no foreign key is asked for its opinion.
CLEAN = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid();
SET session_replication_role = replica;
{deletes}
SELECT setval(seqrelid, seqstart, false) FROM pg_sequence;
UPDATE change_feed SET begins_at = 0;
SELECT pg_stat_reset();
"""
TABLES = """
SELECT relname FROM pg_class
 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
   AND relname NOT IN ('schema_migrations', 'change_feed')
"""


class Databases:
    """Lends the databases of one server, all copies of one template."""

    def __init__(self, server: EmbeddedPostgres, template: str) -> None:
        self._server = server
        self._template = template
        # Good as new, and lent to nobody.
        self.free: list[str] = []
        tables = server.psql(TABLES, template).split()
        self._clean = CLEAN.format(deletes="\n".join(f"DELETE FROM {table};" for table in tables))
        size = int(server.psql("SELECT pg_database_size(current_database())", template))
        self._fingerprint = FINGERPRINT.format(size_max=size + GROWN_BYTES_MAX)
        self._as_new = server.psql(self._fingerprint, template)

    def take(self) -> str:
        """The name of a migrated database without a row, for one test."""
        if self.free:
            return self.free.pop()
        name = f"test_{uuid4().hex}"
        self._server.create_database(name, self._template)
        return name

    def give_back(self, name: str) -> None:
        """The test is over: clean the database for the next one, or let it be."""
        if self._is_as_new(name):
            self.free.append(name)

    def _is_as_new(self, name: str) -> bool:
        try:
            said = self._server.psql(self._clean + self._fingerprint, name)
        except EmbeddedPostgresError:
            return False
        return said.splitlines()[-1:] == self._as_new.splitlines()
