-- How many events there are; one row, always.
SELECT count(*) AS events FROM events
