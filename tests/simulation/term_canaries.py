"""Mutants of what a conflict tells of an offer's terms; `canaries` has the rule."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from evently.domain.term_versions import TermVersions


@contextmanager
def name_terms_where_some_are_not_known() -> Iterator[None]:
    def changed_after(self: TermVersions, version: int, terms_version: int) -> tuple[str, ...]:
        return tuple(name for name, at in self.changed if at > version)

    with patch.object(TermVersions, "changed_after", changed_after):
        yield
