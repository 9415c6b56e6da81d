-- Makes a table for holds that come out of an archive, for this transaction.
CREATE TEMPORARY TABLE restored_holds (LIKE event_holds INCLUDING DEFAULTS) ON COMMIT DROP
