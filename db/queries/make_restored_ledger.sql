-- Makes a table for rows of the ledger that come out of an archive, for this transaction.
CREATE TEMPORARY TABLE restored_ledger (LIKE event_ledger INCLUDING DEFAULTS) ON COMMIT DROP
