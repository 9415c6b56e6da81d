-- The sums of ledger rows l, as the table of kept sums has them. Sold is what is neither free nor held nor
-- kept back, so seats that go into a hold or a block, or come back out of it, change nothing.
coalesce(sum(-l.seat_delta - l.held_delta - l.held_back_delta)
             FILTER (WHERE l.seat_delta + l.held_delta + l.held_back_delta < 0), 0)::bigint AS tickets_sold,
coalesce(sum(l.seat_delta + l.held_delta + l.held_back_delta)
             FILTER (WHERE l.seat_delta + l.held_delta + l.held_back_delta > 0), 0)::bigint
    AS tickets_returned,
sum(l.money_delta) AS revenue
