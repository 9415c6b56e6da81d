"""Reads the statements of `db/queries`.

Rule: one statement to a file, named after the method that runs it; a name without a file is a
bug that shows at once.
"""

from functools import cache
from importlib.resources import files


@cache
def load(name: str) -> str:
    """The statement `name`. Raises FileNotFoundError where there is none."""
    return files("db").joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")
