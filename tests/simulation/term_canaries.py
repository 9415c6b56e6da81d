"""Mutants of what is noted of an offer's terms; `canaries` has the rule."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from evently.domain.term_versions import TermVersions


@contextmanager
def name_terms_as_if_every_release_noted_them() -> Iterator[None]:
    with patch.object(TermVersions, "_knows", lambda self, terms_version: True):
        yield
