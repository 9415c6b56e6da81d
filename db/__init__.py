"""PostgreSQL and nothing else: connections, stores, statements, migrations.

Rule: the SQL is in `db/queries`, one statement per file. Driver errors are translated here, in one
place, and no package above this one uses asyncpg.
"""
