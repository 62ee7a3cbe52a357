-- Billed impressions of users who are counted: written with the notice, deleted when the tag store has counted them.
-- Numbers of rows rise and are never used again, so the first row is the one that waits longest.
CREATE TABLE outbox (
    seq        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bid        TEXT NOT NULL,
    user_key   TEXT NOT NULL,
    advertiser BIGINT NOT NULL,
    campaign   BIGINT NOT NULL,
    line_item  BIGINT NOT NULL,
    seen       BIGINT NOT NULL
);
CREATE INDEX outbox_by_user ON outbox (user_key);

-- Whose turn it is to deliver them, of all ledgers of this database: whoever has the number `term`, until a moment.
CREATE TABLE outbox_turn (
    id         BIGINT PRIMARY KEY,
    term       BIGINT NOT NULL,
    until      BIGINT NOT NULL
);
INSERT INTO outbox_turn (id, term, until) VALUES (1, 0, 0);
