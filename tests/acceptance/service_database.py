"""The database of a service under test, as an operator would query it."""

import asyncpg


class ServiceDatabase:
    """Runs statements at `url`; None is the embedded database, which is the service's own."""

    def __init__(self, url: str | None) -> None:
        self.url = url

    async def rows(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """The rows of a statement in the service's database."""
        assert self.url is not None, "the embedded database is the service's own"
        connection = await asyncpg.connect(self.url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows
        finally:
            await connection.close()

    async def ledger(self, event_id: str) -> list[asyncpg.Record]:
        """Every version of the event, in order."""
        return await self.rows(
            "SELECT * FROM event_ledger WHERE event_id = $1 ORDER BY version", event_id
        )
