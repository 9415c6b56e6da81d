"""The real service, a real PostgreSQL and a bad network between them, under faults from a seed."""
