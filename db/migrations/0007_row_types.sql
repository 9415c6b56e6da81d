-- The types in which statements take their rows: one array of rows instead of an array for each column.
--
-- Rule: a type is never altered, because workers of the release before go on sending its rows while a new
-- one is rolled out. Rows with other columns are a new type with the next number in its name.

CREATE TYPE batch_row_1 AS (
    event_id uuid,
    base_version bigint,
    base_fence bigint,
    before_start boolean,
    changes text,
    status text,
    version bigint,
    terms_version bigint,
    fence bigint,
    available_seats_delta integer,
    revenue_delta text
);

CREATE TYPE ledger_row_1 AS (
    event_id uuid,
    version bigint,
    kind text,
    seat_delta integer,
    capacity_delta integer,
    money_delta text,
    available_seats integer,
    status text,
    request_key text,
    request text,
    caller text,
    request_id text,
    changes text
);

CREATE TYPE refusal_row_1 AS (
    event_id uuid,
    request_key text,
    caller text,
    request text,
    refusal text
);
