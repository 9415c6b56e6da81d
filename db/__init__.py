"""PostgreSQL and nothing else: connections, stores, statements, migrations.

Rule: SQL stands in `db/queries`, one statement to a file; driver errors are translated here,
once, and nothing above this package knows asyncpg.
"""
