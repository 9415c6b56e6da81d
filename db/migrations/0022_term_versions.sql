-- At which version each term of the offer last changed: a caller who decided on an earlier one is told which.
--
-- Invariants:
--   it is written by the statement that raises `terms_version`, and by no seat move;
--   it is complete as long as its latest version is `terms_version`: the release before this one raises that
--   alone, and what stands here tells nothing then, until the next change of a term begins it anew.
-- A constant default, so no row is rewritten. No index holds it, so a seat move stays HOT.

ALTER TABLE events ADD COLUMN term_versions jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN events.term_versions IS
    'Terms that changed after version `since`, as {since, changed: [[name, version]]}; {}: none was noted yet.';
