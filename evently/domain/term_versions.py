"""When each term of an event's offer last changed, so that a conflict can name what is new.

Rules:

1. What it tells of a version is every term that changed since, or that it does not know.
2. `terms_version` of the event says when a term last changed, whoever wrote that. A release that
   does not know of this here raises it alone: what was noted before such a change tells nothing
   any more, and noting begins anew with the next change.
3. A term that was changed and changed back has changed: each of the two made a new offer.
"""

from collections.abc import Iterable

from evently.domain.value import value


@value
class TermVersions:
    """The terms that changed after version `since`, each with the last version that changed it.

    `changed` is in the order of the names.
    """

    since: int = 0
    changed: tuple[tuple[str, int], ...] = ()

    def with_change(self, names: Iterable[str], version: int, terms_version: int) -> "TermVersions":
        """The same once `names` change at `version`; `terms_version` is when a term did before."""
        known = self if self._knows(terms_version) else TermVersions(terms_version)
        changed = {**dict(known.changed), **dict.fromkeys(names, version)}
        return TermVersions(known.since, tuple(sorted(changed.items())))

    def changed_after(self, version: int, terms_version: int) -> tuple[str, ...] | None:
        """The names of all that changed after `version`, up to the last change at `terms_version`.

        None where some did, and not all of them are known.
        """
        if version >= terms_version:
            return ()
        if version < self.since or not self._knows(terms_version):
            return None
        return tuple(name for name, at in self.changed if at > version)

    def _knows(self, terms_version: int) -> bool:
        """Whether the last change of a term was noted here."""
        return max((at for _, at in self.changed), default=0) == terms_version


# What is known of an event whose terms have not changed since this is noted.
NOTHING_NOTED = TermVersions()
