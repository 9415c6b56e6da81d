-- Takes the turn to look after holds, for as long as this session lasts; false: another session has it.
SELECT pg_try_advisory_lock($1) AS taken
