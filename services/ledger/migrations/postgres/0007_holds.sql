-- How long billing took after the hold began: how many bids of one exchange and kind of place, billed on one day (UTC), took up to so
-- many seconds. `since` is when the first of them was billed. A row only grows, and goes when the day no longer counts.
CREATE TABLE hold_delays (
    exchange       TEXT NOT NULL,
    place          TEXT NOT NULL,
    day            BIGINT NOT NULL,
    within_s       BIGINT NOT NULL,
    times          BIGINT NOT NULL,
    since          BIGINT NOT NULL,
    seq            BIGINT NOT NULL,
    PRIMARY KEY (exchange, place, day, within_s)
);
CREATE INDEX hold_delays_by_seq ON hold_delays (seq);
