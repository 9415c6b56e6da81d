-- Seats are sold between the opening and the close of sales, and an admin changes event e until its last
-- moment. The opening is compared with the time of the commit, so that no sale is noted before it.
(NOT b.sells
            OR (coalesce(e.sales_start, '-infinity') <= now()
                AND coalesce(e.sales_end, e.start_datetime) > clock_timestamp()
                AND NOT e.paused))
       AND (NOT b.amends OR greatest(e.start_datetime, e.sales_end) > clock_timestamp())
