-- Whether event e at venue v passes the filters $1 to $7, each of which may be null.
($1::uuid IS NULL OR e.created_by = $1)
   AND ($2::text[] IS NULL OR e.status = ANY ($2))
   AND ($3::boolean IS NULL OR (e.end_datetime <= now()) = $3)
   AND ($4::text IS NULL
        OR strpos(e.name_folded, $4) > 0
        OR strpos(v.name_folded, $4) > 0
        OR strpos(v.city_folded, $4) > 0)
   AND ($5::timestamptz IS NULL OR e.end_datetime > $5)
   AND ($6::timestamptz IS NULL OR e.start_datetime < $6)
   AND (NOT $7::boolean
        OR (e.status = 'draft' AND e.start_datetime <= now() + interval '1 day')
        OR (e.status IN ('published', 'sold_out') AND e.end_datetime > now()
            AND CASE WHEN e.sales_start > now() THEN e.sales_start <= now() + interval '1 day'
                     ELSE e.paused
                       OR (e.status = 'sold_out' AND e.held_back_seats > 0)
                       OR e.start_datetime <= now() + interval '1 day'
                       OR (e.available_seats > 0
                           AND (e.sales_end <= now()
                                OR e.available_seats <= greatest(10, e.total_capacity / 20)))
                END))
